//! Searching finds what a walk over all lines finds, whatever stands between.

use super::*;
use crate::{Limits, ansi};
use proptest::prelude::*;
use uuid::Uuid;

const LIMITS: Limits = Limits {
    journal_bytes: 1 << 30,
    journal_age: 0,
    disk_free_percent: 0,
    ring_bytes: 2048,
};
const ALL: Budget = Budget {
    bytes: u64::MAX,
    time: Duration::MAX,
    lines: usize::MAX,
};
const SMALL: usize = 16;

struct Bench {
    _dir: tempfile::TempDir,
    writer: crate::Writer,
    offset: u64,
    now: Millis,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, _, _) = crate::open(&dir.path().join("journal"), "Roost", LIMITS, 0).unwrap();
        writer.begin_run(Uuid::from_u128(1), 0).unwrap();
        writer.make_small(SMALL, 900);
        Self {
            _dir: dir,
            writer,
            offset: 0,
            now: 0,
        }
    }

    fn output(&mut self, bytes: &[u8]) {
        self.now += 1;
        self.offset += bytes.len() as u64;
        self.writer.output(bytes, self.offset, self.now).unwrap();
    }

    fn search(&self, query: &Query) -> Vec<String> {
        let found = self.writer.console().search(query, u64::MAX, &ALL).unwrap();
        assert!(found.done);
        let lines = found.lines.iter();
        lines
            .map(|line| String::from_utf8(line.bytes.clone()).unwrap())
            .collect()
    }
}

fn text(text: &str) -> Query {
    Query::text(text, Case::Smart).unwrap()
}

fn expression(text: &str) -> Query {
    Query::expression(text, Case::Smart).unwrap()
}

#[test]
fn the_newest_comes_first_and_colours_do_not_matter() {
    let mut bench = Bench::new();
    bench.output(b"Steve joined\nnothing\n\x1b[32mst\x1b[1meve\x1b[0m left\nSTEVE\n");
    assert_eq!(
        bench.search(&text("steve")),
        ["STEVE", "\x1b[32mst\x1b[1meve\x1b[0m left", "Steve joined"]
    );
    assert_eq!(bench.search(&text("Steve")), ["Steve joined"]);
    assert_eq!(bench.search(&text("[1m")), [""; 0]);
    assert_eq!(
        bench.search(&Query::text("STEVE", Case::Ignored).unwrap()).len(),
        3
    );
    assert_eq!(bench.search(&Query::text("steve", Case::Exact).unwrap()).len(), 1);
    assert_eq!(bench.search(&text("")).len(), 4);
}

#[test]
fn a_prompt_and_its_rest_are_one_line_though_others_stand_between() {
    let mut bench = Bench::new();
    bench.output(b"your na");
    bench.writer.flush_partial(5).unwrap();
    bench.writer.notice(Source::Daemon, "meanwhile", 6).unwrap();
    bench.output(b"me: Steve\n");
    bench.output(b"waiting for y");
    bench.writer.flush_partial(9).unwrap();
    assert_eq!(bench.search(&text("name: s")), ["your name: Steve"]);
    assert_eq!(
        bench.search(&text("waiting")),
        ["waiting for y"],
        "it has not ended"
    );
    assert_eq!(bench.search(&text("e").of(Source::Daemon)), ["meanwhile"]);
}

#[test]
fn expressions_are_tried_line_by_line() {
    let mut bench = Bench::new();
    bench.output("[12:00] WARN: lag\n[12:01] INFO: ok\nÄrger und ärger\n".as_bytes());
    assert_eq!(bench.search(&expression(r"^\[\d\d:01\] \w+: ok$")).len(), 1);
    assert_eq!(bench.search(&expression("warn")).len(), 0);
    assert_eq!(bench.search(&expression("(?i)warn")).len(), 1);
    assert_eq!(
        bench.search(&text("ärger und ärger")).len(),
        1,
        "other alphabets have cases"
    );
    assert_eq!(bench.search(&expression(r"\w{1,20}")).len(), 3);
}

#[test]
fn what_cannot_be_looked_for_is_refused_with_a_reason() {
    let refused = |query: Result<Query, BadQuery>| query.unwrap_err().to_string();
    let large = refused(Query::expression(r"(\w{100}){100}", Case::Smart));
    assert!(large.contains("too large"), "{large}");
    let broken = refused(Query::expression("(", Case::Smart));
    assert!(broken.contains("no regular expression"), "{broken}");
    assert!(refused(Query::text("a\nb", Case::Smart)).contains("line end"));
    assert!(refused(Query::text(&"x".repeat(1001), Case::Smart)).contains("1000"));
}

