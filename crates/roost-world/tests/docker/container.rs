//! What a container looks like: from outside, as the engine describes it, and from inside.

use crate::world::{UID, World};
use futures_util::StreamExt;
use roost_wire::remote::Allocation;
use std::{
    io::Read,
    net::{TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    time::{Duration, Instant},
};

#[tokio::test]
async fn limits_arrive_at_the_engine() {
    let mut world = World::script("sleep 60").await;
    let build = &mut world.launch.settings.build;
    (build.memory_limit, build.swap, build.cpu_limit) = (100, 20, 50);
    (build.threads, build.io_weight) = (Some("0".to_owned()), 500);
    world.rules.docker.container_pid_limit = 77;
    let running = world.start().await.unwrap();
    let inspected = world.inspect().await;
    let host = inspected.host_config.unwrap();
    assert_eq!(host.memory, Some(115 << 20));
    assert_eq!(host.memory_swap, Some(135 << 20));
    assert_eq!(host.memory_reservation, Some(100 << 20));
    assert_eq!((host.cpu_quota, host.cpu_period), (Some(50_000), Some(100_000)));
    assert_eq!(host.cpuset_cpus.as_deref(), Some("0"));
    assert_eq!(host.pids_limit, Some(77));
    assert_eq!(host.readonly_rootfs, Some(true));
    assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
    let log = host.log_config.unwrap();
    assert_eq!(log.typ.as_deref(), Some("local"));
    let options = log.config.unwrap();
    let option = |key: &str| options.get(key).map(String::as_str);
    assert_eq!((option("max-size"), option("max-file")), (Some("20m"), Some("3")));
    assert_eq!(
        (option("compress"), option("mode")),
        (Some("false"), Some("blocking"))
    );
    assert_eq!(inspected.name.unwrap(), format!("/{}", world.uuid()));
    assert_eq!(
        inspected.state.unwrap().pid.unwrap(),
        i64::from(running.pid.unwrap())
    );
    // This machine may lack I/O weights or swap accounting: then it is said, but not about a weight nobody chose.
    assert!(
        running.not_enforced.iter().all(|line| !line.contains("weight")),
        "{:?}",
        running.not_enforced
    );
    world.end().await;
}

#[tokio::test]
async fn the_server_is_an_ordinary_user_without_privileges() {
    let world =
        World::script("id -u; id -g; hostname; pwd; grep -E 'Cap|NoNew|Groups' /proc/self/status").await;
    let said = world.run().await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[..2], [UID.to_string(), UID.to_string()]);
    assert_eq!(
        lines[2..4],
        [world.uuid().to_string(), "/home/container".to_owned()]
    );
    let value = |key: &str| {
        let line = lines.iter().find(|line| line.starts_with(key)).unwrap();
        line.split_once(':').unwrap().1.trim().to_owned()
    };
    assert_eq!(value("NoNewPrivs"), "1");
    assert_eq!(value("CapEff"), "0000000000000000", "an ordinary user has none");
    // What is left of Docker's set: chown, kill, setgid, setuid.
    let bounding = u64::from_str_radix(&value("CapBnd"), 16).unwrap();
    let left: Vec<_> = (0..64).filter(|bit| bounding & (1 << bit) != 0).collect();
    assert_eq!(left, [0, 5, 6, 7], "{bounding:x}");
    world.end().await;
}

#[tokio::test]
async fn only_the_server_s_directory_and_tmp_can_be_written() {
    let world = World::script(
        "touch /x || echo root is read-only; touch /etc/x || echo etc is read-only; \
         touch /home/container/mine; printf '#!/bin/sh\necho ran' > /tmp/p; chmod +x /tmp/p; /tmp/p; \
         grep ' /tmp ' /proc/mounts",
    )
    .await;
    let said = world.run().await;
    assert!(
        said.contains("root is read-only") && said.contains("etc is read-only"),
        "{said}"
    );
    assert!(
        said.contains("ran") && said.contains("nosuid") && said.contains("size=102400k"),
        "{said}"
    );
    assert_eq!(std::fs::metadata(world.home().join("mine")).unwrap().uid(), UID);
    world.end().await;
}

