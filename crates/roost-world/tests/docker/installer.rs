//! The installer of a server that a stock panel describes.

use crate::world::World;
use roost_wire::remote::InstallScript;
use roost_world::engine::{IMAGE_ENTRY, IMAGE_SHELL};
use std::time::Duration;

fn script(text: &str) -> InstallScript {
    InstallScript {
        container_image: IMAGE_SHELL.to_owned(),
        entrypoint: "/bin/sh".to_owned(),
        script: text.to_owned(),
    }
}

#[tokio::test]
async fn an_installer_fills_the_directory_and_its_lines_are_told() {
    let mut world = World::new(IMAGE_ENTRY, &[]).await;
    world.launch.settings.environment = [("VERSION".to_owned(), "1.2".to_owned())].into();
    let script = script(
        "echo installing $VERSION as $(id -u)\r\nread -t 1 x\r\necho jar > /mnt/server/server.jar\r\n",
    );
    let ended = world
        .engine
        .install(&world.launch, &world.rules, &script, &world.listener())
        .await
        .unwrap();
    assert_eq!(ended.code, Some(0), "{}", world.said());
    assert_eq!(world.said(), "installing 1.2 as 0\n");
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
    let world = World::new(IMAGE_ENTRY, &[]).await;
    let failing = script("echo no such version; exit 3");
    let ended = world
        .engine
        .install(&world.launch, &world.rules, &failing, &world.listener())
        .await
        .unwrap();
    assert_eq!(
        (ended.code, world.said().as_str()),
        (Some(3), "no such version\n")
    );
}

#[tokio::test]
async fn an_install_that_is_called_off_leaves_nothing() {
    let world = World::new(IMAGE_ENTRY, &[]).await;
    let endless = script("echo begun; sleep 1000");
    let listener = world.listener();
    let install = world
        .engine
        .install(&world.launch, &world.rules, &endless, &listener);
    let begun = async {
        while !world.said().contains("begun") {
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
