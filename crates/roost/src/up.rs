//! `roost up`: panel and node in one process, on one port and one data directory.
//!
//! The panel speaks to its node, called `local`, over HTTP like to any other. Both answer on the same listener: paths
//! of the daemon's API go to the node, everything else to the panel.

mod face;
pub mod local;

use crate::{
    args::{Everywhere, Listening, Up},
    cli::password_in,
    data_dir::DataDir,
    failure::Failure,
    lifecycle::Lifecycle,
    serve::{self, Answer},
    settings::{self, Given, Settings},
};
use anyhow::Context;
use face::Face;
use roost_node::{Node, NodeOptions};
use roost_panel::{Panel, PanelOptions};
use roost_wire::{clock::SystemClock, node_config, origin::Origin, peer::TrustedProxies};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::{Arc, OnceLock},
};
use tokio::net::{TcpListener, UnixListener};

/// What `--listen` and its like set.
pub fn given(listening: &Listening) -> Given {
    let mut given = Given::default();
    given.set("listen", listening.listen.as_ref());
    given.set("url", listening.url.as_ref());
    given.set("tls_cert", listening.tls_cert.as_ref());
    given.set("tls_key", listening.tls_key.as_ref());
    given.set_list("trusted_proxies", &listening.trusted_proxy);
    given.set_list("allowed_origins", &listening.allow_origin);
    given
}

/// Reads the settings of a data directory.
pub fn read_settings(file: &Path, given: &Given) -> Result<Settings, Failure> {
    Settings::read(file, |name| std::env::var(name).ok(), given)
        .map_err(|wrong| Failure::usage(wrong.to_string()))
}

/// Runs until it is told to stop.
pub async fn run(args: Up, everywhere: &Everywhere) -> Result<(), Failure> {
    crate::log::start(false);
    settings::warn_of_unknown_variables();
    let data = DataDir::locate(everywhere.data.as_deref())?;
    let settings = read_settings(&data.settings(), &given(&args.listening))?;
    data.prepare()?;
    let lock = data.lock()?;
    let program = data.program()?;
    let life = Lifecycle::default();

    let tls = settings
        .tls
        .as_ref()
        .map(|(cert, key)| serve::tls_acceptor(cert, key))
        .transpose()?;
    let listener = bind(settings.listen, "--listen").await?;
    let listen = listener.local_addr().context("listener")?;
    // With TLS, panel and node speak to each other on a plain loopback listener of their own.
    let inner = match tls {
        Some(_) => Some(bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), "--listen").await?),
        None => None,
    };
    let inner_address = match &inner {
        Some(inner) => inner.local_addr().context("listener")?,
        None => reachable(listen),
    };

    let panel = open_panel(&data, &settings, listen, Some(inner_address)).await?;
    let admin = first_admin(&panel, &args).await?;
    let late_node = Arc::new(OnceLock::new());
    let answer = by_path(panel.router(), Arc::clone(&late_node));
    life.tasks.spawn(serve::tcp(
        listener,
        tls.clone(),
        Arc::clone(&answer),
        life.stop.clone(),
        life.tasks.clone(),
    ));
    if let Some(inner) = inner {
        life.tasks.spawn(serve::tcp(
            inner,
            None,
            Arc::clone(&answer),
            life.stop.clone(),
            life.tasks.clone(),
        ));
    }

    let config = node_config(&panel, &data, &settings, inner_address).await?;
    let node = Node::start(NodeOptions {
        config,
        config_path: None,
        keeper_program: program.clone(),
        private: vec![data.path().to_owned()],
        clock: Arc::new(SystemClock),
        own_origin_ok: true,
    })
    .await
    .map_err(|e| Failure::new(e.to_string()))?;
    let _ = late_node.set(node.router());
    let metrics = format!(
        "metrics_listen in {} (or ROOST_METRICS_LISTEN)",
        data.settings().display()
    );
    crate::metrics::serve(settings.metrics_listen, &metrics, &node, &life).await?;
    let socket = bind_unix(&data.socket())?;
    let local = local::in_front(Arc::clone(&answer), node.clone(), life.clone());
    life.tasks
        .spawn(serve::unix(socket, local, life.stop.clone(), life.tasks.clone()));

    let demo = match &admin {
        Some((name, _)) if !args.no_demo => {
            let made = panel
                .create_demo(
                    name,
                    vec![program.to_string_lossy().into_owned(), "lobby".to_owned()],
                )
                .await;
            made.map_err(|e| tracing::warn!(error = %e, "the demo server could not be made"))
                .is_ok()
        }
        _ => false,
    };
    tell(
        &data,
        &settings,
        listen,
        admin.as_ref(),
        Some(demo),
        everywhere.json,
    )?;

    life.until_stopped().await?;
    let running = node.running();
    node.shutdown().await;
    life.finish().await;
    let _ = std::fs::remove_file(data.socket());
    if running > 0 {
        tracing::info!(
            servers = running,
            "stopped; its servers run on in their keepers, and the next `roost up` takes them up"
        );
    } else {
        tracing::info!("stopped");
    }
    drop(lock);
    Ok(())
}

