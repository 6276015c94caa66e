//! A bad line between viewers and a node: it holds bytes back and cuts connections, at random but repeatable places.
//!
//! What must be true of those behind it is the story's.

use anyhow::Context;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    task::JoinHandle,
};

/// Bytes from the node after which a connection is cut: from, and how many more at most.
const CUT_AFTER: (u64, u64) = (20_000, 400_000);
/// Milliseconds that a piece is held back at most.
const DELAY_MS: u64 = 60;

/// See the file's head. Gone when dropped.
#[derive(Debug)]
pub struct BadLine {
    /// Where viewers go instead of to the node.
    pub address: SocketAddr,
    cuts: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for BadLine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl BadLine {
    /// Opens one to this port; the same seed cuts at the same places.
    pub async fn to(port: u16, seed: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr().context("its address")?;
        let cuts = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&cuts);
        let task = tokio::spawn(async move {
            let mut seed = seed;
            while let Ok((viewer, _)) = listener.accept().await {
                seed = random(seed);
                let (counted, seed) = (Arc::clone(&counted), seed);
                tokio::spawn(async move {
                    if let Ok(node) = TcpStream::connect(("127.0.0.1", port)).await {
                        carry(viewer, node, seed).await;
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Ok(Self { address, cuts, task })
    }

    /// How many connections have ended.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

async fn carry(viewer: TcpStream, node: TcpStream, seed: u64) {
    // What is not delivered when it is cut is lost, as with a laptop that goes to sleep.
    let _ = viewer.set_zero_linger();
    let (mut from_viewer, mut to_viewer) = viewer.into_split();
    let (from_node, mut to_node) = node.into_split();
    let up = async { tokio::io::copy(&mut from_viewer, &mut to_node).await };
    tokio::select! {
        _ = up => {}
        () = down(from_node, &mut to_viewer, seed) => {}
    }
}

async fn down(mut node: tcp::OwnedReadHalf, viewer: &mut tcp::OwnedWriteHalf, mut seed: u64) {
    let mut left = CUT_AFTER.0 + seed % CUT_AFTER.1;
    let mut piece = vec![0; 4096];
    loop {
        seed = random(seed);
        let most = usize::try_from(1 + seed % 4096).unwrap_or(1);
        let Ok(read @ 1..) = node.read(&mut piece[..most]).await else {
            return;
        };
        // Seldom: else nothing would ever arrive at this rate.
        if seed.is_multiple_of(23) {
            tokio::time::sleep(Duration::from_millis(seed / 23 % DELAY_MS)).await;
        }
        if left < read as u64 {
            // In the middle of a frame, as often as not.
            let last = usize::try_from(left).unwrap_or(0);
            let _ = viewer.write_all(&piece[..last]).await;
            return;
        }
        left -= read as u64;
        if viewer.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}

/// The next of a repeatable row of numbers (splitmix64).
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
