//! roost-world
