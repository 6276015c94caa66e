//! The figures of a server in a real container, on an engine of the bench's own.
#![expect(clippy::print_stdout, reason = "printing is its business")]

use crate::report::{print_killed, reached};
use roost_world::{burst, contained, killed::again_and_again};

/// Of the engine's own attach.
const BAR: f64 = 0.5;

/// How fast one viewer gets a burst, beside the engine's own attach. Fails where a line is missing or doubled.
pub async fn burst(lines: u64) -> anyhow::Result<()> {
    let engine = contained::engine("{}")?;
    let floor = burst::rate_of_attach(&engine, contained::IMAGE, lines).await?;
    let roost = contained::roost(&engine.socket(), 0)?;
    let rate = burst::rate_of(&roost, lines).await?;
    println!(
        "burst of {lines} lines of a container to one viewer: 100 % delivered, {rate:.0} lines/s, {:.2} of the engine's own \
         attach (bar: {BAR}){}",
        rate / floor,
        reached(rate >= BAR * floor)
    );
    Ok(())
}

/// The node is killed with SIGKILL while viewers follow a server in a container.
pub async fn killed(kills: usize) -> anyhow::Result<()> {
    let engine = contained::engine("{}")?;
    let mut roost = contained::roost(&engine.socket(), 1000)?;
    print_killed("a container", kills, again_and_again(&mut roost, kills).await?);
    Ok(())
}
