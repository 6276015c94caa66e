//! A keeper of the first release that could be held by a later node: what it said and heard, byte by byte. It was
//! recorded from a keeper built from commit a35ba12, which held a server while its node was away. `./test long` drives
//! such a keeper itself.

use super::*;
use crate::place::Record;

const FROM_KEEPER: &[u8] = include_bytes!("recorded/a35ba12-from-keeper");
const FROM_NODE: &[u8] = include_bytes!("recorded/a35ba12-from-node");
const RECORD: &str = r#"{"version":1,"server":"885e5490-67b4-487e-ac64-5b4e233361b6","run":"51543973-712f-4cd6-893d-9a2aace1741b","keeper":21613,"pid":21615,"started_ms":1795546983401}"#;
const RUN: Uuid = uuid::uuid!("51543973-712f-4cd6-893d-9a2aace1741b");

#[test]
fn what_an_older_keeper_says_is_understood() {
    let record: Record = serde_json::from_str(RECORD).unwrap();
    assert_eq!((record.version, record.run, record.pid), (1, RUN, 21_615));

    let mut decoder = Decoder::default();
    decoder.push(FROM_KEEPER);
    let mut next = || {
        let frame = decoder.next_from_keeper().unwrap();
        frame.map(|frame| format!("{frame:?}"))
    };
    let expect = |frame: KeeperFrame<'_>| Some(format!("{frame:?}"));
    assert_eq!(
        next(),
        expect(KeeperFrame::Hello {
            version: 1,
            run: RUN,
            pid: 21_615,
            // What came before was acknowledged to the node that was killed.
            first_offset: 679,
            started_ms: 1_795_546_983_401,
        })
    );
    assert_eq!(next(), expect(KeeperFrame::InputResult { id: 7, error: "" }));
    assert_eq!(
        next(),
        expect(KeeperFrame::Chunk {
            offset: 679,
            time_ms: 1_795_546_984_602,
            bytes: b"said hello keeper\n\rprogress 1\rprogress 2\n",
        })
    );
    assert_eq!(next(), expect(KeeperFrame::InputResult { id: 8, error: "" }));
    assert_eq!(
        next(),
        expect(KeeperFrame::Chunk {
            offset: 720,
            time_ms: 1_795_546_985_924,
            bytes: b"Saving\nbye",
        })
    );
    assert_eq!(
        next(),
        expect(KeeperFrame::Exit {
            code: Some(3),
            signal: None,
            end_offset: 730,
            time_ms: 1_795_546_985_924,
        })
    );
    assert_eq!(next(), None);
}

#[test]
fn what_is_said_to_an_older_keeper_is_what_it_was_said_then() {
    let mut said = Vec::new();
    for frame in [
        NodeFrame::Hello {
            version: 1,
            run: RUN,
            resume_offset: 0,
        },
        NodeFrame::Input {
            id: 7,
            bytes: b"hello keeper\n",
        },
        NodeFrame::Ack { offset: 60 },
        NodeFrame::Signal {
            signal: 28,
            tree: false,
        },
        NodeFrame::Input {
            id: 8,
            bytes: b"stop\n",
        },
        NodeFrame::Release,
    ] {
        frame.encode(&mut said);
    }
    assert_eq!(said, FROM_NODE);
}