/// Tells the person who started it how to go on. `demo` is `None` for a panel alone, which takes no arguments.
pub fn tell(
    data: &DataDir,
    settings: &Settings,
    listen: SocketAddr,
    admin: Option<&(String, Option<String>)>,
    demo: Option<bool>,
    json: bool,
) -> Result<(), Failure> {
    let face = Face {
        listen,
        by_argument: demo.is_some(),
        url: settings.url.as_deref(),
        tls: settings.tls.is_some(),
        admin: admin.map(|(name, password)| (name.as_str(), password.as_deref())),
        demo: demo == Some(true),
        data: data.path(),
        program: &data.path().join("bin/roost"),
    };
    Ok(face.show(json)?)
}

/// Opens the panel on a data directory; `listen` is where people reach it.
pub async fn open_panel(
    data: &DataDir,
    settings: &Settings,
    listen: SocketAddr,
    local_listen: Option<SocketAddr>,
) -> Result<Panel, Failure> {
    let allowed_origins = settings
        .allowed_origins
        .iter()
        .filter_map(|text| Origin::parse(text).ok())
        .collect();
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let options = PanelOptions {
        database: settings
            .database
            .clone()
            .unwrap_or_else(|| data.database().to_string_lossy().into_owned()),
        key: data.panel_key()?,
        public_url: settings.url.clone(),
        trusted_proxies: TrustedProxies(settings.trusted_proxies.clone()),
        allowed_origins,
        token_permissions_full: settings.token_permissions_full,
        clock: Arc::new(SystemClock),
        local_listen,
        own_url: Some(format!("{scheme}://{}", reachable(listen))),
    };
    Panel::open(options)
        .await
        .map_err(|e| Failure::new(e.to_string()))
}

/// The first administrator, if there is none yet: name, and the password if it was made up here.
pub async fn first_admin(panel: &Panel, args: &Up) -> Result<Option<(String, Option<String>)>, Failure> {
    let failed = |e: roost_panel::PanelError| Failure::new(e.to_string());
    if panel.has_admin().await.map_err(failed)? {
        return Ok(None);
    }
    let name = args.admin.clone().unwrap_or_else(|| "admin".to_owned());
    let (given, made) = match &args.admin_password_file {
        Some(file) => (password_in(file, "--admin-password-file")?, None),
        None => {
            let made = random_password()?;
            (made.clone(), Some(made))
        }
    };
    panel.create_admin(&name, &given).await.map_err(failed)?;
    Ok(Some((name, made)))
}

/// 20 letters and digits that can't be mistaken for each other: about 113 bits.
fn random_password() -> Result<String, Failure> {
    const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut text = String::new();
    while text.len() < 20 {
        let mut byte = [0_u8];
        aws_lc_rs::rand::fill(&mut byte).map_err(|_| Failure::new("the system gives no random numbers"))?;
        // Bytes past the last whole multiple would favour the first letters.
        if let Some(letter) = ALPHABET.get(usize::from(byte[0]) % 64) {
            text.push(char::from(*letter));
        }
    }
    Ok(text)
}

