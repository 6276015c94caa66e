//! Stories of a whole node: its API, a panel, real programs under real keepers.
//!
//! This program is its own keeper, so it has no test harness: the verb `keeper` comes before anything else.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "all of this program is a test"
)]

#[path = "node/house.rs"]
mod house;
#[path = "node/panel.rs"]
mod panel;

use house::{House, until};
use panel::{Panel, shell};
use serde_json::{Value, json};
use std::{process::ExitCode, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

/// Reads commands: says them back, `crash` exits with 3, `stop` ends well.
const ECHO: &str = "echo up; while read line; do case $line in stop) echo bye; exit 0;; crash) exit 3;; *) echo \"got \
                    $line\";; esac; done";

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "keeper") {
        return roost_keeper::main(words);
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let mut failed = Vec::new();
    macro_rules! tell {
        ($($story:ident),* $(,)?) => {$(
            let name = stringify!($story);
            if wanted.is_empty() || wanted.iter().any(|word| name.contains(word)) {
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
                let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on($story())));
                house::end_keepers();
                println!("story {name} ... {}", if told.is_ok() { "ok" } else { "FAILED" });
                if told.is_err() {
                    failed.push(name);
                }
            }
        )*};
    }
    tell!(
        a_server_is_made_started_typed_at_read_and_stopped,
        the_secret_opens_the_api_and_nothing_else_does,
        what_cannot_be_done_is_said,
        the_journal_is_paged_and_waited_for,
        a_program_that_ignores_its_stop_is_killed_by_the_timer,
        a_crash_is_told_and_followed_by_one_start,
        a_deleted_server_leaves_nothing,
        the_next_node_takes_up_the_programs_of_the_last,
        a_killed_keeper_takes_its_program_with_it,
        a_server_that_takes_too_much_memory_is_ended_and_told_why,
        a_server_of_the_node_s_own_user_is_kept_out_of_its_files,
        a_server_that_is_listed_and_asked_for_is_made_once,
        a_node_starts_without_its_panel,
        suspending_stops_a_server_and_keeps_it_down,
        audit_rows_wait_for_a_panel_that_is_away,
        the_secret_is_replaced_without_a_gap,
        all_servers_are_stopped_each_its_own_way,
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        println!("failed: {failed:?}");
        ExitCode::FAILURE
    }
}

fn path(uuid: Uuid, rest: &str) -> String {
    format!("/api/servers/{uuid}{rest}")
}

async fn echo_server(house: &House, panel: &Panel) -> Uuid {
    let uuid = Uuid::new_v4();
    house.create(panel, uuid, shell(uuid, ECHO, |_| {})).await;
    assert_eq!(house.power(uuid, "start").await, 202);
    house.until_text(uuid, "up").await;
    uuid
}

async fn kill_all(house: &House) {
    for server in house.node.servers().all() {
        house.power(server.uuid, "kill").await;
        house.until_state(server.uuid, "offline").await;
    }
}

async fn a_server_is_made_started_typed_at_read_and_stopped() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = echo_server(&house, &panel).await;
    house.until_state(uuid, "running").await;

    let commands = house
        .request("POST", &path(uuid, "/commands"))
        .bearer_auth(panel::TOKEN)
        .json(&json!({"commands": ["say hi"]}));
    let response = commands.send().await.unwrap();
    assert_eq!(response.status(), 204);
    let seq: u64 = response.headers()["roost-seq"].to_str().unwrap().parse().unwrap();
    let stream = response.headers()["roost-stream"].to_str().unwrap().to_owned();
    let answer = house
        .get(&path(
            uuid,
            &format!("/journal?stream={stream}&after={seq}&wait=5"),
        ))
        .await;
    assert_eq!(answer["data"][0]["text"], "got say hi");
    assert_eq!(answer["data"][0]["source"], "output");

    let detail = house.get(&path(uuid, "")).await;
    assert_eq!(detail["utilization"]["state"], "running");
    assert!(detail["utilization"]["uptime"].as_u64().unwrap() > 0, "{detail}");
    assert!(
        detail["utilization"]["memory_bytes"].as_u64().unwrap() > 0,
        "{detail}"
    );
    assert!(detail["roost"]["pid"].as_u64().unwrap() > 1);
    assert_eq!(detail["configuration"]["meta"]["name"], "a shell");

    assert_eq!(house.power(uuid, "stop").await, 202);
    house.until_state(uuid, "offline").await;
    let texts = house.texts(uuid).await;
    let place = |text: &str| {
        texts
            .iter()
            .position(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{texts:?}"))
    };
    assert!(
        place("killed") < place("bye") && place("bye") < place("exit code 0"),
        "{texts:?}"
    );
    let logs = house.get(&path(uuid, "/logs?size=2")).await;
    assert_eq!(
        logs["data"].as_array().unwrap().len(),
        2,
        "history works offline, too"
    );
    house.end().await;
}

