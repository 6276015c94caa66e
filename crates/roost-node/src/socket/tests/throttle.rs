//! A view throttle leaves lines out of a view, says how many, and out of nothing else.

use super::{client::Client, stand::Stand};
use crate::socket::ViewThrottle;
use serde_json::{Value, json};
use std::time::Duration;

const LINES: u64 = 20;

fn throttled() -> Stand {
    Stand::with(|settings| {
        settings.throttle = Some(ViewThrottle {
            lines: LINES,
            interval: Duration::from_millis(300),
        });
    })
}

fn burst(stand: &mut Stand, from: u64, to: u64) {
    let text: String = (from..=to).map(|n| format!("line {n}\n")).collect();
    stand.print(&text);
}

/// Numbers of lines and of those that gaps stand for, in their order, until number `last` was one of them.
fn accounted(viewer: &mut Client, last: u64) -> (Vec<u64>, u64) {
    let (mut seen, mut left_out, mut next) = (Vec::new(), 0, None);
    let mut follows = |seq: u64, count: u64| {
        assert!(
            next.is_none_or(|next| next == seq),
            "{next:?} is followed by {seq}"
        );
        next = Some(seq + count);
        seq + count > last
    };
    loop {
        let (name, args) = viewer.next_v1();
        let is_last = match name.as_str() {
            "lines" => {
                let seq = args[0]["seq"].as_u64().unwrap();
                let count = args[0]["lines"].as_array().unwrap().len() as u64;
                seen.extend(seq..seq + count);
                follows(seq, count)
            }
            "gap" => {
                assert_eq!(args[0]["reason"], "throttle");
                let count = args[0]["count"].as_u64().unwrap();
                left_out += count;
                follows(args[0]["after"].as_u64().unwrap() + 1, count)
            }
            _ => false,
        };
        if is_last {
            return (seen, left_out);
        }
    }
}

#[test]
fn a_burst_is_shown_up_to_the_throttle_and_the_rest_is_counted_to_the_line() {
    let mut stand = throttled();
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    viewer.until_v1("status");
    burst(&mut stand, 1, 500);
    burst(&mut stand, 501, 1000);
    let (seen, left_out) = accounted(&mut viewer, 1000);
    assert_eq!(seen, (1..=LINES).collect::<Vec<_>>());
    assert_eq!(left_out, 1000 - LINES);
    assert_eq!(stand.shards.counts().throttled, 1000 - LINES);
    // The interval is over: lines come again.
    burst(&mut stand, 1001, 1005);
    assert_eq!(accounted(&mut viewer, 1005), ((1001..=1005).collect(), 0));
}

#[test]
fn a_classic_viewer_is_told_how_many_in_words() {
    let mut stand = throttled();
    let mut viewer = stand.join(&stand.token());
    burst(&mut stand, 1, 100);
    let shown: Vec<String> = (1..=LINES).map(|n| format!("line {n}")).collect();
    assert_eq!(viewer.lines(LINES as usize), shown);
    let told = viewer.until("daemon message").remove(0);
    assert!(
        told.contains("80 lines are not shown") && told.contains("20 came in 300 ms"),
        "{told}"
    );
}

#[test]
fn history_and_a_resume_are_whole() {
    let mut stand = throttled();
    burst(&mut stand, 1, 400);
    let after = json!({"stream": stand.handle.console.stream(), "after": 100, "most": 1000});
    let mut viewer = stand.join_v1(&stand.token(), &after);
    assert_eq!(accounted(&mut viewer, 400), ((101..=400).collect(), 0));
    let mut classic = stand.join(&stand.token());
    classic.send("send logs", &[]);
    assert_eq!(classic.lines(150).len(), 150);
}

#[test]
fn without_one_nothing_is_left_out() {
    let mut stand = Stand::new();
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    viewer.until_v1("status");
    burst(&mut stand, 1, 20_000);
    assert_eq!(accounted(&mut viewer, 20_000), ((1..=20_000).collect(), 0));
}
