//! `send search`: what it finds and how it goes on, what it must not show, and whom it must not keep waiting.

use super::{
    client::Client,
    stand::{BOB, SERVER, Stand},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn print(stand: &mut Stand, from: u64, to: u64) {
    for n in from..=to {
        stand.print(&format!("line {n}\n"));
    }
}

/// The answer to a search.
#[track_caller]
fn search(viewer: &mut Client, wanted: &Value) -> Value {
    viewer.ask("send search", &json!([wanted, "s"]));
    loop {
        match viewer.next_v1() {
            (name, mut args) if name == "found" => {
                assert_eq!(args[0], "s");
                return args.remove(1);
            }
            (name, args) if name == "refused" => panic!("{args:?}"),
            _ => {}
        }
    }
}

/// Why a search is refused: code and reason.
#[track_caller]
fn refused(viewer: &mut Client, wanted: &Value) -> (String, String) {
    viewer.ask("send search", &json!([wanted, "s"]));
    let args = viewer.until_v1("refused");
    assert_eq!(args[0], "s");
    let word = |name: &str| args[1][name].as_str().unwrap().to_owned();
    (word("code"), word("reason"))
}

fn texts(answer: &Value) -> Vec<String> {
    let lines = answer["lines"].as_array().unwrap().iter();
    let parts = |line: &Value| {
        line["text"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p.as_str().unwrap().to_owned())
            .collect::<String>()
    };
    lines.map(parts).collect()
}

fn bob(stand: &Stand, history_from: Option<i64>) -> String {
    stand.token_with(|claims| {
        claims.user_uuid = BOB;
        claims.jti = roost_wire::token::token_id(BOB, SERVER, "key 2");
        claims.permissions = ["websocket.connect"].into_iter().collect();
        claims.history_from = history_from;
    })
}

#[test]
fn a_line_is_found_with_number_time_source_and_place() {
    let mut stand = Stand::new();
    print(&mut stand, 1, 40);
    stand.print("\u{1b}[31mPlayer \u{1b}[1mADA\u{1b}[0m left <grüße>\n");
    print(&mut stand, 42, 60);
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    assert_eq!(
        search(&mut viewer, &json!({"text": "player ada"})),
        json!({
            "from": 1, "next": 61, "first": 1, "begin": true,
            "lines": [{"seq": 41, "time": 1_700_000_000_000i64, "source": "output", "text": ["", "Player ADA", " left <grüße>"]}],
        })
    );
    let exact = search(&mut viewer, &json!({"text": "player ada", "case": true}));
    assert_eq!(exact["lines"], json!([]));
    let by_expression = search(&mut viewer, &json!({"regex": "a(d|x)a .* <gr.+e>$"}));
    assert_eq!(
        by_expression["lines"][0]["text"],
        json!(["Player ", "ADA left <grüße>", ""])
    );
}

#[test]
fn answers_come_in_pages_newest_first_and_miss_nothing() {
    let mut stand = Stand::with_limits(|_| (), |limits| limits.ring_bytes = 4_000);
    print(&mut stand, 1, 2_500);
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    let (mut found, mut before, mut pages) = (Vec::new(), None, 0);
    loop {
        let answer = search(&mut viewer, &json!({"text": "7", "most": 60, "before": before}));
        found.extend(texts(&answer));
        pages += 1;
        before = answer["from"].as_u64();
        if answer["begin"] == true {
            break;
        }
    }
    let wanted = (1..=2_500)
        .rev()
        .map(|n| format!("line {n}"))
        .filter(|line| line.contains('7'));
    assert_eq!(found, wanted.collect::<Vec<_>>());
    assert!(pages >= found.len().div_ceil(60));
}

#[test]
fn long_lines_are_shown_around_what_was_found_and_end_a_page() {
    let mut stand = Stand::new();
    for n in 1..=600 {
        stand.print(&format!("{}needle {n}{}\n", "a".repeat(3_000), "b".repeat(3_000)));
    }
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    let answer = search(&mut viewer, &json!({"text": "needle", "most": 500}));
    let lines = answer["lines"].as_array().unwrap();
    assert!((1..450).contains(&lines.len()), "{}", lines.len());
    assert_eq!(answer["from"], lines.last().unwrap()["seq"]);
    assert_eq!(answer["begin"], false);
    let text = lines[0]["text"].as_array().unwrap();
    assert_eq!(text[1], "needle");
    assert!(text[0].as_str().unwrap().starts_with("…a") && text[2].as_str().unwrap().ends_with("b…"));
}

#[test]
fn times_and_sources_narrow_it() {
    let mut stand = Stand::new();
    print(&mut stand, 1, 5);
    stand.clock.advance(60_000);
    let later = stand.clock_now();
    print(&mut stand, 6, 8);
    stand.install_line("line of the installer");
    stand.clock.advance(60_000);
    print(&mut stand, 9, 9);
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    let answer = search(
        &mut viewer,
        &json!({"text": "line", "since": later, "until": later, "source": "output"}),
    );
    assert_eq!(texts(&answer), ["line 8", "line 7", "line 6"]);
    let answer = search(&mut viewer, &json!({"source": "install"}));
    assert_eq!(texts(&answer), ["line of the installer"]);
}

#[test]
fn a_subuser_finds_nothing_from_before_his_grant_nor_of_the_installer() {
    let mut stand = Stand::new();
    print(&mut stand, 1, 10);
    stand.clock.advance(60_000);
    let granted = stand.clock_now();
    stand.install_line("line of the installer");
    print(&mut stand, 12, 20);
    let mut viewer = stand.join_v1(&bob(&stand, Some(granted)), &json!({"last": 1}));
    viewer.until_v1("lines");
    let answer = search(&mut viewer, &json!({"text": "line"}));
    assert_eq!((&answer["first"], &answer["from"]), (&json!(11), &json!(11)));
    assert_eq!(
        texts(&answer),
        (12..=20).rev().map(|n| format!("line {n}")).collect::<Vec<_>>()
    );
    let (code, reason) = refused(&mut viewer, &json!({"text": "line", "source": "install"}));
    assert_eq!(code, "permission");
    assert!(reason.contains("installer"), "{reason}");
    // What he may not see does not fill his pages either.
    let answer = search(&mut viewer, &json!({"text": "line", "most": 9}));
    assert_eq!(
        (answer["lines"].as_array().unwrap().len(), &answer["from"]),
        (9, &json!(12))
    );
}

#[test]
fn what_cannot_be_looked_for_is_refused_by_name_and_says_where() {
    let stand = Stand::new();
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    let (code, reason) = refused(&mut viewer, &json!({"regex": "player (ada"}));
    assert_eq!(code, "pattern");
    assert!(
        reason.contains("character 8 (`(ada`)") && !reason.contains('\n'),
        "{reason}"
    );
    assert_eq!(
        refused(&mut viewer, &json!({"regex": "(a{1000}){1000}"})).0,
        "pattern"
    );
    assert_eq!(
        refused(&mut viewer, &json!({"text": "x".repeat(1_001)})).0,
        "pattern"
    );
    assert_eq!(
        refused(&mut viewer, &json!({"text": "a", "regex": "b"})).0,
        "request"
    );
    assert_eq!(refused(&mut viewer, &json!([])).0, "request");
}

/// A journal for which [`slow`] takes far longer than a test: no two stretches of it are alike, so that nothing of the
/// work for one serves for another.
fn long_history(stand: &mut Stand) {
    let mut seed = 1_u64;
    for _ in 0..20_000 {
        let line: String = (0..1_500)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if seed >> 63 == 0 { 'a' } else { 'b' }
            })
            .collect();
        stand.print_unheard(&format!("{line}\n"));
    }
}

