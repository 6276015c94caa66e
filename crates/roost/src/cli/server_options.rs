//! The options of `server create` and `server set`, made into settings. Wrong ones are named before anything is sent.
//! An empty text takes a setting away.

use crate::{args::ServerOptions, failure::Failure};
use roost_wire::{
    admin_api::{Port, ServerSettings},
    encoding::Encoding,
    remote::{Pull, RestartPolicy},
};
use std::{collections::BTreeMap, net::IpAddr};

/// Reads the options.
pub fn settings(options: ServerOptions) -> Result<ServerSettings, Failure> {
    let ports = given(&options.port, port)?;
    let env: Option<Vec<_>> = given(&options.env, variable)?;
    let dir = match options.dir.as_deref() {
        None => None,
        Some("") => Some(String::new()),
        Some(dir) => {
            let dir = std::path::absolute(dir).map_err(|e| Failure::usage(format!("--dir {dir}: {e}")))?;
            Some(dir.to_string_lossy().into_owned())
        }
    };
    Ok(ServerSettings {
        command: match options.command.as_deref() {
            Some("") => Some(Vec::new()),
            command => command.map(split).transpose()?,
        },
        image: options.image,
        startup: options.startup,
        pull: options.pull.as_deref().map(|text| match text {
            "always" => Pull::Always,
            "never" => Pull::Never,
            _ => Pull::Missing,
        }),
        owner: options.owner,
        node: options.node,
        dir,
        chown: options.chown.then_some(true),
        ports,
        memory: options.memory,
        cpu: options.cpu,
        disk: options.disk,
        done: options.done,
        stop: options.stop,
        stop_timeout: options.stop_timeout,
        restart: options.restart.as_deref().map(|text| match text {
            "always" => RestartPolicy::Always,
            "never" => RestartPolicy::Never,
            _ => RestartPolicy::OnFailure,
        }),
        env: env.map(BTreeMap::from_iter),
        encoding: options.encoding.map(known_encoding).transpose()?,
    })
}

/// An option that may stand there several times; a single empty one stands for none.
fn given<T>(texts: &[String], read: impl Fn(&str) -> Result<T, Failure>) -> Result<Option<Vec<T>>, Failure> {
    match texts {
        [] => Ok(None),
        [one] if one.is_empty() => Ok(Some(Vec::new())),
        all => all
            .iter()
            .map(|text| read(text))
            .collect::<Result<_, _>>()
            .map(Some),
    }
}

/// Splits by POSIX shell quoting; nothing is expanded.
fn split(text: &str) -> Result<Vec<String>, Failure> {
    match shlex::split(text) {
        Some(words) if !words.is_empty() => Ok(words),
        Some(_) => Err(Failure::usage(
            "--command is empty: give the program and its arguments",
        )),
        None => Err(Failure::usage(format!(
            "--command {text}: a quote is not closed, or a backslash stands at the end"
        ))),
    }
}

fn port(text: &str) -> Result<Port, Failure> {
    let wrong = || {
        Failure::usage(format!(
            "--port {text}: write a port from 1 to 65535, or IP:PORT such as 127.0.0.1:25565"
        ))
    };
    let (ip, port) = match text.rsplit_once(':') {
        Some((ip, port)) => (ip.trim_start_matches('[').trim_end_matches(']'), port),
        None => ("0.0.0.0", text),
    };
    let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    if port == 0 {
        Err(wrong())
    } else {
        Ok(Port {
            ip: ip.to_string(),
            port,
        })
    }
}

/// An empty text stands for the default.
fn known_encoding(text: String) -> Result<String, Failure> {
    match text.parse::<Encoding>() {
        Err(error) if !text.is_empty() => Err(Failure::usage(format!("--encoding: {error}"))),
        _ => Ok(text),
    }
}

fn variable(text: &str) -> Result<(String, String), Failure> {
    let wrong = || {
        Failure::usage(format!(
            "--env {text}: write NAME=VALUE, the name of letters, digits and underscores"
        ))
    };
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let fits = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if fits {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_but_never_expanded() {
        let words = split(r#"java -Xmx1G -jar "my server.jar" '$HOME' `x` *"#).unwrap();
        assert_eq!(
            words,
            ["java", "-Xmx1G", "-jar", "my server.jar", "$HOME", "`x`", "*"]
        );
        assert!(split("a 'b").is_err() && split(" ").is_err());
    }

    #[test]
    fn an_empty_text_takes_a_setting_away() {
        let empty = || Some(String::new());
        let options = ServerOptions {
            command: empty(),
            dir: empty(),
            port: vec![String::new()],
            env: vec![String::new()],
            ..ServerOptions::default()
        };
        let wanted = ServerSettings {
            command: Some(Vec::new()),
            dir: empty(),
            ports: Some(Vec::new()),
            env: Some(BTreeMap::new()),
            ..ServerSettings::default()
        };
        assert_eq!(settings(options).unwrap(), wanted);
        assert_eq!(
            settings(ServerOptions::default()).unwrap(),
            ServerSettings::default()
        );
    }

    #[test]
    fn ports_and_variables_are_checked() {
        assert_eq!(
            port("25565").unwrap(),
            Port {
                ip: "0.0.0.0".into(),
                port: 25565
            }
        );
        assert_eq!(
            port("[::1]:80").unwrap(),
            Port {
                ip: "::1".into(),
                port: 80
            }
        );
        assert!(port("0").is_err() && port("localhost:1").is_err() && port("70000").is_err());
        assert_eq!(variable("A=b=c").unwrap(), ("A".into(), "b=c".into()));
        assert!(variable("=x").is_err() && variable("1A=x").is_err() && variable("A").is_err());
    }
}
