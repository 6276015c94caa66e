//! A server whose program speaks an old Windows encoding.

use super::house::{House, kill_all, path};
use super::panel::{Panel, shell};
use serde_json::json;
use uuid::Uuid;

pub async fn a_program_reads_and_writes_its_own_encoding() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    // Says "готово" in windows-1251, then what bytes it gets.
    let program = "printf '\\343\\356\\362\\356\\342\\356\\n'; while read line; do printf 'got: %s\\n' \"$line\"; \
                   printf '%s' \"$line\" | od -An -tx1; done";
    let server = shell(uuid, program, |server| {
        server["settings"]["roost"]["encoding"] = json!("windows-1251");
        server["settings"]["roost"]["stop_timeout_secs"] = json!(1);
        server["process_configuration"]["startup"]["done"] = json!(["готово"]);
        server["process_configuration"]["stop"] = json!({"type": "command", "value": "стоп"});
    });
    house.create(&panel, uuid, server.clone()).await;
    house.power(uuid, "start").await;
    // The text that says that it is up was read in its encoding.
    house.until_state(uuid, "running").await;
    house.until_text(uuid, "готово").await;
    let say = json!({"commands": ["сказать да"]});
    assert_eq!(house.send("POST", &path(uuid, "/commands"), say).await.0, 204);
    house.until_text(uuid, "got: сказать да").await;
    house.until_text(uuid, "f1 ea e0 e7 e0 f2 fc 20 e4 e0").await;

    // What can't be said is refused, with the character.
    let smile = json!({"commands": ["say \u{1f642}"]});
    let (status, body) = house.send("POST", &path(uuid, "/commands"), smile).await;
    assert!(!(200..300).contains(&status), "{status}");
    let refusal = body.to_string();
    assert!(
        refusal.contains('\u{1f642}') && refusal.contains("windows-1251"),
        "{refusal}"
    );

    // Its stop command is in its encoding, too.
    house.power(uuid, "stop").await;
    house.until_text(uuid, "got: стоп").await;
    house.until_state(uuid, "offline").await;

    // The journal has kept the bytes: another setting reads them anew.
    let mut other = server;
    other["settings"]["roost"]["encoding"] = json!("windows-1252");
    panel.set(uuid, other);
    house.send("POST", &path(uuid, "/sync"), json!({})).await;
    let dir = house.end().await;
    let house = House::start_in(dir, &panel).await;
    house.until_text(uuid, "ãîòîâî").await;
    kill_all(&house).await;
    house.end().await;
}
