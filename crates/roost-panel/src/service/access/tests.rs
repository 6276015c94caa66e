//! For every role, grant and permission: what the token carries is what the client API allows.

use super::*;
use crate::{
    service::accounts::cli_user,
    store::{ServerRow, UserRow},
};
use proptest::prelude::*;
use roost_wire::{
    permission::{ADMIN_WEBSOCKET, is_grantable},
    remote::{Pull, Runtime},
    token::{Claims, Grant, verify},
};
use uuid::Uuid;

const OWNER: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
const NOW: i64 = 1_795_508_400;

fn server() -> ServerRow {
    ServerRow {
        number: 1,
        uuid: Uuid::from_u128(9),
        identifier: "lobby".into(),
        name: "Lobby".into(),
        description: String::new(),
        owner: OWNER,
        owner_name: "ada".into(),
        node: None,
        node_row: None,
        runtime: Runtime::Process,
        command: vec!["true".into()],
        image: None,
        startup: None,
        pull: Pull::Missing,
        dir: None,
        ports: Vec::new(),
        memory: 0,
        cpu: 0,
        disk: 0,
        done: None,
        stop: None,
        stop_timeout: 600,
        restart: roost_wire::remote::RestartPolicy::default(),
        env: Default::default(),
        encoding: Default::default(),
        suspended: false,
        status: None,
        state: None,
        created_at: 0,
        updated_at: 0,
    }
}

fn user(uuid: Uuid, admin: bool) -> UserRow {
    UserRow {
        uuid,
        admin,
        hidden: false,
        name: "somebody".into(),
        ..cli_user()
    }
}

/// What a token made from these rights allows, after the node has read it.
fn token_allows(access: &Access, name: &str) -> bool {
    let claims = Claims::new(
        Grant {
            server: Uuid::from_u128(9),
            user: OTHER,
            user_name: "somebody",
            permissions: access.rights.clone(),
            credential: "c",
            history_from: access.history_from,
            issuer: "https://panel.example.com",
            audience: "https://node.example.com",
            unique_id: "0123456789abcdef".into(),
        },
        NOW * 1000,
    );
    let token = claims.sign("secret").unwrap();
    let clock = roost_wire::clock::ManualClock::at(NOW * 1000);
    match verify(&token, &["secret"], Uuid::from_u128(9), &clock) {
        Ok(read) => read.permissions.allows(name),
        // Without `websocket.connect` there is no token: it opens nothing.
        Err(_) => access.rights.allows(name) && !access.rights.allows(WEBSOCKET_CONNECT),
    }
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(grantable()),
        proptest::sample::select(ADMIN_WEBSOCKET.map(str::to_owned).to_vec()),
        "[a-z]{1,8}\\.[a-z]{1,8}",
    ]
}

proptest! {
    #[test]
    fn token_rights_are_rest_rights(
        role in 0..3_u8,
        granted in proptest::sample::subsequence(grantable(), 0..=grantable().len()),
        full in any::<bool>(),
        name in any_name(),
    ) {
        let (who, grant) = match role {
            0 => (user(OWNER, false), None),
            1 => (user(OTHER, true), None),
            _ => (user(OTHER, false), Some((granted.clone(), 5))),
        };
        let access = access(&server(), &who, grant.as_ref(), full).unwrap();
        prop_assert_eq!(token_allows(&access, &name), access.rights.allows(&name));
        if role == 2 && !full {
            let everything = granted.len() == grantable().len();
            let expected = granted.contains(&name) || (everything && !name.starts_with("admin"));
            prop_assert_eq!(access.rights.allows(&name), expected);
            prop_assert_eq!(access.history_from.is_some(), !granted.iter().any(|g| g == CONSOLE_HISTORY));
        }
        if role != 1 {
            prop_assert!(ADMIN_WEBSOCKET.iter().all(|admin| !access.rights.allows(admin)));
        }
    }
}

#[test]
fn each_role_gets_what_the_table_says() {
    let names = |access: Option<Access>| {
        access
            .unwrap()
            .rights
            .iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (owner, admin, other) = (user(OWNER, false), user(OTHER, true), user(OTHER, false));
    assert_eq!(names(access(&server(), &owner, None, false)), ["*"]);
    let all: Vec<&str> = std::iter::once("*").chain(ADMIN_WEBSOCKET).collect();
    assert_eq!(names(access(&server(), &admin, None, false)), all);
    assert_eq!(access(&server(), &other, None, false), None);
    assert_eq!(access(&server(), &other, None, true), None);
    let one = (vec!["control.start".to_owned()], 5);
    assert_eq!(
        names(access(&server(), &other, Some(&one), false)),
        ["control.start"]
    );
    assert_eq!(
        names(access(&server(), &other, Some(&one), true)),
        ["control.start"]
    );
    let connect = (vec![WEBSOCKET_CONNECT.to_owned()], 5);
    let full = access(&server(), &other, Some(&connect), true).unwrap();
    assert_eq!(full.history_from, Some(5));
    assert_eq!(names(Some(full)), ["*"]);
    let everything = (grantable(), 5);
    let access = access(&server(), &other, Some(&everything), false).unwrap();
    assert_eq!((access.role, access.history_from), (Role::Subuser, None));
    assert_eq!(names(Some(access)), ["*"]);
    assert!(is_grantable(CONSOLE_HISTORY));
}