async fn the_secret_opens_the_api_and_nothing_else_does() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let bare = house.request("GET", "/api/system").send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert_eq!(bare.headers()["www-authenticate"], "Bearer");
    assert!(bare.json::<Value>().await.unwrap()["error"].is_string());
    let wrong = house
        .request("GET", "/api/system")
        .bearer_auth("node-secreT")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 403);
    let system = house.get("/api/system").await;
    assert!(system["roost"].is_string() && system["cpu_count"].as_u64().unwrap() > 0);
    let options = house
        .request("OPTIONS", "/api/servers")
        .header("origin", format!("http://{}", panel.address))
        .send()
        .await
        .unwrap();
    assert_eq!(options.status(), 204);
    let allowed = options.headers()["access-control-allow-origin"].to_str().unwrap();
    assert_eq!(allowed, format!("http://{}", panel.address));
    for name in [Uuid::new_v4().to_string(), "nonsense".to_owned()] {
        let (status, body) = house
            .send("GET", &format!("/api/servers/{name}"), Value::Null)
            .await;
        assert_eq!(status, 404);
        assert_eq!(
            body["error"],
            "The requested resource does not exist on this instance"
        );
    }
    house.end().await;
}

async fn what_cannot_be_done_is_said() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    house.create(&panel, uuid, shell(uuid, ECHO, |_| {})).await;
    let commands = path(uuid, "/commands");
    let (status, body) = house.send("POST", &commands, json!({"commands": ["hi"]})).await;
    assert_eq!(status, 502);
    assert!(body["error"].as_str().unwrap().contains("offline"), "{body}");
    assert_eq!(house.power(uuid, "dance").await, 422);
    assert_eq!(house.power(uuid, "stop").await, 202, "nothing to do is no error");
    assert_eq!(house.power(uuid, "start").await, 202);
    house.until_text(uuid, "up").await;
    assert_eq!(house.power(uuid, "start").await, 202);
    for bad in [
        "two\nlines",
        "bell\u{7}",
        "del\u{7f}",
        "c1\u{9b}",
        &"x".repeat(4096),
    ] {
        let (status, body) = house
            .send("POST", &commands, json!({"commands": ["fine", bad]}))
            .await;
        assert_eq!(status, 422, "{bad:?}");
        assert!(body["error"].is_string());
    }
    let (status, _) = house
        .send("POST", &commands, json!({"commands": ["x".repeat(4095)]}))
        .await;
    assert_eq!(status, 204);
    house.until_text(uuid, &format!("got {}", "x".repeat(4095))).await;
    assert!(
        !house.texts(uuid).await.iter().any(|line| line == "got fine"),
        "all or none"
    );
    let (status, _) = house
        .send("POST", "/api/servers", json!({"uuid": Uuid::new_v4()}))
        .await;
    assert_eq!(status, 502, "the panel does not know it");
    let (status, _) = house.send("POST", &commands, json!({"commands": 3})).await;
    assert_eq!(status, 400);
    kill_all(&house).await;
    house.end().await;
}

