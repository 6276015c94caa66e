//! The bytes of a segment: one header, then records. Version 1.
//!
//! ```text
//!   header  magic "ROOSTLOG" │ version u8 │ form u8 │ flags u8 │ 0 │ salt u32 │ stream 16 │ first seq u64
//!           │ run 16 │ offset u64 │ min, max time of the segment before i64 x 2 │ crc u32
//!   record  crc u32 │ length of data u32 │ kind u8 │ source u8 │ flags u8 │ 0 │ seq u64 │ time i64 │ offset u64 │ data
//! ```
//!
//! Little-endian. A record's checksum starts from the segment's secret salt, so that a program that prints the bytes
//! of a record can't forge one when a reader looks for the next whole record after damage. `form` is 0 for records as
//! they are, 1 for compressed frames of them. Files, positions and repair are not this file's business.

use roost_wire::{clock::Millis, node_api::Source};
use uuid::Uuid;

/// Bytes of a segment's header.
pub(crate) const HEADER_LEN: usize = 84;
/// Bytes of a record before its data.
pub(crate) const RECORD_LEN: usize = 36;
/// A longer record can only be damage: lines are cut at half of this.
pub(crate) const MAX_DATA: usize = 128 * 1024;

const MAGIC: &[u8; 8] = b"ROOSTLOG";
const VERSION: u8 = 1;
const HEADER_OPEN: u8 = 1;
const HEADER_RUN: u8 = 2;
const LINE_CONTINUED: u8 = 1;
const LINE_OPEN: u8 = 2;

/// How the records stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One after the other.
    Plain,
    /// In compressed frames, with a table at the end.
    Frames,
}

/// The state in front of the first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) form: Form,
    /// Start of every record's checksum.
    pub(crate) salt: u32,
    pub(crate) stream: Uuid,
    pub(crate) first_seq: u64,
    /// The run that offsets belong to, and the offset reached.
    pub(crate) run: Option<(Uuid, u64)>,
    /// The last line of output had not ended.
    pub(crate) open: bool,
    /// Smallest and largest time in the segment before (everything, where that is unknown). For people: whether that
    /// segment is still there is not known here.
    pub(crate) before: (Millis, Millis),
}

/// Why a header can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// Written by a later version: left alone.
    Version(u8),
    /// Not whole.
    Damaged,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = Vec::with_capacity(HEADER_LEN);
        let (run, offset) = self.run.unwrap_or((Uuid::nil(), 0));
        let flags = flags([(self.open, HEADER_OPEN), (self.run.is_some(), HEADER_RUN)]);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, self.form as u8, flags, 0]);
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.extend_from_slice(self.stream.as_bytes());
        out.extend_from_slice(&self.first_seq.to_le_bytes());
        out.extend_from_slice(run.as_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&self.before.0.to_le_bytes());
        out.extend_from_slice(&self.before.1.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        let mut whole = [0; HEADER_LEN];
        whole.copy_from_slice(&out);
        whole
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let bytes = bytes.get(..HEADER_LEN).ok_or(BadHeader::Damaged)?;
        if &bytes[..8] != MAGIC {
            return Err(BadHeader::Damaged);
        }
        let form = match bytes[9] {
            _ if bytes[8] > VERSION => None,
            0 => Some(Form::Plain),
            1 => Some(Form::Frames),
            _ => None,
        };
        let Some(form) = form else {
            return Err(BadHeader::Version(bytes[8]));
        };
        if crc32fast::hash(&bytes[..HEADER_LEN - 4]) != u32_at(bytes, HEADER_LEN - 4) {
            return Err(BadHeader::Damaged);
        }
        let flags = bytes[10];
        Ok(Self {
            form,
            salt: u32_at(bytes, 12),
            stream: uuid_at(bytes, 16),
            first_seq: u64_at(bytes, 32),
            run: (flags & HEADER_RUN != 0).then(|| (uuid_at(bytes, 40), u64_at(bytes, 56))),
            open: flags & HEADER_OPEN != 0,
            before: (i64_at(bytes, 64), i64_at(bytes, 72)),
        })
    }
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A line, or a piece of one.
    Line {
        source: Source,
        continued: bool,
        open: bool,
    },
    /// A run begins: offsets count anew, from the record's own. Its data is the run's UUID; its seq is that of the next line.
    Run,
}

