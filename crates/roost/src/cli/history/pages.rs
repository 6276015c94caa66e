//! Reads a console's history page by page: the newest lines, or all from the first on, and then what comes.
//!
//! A page without lines says nothing: those that it covers may not be for this reader. Where it stands, and whether more
//! stands around it, it says itself. Printing is not its business.

use crate::failure::Failure;
use roost_wire::node_api::JournalPage;

/// Lines that are held before they are shown, at most.
const HELD: u32 = 500_000;
/// Lines a request.
const PAGE: u32 = if cfg!(test) { 5 } else { 5000 };

/// Shows the newest `lines` lines, or all of them; then new ones if `follow`. `ask` takes a query.
pub(super) async fn read<A>(
    ask: &A,
    lines: Option<u32>,
    follow: bool,
    mut show: impl FnMut(&JournalPage) -> Result<(), Failure>,
) -> Result<(), Failure>
where
    A: AsyncFn(String) -> Result<JournalPage, Failure>,
{
    let (mut page, mut at_end) = match lines {
        Some(lines) => {
            let newest = newest(ask, lines).await?;
            newest.iter().try_for_each(&mut show)?;
            match newest.into_iter().next_back() {
                Some(last) if follow => (last, true),
                _ => return Ok(()),
            }
        }
        None => {
            let first = ask(format!("after=0&lines={PAGE}")).await?;
            show(&first)?;
            let at_end = is_last(&first, 0);
            (first, at_end)
        }
    };
    while follow || !at_end {
        let wait = if at_end { "&wait=25" } else { "" };
        let after = page.next;
        page = ask(format!("stream={}&after={after}&lines={PAGE}{wait}", page.stream)).await?;
        show(&page)?;
        at_end = is_last(&page, after);
    }
    Ok(())
}

/// Whether nothing stood behind a page that was asked for with `after`.
fn is_last(page: &JournalPage, after: u64) -> bool {
    // An older node says where it stands, but not that this is the end.
    page.end || (page.data.is_empty() && page.gap.is_none() && page.next == after)
}

/// The newest `lines` lines that this reader may see, in pages, oldest first; there is at least one page. Goes back as
/// far as it takes: some of the journal's newest ones may not be for him.
async fn newest<A>(ask: &A, lines: u32) -> Result<Vec<JournalPage>, Failure>
where
    A: AsyncFn(String) -> Result<JournalPage, Failure>,
{
    if lines > HELD {
        let text = format!("--lines takes at most {HELD}; --all prints the whole history");
        return Err(Failure::usage(text));
    }
    let wanted = lines as usize;
    let mut first = ask(format!("lines={lines}")).await?;
    // The newest lines were asked for: what lies before them is not missing.
    first.gap = None;
    let (stream, mut before, mut is_begin) = (first.stream, first.from, first.begin);
    let mut pages = vec![first];
    go_on(ask, &mut pages, None).await?;
    let mut held = count(&pages);
    // An older node does not say where a page begins.
    while held < wanted && !is_begin && before > 0 {
        let page = ask(format!("stream={stream}&before={before}&lines={PAGE}")).await?;
        if page.stream != stream || page.from >= before {
            break;
        }
        let end = std::mem::replace(&mut before, page.from);
        is_begin = page.begin;
        let mut older = vec![page];
        go_on(ask, &mut older, Some(end)).await?;
        held += count(&older);
        older.append(&mut pages);
        pages = older;
    }
    let mut too_many = held.saturating_sub(wanted);
    for page in &mut pages {
        let cut = too_many.min(page.data.len());
        page.data.drain(..cut);
        if cut > 0 {
            page.gap = None;
        }
        too_many -= cut;
    }
    Ok(pages)
}

/// A page may end early, since it is bounded in bytes, too: asks for the rest up to line `before`, or to the end.
async fn go_on<A>(ask: &A, pages: &mut Vec<JournalPage>, before: Option<u64>) -> Result<(), Failure>
where
    A: AsyncFn(String) -> Result<JournalPage, Failure>,
{
    while let Some(last) = pages.last() {
        let (stream, after) = (last.stream, last.next);
        let left = before.map_or(u64::from(PAGE), |before| before.saturating_sub(after + 1));
        if left == 0 || (before.is_none() && last.end) {
            break;
        }
        let lines = left.min(u64::from(PAGE));
        let mut page = ask(format!("stream={stream}&after={after}&lines={lines}")).await?;
        // Where lines went meanwhile, it begins later than it was asked to, and reaches further.
        page.data
            .retain(|line| before.is_none_or(|before| line.seq < before));
        if page.stream != stream || is_last(&page, after) && page.data.is_empty() {
            break;
        }
        pages.push(page);
    }
    Ok(())
}

