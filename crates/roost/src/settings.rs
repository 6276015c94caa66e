//! Settings of `roost up`, `panel` and `daemon`: arguments, then environment, then `roost.toml`, then defaults.
//!
//! Every wrong key and value is named in one run, with its place and what is allowed. What a setting does is the
//! business of whoever gets it.

mod environment;
mod file;

pub use environment::warn_of_unknown_variables;
pub use file::template;

use ipnet::IpNet;
use roost_wire::{node_config::ConsoleLimits, origin::Origin};
use std::{
    collections::BTreeMap, fmt, net::SocketAddr, num::NonZeroU32, path::Path, path::PathBuf, str::FromStr,
};

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Nobody set it.
    Default,
    /// `roost.toml`.
    File,
    /// `ROOST_...`.
    Environment,
    /// The command line.
    Argument,
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Argument => "argument",
        })
    }
}

/// One setting as `roost config` lists it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Listed {
    /// Key in `roost.toml`.
    pub key: &'static str,
    /// In force.
    pub value: String,
    /// Without any source.
    pub default: String,
    /// Which source won.
    pub source: String,
    /// What it is for.
    pub about: &'static str,
}

/// Raw texts by key: what the command line set. Lists have one element each.
#[derive(Debug, Default, Clone)]
pub struct Given(pub BTreeMap<&'static str, Vec<String>>);

impl Given {
    /// Adds a value, if there is one.
    pub fn set(&mut self, key: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.0.insert(key, vec![value.to_string()]);
        }
    }

    /// Adds a list, if it is not empty.
    pub fn set_list(&mut self, key: &'static str, values: &[String]) {
        if !values.is_empty() {
            self.0.insert(key, values.to_vec());
        }
    }
}

struct Key {
    name: &'static str,
    list: bool,
    default: &'static str,
    about: &'static str,
}

const fn key(name: &'static str, default: &'static str, about: &'static str) -> Key {
    Key {
        name,
        list: false,
        default,
        about,
    }
}

const fn list(name: &'static str, about: &'static str) -> Key {
    Key {
        name,
        list: true,
        default: "",
        about,
    }
}

const KEYS: &[Key] = &[
    key("listen", "127.0.0.1:8080", "address and port of panel and node"),
    key(
        "url",
        "",
        "public address, such as https://console.example.com; empty: that of each request",
    ),
    key("tls_cert", "", "PEM file of the certificate chain; with tls_key"),
    key("tls_key", "", "PEM file of the key; with tls_cert"),
    list(
        "trusted_proxies",
        "networks whose X-Forwarded-* headers are believed, such as 10.0.0.0/8",
    ),
    list(
        "allowed_origins",
        "further web pages that may open consoles, such as https://status.example.com",
    ),
    key(
        "database",
        "",
        "postgres://user:password@host/name; empty: SQLite in the data directory",
    ),
    key(
        "token_permissions",
        "granted",
        "granted: a subuser's token holds what was granted; full: everything",
    ),
    key(
        "uid_first",
        "700000",
        "first user id of servers that run as processes (as root only)",
    ),
    key("uid_count", "10000", "how many user ids that range has"),
    key(
        "boot_starts",
        "4",
        "servers that come up at once after the machine did",
    ),
    key(
        "docker_socket",
        "",
        "the engine's socket; empty: DOCKER_HOST, then /var/run/docker.sock",
    ),
    key(
        "docker_network",
        "bridge",
        "network of containers: bridge, host, none or a network's name",
    ),
    key(
        "log_lines",
        "150",
        "lines that a console gets as its first history",
    ),
    key(
        "metrics_listen",
        "",
        "address and port for Prometheus' GET /metrics, such as 127.0.0.1:9100; empty: none",
    ),
    list(
        "console_limits",
        "limits of consoles that differ from the defaults, such as per_address=3000",
    ),
];

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub url: Option<String>,
    pub tls: Option<(PathBuf, PathBuf)>,
    pub trusted_proxies: Vec<IpNet>,
    pub allowed_origins: Vec<String>,
    pub database: Option<String>,
    pub token_permissions_full: bool,
    pub uid_first: u32,
    pub uid_count: u32,
    pub boot_starts: u32,
    pub docker_socket: String,
    pub docker_network: String,
    pub log_lines: u32,
    pub metrics_listen: Option<SocketAddr>,
    pub console_limits: ConsoleLimits,
    /// For `roost config`.
    pub listed: Vec<Listed>,
}

/// Everything that is wrong, a line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Wrong(pub Vec<String>);

