//! What viewers ask for: rights on each event, order, refusals with the reason, and what nobody understands.

use super::{
    client::seen,
    stand::{ADA, Stand},
};
use crate::server::handle::{Refusal, Request};
use roost_wire::power::PowerAction;
use std::time::Duration;

const QUIET: Duration = Duration::from_millis(300);

#[test]
fn commands_reach_the_actor_in_order_and_are_recorded_once_accepted() {
    let mut stand = Stand::new();
    let mut viewer = stand.join(&stand.token());
    for text in ["one", "two", "three"] {
        viewer.send("send command", &[text]);
    }
    for expected in ["one", "two", "three"] {
        let Request::Command { text, by, reply } = stand.asked_for_action() else {
            panic!("no command")
        };
        assert_eq!((text.as_str(), by.user), (expected, Some(ADA)));
        reply.send(if text == "two" {
            Err(Refusal::Offline)
        } else {
            Ok(())
        });
    }
    viewer.expect(&[seen(
        "daemon message",
        &["The server is offline: start it first."],
    )]);
    let rows = stand.rows_of("server:console.command", 2);
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0].details["command"], &rows[1].details["command"]),
        (&"one".into(), &"three".into())
    );
    assert_eq!(rows[0].by.credential.as_deref(), Some("session 1"));
}

#[test]
fn each_event_needs_its_own_right() {
    let mut stand = Stand::new();
    let mut bob = stand.join(&stand.token_of_bob(&["control.start"]));
    for (event, arg, right) in [
        ("send command", "stop", "control.console"),
        ("set state", "stop", "control.stop"),
        ("set state", "kill", "control.stop"),
        ("set state", "restart", "control.restart"),
    ] {
        bob.send(event, &[arg]);
        let text = format!("You have no permission to do this ({right}).");
        bob.expect(&[seen("daemon message", &[&text])]);
    }
    bob.send("set state", &["explode"]);
    assert!(bob.until("daemon message")[0].contains("Unknown power action"));
    bob.send("set state", &["start"]);
    let Request::Power { action, reply, .. } = stand.asked_for_action() else {
        panic!("no power")
    };
    assert_eq!(action, PowerAction::Start);
    reply.send(Ok(()));
    assert_eq!(stand.rows_of("server:power.start", 1).len(), 1);
    assert!(stand.rows("server:console.command").is_empty() && stand.rows("server:power.stop").is_empty());
}

#[test]
fn a_right_that_a_fresh_token_lacks_is_gone() {
    let mut stand = Stand::new();
    let mut bob = stand.join(&stand.token_of_bob(&["control.console"]));
    bob.send("send command", &["one"]);
    drop(stand.asked_for_action());
    assert!(
        bob.until("daemon message")[0].contains("removed"),
        "a dropped request is answered"
    );
    bob.send("auth", &[&stand.token_of_bob(&[])]);
    bob.expect(&[seen("auth success", &[])]);
    bob.send("send command", &["two"]);
    assert!(bob.until("daemon message")[0].contains("control.console"));
}

#[test]
fn what_is_no_event_is_ignored_and_counted() {
    let stand = Stand::new();
    let mut viewer = stand.join(&stand.token());
    viewer.send_text("ping");
    viewer.send_text(r#"{"event":"auth","args":[{"a":1}]}"#);
    viewer.send("dance", &["now"]);
    viewer.send_frame(0x82, &[0, 1, 2]);
    viewer.send_text(r#"{"event":"send stats"}"#);
    viewer.until("stats");
    viewer.send_text(r#"{"event":"send stats","args":[null]}"#);
    viewer.until("stats");
    assert_eq!(stand.shards.counts().ignored, 4);
}

#[test]
fn a_full_mailbox_is_told() {
    let stand = Stand::new();
    let mut viewer = stand.join(&stand.token());
    for n in 0..20 {
        viewer.send("send command", &[&n.to_string()]);
    }
    assert_eq!(
        viewer.until("daemon message"),
        ["Too many requests: wait a moment and try again."]
    );
}

#[test]
fn a_flood_of_messages_is_told_and_then_closed() {
    let stand = Stand::with(|settings| {
        settings.messages = (1.0, 5.0);
        settings.dropped = (1.0, 20.0);
    });
    let mut viewer = stand.join(&stand.token());
    for _ in 0..15 {
        viewer.send("send stats", &[]);
    }
    for _ in 0..4 {
        viewer.until("stats");
    }
    viewer.expect(&[seen(
        "daemon message",
        &["Too many messages, some are dropped: send at most 1 a second."],
    )]);
    assert!(viewer.is_silent_for(QUIET), "said once a run");
    let mut other = stand.join(&stand.token());
    for _ in 0..30 {
        viewer.send_frame(0x89, b"");
    }
    assert_eq!(viewer.until_close(), (4429, "too many messages".to_owned()));
    other.send("send stats", &[]);
    other.until("stats");
}

#[test]
fn an_endless_message_of_empty_fragments_is_a_flood() {
    let stand = Stand::with(|settings| {
        settings.messages = (1.0, 5.0);
        settings.dropped = (1.0, 20.0);
    });
    let mut viewer = stand.open(None);
    viewer.send_frame(0x01, b"");
    for _ in 0..40 {
        viewer.send_frame(0x00, b"");
    }
    assert_eq!(viewer.until_close().0, 4429);
}

#[test]
fn figures_reach_all_viewers_and_a_quiet_one_is_kept_alive() {
    let stand = Stand::with(|settings| settings.keep_alive = Duration::from_millis(400));
    let mut viewers = [stand.join(&stand.token()), stand.join(&stand.token_of_bob(&[]))];
    let mut guest = stand.open(None);
    let stats = roost_wire::stats::Stats {
        memory_bytes: 4242,
        ..Default::default()
    };
    stand.shards.stats(super::stand::SERVER, &stats);
    for viewer in &mut viewers {
        assert!(viewer.until("stats")[0].contains("4242"));
        viewer.until("stats");
    }
    assert!(guest.is_silent_for(QUIET));
}

#[test]
fn the_actor_hears_once_that_somebody_watches_and_once_that_nobody_does() {
    let mut stand = Stand::new();
    let first = stand.join(&stand.token());
    let second = stand.join(&stand.token());
    assert!(matches!(stand.asked(), Request::Watched(true)));
    drop(first);
    stand.rows_of("server:websocket.disconnect", 1);
    assert!(stand.mailbox.try_recv().is_err());
    drop(second);
    assert!(matches!(stand.asked(), Request::Watched(false)));
}

#[test]
fn an_actor_whose_mailbox_was_full_hears_it_later() {
    let mut stand = Stand::new();
    let mut filled = 0;
    while stand.handle.mailbox.try_send(Request::Watched(false)).is_ok() {
        filled += 1;
    }
    let _viewer = stand.join(&stand.token());
    for _ in 0..filled {
        assert!(matches!(stand.asked(), Request::Watched(false)));
    }
    assert!(matches!(stand.asked(), Request::Watched(true)));
}
