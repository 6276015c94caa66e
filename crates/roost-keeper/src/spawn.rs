//! How a node makes a keeper: starts the program with the verb `keeper`, tells it what to hold, hears how it went.

use crate::spec::{Answer, Spec};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

/// Makes a keeper and waits until it holds what it was told to; blocks for as long as that takes. The error is a
/// sentence for the console; nothing is left running then.
pub fn spawn(program: &Path, spec: &Spec) -> Result<Answer, String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        format!("The keeper {} {what}: {error}.", program.display())
    };
    let text = serde_json::to_vec(spec).map_err(|e| failed("can't be told what to hold", &e))?;
    let mut child = Command::new(program)
        .arg("keeper")
        .arg(spec.server.to_string())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| failed("can't be started", &e))?;
    let told = child
        .stdin
        .take()
        .map_or(Ok(()), |mut stdin| stdin.write_all(&text));
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    // The process that was started only made the keeper, and has ended.
    let _ = child.wait();
    told.map_err(|e| failed("did not listen", &e))?;
    match serde_json::from_str(&line) {
        Ok(Answer::Error(sentence)) => Err(sentence),
        Ok(answer) => Ok(answer),
        Err(_) => Err(failed(
            "ended without a word",
            &"look at the system's log for a signal",
        )),
    }
}
