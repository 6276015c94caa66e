//! `roost login`: a session at a panel on another machine, kept in a file of mode 0600.

use super::password;
use crate::{
    args::{Everywhere, Login},
    client::{Remote, http_client, login_file, out_of_reach},
    data_dir::write_private,
    failure::Failure,
    output::Output,
};
use roost_wire::{origin::Origin, problem::Problem};
use std::io::{IsTerminal, Write};

/// Signs in and keeps the session.
pub async fn run(args: Login, everywhere: &Everywhere) -> Result<(), Failure> {
    let url = args.url.trim_end_matches('/').to_owned();
    Origin::parse(&url).map_err(|e| Failure::usage(e.to_string()))?;
    let user = match args.user {
        Some(user) => user,
        None => ask("Account: ")?,
    };
    let password = password(args.password_file.as_deref(), "Password: ", false)?;
    let answer = http_client()?
        .post(format!("{url}/api/auth/login"))
        .json(&serde_json::json!({"user": user, "password": password}))
        .send()
        .await
        .map_err(|e| out_of_reach(&url, &e))?;
    let status = answer.status().as_u16();
    if status != 200 {
        let problem = answer.json().await.unwrap_or_else(|_| {
            Problem::new(
                status,
                format!("{url} answered with status {status}: is it the address of a Roost panel?"),
            )
        });
        return Err(Failure::problem(problem));
    }
    let session = answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|v| v.to_str().ok()?.strip_prefix("session=")?.split(';').next())
        .next()
        .ok_or_else(|| {
            Failure::new(format!(
                "{url} gave no session: is it the address of a Roost panel?"
            ))
        })?
        .to_owned();
    let file =
        login_file().ok_or_else(|| Failure::new("HOME is not set: there is no place to keep the session"))?;
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir).map_err(|e| Failure::new(format!("{}: {e}", dir.display())))?;
    }
    let remote = Remote { url, session };
    write_private(
        &file,
        &serde_json::to_vec(&remote).map_err(|e| Failure::new(e.to_string()))?,
    )?;
    Output {
        json: everywhere.json,
    }
    .done(
        &format!(
            "Signed in to {} as {user}; the session is kept in {}.",
            remote.url,
            file.display()
        ),
        serde_json::json!({"url": remote.url, "user": user}),
    )
}

fn ask(prompt: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "no terminal to ask for the account: give --user NAME",
        ));
    }
    let mut err = std::io::stderr();
    let _ = write!(err, "{prompt}");
    let _ = err.flush();
    let mut text = String::new();
    std::io::stdin()
        .read_line(&mut text)
        .map_err(|e| Failure::new(format!("can't ask: {e}")))?;
    Ok(text.trim().to_owned())
}
