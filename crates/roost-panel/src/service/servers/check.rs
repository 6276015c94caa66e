//! What a server's settings may be. Errors name the field and what is allowed.
//!
//! Whether a node can do it is asked elsewhere.

use crate::{
    service::{Result, ServiceError, settings},
    store::ServerRow,
};
use roost_wire::{
    admin_api::{Port, ServerSettings},
    encoding::Encoding,
    remote::Runtime,
};
use std::{collections::BTreeMap, net::IpAddr};

/// Most MiB of memory or disk: 64 TiB.
const MIB_MAX: i64 = 64 << 20;
/// Most per cent of one core: 1024 cores.
const CPU_MAX: i64 = 102_400;
/// Most seconds before stop turns into kill: a day.
const STOP_TIMEOUT_MAX: u64 = 86_400;
/// Most ports, variables, arguments.
const LIST_MAX: usize = 256;
/// Most bytes of one text.
const TEXT_MAX: usize = 8_192;
/// Signals that can stop a server.
const SIGNALS: [&str; 9] = [
    "SIGINT", "SIGTERM", "SIGKILL", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGABRT", "SIGWINCH",
];

fn invalid<T>(text: impl Into<String>) -> Result<T> {
    Err(ServiceError::Invalid(text.into()))
}

/// A server's name, trimmed.
pub(super) fn name(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 191 || text.chars().any(char::is_control) {
        return invalid("name: 1 to 191 characters on one line.");
    }
    Ok(text.to_owned())
}

/// Puts what is given in place of what was; an empty text takes a setting away. Owner and node are looked up elsewhere.
pub(super) fn apply(server: &mut ServerRow, given: &ServerSettings) -> Result<()> {
    let text = |name: &str, given: &Option<String>, place: &mut Option<String>| -> Result<bool> {
        let Some(given) = given else { return Ok(false) };
        if given.len() > TEXT_MAX || given.contains(['\0', '\n', '\r']) {
            return invalid(format!("{name}: one line of at most {TEXT_MAX} bytes."));
        }
        *place = Some(given.clone()).filter(|g| !g.is_empty());
        Ok(true)
    };
    let image_given = text("image", &given.image, &mut server.image)?;
    text("startup", &given.startup, &mut server.startup)?;
    text("dir", &given.dir, &mut server.dir)?;
    if given.chown == Some(true) && given.dir.as_deref().is_none_or(str::is_empty) {
        return invalid("chown: name the directory that is to be given to the server's user (dir), too.");
    }
    text("done", &given.done, &mut server.done)?;
    text("stop", &given.stop, &mut server.stop)?;
    if image_given {
        server.runtime = if server.image.is_some() {
            Runtime::Docker
        } else {
            Runtime::Process
        };
    }
    if let Some(command) = &given.command {
        server.command = argv(command)?;
    }
    if let Some(pull) = given.pull {
        server.pull = pull;
    }
    if let Some(given) = &given.ports {
        server.ports = ports(given)?;
    }
    if let Some(encoding) = &given.encoding {
        server.encoding = match encoding.as_str() {
            "" => Encoding::default(),
            name => name
                .parse()
                .map_err(|e| ServiceError::Invalid(format!("encoding: {e}.")))?,
        };
    }
    if let Some(given) = &given.env {
        server.env = environment(given)?;
    }
    if let Some(memory) = given.memory {
        server.memory = within("memory", memory, MIB_MAX, "MiB")?;
    }
    if let Some(cpu) = given.cpu {
        server.cpu = within("cpu", cpu, CPU_MAX, "per cent of one core")?;
    }
    if let Some(disk) = given.disk {
        server.disk = within("disk", disk, MIB_MAX, "MiB")?;
    }
    if let Some(seconds) = given.stop_timeout {
        if !(1..=STOP_TIMEOUT_MAX).contains(&seconds) {
            return invalid(format!("stop_timeout: 1 to {STOP_TIMEOUT_MAX} seconds."));
        }
        server.stop_timeout = seconds.cast_signed();
    }
    if let Some(restart) = given.restart {
        server.restart = restart;
    }
    whole(server)
}