/// A record without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) kind: Kind,
    pub(crate) seq: u64,
    pub(crate) time: Millis,
    /// Bytes of the run's stream that are in the journal once this record is.
    pub(crate) offset: u64,
}

/// Appends one whole record.
pub(crate) fn push_record(out: &mut Vec<u8>, salt: u32, meta: &Meta, data: &[u8]) {
    debug_assert!(data.len() <= MAX_DATA);
    let (kind, source, flags) = match meta.kind {
        Kind::Line {
            source,
            continued,
            open,
        } => (
            1,
            source_code(source),
            flags([(continued, LINE_CONTINUED), (open, LINE_OPEN)]),
        ),
        Kind::Run => (2, 0, 0),
    };
    let start = out.len();
    let mut head = [0; RECORD_LEN];
    head[4..8].copy_from_slice(&(data.len() as u32).to_le_bytes());
    head[8] = kind;
    head[9] = source;
    head[10] = flags;
    head[12..20].copy_from_slice(&meta.seq.to_le_bytes());
    head[20..28].copy_from_slice(&meta.time.to_le_bytes());
    head[28..36].copy_from_slice(&meta.offset.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(data);
    let crc = checksum(salt, &out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// What stands at a place where a record may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole record of this many bytes.
    Record(Meta, usize),
    /// It may be the beginning of one: more bytes are needed to tell.
    Short,
    /// No record.
    Bad,
}

/// Looks at the record at the start of `bytes`.
pub(crate) fn parse(bytes: &[u8], salt: u32) -> Parsed {
    let known = |at: usize| bytes.get(at).copied();
    // What is there must make sense, even if it is not all there.
    if known(8).is_some_and(|kind| !(1..=2).contains(&kind))
        || known(9).is_some_and(|source| source > 2)
        || known(10).is_some_and(|flags| flags > 3)
        || known(11).is_some_and(|zero| zero != 0)
        || (bytes.len() >= 8 && u32_at(bytes, 4) as usize > MAX_DATA)
    {
        return Parsed::Bad;
    }
    if bytes.len() < RECORD_LEN {
        return Parsed::Short;
    }
    let len = RECORD_LEN + u32_at(bytes, 4) as usize;
    let Some(record) = bytes.get(..len) else {
        return Parsed::Short;
    };
    if checksum(salt, &record[4..]) != u32_at(record, 0) {
        return Parsed::Bad;
    }
    match meta(record) {
        Some(meta) => Parsed::Record(meta, len),
        None => Parsed::Bad,
    }
}

/// The fields of a record that is known to be whole.
pub(crate) fn meta(record: &[u8]) -> Option<Meta> {
    let kind = match record[8] {
        1 => Kind::Line {
            source: source_of(record[9])?,
            continued: record[10] & LINE_CONTINUED != 0,
            open: record[10] & LINE_OPEN != 0,
        },
        _ => Kind::Run,
    };
    if kind == Kind::Run && record.len() != RECORD_LEN + 16 {
        return None;
    }
    Some(Meta {
        kind,
        seq: u64_at(record, 12),
        time: i64_at(record, 20),
        offset: u64_at(record, 28),
    })
}

/// The run that a record of kind [`Kind::Run`] begins.
pub(crate) fn run_of(record: &[u8]) -> Uuid {
    uuid_at(record, RECORD_LEN)
}

/// Bytes of the record at the start of `bytes`, which is known to be whole.
pub(crate) fn len_of(bytes: &[u8]) -> usize {
    RECORD_LEN + u32_at(bytes, 4) as usize
}

/// The sum of those that are set; each is a bit of its own.
fn flags(all: [(bool, u8); 2]) -> u8 {
    all.into_iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, bit)| bit)
        .sum()
}

