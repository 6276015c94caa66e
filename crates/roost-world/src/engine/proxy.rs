//! A Unix socket in front of an engine, for stories in which connections to it are cut.
//!
//! What the two sides say is passed on byte for byte.

use anyhow::Result;
use std::{
    io,
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl Proxy {
    /// Listens at `socket` for the engine that listens at `engine`.
    pub fn listen(socket: &Path, engine: &Path) -> Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let open = Arc::<Mutex<Vec<UnixStream>>>::default();
        let (connections, engine) = (Arc::clone(&open), engine.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&engine) else {
                    continue;
                };
                if let (Ok(ours), Ok(theirs)) = (client.try_clone(), server.try_clone()) {
                    let mut open = connections.lock().unwrap_or_else(PoisonError::into_inner);
                    open.extend([ours, theirs]);
                }
                pass(&client, &server);
                pass(&server, &client);
            }
        });
        Ok(Self {
            socket: socket.to_owned(),
            open,
        })
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends every connection that is open now; new ones are let through.
    pub fn cut(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn pass(from: &UnixStream, to: &UnixStream) {
    if let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
