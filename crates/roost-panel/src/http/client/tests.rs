//! The client API through the whole router, with a real small node behind it.

mod console;
mod full_disk;
mod rights;
mod servers;
mod subusers;
mod websocket;
