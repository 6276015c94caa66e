//! Errors that name what to do, with their codes.

use crate::{Told, code};
use anyhow::ensure;
use roost_world::{Roost, roost::target_dir};
use serde_json::Value;
use std::{
    process::Command,
    time::{Duration, Instant},
};

#[test]
fn errors_name_what_to_do_and_have_their_codes() -> Told {
    let roost = Roost::start()?;
    let cases: [(&[&str], i32, &str); 9] = [
        (&["server", "create", "x"], 6, "command"),
        (&["server", "create", "x", "--command", "a 'b"], 2, "quote"),
        (
            &["server", "create", "x", "--command", "a", "--port", "99999"],
            2,
            "65535",
        ),
        (
            &[
                "server",
                "create",
                "x",
                "--command",
                "a",
                "--owner",
                "nobody-here",
            ],
            6,
            "nobody-here",
        ),
        (&["server", "start", "nothing"], 4, ""),
        (&["server", "grant", "nothing", "admin", "control.start"], 4, ""),
        (&["user", "delete", "nobody"], 4, ""),
        (&["key", "revoke", "ptlc_00000000000"], 4, ""),
        (&["nonsense"], 2, "nonsense"),
    ];
    for (arguments, wanted, word) in cases {
        let (exit, error) = code(&roost, arguments)?;
        ensure!(
            exit == wanted || (wanted == 6 && exit == 4),
            "{arguments:?} ended with {exit}: {error}"
        );
        ensure!(
            error.contains(word),
            "{arguments:?} does not name {word}: {error}"
        );
    }
    let output = roost.cli(&["server", "show", "nothing", "--json"])?;
    let error: Value = serde_json::from_slice(&output.stderr)?;
    assert_eq!(error["error"]["status"], 404, "{error}");
    Ok(())
}

#[test]
fn a_program_that_is_missing_is_named() -> Told {
    let roost = Roost::start()?;
    roost.json(&["server", "create", "absent", "--command", "no-such-program --x"])?;
    let (exit, error) = code(&roost, &["server", "start", "absent"])?;
    let log = roost.cli(&["server", "logs", "absent"])?;
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    ensure!(exit != 0, "{error}");
    ensure!(
        log.contains("no-such-program"),
        "the console does not say what is missing:\n{log}"
    );
    Ok(())
}

#[test]
fn no_roost_here_names_the_folder() -> Told {
    let dir = tempfile::tempdir()?;
    let output = Command::new(target_dir().join("roost"))
        .args(["user", "list", "--data"])
        .arg(dir.path())
        .output()?;
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(error.contains(&*dir.path().to_string_lossy()), "{error}");
    Ok(())
}

#[test]
fn a_second_up_is_refused_at_once_and_a_later_one_changes_no_admin() -> Told {
    let mut roost = Roost::start()?;
    let begun = Instant::now();
    let output = Command::new(target_dir().join("roost"))
        .args(["up", "--listen", "127.0.0.1:0", "--data"])
        .arg(roost.data())
        .output()?;
    ensure!(!output.status.success() && begun.elapsed() < Duration::from_secs(2));
    ensure!(
        String::from_utf8_lossy(&output.stderr).contains("already"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    roost.terminate()?;
    roost.up()?;
    assert_eq!(roost.json(&["user", "list"])?.as_array().map(Vec::len), Some(1));
    assert_eq!(roost.json(&["server", "list"])?.as_array().map(Vec::len), Some(0));
    Ok(())
}
