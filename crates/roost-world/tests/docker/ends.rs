//! How servers end, and what is known of it afterwards.

use crate::world::{Stream, World};
use roost_node::runtime::docker::{Ended, StreamEnd};
use roost_world::engine::IMAGE_SHELL;
use rustix::process::Signal;
use std::time::Duration;

async fn ended(world: &World) -> Ended {
    let end = world.engine.after_stream(world.uuid(), &|| {});
    match tokio::time::timeout(Duration::from_secs(20), end)
        .await
        .expect("an end")
    {
        StreamEnd::Ended(ended) => ended,
        StreamEnd::Alive => panic!("it lives"),
    }
}

#[tokio::test]
async fn the_exit_code_is_known() {
    let world = World::script("exit 3").await;
    world.run().await;
    let expected = Ended {
        code: Some(3),
        ..Ended::default()
    };
    assert_eq!(ended(&world).await, expected);
    world.end().await;
}

#[tokio::test]
async fn too_much_memory_ends_a_server_and_is_named() {
    let mut world = World::script("echo eats; exec tail /dev/zero").await;
    world.launch.settings.build.memory_limit = 16;
    world.run().await;
    let ended = ended(&world).await;
    assert!(ended.out_of_memory && ended.signal == Some(9), "{ended:?}");
    world.end().await;
}

#[tokio::test]
async fn a_server_stops_by_signal_by_its_image_s_way_and_by_command() {
    let trap = "trap 'echo got int; exit 4' INT; trap 'echo got term; exit 5' TERM; echo ready; \
                while read line; do [ \"$line\" = stop ] && { echo bye; exit 6; }; done; exit 7";
    for (stop, words, code) in [
        ("signal", "got int", 4),
        ("native", "got term", 5),
        ("command", "bye", 6),
    ] {
        let world = World::script(trap).await;
        let mut stream = world.begin().await;
        stream.expect("ready");
        match stop {
            "signal" => world.engine.signal(world.uuid(), 2).await.unwrap(),
            "native" => world.engine.stop(world.uuid()).await.unwrap(),
            _ => stream.type_line("stop"),
        }
        stream.expect(words);
        stream.finish();
        assert_eq!(ended(&world).await.code, Some(code), "{stop}");
        // Once more is no error.
        world.engine.signal(world.uuid(), 2).await.unwrap();
        world.end().await;
    }
}

#[tokio::test]
async fn a_program_that_handles_no_signal_is_still_stopped_by_one() {
    let world = World::new(IMAGE_SHELL, &["/bin/sleep", "1000"]).await;
    let mut stream = world.begin().await;
    world.engine.stop(world.uuid()).await.unwrap();
    stream.finish();
    assert_eq!(ended(&world).await.signal, Some(15));
    world.end().await;
}

#[tokio::test]
async fn a_killed_server_ends_at_once_with_all_its_processes() {
    let world =
        World::script("trap '' INT TERM; sleep 1000 & sleep 1000 & echo ready; wait; sleep 1000").await;
    let mut stream = world.begin().await;
    stream.expect("ready");
    let waiting = tokio::spawn({
        let (engine, server) = (world.engine.clone(), world.uuid());
        async move { engine.wait_exit(server).await }
    });
    world.engine.kill(world.uuid()).await.unwrap();
    stream.finish();
    let ended = tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.signal, Some(9));
    world.end().await;
}

#[tokio::test]
async fn a_container_removed_by_hand_is_noticed() {
    let world = World::script("echo ready; sleep 1000").await;
    let mut stream = world.begin().await;
    stream.expect("ready");
    world.engine.remove(world.uuid()).await.unwrap();
    stream.finish();
    assert!(ended(&world).await.removed);
    assert!(world.engine.found(world.uuid()).await.is_err());
    assert!(world.engine.signal(world.uuid(), 15).await.is_err());
}

#[tokio::test]
async fn a_start_replaces_the_container_that_is_left_of_the_last_run() {
    let world = World::script("echo once").await;
    for _ in 0..2 {
        assert_eq!(world.run().await, "once\r\n");
    }
    world.end().await;
}

/// Without `live-restore`, containers end with their engine.
#[tokio::test]
async fn an_engine_that_dies_is_waited_for() {
    let mut private = roost_world::Engine::start_with_images().unwrap();
    let socket = private.socket();
    let world = World::on(
        &private.host(),
        IMAGE_SHELL,
        &["/bin/sh", "-c", "echo ready; sleep 1000"],
    )
    .await;
    let mut stream = world.begin().await;
    stream.expect("ready");
    private.halt(Signal::KILL).unwrap();
    stream.finish();

    let error = world.engine.ping().await.unwrap_err().to_string();
    assert!(
        error.contains(&socket.display().to_string()) && error.contains("Start it"),
        "{error}"
    );
    let error = world.start().await.unwrap_err().to_string();
    assert!(error.contains("Start it"), "{error}");
    let waiting = tokio::spawn({
        let (engine, server) = (world.engine.clone(), world.uuid());
        async move { engine.after_stream(server, &|| {}).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    private.resume().unwrap();
    let end = tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap()
        .unwrap();
    assert!(
        matches!(&end, StreamEnd::Ended(ended) if ended.with_engine),
        "{end:?}"
    );
    // And everything works again.
    let stream = Stream::open(world.start().await.unwrap(), world.launch.run);
    drop(stream);
    world.end().await;
    private.stop().unwrap();
}
