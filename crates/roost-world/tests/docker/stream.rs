//! A container's output: whole, through its keeper, whatever becomes of the node.

use crate::world::{Stream, World};
use roost_node::runtime::docker::{Engine, StreamEnd};
use std::{
    net::TcpListener,
    time::{Duration, Instant},
};
use uuid::Uuid;

#[tokio::test]
async fn a_burst_of_20000_lines_comes_whole_and_in_order() {
    let world = World::script("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done").await;
    let said = world.run().await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 20_000);
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("line {}", i + 1));
    }
    world.end().await;
}

#[tokio::test]
async fn the_first_byte_is_seen_because_the_keeper_is_there_before_the_start() {
    for _ in 0..5 {
        let world = World::script("echo first").await;
        assert_eq!(world.run().await, "first\r\n");
        world.end().await;
    }
}

#[tokio::test]
async fn a_server_survives_its_node_and_is_found_again() {
    let world =
        World::script("echo before; read line; echo $line; read line; echo then $line; sleep 60").await;
    let mut stream = world.begin().await;
    stream.expect("before");
    let (pid, seen) = (stream.pid, stream.text.len() as u64);
    stream.type_line("said before");
    // The node dies here: its link ends, and nobody reads what comes.
    drop(stream);

    let engine = Engine::connect(world.engine.socket().to_str().unwrap())
        .await
        .unwrap();
    let all = engine.find().await.unwrap();
    let found = all
        .iter()
        .find(|found| found.server == world.uuid())
        .expect("it is found");
    assert_eq!((found.run, found.pid), (Some(world.launch.run), pid));
    assert_eq!(found.ended, None);
    let taken = engine
        .take_up(&world.launch, &world.keepers)
        .await
        .unwrap()
        .expect("it is taken up");
    assert_eq!(taken.run, world.launch.run);
    let mut stream = Stream::open_at(taken, world.launch.run, seen);
    stream.expect("said before");
    stream.type_line("after");
    stream.expect("then after");
    assert!(
        stream.text.starts_with("said before"),
        "from where the node was: {:?}",
        stream.text
    );
    world.end().await;
}

#[tokio::test]
async fn what_a_server_said_last_is_there_for_the_next_node() {
    let world = World::script("echo ready; read line; echo last words; exit 9").await;
    let mut stream = world.begin().await;
    stream.expect("ready");
    let seen = stream.text.len() as u64;
    stream.type_line("go");
    drop(stream);
    let ended = world.engine.wait_exit(world.uuid()).await;
    assert_eq!(ended.code, Some(9));

    let taken = world
        .engine
        .take_up(&world.launch, &world.keepers)
        .await
        .unwrap()
        .expect("its keeper lives");
    let mut stream = Stream::open_at(taken, world.launch.run, seen);
    stream.finish();
    assert!(stream.text.contains("last words"), "{:?}", stream.text);
    assert_eq!(world.engine.found(world.uuid()).await.unwrap().ended, Some(ended));
    world.end().await;
}

#[tokio::test]
async fn a_container_whose_keeper_was_killed_gets_a_new_one() {
    let mut world = World::script("echo before; read line; echo said $line; sleep 60").await;
    let mut stream = world.begin().await;
    stream.expect("before");
    let (record, _) = roost_keeper::find(&world.launch.keeper_dir)
        .unwrap()
        .expect("a keeper");
    assert_eq!((record.server, record.run), (world.uuid(), world.launch.run));
    let keeper = rustix::process::Pid::from_raw(record.keeper.cast_signed()).unwrap();
    rustix::process::kill_process(keeper, rustix::process::Signal::KILL).unwrap();
    assert_eq!(
        world.engine.after_stream(world.uuid(), &|| {}).await,
        StreamEnd::Alive
    );

    world.launch.run = Uuid::new_v4();
    let taken = world
        .engine
        .take_up(&world.launch, &world.keepers)
        .await
        .unwrap()
        .expect("it is taken up");
    assert_eq!((taken.run, taken.pid), (world.launch.run, stream.pid));
    let mut stream = Stream::open(taken, world.launch.run);
    stream.type_line("after");
    stream.expect("said after");
    world.end().await;
}

#[tokio::test]
async fn a_start_that_fails_names_the_cause_and_leaves_neither_container_nor_keeper() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut world = World::script("sleep 60").await;
    world.launch.settings.allocations.mappings = [("127.0.0.1".to_owned(), vec![port])].into();
    let error = world.start().await.unwrap_err().to_string();
    assert!(
        error.contains(&port.to_string()) && error.contains("already in use"),
        "{error}"
    );
    let left = world
        .bollard()
        .inspect_container(&world.uuid().to_string(), None)
        .await;
    assert!(left.is_err(), "{left:?}");
    let begun = Instant::now();
    while roost_keeper::find(&world.launch.keeper_dir).unwrap().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(5), "its keeper stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
