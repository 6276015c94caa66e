//! Operators' directories: which ones a node refuses, and which it gives to a server's user.

use super::house::{ECHO, House, path};
use super::panel::{Panel, shell};
use serde_json::{Value, json};
use std::{os::unix::fs::MetadataExt, path::Path};
use uuid::Uuid;

fn with_dir(uuid: Uuid, name: &str, dir: &Path) -> Value {
    shell(uuid, ECHO, |server| {
        server["settings"]["roost"]["identifier"] = json!(name);
        server["settings"]["roost"]["dir"] = json!(dir);
    })
}

pub async fn a_directory_that_is_not_free_is_refused_by_name() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let at = |name: &str| house.dir.path().join(name);
    for name in ["mine", "theirs", "full/deep"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    std::fs::write(at("full/deep/world"), "").unwrap();
    let (mine, new) = (Uuid::new_v4(), Uuid::new_v4());
    house
        .create(&panel, mine, with_dir(mine, "mine", &at("mine")))
        .await;
    let create = async |dir: &Path, chown: bool| {
        panel.set(new, with_dir(new, "new", dir));
        house
            .send("POST", "/api/servers", json!({"uuid": new, "chown": chown}))
            .await
    };
    let ask = async |dir: &Path, chown: bool| {
        let body = json!({"dir": dir, "chown": chown});
        house.send("POST", &path(mine, "/directory"), body).await
    };
    let refused = |(status, body): (u16, Value), reason: &str| {
        let text = body["error"].as_str().unwrap_or_default().to_owned();
        assert!(
            status == 422 && text.contains(reason),
            "{reason}: {status} {body}"
        );
        text
    };
    for (dir, reason) in [
        (at("node/journals"), "Roost's own"),
        (at("servers"), "Roost's own"),
        (at(""), "Roost's own"),
        ("/etc".into(), "belongs to the system"),
    ] {
        for chown in [false, true] {
            for answer in [create(&dir, chown).await, ask(&dir, chown).await] {
                assert!(!refused(answer, reason).contains("chown"));
            }
        }
    }
    assert_eq!(
        std::fs::metadata(at("node")).unwrap().uid(),
        rustix::process::geteuid().as_raw()
    );
    refused(create(&at("mine"), true).await, "used by server mine");
    assert_eq!(ask(&at("theirs"), false).await.0, 204);
    assert_eq!(
        house.send("GET", &path(new, ""), Value::Null).await.0,
        404,
        "none of them was made"
    );
    let detail = house.get(&path(mine, "")).await;
    assert_eq!(detail["roost"]["directory"], json!(at("mine")));
    let uid = |name: &str| json!(std::fs::metadata(at(name)).unwrap().uid());
    assert_eq!(detail["roost"]["uid"], uid("mine"));
    if rustix::process::geteuid().is_root() {
        // Each attempt is told the same user, whatever is made meanwhile.
        let told = refused(create(&at("full"), false).await, "chown -R 7");
        let between = Uuid::new_v4();
        house.create(&panel, between, shell(between, ECHO, |_| {})).await;
        assert_ne!(house.get(&path(between, "")).await["roost"]["uid"], Value::Null);
        assert_eq!(refused(create(&at("full"), false).await, "--chown"), told);
        assert_eq!(create(&at("full"), true).await.0, 202);
        let given = house.get(&path(new, "")).await["roost"]["uid"].clone();
        assert!(told.contains(&format!("chown -R {given}:{given} ")), "{told}");
        for name in ["full", "full/deep", "full/deep/world"] {
            assert_eq!(uid(name), given, "{name}");
        }
    }
    // A link that has come to lead to Roost's own is no way in.
    std::fs::remove_dir(at("mine")).unwrap();
    std::os::unix::fs::symlink(at("node"), at("mine")).unwrap();
    house.power(mine, "start").await;
    house.until_text(mine, "is Roost's own").await;
    house.end().await;
}
