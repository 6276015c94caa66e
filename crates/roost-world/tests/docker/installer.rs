//! The installer of a server that a stock panel describes.

use crate::world::World;
use roost_wire::remote::InstallScript;
use roost_world::engine::{IMAGE_ENTRY, IMAGE_SHELL};
use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

/// What an installer has said.
#[derive(Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn takes(&self) -> impl Fn(Vec<u8>) -> oneshot::Receiver<()> + Send + Sync + use<> {
        let heard = Arc::clone(&self.0);
        move |chunk| {
            heard.lock().unwrap().extend(chunk);
            let (reply, answer) = oneshot::channel();
            reply.send(()).unwrap();
            answer
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn script(text: &str) -> InstallScript {
    InstallScript {
        container_image: IMAGE_SHELL.to_owned(),
        entrypoint: "/bin/sh".to_owned(),
        script: text.to_owned(),
    }
}

#[tokio::test]
async fn an_installer_fills_the_directory_and_its_lines_are_told() {
    let (mut world, heard) = (World::new(IMAGE_ENTRY, &[]).await, Heard::default());
    world.launch.settings.environment = [("VERSION".to_owned(), "1.2".to_owned())].into();
    let script = script(
        "echo installing $VERSION as $(id -u)\r\necho\r\nread -t 1 x\r\necho jar > /mnt/server/server.jar\r\n",
    );
    let ended = world
        .engine
        .install(
            &world.launch,
            &world.rules,
            &script,
            &world.listener(),
            &heard.takes(),
            pending(),
        )
        .await
        .unwrap();
    assert_eq!(ended.code, Some(0), "{}", heard.text());
    assert_eq!(
        heard.text(),
        "installing 1.2 as 0\r\n\r\n",
        "as its terminal gave it"
    );
    assert_eq!(
        std::fs::read_to_string(world.home().join("server.jar")).unwrap(),
        "jar\n"
    );
    assert!(
        !world.launch.keeper_dir.join("install").exists(),
        "its script is gone"
    );
    assert_no_installer(&world).await;
}

#[tokio::test]
async fn an_installer_that_fails_says_so_by_its_exit_code() {
    let (world, heard) = (World::new(IMAGE_ENTRY, &[]).await, Heard::default());
    let failing = script("echo no such version; exit 3");
    let ended = world
        .engine
        .install(
            &world.launch,
            &world.rules,
            &failing,
            &world.listener(),
            &heard.takes(),
            pending(),
        )
        .await
        .unwrap();
    assert_eq!(
        (ended.code, heard.text().as_str()),
        (Some(3), "no such version\r\n")
    );
}

#[tokio::test]
async fn an_install_that_is_called_off_says_its_last_words_and_leaves_nothing() {
    let (world, heard) = (World::new(IMAGE_ENTRY, &[]).await, Heard::default());
    let endless = script("echo begun; sleep 1000");
    let (listener, takes, called_off) = (world.listener(), heard.takes(), Notify::new());
    let install = world.engine.install(
        &world.launch,
        &world.rules,
        &endless,
        &listener,
        &takes,
        called_off.notified(),
    );
    let calling_off = async {
        while !heard.text().contains("begun") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        called_off.notify_one();
    };
    let (ended, ()) = tokio::join!(install, calling_off);
    let ended = ended.unwrap();
    assert!(ended.code != Some(0), "{ended:?}");
    assert_no_installer(&world).await;
}

#[tokio::test]
async fn an_install_that_is_let_go_leaves_nothing() {
    let (world, heard) = (World::new(IMAGE_ENTRY, &[]).await, Heard::default());
    let endless = script("echo begun; sleep 1000");
    let (listener, takes) = (world.listener(), heard.takes());
    let install = world.engine.install(
        &world.launch,
        &world.rules,
        &endless,
        &listener,
        &takes,
        pending(),
    );
    let begun = async {
        while !heard.text().contains("begun") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        ended = install => panic!("{ended:?}"),
        () = begun => {}
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_no_installer(&world).await;
}

async fn assert_no_installer(world: &World) {
    let name = format!("{}_installer", world.uuid());
    let left = world.bollard().inspect_container(&name, None).await;
    assert!(left.is_err(), "{left:?}");
}
