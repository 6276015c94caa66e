//! What an engine really answers, and what it can become: however the bytes are cut, the stream begins at the same byte,
//! and none of it is lost or taken for a part of the answer.

use super::*;

/// Where the stream begins, `Err` for an answer that is refused, and everything that was taken until then.
fn read(pieces: &[&[u8]]) -> Result<Option<(usize, Vec<u8>)>, ()> {
    let mut answer = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        match take(&mut answer, piece) {
            Ok(Some(begin)) => {
                // What was read together with the answer already is stream; the rest is still to be read.
                let stream = [&answer[begin..], &pieces[at + 1..].concat()].concat();
                return Ok(Some((begin, stream)));
            }
            Ok(None) => {}
            Err(_) => return Err(()),
        }
    }
    Ok(None)
}

#[test]
fn fuzz_answer() {
    let words: [&[u8]; 5] = [
        b"\r\n\r\n",
        b"\r\n",
        b"\n\n",
        b"HTTP/1.1 101 UPGRADED\r\n",
        b"{\"message\":\"",
    ];
    roost_fuzz::run(env!("CARGO_MANIFEST_DIR"), "answer", &words, |input| {
        let whole = read(&[input]);
        let single: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(whole, read(&single), "byte by byte");
        let pieces = roost_fuzz::pieces(input, 4096, roost_fuzz::signature(input));
        assert_eq!(whole, read(&pieces), "in pieces");
        if let Ok(Some((begin, stream))) = &whole {
            assert!(input[..*begin].ends_with(b"\r\n\r\n"));
            assert_eq!(stream, &input[*begin..], "nothing of the stream is lost");
        }
        roost_fuzz::signature(whole.map(|found| found.map(|(begin, stream)| (begin % 97, stream.is_empty()))))
    });
}

/// The same over a real socket, as far as its buffers take it at once.
#[test]
fn what_comes_behind_an_answer_is_the_stream() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/answer")).unwrap() {
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        let (mut engine, mut keeper) = UnixStream::pair().unwrap();
        engine.write_all(&input).unwrap();
        drop(engine);
        let Ok((answer, begin)) = read_answer(&mut keeper) else {
            continue;
        };
        let mut all = answer;
        keeper.read_to_end(&mut all).unwrap();
        assert_eq!(all, input);
        assert!(input[..begin].ends_with(b"\r\n\r\n"));
    }
}