#[tokio::test]
async fn the_environment_is_the_five_and_the_server_s_own() {
    let mut world = World::script("env | sort; stty size; date +%Z").await;
    let settings = &mut world.launch.settings;
    settings.invocation = "./start me".to_owned();
    settings.environment = [("EULA", "TRUE"), ("SERVER_PORT", "1")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    settings.allocations.default = Allocation {
        ip: "127.0.0.1".to_owned(),
        port: 25565,
    };
    let said = world.run().await;
    let lines: Vec<_> = said.lines().collect();
    for expected in [
        "EULA=TRUE",
        "HOME=/home/container",
        "SERVER_IP=127.0.0.1",
        "SERVER_MEMORY=64",
        "SERVER_PORT=25565",
        "STARTUP=./start me",
        "TZ=Europe/Berlin",
    ] {
        assert!(lines.contains(&expected), "{expected} in {said}");
    }
    assert!(!said.contains("SERVER_PORT=1\r"), "{said}");
    world.end().await;
}

#[tokio::test]
async fn the_terminal_has_the_size_of_the_settings() {
    let mut world = World::script("read line; stty size").await;
    world.launch.roost.terminal = (100, 30);
    let mut stream = world.begin().await;
    stream.type_line("now");
    stream.expect("30 100");
    world.end().await;
}

#[tokio::test]
async fn ports_lead_to_the_server() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut world = World::script(&format!(
        "while :; do nc -l -p {port} -e /bin/echo hello from inside; done"
    ))
    .await;
    world.launch.settings.allocations.mappings = [("127.0.0.1".to_owned(), vec![port])].into();
    world.start().await.unwrap();
    let begun = Instant::now();
    let mut said = String::new();
    while !said.contains("hello from inside") {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "nobody answers on port {port}"
        );
        // The engine's own listener accepts before the server does, and then ends the connection.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            let _ = stream.read_to_string(&mut said);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ports = world.inspect().await.network_settings.unwrap().ports.unwrap();
    assert!(ports.contains_key(&format!("{port}/udp")) && ports.contains_key(&format!("{port}/tcp")));
    world.end().await;
}

#[tokio::test]
async fn a_missing_network_is_made_and_allowed_mounts_are_there() {
    let mut world = World::script("cat /shared/file; touch /shared/new || echo no writing").await;
    let shared = world.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("file"), "shared file\n").unwrap();
    let mount = |source: &std::path::Path, target: &str| roost_wire::remote::Mount {
        source: source.to_string_lossy().into_owned(),
        target: target.to_owned(),
        read_only: true,
    };
    world.launch.settings.mounts = vec![mount(&shared, "/shared"), mount("/etc".as_ref(), "/host-etc")];
    world.rules.allowed_mounts = vec![shared.to_string_lossy().into_owned()];
    world.rules.docker.network.name = format!("roost-{}", world.uuid().simple());
    let said = world.run().await;
    assert!(
        said.contains("shared file") && said.contains("no writing"),
        "{said}"
    );
    assert!(world.said().contains("/etc is left out"), "{}", world.said());
    let network = world.rules.docker.network.name.clone();
    assert_eq!(
        world.inspect().await.host_config.unwrap().network_mode,
        Some(network.clone())
    );
    let bollard = world.bollard();
    world.end().await;
    bollard.remove_network(&network).await.unwrap();
}

/// Attack row 24.
#[tokio::test]
async fn a_fork_bomb_stays_in_its_container() {
    let mut world = World::script("echo ready; read go; bomb() { bomb | bomb & }; bomb; sleep 60").await;
    world.rules.docker.container_pid_limit = 40;
    let mut stream = world.begin().await;
    stream.expect("ready");
    stream.type_line("go");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let options = bollard::query_parameters::StatsOptionsBuilder::default()
        .stream(false)
        .build();
    let stats = world
        .bollard()
        .stats(&world.uuid().to_string(), Some(options))
        .next()
        .await;
    let processes = stats.unwrap().unwrap().pids_stats.unwrap().current.unwrap_or(0);
    assert!(processes <= 40, "{processes} processes");
    world.engine.kill(world.uuid()).await.unwrap();
    let ended = world.engine.wait_exit(world.uuid()).await;
    assert_eq!(ended.signal, Some(9), "{ended:?}");
    world.end().await;
}

#[tokio::test]
async fn figures_come_from_the_engine_each_second() {
    let mut world = World::script("x=$(head -c 20000000 /dev/zero | tr '\\0' x); while :; do :; done").await;
    world.launch.settings.build.cpu_limit = 50;
    let _stream = world.begin().await;
    let mut sampler = world.engine.sampler(world.uuid()).await.unwrap();
    let mut samples = Vec::new();
    let begun = Instant::now();
    while samples.len() < 5 {
        samples.push(sampler.next().await.expect("a sample"));
    }
    assert!(
        begun.elapsed() < Duration::from_secs(12),
        "five samples took {:?}",
        begun.elapsed()
    );
    let last = samples.last().unwrap();
    assert!(
        (25.0..75.0).contains(&last.cpu_absolute),
        "half a core: {samples:?}"
    );
    // The limit in the kernel is in whole pages.
    assert!(
        last.memory_limit_bytes.abs_diff(64 * (1 << 20) * 115 / 100) < 8192,
        "{last:?}"
    );
    assert!(
        (20_000_000..last.memory_limit_bytes).contains(&last.memory_bytes),
        "{last:?}"
    );
    assert!(last.network_measured, "{last:?}");
    assert!((2_000..60_000).contains(&last.uptime), "{last:?}");
    world.engine.kill(world.uuid()).await.unwrap();
    while sampler.next().await.is_some() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "samples of a dead server"
        );
    }
    world.end().await;
}
