//! A full disk, callers that go away, and what it costs on disk.

use dcv_core::{Artifact, Guarded, Lookup, RandomValue, RecordData};

use super::*;
use crate::{
    state::{Entry, Location, State},
    subject::Subject,
};

fn entries(from: u64, count: u64) -> Vec<Entry> {
    let entry = |number: u64| {
        let lookup = Lookup::dnsauth(format!("h{number}.example.com").parse().unwrap());
        let site = Guarded::direct(&lookup, "example.com".parse().unwrap()).unwrap();
        let data = RecordData::Txt(RandomValue::new(format!("value{number}")).unwrap());
        Entry { subject: Subject::order("main", number), artifact: Artifact::Record { site, data } }
    };
    (from..from + count).map(entry).collect()
}

/// The disk is full for a while: what could not be written is told as such, nothing of it is there, and what is written
/// once there is room again is durable, for whoever else reads the file.
#[tokio::test]
async fn after_a_full_disk_what_is_written_is_durable_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let state = State::open_file(&path).await.unwrap();
    let now = "2026-11-26T00:00:00Z".parse().unwrap();
    state.intend(&entries(0, 10), now).await.unwrap();
    // The limit is the connection's, and goes with it.
    state
        .sqlite()
        .with_connection(async |connection| {
            let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *connection).await?;
            sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
                .execute(connection)
                .await
        })
        .await
        .unwrap();
    let refused = state.intend(&entries(1000, 5000), now).await;
    assert!(refused.is_err());
    let trouble = state.trouble().unwrap();
    assert!(trouble.detail.contains("full"), "{}", trouble.detail);

    state.intend(&entries(10, 10), now).await.unwrap();
    assert_eq!(state.trouble(), None);
    let other = State::open_existing(&Location::File(path.clone())).await.unwrap();
    assert_eq!(other.held().await.unwrap().len(), 20, "another connection does not see what was promised");
}

/// A caller who goes away in the middle of a transaction leaves nothing of it, and the next one is not part of it.
#[tokio::test]
async fn a_cancelled_transaction_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let state = State::open_file(&path).await.unwrap();
    let cancelled = state.sqlite().with_connection(async |connection| {
        sqlx::raw_sql("BEGIN IMMEDIATE; INSERT INTO calls VALUES ('main', 1)").execute(connection).await?;
        std::future::pending::<()>().await;
        Ok(())
    });
    assert!(tokio::time::timeout(Duration::from_millis(200), cancelled).await.is_err());
    state.calling("other", "2026-11-26T00:00:00Z".parse().unwrap(), Duration::from_secs(1)).await.unwrap();
    let other = State::open_existing(&Location::File(path.clone())).await.unwrap();
    let now = "2026-11-26T00:00:00Z".parse().unwrap();
    assert_eq!(other.called("main", now).await.unwrap().len(), 0);
    assert_eq!(other.called("other", now).await.unwrap().len(), 1);
}

/// The files of the state stay as small as what is in them, however much is written: a disk of a megabyte is enough.
#[tokio::test]
async fn what_was_written_does_not_pile_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let state = State::open_file(&path).await.unwrap();
    for second in 0..300 {
        let trouble = crate::trouble::Trouble {
            of: "account main".into(),
            since: jiff::Timestamp::constant(1_800_000_000 + second, 0),
            detail: "down".into(),
        };
        state.set_troubles(&[trouble]).await.unwrap();
    }
    let files = std::fs::read_dir(folder.path()).unwrap();
    let octets: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(octets < 900_000, "{octets}");
}
