//! `roost server`, all but its history.

use super::{Context, confirm, history, server_options, server_power, server_view, server_view::View};
use crate::{
    args::{LogSearch, Server as Verb},
    client::segment,
    failure::Failure,
    output::{local_time, or_dash},
};
use roost_wire::{
    admin_api::{Grant, GrantRequest, NewServer, Server, ServerSettings},
    power::{PowerAction, PowerState},
};

/// Runs one verb.
pub async fn run(verb: Verb, cx: &Context) -> Result<(), Failure> {
    match verb {
        Verb::Create { name, options, start } => {
            let new = NewServer {
                name,
                identifier: None,
                settings: server_options::settings(options)?,
                start,
            };
            let mut server: Server = cx.panel.post("/api/admin/servers", &new).await?;
            if start {
                let warnings = std::mem::take(&mut server.warnings);
                let before = View::of(server);
                let after =
                    server_power::settled(&before.identifier, PowerAction::Start, &before, cx).await?;
                server = *after
                    .server
                    .ok_or_else(|| Failure::new("the panel does not show the server"))?;
                for warning in warnings {
                    if !server.warnings.contains(&warning) {
                        server.warnings.push(warning);
                    }
                }
                if let Some(failure) = not_up(&server) {
                    return Err(failure);
                }
            }
            cx.out.value(&server, created)
        }
        Verb::Set { server, options } => {
            let patch = server_options::settings(options)?;
            if patch == ServerSettings::default() {
                return Err(Failure::usage(
                    "name what to change: `roost server set --help` lists the options",
                ));
            }
            let server: Server = cx
                .panel
                .ask(http::Method::PATCH, &admin(&server, ""), Some(&patch))
                .await?;
            cx.out.value(&server, |s| {
                with_warnings(
                    format!("{} is changed; it holds from the next start.", s.identifier),
                    s,
                )
            })
        }
        Verb::List => list(cx).await,
        Verb::Show(name) => {
            let server: Result<Server, Failure> = cx.panel.get(&admin(&name.server, "")).await;
            match server {
                Err(failure) if failure.is_forbidden() => server_view::show_own(&name.server, cx).await,
                other => cx.out.value(&other?, show),
            }
        }
        Verb::Start(name) => server_power::act(&name.server, PowerAction::Start, cx).await,
        Verb::Stop(name) => server_power::act(&name.server, PowerAction::Stop, cx).await,
        Verb::Restart(name) => server_power::act(&name.server, PowerAction::Restart, cx).await,
        Verb::Kill(name) => server_power::act(&name.server, PowerAction::Kill, cx).await,
        Verb::Suspend(name) => {
            let server: Server = cx
                .panel
                .post(&admin(&name.server, "/suspend"), &serde_json::json!({}))
                .await?;
            cx.out.value(&server, |s| {
                format!(
                    "{} is suspended: it is stopped, and its consoles have ended.",
                    s.identifier
                )
            })
        }
        Verb::Unsuspend(name) => {
            let server: Server = cx
                .panel
                .post(&admin(&name.server, "/unsuspend"), &serde_json::json!({}))
                .await?;
            cx.out
                .value(&server, |s| format!("{} may run again.", s.identifier))
        }
        Verb::Delete { server, yes } => {
            confirm(
                &format!("Delete {server} with its history and the directory that Roost made?"),
                yes,
            )?;
            cx.panel.delete(&admin(&server, "")).await?;
            cx.out.done(
                &format!("{server} is deleted."),
                serde_json::json!({"server": server}),
            )
        }
        Verb::Send { server, text } => history::send(&server, text, cx).await,
        Verb::Logs {
            server,
            follow,
            lines,
            all,
            search,
            erase_before,
        } => match erase_before {
            Some(time) => history::erase(&server, &time, cx).await,
            None if search != LogSearch::default() => {
                history::search(&server, (!all).then_some(lines), &search, cx).await
            }
            None => history::logs(&server, (!all).then_some(lines), follow, cx).await,
        },
        Verb::Grant {
            server,
            user,
            permissions,
        } => {
            let path = admin(&server, &format!("/grants/{}", segment(&user)));
            let grant: Grant = cx
                .panel
                .ask(http::Method::PUT, &path, Some(&GrantRequest { permissions }))
                .await?;
            cx.out.value(&grant, |g| {
                format!("{} holds on {server}: {}", g.user, g.permissions.join(", "))
            })
        }
        Verb::Revoke { server, user } => {
            cx.panel
                .delete(&admin(&server, &format!("/grants/{}", segment(&user))))
                .await?;
            cx.out.done(
                &format!(
                    "{user} has no rights on {server} any more; consoles of this user there have ended."
                ),
                serde_json::json!({"server": server, "user": user}),
            )
        }
    }
}

