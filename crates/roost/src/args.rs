//! The command line: every verb with its options, and nothing of what they do.

use clap::{Args, Parser, Subcommand};
use std::{ffi::OsString, path::PathBuf};

/// Exit codes, shown below the help.
pub const EXIT_CODES: &str = "Exit codes:
  0  done
  1  it failed; the message says why
  2  the command line is wrong
  3  no Roost here, or it can't be reached
  4  no such user, key, node, server or socket
  5  not signed in, or not allowed
  6  refused as things stand (the message says what to change)

Settings: `roost config`. Everything else: README.md and docs/.";

/// The live console for game servers.
#[derive(Debug, Parser)]
#[command(name = "roost", version, after_help = EXIT_CODES, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
    #[command(flatten)]
    pub everywhere: Everywhere,
}

/// Options that stand anywhere.
#[derive(Debug, Clone, Args)]
pub struct Everywhere {
    /// Data directory [default: ROOST_DATA, else /var/lib/roost as root, else ./data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON; errors go to stderr as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

impl Everywhere {
    /// Takes the data directory from `ROOST_DATA` where no option names one. Not clap's business: it would show the option
    /// as a needed one in each usage line then.
    pub fn read_environment(&mut self, variable: Option<OsString>) {
        if self.data.is_none() {
            self.data = variable.filter(|text| !text.is_empty()).map(PathBuf::from);
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start panel and node in one process
    Up(Up),
    /// Stop the node and its servers
    Down(Down),
    /// Start the panel alone
    Panel(PanelArgs),
    /// Start a node's daemon alone
    Daemon(DaemonArgs),
    /// List every setting with its value, default and source
    ///
    /// Read from the environment and from roost.toml as they are now: what was given to a running `roost up` as an
    /// argument is not known here.
    Config,
    /// Sign in to a panel on another machine
    Login(Login),
    /// Watch and drive a server's console
    Attach(ServerName),
    /// Accounts
    #[command(subcommand)]
    User(User),
    /// API keys
    #[command(subcommand)]
    Key(Key),
    /// Nodes
    #[command(subcommand)]
    Node(Node),
    /// Servers
    #[command(subcommand)]
    Server(Box<Server>),
    /// What was done, by whom, from where
    #[command(subcommand)]
    Audit(Audit),
    /// Live consoles
    #[command(subcommand)]
    Socket(Socket),
    /// The demo server: a chat lobby with a console
    Lobby(Lobby),
}

/// What `up` listens on and how it is reached.
#[derive(Debug, Clone, Default, Args)]
pub struct Listening {
    /// Address and port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Public address, such as https://console.example.com
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Certificate chain (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// Key (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Network whose forwarded headers are believed (again for more)
    #[arg(long, value_name = "CIDR")]
    pub trusted_proxy: Vec<String>,
    /// Another web page that may open consoles (again for more)
    #[arg(long, value_name = "URL")]
    pub allow_origin: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub listening: Listening,
    /// Name of the first administrator [default: admin]
    #[arg(long, value_name = "NAME")]
    pub admin: Option<String>,
    /// File with the first administrator's password [default: one is made]
    #[arg(long, value_name = "FILE")]
    pub admin_password_file: Option<PathBuf>,
    /// Make no demo server
    #[arg(long)]
    pub no_demo: bool,
}

#[derive(Debug, Args)]
pub struct Down {
    /// Also remove all that Roost made, after asking
    #[arg(long)]
    pub purge: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// For a unit's ExecStop: only if systemd takes the machine down; the servers are started again at the next boot
    #[arg(long, conflicts_with_all = ["purge", "yes"])]
    pub machine: bool,
    /// The config.yml of a node's daemon, to stop that
    #[arg(long, value_name = "FILE", conflicts_with = "purge")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct PanelArgs {
    /// Settings [default: roost.toml in the data directory]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DaemonArgs {
    /// What `roost node config NAME --reveal-token` printed [default: /etc/pterodactyl/config.yml, else
    /// /etc/pelican/config.yml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Login {
    /// Address of the panel
    pub url: String,
    /// Account [default: asked for]
    #[arg(long)]
    pub user: Option<String>,
    /// File with the password [default: asked for]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ServerName {
    /// Identifier, UUID or its first 8 digits
    pub server: String,
}

#[derive(Debug, Subcommand)]
pub enum User {
    /// Make an account
    Create {
        name: String,
        #[arg(long)]
        email: Option<String>,
        /// Administrator
        #[arg(long)]
        admin: bool,
        /// File with the password [default: asked for]
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Set a password
    Password {
        name: String,
        /// File with the password [default: asked for]
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// List accounts
    List,
    /// Delete an account
    Delete { name: String },
    /// Make an API key and print it once
    Key {
        name: String,
        #[arg(long, default_value = "")]
        description: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make an API key and print it once
    Create {
        user: String,
        #[arg(long, default_value = "")]
        description: String,
    },
    /// List API keys
    List { user: Option<String> },
    /// Revoke a key; its consoles end
    Revoke { identifier: String },
}

#[derive(Debug, Subcommand)]
pub enum Node {
    /// Add a node
    Add {
        name: String,
        /// As browsers reach it
        #[arg(long, value_name = "URL")]
        address: String,
        /// As the panel reaches it, where that differs
        #[arg(long, value_name = "URL")]
        internal_address: Option<String>,
    },
    /// List nodes
    List,
    /// Show a node
    Show {
        name: String,
        /// With its secret
        #[arg(long)]
        reveal_token: bool,
    },
    /// Print the config.yml with which the node's daemon starts
    Config {
        name: String,
        /// With its secret
        #[arg(long)]
        reveal_token: bool,
    },
    /// Replace a node's secret without a gap
    Rotate { name: String },
    /// Remove a node
    Remove {
        name: String,
        /// Its servers stay, without a node
        #[arg(long)]
        force: bool,
    },
}

/// Options of `create` and `set`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServerOptions {
    /// Program and arguments, split like a shell would; no shell runs
    #[arg(long, value_name = "CMD")]
    pub command: Option<String>,
    /// Run in Docker, from this image
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// STARTUP for the image's own program
    #[arg(long, value_name = "TEXT")]
    pub startup: Option<String>,
    /// When the image is pulled; `missing` where nothing was said
    #[arg(long, value_parser = ["missing", "always", "never"])]
    pub pull: Option<String>,
    /// Owner; a new server's is the first administrator where nobody is named
    #[arg(long, value_name = "USER")]
    pub owner: Option<String>,
    /// Node; a new server's is the only one, or local, where none is named
    #[arg(long, value_name = "NODE")]
    pub node: Option<String>,
    /// A directory of your own, never deleted. As root each server runs as a user of its own (`uid` in `server show`),
    /// who must be able to write there: an empty directory of root's is given to it, others with --chown
    #[arg(long, value_name = "DIR")]
    pub dir: Option<String>,
    /// Give --dir with all that is in it to the server's own user, now (Roost must be root)
    #[arg(long, requires = "dir")]
    pub chown: bool,
    /// A port (again for more); the first one is the main one
    #[arg(long, value_name = "[IP:]PORT")]
    pub port: Vec<String>,
    /// Memory limit in MiB; 0 for none
    #[arg(long, value_name = "MIB")]
    pub memory: Option<i64>,
    /// CPU limit in per cent of one core; 0 for none
    #[arg(long, value_name = "PERCENT")]
    pub cpu: Option<i64>,
    /// Disk limit in MiB; 0 for none
    #[arg(long, value_name = "MIB")]
    pub disk: Option<i64>,
    /// Text of the line that means: running (`regex:` before it for an expression)
    #[arg(long, value_name = "TEXT")]
    pub done: Option<String>,
    /// Command that stops it, or ^C
    #[arg(long, value_name = "TEXT|^C")]
    pub stop: Option<String>,
    /// Seconds before a stop turns into a kill; 600 where nothing was said
    #[arg(long, value_name = "S")]
    pub stop_timeout: Option<u64>,
    /// Start it again when it ends without being asked to; `on-failure` where nothing was said
    #[arg(long, value_parser = ["never", "on-failure", "always"])]
    pub restart: Option<String>,
    /// Environment (again for more)
    #[arg(long, value_name = "K=V")]
    pub env: Vec<String>,
    /// What the program writes and reads: UTF-8, GB18030, Big5, Shift_JIS, windows-1251 or windows-1252
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
}

/// Which lines of a history: all options of `logs` that look through it. `lines` and `all` count lines that match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct LogSearch {
    /// Only lines with this text, large or small letters alike
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["regex", "follow", "erase_before"])]
    pub grep: Option<String>,
    /// Only lines in which this regular expression is found, large or small letters alike
    #[arg(long, value_name = "EXPRESSION", conflicts_with_all = ["follow", "erase_before"])]
    pub regex: Option<String>,
    /// Large and small letters differ
    #[arg(long)]
    pub case_sensitive: bool,
    /// Only lines from this time on (RFC 3339, a date, or an age such as 30d, 12h)
    #[arg(long, value_name = "TIME", conflicts_with_all = ["follow", "erase_before"])]
    pub since: Option<String>,
    /// Only lines up to this time
    #[arg(long, value_name = "TIME", conflicts_with_all = ["follow", "erase_before"])]
    pub until: Option<String>,
    /// Only lines of one source: output, daemon or install
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["follow", "erase_before"], value_parser = ["output", "daemon", "install"])]
    pub source: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Server {
    /// Make a server
    Create {
        name: String,
        #[command(flatten)]
        options: ServerOptions,
        /// Start it at once
        #[arg(long)]
        start: bool,
    },
    /// Change a server; holds from the next start. An empty text takes a setting away: --dir '', --port ''
    Set {
        server: String,
        #[command(flatten)]
        options: ServerOptions,
    },
    /// List servers
    List,
    /// Show a server
    Show(ServerName),
    /// Start
    Start(ServerName),
    /// Stop
    Stop(ServerName),
    /// Stop, then start
    Restart(ServerName),
    /// End at once
    Kill(ServerName),
    /// Forbid it to run
    Suspend(ServerName),
    /// Allow it again
    Unsuspend(ServerName),
    /// Stop and remove it with its history and the directory that Roost made
    Delete {
        server: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Type a line
    Send {
        server: String,
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
    /// Print the console's history
    Logs {
        server: String,
        /// Go on with new lines
        #[arg(long, short)]
        follow: bool,
        /// How many lines
        #[arg(long, short = 'n', default_value_t = 100, conflicts_with = "all")]
        lines: u32,
        /// The whole history
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        search: LogSearch,
        /// Erase lines older than this (RFC 3339 time, or an age such as 30d, 12h)
        #[arg(long, value_name = "TIME", conflicts_with_all = ["follow", "all"])]
        erase_before: Option<String>,
    },
    /// Give somebody rights on a server
    Grant {
        server: String,
        user: String,
        #[arg(required = true)]
        permissions: Vec<String>,
    },
    /// Take all of somebody's rights on a server away
    Revoke { server: String, user: String },
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List what was done
    List {
        #[arg(long)]
        server: Option<String>,
        #[arg(long)]
        user: Option<String>,
        /// RFC 3339 time, or an age such as 30d, 12h
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        #[arg(long, short = 'n', default_value_t = 100)]
        lines: u32,
        /// Go on with new rows
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Socket {
    /// List live consoles
    List {
        #[arg(long)]
        server: Option<String>,
    },
    /// End one
    End { id: String },
}

#[derive(Debug, Args)]
pub struct Lobby {
    /// Address that players join
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub listen: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn data_and_json_stand_anywhere() {
        for words in [
            &["roost", "--json", "--data", "/d", "user", "list"][..],
            &["roost", "user", "--data", "/d", "list", "--json"],
            &["roost", "user", "list", "--json", "--data", "/d"],
        ] {
            let cli = Cli::try_parse_from(words).unwrap();
            assert!(cli.everywhere.json && cli.everywhere.data.is_some(), "{words:?}");
        }
    }

    #[test]
    fn a_data_directory_in_the_environment_makes_the_option_no_part_of_the_usage() {
        let mut everywhere = Everywhere {
            data: None,
            json: false,
        };
        for (variable, data) in [(None, None), (Some(""), None), (Some("/d"), Some("/d"))] {
            everywhere.read_environment(variable.map(Into::into));
            assert_eq!(everywhere.data, data.map(PathBuf::from), "{variable:?}");
        }
        everywhere.read_environment(Some("/other".into()));
        assert_eq!(everywhere.data, Some(PathBuf::from("/d")), "the option wins");
        let command = Cli::command();
        let option = command.get_arguments().find(|a| a.get_id() == "data").unwrap();
        assert!(option.get_env().is_none());
    }

    #[test]
    fn chown_needs_a_directory() {
        let words = ["roost", "server", "set", "lobby", "--chown"];
        assert!(Cli::try_parse_from(words).is_err());
        assert!(Cli::try_parse_from(words.into_iter().chain(["--dir", "/srv/x"])).is_ok());
    }
}