async fn the_journal_is_paged_and_waited_for() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let script =
        "i=0; while [ $i -lt 250 ]; do i=$((i+1)); echo line $i; done; read go; echo woken; read end";
    house.create(&panel, uuid, shell(uuid, script, |_| {})).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "line 250").await;

    let journal = |query: String| path(uuid, &format!("/journal?{query}"));
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = house.get(&journal(format!("after={after}&lines=100"))).await;
        let lines = page["data"].as_array().unwrap().clone();
        if lines.is_empty() {
            break;
        }
        assert!(lines.len() <= 100 && page["gap"].is_null());
        after = page["next"].as_u64().unwrap();
        seen.extend(lines);
    }
    let seqs: Vec<u64> = seen.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=after).collect::<Vec<_>>(), "every line once, in order");

    let last = house.get(&journal("lines=3".into())).await;
    assert_eq!(last["data"][2]["seq"], after);
    let before = house.get(&journal(format!("before={after}&lines=2"))).await;
    assert_eq!(before["data"][1]["seq"], after - 1);
    let other = house
        .get(&journal(format!("stream={}&after=5", Uuid::new_v4())))
        .await;
    assert_eq!(other["gap"]["reason"], "unknown_stream");
    let past = house.get(&journal("after=99999".into())).await;
    assert_eq!(past["gap"]["reason"], "after_end");
    let since = house.get(&journal("after=0&since=99999999999999".into())).await;
    assert_eq!(
        (since["data"].as_array().unwrap().len(), &since["gap"]),
        (0, &Value::Null)
    );

    let began = Instant::now();
    let waiting = journal(format!("after={after}&wait=20"));
    let (woken, _) = tokio::join!(house.get(&waiting), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        house
            .send("POST", &path(uuid, "/commands"), json!({"commands": ["go"]}))
            .await
    });
    assert_eq!(woken["data"][0]["text"], "woken");
    assert!(began.elapsed() < Duration::from_secs(5));
    let after = woken["next"].as_u64().unwrap();
    let nothing = house.get(&journal(format!("after={after}&wait=1"))).await;
    assert_eq!(
        (
            nothing["data"].as_array().unwrap().len(),
            nothing["next"].as_u64()
        ),
        (0, Some(after))
    );

    let erased = house
        .send(
            "POST",
            &path(uuid, "/journal/erase"),
            json!({"before": 99_999_999_999_999_i64}),
        )
        .await;
    assert_eq!(erased.0, 200);
    assert!(erased.1["lines"].as_u64().unwrap() >= 250, "{}", erased.1);
    kill_all(&house).await;
    house.end().await;
}

async fn a_program_that_ignores_its_stop_is_killed_by_the_timer() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let deaf = shell(
        uuid,
        "trap '' TERM INT; echo deaf; while :; do sleep 1; done",
        |server| {
            server["settings"]["roost"]["stop_timeout_secs"] = json!(2);
            server["process_configuration"]["stop"] = json!({"type": "signal", "value": "C"});
        },
    );
    house.create(&panel, uuid, deaf).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "deaf").await;
    assert_eq!(house.power(uuid, "stop").await, 202);
    house.until_state(uuid, "stopping").await;
    assert_eq!(
        house.power(uuid, "restart").await,
        409,
        "one thing after the other"
    );
    house.until_state(uuid, "offline").await;
    let texts = house.texts(uuid).await.join("\n");
    assert!(texts.contains("in 2 seconds, it is killed"), "{texts}");
    assert!(texts.contains("signal 9 (SIGKILL)"), "{texts}");
    assert!(panel.rows("server:crashed").is_empty());
    house.end().await;
}

async fn a_crash_is_told_and_followed_by_one_start() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = echo_server(&house, &panel).await;
    let crash = json!({"commands": ["crash"]});
    house.send("POST", &path(uuid, "/commands"), crash.clone()).await;
    house.until_text(uuid, "exit code 3").await;
    let ups = async || {
        house
            .texts(uuid)
            .await
            .iter()
            .filter(|line| *line == "up")
            .count()
    };
    until("the second start", async || ups().await == 2).await;
    house.until_state(uuid, "running").await;
    house.send("POST", &path(uuid, "/commands"), crash).await;
    house.until_text(uuid, "within the last 60 seconds").await;
    house.until_state(uuid, "offline").await;
    let detail = house.get(&path(uuid, "")).await;
    assert!(
        detail["roost"]["last_exit"]
            .as_str()
            .unwrap()
            .contains("exit code 3")
    );
    until("the audit", async || panel.rows("server:crashed").len() == 2).await;

    // Typing the stop command is a stop.
    assert_eq!(house.power(uuid, "start").await, 202);
    until("the third start", async || ups().await == 3).await;
    house
        .send("POST", &path(uuid, "/commands"), json!({"commands": ["stop"]}))
        .await;
    house.until_state(uuid, "offline").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(house.state(uuid).await, "offline");
    assert_eq!(panel.rows("server:crashed").len(), 2);
    house.end().await;
}