async fn list(cx: &Context) -> Result<(), Failure> {
    let servers: Vec<Server> = match cx.panel.get("/api/admin/servers").await {
        Err(failure) if failure.is_forbidden() => return server_view::list_own(cx).await,
        other => other?,
    };
    if servers.is_empty() && !cx.out.json {
        return cx.out.line("No servers yet. Make one: roost server create my-server --command './start.sh' --dir /srv/game --start");
    }
    cx.out.table(
        &servers,
        &["server", "state", "owner", "node", "runs", "name"],
        |s| {
            let state = server_view::state(s.state, s.starts_again_at.as_deref());
            let runs = s.image.clone().unwrap_or_else(|| command(s));
            vec![
                s.identifier.clone(),
                if s.suspended {
                    "suspended".to_owned()
                } else {
                    state
                },
                s.owner.clone(),
                or_dash(s.node.as_deref()),
                runs.chars().take(40).collect(),
                s.name.clone(),
            ]
        },
    )
}

/// As `--command` takes it.
fn command(server: &Server) -> String {
    let words = server.command.iter().map(String::as_str);
    shlex::try_join(words).unwrap_or_else(|_| server.command.join(" "))
}

/// A path of the admin API.
pub(super) fn admin(server: &str, rest: &str) -> String {
    format!("/api/admin/servers/{}{rest}", segment(server))
}

/// Why a new server that was to be started is not up.
fn not_up(s: &Server) -> Option<Failure> {
    if s.state.is_some_and(|state| state != PowerState::Offline) {
        return None;
    }
    let id = &s.identifier;
    let state = server_view::state(s.state, s.starts_again_at.as_deref());
    let why = s.last_exit.as_ref().map(|e| format!(" {e}")).unwrap_or_default();
    Some(Failure::new(with_warnings(
        format!(
            "server {id} was made ({}), but it is not up: its state is {state}.{why} Its console says more: roost server logs \
             {id}. Once that is mended: roost server start {id}",
            s.uuid
        ),
        s,
    )))
}

fn created(s: &Server) -> String {
    let id = &s.identifier;
    let next = match s.state {
        Some(state) if state != PowerState::Offline => format!("Watch it: roost attach {id}"),
        _ => format!("Start it: roost server start {id}"),
    };
    with_warnings(format!("Server {id} is there ({}). {next}", s.uuid), s)
}

fn with_warnings(mut text: String, server: &Server) -> String {
    for warning in &server.warnings {
        text.push_str("\nNote: ");
        text.push_str(warning);
    }
    text
}

