//! The verbs that ask a panel: one file a noun. Each reads its options, asks, prints.

pub mod account;
pub mod audit;
pub mod config;
pub mod history;
pub mod key;
pub mod login;
pub mod node;
pub mod server;
pub mod server_options;
mod server_power;
mod server_view;
pub mod socket;
pub mod when;

use crate::{args::Everywhere, client::Panel, failure::Failure, output::Output};

/// What every verb has.
#[derive(Debug, Clone)]
pub struct Context {
    /// Whom to ask.
    pub panel: Panel,
    /// How to print.
    pub out: Output,
}

impl Context {
    /// Finds the panel.
    pub fn find(everywhere: &Everywhere) -> Result<Self, Failure> {
        Ok(Self {
            panel: Panel::find(everywhere.data.as_deref())?,
            out: Output {
                json: everywhere.json,
            },
        })
    }
}

/// The password in a file: its first line. `option` is what named it.
pub fn password_in(file: &std::path::Path, option: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| Failure::usage(format!("{option} {}: {e}", file.display())))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Reads a password from a file, or asks on the terminal.
pub fn password(file: Option<&std::path::Path>, prompt: &str, twice: bool) -> Result<String, Failure> {
    use std::io::IsTerminal;
    if let Some(file) = file {
        return password_in(file, "--password-file");
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "no terminal to ask for the password: give --password-file FILE",
        ));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map_err(|e| Failure::new(format!("can't ask: {e}")))
    };
    let first = ask(prompt)?;
    if twice && ask("The same again: ")? != first {
        return Err(Failure::usage("the two passwords differ"));
    }
    Ok(first)
}

/// Asks for a yes on the terminal; without one, names the option that answers.
pub fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    use std::io::{IsTerminal, Write};
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{question} Say so with --yes.")));
    }
    let mut err = std::io::stderr();
    let _ = write!(err, "{question} [y/N] ");
    let _ = err.flush();
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|e| Failure::new(format!("can't ask: {e}")))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new("nothing was done"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_and_the_option_that_named_its_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "hunter2\nand more\n").unwrap();
        assert_eq!(password_in(&file, "--x").unwrap(), "hunter2");
        let missing = dir.path().join("none");
        let failure = password_in(&missing, "--admin-password-file").unwrap_err();
        assert!(
            failure.message.starts_with("--admin-password-file /"),
            "{failure}"
        );
        let failure = password(Some(&missing), "", false).unwrap_err();
        assert!(failure.message.starts_with("--password-file /"), "{failure}");
    }
}
