//! Servers in containers, on a Docker Engine of the tests' own. Needs root, dockerd, containerd, ip and busybox-static;
//! without them every story fails and says what is missing.
//!
//! Not run by a plain `cargo test`: `cargo test -p roost-world --test docker`.

mod container;
mod ends;
mod images;
mod installer;
mod stream;
mod threads;
mod world;
