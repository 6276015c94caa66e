//! How sockets end: bad frames, closes from outside, limits, panics, the end of the node.

use super::{
    super::{Filter, TooMany},
    client::{Seen, closed, seen, until},
    stand::{ADA, BOB, SERVER, Stand},
};
use roost_wire::close::Close;
use std::io::Write;

#[test]
fn bad_frames_are_closed_with_their_code_and_others_live_on() {
    let mut stand = Stand::new();
    let token = stand.token();
    let mut good = stand.join(&token);
    let bad: [(&str, Vec<u8>, u16); 6] = [
        ("huge", super::client::frame(0x81, &vec![b'x'; 40_000]), 1009),
        ("not masked", vec![0x81, 1, b'x'], 1002),
        ("compressed", super::client::frame(0xC1, b"x"), 1002),
        ("not UTF-8", super::client::frame(0x81, &[0xFF]), 1007),
        ("bad close", super::client::frame(0x88, &[1]), 1002),
        ("continues nothing", super::client::frame(0x80, b"x"), 1002),
    ];
    for (name, bytes, code) in bad {
        for is_member in [true, false] {
            let mut viewer = if is_member {
                stand.join(&token)
            } else {
                stand.open(None)
            };
            viewer.stream.write_all(&bytes).unwrap();
            assert_eq!(viewer.until_close().0, code, "{name}");
        }
    }
    stand.print("fine\n");
    assert_eq!(good.lines(1), ["fine"]);
}

#[test]
fn a_message_in_crumbs_and_a_ping_between_them_are_read() {
    let stand = Stand::new();
    let mut viewer = stand.open(None);
    let text = format!(r#"{{"event":"auth","args":["{}"]}}"#, stand.token());
    let (one, two) = text.as_bytes().split_at(20);
    let mut bytes = super::client::frame(0x01, one);
    bytes.extend(super::client::frame(0x89, b"hello"));
    bytes.extend(super::client::frame(0x80, two));
    for crumb in bytes.chunks(7) {
        viewer.stream.write_all(crumb).unwrap();
    }
    viewer.expect(&[Seen::Pong(b"hello".to_vec()), seen("auth success", &[])]);
}

#[test]
fn closes_hit_what_the_filter_names_and_nobody_else() {
    let mut stand = Stand::new();
    let open = |stand: &Stand| (stand.join(&stand.token()), stand.join(&stand.token_of_bob(&[])));
    let of = |user, credential: Option<&str>| Filter::User {
        user,
        servers: vec![SERVER],
        credential: credential.map(str::to_owned),
        issued_until: None,
    };

    let (mut ada, mut bob) = open(&stand);
    assert_eq!(
        stand.close(&of(BOB, Some("another key")), Close::AccessRevoked),
        0
    );
    assert_eq!(stand.close(&of(BOB, Some("key 2")), Close::AccessRevoked), 1);
    bob.expect(&[closed(4400, "access revoked"), Seen::End]);
    assert_eq!(
        stand.rows_of("server:websocket.disconnect", 1)[0].details["by"],
        "root"
    );

    let list = stand.shards.list();
    assert_eq!(
        list.iter()
            .map(|s| (s.user, s.user_name.as_deref()))
            .collect::<Vec<_>>(),
        [(ADA, Some("ada"))]
    );
    stand.print("still here\n");
    assert_eq!(ada.lines(1), ["still here"]);
    assert_eq!(stand.close(&Filter::Socket(list[0].id), Close::EndedByAdmin), 1);
    ada.expect(&[closed(4400, "ended by an administrator"), Seen::End]);

    // One whose access ended before this token was issued.
    let before = Filter::User {
        user: ADA,
        servers: vec![SERVER],
        credential: None,
        issued_until: Some(roost_wire::clock::Clock::now(&*stand.clock) - 1),
    };
    let mut ada = stand.join(&stand.token());
    assert_eq!(stand.close(&before, Close::AccessRevoked), 0);
    stand.print("and here\n");
    assert_eq!(ada.lines(1), ["and here"]);
    drop(ada);

    let (mut ada, mut bob) = open(&stand);
    let jti = roost_wire::token::token_id(ADA, SERVER, "session 1");
    assert_eq!(
        stand.close(
            &Filter::Tokens {
                server: SERVER,
                jtis: vec![jti]
            },
            Close::AccessRevoked
        ),
        1
    );
    assert_eq!(ada.until_close().0, 4400);
    let mut guest = stand.open(None);
    assert_eq!(stand.close(&Filter::Server(SERVER), Close::ServerDeleted), 2);
    for viewer in [&mut bob, &mut guest] {
        viewer.expect(&[
            seen("deleted", &["null"]),
            closed(4400, "server deleted"),
            Seen::End,
        ]);
    }
    until("all to be gone", || stand.shards.list().is_empty());
}

#[test]
fn suspending_spares_administrators() {
    let stand = Stand::new();
    let admin = roost_wire::permission::PermissionSet::admin();
    let mut admin = stand.join(&stand.token_with(|claims| claims.permissions = admin));
    let mut owner = stand.join(&stand.token());
    assert_eq!(stand.close(&Filter::Server(SERVER), Close::Suspended), 1);
    owner.expect(&[closed(4409, "server is suspended")]);
    admin.send("send stats", &[]);
    admin.until("stats");
}

#[test]
fn a_panic_ends_one_socket_only() {
    let mut stand = Stand::new();
    let mut good = stand.join(&stand.token());
    let mut cursed = stand.open(None);
    let token = stand.token_with(|claims| claims.user_name = "a name that breaks the recorder".into());
    cursed.send("auth", &[&token]);
    // The recorder panics again at the disconnect, so not even a close can leave.
    assert!(matches!(cursed.next(), Seen::Close(_) | Seen::End));
    stand.print("fine\n");
    assert_eq!(good.lines(1), ["fine"]);
}

#[test]
fn sockets_over_a_limit_are_told_to_come_later() {
    let stand = Stand::with(|settings| {
        settings.guests_per_address = 3;
        settings.per_credential = 2;
    });
    let guests: Vec<_> = (0..3).map(|_| stand.open(None)).collect();
    let address = "192.0.2.7".parse().unwrap();
    assert_eq!(stand.shards.admit(address, true).unwrap_err(), TooMany::Guests);
    drop(guests);
    until("room for guests", || stand.shards.admit(address, true).is_ok());
    let token = stand.token();
    let _members = [stand.join(&token), stand.join(&token)];
    let mut third = stand.open(Some(&token));
    third.expect(&[closed(
        1013,
        "too many sockets of this key or session, close some",
    )]);
    let mut bob = stand.open(Some(&stand.token_of_bob(&[])));
    bob.expect(&[seen("auth success", &[])]);
}

#[test]
fn the_end_of_the_node_is_worth_a_retry() {
    let stand = Stand::new();
    let mut viewer = stand.join(&stand.token());
    let mut guest = stand.open(None);
    until("both to be known", || stand.shards.list().len() == 1);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let start = std::time::Instant::now();
    let shards = stand.shards.clone();
    let end = std::thread::spawn(move || shards.shutdown());
    for one in [&mut viewer, &mut guest] {
        one.expect(&[closed(1012, "node is restarting"), Seen::End]);
    }
    drop((viewer, guest));
    end.join().unwrap();
    assert!(start.elapsed() < std::time::Duration::from_millis(900));
}
