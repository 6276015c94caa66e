//! Viewers that ask for more than they take, or more than is theirs, and those who come and go around a slow read.

use super::{
    client::{seen, until},
    stand::{SERVER, Stand},
};
use roost_console::History;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn who_asks_for_pages_and_takes_none_is_not_listened_to() {
    let mut stand = Stand::with(|settings| {
        settings.threads = 1;
        settings.messages = (1e6, 1e6);
    });
    for n in 1..=30 {
        stand.print(&format!("{n} {}\n", "x".repeat(30_000)));
    }
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    // Half of them are pages, the other half searches.
    for n in 0..100 {
        viewer.ask("send page", &json!([{"before": 31, "lines": 30}, n]));
        viewer.ask("send search", &json!([{"text": "x"}, n]));
        std::thread::sleep(Duration::from_millis(10));
    }
    let most = stand.with_shard(|shard| shard.slots.iter().map(|viewer| viewer.waiting_bytes()).max());
    assert!(most.unwrap() < 1 << 20, "{most:?} bytes wait for one viewer");
    // Once it reads, each request has its answer.
    let mut answers = 0;
    while answers < 200 {
        match viewer.next_v1().0.as_str() {
            "page" | "found" | "refused" => answers += 1,
            _ => {}
        }
    }
}

#[test]
fn who_takes_nothing_is_told_once_who_is_there_in_the_end() {
    let mut stand = Stand::with(|settings| settings.threads = 1);
    let mut viewer = stand.join_v1(&stand.token(), &Value::Null);
    viewer.until_v1("presence");
    for n in 1..=300 {
        stand.print(&format!("{n} {}\n", "x".repeat(30_000)));
    }
    let waiting = |stand: &Stand| {
        stand.with_shard(|shard| shard.slots.iter().map(|one| one.waiting_bytes()).sum::<usize>())
    };
    until("its socket is full", || waiting(&stand) > 0);
    let before = waiting(&stand);
    for _ in 0..3 {
        let bob = stand.join(&stand.token_of_bob(&[]));
        std::thread::sleep(Duration::from_millis(300));
        drop(bob);
        std::thread::sleep(Duration::from_millis(1200));
    }
    assert_eq!(waiting(&stand), before);
    let (mut told, mut has_begun) = (0, false);
    loop {
        let (event, args) = viewer.next_v1();
        has_begun |= event == "lines";
        told += usize::from(has_begun && event == "presence");
        let is_last = event == "lines" && args[0].to_string().contains("\"300 x");
        if is_last {
            break;
        }
    }
    assert_eq!(told, 1);
}

#[test]
fn a_user_with_many_sockets_has_the_messages_of_one_user() {
    let mut stand = Stand::with(|settings| settings.user_messages = (0.001, 2.0));
    let mut sockets: Vec<_> = (0..3).map(|_| stand.join(&stand.token())).collect();
    for socket in &mut sockets[..2] {
        socket.send("send command", &["help"]);
        stand.asked();
    }
    sockets[2].send("send command", &["help"]);
    sockets[2].expect(&[seen(
        "daemon message",
        &["Too many messages, some are dropped: send at most 0.001 a second with all your windows together."],
    )]);
    let mut bob = stand.join(&stand.token_of_bob(&["control.console"]));
    bob.send("send command", &["help"]);
    stand.asked();
}

#[test]
fn a_read_for_viewers_who_have_left_moves_nobody_back() {
    let mut stand = Stand::with(|settings| settings.threads = 1);
    let mut gone = stand.join(&stand.token());
    stand.print("one\n");
    assert_eq!(gone.lines(1), ["one"]);
    let past = stand.handle.console.at(1);
    // Its group reads the journal when it leaves the live ones.
    stand.with_shard(|shard| {
        let key = shard.groups[&SERVER].live()[0];
        let group = shard.groups.get_mut(&SERVER).unwrap();
        group.is_reading = true;
        group.read = 7;
        group.tail = past;
        group.set_live(key, false, &mut shard.slots);
    });
    let mut next = stand.join(&stand.token());
    stand.print("two\n");
    assert_eq!(next.lines(1), ["two"]);
    stand.with_shard(|shard| {
        let nothing = History {
            missed: None,
            batches: Vec::new(),
        };
        shard.group_history_came(SERVER, 7, Ok((past, nothing)));
    });
    stand.print("three\n");
    assert_eq!(next.lines(1), ["three"]);
    drop(gone);
}
