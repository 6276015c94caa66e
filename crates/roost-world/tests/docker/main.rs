//! Servers in containers, on a Docker Engine of the tests' own. Needs root, dockerd, containerd, ip and busybox-static;
//! without them every story fails and says what is missing.
//!
//! Not run by a plain `cargo test`: `cargo test -p roost-world --test docker`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a story that can't go on fails, also in what its steps are made of"
)]

mod burst;
mod container;
mod ends;
mod images;
mod installer;
mod registry;
mod stream;
mod trouble;
mod world;
