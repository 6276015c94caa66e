//! How a run ended: kept on disk with its last words, shown, and told to the audit if it was a crash.
//!
//! What follows is the power rule's business.

use crate::server::{actor::Actor, handle::Requester, saved};
use roost_console::{Console, Line, without_escapes};
use roost_power::{Exit, Input};
use roost_wire::{
    clock::rfc3339,
    node_api::{LastEnd, Source},
    power::PowerState,
};
use std::sync::Arc;
use uuid::Uuid;

/// The last lines of a run that are kept.
const LINES: u64 = 20;
/// Numbers that are looked through for them: the daemon's own lines stand among them.
const LOOK_BACK: u64 = 500;
/// Bytes of one of them.
const LINE_MAX: usize = 1024;
/// Bytes of history read at once.
const PIECE: usize = 256 << 10;

impl Actor {
    pub(in crate::server) fn end_of_run(&mut self, run: Uuid, exit: Exit) {
        let crashed = self.power.phase.wire() != PowerState::Stopping && !exit.with_engine;
        if self.power.phase.run() == Some(run) && crashed {
            let details = serde_json::json!({
                "exit_code": exit.code,
                "signal": exit.signal,
                "oomkilled": exit.out_of_memory,
            });
            let nobody = Requester::default();
            self.context
                .recorder
                .record(self.uuid, "server:crashed", &nobody, details);
        }
        self.input_from_inside(Input::Ended { run, exit });
    }

    pub(super) fn keep_end(&mut self, exit: &Exit, asked: bool) {
        // A run that never came to live has written nothing: what stands there is an earlier one's.
        let lines = if exit.is_of_a_run() {
            last_lines(&self.console)
        } else {
            Vec::new()
        };
        let end = LastEnd {
            time: rfc3339(self.context.clock.now()),
            asked,
            exit_code: exit.code,
            signal: exit.signal,
            oom_killed: exit.out_of_memory,
            text: exit.sentence(),
            lines,
        };
        if let Err(error) = saved::save_end(&self.context.layout, self.uuid, &end) {
            tracing::error!(server = %self.uuid, %error, "how the server ended can't be written down; a restart of the node forgets it");
        }
        let end = Some(Arc::new(end));
        self.view.send_modify(|view| view.last_end = end);
    }
}

fn text_of(line: &Line<'_>) -> String {
    let plain = without_escapes(line.bytes);
    let bytes = plain.as_ref();
    Line { bytes, ..*line }.text().into_owned()
}

/// The last lines that the program wrote in its run, as text. What the ring does not have any more is left out: the
/// history has it.
fn last_lines(console: &Console) -> Vec<String> {
    let end = console.next_seq();
    let from = end.saturating_sub(LOOK_BACK).max(console.run_first_seq());
    let mut cursor = console.at(from.max(console.first_seq()));
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    while cursor.seq < end {
        let before = cursor.seq;
        let Ok(history) = console.lines(&mut cursor, PIECE) else {
            break;
        };
        for batch in history
            .batches
            .iter()
            .filter(|batch| batch.source() == Source::Output)
        {
            for line in batch.lines().filter(|line| (before..end).contains(&line.seq)) {
                let text = text_of(&line);
                match lines.last_mut() {
                    Some(last) if goes_on => last.push_str(&text),
                    _ => lines.push(text),
                }
                goes_on = line.open;
            }
        }
        if cursor.seq <= before {
            break;
        }
    }
    let surplus = lines
        .len()
        .saturating_sub(usize::try_from(LINES).unwrap_or(usize::MAX));
    lines.drain(..surplus);
    for line in &mut lines {
        let cut = (0..=LINE_MAX.min(line.len()))
            .rev()
            .find(|at| line.is_char_boundary(*at));
        line.truncate(cut.unwrap_or_default());
    }
    lines
}
