//! A server of the store as its node reads it: [`Settings`] and [`ProcessConfiguration`] of the remote API.
//!
//! Stock daemons must boot on it: every key they insist on is there, all values of the environment are text, ports are
//! numbers, and stop signals have names that they know. Who may read it is the remote routes' business.

use crate::store::ServerRow;
use roost_wire::remote::{
    Allocation, Allocations, Build, Container, Egg, Meta, ProcessConfiguration, Pull, RemoteServer,
    RestartPolicy, RoostSettings, Runtime, Settings, Startup, Stop,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What `P_SERVER_LOCATION` says: Roost has no locations.
const LOCATION: &str = "roost";

/// Who reads the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Roost's node.
    Roost,
    /// Pterodactyl's Wings: it asks the engine for signals by names that the engine does not know, fails, and leaves
    /// the server `stopping` for ever; SIGKILL alone works.
    Pterodactyl,
    /// Any other daemon: it must be told in its own words what Roost's node does by itself.
    Stock,
}

impl Reader {
    /// From the `User-Agent` of a daemon.
    pub fn of_agent(agent: &str) -> Self {
        let agent = agent.to_ascii_lowercase();
        if agent.contains("pterodactyl wings/") {
            Self::Pterodactyl
        } else if agent.contains("wings/") {
            Self::Stock
        } else {
            Self::Roost
        }
    }
}

/// One server of the list.
pub fn remote_server(row: &ServerRow, reader: Reader) -> RemoteServer {
    RemoteServer {
        uuid: row.uuid,
        settings: settings(row),
        process_configuration: process_configuration(row, reader),
    }
}

/// Everything but how its process is handled.
pub fn settings(row: &ServerRow) -> Settings {
    Settings {
        uuid: row.uuid,
        meta: Meta {
            name: row.name.clone(),
            description: row.description.clone(),
        },
        suspended: row.suspended,
        environment: environment(row),
        invocation: invocation(row),
        skip_egg_scripts: true,
        build: Build {
            memory_limit: row.memory,
            swap: 0,
            io_weight: 500,
            cpu_limit: row.cpu,
            threads: None,
            disk_space: row.disk,
            oom_disabled: Some(false),
            oom_killer: Some(true),
        },
        container: Container { image: image(row) },
        allocations: allocations(row),
        mounts: Vec::new(),
        egg: Egg {
            id: Uuid::nil().to_string().into(),
            file_denylist: Vec::new(),
        },
        labels: BTreeMap::new(),
        // The word that stock daemons have for it; Roost's node goes by the policy.
        crash_detection_enabled: (row.restart == RestartPolicy::Never).then_some(false),
        roost: Some(RoostSettings {
            runtime: row.runtime,
            identifier: row.identifier.clone(),
            command: row.command.clone(),
            dir: row.dir.clone(),
            pull: row.pull,
            stop_timeout_secs: u64::try_from(row.stop_timeout).unwrap_or(0),
            restart: Some(row.restart),
            encoding: row.encoding,
            ..RoostSettings::default()
        }),
    }
}

/// When it counts as running, and how it stops.
pub fn process_configuration(row: &ServerRow, reader: Reader) -> ProcessConfiguration {
    let done = match (row.done.as_deref().filter(|d| !d.is_empty()), reader) {
        (Some(done), _) => vec![done.to_owned()],
        (None, Reader::Roost) => Vec::new(),
        // A stock daemon leaves a server `starting` for ever without one: here any line will do.
        (None, Reader::Stock | Reader::Pterodactyl) => vec!["regex:.*".to_owned()],
    };
    let stop = stop(row.stop.as_deref());
    ProcessConfiguration {
        startup: Startup {
            done,
            user_interaction: Vec::new(),
            strip_ansi: true,
        },
        stop: match reader {
            Reader::Pterodactyl => without_signals(stop),
            Reader::Roost | Reader::Stock => stop,
        },
        configs: Vec::new(),
    }
}

/// The same for a daemon whose signals fail. A key of the terminal is typed: the container has one, and it makes the
/// signal of it. For any other the engine's own way of stopping comes nearest: the image's stop signal, which is SIGTERM
/// if the image names none.
fn without_signals(stop: Stop) -> Stop {
    let command = |key: &str| Stop {
        kind: "command".to_owned(),
        value: Some(key.to_owned()),
    };
    match (stop.kind.as_str(), stop.value.as_deref()) {
        ("signal", Some("SIGINT")) => command("\u{3}"),
        ("signal", Some("SIGQUIT")) => command("\u{1c}"),
        ("signal", Some(other)) if other != "SIGKILL" => Stop {
            kind: "stop".to_owned(),
            value: None,
        },
        _ => stop,
    }
}

/// `^C` and `^SIGTERM` are signals, `^^C` is SIGKILL, anything else is a command; nothing is the runtime's own way.
pub fn stop(text: Option<&str>) -> Stop {
    let Some(text) = text.filter(|t| !t.is_empty()) else {
        return Stop {
            kind: "stop".to_owned(),
            value: None,
        };
    };
    match text.strip_prefix('^') {
        Some(name) if !name.is_empty() => Stop {
            kind: "signal".to_owned(),
            value: Some(signal(name)),
        },
        _ => Stop {
            kind: "command".to_owned(),
            value: Some(text.to_owned()),
        },
    }
}