async fn a_deleted_server_leaves_nothing() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = echo_server(&house, &panel).await;
    std::fs::write(house.data(uuid).join("world"), "x").unwrap();
    let pid = house.get(&path(uuid, "")).await["roost"]["pid"].as_u64().unwrap();
    assert_eq!(house.send("DELETE", &path(uuid, ""), Value::Null).await.0, 204);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!house.data(uuid).exists());
    for dir in ["journals", "run", "servers"] {
        let path = house.dir.path().join("node").join(dir).join(uuid.to_string());
        assert!(!path.exists(), "{}", path.display());
    }
    assert_eq!(house.send("GET", &path(uuid, ""), Value::Null).await.0, 404);
    // A directory of the operator's stays.
    let given = house.dir.path().join("given");
    std::fs::create_dir(&given).unwrap();
    std::os::unix::fs::chown(&given, Some(0), Some(0)).ok();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&given, mode).unwrap();
    let server = shell(uuid, ECHO, |server| {
        server["settings"]["roost"]["dir"] = json!(given);
    });
    house.create(&panel, uuid, server).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "up").await;
    assert_eq!(house.send("DELETE", &path(uuid, ""), Value::Null).await.0, 204);
    assert!(given.exists());
    house.end().await;
}

async fn the_next_node_takes_up_the_programs_of_the_last() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let counts = "i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.01; done";
    house.create(&panel, uuid, shell(uuid, counts, |_| {})).await;
    let wished = echo_server(&house, &panel).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "tick 20").await;
    let pid = house.get(&path(uuid, "")).await["roost"]["pid"].clone();
    let wished_pid = house.get(&path(wished, "")).await["roost"]["pid"]
        .as_u64()
        .unwrap();
    let dir = house.end().await;

    // Its keeper is gone when the node comes back: the server is started again, for it was running.
    let keeper = parent_of(wished_pid);
    kill(keeper);
    kill(wished_pid);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let house = House::start_in(dir, &panel).await;
    house.until_state(uuid, "running").await;
    assert_eq!(house.get(&path(uuid, "")).await["roost"]["pid"], pid);
    until("the wished server", async || {
        house
            .texts(wished)
            .await
            .iter()
            .filter(|line| *line == "up")
            .count()
            == 2
    })
    .await;
    let ticks: Vec<u64> = house
        .texts(uuid)
        .await
        .iter()
        .filter_map(|line| line.strip_prefix("tick ")?.parse().ok())
        .collect();
    assert_eq!(
        ticks,
        (1..=ticks.len() as u64).collect::<Vec<_>>(),
        "no line lost, none doubled"
    );
    kill_all(&house).await;
    house.end().await;
}

/// A program's keeper.
fn parent_of(pid: u64) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let behind_name = stat.rsplit(')').next().unwrap();
    behind_name.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn kill(pid: u64) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

async fn a_killed_keeper_takes_its_program_with_it() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let stubborn = "trap '' HUP; echo up; while :; do sleep 0.1; done";
    house.create(&panel, uuid, shell(uuid, stubborn, |_| {})).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "up").await;
    let pid = house.get(&path(uuid, "")).await["roost"]["pid"].as_u64().unwrap();
    kill(parent_of(pid));
    house.until_text(uuid, "keeper").await;
    until("the second start", async || {
        house
            .texts(uuid)
            .await
            .iter()
            .filter(|line| *line == "up")
            .count()
            == 2
    })
    .await;
    if rustix::process::geteuid().is_root() {
        // Its new parent may take its time to bury it.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    } else {
        kill(pid);
    }
    kill_all(&house).await;
    house.end().await;
}

/// Directories named after a server below the control groups.
fn groups_of(uuid: Uuid) -> Vec<std::path::PathBuf> {
    let (mut look, mut found) = (vec![std::path::PathBuf::from("/sys/fs/cgroup")], Vec::new());
    while let Some(dir) = look.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                look.push(entry.path());
            }
            if entry.file_name().to_string_lossy().contains(&uuid.to_string()) {
                found.push(entry.path());
            }
        }
    }
    found
}

