//! Rows that every request reads, kept in memory for as long as nothing in the store has changed.
//!
//! ```text
//!   read    generation g -> row of g on the shelf? give it : ask the engine, shelve it under g
//!   change  commit, then generation g + 1: nothing on the shelves holds any more
//! ```
//!
//! Only for the embedded engine, which this process alone changes: ended still means ended, since a change's commit
//! returns after the generation has moved on. With PostgreSQL other panels change things unseen, and each read goes
//! there. Audit rows change nothing that is kept here, and leave the generation as it is.

use super::{KeyRow, Result, ServerRow, SessionRow};
use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Rows on one shelf; one more, and it is emptied.
const SHELF: usize = 4096;

/// The shelves.
#[derive(Debug, Default)]
pub(super) struct Recent {
    generation: AtomicU64,
    pub(super) sessions: Shelf<SessionRow>,
    pub(super) keys: Shelf<KeyRow>,
    pub(super) servers: Shelf<ServerRow>,
}

/// Rows of one kind, each with the generation in which it was read.
#[derive(Debug)]
pub(super) struct Shelf<T>(Mutex<HashMap<String, (u64, T)>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl Recent {
    /// Something has changed.
    pub(super) fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The row of this key: from the shelf, else from `read`. What is not there is not remembered, or strangers could
    /// fill the shelves.
    pub(super) async fn through<T: Clone>(
        &self,
        shelf: &Shelf<T>,
        key: &str,
        read: impl Future<Output = Result<Option<T>>>,
    ) -> Result<Option<T>> {
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(row) = shelf.get(key, generation) {
            return Ok(Some(row));
        }
        let row = read.await?;
        if let Some(row) = &row {
            shelf.put(key, generation, row.clone());
        }
        Ok(row)
    }
}

impl<T: Clone> Shelf<T> {
    fn get(&self, key: &str, generation: u64) -> Option<T> {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.get(key)
            .filter(|(of, _)| *of == generation)
            .map(|(_, row)| row.clone())
    }

    fn put(&self, key: &str, generation: u64, row: T) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() >= SHELF {
            rows.clear();
        }
        rows.insert(key.to_owned(), (generation, row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(recent: &Recent, shelf: &Shelf<u8>, key: &str, value: Option<u8>) -> Option<u8> {
        recent
            .through(shelf, key, async move { Ok(value) })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_row_holds_until_something_changes() {
        let (recent, shelf) = (Recent::default(), Shelf::default());
        assert_eq!(read(&recent, &shelf, "a", None).await, None);
        assert_eq!(read(&recent, &shelf, "a", Some(1)).await, Some(1));
        assert_eq!(read(&recent, &shelf, "a", Some(2)).await, Some(1));
        recent.changed();
        assert_eq!(read(&recent, &shelf, "a", None).await, None);
    }

    #[tokio::test]
    async fn what_was_read_across_a_change_is_not_kept() {
        let (recent, shelf) = (Recent::default(), Shelf::default());
        let across = recent.through(&shelf, "a", async {
            recent.changed();
            Ok(Some(1))
        });
        assert_eq!(across.await.unwrap(), Some(1));
        assert_eq!(read(&recent, &shelf, "a", Some(2)).await, Some(2));
    }

    #[tokio::test]
    async fn shelves_are_bounded() {
        let (recent, shelf) = (Recent::default(), Shelf::default());
        for n in 0..2 * SHELF {
            read(&recent, &shelf, &n.to_string(), Some(1)).await;
            assert!(shelf.0.lock().unwrap().len() <= SHELF);
        }
    }
}