impl Settings {
    /// Reads all sources. `file` need not exist; `environment` looks a variable up.
    pub fn read(
        file: &Path,
        environment: impl Fn(&str) -> Option<String>,
        given: &Given,
    ) -> Result<Self, Wrong> {
        let mut wrong = Vec::new();
        let in_file = file::read(file, &mut wrong);
        let mut found = BTreeMap::new();
        let mut listed = Vec::new();
        for key in KEYS {
            let variable = format!("ROOST_{}", key.name.to_ascii_uppercase());
            let (values, source) = if let Some(values) = given.0.get(key.name) {
                (values.clone(), From::Argument)
            } else if let Some(text) = environment(&variable) {
                (
                    if key.list { split_list(&text) } else { vec![text] },
                    From::Environment,
                )
            } else if let Some(values) = in_file.get(key.name) {
                (values.clone(), From::File)
            } else if key.default.is_empty() {
                (Vec::new(), From::Default)
            } else {
                (vec![key.default.to_owned()], From::Default)
            };
            listed.push(Listed {
                key: key.name,
                value: if key.name == "database" {
                    hide_password(&values.join(", "))
                } else {
                    values.join(", ")
                },
                default: key.default.to_owned(),
                source: source.to_string(),
                about: key.about,
            });
            let place = match source {
                From::Argument => option(key.name),
                From::Environment => variable,
                From::File | From::Default => format!("{}: {}", file.display(), key.name),
            };
            found.insert(key.name, (values, place));
        }
        let settings = Self::check(&found, listed, &mut wrong);
        match settings {
            Some(settings) if wrong.is_empty() => Ok(settings),
            _ => Err(Wrong(wrong)),
        }
    }

