//! `roost.v1`: numbered lines, resume, gaps, pages, answers, and who is there.

use super::{
    client::{Client, until},
    stand::{SERVER, Stand},
};
use crate::{pump::Wake, server::handle::Request};
use roost_wire::v1::Code;
use serde_json::{Value, json};
use std::time::Duration;

/// A numbered line.
type Line = (u64, String);

fn in_block(block: &Value) -> Vec<Line> {
    let seq = block["seq"].as_u64().unwrap();
    let lines = block["lines"].as_array().unwrap().iter();
    lines
        .zip(seq..)
        .map(|(line, seq)| (seq, line[1].as_str().unwrap().to_owned()))
        .collect()
}

/// Reads on until so many lines have come; gaps are given to `gap`.
#[track_caller]
fn read(client: &mut Client, count: usize, mut gap: impl FnMut(&Value)) -> Vec<Line> {
    let mut lines = Vec::new();
    while lines.len() < count {
        match client.next_v1() {
            (name, args) if name == "lines" => lines.extend(in_block(&args[0])),
            (name, args) if name == "gap" => gap(&args[0]),
            _ => {}
        }
    }
    assert_eq!(lines.len(), count);
    lines
}

fn no_gap(gap: &Value) {
    panic!("{gap}");
}

fn numbered(from: u64, to: u64) -> Vec<Line> {
    (from..=to).map(|n| (n, format!("line {n}"))).collect()
}

fn print(stand: &mut Stand, from: u64, to: u64) {
    for n in from..=to {
        stand.print(&format!("line {n}\n"));
    }
}

fn after(stand: &Stand, seq: u64) -> Value {
    json!({"stream": stand.handle.console.stream(), "after": seq})
}

#[test]
fn the_first_answer_names_stream_and_place_and_lines_follow_with_number_and_time() {
    let mut stand = Stand::new();
    print(&mut stand, 1, 5);
    let mut viewer = stand.join_v1(&stand.token(), &json!({"last": 2}));
    let (name, args) = viewer.next_v1();
    assert_eq!(name, "auth success");
    assert_eq!(args[0]["stream"], json!(stand.handle.console.stream()));
    assert_eq!(args[0]["next"], 6);
    assert_eq!(viewer.next_v1(), ("status".into(), vec![json!("running")]));
    assert_eq!(read(&mut viewer, 2, no_gap), numbered(4, 5));
    stand.print("name: ");
    stand.writer.flush_partial(stand.clock_now()).unwrap();
    stand.shards.published(SERVER);
    let block = viewer.until_v1("lines").remove(0);
    assert_eq!(
        block,
        json!({"source": "output", "seq": 6, "lines": [[1_700_000_000_000i64, "name: ", 2]]})
    );
    stand.print("ada\n");
    let block = viewer.until_v1("lines").remove(0);
    assert_eq!(block["lines"], json!([[1_700_000_000_000i64, "ada", 1]]));
}

#[test]
fn a_viewer_that_comes_back_goes_on_where_it_was_from_ring_and_journal() {
    let mut stand = Stand::with_limits(|_| (), |limits| limits.ring_bytes = 4_000);
    let (mut seen, mut printed) = (Vec::new(), 0);
    for round in 1..40u64 {
        let more = round * 13 % 90;
        print(&mut stand, printed + 1, printed + more);
        printed += more;
        let last = seen.last().map_or(0, |(seq, _)| *seq);
        let mut viewer = stand.join_v1(&stand.token(), &after(&stand, last));
        // Some is read, some is lost on the way with the connection.
        let count = (printed - last).saturating_sub(round % 5);
        while (seen.len() as u64) < last + count {
            let (name, args) = viewer.next_v1();
            assert_ne!(name, "gap");
            if name == "lines" {
                seen.extend(in_block(&args[0]));
            }
        }
    }
    let seen_to = seen.len() as u64;
    assert!(seen_to + 5 > printed && seen_to > 1_000);
    assert_eq!(seen, numbered(1, seen_to));
}

