//! Who is let in, what is said first, what happens at a token's end.

use super::{
    client::{closed, seen, until},
    stand::{ADA, BOB, Stand},
};
use roost_wire::power::PowerState;
use std::time::Duration;
use uuid::Uuid;

const QUIET: Duration = Duration::from_millis(300);

#[test]
fn the_first_frame_answers_auth_and_then_comes_the_state() {
    let stand = Stand::new();
    let mut viewer = stand.open(None);
    assert!(viewer.is_silent_for(QUIET), "nothing before auth");
    viewer.send("auth", &[&stand.token()]);
    viewer.expect(&[seen("auth success", &[]), seen("status", &["running"])]);
    assert!(
        viewer.is_silent_for(QUIET),
        "no stats of a running server, no history"
    );
}

#[test]
fn an_offline_server_shows_its_figures_once() {
    let stand = Stand::new();
    stand.view.send_modify(|view| view.state = PowerState::Offline);
    let mut viewer = stand.open(Some(&stand.token()));
    viewer.expect(&[seen("auth success", &[]), seen("status", &["offline"])]);
    let stats: serde_json::Value = serde_json::from_str(&viewer.until("stats")[0]).unwrap();
    assert_eq!(stats["state"], "offline");
    assert!(viewer.is_silent_for(QUIET));
}

#[test]
fn a_bad_token_in_the_address_is_told_and_closed() {
    let stand = Stand::new();
    for (token, text) in [("", "jwt: no jwt present"), ("a.b.c", "jwt: token is malformed")] {
        let mut viewer = stand.open(Some(token));
        viewer.expect(&[seen("jwt error", &[text]), closed(4403, "no valid token in time")]);
    }
    assert_eq!(
        stand.rows("server:websocket.refused")[0].details["reason"],
        "jwt: no jwt present"
    );
}

#[test]
fn after_a_failed_auth_the_socket_stays_for_another_try() {
    let stand = Stand::new();
    let mut viewer = stand.open(None);
    viewer.send("send stats", &[]);
    viewer.expect(&[seen("jwt error", &["jwt: no jwt present"])]);
    let old = stand.token();
    stand.clock.advance(901_000);
    viewer.send("auth", &[&old]);
    viewer.expect(&[seen("jwt error", &["jwt: exp claim is invalid"])]);
    let elsewhere = stand.token_with(|claims| claims.server_uuid = Uuid::from_u128(9));
    viewer.send("auth", &[&elsewhere]);
    viewer.expect(&[seen("jwt error", &["jwt: server uuid mismatch"])]);
    let useless = stand.token_with(|claims| claims.permissions = ["control.start"].into_iter().collect());
    viewer.send("auth", &[&useless]);
    viewer.expect(&[seen("jwt error", &["jwt: missing connect permission"])]);
    viewer.send("auth", &[&stand.token()]);
    viewer.expect(&[seen("auth success", &[])]);
}

#[test]
fn five_bad_tokens_are_enough() {
    let stand = Stand::new();
    let mut viewer = stand.open(None);
    for _ in 0..5 {
        viewer.send("auth", &["x"]);
        viewer.until("jwt error");
    }
    viewer.expect(&[closed(4403, "no valid token in time")]);
}

#[test]
fn a_denied_token_is_refused_and_a_fresh_one_is_not() {
    let stand = Stand::new();
    let denied = stand.token();
    stand.deny.deny_user(ADA, &[], None, None).unwrap();
    let mut viewer = stand.open(None);
    viewer.send("auth", &[&denied]);
    viewer.expect(&[seen("jwt error", &["jwt: created too far in past (denylist)"])]);
    stand.clock.advance(1_000);
    viewer.send("auth", &[&stand.token()]);
    viewer.expect(&[seen("auth success", &[])]);
}

#[test]
fn who_shows_no_token_is_closed_at_the_deadline() {
    let stand = Stand::with(|settings| settings.auth_deadline = Duration::from_millis(100));
    let mut silent = stand.open(None);
    let mut chatty = stand.open(None);
    chatty.send_text("ping");
    silent.expect(&[closed(4403, "no valid token in time")]);
    chatty.expect(&[closed(4403, "no valid token in time")]);
    assert_eq!(stand.rows_of("server:websocket.refused", 2)[0].by.user, None);
}

#[test]
fn a_refresh_is_answered_and_changes_nothing_on_the_screen() {
    let mut stand = Stand::new();
    let mut viewer = stand.join(&stand.token());
    stand.print("one\n");
    viewer.expect(&[seen("console output", &["one"])]);
    viewer.send("auth", &[&stand.token()]);
    viewer.expect(&[seen("auth success", &[])]);
    stand.print("two\n");
    viewer.expect(&[seen("console output", &["two"])]);
    assert!(viewer.is_silent_for(QUIET));
}

