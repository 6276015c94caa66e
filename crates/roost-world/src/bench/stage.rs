//! A Roost with servers that write lines, and the way in for as many viewers as are wanted.

use super::{
    cpu, stream,
    swarm::{PER_TOKEN, Swarm, Target},
};
use crate::{Roost, http::Person};
use anyhow::Context;
use std::{net::SocketAddr, path::Path};

/// Viewers by one address: a node lets one address hold 2,000 sockets on a server.
const PER_ADDRESS: usize = 1_900;

/// See the file's head.
pub struct Stage {
    /// The program under measurement.
    pub roost: Roost,
    /// One a token of a server; the servers follow each other.
    places: Vec<Vec<Target>>,
    is_tls: bool,
}

impl Stage {
    /// One server that writes as its arguments say, and tokens for so many viewers.
    pub async fn new(chatter: &str, viewers: usize) -> anyhow::Result<Self> {
        Self::with(Roost::start()?, 1, chatter, viewers, false).await
    }

    /// The same with other limits of consoles (`ROOST_CONSOLE_LIMITS`).
    pub async fn with_limits(limits: &str, chatter: &str, viewers: usize) -> anyhow::Result<Self> {
        let roost = Roost::start_in(&["--no-demo"], &[("ROOST_CONSOLE_LIMITS", limits)])?;
        Self::with(roost, 1, chatter, viewers, false).await
    }

    /// The same behind TLS.
    pub async fn with_tls(chatter: &str, viewers: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (cert, key) = (file("cert.pem"), file("key.pem"));
        std::fs::write(Path::new(&cert), stream::CERT)?;
        std::fs::write(Path::new(&key), stream::KEY)?;
        let roost = Roost::start_with(&["--no-demo", "--tls-cert", &cert, "--tls-key", &key])?;
        Self::with(roost, 1, chatter, viewers, true).await
    }

    /// Many servers, and so many viewers of each.
    pub async fn of_many(servers: usize, chatter: &str, viewers: usize) -> anyhow::Result<Self> {
        Self::with(Roost::start()?, servers, chatter, viewers, false).await
    }

    async fn with(
        roost: Roost,
        servers: usize,
        chatter: &str,
        viewers: usize,
        is_tls: bool,
    ) -> anyhow::Result<Self> {
        let command = roost.chatter(chatter);
        for number in 0..servers {
            roost.json(&[
                "server",
                "create",
                &name(number),
                "--command",
                &command,
                "--start",
            ])?;
        }
        let mut places: Vec<Vec<Target>> = (0..servers).map(|_| Vec::new()).collect();
        while places.iter().any(|tokens| tokens.len() * PER_TOKEN < viewers) {
            let person = Person::sign_in(&roost, "admin").await?;
            for (number, tokens) in places.iter_mut().enumerate() {
                let (token, socket) = person.credentials(&name(number)).await?;
                let (_, rest) = socket.split_once("://").context("socket")?;
                let (host, path) = rest.split_once('/').context("socket")?;
                let port = host.rsplit(':').next().context("port")?.parse()?;
                tokens.push(Target {
                    server: number,
                    address: SocketAddr::from(([127, 0, 0, 1], port)),
                    path: format!("/{path}"),
                    token,
                });
            }
        }
        Ok(Self {
            roost,
            places,
            is_tls,
        })
    }

    /// So many viewers of each server.
    pub fn swarm(&self, viewers: usize) -> anyhow::Result<Swarm> {
        let tls = self.is_tls.then(stream::client_config).transpose()?;
        let mut swarm = Swarm::empty()?;
        for tokens in &self.places {
            for number in 0..viewers {
                let target = tokens.get(number / PER_TOKEN).context("more tokens are needed")?;
                let from = [127, 0, 1, 1 + u8::try_from(number / PER_ADDRESS)?];
                swarm.join(target, from.into(), tls.as_ref())?;
            }
        }
        Ok(swarm)
    }

    /// How to reach the first server's console.
    pub fn first(&self) -> anyhow::Result<&Target> {
        self.places
            .first()
            .and_then(|tokens| tokens.first())
            .context("no server")
    }

    /// CPU seconds of every process of this Roost, its servers not counted.
    pub fn cpu(&self) -> f64 {
        let keepers = cpu::keepers(&self.roost.data());
        self.roost
            .pid()
            .into_iter()
            .chain(keepers)
            .map(cpu::seconds)
            .sum()
    }
}

fn name(number: usize) -> String {
    format!("bench-{number}")
}
