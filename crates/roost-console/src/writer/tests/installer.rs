//! An installer's output follows the rules of the server's, and leaves the server's alone.

use super::*;

/// Source, raw bytes, `continued`, `open`.
type Piece = (Source, Vec<u8>, bool, bool);

fn pieces(console: &Console) -> Vec<Piece> {
    let (mut cursor, mut seen) = (console.at(1), Vec::new());
    while cursor.seq < console.next_seq() {
        for batch in console.lines(&mut cursor, 1 << 20).unwrap().batches {
            let lines = batch.lines();
            seen.extend(lines.map(|line| (batch.source(), line.bytes.to_vec(), line.continued, line.open)));
        }
    }
    seen
}

fn said(bytes: &[u8], continued: bool, open: bool) -> Piece {
    (Source::Install, bytes.to_vec(), continued, open)
}

#[test]
fn it_is_cut_as_the_server_s_is_and_kept_as_it_came() {
    let mut bench = Bench::new(LIMITS);
    let writer = bench.writer();
    assert_eq!(
        writer.installer_output(b"one\r\n\n 1 %\r 50 %\r\n", 1).unwrap(),
        3
    );
    assert_eq!(writer.installer_output(b"\xff \xe2\x82", 2).unwrap(), 0);
    assert_eq!(writer.installer_output(b"\xac\nrest\r", 3).unwrap(), 1);
    assert_eq!(writer.installer_ended(4).unwrap(), 1);
    assert_eq!(writer.installer_ended(4).unwrap(), 0, "nothing is left");
    bench.kill_and_open(LIMITS);
    assert_eq!(
        pieces(&bench.console),
        [
            said(b"one", false, false),
            said(b"", false, false),
            said(b" 1 %\r 50 %", false, false),
            said(b"\xff \xe2\x82\xac", false, false),
            said(b"rest", false, false),
        ]
    );
}

#[test]
fn a_long_line_is_cut_at_64_kib_outside_of_characters_and_goes_on() {
    let mut bench = Bench::new(LIMITS);
    let line = "€".repeat(30_000);
    let mut lines = 0;
    for chunk in (line + "\n").as_bytes().chunks(16 << 10) {
        lines += bench.writer().installer_output(chunk, 1).unwrap();
    }
    assert_eq!(lines, 1, "pieces are no lines");
    let first = "€".repeat(21_845);
    let rest = "€".repeat(8_155);
    assert_eq!(
        pieces(&bench.console),
        [
            said(first.as_bytes(), false, true),
            said(rest.as_bytes(), true, false)
        ]
    );
}

#[test]
fn what_has_no_line_end_yet_is_shown_once_and_goes_on() {
    let mut bench = Bench::new(LIMITS);
    let writer = bench.writer();
    assert!(!writer.has_installer_partial());
    assert_eq!(writer.flush_installer(1).unwrap(), 0);
    writer.installer_output(b"Continue? \xe2\x82", 1).unwrap();
    assert!(writer.has_installer_partial() && !writer.has_partial());
    assert_eq!(writer.flush_installer(2).unwrap(), 1);
    assert_eq!(
        writer.flush_installer(3).unwrap(),
        0,
        "half a character is withheld"
    );
    assert_eq!(writer.installer_ended(4).unwrap(), 1);
    writer.installer_output(b"another\n", 5).unwrap();
    assert_eq!(
        pieces(&bench.console),
        [
            said(b"Continue? ", false, true),
            said(b"\xe2\x82", true, false),
            said(b"another", false, false),
        ]
    );
}

#[test]
fn the_server_s_own_stream_goes_on_where_it_was() {
    let mut bench = Bench::new(LIMITS);
    let writer = bench.writer();
    writer.begin_run(RUN, 1).unwrap();
    writer.output(b"name: ", 6, 2).unwrap();
    writer.flush_partial(3).unwrap();
    writer.output(b"bo", 8, 4).unwrap();
    writer.installer_output(b"a line of its own\nand", 5).unwrap();
    writer.flush_installer(6).unwrap();
    writer.installer_output(b" more", 6).unwrap();
    writer.installer_ended(7).unwrap();
    assert_eq!((writer.received(), writer.position().unwrap().offset), (8, 6));
    bench.kill_and_open(LIMITS);
    assert_eq!(
        bench.writer().position().unwrap().offset,
        6,
        "the keeper is asked for no less"
    );
    bench.writer().output(b"bob\n", 10, 8).unwrap();
    let output = |bytes: &[u8], continued, open| (Source::Output, bytes.to_vec(), continued, open);
    assert_eq!(
        pieces(&bench.console),
        [
            output(b"name: ", false, true),
            said(b"a line of its own", false, false),
            said(b"and", false, true),
            said(b" more", true, false),
            output(b"bob", true, false),
        ]
    );
}
