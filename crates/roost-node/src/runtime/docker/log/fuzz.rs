//! What an engine really logged, and what it can become: whatever a server writes, and wherever the engine cuts it into
//! entries, the lines read back are those that it wrote.

use super::*;

/// Later than any time that a server's output can name.
const TIME: &str = "9999-12-30T22:00:00.999999999Z ";

/// What the server wrote: the log's lines without the times, or, where it can't be read as one, all of it.
fn output(input: &[u8]) -> Vec<u8> {
    match parse(input, false) {
        Some(part) => part
            .lines
            .iter()
            .flat_map(|line| [&line.bytes[..], b"\n"].concat())
            .collect(),
        None => input.to_vec(),
    }
}

/// A log of it by a driver that leaves out the line feed behind a line that it had to cut.
fn log_of_local(output: &[u8]) -> Vec<u8> {
    let mut log = Vec::new();
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let pieces: Vec<_> = text.chunks(ENTRY_MAX).collect();
        let last = pieces.last().copied().unwrap_or_default();
        for piece in &pieces {
            log.extend_from_slice(TIME.as_bytes());
            log.extend_from_slice(piece);
        }
        if pieces.is_empty() {
            log.extend_from_slice(TIME.as_bytes());
        }
        // Behind a terminal each line ends with a carriage return.
        if text.len() < line.len() && (pieces.len() < 2 || last.len() == ENTRY_MAX || !last.ends_with(b"\r"))
        {
            log.push(b'\n');
        }
    }
    log
}

/// A log of it: each line in entries of up to so many bytes, as an engine cuts those at its own end.
fn log_of(output: &[u8], most: usize, seed: u64) -> Vec<u8> {
    let mut log = Vec::new();
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        let (text, end) = match line.strip_suffix(b"\n") {
            Some(text) => (text, &b"\n"[..]),
            None => (line, &b""[..]),
        };
        log.extend_from_slice(TIME.as_bytes());
        for (at, piece) in roost_fuzz::pieces(text, most.min(ENTRY_MAX - 1), seed)
            .iter()
            .enumerate()
        {
            if at > 0 {
                log.extend_from_slice(TIME.as_bytes());
            }
            log.extend_from_slice(piece);
        }
        log.extend_from_slice(end);
    }
    log
}

#[test]
fn fuzz_log() {
    let words: [&[u8]; 5] = [
        b"\r\n",
        b"2026-11-24T18:25:40.123456789Z ",
        b"2026-11-24T19:25:41.000000000+01:00 ",
        b"\n\n",
        b".",
    ];
    roost_fuzz::run(env!("CARGO_MANIFEST_DIR"), "log", &words, |input| {
        // As a log: every line feed ends a line, and no byte comes twice.
        let seen = parse(input, false);
        if let Some(part) = &seen {
            assert!(part.lines.len() >= memchr::memchr_iter(b'\n', input).count());
            let bytes: usize = part.lines.iter().map(|line| line.bytes.len()).sum();
            assert!(bytes <= input.len());
        }
        // As what a server wrote: through any log it comes back.
        let wrote = output(input);
        let whole = wrote
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let seed = roost_fuzz::signature(input);
        let logs = [
            log_of(&wrote, wrote.len().max(1), seed),
            log_of(&wrote, 40, seed),
            log_of_local(&wrote),
        ];
        for log in logs {
            let read = parse(&log, false).expect("its own times");
            let back: Vec<u8> = read
                .lines
                .iter()
                .flat_map(|line| [&line.bytes[..], b"\n"].concat())
                .collect();
            assert_eq!(back, wrote[..whole]);
        }
        roost_fuzz::signature(seen.map(|part| {
            let kinds = part
                .lines
                .iter()
                .map(|line| (line.bytes.is_empty(), line.bytes.ends_with(b"\r")));
            (part.lines.len().min(8), kinds.take(4).collect::<Vec<_>>())
        }))
    });
}