    fn check(
        found: &BTreeMap<&'static str, (Vec<String>, String)>,
        listed: Vec<Listed>,
        wrong: &mut Vec<String>,
    ) -> Option<Self> {
        let text = |name: &str| {
            found
                .get(name)
                .and_then(|(v, _)| v.first())
                .cloned()
                .filter(|t| !t.is_empty())
        };
        let place = |name: &str| found.get(name).map_or("", |(_, place)| place.as_str());
        let all = |name: &str| found.get(name).map(|(v, _)| v.clone()).unwrap_or_default();

        let listen = parse::<SocketAddr>(
            &text("listen"),
            place("listen"),
            "an address and port, such as 127.0.0.1:8080 or [::]:8080",
            wrong,
        );
        let uid_first = parse::<u32>(
            &text("uid_first"),
            place("uid_first"),
            "a user id above 1000",
            wrong,
        );
        let uid_count = parse::<u32>(&text("uid_count"), place("uid_count"), "a number above 0", wrong);
        let boot_starts = parse::<NonZeroU32>(
            &text("boot_starts"),
            place("boot_starts"),
            "a number above 0",
            wrong,
        );
        let metrics_listen = text("metrics_listen").and_then(|address| {
            parse::<SocketAddr>(
                &Some(address),
                place("metrics_listen"),
                "an address and port, such as 127.0.0.1:9100",
                wrong,
            )
        });
        let log_lines = parse::<u32>(&text("log_lines"), place("log_lines"), "a number", wrong);
        if uid_first.is_some_and(|uid| uid <= 1000) {
            wrong.push(format!(
                "{}: servers can't run as users up to 1000, use a number above",
                place("uid_first")
            ));
        }
        let url = text("url");
        if let Some(url) = &url
            && (Origin::parse(url).is_err() || !(url.starts_with("http://") || url.starts_with("https://")))
        {
            wrong.push(format!(
                "{}: `{url}` is not a web address, write https://console.example.com",
                place("url")
            ));
        }
        let mut console_limits = ConsoleLimits::default();
        for limit in all("console_limits") {
            if let Err(e) = console_limits.set(&limit) {
                wrong.push(format!("{}: {e}", place("console_limits")));
            }
        }
        let mut trusted_proxies = Vec::new();
        for net in all("trusted_proxies") {
            match net
                .parse::<IpNet>()
                .or_else(|_| net.parse::<std::net::IpAddr>().map(IpNet::from))
            {
                Ok(net) => trusted_proxies.push(net),
                Err(_) => wrong.push(format!(
                    "{}: `{net}` is not a network, write 10.0.0.0/8",
                    place("trusted_proxies")
                )),
            }
        }
        for origin in all("allowed_origins") {
            if origin != "*"
                && let Err(e) = Origin::parse(&origin)
            {
                wrong.push(format!("{}: {e}", place("allowed_origins")));
            }
        }
        let tls = match (text("tls_cert"), text("tls_key")) {
            (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
            (None, None) => None,
            (Some(_), None) => {
                wrong.push(format!("{}: give tls_key as well", place("tls_cert")));
                None
            }
            (None, Some(_)) => {
                wrong.push(format!("{}: give tls_cert as well", place("tls_key")));
                None
            }
        };
        let database = text("database");
        if let Some(url) = &database
            && !["postgres://", "postgresql://"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
        {
            wrong.push(format!(
                "{}: write postgres://user:password@host/name, or leave it out for SQLite",
                place("database")
            ));
        }
        let token_permissions_full = match text("token_permissions").as_deref() {
            Some("full") => true,
            Some("granted") | None => false,
            Some(other) => {
                wrong.push(format!(
                    "{}: `{other}` is neither `granted` nor `full`",
                    place("token_permissions")
                ));
                false
            }
        };
        Some(Self {
            listen: listen?,
            url: url.map(|u| u.trim_end_matches('/').to_owned()),
            tls,
            trusted_proxies,
            allowed_origins: all("allowed_origins"),
            database,
            token_permissions_full,
            uid_first: uid_first?,
            uid_count: uid_count?.max(1),
            boot_starts: boot_starts?.get(),
            docker_socket: text("docker_socket").unwrap_or_default(),
            docker_network: text("docker_network")?,
            log_lines: log_lines?,
            metrics_listen,
            console_limits,
            listed,
        })
    }
}

/// The option of the command line that sets a key.
fn option(key: &str) -> String {
    match key {
        // One at a time there.
        "trusted_proxies" => "--trusted-proxy".to_owned(),
        "allowed_origins" => "--allow-origin".to_owned(),
        key => format!("--{}", key.replace('_', "-")),
    }
}

fn parse<T: FromStr>(
    text: &Option<String>,
    place: &str,
    allowed: &str,
    wrong: &mut Vec<String>,
) -> Option<T> {
    let text = text.as_deref().unwrap_or_default();
    let value = text.parse().ok();
    if value.is_none() {
        wrong.push(format!("{place}: `{text}` is not {allowed}"));
    }
    value
}

fn split_list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
        .collect()
}

fn hide_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            let user = url[scheme + 3..at].split(':').next().unwrap_or_default();
            format!("{}{user}:...{}", &url[..scheme + 3], &url[at..])
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, given: &Given) -> Result<Settings, Wrong> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("roost.toml");
        std::fs::write(&path, file).unwrap();
        Settings::read(&path, |_| None, given)
    }

    #[test]
    fn arguments_win_over_the_file() {
        let mut given = Given::default();
        given.set("listen", Some("127.0.0.1:9000"));
        let settings = read("listen = \"127.0.0.1:7000\"\nlog_lines = 10", &given).unwrap();
        assert_eq!(settings.listen.port(), 9000);
        assert_eq!(settings.log_lines, 10);
        assert_eq!(settings.listed[0].source, "argument");
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let file = "listen = \"here\"\nlisten_port = 1\nurl = \"console\"\ntrusted_proxies = \"10.0.0.0/8\"\ndatabase = \"mysql://x\"";
        let Err(Wrong(lines)) = read(file, &Given::default()) else {
            panic!("these settings are wrong")
        };
        let all = lines.join("\n");
        for word in [
            "listen_port",
            "`here`",
            "`console`",
            "trusted_proxies",
            "postgres://",
        ] {
            assert!(all.contains(word), "{word} is not named in:\n{all}");
        }
    }

    #[test]
    fn a_wrong_argument_is_named_as_it_was_typed() {
        let mut given = Given::default();
        given.set_list("allowed_origins", &["foo".to_owned()]);
        given.set_list("trusted_proxies", &["home".to_owned()]);
        given.set("tls_cert", Some("x.pem"));
        let Err(Wrong(lines)) = read("", &given) else {
            panic!("these arguments are wrong")
        };
        for option in ["--allow-origin", "--trusted-proxy", "--tls-cert"] {
            let told = lines.iter().any(|line| line.starts_with(&format!("{option}: ")));
            assert!(told, "{option} is not named in {lines:?}");
        }
        use clap::CommandFactory;
        let command = crate::args::Cli::command();
        let up = command.find_subcommand("up").unwrap();
        for key in [
            "listen",
            "url",
            "tls_cert",
            "tls_key",
            "trusted_proxies",
            "allowed_origins",
        ] {
            let option = option(key);
            let known = up.get_arguments().filter_map(clap::Arg::get_long);
            assert!(
                known.into_iter().any(|long| format!("--{long}") == option),
                "{option}"
            );
        }
    }

    #[test]
    fn the_template_is_a_file_of_defaults() {
        let uncommented: String = template()
            .lines()
            .skip(1)
            .filter_map(|l| l.strip_prefix("# "))
            .filter(|l| l.contains(" = "))
            .map(|l| format!("{l}\n"))
            .collect();
        let settings = read(&uncommented, &Given::default()).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    }

    #[test]
    fn a_database_password_is_not_listed() {
        assert_eq!(
            hide_password("postgres://me:secret@db/roost"),
            "postgres://me:...@db/roost"
        );
    }
}
