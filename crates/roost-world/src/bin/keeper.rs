//! The keeper alone, for tests of a runtime without the rest of the binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The first word is the verb, as for the real binary.
    roost_keeper::main(std::env::args_os().skip(2))
}