/// Found nowhere, and without a literal that says so at once.
fn slow() -> Value {
    json!({"regex": "a[ab]{40}[^ab]"})
}

#[test]
fn a_new_search_or_a_word_ends_the_one_before() {
    let mut stand = Stand::new();
    long_history(&mut stand);
    print(&mut stand, 1, 1);
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    viewer.ask("send search", &json!([slow(), "old"]));
    viewer.ask("send search", &json!([{"text": "line 1", "most": 1}, "new"]));
    let args = viewer.until_v1("refused");
    assert_eq!((&args[0], &args[1]["code"]), (&json!("old"), &json!("cancelled")));
    assert_eq!(viewer.until_v1("found")[0], "new");
    viewer.ask("send search", &json!([slow(), "old"]));
    viewer.ask("cancel search", &json!([]));
    let args = viewer.until_v1("refused");
    assert_eq!((&args[0], &args[1]["code"]), (&json!("old"), &json!("cancelled")));
    // Where none is under way, nothing is said.
    viewer.ask("cancel search", &json!([]));
    assert_eq!(
        texts(&search(&mut viewer, &json!({"text": "line 1", "most": 1}))),
        ["line 1"]
    );
}

#[test]
fn a_long_search_answers_in_parts_and_keeps_neither_lines_nor_pages_waiting() {
    let mut stand = Stand::new();
    long_history(&mut stand);
    let mut searching: Vec<Client> = (0..4)
        .map(|_| {
            let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
            viewer.ask("send search", &json!([slow(), 1]));
            viewer
        })
        .collect();
    let mut watching = stand.join_v1(&stand.token(), &Value::Null);
    watching.until_v1("status");
    let mut slowest = Duration::ZERO;
    for n in 0..20 {
        let begun = Instant::now();
        stand.print(&format!("live {n}\n"));
        watching.until_v1("lines");
        watching.ask("send page", &json!([{"before": 1000, "lines": 10}, n]));
        watching.until_v1("page");
        slowest = slowest.max(begun.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    for viewer in &mut searching {
        let args = viewer.until_v1("found");
        assert_eq!(
            (&args[1]["begin"], &args[1]["lines"]),
            (&json!(false), &json!([]))
        );
        let from = args[1]["from"].as_u64().unwrap();
        assert!(
            (2..20_000).contains(&from),
            "a part of it was looked through: {from}"
        );
    }
}

#[test]
fn rights_that_end_meanwhile_end_the_search() {
    let mut stand = Stand::new();
    long_history(&mut stand);
    let mut viewer = stand.join_v1(&bob(&stand, None), &Value::Null);
    viewer.until_v1("presence");
    viewer.ask("send search", &json!([slow(), "s"]));
    viewer.ask("auth", &json!([bob(&stand, Some(stand.clock_now()))]));
    let args = viewer.until_v1("refused");
    assert_eq!((&args[0], &args[1]["code"]), (&json!("s"), &json!("cancelled")));
}
