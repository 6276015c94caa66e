//! What `roost up` tells the person who started it: the address, how to reach it from elsewhere, the first
//! administrator. To standard output; the log goes to standard error.

use crate::{
    data_dir::{DATA_OF_ROOT, write_private},
    output::Output,
};
use std::{io::IsTerminal, net::SocketAddr, path::Path};

/// What there is to tell.
#[derive(Debug)]
pub struct Face<'a> {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether that is said by `--listen`, or in `roost.toml` alone.
    pub by_argument: bool,
    /// Public address, if one is set.
    pub url: Option<&'a str>,
    /// TLS ends here.
    pub tls: bool,
    /// Made at this start: name and password, the latter only if it was made up.
    pub admin: Option<(&'a str, Option<&'a str>)>,
    /// A demo server was made at this start.
    pub demo: bool,
    /// The data directory.
    pub data: &'a Path,
    /// The command line's own name for this program.
    pub program: &'a Path,
}

impl Face<'_> {
    /// Tells it. A made-up password goes to a terminal, else into a file of mode 0600.
    pub fn show(&self, json: bool) -> anyhow::Result<()> {
        let out = Output { json };
        let address = self.address();
        let terminal = std::io::stdout().is_terminal();
        let password_file = match self.admin {
            Some((_, Some(password))) if !terminal => {
                let file = self.data.join("admin-password");
                write_private(&file, format!("{password}\n").as_bytes())?;
                Some(file)
            }
            _ => None,
        };
        if json {
            let ready = serde_json::json!({
                "message": "Roost is ready",
                "url": address,
                "admin": self.admin.map(|(name, _)| name),
                "password_file": password_file,
            });
            out.tell(&ready.to_string());
            return Ok(());
        }
        let mut lines = vec![format!("Roost is ready: {address}")];
        if self.listen.ip().is_loopback() && self.url.is_none() && !has_display() {
            let port = self.listen.port();
            lines.push(format!(
                "  from your own machine   ssh -L {port}:localhost:{port} {}",
                host()
            ));
            let everybody = if self.by_argument {
                format!("start it with --listen 0.0.0.0:{port}")
            } else {
                format!("listen = \"0.0.0.0:{port}\" in roost.toml")
            };
            lines.push(format!("  for everybody           {everybody}"));
        }
        if let Some((name, password)) = self.admin {
            lines.push(format!("  administrator           {name}"));
            match (password, &password_file) {
                (Some(_), Some(file)) => {
                    lines.push(format!("  password                in {}", file.display()));
                }
                (Some(password), None) => lines.push(format!(
                    "  password                {password}   (shown this once)"
                )),
                (None, _) => {}
            }
        }
        if self.demo {
            lines.push(format!(
                "  demo in a terminal      {} attach demo{}",
                self.program.display(),
                data_option(self.data, rustix::process::geteuid().is_root()),
            ));
        }
        out.tell(&lines.join("\n"));
        Ok(())
    }

    fn address(&self) -> String {
        if let Some(url) = self.url {
            return url.to_owned();
        }
        let scheme = if self.tls { "https" } else { "http" };
        let ip = self.listen.ip();
        if ip.is_loopback() || ip.is_unspecified() {
            format!("{scheme}://localhost:{}", self.listen.port())
        } else {
            format!("{scheme}://{}", self.listen)
        }
    }
}

/// What makes the command line find `data` from any directory.
fn data_option(data: &Path, is_root: bool) -> String {
    if is_root && data == Path::new(DATA_OF_ROOT) {
        return String::new();
    }
    let path = data.to_string_lossy();
    let quoted = shlex::try_quote(&path).unwrap_or_default();
    format!(" --data {quoted}")
}

fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()))
}

fn host() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "USER".to_owned());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_is_shown_finds_this_roost() {
        let of = |data: &str, is_root| data_option(Path::new(data), is_root);
        assert_eq!(of("/var/lib/roost", true), "");
        assert_eq!(of("/srv/roost", true), " --data /srv/roost");
        assert_eq!(of("/home/ada/roost/data", false), " --data /home/ada/roost/data");
        assert_eq!(of("/srv/my roost", true), " --data '/srv/my roost'");
    }
}
