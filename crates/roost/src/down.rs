//! `roost down`: stops the node and its servers, and the `up` or `daemon` process with them; `--purge` removes all that
//! Roost made. With `--machine` only if the machine goes down.

mod machine;

use crate::{
    args::{Down, Everywhere},
    cli::confirm,
    client::{Panel, segment},
    data_dir::{self, DataDir},
    failure::Failure,
    output::Output,
    standalone,
    up::local::{DOWN, MACHINE, Step},
};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use roost_wire::admin_api::Server;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

/// How long a node may take to say that it stops its servers. How long they take is another matter.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Runs it.
pub async fn run(args: Down, everywhere: &Everywhere) -> Result<(), Failure> {
    let out = Output {
        json: everywhere.json,
    };
    let place = match &args.config {
        Some(config) => Place::of_daemon(config)?,
        None => Place::of_up(&DataDir::locate(everywhere.data.as_deref())?),
    };
    if args.machine {
        return machine::down(&place, out).await;
    }
    if args.config.is_some() {
        stop(&place.socket, Why::Asked, out).await?;
        place.wait_gone().await?;
        return out.done("The node is down.", serde_json::json!({}));
    }
    with_data(args, everywhere, &place, out).await
}

/// Where a node is spoken to, and what it holds until its very end.
struct Place {
    socket: PathBuf,
    lock: PathBuf,
}

impl Place {
    fn of_up(data: &DataDir) -> Self {
        Self {
            socket: data.socket(),
            lock: data.lock_file(),
        }
    }

    fn of_daemon(config: &Path) -> Result<Self, Failure> {
        let config = roost_node::config::load(config).map_err(|e| Failure::usage(e.to_string()))?;
        let root = Path::new(&config.system.root_directory);
        Ok(Self {
            socket: standalone::socket(root),
            lock: root.join("node.lock"),
        })
    }

    async fn wait_gone(&self) -> Result<(), Failure> {
        for _ in 0..150 {
            if matches!(data_dir::lock(&self.lock), Ok(Some(_))) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Failure::new(
            "the servers are stopped, but the process has not ended after 15 s: its log says why",
        ))
    }
}

/// Why servers are stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Somebody wants them off.
    Asked,
    /// The machine goes down; they are started again when it is up.
    Machine,
}

async fn with_data(args: Down, everywhere: &Everywhere, place: &Place, out: Output) -> Result<(), Failure> {
    let data = DataDir::locate(everywhere.data.as_deref())?;
    if !data.database().exists() && !data.settings().exists() {
        return Err(Failure::unreachable(format!(
            "no Roost here: {} was searched; name its folder with --data",
            data.path().display()
        )));
    }
    if args.purge {
        confirm(
            &format!(
                "Remove everything that Roost made: all servers with their history, accounts, and {}?",
                data.path().display()
            ),
            args.yes,
        )?;
    }
    let alone = !is_up(&data.socket()).await?;
    if alone && !args.purge && !has_keepers(&data.node()) {
        return out.done("Nothing runs here.", serde_json::json!({}));
    }
    // Servers that outlived their node are ended by the only one who knows how: a node.
    let helper = if alone {
        Some(start_quietly(data.path()).await?)
    } else {
        None
    };
    if args.purge {
        let panel = Panel::Local(data.socket());
        for server in panel.get::<Vec<Server>>("/api/admin/servers").await? {
            panel
                .delete(&format!("/api/admin/servers/{}", segment(&server.identifier)))
                .await?;
            step(
                out,
                &Step {
                    server: server.identifier,
                    state: "deleted".to_owned(),
                },
            )?;
        }
    }
    stop(&place.socket, Why::Asked, out).await?;
    if let Some(mut helper) = helper {
        let _ = helper.wait().await;
    }
    place.wait_gone().await?;
    if args.purge {
        purge(data.path())?;
        return out.done(
            &format!(
                "Everything that Roost made in {} is removed.",
                data.path().display()
            ),
            serde_json::json!({}),
        );
    }
    out.done("Roost is down.", serde_json::json!({}))
}

fn step(out: Output, step: &Step) -> Result<(), Failure> {
    out.value(step, |s| format!("{:<24} {}", s.server, s.state))
}

