//! A PostgreSQL of the test binary's own: from Debian's package, in a temporary folder, over a Unix socket only.
//!
//! It ends with the test binary, however that ends: a shell holds the other end of a pipe, and takes the server and its
//! folder away when the pipe closes.

use std::{
    path::PathBuf,
    process::{ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};
use tokio::sync::OnceCell;

struct Server {
    socket_dir: PathBuf,
    _alive_while_open: ChildStdin,
}

static SERVER: OnceCell<Server> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(1);

/// The address of an empty database.
pub(crate) async fn fresh_database() -> String {
    let server = SERVER
        .get_or_init(|| async { tokio::task::spawn_blocking(start).await.unwrap() })
        .await;
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let address = |name: &str| {
        format!(
            "postgres:///{name}?host={}&user=postgres",
            server.socket_dir.display()
        )
    };
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
    let mut admin = sqlx::PgConnection::connect(&address("postgres")).await.unwrap();
    admin
        .execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await
        .unwrap();
    admin.close().await.unwrap();
    address(&name)
}

fn start() -> Server {
    let bin = programs();
    let dir = tempfile::Builder::new()
        .prefix("roost-pg-")
        .tempdir_in("/tmp")
        .unwrap()
        .keep();
    // PostgreSQL refuses to run as root.
    let as_root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    let runner = if as_root { "runuser -u postgres --" } else { "" };
    if as_root {
        run(&format!("chown postgres {0} && chmod 700 {0}", dir.display()));
    }
    run(&format!(
        "cd / && {runner} {bin}/initdb -D {dir}/data -U postgres -A trust --no-sync -E UTF8 --locale=C >{log} 2>&1",
        bin = bin.display(),
        dir = dir.display(),
        log = if as_root {
            "/dev/null".to_owned()
        } else {
            format!("{}/initdb.log", dir.display())
        },
    ));
    let script = format!(
        "cd / || exit 1
        {runner} {bin}/postgres -D {dir}/data -k {dir} -c listen_addresses= -c fsync=off -c max_connections=400 \
            >/dev/null 2>&1 </dev/null &
        read -r _
        kill -INT $(head -1 {dir}/data/postmaster.pid)
        wait
        rm -rf {dir}",
        bin = bin.display(),
        dir = dir.display(),
    );
    let mut shell = Command::new("sh");
    // A signal to the test's own group must not end the shell before it has cleaned up.
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    #[expect(
        clippy::zombie_processes,
        reason = "it ends after this process, which it cleans up after"
    )]
    let mut child = shell
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let alive = child.stdin.take().unwrap();
    for _ in 0..300 {
        if dir.join(".s.PGSQL.5432").exists() && ready(&bin, &dir) {
            return Server {
                socket_dir: dir,
                _alive_while_open: alive,
            };
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("PostgreSQL did not become ready within 15 s");
}

fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found
        .pop()
        .expect("these tests need PostgreSQL: apt-get install -y --no-install-recommends postgresql")
}

fn ready(bin: &std::path::Path, dir: &std::path::Path) -> bool {
    Command::new(bin.join("pg_isready"))
        .args(["-q", "-h"])
        .arg(dir)
        .status()
        .is_ok_and(|status| status.success())
}

fn run(script: &str) {
    let status = Command::new("sh").args(["-c", script]).status().unwrap();
    assert!(status.success(), "failed: {script}");
}
