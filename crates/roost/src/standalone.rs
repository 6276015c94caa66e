//! `roost panel` and `roost daemon`: one half alone, for those who run the halves on different machines.

use crate::{
    args::{DaemonArgs, Everywhere, PanelArgs, Up},
    data_dir::DataDir,
    failure::Failure,
    lifecycle::Lifecycle,
    output::Output,
    serve,
    settings::{self, Given},
    up,
};
use roost_node::{Node, NodeOptions};
use roost_wire::clock::SystemClock;
use std::{net::SocketAddr, path::Path, path::PathBuf, sync::Arc};

/// Where stock daemons have their settings.
const CONFIG_YML: [&str; 2] = ["/etc/pterodactyl/config.yml", "/etc/pelican/config.yml"];

/// The panel alone.
pub async fn panel(args: PanelArgs, everywhere: &Everywhere) -> Result<(), Failure> {
    crate::log::start(false);
    settings::warn_of_unknown_variables();
    let data = DataDir::locate(everywhere.data.as_deref())?;
    let file = args.config.unwrap_or_else(|| data.settings());
    let settings = up::read_settings(&file, &Given::default())?;
    data.prepare()?;
    let _lock = data.lock()?;
    let life = Lifecycle::default();
    let tls = settings
        .tls
        .as_ref()
        .map(|(cert, key)| serve::tls_acceptor(cert, key))
        .transpose()?;
    let listener = up::bind(settings.listen, &format!("listen in {}", file.display())).await?;
    let listen = listener.local_addr().map_err(|e| Failure::new(e.to_string()))?;
    let panel = up::open_panel(&data, &settings, listen, None).await?;
    let no_options = Up {
        listening: crate::args::Listening::default(),
        admin: None,
        admin_password_file: None,
        no_demo: true,
    };
    let admin = up::first_admin(&panel, &no_options).await?;
    let answer = serve::by_router(panel.router());
    life.tasks.spawn(serve::tcp(
        listener,
        tls,
        Arc::clone(&answer),
        life.stop.clone(),
        life.tasks.clone(),
    ));
    let socket = up::bind_unix(&data.socket())?;
    life.tasks
        .spawn(serve::unix(socket, answer, life.stop.clone(), life.tasks.clone()));
    up::tell(&data, &settings, listen, admin.as_ref(), None, everywhere.json)?;
    life.until_stopped().await?;
    life.finish().await;
    let _ = std::fs::remove_file(data.socket());
    Ok(())
}

/// A node alone.
pub async fn daemon(args: DaemonArgs, everywhere: &Everywhere) -> Result<(), Failure> {
    let path = match args.config {
        Some(path) => path,
        None => CONFIG_YML.iter().map(PathBuf::from).find(|p| p.exists()).ok_or_else(|| {
            Failure::usage(format!(
                "no config.yml at {}: write what `roost node config NAME --reveal-token` prints into a file and name it with --config",
                CONFIG_YML.join(" or ")
            ))
        })?,
    };
    let config = roost_node::config::load(&path).map_err(|e| Failure::usage(e.to_string()))?;
    crate::log::start(config.debug);
    settings::warn_of_unknown_variables();
    let life = Lifecycle::default();
    let tls = if config.api.ssl.enabled {
        Some(serve::tls_acceptor(
            Path::new(&config.api.ssl.cert),
            Path::new(&config.api.ssl.key),
        )?)
    } else {
        None
    };
    let address: SocketAddr = format!("{}:{}", bracketed(&config.api.host), config.api.port)
        .parse()
        .map_err(|_| {
            Failure::usage(format!(
                "{}: api.host `{}` is not an address",
                path.display(),
                config.api.host
            ))
        })?;
    let listener = up::bind(address, &format!("api.host and api.port in {}", path.display())).await?;
    let keeper_program = std::env::current_exe()
        .map_err(|e| Failure::new(format!("can't find this program's own file: {e}")))?;
    let root = PathBuf::from(&config.system.root_directory);
    let node = Node::start(NodeOptions {
        config,
        config_path: Some(path),
        keeper_program,
        private: Vec::new(),
        clock: Arc::new(SystemClock),
        own_origin_ok: false,
    })
    .await
    .map_err(|e| Failure::new(e.to_string()))?;
    // config.yml is a stock daemon's: what is Roost's own comes from the environment.
    let metrics = match std::env::var("ROOST_METRICS_LISTEN")
        .ok()
        .filter(|text| !text.is_empty())
    {
        Some(text) => Some(text.parse().map_err(|_| {
            Failure::usage(format!(
                "ROOST_METRICS_LISTEN: `{text}` is not an address and port, write 127.0.0.1:9100"
            ))
        })?),
        None => None,
    };
    crate::metrics::serve(metrics, "ROOST_METRICS_LISTEN", &node, &life).await?;
    let local_path = socket(&root);
    let local = up::local::in_front(nothing_else(), node.clone(), life.clone());
    life.tasks.spawn(serve::unix(
        up::bind_unix(&local_path)?,
        local,
        life.stop.clone(),
        life.tasks.clone(),
    ));
    life.tasks.spawn(serve::tcp(
        listener,
        tls,
        serve::by_router(node.router()),
        life.stop.clone(),
        life.tasks.clone(),
    ));
    Output {
        json: everywhere.json,
    }
    .done(
        &format!("The node is ready on {address}"),
        serde_json::json!({"message": "The node is ready", "listen": address.to_string()}),
    )?;
    life.until_stopped().await?;
    let running = node.running();
    node.shutdown().await;
    life.finish().await;
    let _ = std::fs::remove_file(local_path);
    tracing::info!(servers = running, "stopped; servers run on in their keepers");
    Ok(())
}

/// Where `roost down --config` speaks to a node alone.
pub fn socket(root: &Path) -> PathBuf {
    root.join("node.sock")
}

/// On that socket there is nothing but the end.
fn nothing_else() -> serve::Answer {
    Arc::new(|_| {
        Box::pin(async {
            let mut response = hyper::Response::new(axum::body::Body::empty());
            *response.status_mut() = hyper::StatusCode::NOT_FOUND;
            Ok(response)
        })
    })
}

fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}
