//! Pings: who speaks `roost.v1` is asked whether it is there; who speaks the classic protocol never is.

use super::{
    client::{Client, until},
    stand::Stand,
};
use roost_wire::{
    close::Close,
    frame::{CLOSE, PING, PONG},
};
use serde_json::Value;
use std::time::Duration;

/// Pings come as often as a shard looks at the times of its viewers.
fn pinging(pong: Duration) -> Stand {
    Stand::with(|settings| {
        settings.ping = Duration::from_millis(100);
        settings.pong = pong;
    })
}

/// Reads on until a ping came.
#[track_caller]
fn pinged(viewer: &mut Client) {
    assert_eq!(viewer.next_control(), (PING, Vec::new()));
}

#[test]
fn who_answers_pings_or_says_anything_at_all_stays() {
    let stand = pinging(Duration::from_millis(1_500));
    let mut answers = stand.join_v1(&stand.token(), &Value::Null);
    let mut speaks = stand.join_v1(&stand.token(), &Value::Null);
    // Far longer than the patience of the node.
    for _ in 0..15 {
        pinged(&mut answers);
        answers.send_frame(0x80 | PONG, b"");
        pinged(&mut speaks);
        speaks.send_text("anything");
    }
    assert_eq!(stand.shards.counts().viewers, 2);
    assert_eq!(stand.shards.counts().closed, 0);
}

#[test]
fn who_says_nothing_behind_a_ping_is_closed_and_gone() {
    let stand = pinging(Duration::from_millis(500));
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    pinged(&mut viewer);
    let mut last = viewer.next_control();
    while last.0 == PING {
        last = viewer.next_control();
    }
    let mut close = Close::Silent.code().to_be_bytes().to_vec();
    close.extend_from_slice(Close::Silent.reason().as_bytes());
    assert_eq!(last, (CLOSE, close));
    let row = &stand.rows_of("server:websocket.disconnect", 1)[0];
    assert_eq!(row.details["code"], 4408);
    until("the viewer to be gone", || stand.shards.counts().viewers == 0);
}

#[test]
fn a_classic_viewer_is_never_pinged_and_may_be_silent() {
    let stand = pinging(Duration::from_millis(100));
    let mut viewer = stand.join(&stand.token());
    assert!(viewer.is_silent_for(Duration::from_millis(1_200)));
    viewer.send("send stats", &[]);
    viewer.until("stats");
}

#[test]
fn a_page_in_a_browser_sees_no_pings_and_gets_its_figures_none_the_less() {
    let stand = Stand::with(|settings| {
        settings.ping = Duration::from_millis(100);
        settings.keep_alive = Duration::from_millis(900);
    });
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    viewer.until_v1("presence");
    for _ in 0..3 {
        pinged(&mut viewer);
    }
    loop {
        match viewer.next_frame() {
            Some((PING, _)) => {}
            Some((_, payload)) => {
                assert!(payload.starts_with(br#"{"event":"stats""#));
                break;
            }
            None => panic!("the connection has ended"),
        }
    }
}

#[test]
fn a_pong_is_free_where_it_answers_and_a_message_like_others_where_not() {
    let stand = Stand::with(|settings| {
        settings.ping = Duration::from_millis(100);
        settings.messages = (0.001, 3.0);
        settings.dropped = (0.001, 5.0);
    });
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    for _ in 0..6 {
        pinged(&mut viewer);
        viewer.send_frame(0x80 | PONG, b"");
    }
    assert_eq!(stand.shards.counts().dropped, 0);
    for _ in 0..20 {
        viewer.send_frame(0x80 | PONG, b"");
    }
    loop {
        let (opcode, payload) = viewer.next_control();
        if opcode == CLOSE {
            assert_eq!(payload[..2], Close::TooManyMessages.code().to_be_bytes());
            break;
        }
    }
}

#[test]
fn a_ping_that_waits_behind_lines_is_not_held_against_its_viewer() {
    let mut stand = pinging(Duration::from_millis(1_000));
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    pinged(&mut viewer);
    let long = format!("{}\n", "x".repeat(50_000));
    for _ in 0..400 {
        stand.print(&long);
    }
    // It reads nothing for longer than the patience of the node, and all of it then.
    std::thread::sleep(Duration::from_millis(2_500));
    let mut lines = 0;
    while lines < 400 {
        match viewer.next_frame() {
            Some((PING, _)) => viewer.send_frame(0x80 | PONG, b""),
            Some((CLOSE, payload)) => panic!("{}", String::from_utf8_lossy(&payload)),
            Some((_, payload)) => {
                let event: Value = serde_json::from_slice(&payload).unwrap();
                if event["event"] == "lines" {
                    lines += event["args"][0]["lines"].as_array().unwrap().len();
                }
            }
            None => panic!("the connection has ended after {lines} lines"),
        }
    }
}
