//! Output and input: whole, in order, bounded, whoever comes and goes.

use super::bed::{Bed, Node, alive, shell, wait_for};
use crate::{
    place,
    protocol::{NodeFrame, VERSION},
};
use std::time::{Duration, Instant};

/// Whether `text` is `line 1` to `line N`.
fn is_counted(text: &[u8], lines: usize) -> bool {
    let wanted: String = (1..=lines).map(|n| format!("line {n}\n")).collect();
    text == wanted.as_bytes()
}

const COUNT: &str = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done";

#[test]
fn output_that_nobody_reads_is_kept_and_delivered_whole() {
    let mut bed = Bed::new(shell(&format!("{COUNT}; exec sleep 1000")));
    bed.spec.memory_bytes = 64 << 10;
    let bed = bed.start();
    // More than fits in memory, so that the oldest lies in the spool.
    wait_for("all is printed", || {
        bed.dir
            .path()
            .join(place::SPOOL)
            .metadata()
            .is_ok_and(|file| file.len() > 0)
    });
    let mut node = bed.node(0);
    node.until_text("line 20000\n");
    assert!(is_counted(&node.output, 20_000));
    assert!(node.times.is_sorted());
    node.ack();
    wait_for("the spool is emptied", || {
        bed.dir.path().join(place::SPOOL).metadata().unwrap().len() == 0
    });
}

#[test]
fn a_node_that_comes_back_goes_on_where_it_was() {
    let bed = Bed::run(COUNT);
    let mut first = bed.node(0);
    first.until("some lines", |node| node.output.len() > 10_000);
    first.ack();
    let at = first.at();
    drop(first);
    let mut second = bed.node(at);
    let end = second.until_end();
    assert_eq!(second.from, at);
    assert_eq!(end.end_offset, second.at());
    let mut third = bed.node(at + 5);
    third.until_end();
    assert_eq!(third.output, second.output[5..]);
    let tail = second.output;
    assert!(
        String::from_utf8(tail)
            .unwrap()
            .ends_with("line 19999\nline 20000\n")
    );
    third.release();
}

#[test]
fn past_its_bound_the_oldest_output_goes_and_is_counted() {
    let mut bed = Bed::new(shell(COUNT));
    bed.spec.memory_bytes = 16 << 10;
    bed.spec.spool_bytes = 1;
    let bed = bed.start();
    wait_for("the program ends", || !alive(bed.pid));
    let mut node = bed.node(0);
    let end = node.until_end();
    let &[(0, to, newlines)] = &node.holes[..] else {
        panic!("{:?}", node.holes);
    };
    assert_eq!(to + node.output.len() as u64, end.end_offset);
    let lines = node.output.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(newlines + lines, 20_000);
    assert!(node.output.len() < 200 << 10);
}

#[test]
fn a_flood_is_read_although_the_node_does_not_read() {
    let mut bed = Bed::new(shell(
        "yes 0123456789 | head -c 20000000; echo; echo done > \"$0\"",
    ));
    bed.spec.spool_bytes = 4 << 20;
    let flag = bed.dir.path().join("flag");
    if let crate::spec::Kind::Pty(pty) = &mut bed.spec.kind {
        pty.argv.push(flag.display().to_string());
    }
    let bed = bed.start();
    let mut node = bed.node(0);
    wait_for("the program has printed all", || flag.exists());
    let end = node.until_end();
    assert_eq!(end.end_offset, 20_000_001);
    assert_eq!(node.at(), end.end_offset);
}

#[test]
fn a_line_leaves_in_the_turn_in_which_it_came() {
    let bed = Bed::run("while read line; do echo \"<$line>\"; done");
    let mut node = bed.node(0);
    let mut worst = Duration::ZERO;
    for round in 0..50 {
        let began = Instant::now();
        node.send(NodeFrame::Input {
            id: round,
            bytes: format!("{round}\n").as_bytes(),
        });
        node.until_text(&format!("<{round}>\n"));
        worst = worst.max(began.elapsed());
    }
    assert!(worst < Duration::from_millis(200), "{worst:?}");
}

#[test]
fn input_reaches_the_program_and_is_not_echoed() {
    let bed = Bed::run("read a; echo got $a; read b; echo got $b");
    let mut node = bed.node(0);
    assert_eq!(node.type_line(1, "hello"), "");
    node.until_text("got hello\n");
    let long = "x".repeat(4095);
    assert_eq!(node.type_line(2, &long), "");
    node.until_text(&format!("got {long}\n"));
    assert_eq!(node.until_end().code, Some(0));
    assert_eq!(node.text(), format!("got hello\ngot {long}\n"));
    assert!(node.type_line(3, "late").contains("ended"));
}

