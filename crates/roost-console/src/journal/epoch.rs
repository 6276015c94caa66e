//! The stream id that viewers see: another one once the machine may have lost lines that were handed out.
//!
//! ```text
//!   epoch   boot <the kernel's boot id>      that wrote it
//!           journal <id in the segments>     which never changes
//!           stream <id that viewers see>
//!           open | closed                    closed: all was synced, and nothing was written since
//! ```
//!
//! What was not synced when the power went is gone, and its numbers come again with other lines. Under another stream
//! id that is no lie: a place is a stream and a number. A killed process loses nothing that the kernel holds, so within
//! a boot the id stays. Where the file is missing, an earlier version wrote the journal: the id is the segments' own.
//!
//! No line is written before the file is safe. When a journal is closed is not this file's business.

use super::files::Dir;
use std::{fmt, io};
use uuid::Uuid;

/// Its name, beside the segments.
pub(crate) const NAME: &str = "epoch";
/// One that is not whole yet.
pub(super) const DRAFT: &str = "epoch.new";
/// A longer one is none of ours.
const MAX: usize = 256;

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    boot: Uuid,
    journal: Uuid,
    pub(crate) stream: Uuid,
    closed: bool,
}

/// What there is of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    Damaged,
    Epoch(Epoch),
}

/// The kernel's id of this boot; nil, which is no boot's, where it does not tell.
pub(crate) fn boot_id() -> Uuid {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .ok()
        .and_then(|id| id.trim().parse().ok())
        .unwrap_or_default()
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.closed { "closed" } else { "open" };
        writeln!(f, "boot {}", self.boot)?;
        writeln!(f, "journal {}", self.journal)?;
        writeln!(f, "stream {}", self.stream)?;
        writeln!(f, "{end}")
    }
}

impl Epoch {
    /// Only what was written to the last byte is read.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let mut id = |name: &str| lines.next()?.strip_prefix(name)?.parse().ok();
        let epoch = Self {
            boot: id("boot ")?,
            journal: id("journal ")?,
            stream: id("stream ")?,
            closed: lines.next() == Some("closed"),
        };
        (epoch.to_string() == text).then_some(epoch)
    }

    /// Puts the file in the place of the one before. `synced`, it lasts through a power cut; else it is there afterwards,
    /// or the one before, or a damaged one.
    pub(super) fn write(&self, dir: &Dir, synced: bool) -> io::Result<()> {
        dir.remove(DRAFT)?;
        let file = dir.create(DRAFT)?;
        let sync = |sync: &dyn Fn() -> io::Result<()>| if synced { sync() } else { Ok(()) };
        let made = file
            .write_all_at(self.to_string().as_bytes(), 0)
            .and_then(|()| sync(&|| file.sync()))
            .and_then(|()| dir.rename(DRAFT, NAME))
            .and_then(|()| sync(&|| dir.sync()));
        if made.is_err() {
            dir.remove(DRAFT)?;
        }
        made
    }

    /// The same when nothing more is to come and all is synced.
    pub(super) fn closed(self) -> Self {
        Self { closed: true, ..self }
    }
}

impl Found {
    pub(super) fn read(dir: &Dir) -> io::Result<Self> {
        let file = match dir.read(NAME) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::Missing),
            file => file?,
        };
        let mut bytes = [0; MAX];
        let read = file.read_at(&mut bytes, 0)?;
        Ok(Epoch::parse(&bytes[..read]).map_or(Self::Damaged, Self::Epoch))
    }

    /// What is to be there while the journal is open. `fresh` is an id that nobody has seen.
    pub(super) fn opened(self, boot: Uuid, journal: Uuid, fresh: Uuid) -> Epoch {
        let lost_nothing = |e: &Epoch| e.closed || (e.boot == boot && !boot.is_nil());
        let stream = match self {
            Self::Missing => journal,
            Self::Epoch(epoch) if epoch.journal == journal && lost_nothing(&epoch) => epoch.stream,
            Self::Epoch(_) | Self::Damaged => fresh,
        };
        Epoch {
            boot,
            journal,
            stream,
            closed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);
    const JOURNAL: Uuid = Uuid::from_u128(3);
    const STREAM: Uuid = Uuid::from_u128(4);
    const FRESH: Uuid = Uuid::from_u128(5);
    const EPOCH: Epoch = Epoch {
        boot: BOOT,
        journal: JOURNAL,
        stream: STREAM,
        closed: false,
    };

    #[test]
    fn the_id_stays_within_a_boot_and_over_a_clean_end() {
        let opened = |found: Found, boot| found.opened(boot, JOURNAL, FRESH).stream;
        let (open, closed) = (Found::Epoch(EPOCH), Found::Epoch(EPOCH.closed()));
        for (found, boot, stream) in [
            (open, BOOT, STREAM),
            (open, OTHER, FRESH),
            (closed, BOOT, STREAM),
            (closed, OTHER, STREAM),
            (Found::Missing, OTHER, JOURNAL),
            (Found::Damaged, BOOT, FRESH),
        ] {
            assert_eq!(opened(found, boot), stream, "{found:?} in {boot}");
        }
        let unknown = Found::Epoch(Epoch {
            boot: Uuid::nil(),
            ..EPOCH
        });
        assert_eq!(
            opened(unknown, Uuid::nil()),
            FRESH,
            "no boot is known to be this one"
        );
        // Of another journal, even a closed one says nothing.
        assert_eq!(closed.opened(BOOT, OTHER, FRESH).stream, FRESH);
        assert_eq!(
            closed.opened(OTHER, JOURNAL, FRESH),
            Epoch { boot: OTHER, ..EPOCH },
            "it is open again"
        );
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        for epoch in [EPOCH, EPOCH.closed()] {
            let text = epoch.to_string();
            assert!(text.len() < MAX);
            assert_eq!(Epoch::parse(text.as_bytes()), Some(epoch));
            for end in 0..text.len() {
                assert_eq!(Epoch::parse(&text.as_bytes()[..end]), None, "up to {end}");
            }
            assert_eq!(Epoch::parse(format!("{text}\n").as_bytes()), None);
        }
        assert_eq!(Epoch::parse(&[0; 140]), None);
        assert_eq!(Epoch::parse(&[0xFF; 140]), None);
    }

    #[test]
    fn the_kernel_tells_its_boot() {
        assert!(!boot_id().is_nil());
        assert_eq!(boot_id(), boot_id());
    }
}