#[test]
fn a_socket_never_changes_its_user() {
    let mut stand = Stand::new();
    let mut viewer = stand.join(&stand.token());
    viewer.send("auth", &[&stand.token_of_bob(&[])]);
    assert!(viewer.until("jwt error")[0].contains("never changes its user"));
    stand.print("still ada's\n");
    viewer.expect(&[seen("console output", &["still ada's"])]);
    assert_eq!(
        stand.shards.list().iter().map(|s| s.user).collect::<Vec<_>>(),
        [ADA]
    );
}

#[test]
fn a_token_is_warned_of_expires_and_is_saved_without_a_lost_line() {
    let mut stand = Stand::with(|settings| settings.grace = Duration::from_secs(30));
    let mut viewer = stand.join(&stand.token());
    stand.print("before\n");
    viewer.expect(&[seen("console output", &["before"])]);
    stand.clock.advance(839_000);
    assert!(viewer.is_silent_for(QUIET), "61 s are left");
    stand.clock.advance(1_000);
    viewer.expect(&[seen("token expiring", &[])]);
    stand.clock.advance(30_000);
    assert!(viewer.is_silent_for(QUIET), "said once");
    stand.clock.advance(30_000);
    stand.print("after\n");
    viewer.expect(&[seen("token expired", &[])]);
    viewer.send("send command", &["list"]);
    viewer.expect(&[seen("jwt error", &["jwt: exp claim is invalid"])]);
    stand.print("later\n");
    assert!(viewer.is_silent_for(QUIET), "no output after exp");
    viewer.send("auth", &[&stand.token()]);
    viewer.expect(&[
        seen("auth success", &[]),
        seen("console output", &["after"]),
        seen("console output", &["later"]),
    ]);
    assert!(stand.rows("server:console.command").is_empty());
}

#[test]
fn an_expired_socket_is_closed_after_the_grace() {
    let stand = Stand::with(|settings| settings.grace = Duration::from_millis(300));
    let mut viewer = stand.join(&stand.token());
    stand.clock.advance(900_000);
    viewer.expect(&[seen("token expired", &[]), closed(4401, "token expired")]);
    let row = &stand.rows_of("server:websocket.disconnect", 1)[0];
    assert_eq!(
        (&row.details["code"], &row.details["seconds"]),
        (&4401.into(), &900.into())
    );
}

#[test]
fn with_little_left_the_warning_follows_at_once() {
    let stand = Stand::new();
    let token = stand.token();
    stand.clock.advance(845_000);
    let mut viewer = stand.open(Some(&token));
    viewer.expect(&[
        seen("auth success", &[]),
        seen("status", &["running"]),
        seen("token expiring", &[]),
    ]);
    viewer.send("auth", &[&token]);
    viewer.expect(&[seen("auth success", &[]), seen("token expiring", &[])]);
    viewer.send("auth", &[&stand.token()]);
    viewer.expect(&[seen("auth success", &[])]);
    assert!(viewer.is_silent_for(QUIET));
    stand.clock.advance(840_000);
    viewer.expect(&[seen("token expiring", &[])]);
}

#[test]
fn a_suspended_server_is_for_administrators() {
    let stand = Stand::new();
    stand.view.send_modify(|view| view.suspended = true);
    let mut owner = stand.open(Some(&stand.token()));
    owner.expect(&[closed(4409, "server is suspended")]);
    let admin =
        stand.token_with(|claims| claims.permissions = roost_wire::permission::PermissionSet::admin());
    let mut admin = stand.open(Some(&admin));
    admin.expect(&[seen("auth success", &[])]);
}

#[test]
fn connects_and_disconnects_are_recorded_with_who_and_how() {
    let stand = Stand::new();
    let mut viewer = stand.join(&stand.token_of_bob(&[]));
    let row = stand.rows_of("server:websocket.connect", 1).remove(0);
    assert_eq!(
        (row.by.user, row.by.credential.as_deref()),
        (Some(BOB), Some("key 2"))
    );
    assert_eq!(row.by.address.unwrap().to_string(), "192.0.2.7");
    viewer.send_frame(0x88, &[0x0F, 0xA1]);
    viewer.expect(&[
        super::client::Seen::Close(Some((4001, String::new()))),
        super::client::Seen::End,
    ]);
    let ended = stand.rows_of("server:websocket.disconnect", 1).remove(0);
    assert_eq!(
        (&ended.details["code"], &ended.details["by"]),
        (&4001.into(), &"viewer".into())
    );
    assert_eq!(ended.details["socket"], row.details["socket"]);
    drop(stand.join(&stand.token()));
    assert_eq!(
        stand.rows_of("server:websocket.disconnect", 2)[1].details["by"],
        "network"
    );
    until("no viewer to be left", || stand.shards.list().is_empty());
}

#[test]
fn a_message_may_be_as_long_as_is_set() {
    let stand = Stand::with(|settings| settings.message_bytes = 2_000);
    let mut viewer = stand.join(&stand.token());
    viewer.send("send command", &["x".repeat(2_000).as_str()]);
    assert_eq!(viewer.until_close().0, 1009);
}
