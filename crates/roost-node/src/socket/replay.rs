//! `send logs`: a viewer's cursor goes back, and lines go on from there, so that history and live meet.
//!
//! Where a viewer may see only what was said since a time, the history pool looks up the line first. Bringing the lines
//! is `catch_up`'s business.

use super::{
    Ended,
    history_pool::{Job, Task},
    shard::Shard,
    viewer::{Floor, Mode, Viewer},
};
use roost_wire::clock::Millis;
use std::{io, sync::Arc};

impl Shard {
    /// `send logs`: goes back by as many lines as are asked for, and on from there.
    pub(super) fn replay(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        let Some(floor) = self.floor(viewer) else {
            return Ok(());
        };
        self.pause(viewer);
        let Some(group) = self.groups.get_mut(&viewer.server) else {
            return Ok(());
        };
        let console = &group.handle.console;
        let start = console.next_seq().saturating_sub(self.hub.settings.log_count);
        let start = start.max(floor).max(console.first_seq());
        viewer.asks_for_all_before(viewer.cursor.seq);
        if start < viewer.cursor.seq {
            if viewer.cursor.entry != u64::MAX {
                viewer.events_from = viewer.events_from.max(viewer.cursor.entry);
            }
            viewer.cursor = console.at(start);
            viewer.is_reading = false;
            viewer.read = viewer.read.wrapping_add(1);
        }
        viewer.mode = Mode::Following;
        self.catch_up(viewer)
    }

    /// The first line that a viewer may see; `None` while it is being looked up, which begins here.
    pub(super) fn floor(&mut self, viewer: &mut Viewer) -> Option<u64> {
        match viewer.floor {
            Floor::None => Some(0),
            Floor::Seq(seq) => Some(seq),
            Floor::Asked(_) => None,
            Floor::At(from) => {
                self.ask_for_floor(viewer, from);
                None
            }
        }
    }

    /// Looks up where a viewer's history begins. Its lines wait for the answer, or they would come again behind it.
    fn ask_for_floor(&mut self, viewer: &mut Viewer, from: Millis) {
        viewer.floor = Floor::Asked(from);
        self.pause(viewer);
        viewer.mode = Mode::Held;
        if let Some(group) = self.groups.get(&viewer.server) {
            self.hub.history.ask(Job {
                console: Arc::clone(&group.handle.console),
                inbox: Arc::clone(&self.inbox),
                task: Task::Floor {
                    key: viewer.key,
                    from,
                },
            });
        }
    }

    pub(super) fn floor_came(
        &mut self,
        viewer: &mut Viewer,
        from: Millis,
        result: io::Result<u64>,
    ) -> Result<(), Ended> {
        if viewer.floor != Floor::Asked(from) {
            return Ok(());
        }
        if !viewer.is_let_in() {
            viewer.floor = Floor::At(from);
            return Ok(());
        }
        match result {
            Ok(seq) => {
                viewer.floor = Floor::Seq(seq);
                if viewer.is_v1 {
                    self.begin(viewer)
                } else {
                    self.replay(viewer)
                }
            }
            Err(error) => {
                tracing::warn!(%error, server = %viewer.server, "the beginning of a viewer's history can't be found");
                viewer.floor = Floor::At(from);
                viewer.begin = None;
                self.tell(
                    viewer,
                    &format!("The history can't be shown: the node can't read it from its disk ({error})."),
                )?;
                self.follow(viewer)
            }
        }
    }

    /// Live lines begin, or go on.
    pub(super) fn follow(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        viewer.mode = Mode::Following;
        self.catch_up(viewer)
    }
}