/// The name of a signal by what stands behind `^`. Daemons take a name that they do not know for SIGKILL, so the keys
/// of a terminal are spelt out.
fn signal(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    match name.as_str() {
        "C" => "SIGINT".to_owned(),
        "^C" => "SIGKILL".to_owned(),
        "\\" => "SIGQUIT".to_owned(),
        _ if name.starts_with("SIG") => name,
        _ => format!("SIG{name}"),
    }
}

fn environment(row: &ServerRow) -> BTreeMap<String, String> {
    let mut environment = row.env.clone();
    environment.insert("STARTUP".to_owned(), invocation(row));
    // Images made for stock panels look for these; a process gets what is documented and nothing else.
    if row.runtime == Runtime::Docker {
        environment.insert("P_SERVER_LOCATION".to_owned(), LOCATION.to_owned());
        environment.insert("P_SERVER_UUID".to_owned(), row.uuid.to_string());
    }
    environment
}

/// `STARTUP`: as it was given, else the command as a shell would read it.
pub fn invocation(row: &ServerRow) -> String {
    match &row.startup {
        Some(startup) => startup.clone(),
        None => {
            shlex::try_join(row.command.iter().map(String::as_str)).unwrap_or_else(|_| row.command.join(" "))
        }
    }
}

/// `~` tells stock daemons never to pull.
fn image(row: &ServerRow) -> String {
    match (&row.image, row.runtime, row.pull) {
        (Some(image), Runtime::Docker, Pull::Never) if !image.starts_with('~') => format!("~{image}"),
        (Some(image), ..) => image.clone(),
        (None, ..) => String::new(),
    }
}

