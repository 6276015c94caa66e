//! What runs in a container, and where its image comes from.

use crate::{registry::Registry, world::World};
use roost_wire::remote::Pull;
use roost_world::engine::{IMAGE_EMPTY, IMAGE_ENTRY, IMAGE_STOCK};
use std::time::Duration;

#[tokio::test]
async fn a_command_is_what_really_runs_in_place_of_the_image_s_own() {
    let world = World::new(IMAGE_ENTRY, &["/bin/echo", "my own"]).await;
    assert_eq!(world.run().await, "my own\r\n");
    let inspected = world.inspect().await;
    assert_eq!(inspected.path.as_deref(), Some("/bin/echo"));
    assert_eq!(inspected.args.unwrap(), ["my own"]);
    world.end().await;
}

#[tokio::test]
async fn without_a_command_the_image_s_own_runs() {
    let world = World::new(IMAGE_ENTRY, &[]).await;
    assert_eq!(world.run().await, "image entrypoint image command\r\n");
    world.end().await;
}

#[tokio::test]
async fn a_stock_image_carries_out_startup_in_the_server_s_directory() {
    let mut world = World::new(IMAGE_STOCK, &[]).await;
    world.launch.settings.invocation = r#"/bin/sh -c 'echo "$WORLD in $(pwd)"'"#.to_owned();
    world.launch.settings.environment = [("WORLD".to_owned(), "nether".to_owned())].into();
    assert_eq!(world.run().await, "nether in /home/container\r\n");
    world.end().await;
}

#[tokio::test]
async fn an_image_without_a_command_is_refused_with_what_to_do() {
    let world = World::new(IMAGE_EMPTY, &[]).await;
    let error = world.start().await.unwrap_err().to_string();
    assert!(
        error.contains(IMAGE_EMPTY) && error.contains("--command"),
        "{error}"
    );
}

#[tokio::test]
async fn a_command_that_is_not_in_the_image_is_named_on_the_console() {
    let world = World::new(IMAGE_ENTRY, &["/no/such/program"]).await;
    let said = world.run().await;
    assert!(
        said.contains("/no/such/program") && said.contains("No such file"),
        "{said}"
    );
    assert_eq!(world.engine.wait_exit(world.uuid()).await.code, Some(127));
    world.end().await;
}

#[tokio::test]
async fn an_image_that_may_not_be_pulled_is_named_with_the_two_ways_out() {
    let mut world = World::new("~roost-test/nowhere", &["x"]).await;
    let error = world.start().await.unwrap_err().to_string();
    assert!(
        error.contains("docker pull roost-test/nowhere:latest") && error.contains("--pull"),
        "{error}"
    );
    world.launch.settings.container.image = "roost-test/nowhere".to_owned();
    world.launch.roost.pull = Pull::Never;
    assert_eq!(world.start().await.unwrap_err().to_string(), error);
}

/// Nothing listens on port 1 of this machine, so that the pull fails at once.
#[tokio::test]
async fn a_failed_pull_is_no_error_where_the_image_is_there() {
    let mut world = World::new("localhost:1/roost/here:1", &["/bin/echo", "up"]).await;
    let error = world.start().await.unwrap_err().to_string();
    assert!(
        error.contains("localhost:1/roost/here:1") && error.contains("could not be pulled"),
        "{error}"
    );

    let tag = bollard::query_parameters::TagImageOptionsBuilder::default()
        .repo("localhost:1/roost/here")
        .tag("1")
        .build();
    world.bollard().tag_image(IMAGE_ENTRY, Some(tag)).await.unwrap();
    world.launch.roost.pull = Pull::Always;
    assert_eq!(world.run().await, "up\r\n");
    assert!(
        world.said().contains("the one on the node is used"),
        "{}",
        world.said()
    );
    world.end().await;
}

#[tokio::test]
async fn a_missing_image_is_pulled_and_its_progress_is_told() {
    let registry = Registry::start();
    let image = format!("127.0.0.1:{}/roost/pulled", registry.port);
    let world = World::new(&image, &[]).await;
    assert_eq!(world.run().await, "from the registry\r\n");
    let said = world.said();
    assert!(
        said.contains(&format!("Pulling the image {image}:latest")),
        "{said}"
    );
    assert!(
        said.contains(": Downloading") && said.contains(": Pull complete"),
        "{said}"
    );
    assert!(said.contains("Downloaded 1 of "), "{said}");
    assert!(said.lines().count() < 20, "few lines: {said}");
    world.end().await;
}

#[tokio::test]
async fn a_start_that_is_called_off_while_it_pulls_leaves_nothing() {
    let registry = Registry::start();
    let world = World::new(&format!("127.0.0.1:{}/roost/slow:1", registry.port), &[]).await;
    let pulling = async {
        while !world.said().contains("Downloading") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        started = world.start() => panic!("{started:?}"),
        () = pulling => {}
    }
    assert!(world.engine.found(world.uuid()).await.is_err());
}
