//! The command line against the running binary: what it prints, what it refuses, how it ends.

mod errors;
mod life;
mod rest;
mod servers;
mod terminal;

use roost_world::Roost;

type Told = anyhow::Result<()>;

fn code(roost: &Roost, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
    let output = roost.cli(arguments)?;
    Ok((
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}
