//! A registry with one image, as small as an engine accepts it: nothing is fetched from the network.

use roost_world::engine::RootFs;
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Serves until the test ends.
pub struct Registry {
    pub port: u16,
}

struct Content {
    manifest: Vec<u8>,
    config: Vec<u8>,
    layer: Vec<u8>,
}

impl Registry {
    /// One image under whatever name it is asked for; its layer takes about three seconds.
    pub fn start() -> Self {
        let layer = RootFs::busybox().unwrap().tar().unwrap();
        let config = serde_json::to_vec(&serde_json::json!({
            "architecture": "amd64", "os": "linux",
            "config": {"Cmd": ["/bin/echo", "from the registry"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        }))
        .unwrap();
        let manifest = serde_json::to_vec(&serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                       "size": config.len(), "digest": digest(&config)},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                        "size": layer.len(), "digest": digest(&layer)}],
        }))
        .unwrap();
        let content = Arc::new(Content {
            manifest,
            config,
            layer,
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let content = Arc::clone(&content);
                thread::spawn(move || answer(stream, &content));
            }
        });
        Self { port }
    }
}

fn answer(mut stream: TcpStream, content: &Content) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    // The rest of the head.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (kind, body, slowly) = if path.contains("/manifests/") {
        (MANIFEST, &content.manifest, false)
    } else if path.ends_with(&digest(&content.config)) {
        ("application/json", &content.config, false)
    } else if path.ends_with(&digest(&content.layer)) {
        ("application/octet-stream", &content.layer, true)
    } else {
        ("application/json", &Vec::new(), false)
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\n\
         Docker-Distribution-Api-Version: registry/2.0\r\nConnection: close\r\n\r\n",
        body.len(),
        digest(body)
    )?;
    if request.starts_with("HEAD") {
        return Ok(());
    }
    for piece in body.chunks(body.len() / 8 + 1) {
        stream.write_all(piece)?;
        if slowly {
            thread::sleep(Duration::from_millis(400));
        }
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    let mut sum = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    sum.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = sum.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    format!("sha256:{}", text.split(' ').next().unwrap())
}
