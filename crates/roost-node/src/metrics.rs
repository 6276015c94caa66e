//! The node's figures in the text format that Prometheus reads.
//!
//! Everything is read at the moment of asking: counting costs the stream no more than a few atomic additions. Who may
//! read them, and where, is the program's business. `docs/operations.md` lists them.

use crate::{
    node::Node,
    socket::{LATENCY_BOUNDS, Latencies},
};
use roost_wire::power::PowerState;
use std::fmt::{Display, Write};

/// The content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // A `String` takes everything.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.value(name, "", value);
    }
}

impl Node {
    /// All figures, as text.
    pub fn metrics(&self) -> String {
        let mut text = Text::default();
        self.servers_to(&mut text);
        self.lost_to(&mut text);
        self.sockets_to(&mut text);
        self.work_to(&mut text);
        text.one(
            "roost_audit_queue_bytes",
            "gauge",
            "Audit rows that the panel has not taken yet.",
            self.recorder().waiting_bytes(),
        );
        text.0
    }

    fn servers_to(&self, text: &mut Text) {
        let servers = self.servers().all();
        text.head("roost_servers", "gauge", "Servers by power state.");
        for state in [
            PowerState::Offline,
            PowerState::Starting,
            PowerState::Running,
            PowerState::Stopping,
        ] {
            let count = servers
                .iter()
                .filter(|server| server.view.borrow().state == state)
                .count();
            text.value("roost_servers", &format!("{{state=\"{state}\"}}"), count);
        }
        text.head(
            "roost_server_lines_total",
            "counter",
            "Lines that the server's journal has numbered.",
        );
        for server in &servers {
            let lines = server.console.next_seq().saturating_sub(1);
            text.value("roost_server_lines_total", &label(server.uuid), lines);
        }
        text.head(
            "roost_server_journal_bytes",
            "gauge",
            "Bytes of the server's journal on disk.",
        );
        for server in &servers {
            let bytes = server.console.journal_bytes();
            text.value("roost_server_journal_bytes", &label(server.uuid), bytes);
        }
    }

    fn lost_to(&self, text: &mut Text) {
        let servers = self.servers().all();
        for (name, help, of) in [
            (
                "roost_server_lost_lines_total",
                "Lines of output that never came to the journal, where their number is known.",
                (|(lines, _)| lines) as fn((u64, u64)) -> u64,
            ),
            (
                "roost_server_lost_bytes_total",
                "Bytes of output that never came to the journal.",
                |(_, bytes)| bytes,
            ),
        ] {
            text.head(name, "counter", help);
            for server in &servers {
                text.value(name, &label(server.uuid), of(server.console.lost()));
            }
        }
    }

    fn work_to(&self, text: &mut Text) {
        let name = "roost_runtime_errors_total";
        text.head(
            name,
            "counter",
            "What went wrong between the node and its servers' programs, by kind.",
        );
        for (kind, count) in self.failures().all() {
            text.value(name, &format!("{{kind=\"{kind}\"}}"), count);
        }
        let name = "roost_queue_depth";
        text.head(name, "gauge", "Work that waits for a thread, by queue.");
        for (queue, depth) in self.shards().queues() {
            text.value(name, &format!("{{queue=\"{queue}\"}}"), depth);
        }
    }

    fn sockets_to(&self, text: &mut Text) {
        let counts = self.shards().counts();
        text.one(
            "roost_sockets",
            "gauge",
            "Consoles with a valid token.",
            counts.viewers,
        );
        for (name, help, value) in [
            (
                "roost_deliveries_total",
                "Lines times viewers that were up to date.",
                counts.deliveries,
            ),
            (
                "roost_flushes_total",
                "Passes over a server's viewers.",
                counts.flushes,
            ),
            (
                "roost_slow_total",
                "Times that a socket did not take all at once.",
                counts.slow,
            ),
            (
                "roost_throttled_lines_total",
                "Lines that a view throttle left out, all viewers together.",
                counts.throttled,
            ),
            (
                "roost_missed_lines_total",
                "Lines that viewers were told to be missing.",
                counts.missed,
            ),
            ("roost_gaps_total", "Gaps that viewers were told of.", counts.gaps),
            (
                "roost_sockets_refused_total",
                "Refused tokens and sockets.",
                counts.refused,
            ),
            (
                "roost_sockets_closed_total",
                "Sockets that have ended.",
                counts.closed,
            ),
            (
                "roost_messages_ignored_total",
                "Messages of viewers that were no known event.",
                counts.ignored,
            ),
            (
                "roost_messages_dropped_total",
                "Messages of viewers over the limit.",
                counts.dropped,
            ),
        ] {
            text.one(name, "counter", help, value);
        }
        let name = "roost_sockets_closed_by_node_total";
        text.head(name, "counter", "Sockets that the node has closed, by why.");
        for (close, count) in self.shards().closes() {
            let labels = format!("{{code=\"{}\",reason=\"{}\"}}", close.code(), close.reason());
            text.value(name, &labels, count);
        }
        let name = "roost_requests_refused_total";
        text.head(
            name,
            "counter",
            "Requests of viewers that were not carried out, by why.",
        );
        for (code, count) in self.shards().refusals() {
            text.value(name, &format!("{{code=\"{}\"}}", code.name()), count);
        }
        let Latencies { buckets, micros } = self.shards().latencies();
        let name = "roost_flush_seconds";
        text.head(
            name,
            "histogram",
            "From a line's publication to the last write of its pass.",
        );
        let mut sum = 0;
        for (bound, count) in LATENCY_BOUNDS.iter().zip(buckets) {
            sum += count;
            let labels = format!("{{le=\"{}\"}}", *bound as f64 / 1e6);
            text.value("roost_flush_seconds_bucket", &labels, sum);
        }
        let all: u64 = buckets.iter().sum();
        text.value("roost_flush_seconds_bucket", "{le=\"+Inf\"}", all);
        text.value("roost_flush_seconds_sum", "", micros as f64 / 1e6);
        text.value("roost_flush_seconds_count", "", all);
    }
}

fn label(server: uuid::Uuid) -> String {
    format!("{{server=\"{server}\"}}")
}
