//! TEMPORARY, until the keeper is there.

use super::{Engine, EngineError};
use crate::runtime::Launch;
use roost_keeper::protocol::{Frame, NodeFrame, KeeperFrame, VERSION};
use roost_keeper as _;
use std::{io::{Read, Write}, os::unix::net::UnixStream, path::Path};
use uuid::Uuid;

pub(super) async fn spawn(_program: &Path, launch: &Launch, socket: &Path, container: &str) -> Result<UnixStream, EngineError> {
    let fail = |e: std::io::Error| EngineError::Unusable(format!("attach: {e}"));
    let mut up = UnixStream::connect(socket).map_err(fail)?;
    write!(up, "POST /containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n").map_err(fail)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") { let mut b = [0]; if up.read(&mut b).map_err(fail)? == 0 { return Err(EngineError::Unusable("attach eof".into())); } head.push(b[0]); }
    let (node, mut mine) = UnixStream::pair().map_err(fail)?;
    let run = launch.run;
    std::thread::spawn(move || {
        let mut buf = vec![0; 32 << 10];
        let mut out = Vec::new();
        KeeperFrame::Hello { version: VERSION, run, pid: 0, first_offset: 0, started_ms: 0 }.encode(&mut out);
        mine.write_all(&out).ok();
        let mut at = 0;
        let mut input = mine.try_clone().unwrap();
        let mut upw = up.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut d = roost_keeper::protocol::Decoder::default();
            loop {
                let n = match input.read(d.space(4096)) { Ok(0) | Err(_) => return, Ok(n) => n };
                d.filled(n);
                while let Ok(Some(f)) = d.next_from_node() {
                    if let NodeFrame::Input { bytes, .. } = f { upw.write_all(bytes).ok(); }
                }
            }
        });
        while let Ok(n) = up.read(&mut buf) {
            if n == 0 { break; }
            out.clear();
            KeeperFrame::Chunk { offset: at, time_ms: 0, bytes: &buf[..n] }.encode(&mut out);
            at += n as u64;
            if mine.write_all(&out).is_err() { break; }
        }
        out.clear();
        KeeperFrame::Exit { code: None, signal: None, end_offset: at, time_ms: 0 }.encode(&mut out);
        mine.write_all(&out).ok();
    });
    Ok(node)
}

pub(super) fn living(_dir: &Path) -> Option<(Uuid, UnixStream)> { None }

/// A keeper that is let go unless the start succeeds.
pub(super) struct Held(pub(super) Option<UnixStream>);
impl Held {
    pub(super) fn keep(mut self) -> Result<UnixStream, EngineError> { self.0.take().ok_or(EngineError::Gone) }
}
impl Drop for Held {
    fn drop(&mut self) {
        if let Some(mut link) = self.0.take() {
            let mut out = Vec::new();
            NodeFrame::Release.encode(&mut out);
            link.write_all(&out).ok();
        }
    }
}