fn allocations(row: &ServerRow) -> Allocations {
    let mut mappings: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    for port in &row.ports {
        let ports = mappings.entry(port.ip.clone()).or_default();
        if !ports.contains(&port.port) {
            ports.push(port.port);
        }
    }
    let default = match row.ports.first() {
        Some(first) => Allocation {
            ip: first.ip.clone(),
            port: first.port,
        },
        // Daemons fail without one; port 0 means none.
        None => Allocation {
            ip: "127.0.0.1".to_owned(),
            port: 0,
        },
    };
    Allocations {
        force_outgoing_ip: false,
        default,
        mappings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::{admin_api::Port, remote::RemoteServerDetail};
    use serde_json::json;

    fn row() -> ServerRow {
        ServerRow {
            number: 1,
            uuid: Uuid::from_u128(1),
            identifier: "lobby".into(),
            name: "Lobby".into(),
            description: String::new(),
            owner: Uuid::from_u128(2),
            owner_name: "ada".into(),
            node: None,
            node_row: None,
            runtime: Runtime::Docker,
            command: vec!["java".into(), "-jar".into(), "my server.jar".into()],
            image: Some("debian:12".into()),
            startup: None,
            pull: Pull::Missing,
            dir: None,
            ports: vec![
                Port {
                    ip: "0.0.0.0".into(),
                    port: 25565,
                },
                Port {
                    ip: "0.0.0.0".into(),
                    port: 25575,
                },
                Port {
                    ip: "::1".into(),
                    port: 9,
                },
            ],
            memory: 512,
            cpu: 150,
            disk: 0,
            done: Some("Done".into()),
            stop: Some("^C".into()),
            stop_timeout: 30,
            restart: RestartPolicy::OnFailure,
            encoding: roost_wire::encoding::Encoding::default(),
            env: [
                ("EMPTY".to_owned(), String::new()),
                ("N".to_owned(), "25565".to_owned()),
            ]
            .into(),
            suspended: false,
            status: None,
            state: None,
            created_at: 0,
            updated_at: 0,
        }
    }

    #[test]
    fn a_process_gets_no_variable_that_is_not_documented() {
        let process = ServerRow {
            runtime: Runtime::Process,
            image: None,
            ..row()
        };
        let value = serde_json::to_value(remote_server(&process, Reader::Roost)).unwrap();
        let environment = value["settings"]["environment"].as_object().unwrap();
        let names: Vec<&str> = environment.keys().map(String::as_str).collect();
        assert_eq!(names, ["EMPTY", "N", "STARTUP"]);
    }

    #[test]
    fn a_stock_daemon_finds_every_key_it_insists_on() {
        let value = serde_json::to_value(remote_server(&row(), Reader::Stock)).unwrap();
        let settings = &value["settings"];
        assert_eq!(
            settings["allocations"]["mappings"],
            json!({"0.0.0.0": [25565, 25575], "::1": [9]})
        );
        assert_eq!(
            settings["allocations"]["default"],
            json!({"ip": "0.0.0.0", "port": 25565})
        );
        assert_eq!(settings["environment"]["STARTUP"], "java -jar 'my server.jar'");
        assert_eq!(settings["environment"]["EMPTY"], "");
        assert_eq!(
            settings["environment"]["P_SERVER_UUID"],
            Uuid::from_u128(1).to_string()
        );
        assert!(settings["environment"]["P_SERVER_LOCATION"].is_string());
        assert!(
            settings["environment"]
                .as_object()
                .unwrap()
                .values()
                .all(serde_json::Value::is_string)
        );
        assert_eq!(settings["skip_egg_scripts"], true);
        assert!(settings["egg"]["id"].is_string() && settings["mounts"] == json!([]));
        assert_eq!(
            (
                &settings["build"]["oom_disabled"],
                &settings["build"]["oom_killer"]
            ),
            (&json!(false), &json!(true))
        );
        assert_eq!(value["process_configuration"]["startup"]["done"], json!(["Done"]));
        assert_eq!(
            value["process_configuration"]["stop"],
            json!({"type": "signal", "value": "SIGINT"})
        );
        assert_eq!(value["process_configuration"]["configs"], json!([]));
    }

    #[test]
    fn roosts_node_reads_back_what_was_set() {
        let value = serde_json::to_value(remote_server(&row(), Reader::Roost)).unwrap();
        let read: RemoteServerDetail = serde_json::from_value(value).unwrap();
        let roost = read.settings.roost.unwrap();
        assert_eq!(roost.command, row().command);
        assert_eq!(
            (roost.identifier.as_str(), roost.stop_timeout_secs),
            ("lobby", 30)
        );
        assert_eq!(roost.restart, Some(RestartPolicy::OnFailure));
    }

    #[test]
    fn a_server_that_is_never_to_be_started_again_has_no_crash_detection_at_stock_daemons() {
        let never = ServerRow {
            restart: RestartPolicy::Never,
            ..row()
        };
        let value = serde_json::to_value(settings(&never)).unwrap();
        assert_eq!(value["crash_detection_enabled"], json!(false));
        let usual = serde_json::to_value(settings(&row())).unwrap();
        assert_eq!(usual.get("crash_detection_enabled"), None);
    }

    #[test]
    fn without_a_port_daemons_are_told_port_0() {
        let bare = ServerRow {
            ports: Vec::new(),
            ..row()
        };
        let value = serde_json::to_value(settings(&bare)).unwrap();
        assert_eq!(
            value["allocations"]["default"],
            json!({"ip": "127.0.0.1", "port": 0})
        );
        assert_eq!(value["allocations"]["mappings"], json!({}));
    }

    #[test]
    fn stops_are_commands_signals_or_the_runtimes_own() {
        let told = |text| {
            let stop = stop(text);
            (stop.kind, stop.value.unwrap_or_default())
        };
        for (text, kind, value) in [
            (Some("^C"), "signal", "SIGINT"),
            (Some("^c"), "signal", "SIGINT"),
            (Some("^^C"), "signal", "SIGKILL"),
            (Some("^SIGTERM"), "signal", "SIGTERM"),
            (Some("^term"), "signal", "SIGTERM"),
            (Some("stop"), "command", "stop"),
            (Some("^"), "command", "^"),
            (Some(""), "stop", ""),
            (None, "stop", ""),
        ] {
            assert_eq!(told(text), (kind.to_owned(), value.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn where_signals_fail_a_key_is_typed() {
        let told = |text: &str, reader| {
            let row = ServerRow {
                stop: Some(text.into()),
                ..row()
            };
            let stop = process_configuration(&row, reader).stop;
            (stop.kind, stop.value.unwrap_or_default())
        };
        for (text, kind, value) in [
            ("^C", "command", "\u{3}"),
            ("^\\", "command", "\u{1c}"),
            ("^SIGTERM", "stop", ""),
            ("^SIGHUP", "stop", ""),
            ("^^C", "signal", "SIGKILL"),
            ("stop", "command", "stop"),
        ] {
            let expected = (kind.to_owned(), value.to_owned());
            assert_eq!(told(text, Reader::Pterodactyl), expected, "{text:?}");
        }
        let plain = ("signal".to_owned(), "SIGINT".to_owned());
        assert_eq!(told("^C", Reader::Stock), plain);
        assert_eq!(told("^C", Reader::Roost), plain);
    }

    #[test]
    fn without_done_a_stock_daemon_takes_any_line() {
        let silent = ServerRow { done: None, ..row() };
        assert!(
            process_configuration(&silent, Reader::Roost)
                .startup
                .done
                .is_empty()
        );
        assert_eq!(
            process_configuration(&silent, Reader::Stock).startup.done,
            ["regex:.*"]
        );
        assert_eq!(
            Reader::of_agent("Pterodactyl Wings/v1.11.0 (id:abc)"),
            Reader::Pterodactyl
        );
        assert_eq!(Reader::of_agent("Pelican Wings/v1.0.0 (id:abc)"), Reader::Stock);
        assert_eq!(Reader::of_agent("Roost/0.1.0"), Reader::Roost);
    }

    #[test]
    fn never_pull_is_a_tilde() {
        let local = ServerRow {
            pull: Pull::Never,
            ..row()
        };
        assert_eq!(settings(&local).container.image, "~debian:12");
    }
}