/// Prints how long the worst expression that is taken needs for the longest text; asserts only that it ends soon.
#[test]
fn an_expression_cannot_run_away() {
    let mut bench = Bench::new();
    bench.writer.make_small(64 * 1024, 8 << 20);
    bench.output(&[&[b'a'; 300 * 1024][..], b"\n"].concat());
    for expression in [
        "(a*)*[^a]",
        "(a|aa)+[^a]$",
        "(?-u)(a?){300}a{300}[^a]",
        r"(.*a){12}.{1,200}[^a]",
        r"(?-u)(a{1,90}.?){90}[^a]",
        r"(?-u)(\w{1,3}\W?){30}\W$",
    ] {
        let query = Query::expression(expression, Case::Smart).unwrap();
        let begun = Instant::now();
        assert_eq!(bench.search(&query).len(), 0);
        println!("{expression}: {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(120));
    }
}

#[derive(Debug, Clone)]
enum Step {
    Output(String),
    /// Text without a line end is shown.
    Flush,
    Notice(String),
    Install(String),
    Run,
    Compress,
    /// The oldest lines go.
    Erase,
}

fn words(line_ends: bool) -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => "[abAB]{1,4}",
        2 => Just(" ".to_owned()),
        2 => Just("\x1b[31m".to_owned()),
        1 => Just("\u{e4}".to_owned()),
        1 => Just("\x1b]0;ab\x07".to_owned()),
        3 => Just(if line_ends { "\n" } else { " " }.to_owned()),
    ];
    proptest::collection::vec(word, 0..12).prop_map(|words| words.concat())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => words(true).prop_map(Step::Output),
        3 => Just(Step::Flush),
        3 => words(false).prop_map(Step::Notice),
        2 => words(false).prop_map(Step::Install),
        1 => Just(Step::Run),
        2 => Just(Step::Compress),
        1 => Just(Step::Erase),
    ]
}

