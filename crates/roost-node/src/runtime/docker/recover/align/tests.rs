use super::*;
use proptest::prelude::*;

fn keys(lines: &[(i64, String)]) -> Vec<Key> {
    lines
        .iter()
        .map(|(time, text)| Key::new(text.as_bytes(), *time))
        .collect()
}

fn lines(texts: &[&str], gap: i64) -> Vec<(i64, String)> {
    let numbered = texts.iter().zip(0i64..);
    numbered
        .map(|(text, at)| (at * gap, (*text).to_owned()))
        .collect()
}

#[test]
fn a_log_goes_on_behind_the_journal_s_last_line() {
    let said = keys(&lines(&["a", "b", "c", "d", "e"], 100));
    assert_eq!(behind(&said[..3], &said[1..], |_| true), Some(2..=2));
    assert_eq!(
        behind(&said[..3], &said[3..], |_| true),
        None,
        "it has rotated away"
    );
    assert_eq!(
        behind(&[], &said, |_| true),
        Some(0..=0),
        "nothing was journaled yet"
    );
}

#[test]
fn equal_lines_are_told_apart_by_their_times() {
    let ticks = keys(&lines(&["tick"; 9], 1000));
    assert_eq!(behind(&ticks[..4], &ticks, |_| true), Some(4..=4));
    let fast = keys(&lines(&["tick"; 9], 200));
    let places = behind(&fast[..4], &fast, |_| true).unwrap();
    assert!(
        places.contains(&4) && places.end() - places.start() <= 5,
        "{places:?}"
    );
}

#[test]
fn a_weak_match_far_away_in_time_is_none() {
    let journal = keys(&[(0, "ready".to_owned())]);
    let log = keys(&[(60_000, "ready".to_owned()), (60_001, "x".to_owned())]);
    assert_eq!(behind(&journal, &log, |_| true), None);
}

#[test]
fn a_log_that_replaced_broken_bytes_still_fits() {
    let journal = [Key::new(b"caf\xe9 \r", 0)];
    let log = [Key::new("caf\u{FFFD} ".as_bytes(), 1)];
    assert_eq!(behind(&journal, &log, |_| true), Some(1..=1));
}

#[test]
fn a_stream_that_begins_within_a_line_is_found_by_its_end() {
    let log = lines(&["one", "two", "three", "four"], 100);
    let head = keys(&[(200, "ree".to_owned()), (300, "four".to_owned())]);
    let ends = |at: usize| log[at].1.ends_with("ree");
    assert_eq!(ahead(&head, &keys(&log), ends, true), Some(3..=3));
}

/// What a server says: few different lines, so that many repeat.
fn said() -> impl Strategy<Value = Vec<(i64, String)>> {
    let line = (prop_oneof![4 => 0i64..40, 1 => 0i64..3000], "[ab]{0,2}|[a-z]{6}");
    prop::collection::vec(line, 1..300).prop_map(|lines| {
        let mut now = 0;
        lines
            .into_iter()
            .map(|(pause, text)| {
                now += pause;
                (now, text)
            })
            .collect()
    })
}

proptest! {
    /// The journal ends at `a`, the stream begins at `b` (within a line), the log has all of the last ten seconds.
    #[test]
    fn no_line_comes_twice_and_no_more_is_missing_than_is_said(
        said in said(),
        (a, b) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        within in any::<prop::sample::Index>(),
        lag in prop::collection::vec(0i64..50, 300),
    ) {
        let (a, b) = (a.index(said.len()), b.index(said.len()));
        let (a, b) = (a.min(b), a.max(b));
        // The engine notes each line a moment before or after the keeper.
        let seen: Vec<_> = said.iter().zip(&lag).map(|((time, text), lag)| (time + lag, text.clone())).collect();
        let since = if a == 0 { 0 } else { seen[a - 1].0 - 10_000 };
        let from = said.iter().position(|(time, _)| *time >= since).unwrap_or(said.len());
        let log = &said[from..];
        let keys_of_log = keys(log);
        let Some(known) = behind(&keys(&seen[a.saturating_sub(DEPTH)..a]), &keys_of_log, |_| true) else {
            // Said to be unknown.
            return Ok(());
        };
        let begin = if said[b].1.is_empty() { 0 } else { within.index(said[b].1.len()) };
        let mut head = seen[b..(b + DEPTH).min(said.len())].to_vec();
        head[0].1 = head[0].1[begin..].to_owned();
        let end_of_first = head[0].1.clone();
        let rest = &log[*known.end()..];
        let Some(over) = ahead(&keys(&head), &keys(rest), |at| rest[at].1.ends_with(&end_of_first), true) else {
            return Ok(());
        };
        let filled = &rest[..*over.start()];
        // Lines of the log, by their place in what was said.
        let first = from + known.end();
        prop_assert!(first >= a, "line {a} comes twice");
        prop_assert!(first + filled.len() <= b + 1, "the stream's lines come twice");
        let missing = (first - a) + (b + 1 - first - filled.len());
        let stated = (known.end() - known.start()) + (over.end() - over.start());
        prop_assert!(missing <= stated, "{missing} are missing, {stated} were stated");
    }
}