/// What only shows on the whole.
fn whole(server: &ServerRow) -> Result<()> {
    if server.runtime == Runtime::Process && server.command.is_empty() {
        return invalid(
            "command: a server without an image needs one, such as --command './start.sh'; or give --image to run it in \
             Docker.",
        );
    }
    if let Some(image) = &server.image {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_./:@~+".contains(c);
        if image.len() > 255 || !image.chars().all(fits) {
            return invalid(
                "image: a name such as debian:12 or ghcr.io/someone/game:1.2, at most 255 characters.",
            );
        }
    }
    if let Some(dir) = &server.dir {
        let dir = std::path::Path::new(dir);
        let plain = dir
            .components()
            .all(|c| matches!(c, std::path::Component::RootDir | std::path::Component::Normal(_)));
        if !dir.is_absolute() || !plain || dir.parent().is_none() {
            return invalid("dir: an absolute path without `..`, and not `/`.");
        }
    }
    if let Some(expression) = server
        .done
        .as_deref()
        .and_then(|done| done.strip_prefix("regex:"))
        && let Err(error) = regex::Regex::new(expression)
    {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default();
        return invalid(format!(
            "done: `{expression}` is no regular expression ({why}). Without `regex:` in front it is taken as plain text."
        ));
    }
    let stop = settings::stop(server.stop.as_deref());
    if stop.kind == "signal"
        && let Some(signal) = &stop.value
        && !SIGNALS.contains(&signal.as_str())
    {
        return invalid(format!(
            "stop: {signal} can't stop a server. Give a command, or ^C, or one of {}.",
            SIGNALS.map(|s| format!("^{s}")).join(", ")
        ));
    }
    Ok(())
}

fn argv(given: &[String]) -> Result<Vec<String>> {
    let bytes: usize = given.iter().map(String::len).sum();
    if given.len() > LIST_MAX || bytes > 32_768 || given.iter().any(|a| a.contains('\0')) {
        return invalid(format!(
            "command: at most {LIST_MAX} arguments and 32 KiB, without NUL."
        ));
    }
    if given.first().is_some_and(|program| program.trim().is_empty()) {
        return invalid("command: its first word is the program, and is empty.");
    }
    Ok(given.to_vec())
}

fn ports(given: &[Port]) -> Result<Vec<Port>> {
    let mut ports: Vec<Port> = Vec::new();
    if given.len() > LIST_MAX {
        return invalid(format!("ports: at most {LIST_MAX}."));
    }
    for port in given {
        let Ok(ip) = port.ip.parse::<IpAddr>() else {
            let shown: String = port.ip.chars().take(60).collect();
            return invalid(format!(
                "ports: `{shown}` is no IP address. Write PORT or IP:PORT."
            ));
        };
        if port.port == 0 {
            return invalid("ports: 1 to 65535.");
        }
        let port = Port {
            ip: ip.to_string(),
            port: port.port,
        };
        if ports.contains(&port) {
            return invalid(format!("ports: {}:{} stands there twice.", port.ip, port.port));
        }
        ports.push(port);
    }
    Ok(ports)
}

fn environment(given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    if given.len() > LIST_MAX {
        return invalid(format!("env: at most {LIST_MAX} variables."));
    }
    for (name, value) in given {
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !starts || !plain || name.len() > 191 {
            let shown: String = name.chars().take(60).collect();
            return invalid(format!(
                "env: `{shown}` is no name of a variable: letters, digits and `_`, not a digit first."
            ));
        }
        if value.len() > TEXT_MAX || value.contains('\0') {
            return invalid(format!(
                "env: the value of {name} has at most {TEXT_MAX} bytes, without NUL."
            ));
        }
    }
    Ok(given.clone())
}

fn within(name: &str, value: i64, most: i64, unit: &str) -> Result<i64> {
    if (0..=most).contains(&value) {
        Ok(value)
    } else {
        invalid(format!("{name}: 0 (no limit) to {most} {unit}."))
    }
}