/// All lines, joined, oldest first.
fn naive(console: &Console) -> Vec<FoundLine> {
    let mut cursor = console.at(1);
    let mut open: Vec<FoundLine> = Vec::new();
    let mut lines = Vec::new();
    loop {
        let history = console.lines(&mut cursor, 700).unwrap();
        if history.batches.is_empty() && history.missed.is_none() {
            break;
        }
        for batch in history.batches {
            for line in batch.lines() {
                let before = open.iter().position(|o| o.source == batch.source());
                let mut joined = match before.map(|at| open.remove(at)) {
                    Some(mut joined) if line.continued => {
                        joined.bytes.extend_from_slice(line.bytes);
                        joined
                    }
                    lost => {
                        lines.extend(lost);
                        FoundLine {
                            seq: line.seq,
                            time: line.time,
                            source: batch.source(),
                            bytes: line.bytes.to_vec(),
                            encoding: line.encoding,
                        }
                    }
                };
                joined.bytes.truncate(page::JOINED);
                match line.open {
                    true => open.push(joined),
                    false => lines.push(joined),
                }
            }
        }
    }
    lines.extend(open);
    lines.sort_by_key(|line| line.seq);
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The same as a walk over all lines finds, in steps of any size.
    #[test]
    fn a_search_finds_what_a_walk_over_all_lines_finds(
        steps in proptest::collection::vec(step(), 1..60),
        wanted in "[abAB\u{e4}]{0,3}",
        kind in 0..4,
        times in (0_i64..60, 0_i64..60),
        source in proptest::option::of(0_usize..3),
        budget in (1_u64..3000, 1_usize..6),
    ) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.now += 1;
            let now = bench.now;
            match step {
                Step::Output(text) => bench.output(text.as_bytes()),
                Step::Flush => { bench.writer.flush_partial(now).unwrap(); }
                Step::Notice(text) => bench.writer.notice(Source::Daemon, text, now).unwrap(),
                Step::Install(text) => bench.writer.notice(Source::Install, text, now).unwrap(),
                Step::Run => {
                    bench.writer.begin_run(Uuid::from_u128(now as u128), now).unwrap();
                    bench.offset = 0;
                }
                Step::Compress => if let Some(job) = bench.writer.compress_job() { job.run().unwrap(); },
                Step::Erase => { bench.writer.erase_before(now / 3).unwrap(); }
            }
        }
        let mut query = match kind {
            0 => Query::text(&wanted, Case::Smart),
            1 => Query::text(&wanted, Case::Exact),
            2 => Query::text(&wanted, Case::Ignored),
            _ => Query::expression(&format!("{wanted}[ab]?$"), Case::Smart),
        }.unwrap();
        let matches = |line: &FoundLine| {
            let mut text = Vec::new();
            ansi::strip_into(&mut text, &line.bytes);
            let text = String::from_utf8_lossy(&text).into_owned();
            let is_lower = !wanted.chars().any(char::is_uppercase);
            match kind {
                0 if is_lower => text.to_lowercase().contains(&wanted),
                2 => text.to_lowercase().contains(&wanted.to_lowercase()),
                0 | 1 => text.contains(&wanted),
                _ => [0, 1].iter().any(|n| {
                    let ends = text.chars().rev().take(*n).all(|c| c == 'a' || c == 'b') && text.len() >= *n;
                    ends && text[..text.len() - n].ends_with(&wanted)
                }),
            }
        };
        let (from, to) = (times.0.min(times.1), times.0.max(times.1));
        let filtered = kind != 1;
        if filtered {
            query = query.within(from..=to);
        }
        let source = source.map(|at| [Source::Output, Source::Daemon, Source::Install][at]);
        if let Some(source) = source {
            query = query.of(source);
        }
        let console = bench.writer.console();
        let mut expected: Vec<_> = naive(console)
            .into_iter()
            .filter(|line| source.is_none_or(|s| s == line.source))
            .filter(|line| !filtered || (from..=to).contains(&line.time))
            .filter(matches)
            .collect();
        expected.reverse();
        let (mut found, mut next) = (Vec::new(), u64::MAX);
        let budget = Budget { bytes: budget.0, lines: budget.1, time: Duration::MAX };
        loop {
            let step = console.search(&query, next, &budget).unwrap();
            prop_assert!(step.done || step.next < next, "it goes on");
            found.extend(step.lines);
            next = step.next;
            if step.done {
                break;
            }
        }
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(console.search(&query, u64::MAX, &ALL).unwrap().lines, expected);
    }
}

#[test]
fn what_is_looked_for_is_found_in_the_encoding_of_the_server() {
    let mut bench = Bench::new();
    bench.writer.console().set_encoding(Encoding::Gb18030);
    for line in ["玩家 Steve 进入服务器", "\x1b[32m服务器已启动\x1b[0m", "nothing"] {
        let raw = crate::encode(Encoding::Gb18030, line).unwrap();
        // One byte at a time, over the seams of small pieces.
        for byte in raw.iter().chain(b"\n") {
            bench.output(&[*byte]);
        }
    }
    let found = |query: &Query| -> Vec<String> {
        let found = bench.writer.console().search(query, u64::MAX, &ALL).unwrap();
        found.lines.iter().map(|line| line.text().into_owned()).collect()
    };
    let all = ["\x1b[32m服务器已启动\x1b[0m", "玩家 Steve 进入服务器"];
    assert_eq!(found(&text("服务器")), all);
    assert_eq!(found(&text("steve 进入")), all[1..]);
    let query = text("已启动");
    let line = bench
        .writer
        .console()
        .search(&query, u64::MAX, &ALL)
        .unwrap()
        .lines
        .remove(0);
    let (shown, place) = query.place_in(&line);
    assert_eq!(
        &shown[place],
        "已启动".as_bytes(),
        "where it is, in the text that is shown"
    );
    assert_eq!(
        found(&Query::expression("^服.{4}动$", Case::Smart).unwrap()),
        all[..1]
    );
    let query = text("steve 进入");
    let lines = bench
        .writer
        .console()
        .search(&query, u64::MAX, &ALL)
        .unwrap()
        .lines;
    let (shown, place) = query.place_in(&lines[0]);
    assert_eq!(&shown[place], "Steve 进入".as_bytes());
    // Its raw bytes hold those of another character across two.
    assert!(found(&text("鞣")).is_empty());
    bench.writer.console().set_encoding(Encoding::Utf8);
    assert!(
        found(&text("服务器")).is_empty(),
        "read as something else, it is something else"
    );
}
