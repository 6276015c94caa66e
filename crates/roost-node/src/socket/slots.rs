//! Where a shard keeps its viewers: numbered slots, whose keys go stale when a slot gets a new viewer.

use super::viewer::Viewer;

/// Names a viewer on its shard. Stale once the viewer is gone, even if its slot is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) index: u32,
    generation: u32,
}

impl Key {
    /// For epoll.
    pub(super) fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// From epoll.
    pub(super) fn from_u64(value: u64) -> Self {
        Self {
            index: value as u32,
            generation: (value >> 32) as u32,
        }
    }
}

#[derive(Default)]
pub(super) struct Slots {
    /// Boxed, so that growing moves pointers, and a viewer can be taken out for its turn.
    slots: Vec<Option<Box<Viewer>>>,
    generations: Vec<u32>,
    free: Vec<u32>,
    /// By slot: where in its group the viewer stands. Beside the viewers, since one is out of its slot on its turn.
    pub(super) places: Vec<u32>,
}

impl Slots {
    /// Reserves a slot.
    pub(super) fn reserve(&mut self) -> Key {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.generations.push(0);
            self.places.push(u32::MAX);
            (self.slots.len() - 1) as u32
        });
        Key {
            index,
            generation: self.generations[index as usize],
        }
    }

    /// Puts a viewer into its slot, or back into it.
    pub(super) fn put(&mut self, viewer: Box<Viewer>) {
        let index = viewer.key.index as usize;
        self.slots[index] = Some(viewer);
    }

    /// Takes a viewer out for its turn; none if the key is stale.
    pub(super) fn take(&mut self, key: Key) -> Option<Box<Viewer>> {
        let index = key.index as usize;
        if self.generations.get(index) != Some(&key.generation) {
            return None;
        }
        self.slots[index].take()
    }

    /// Gives the slot of a viewer that was taken out to others.
    pub(super) fn release(&mut self, key: Key) {
        let index = key.index as usize;
        // One bit less than epoll's token has room for, so that no key equals the bell's.
        self.generations[index] = (self.generations[index] + 1) & 0x7FFF_FFFF;
        self.places[index] = u32::MAX;
        self.free.push(key.index);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Viewer> {
        self.slots.iter().flatten().map(|viewer| &**viewer)
    }

    /// How many slots are in use.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