fn show(s: &Server) -> String {
    let none_or = |n: i64, unit: &str| {
        if n == 0 {
            "no limit".to_owned()
        } else {
            format!("{n} {unit}")
        }
    };
    let ports: Vec<String> = s
        .ports
        .iter()
        .map(|p| {
            if p.ip.contains(':') {
                format!("[{}]:{}", p.ip, p.port)
            } else {
                format!("{}:{}", p.ip, p.port)
            }
        })
        .collect();
    let mut rows = vec![
        ("server", s.identifier.clone()),
        ("name", s.name.clone()),
        ("uuid", s.uuid.to_string()),
        (
            "state",
            if s.suspended {
                "suspended".to_owned()
            } else {
                match (s.state, &s.node) {
                    (Some(_), _) => server_view::state(s.state, s.starts_again_at.as_deref()),
                    (None, Some(_)) => "unknown: its node does not answer".to_owned(),
                    (None, None) => "unknown: it has no node".to_owned(),
                }
            },
        ),
        ("owner", s.owner.clone()),
        ("node", or_dash(s.node.as_deref())),
        ("command", or_dash(Some(&command(s)))),
        ("image", or_dash(s.image.as_deref())),
        ("startup", or_dash(s.startup.as_deref())),
        ("directory", or_dash(s.directory.as_deref().or(s.dir.as_deref()))),
        ("uid", or_dash(s.uid.map(|uid| uid.to_string()).as_deref())),
        ("ports", or_dash(Some(&ports.join(", ")))),
        ("memory", none_or(s.memory, "MiB")),
        ("cpu", none_or(s.cpu, "% of one core")),
        ("disk", none_or(s.disk, "MiB")),
        ("done text", or_dash(s.done.as_deref())),
        ("stop", or_dash(s.stop.as_deref())),
        ("kill timer", format!("{} s", s.stop_timeout)),
        ("restart", s.restart.as_str().to_owned()),
        ("encoding", s.encoding.to_string()),
        ("created", local_time(&s.created_at)),
    ];
    if let Some(stats) = &s.stats {
        rows.push((
            "uses",
            format!(
                "{:.1} MiB memory, {:.1} % CPU, {:.1} MiB disk",
                mib(stats.memory_bytes),
                stats.cpu_absolute,
                mib(stats.disk_bytes)
            ),
        ));
    }
    if let Some(pid) = s.pid {
        rows.push(("pid", pid.to_string()));
    }
    match &s.last_end {
        Some(end) => {
            rows.push(("last run", format!("{} ({})", end.text, local_time(&end.time))));
            let lines = if end.asked { &[] } else { end.lines.as_slice() };
            let names = std::iter::once("last words").chain(std::iter::repeat(""));
            rows.extend(names.zip(lines).map(|(name, line)| (name, line.clone())));
        }
        None => rows.extend(s.last_exit.iter().map(|exit| ("last run", exit.clone()))),
    }
    let text = rows
        .iter()
        .map(|(name, value)| format!("{name:<10} {value}"))
        .collect::<Vec<_>>()
        .join("\n");
    with_warnings(text, s)
}

#[expect(clippy::cast_precision_loss, reason = "for people, one decimal")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(state: &str, last_exit: Option<&str>) -> Server {
        serde_json::from_value(serde_json::json!({
            "uuid": "9dd24623-4a8e-44c7-b0cc-131caba3c220", "identifier": "lobby", "name": "Lobby",
            "owner": "ada", "node": "local", "runtime": "process", "command": ["printf", "<%s>", "a b"],
            "image": null, "startup": null, "pull": "missing", "dir": null, "ports": [], "memory": 0,
            "cpu": 0, "disk": 0, "done": null, "stop": null, "stop_timeout": 600, "env": {},
            "suspended": false, "created_at": "2026-11-24T13:42:15.522Z", "state": state, "stats": null,
            "pid": null, "warnings": [], "last_exit": last_exit,
        }))
        .unwrap()
    }

    #[test]
    fn a_server_that_was_started_and_fell_over_is_not_told_to_be_started() {
        let fell = server("offline", Some("The server has ended: exit code 1."));
        let failure = not_up(&fell).unwrap();
        let text = &failure.message;
        assert!(
            text.contains("exit code 1")
                && text.contains("roost server logs lobby")
                && text.contains("offline"),
            "{text}"
        );
        assert_eq!(failure.code, 1);
        assert!(not_up(&server("running", None)).is_none());
        assert!(not_up(&server("starting", None)).is_none());
        assert!(created(&fell).contains("roost server start lobby"));
        assert!(created(&server("running", None)).contains("roost attach lobby"));
    }

    #[test]
    fn a_server_is_shown_with_its_place_its_user_and_its_next_start() {
        let mut made = server("offline", None);
        made.directory = Some("/var/lib/roost/servers/x".to_owned());
        made.uid = Some(700_003);
        made.starts_again_at = Some("2026-11-24T13:42:19Z".to_owned());
        let text = show(&made);
        for row in [
            "directory  /var/lib/roost/servers/x",
            "uid        700003",
            "created    2026-11-2",
            "state      offline, starts again at 2026-11-2",
        ] {
            assert!(text.contains(row), "{row} is not in:\n{text}");
        }
        made.starts_again_at = None;
        made.directory = None;
        made.dir = Some("/srv/x".to_owned());
        let text = show(&made);
        assert!(
            text.contains("directory  /srv/x") && text.contains("state      offline\n"),
            "{text}"
        );
    }

    #[test]
    fn a_command_is_shown_as_it_can_be_typed() {
        let words = shlex::split(&command(&server("offline", None))).unwrap();
        assert_eq!(words, ["printf", "<%s>", "a b"]);
    }
}
