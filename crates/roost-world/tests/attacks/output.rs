//! Rows 5 and 13: what a server prints can neither fill the node nor steer a terminal.

use super::{Told, scene};
use anyhow::{Context, ensure};
use roost_world::Viewer;
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn row_5_console_spam_of_every_kind_is_read_to_its_end() -> Told {
    let scene = scene().await?;
    let script = scene.roost.folder().join("spam");
    std::fs::write(
        &script,
        "#!/bin/sh\nread go\n\
         head -c 10000000 /dev/zero | tr '\\0' x; echo; echo after one endless line\n\
         head -c 1000000 /dev/zero | tr '\\0' '\\r'; echo; echo after nothing but returns\n\
         yes '' | head -n 20000; echo after nothing but blanks\n\
         head -c 300000 /dev/urandom; printf '\\300\\342\\202\\n'; echo after broken text\n\
         yes flood | head -n 50000; echo after a flood\nread end\n",
    )?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    let command = script.to_str().context("path")?;
    scene
        .roost
        .json(&["server", "create", "spam", "--command", command, "--start"])?;
    let mut viewer = Viewer::join(&scene.admin, "spam").await?;
    viewer.send("send command", &["go"]).await?;
    for end in [
        "after one endless line",
        "after nothing but returns",
        "after nothing but blanks",
        "after broken text",
        "after a flood",
    ] {
        viewer.line(|line| line == end).await.context(end)?;
    }
    scene.still_fine().await
}

#[tokio::test]
async fn row_13_what_steers_a_terminal_does_not_leave_the_command_line() -> Told {
    let mut scene = scene().await?;
    // Clipboard, title, a query that makes the terminal type, the alternate screen, a link, and a cursor that goes up.
    let hostile = "\x1b]52;c;cm0=\x07\x1b]0;title\x07\x1b[6n\x1b[c\x1b[?1049h\x1b]8;;javascript:x\x07link\x1b]8;;\x07\x1b[5Aforged\n";
    let hex: String = hostile.bytes().map(|b| format!("{b:02x}")).collect();
    scene
        .bystander
        .send("send command", &[&format!("raw {hex}")])
        .await?;
    scene.bystander.line(|line| line.contains("forged")).await?;
    let shown = scene.roost.cli(&["server", "logs", "target"])?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(shown.contains("forged"), "{shown:?}");
    for bad in ["\x1b]", "\x1b[6n", "\x1b[c", "\x1b[?1049h", "\x1b[5A", "\x07"] {
        ensure!(!shown.contains(bad), "{bad:?} came through: {shown:?}");
    }
    scene.still_fine().await
}