fn count(pages: &[JournalPage]) -> usize {
    pages.iter().map(|page| page.data.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::node_api::{JournalLine, Source};
    use std::{cell::RefCell, collections::HashMap};
    use uuid::Uuid;

    /// A journal as the panel shows it.
    struct Journal {
        lines: u64,
        /// These are not for the reader.
        hidden: std::ops::RangeInclusive<u64>,
        /// A page has no more lines than this, as if they were long.
        most: u64,
        /// It says neither `from` nor `begin` nor `end`.
        is_old: bool,
        asked: RefCell<Vec<String>>,
    }

    fn plain() -> Journal {
        Journal {
            lines: 12,
            hidden: 0..=0,
            most: u64::MAX,
            is_old: false,
            asked: RefCell::default(),
        }
    }

    impl Journal {
        fn answer(&self, query: &str) -> Result<JournalPage, Failure> {
            self.asked.borrow_mut().push(query.to_owned());
            if self.asked.borrow().len() > 100 {
                return Err(Failure::new("it never ends"));
            }
            if query.contains("wait") {
                return Err(Failure::new("it waits"));
            }
            let words: HashMap<_, _> = query.split('&').filter_map(|word| word.split_once('=')).collect();
            let number = |name: &str| words.get(name).map(|n| n.parse::<u64>().unwrap());
            let lines = number("lines").unwrap();
            let (from, to) = match (number("after"), number("before")) {
                (Some(after), _) => (after + 1, (after + lines).min(self.lines)),
                (None, before) => {
                    let to = before.map_or(self.lines, |before| before - 1);
                    ((to + 1).saturating_sub(lines).max(1), to)
                }
            };
            let next = to.min(from.saturating_add(self.most) - 1);
            let shown = (from..=next).filter(|seq| !self.hidden.contains(seq));
            let data = shown.map(|seq| JournalLine {
                seq,
                time: String::new(),
                source: Source::Output,
                text: String::new(),
                continued: false,
                open: false,
            });
            let new = !self.is_old;
            Ok(JournalPage {
                stream: Uuid::nil(),
                from: if new { from } else { 0 },
                next,
                begin: new && from == 1,
                end: new && next == self.lines,
                gap: None,
                data: data.collect(),
            })
        }

        /// The numbers that are shown, and what it ends with.
        async fn read(&self, lines: Option<u32>, follow: bool) -> (Vec<u64>, Option<String>) {
            let mut seen = Vec::new();
            let ask = async |query: String| self.answer(&query);
            let ended = read(&ask, lines, follow, |page| {
                seen.extend(page.data.iter().map(|line| line.seq));
                Ok(())
            });
            let ended = ended.await.err().map(|failure| failure.message);
            (seen, ended)
        }
    }

    fn seqs(ranges: &[std::ops::RangeInclusive<u64>]) -> (Vec<u64>, Option<String>) {
        (ranges.iter().cloned().flatten().collect(), None)
    }

    #[tokio::test]
    async fn all_of_it_is_shown_also_behind_pages_of_which_nothing_is_for_the_reader() {
        assert_eq!(plain().read(None, false).await, seqs(&[1..=12]));
        for is_old in [false, true] {
            let journal = Journal {
                lines: 33,
                hidden: 4..=27,
                is_old,
                ..plain()
            };
            assert_eq!(journal.read(None, false).await, seqs(&[1..=3, 28..=33]));
        }
        let all_hidden = Journal {
            hidden: 1..=12,
            ..plain()
        };
        assert_eq!(all_hidden.read(None, false).await, seqs(&[]));
        let empty = Journal { lines: 0, ..plain() };
        assert_eq!(empty.read(None, false).await, seqs(&[]));
        assert_eq!(
            empty.asked.borrow().len(),
            1,
            "the answer says that there is no more"
        );
    }

    #[tokio::test]
    async fn the_newest_lines_are_found_before_lines_that_are_not_for_the_reader() {
        assert_eq!(plain().read(Some(3), false).await, seqs(&[10..=12]));
        let journal = Journal {
            lines: 40,
            hidden: 12..=38,
            ..plain()
        };
        assert_eq!(journal.read(Some(4), false).await, seqs(&[10..=11, 39..=40]));
        assert_eq!(journal.read(Some(2), false).await, seqs(&[39..=40]));
        assert_eq!(journal.read(Some(100), false).await, seqs(&[1..=11, 39..=40]));
        let old = Journal {
            is_old: true,
            ..journal
        };
        assert_eq!(
            old.read(Some(4), false).await,
            seqs(&[39..=40]),
            "it says no place to go back from"
        );
    }

    #[tokio::test]
    async fn pages_that_end_early_leave_nothing_out() {
        let journal = Journal {
            lines: 40,
            hidden: 20..=38,
            most: 2,
            ..plain()
        };
        assert_eq!(journal.read(None, false).await, seqs(&[1..=19, 39..=40]));
        assert_eq!(journal.read(Some(7), false).await, seqs(&[15..=19, 39..=40]));
        let short = Journal { most: 2, ..plain() };
        assert_eq!(short.read(Some(9), false).await, seqs(&[4..=12]));
    }

    #[tokio::test]
    async fn more_than_can_be_held_is_refused_with_what_to_do() {
        let (seen, refused) = plain().read(Some(HELD + 1), false).await;
        assert!(seen.is_empty() && refused.is_some_and(|text| text.contains("--all")));
    }

    #[tokio::test]
    async fn following_waits_at_the_end_and_not_before() {
        let waits = Some("it waits".to_owned());
        for is_old in [false, true] {
            let journal = Journal {
                lines: 33,
                hidden: 4..=33,
                is_old,
                ..plain()
            };
            assert_eq!(journal.read(None, true).await, ((1..=3).collect(), waits.clone()));
            let last = journal.asked.borrow().last().cloned().unwrap();
            assert!(last.contains("after=33&"), "{last}");
        }
        assert_eq!(plain().read(Some(2), true).await, (vec![11, 12], waits));
    }
}