async fn a_server_that_takes_too_much_memory_is_ended_and_told_why() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let hungry = "echo up; read line; head -c 300m /dev/zero | tail -c 300m > /dev/null; exit $?";
    let limited = |server: &mut Value| {
        server["settings"]["build"]["memory_limit"] = 64.into();
        server["settings"]["build"]["cpu_limit"] = 300.into();
    };
    house.create(&panel, uuid, shell(uuid, hungry, limited)).await;
    // Known as soon as the server is there, and told again where it is started.
    let not_enforced = house.get(&path(uuid, "")).await["roost"]["not_enforced"].clone();
    house.power(uuid, "start").await;
    house.until_text(uuid, "up").await;
    let told: Vec<&str> = not_enforced
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for sentence in &told {
        house.until_text(uuid, sentence).await;
    }
    if told
        .iter()
        .any(|sentence| sentence.contains("memory limit of 64 MiB"))
    {
        println!("no control groups here: {told:?}");
        kill_all(&house).await;
        house.end().await;
        return;
    }
    assert!(!groups_of(uuid).is_empty());
    let limit = house.get(&path(uuid, "")).await["utilization"]["memory_limit_bytes"].clone();
    assert!((64 << 20..80 << 20).contains(&limit.as_u64().unwrap()), "{limit}");

    // The next life of the node knows the group.
    let dir = house.end().await;
    let house = House::start_in(dir, &panel).await;
    house.until_state(uuid, "running").await;
    let used = house.get(&path(uuid, "")).await["utilization"].clone();
    assert_eq!(used["memory_limit_bytes"], limit);
    assert!(used["memory_bytes"].as_u64().unwrap() > 0, "{used}");
    let go = json!({"commands": ["go"]});
    assert_eq!(house.send("POST", &path(uuid, "/commands"), go).await.0, 204);
    house
        .until_text(uuid, "out of memory: raise its memory limit")
        .await;
    kill_all(&house).await;
    assert_eq!(groups_of(uuid), Vec::<std::path::PathBuf>::new());
    house.end().await;
}

/// Only where the node is not root: a server of root's node has a user of its own.
async fn a_server_of_the_node_s_own_user_is_kept_out_of_its_files() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let secret = house.dir.path().join("node/node.lock");
    let curious = format!(
        "echo own > note; cat note; cat {} && echo read it; echo x > /var/tmp/{uuid} && echo wrote it; echo done; read line",
        secret.display()
    );
    house.create(&panel, uuid, shell(uuid, &curious, |_| {})).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "done").await;
    let texts = house.texts(uuid).await;
    assert!(texts.iter().any(|line| line == "own"), "{texts:?}");
    assert!(
        texts.iter().any(|line| line.contains("same user as Roost")),
        "{texts:?}"
    );
    if texts.iter().any(|line| line.contains("Landlock keeps it out")) {
        assert!(!texts.iter().any(|line| line == "read it"), "{texts:?}");
    } else {
        let _ = std::fs::remove_file(format!("/var/tmp/{uuid}"));
        assert!(texts.iter().any(|line| line.contains("no Landlock")), "{texts:?}");
    }
    kill_all(&house).await;
    house.end().await;
}

/// A panel that makes a server while the node comes up lists it and asks for it, in any order.
async fn a_server_that_is_listed_and_asked_for_is_made_once() {
    let panel = Panel::start().await;
    let uuids: Vec<Uuid> = (0..20).map(|_| Uuid::new_v4()).collect();
    for uuid in &uuids {
        panel.set(*uuid, shell(*uuid, ECHO, |_| {}));
    }
    let house = House::start(&panel).await;
    let asked = uuids.iter().map(|uuid| {
        let body = json!({"uuid": uuid, "start_on_completion": true, "skip_scripts": true});
        house.send("POST", "/api/servers", body)
    });
    for (status, body) in futures_util::future::join_all(asked).await {
        assert_eq!(status, 202, "{body}");
    }
    for uuid in &uuids {
        house.until_text(*uuid, "up").await;
    }
    // Asked for again it stays as it is.
    let body = json!({"uuid": uuids[0], "start_on_completion": true, "skip_scripts": true});
    assert_eq!(house.send("POST", "/api/servers", body).await.0, 202);
    let starts = house.texts(uuids[0]).await;
    assert_eq!(
        starts.iter().filter(|line| *line == "up").count(),
        1,
        "{starts:?}"
    );
    kill_all(&house).await;
    house.end().await;
}