fn checksum(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

fn source_code(source: Source) -> u8 {
    match source {
        Source::Output => 0,
        Source::Daemon => 1,
        Source::Install => 2,
    }
}

fn source_of(code: u8) -> Option<Source> {
    [Source::Output, Source::Daemon, Source::Install]
        .get(usize::from(code))
        .copied()
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut out = [0; 4];
    out.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(out)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(out)
}

pub(super) fn i64_at(bytes: &[u8], at: usize) -> i64 {
    u64_at(bytes, at) as i64
}

fn uuid_at(bytes: &[u8], at: usize) -> Uuid {
    let mut out = [0; 16];
    out.copy_from_slice(&bytes[at..at + 16]);
    Uuid::from_bytes(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_survives_the_round_trip_and_no_flipped_bit_goes_unseen() {
        let header = Header {
            form: Form::Frames,
            salt: 7,
            stream: Uuid::from_u128(1),
            first_seq: 42,
            run: Some((Uuid::from_u128(2), 99)),
            open: true,
            before: (-5, 1_700_000_000_000),
        };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Ok(header));
        for bit in 0..HEADER_LEN * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bytes).is_err(), "bit {bit}");
        }
        let mut later = bytes;
        later[8] = 2;
        assert_eq!(Header::decode(&later), Err(BadHeader::Version(2)));
        let mut unknown_form = bytes;
        unknown_form[9] = 2;
        assert_eq!(Header::decode(&unknown_form), Err(BadHeader::Version(1)));
        for (open, run) in [(false, None), (true, None), (false, header.run)] {
            let header = Header {
                form: Form::Plain,
                open,
                run,
                ..header
            };
            assert_eq!(Header::decode(&header.encode()), Ok(header));
        }
    }

    fn record(kind: Kind, data: &[u8]) -> Vec<u8> {
        let meta = Meta {
            kind,
            seq: 1,
            time: 2,
            offset: 3,
        };
        let mut bytes = Vec::new();
        push_record(&mut bytes, 7, &meta, data);
        bytes
    }

    const LINE: Kind = Kind::Line {
        source: Source::Install,
        continued: true,
        open: true,
    };

    #[test]
    fn what_can_be_no_record_is_known_before_it_is_all_there() {
        let whole = record(LINE, b"");
        assert!(matches!(parse(&whole, 7), Parsed::Record(_, RECORD_LEN)));
        for (at, nonsense) in [(8, 0), (8, 3), (9, 3), (10, 4), (11, 1)] {
            let mut bytes = whole.clone();
            bytes[at] = nonsense;
            assert_eq!(parse(&bytes[..=at], 7), Parsed::Bad, "{nonsense} at {at}");
            assert_eq!(parse(&bytes[..at], 7), Parsed::Short);
        }
        let longest = record(LINE, &vec![b'x'; 128 * 1024]);
        assert!(matches!(parse(&longest, 7), Parsed::Record(..)));
        assert_eq!(parse(&longest[..8], 7), Parsed::Short);
        let mut longer = longest;
        longer[4] = 1;
        assert_eq!(parse(&longer[..8], 7), Parsed::Bad);
        assert_eq!(
            parse(&longer[..7], 7),
            Parsed::Short,
            "its length is not all there"
        );
    }

    #[test]
    fn the_mark_of_a_run_holds_its_id_and_nothing_else() {
        let run = Uuid::from_u128(9);
        let bytes = record(Kind::Run, run.as_bytes());
        let Parsed::Record(meta, len) = parse(&bytes, 7) else {
            panic!("a whole record");
        };
        assert_eq!((meta.kind, len, run_of(&bytes)), (Kind::Run, bytes.len(), run));
        for data in [&[1; 15][..], &[1; 17]] {
            assert_eq!(parse(&record(Kind::Run, data), 7), Parsed::Bad);
        }
    }

    proptest! {
        #[test]
        fn a_record_is_read_back_only_whole_and_only_with_its_salt(
            data in proptest::collection::vec(any::<u8>(), 0..100),
            (seq, time, offset) in any::<(u64, i64, u64)>(),
            (continued, open) in any::<(bool, bool)>(),
            source in prop_oneof![Just(Source::Output), Just(Source::Daemon), Just(Source::Install)],
            salt in any::<u32>(),
        ) {
            let kind = Kind::Line { source, continued, open };
            let meta = Meta { kind, seq, time, offset };
            let mut bytes = Vec::new();
            push_record(&mut bytes, salt, &meta, &data);
            prop_assert_eq!(parse(&bytes, salt), Parsed::Record(meta, bytes.len()));
            prop_assert_eq!(parse(&bytes, salt ^ 1), Parsed::Bad);
            for cut in 0..bytes.len() {
                prop_assert_eq!(parse(&bytes[..cut], salt), Parsed::Short);
            }
        }
    }
}