#[test]
fn live_lines_meet_a_resume_under_load() {
    let mut stand = Stand::with_limits(|_| (), |limits| limits.ring_bytes = 4_000);
    print(&mut stand, 1, 500);
    let mut viewers: Vec<(u64, Client)> = Vec::new();
    for n in 501..=2_000 {
        print(&mut stand, n, n);
        if n % 75 == 0 {
            let from = n * 7 % 400;
            viewers.push((from, stand.join_v1(&stand.token(), &after(&stand, from))));
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    for (from, mut viewer) in viewers {
        let lines = read(&mut viewer, (2_000 - from) as usize, no_gap);
        assert_eq!(lines, numbered(from + 1, 2_000));
    }
}

#[test]
fn history_that_was_written_line_by_line_comes_in_one_frame_and_live_lines_do_not_wait() {
    let mut stand = Stand::with_limits(|_| (), |limits| limits.ring_bytes = 20_000);
    print(&mut stand, 1, 1_000);
    // From the ring, and from the journal.
    for last in [5, 900] {
        let mut viewer = stand.join_v1(&stand.token(), &json!({"last": last}));
        let mut frames = 0;
        let mut lines = Vec::new();
        while (lines.len() as u64) < last {
            lines.extend(in_block(&viewer.until_v1("lines")[0]));
            frames += 1;
        }
        assert_eq!(lines, numbered(1_001 - last, 1_000));
        assert!(frames <= 1 + last / 450, "{frames} frames");
    }
    // What is no neighbour keeps a frame of its own.
    stand.install_line("a step");
    print(&mut stand, 1_002, 1_003);
    let mut viewer = stand.join_v1(&stand.token(), &json!({"last": 5}));
    let mut blocks = || {
        let block = viewer.until_v1("lines").remove(0);
        let lines = block["lines"].as_array().unwrap().len();
        (
            block["source"].as_str().unwrap().to_owned(),
            block["seq"].as_u64().unwrap(),
            lines,
        )
    };
    assert_eq!(blocks(), ("output".to_owned(), 999, 2));
    assert_eq!(blocks(), ("install".to_owned(), 1_001, 1));
    assert_eq!(blocks(), ("output".to_owned(), 1_002, 2));
}

#[test]
fn what_cannot_be_resumed_is_a_gap_with_its_reason() {
    let mut stand = Stand::new();
    print(&mut stand, 1, 100);
    let mut gaps = Vec::new();
    let mut join = |begin: Value, count: usize| {
        let mut viewer = stand.join_v1(&stand.token(), &begin);
        let lines = read(&mut viewer, count, |gap| gaps.push(gap.clone()));
        (lines[0].0, lines.last().unwrap().0)
    };
    let other = json!({"stream": uuid::Uuid::new_v4(), "after": 90, "most": 10});
    assert_eq!(join(other, 10), (91, 100));
    let mut beyond = after(&stand, 101);
    beyond["most"] = json!(5);
    assert_eq!(join(beyond, 5), (96, 100));
    let mut many = after(&stand, 10);
    many["most"] = json!(20);
    assert_eq!(join(many, 20), (81, 100));
    assert_eq!(
        gaps,
        [
            json!({"after": 90, "count": null, "reason": "unknown_stream"}),
            json!({"after": 101, "count": null, "reason": "after_end"}),
            json!({"after": 10, "count": 70, "reason": "most"}),
        ]
    );
}

#[test]
fn who_has_the_last_line_misses_nothing() {
    let mut stand = Stand::new();
    print(&mut stand, 1, 3);
    let mut viewer = stand.join_v1(&stand.token(), &after(&stand, 3));
    viewer.until_v1("status");
    print(&mut stand, 4, 4);
    assert_eq!(read(&mut viewer, 1, no_gap), numbered(4, 4));
}

#[test]
fn lines_that_retention_took_are_counted_exactly() {
    let mut stand = Stand::with_limits(
        |_| (),
        |limits| {
            limits.journal_bytes = 200_000;
            limits.ring_bytes = 4_000;
        },
    );
    print(&mut stand, 1, 9_000);
    stand.writer.sync().unwrap();
    stand.writer.enforce_limits(stand.clock_now()).unwrap();
    let first = stand.handle.console.first_seq();
    assert!(first > 2);
    let mut begin = after(&stand, 1);
    begin["most"] = json!(10_000);
    let mut viewer = stand.join_v1(&stand.token(), &begin);
    let mut gaps = Vec::new();
    let lines = read(&mut viewer, (9_001 - first) as usize, |gap| {
        gaps.push(gap.clone());
    });
    assert_eq!(
        gaps,
        [json!({"after": 1, "count": first - 2, "reason": "retention"})]
    );
    assert_eq!(lines, numbered(first, 9_000));
    assert_eq!(
        viewer.until_v1("status"),
        [json!("running")],
        "again, behind the gap"
    );
}

/// All lines that pages give, from the end to the beginning; the last page's gap.
fn all_pages(viewer: &mut Client, from: u64, lines: u64) -> (Vec<Line>, Value) {
    let (mut all, mut before) = (Vec::new(), from);
    loop {
        viewer.ask("send page", &json!([{"before": before, "lines": lines}, "p"]));
        let mut args = viewer.until_v1("page");
        assert_eq!(args[0], "p");
        let page = args.remove(1);
        let blocks = page["blocks"].as_array().unwrap().iter();
        let found: Vec<Line> = blocks.flat_map(in_block).collect();
        all.splice(0..0, found);
        before = page["from"].as_u64().unwrap();
        if page["begin"] == true {
            return (all, page["gap"].clone());
        }
        assert!(page["gap"].is_null());
    }
}

#[test]
fn pages_lead_back_through_all_history() {
    let mut stand = Stand::with_limits(|_| (), |limits| limits.ring_bytes = 4_000);
    print(&mut stand, 1, 2_500);
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    assert_eq!(
        all_pages(&mut viewer, u64::MAX, 300),
        (numbered(1, 2_500), Value::Null)
    );
    assert_eq!(all_pages(&mut viewer, 8, 3), (numbered(1, 7), Value::Null));
    viewer.ask("send page", &json!([{"before": 1}, 2]));
    let page = viewer.until_v1("page").remove(1);
    assert_eq!(
        page,
        json!({"from": 1, "next": 1, "begin": true, "end": false, "gap": null, "blocks": []})
    );
}

#[test]
fn a_page_of_long_lines_is_cut_at_its_older_end() {
    let mut stand = Stand::new();
    for n in 1..=30 {
        stand.print(&format!("{n} {}\n", "x".repeat(30_000)));
    }
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    viewer.ask("send page", &json!([{"before": 31, "lines": 30}, 1]));
    let page = viewer.until_v1("page").remove(1);
    let lines: Vec<Line> = page["blocks"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(in_block)
        .collect();
    assert!((5..12).contains(&lines.len()), "{}", lines.len());
    assert_eq!(lines.last().unwrap().0, 30);
    assert_eq!(page["from"], lines[0].0);
    assert_eq!(page["begin"], false);
    let (all, _) = all_pages(&mut viewer, 31, 30);
    assert_eq!(
        all.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
        (1..=30).collect::<Vec<_>>()
    );
}

/// All lines that pages give, from a number to the end; gaps are given to `gap`.
fn all_pages_on(viewer: &mut Client, from: u64, lines: u64, mut gap: impl FnMut(&Value)) -> Vec<Line> {
    let (mut all, mut after) = (Vec::new(), from);
    loop {
        viewer.ask("send page", &json!([{"after": after, "lines": lines}, "p"]));
        let page = viewer.until_v1("page").remove(1);
        all.extend(page["blocks"].as_array().unwrap().iter().flat_map(in_block));
        if !page["gap"].is_null() {
            gap(&page["gap"]);
        }
        after = page["next"].as_u64().unwrap() - 1;
        if page["end"] == true {
            return all;
        }
    }
}

#[test]
fn pages_lead_on_again_to_the_newest_line() {
    let mut stand = Stand::with_limits(|_| (), |limits| limits.ring_bytes = 4_000);
    print(&mut stand, 1, 1_000);
    for n in 1_001..=1_030 {
        stand.print(&format!("line {n}{}\n", " ".repeat(30_000)));
    }
    print(&mut stand, 1_031, 2_000);
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    for (from, lines) in [(0, 300), (1_960, 7), (1_998, 1_000), (2_000, 5), (1 << 40, 5)] {
        let all = all_pages_on(&mut viewer, from, lines, no_gap);
        let all: Vec<_> = all
            .into_iter()
            .map(|(seq, text)| (seq, text.trim_end().to_owned()))
            .collect();
        assert_eq!(all, numbered(from.min(2_000) + 1, 2_000));
    }
}

#[test]
fn pages_that_lead_on_count_what_is_gone() {
    let mut stand = Stand::with_limits(
        |_| (),
        |limits| {
            limits.journal_bytes = 200_000;
            limits.ring_bytes = 4_000;
        },
    );
    print(&mut stand, 1, 9_000);
    stand.writer.sync().unwrap();
    stand.writer.enforce_limits(stand.clock_now()).unwrap();
    let first = stand.handle.console.first_seq();
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    let mut gaps = Vec::new();
    let lines = all_pages_on(&mut viewer, 5, 1_000, |gap| gaps.push(gap.clone()));
    assert_eq!(lines, numbered(first, 9_000));
    assert_eq!(
        gaps,
        [json!({"after": 5, "count": first - 6, "reason": "retention"})]
    );
}

#[test]
fn a_subuser_sees_nothing_from_before_his_grant_nor_of_the_installer() {
    let mut stand = Stand::new();
    print(&mut stand, 1, 10);
    stand.clock.advance(60_000);
    let granted = stand.clock_now();
    stand.install_line("secret step");
    print(&mut stand, 12, 20);
    let token = stand.token_with(|claims| {
        claims.user_uuid = super::stand::BOB;
        claims.jti = roost_wire::token::token_id(super::stand::BOB, SERVER, "key 2");
        claims.permissions = ["websocket.connect"].into_iter().collect();
        claims.history_from = Some(granted);
    });
    let mut bob = stand.join_v1(&token, &after(&stand, 3));
    assert_eq!(read(&mut bob, 9, no_gap), numbered(12, 20));
    assert_eq!(all_pages(&mut bob, u64::MAX, 4), (numbered(12, 20), Value::Null));
}

#[test]
fn requests_are_answered_by_their_names() {
    let mut stand = Stand::new();
    print(&mut stand, 1, 4);
    let mut ada = stand.join_v1(&stand.token(), &Value::Null);
    ada.ask("send command", &json!(["save-all", 7]));
    let Request::Command { text, reply, .. } = stand.asked_for_action() else {
        panic!("no command")
    };
    assert_eq!(text, "save-all");
    reply.send(Ok(()));
    assert_eq!(ada.until_v1("accepted"), [json!(7), json!({"after": 4})]);
    ada.ask("set state", &json!(["start", "s"]));
    let Request::Power { reply, .. } = stand.asked_for_action() else {
        panic!("no power")
    };
    reply.send(Err(roost_power::Refusal::Suspended.into()));
    let refused = ada.until_v1("refused");
    assert_eq!(
        (&refused[0], &refused[1]["code"]),
        (&json!("s"), &json!("suspended"))
    );
    ada.ask("set state", &json!(["dance"]));
    let refused = ada.until_v1("refused");
    assert_eq!(
        (&refused[0], &refused[1]["code"]),
        (&Value::Null, &json!("action"))
    );
    ada.ask("send page", &json!([{"lines": 3}, 9]));
    let refused = ada.until_v1("refused");
    assert_eq!((&refused[0], &refused[1]["code"]), (&json!(9), &json!("request")));
    let mut bob = stand.join_v1(&stand.token_of_bob(&[]), &Value::Null);
    bob.ask("send command", &json!(["op bob", 1]));
    let refused = bob.until_v1("refused");
    assert_eq!(
        (&refused[0], &refused[1]["code"]),
        (&json!(1), &json!("permission"))
    );
}

#[test]
fn who_is_there_is_said_and_said_again_when_it_changes() {
    let stand = Stand::new();
    let mut ada = stand.join_v1(&stand.token(), &Value::Null);
    let there = |users: Value, sockets: u32| vec![json!({"sockets": sockets, "users": users})];
    let only_ada = json!([{"user": "ada", "sockets": 1}]);
    assert_eq!(ada.until_v1("presence"), there(only_ada.clone(), 1));
    let bob = stand.join(&stand.token_of_bob(&[]));
    let both = json!([{"user": "ada", "sockets": 1}, {"user": "bob", "sockets": 1}]);
    while ada.until_v1("presence") != there(both.clone(), 2) {}
    drop(bob);
    while ada.until_v1("presence") != there(only_ada.clone(), 1) {}
    drop(ada);
    until("the socket to be gone", || stand.shards.counts().viewers == 0);
}

#[test]
fn a_fresh_token_changes_nothing_on_the_screen() {
    let mut stand = Stand::new();
    print(&mut stand, 1, 3);
    let mut viewer = stand.join_v1(&stand.token(), &json!({"last": 3}));
    assert_eq!(read(&mut viewer, 3, no_gap), numbered(1, 3));
    viewer.ask("auth", &json!([stand.token(), {"last": 3}]));
    viewer.until_v1("auth success");
    print(&mut stand, 4, 4);
    assert_eq!(read(&mut viewer, 1, no_gap), numbered(4, 4));
}

#[test]
fn a_request_over_the_limit_is_refused_by_its_name() {
    let stand = Stand::with(|settings| settings.messages = (0.1, 5.0));
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    // `auth` was the first of five.
    for n in 1..=4 {
        viewer.send_text(&json!({"event": "send page", "args": [{"before": 1}, n]}).to_string());
        viewer.until_v1("page");
    }
    let over = [
        json!({"event": "send page", "args": [{"before": 1}, 5]}),
        json!({"event": "send command", "args": ["save-all", "six"]}),
        json!({"event": "send search", "args": [{"text": "x"}, 7]}),
        json!({"event": "set state", "args": ["start"]}),
    ];
    for request in &over {
        viewer.send_text(&request.to_string());
        let args = viewer.until_v1("refused");
        assert_eq!(args[0], request["args"][1]);
        assert_eq!(args[1]["code"], "limit");
        assert_eq!(
            args[1]["reason"],
            "Too many messages, this one was dropped: send at most 0.1 a second, and ask again."
        );
    }
    // What nobody waits for is said once a run.
    for _ in 0..3 {
        viewer.send_text(r#"{"event":"send stats"}"#);
    }
    viewer.until_v1("daemon message");
    assert!(viewer.is_silent_for(Duration::from_millis(100)));
    assert_eq!(stand.shards.counts().dropped, 7);
    let refusals = stand.shards.refusals();
    let refused = |code| {
        refusals
            .iter()
            .find(|(of, _)| *of == code)
            .map(|(_, count)| *count)
    };
    assert_eq!(refused(Code::Limit), Some(4));
    assert_eq!(refused(Code::Offline), Some(0));
}