#[test]
fn a_line_longer_than_the_terminal_takes_is_refused() {
    let bed = Bed::run("while read a; do echo got $a; done");
    let mut node = bed.node(0);
    let why = node.type_line(1, &"x".repeat(4096));
    assert!(why.contains("4096 bytes") && why.contains("4095"), "{why}");
    assert_eq!(node.type_line(2, "short"), "");
    node.until_text("got short\n");
    assert_eq!(node.text(), "got short\n");
}

#[test]
fn a_program_that_does_not_read_is_reported_while_its_output_flows() {
    let bed = Bed::run("while sleep 0.05; do echo tick; done");
    let mut node = bed.node(0);
    // More than the terminal's own buffers hold.
    let line = [b"x".repeat(4000), b"\n".to_vec()].concat();
    let began = Instant::now();
    for id in 0..30 {
        node.send(NodeFrame::Input { id, bytes: &line });
    }
    node.until("all are answered", |node| node.results.len() == 30);
    let (_, why) = node.results.iter().find(|(_, error)| !error.is_empty()).unwrap();
    assert!(why.contains("does not read"), "{why}");
    assert!(began.elapsed() >= Duration::from_millis(1900));
    assert!(node.text().matches("tick\n").count() > 10);
}

#[test]
fn a_newer_connection_replaces_the_older() {
    let bed = Bed::run("exec cat");
    let mut old = bed.node(0);
    // One that only connects is no node yet.
    let silent = Node::connect(bed.dir.path());
    assert_eq!(old.type_line(1, "one"), "");
    old.until_text("one\n");
    drop(silent);
    let mut new = bed.node(0);
    new.until_text("one\n");
    old.until("the older is closed", |node| node.closed);
    assert_eq!(new.type_line(2, "two"), "");
    new.until_text("two\n");
}

#[test]
fn a_node_that_expects_another_run_is_told_and_sent_away() {
    let bed = Bed::run("echo secret; exec cat");
    let mut stranger = Node::connect(bed.dir.path());
    stranger.send(NodeFrame::Hello {
        version: VERSION,
        run: uuid::Uuid::from_u128(7),
        resume_offset: 0,
    });
    stranger.until("it is closed", |node| node.closed);
    assert!(stranger.hello.is_some());
    assert_eq!(stranger.text(), "");
}

#[test]
fn the_program_itself_can_not_play_the_node() {
    // Whoever takes part of the socket is told nothing: the connection ends.
    let script = "cat; exec perl -MIO::Socket::UNIX -e '\
        $SIG{PIPE} = \"IGNORE\"; chdir shift; my $s = IO::Socket::UNIX->new(Peer => \"keeper.sock\") or die \"refused\"; \
        $s->syswrite(pack(\"VCVx16Q<\", 28, 1, 1, 0)); \
        print $s->sysread(my $b, 100) ? \"heard\\n\" : \"nothing\\n\"' \"$0\"";
    let mut bed = Bed::new(shell(script));
    let directory = bed.dir.path().display().to_string();
    if let crate::spec::Kind::Pty(pty) = &mut bed.spec.kind {
        pty.argv.push(directory);
    }
    let bed = bed.start();
    let mut node = bed.node(0);
    node.send(NodeFrame::Input {
        id: 1,
        bytes: b"\x04",
    });
    node.until_end();
    assert_eq!(node.text(), "nothing\n");
}

#[test]
fn the_terminal_has_its_size_and_changes_nothing() {
    let bed = Bed::run("stty size; printf 'a\\nb\\tc\\r\\n'; ls -l /proc/self/fd | grep -vc pts");
    let mut node = bed.node(0);
    node.until_end();
    // No terminal are, of its lines: the total, its pipe to grep, the folder that it reads.
    assert_eq!(node.text(), "50 240\na\nb\tc\r\n3\n");
}

#[test]
fn a_directory_whose_path_no_socket_address_holds_works() {
    let mut bed = Bed::new(shell("exec cat"));
    let mut deep = bed.dir.path().to_owned();
    for _ in 0..3 {
        deep.push("a".repeat(90));
    }
    std::fs::create_dir_all(&deep).unwrap();
    bed.spec.directory.clone_from(&deep);
    let bed = bed.start();
    let (record, stream) = place::find(&deep).unwrap().unwrap();
    assert_eq!(record.run, bed.spec.run);
    assert_eq!(i32::try_from(record.pid).unwrap(), bed.pid);
    drop(stream);
}
