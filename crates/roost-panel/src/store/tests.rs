//! Changes and audit rows on both engines.

use super::{AuditEntry, AuditFilter, Store, StoreError};
use crate::{
    service::accounts::cli_user,
    testing::{on_both_databases, small_disk::SmallDisk},
};
use serde_json::Map;
use uuid::Uuid;

fn entry(event: &str, row: Option<Uuid>) -> AuditEntry {
    AuditEntry {
        row,
        time: 5,
        event: event.to_owned(),
        user: None,
        server: None,
        address: None,
        via: "node",
        details: Map::new(),
    }
}

async fn count(store: &Store, event: &str) -> i64 {
    let filter = AuditFilter {
        event: Some(event.to_owned()),
        ..AuditFilter::default()
    };
    store.count_audit(&filter).await.unwrap()
}

on_both_databases! {
    async fn rows_of_many_callers_are_there_when_they_are_told_so(world: &World) {
        let store = &world.panel.app().store;
        let writes = (0..300).map(|_| store.record(entry("server:test", None)));
        for written in futures_util::future::join_all(writes).await {
            written.unwrap();
        }
        assert_eq!(count(store, "server:test").await, 300);
        let rows = store.audit(&AuditFilter::default(), false, 0, 1000).await.unwrap();
        assert!(rows.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    async fn a_change_that_is_dropped_leaves_nothing(world: &World) {
        let store = &world.panel.app().store;
        let mut user = cli_user();
        (user.uuid, user.name, user.hidden) = (Uuid::from_u128(1), "ada".to_owned(), false);
        let mut tx = store.begin().await.unwrap();
        tx.insert_user(&user, None).await.unwrap();
        tx.audit(&entry("user:create", None)).await.unwrap();
        drop(tx);
        assert_eq!(store.user(user.uuid).await.unwrap(), None);
        assert_eq!(count(store, "user:create").await, 0);
        let mut tx = store.begin().await.unwrap();
        tx.insert_user(&user, None).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.user_by_name("ADA").await.unwrap().unwrap().uuid, user.uuid);
    }

    async fn a_nodes_row_is_taken_once(world: &World) {
        let store = &world.panel.app().store;
        let row = Some(Uuid::from_u128(7));
        for _ in 0..2 {
            let mut tx = store.begin().await.unwrap();
            tx.audit_all(&[entry("server:test", row), entry("server:test", None)]).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(count(store, "server:test").await, 3);
    }
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("panel.db");
    let _store = Store::open(path.to_str().unwrap()).await.unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn rows_that_are_kept_on_a_full_disk_are_bounded_and_written_by_themselves_once_there_is_room() {
    let disk = SmallDisk::new();
    let store = Store::open(disk.path().join("panel.db").to_str().unwrap())
        .await
        .unwrap();
    disk.fill();
    while store.record(entry("server:test", None)).await.is_ok() {}
    let rows = (0..300).map(|_| store.record_or_keep(entry("server:kept", None)));
    let kept = futures_util::future::join_all(rows).await;
    assert_eq!(kept.iter().filter(|k| k.is_ok()).count(), 256);
    for refused in kept.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, StoreError::DiskFull), "{refused}");
    }
    assert_eq!(count(&store, "server:kept").await, 0);
    disk.make_room();
    let begun = std::time::Instant::now();
    while count(&store, "server:kept").await != 256 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