async fn a_node_starts_without_its_panel() {
    let mut panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    house.create(&panel, uuid, shell(uuid, ECHO, |_| {})).await;
    let dir = house.end().await;
    panel.away().await;
    let began = Instant::now();
    let house = House::start_in(dir, &panel).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(house.state(uuid).await, "offline");
    assert_eq!(house.power(uuid, "start").await, 202);
    house.until_text(uuid, "up").await;
    let late = Uuid::new_v4();
    panel.set(late, shell(late, ECHO, |_| {}));
    panel.back().await;
    until("the panel's new server", async || {
        house.node.servers().get(late).is_some()
    })
    .await;
    until("the second reset", async || {
        panel.known.lock().unwrap().resets == 2
    })
    .await;
    assert!(
        panel
            .known
            .lock()
            .unwrap()
            .pages_asked
            .iter()
            .all(|page| page == "0")
    );
    kill_all(&house).await;
    house.end().await;
}

async fn suspending_stops_a_server_and_keeps_it_down() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = echo_server(&house, &panel).await;
    panel.set(
        uuid,
        shell(uuid, ECHO, |server| server["settings"]["suspended"] = json!(true)),
    );
    assert_eq!(house.send("POST", &path(uuid, "/sync"), Value::Null).await.0, 204);
    house.until_state(uuid, "offline").await;
    assert_eq!(house.power(uuid, "start").await, 400);
    assert_eq!(house.get(&path(uuid, "")).await["is_suspended"], true);
    house.end().await;
}

async fn audit_rows_wait_for_a_panel_that_is_away() {
    let mut panel = Panel::start().await;
    let house = House::start(&panel).await;
    let server = Uuid::new_v4();
    let record = |house: &House, event: &str| {
        house
            .node
            .recorder()
            .record(server, event, &Default::default(), json!({"n": 1}));
    };
    let began = Instant::now();
    record(&house, "server:console.command");
    until("the first row", async || {
        panel.rows("server:console.command").len() == 1
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(1));
    panel.away().await;
    for _ in 0..250 {
        record(&house, "server:power.start");
    }
    let dir = house.end().await;
    panel.back().await;
    let house = House::start_in(dir, &panel).await;
    until("the rows of the last node", async || {
        panel.rows("server:power.start").len() == 250
    })
    .await;
    let ids: std::collections::BTreeSet<String> = panel
        .rows("server:power.start")
        .iter()
        .map(|row| row["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 250);
    // A row that the panel can't take does not keep the others back.
    panel.known.lock().unwrap().refuse_event = Some("server:odd".to_owned());
    record(&house, "server:power.stop");
    record(&house, "server:odd");
    record(&house, "server:power.stop");
    until("the good rows", async || {
        panel.rows("server:power.stop").len() == 2
    })
    .await;
    house.end().await;
}

async fn the_secret_is_replaced_without_a_gap() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let (status, body) = house
        .send("POST", "/api/update", json!({"token": "second-secret"}))
        .await;
    assert_eq!((status, &body["applied"]), (200, &json!(true)));
    for secret in ["second-secret", panel::TOKEN] {
        let response = house
            .request("GET", "/api/servers")
            .bearer_auth(secret)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
    }
    let (status, body) = house.send("POST", "/api/update", json!({"debug": true})).await;
    assert_eq!((status, &body["applied"]), (200, &json!(false)));
    house.end().await;
}

async fn all_servers_are_stopped_each_its_own_way() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let first = echo_server(&house, &panel).await;
    let second = echo_server(&house, &panel).await;
    let (sender, mut progress) = tokio::sync::mpsc::channel(100);
    house.node.stop_all(sender).await;
    let mut told = Vec::new();
    while let Ok(word) = progress.try_recv() {
        told.push(word);
    }
    assert_eq!(
        told.iter()
            .filter(|(name, word)| name == "shell" && word == "offline")
            .count(),
        2,
        "{told:?}"
    );
    for uuid in [first, second] {
        assert_eq!(house.state(uuid).await, "offline");
        assert!(house.texts(uuid).await.iter().any(|line| line == "bye"));
    }
    assert_eq!(house.node.running(), 0);
    house.end().await;
}
