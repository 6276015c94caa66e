//! Keepers as threads of the test, until the keeper process can be spawned here.

use roost_keeper::protocol::{Decoder, Frame, KeeperFrame, NodeFrame, VERSION};
use roost_node::runtime::{Launch, docker::Keepers};
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};
use uuid::Uuid;

pub struct Threads;

impl Keepers for Threads {
    async fn attach(&self, launch: &Launch, socket: &Path, container: &str) -> Result<UnixStream, String> {
        attach(launch.run, socket, container).map_err(|e| e.to_string())
    }
    async fn living(&self, _launch: &Launch) -> Option<(Uuid, UnixStream)> {
        None
    }
}

fn attach(run: Uuid, socket: &Path, container: &str) -> io::Result<UnixStream> {
    let mut engine = UnixStream::connect(socket)?;
    write!(
        engine,
        "POST /containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: docker\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        engine.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let (node, mut link) = UnixStream::pair()?;
    let (mut from_node, mut to_engine) = (link.try_clone()?, engine.try_clone()?);
    std::thread::spawn(move || {
        let mut decoder = Decoder::default();
        while let Ok(n @ 1..) = from_node.read(decoder.space(4096)) {
            decoder.filled(n);
            while let Ok(Some(frame)) = decoder.next_from_node() {
                if let NodeFrame::Input { bytes, .. } = frame {
                    to_engine.write_all(bytes).ok();
                }
            }
        }
    });
    std::thread::spawn(move || {
        let mut out = Vec::new();
        let hello = KeeperFrame::Hello {
            version: VERSION,
            run,
            pid: 0,
            first_offset: 0,
            started_ms: 0,
        };
        hello.encode(&mut out);
        let (mut piece, mut offset) = (vec![0; 32 << 10], 0);
        while let Ok(n @ 1..) = engine.read(&mut piece) {
            KeeperFrame::Chunk {
                offset,
                time_ms: 0,
                bytes: &piece[..n],
            }
            .encode(&mut out);
            offset += n as u64;
            if link.write_all(&out).is_err() {
                return;
            }
            out.clear();
        }
        KeeperFrame::Exit {
            code: None,
            signal: None,
            end_offset: offset,
            time_ms: 0,
        }
        .encode(&mut out);
        link.write_all(&out).ok();
    });
    Ok(node)
}