async fn node_config(
    panel: &Panel,
    data: &DataDir,
    settings: &Settings,
    inner: SocketAddr,
) -> Result<node_config::NodeConfig, Failure> {
    let identity = panel
        .local_node()
        .await
        .map_err(|e| Failure::new(e.to_string()))?;
    let mut allowed_origins = settings.allowed_origins.clone();
    allowed_origins.extend(settings.url.clone());
    Ok(node_config::NodeConfig {
        debug: false,
        app_name: "Roost".to_owned(),
        uuid: identity.uuid,
        token_id: identity.token_id,
        token: identity.token,
        previous_token: identity.previous_token,
        api: node_config::Api {
            host: settings.listen.ip().to_string(),
            port: settings.listen.port(),
            // TLS ends before the node, but no server may get at the key.
            ssl: tls_files(settings),
            trusted_proxies: settings.trusted_proxies.iter().map(ToString::to_string).collect(),
        },
        system: node_config::System {
            root_directory: data.node().to_string_lossy().into_owned(),
            data: data.servers().to_string_lossy().into_owned(),
            websocket_log_count: settings.log_lines,
            ..node_config::System::default()
        },
        docker: node_config::Docker {
            socket: settings.docker_socket.clone(),
            network: node_config::DockerNetwork {
                name: settings.docker_network.clone(),
                ..Default::default()
            },
            ..node_config::Docker::default()
        },
        throttles: None,
        allowed_mounts: Vec::new(),
        remote: format!("http://{inner}"),
        allowed_origins,
        roost: node_config::RoostNode {
            uid_first: settings.uid_first,
            uid_count: settings.uid_count,
            process_runtime: true,
            boot_starts: settings.boot_starts,
            consoles: settings.console_limits,
        },
    })
}

fn tls_files(settings: &Settings) -> node_config::Ssl {
    let whole = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        path.to_string_lossy().into_owned()
    };
    settings
        .tls
        .as_ref()
        .map(|(cert, key)| node_config::Ssl {
            enabled: false,
            cert: whole(cert),
            key: whole(key),
        })
        .unwrap_or_default()
}

/// Paths of the daemon's API go to the node (once it is there), everything else to the panel.
fn by_path(panel: axum::Router, node: Arc<OnceLock<axum::Router>>) -> Answer {
    let panel = serve::by_router(panel);
    Arc::new(move |request| {
        const OF_NODE: [&str; 5] = [
            "/api/system",
            "/api/servers",
            "/api/sockets",
            "/api/update",
            "/api/deauthorize-user",
        ];
        let path = request.uri().path();
        let for_node = OF_NODE.iter().any(|p| {
            path.strip_prefix(p)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        match (for_node, node.get()) {
            (false, _) => panel(request),
            (true, Some(router)) => serve::by_router(router.clone())(request),
            (true, None) => Box::pin(async {
                let mut response =
                    hyper::Response::new(axum::body::Body::from("{\"error\":\"The node is starting.\"}"));
                *response.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
                response
                    .headers_mut()
                    .insert("retry-after", hyper::header::HeaderValue::from_static("1"));
                Ok(response)
            }),
        }
    })
}

/// Binds, or says what else to do. `setting` is what names the address.
pub async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|e| {
        let advice = match e.kind() {
            std::io::ErrorKind::AddrInUse => "something listens there already: choose another",
            std::io::ErrorKind::PermissionDenied => {
                "this user may not listen there: choose a port above 1023"
            }
            _ => "choose another",
        };
        Failure::new(format!("can't listen on {address}: {e}; {advice} with {setting}"))
    })
}

/// Binds the Unix socket with mode 0600. The lock is held: a socket that is there already belongs to nobody.
pub fn bind_unix(path: &Path) -> Result<UnixListener, Failure> {
    let _ = std::fs::remove_file(path);
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    listener.map_err(|e| {
        Failure::new(format!(
            "can't make {}: {e}; a path has at most 107 bytes there: choose a shorter --data",
            path.display()
        ))
    })
}

/// Where this process reaches its own listener.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_taken_names_its_setting() {
        let taken = bind("127.0.0.1:0".parse().unwrap(), "--listen").await.unwrap();
        let address = taken.local_addr().unwrap();
        let failure = bind(address, "api.port in /etc/x/config.yml").await.unwrap_err();
        assert!(
            failure
                .message
                .ends_with("choose another with api.port in /etc/x/config.yml"),
            "{failure}"
        );
    }
}