async fn is_up(socket: &Path) -> Result<bool, Failure> {
    match tokio::net::UnixStream::connect(socket).await {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Err(Failure::forbidden(socket)),
        Err(_) => Ok(false),
    }
}

fn has_keepers(node: &Path) -> bool {
    std::fs::read_dir(node.join("run")).is_ok_and(|mut entries| entries.next().is_some())
}

async fn start_quietly(data: &Path) -> Result<tokio::process::Child, Failure> {
    let program = std::env::current_exe()
        .map_err(|e| Failure::new(format!("can't find this program's own file: {e}")))?;
    let mut child = tokio::process::Command::new(program)
        .args(["up", "--no-demo", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Where this fails half-way, the node must not go on unseen; the servers' keepers do.
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| Failure::new(format!("can't start a node to end its servers: {e}")))?;
    if let Some(stdout) = child.stdout.take() {
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stdout));
        let ready = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("is ready") {
                    return true;
                }
            }
            false
        };
        if tokio::time::timeout(Duration::from_secs(30), ready).await != Ok(true) {
            return Err(Failure::new(
                "a node to end the servers did not start: `roost up` says why",
            ));
        }
    }
    Ok(child)
}

/// Returns when all servers are down; each of their steps is printed.
async fn stop(socket: &Path, why: Why, out: Output) -> Result<(), Failure> {
    let gone = |e: &dyn std::fmt::Display| Failure::unreachable(format!("{}: {e}", socket.display()));
    let silent = || gone(&format!("no answer within {} s", ANSWER_PATIENCE.as_secs()));
    let path = match why {
        Why::Asked => DOWN.to_owned(),
        Why::Machine => format!("{DOWN}?{MACHINE}"),
    };
    let request = hyper::Request::post(path)
        .header("host", "localhost")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|e| gone(&e))?;
    let asked = async {
        let stream = tokio::net::UnixStream::connect(socket)
            .await
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::PermissionDenied => Failure::forbidden(socket),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => not_running(socket),
                _ => gone(&e),
            })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| gone(&e))?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|e| gone(&e))?;
        Ok::<_, Failure>((answer, driver))
    };
    let (answer, driver) = tokio::time::timeout(ANSWER_PATIENCE, asked)
        .await
        .map_err(|_| silent())??;
    if !answer.status().is_success() {
        return Err(gone(&format!("it answered {}", answer.status())));
    }
    let mut body = answer.into_body();
    let mut buffer = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| {
            gone(&format!(
                "the node went away while servers were being stopped ({e})"
            ))
        })?;
        buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |d| d));
        while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            if let Ok(told) = serde_json::from_slice::<Step>(&line) {
                step(out, &told)?;
            }
        }
    }
    driver.abort();
    Ok(())
}

/// Nobody has the socket, or its last owner was killed.
fn not_running(socket: &Path) -> Failure {
    Failure::unreachable(format!(
        "the node does not run: nothing answers at {}. Servers that have outlived it are stopped by a node alone: start it \
         again, then ask once more",
        socket.display()
    ))
}

/// Removes what Roost made; a file of somebody else's in the directory stays, and so does the directory then.
fn purge(data: &Path) -> Result<(), Failure> {
    let made = [
        "node",
        "servers",
        "keys",
        "bin",
        "roost.sqlite",
        "roost.sqlite-wal",
        "roost.sqlite-shm",
        "roost.toml",
        "roost.lock",
        "roost.sock",
        "admin-password",
    ];
    for name in made {
        let path = data.join(name);
        let result = match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(&path),
            Ok(_) => std::fs::remove_file(&path),
            Err(_) => Ok(()),
        };
        result.map_err(|e| Failure::new(format!("can't remove {}: {e}", path.display())))?;
    }
    let _ = std::fs::remove_dir(data);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_that_does_not_run_is_told_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("node.sock");
        for is_left in [false, true] {
            if is_left {
                drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
            }
            let failure = stop(&socket, Why::Asked, Output { json: false })
                .await
                .unwrap_err();
            assert_eq!(failure.code, 3);
            assert!(failure.message.starts_with("the node does not run"), "{failure}");
            assert!(failure.message.contains(socket.to_str().unwrap()), "{failure}");
        }
    }
}
