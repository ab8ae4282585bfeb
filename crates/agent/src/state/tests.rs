//! The state file of an earlier version, several processes at one file, and what both stores have to do alike.

use std::path::Path;

use dcv_core::{Artifact, Guarded, Kind, RandomValue, Reason, RecordData};
use jiff::Timestamp;
use sqlx::{Connection as _, SqliteConnection};

use super::*;
use crate::subject::Subject;

#[path = "../../tests/support/postgres.rs"]
mod postgres_server;

pub(super) use postgres_server::Postgres;

fn at(path: &Path) -> Location {
    Location::File(path.to_owned())
}

/// A state of each kind; what is given beside it ends with it.
async fn both() -> (Postgres, [State; 2]) {
    let server = Postgres::start();
    let shared = State::open(&shared(&server)).await.unwrap();
    (server, [State::in_memory().await.unwrap(), shared])
}

pub(super) fn shared(server: &Postgres) -> Location {
    Location::Shared(Shared {
        address: server.url().parse().unwrap(),
        password: Some(std::sync::Arc::new(dns_providers::Fixed("wonder".into()))),
        takeover: std::time::Duration::from_secs(6),
    })
}

/// A file as version 1 left it, with a record, an alias and a note.
async fn former(path: &Path) {
    let file = format!("sqlite://{}?mode=rwc", path.display());
    let mut connection = SqliteConnection::connect(&file).await.unwrap();
    sqlx::raw_sql(sqlite::FIRST_FORMAT).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO held VALUES ('main', 7, 'example.com', '_dnsauth.example.com', 'value', '2026-11-01T00:00:00Z', '2026-11-01T00:00:01Z');
         INSERT INTO held VALUES ('main', 8, 'example.com', '_dnsauth.www.example.com', 'CNAME x.dcv.digicert.com', '2026-11-01T00:00:00Z', NULL);
         INSERT INTO orders VALUES ('main', 7, 'waiting-for-ca', 'not found', '2026-11-01T00:00:00Z', '2026-11-01T01:00:00Z', 'pending', 0);
         INSERT INTO calls VALUES ('main', 1793491200000);",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
}

/// Everything that may be in DNS is still known after the format changed, and so is what was noted.
#[tokio::test]
async fn a_former_file_is_carried_over_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    former(&path).await;
    let refused = State::open_existing(&at(&path)).await;
    assert!(matches!(refused, Err(Error::Older { found: 1, .. })), "a reader changed the file: {refused:?}");

    let state = State::open_file(&path).await.unwrap();
    let held = state.held().await.unwrap();
    assert_eq!(held.len(), 2);
    let of = |number| held.iter().find(|(subject, _)| *subject == Subject::order("main", number)).unwrap();
    assert_eq!(of(7).1.artifact.to_string(), "_dnsauth.example.com TXT \"value\"");
    assert!(of(7).1.applied.is_some() && of(8).1.applied.is_none());
    assert_eq!(of(8).1.artifact.to_string(), "_dnsauth.www.example.com CNAME x.dcv.digicert.com.");
    let notes = state.notes().await.unwrap();
    assert_eq!((notes.len(), notes[0].reason.as_str(), notes[0].deadline), (1, "waiting-for-ca", None));
    assert_eq!((notes[0].begun, notes[0].discovered), (notes[0].at, false), "older files do not tell");
    assert_eq!(state.called("main", "2026-11-01T00:00:00Z".parse().unwrap()).await.unwrap().len(), 1);
    state.close().await;
    assert_eq!(State::open_existing(&at(&path)).await.unwrap().held().await.unwrap().len(), 2);
}

/// Processes that start at once at a file that is old or not there yet do not run its steps twice.
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_carry_it_over_once() {
    for old in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        if old {
            former(&path).await;
        }
        let each = (0..8).map(|_| {
            let path = path.clone();
            tokio::spawn(async move { State::open_file(&path).await })
        });
        for state in futures_util::future::join_all(each).await {
            let state = state.unwrap().unwrap();
            assert_eq!(state.held().await.unwrap().len(), if old { 2 } else { 0 });
        }
    }
}

/// Records, aliases and files of orders and domains are told apart, whatever they share.
#[tokio::test]
async fn what_is_held_reads_back_as_it_was_written() {
    let (_server, states) = both().await;
    for state in states {
        let value = || RandomValue::new("value").unwrap();
        let site = |label| {
            let lookup = dcv_core::Lookup { domain: "example.com".parse().unwrap(), label };
            Guarded::direct(&lookup, "example.com".parse().unwrap()).unwrap()
        };
        let (under, bare) = (dcv_core::Label::Under(dcv_core::DNSAUTH.into()), dcv_core::Label::Bare);
        let artifacts = [
            Artifact::Record { site: site(under.clone()), data: RecordData::Txt(value()) },
            Artifact::Record { site: site(bare), data: RecordData::Txt(value()) },
            Artifact::Record { site: site(under), data: RecordData::Cname("x.example".parse().unwrap()) },
            Artifact::File { host: "example.com".parse().unwrap(), value: value() },
        ];
        let subjects = [Subject::order("main", 1), Subject::domain("main", 1), Subject::order("other", 1)];
        let entries: Vec<_> = subjects
            .iter()
            .flat_map(|subject| artifacts.iter().map(|artifact| (subject.clone(), artifact.clone())))
            .map(|(subject, artifact)| Entry { subject, artifact })
            .collect();
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        state.intend(&entries, now).await.unwrap();
        assert_eq!(state.held().await.unwrap().len(), entries.len());
        assert_eq!(state.files().await.unwrap().len(), subjects.len());
        let bare = state.at_owners(&[&"example.com".parse().unwrap()].into()).await.unwrap();
        assert_eq!(bare.len(), subjects.len(), "records only: the file of the host stands elsewhere");
        let under = state.at_owners(&[artifacts[0].owner()].into()).await.unwrap();
        assert_eq!(under.len(), 2 * subjects.len());

        let of_domain: Vec<_> =
            entries.iter().filter(|entry| entry.subject.id.kind() == Kind::Domain).cloned().collect();
        state.gone(&of_domain).await.unwrap();
        let left = state.held().await.unwrap();
        assert_eq!(left.len(), entries.len() - artifacts.len());
        for Entry { subject, artifact } in entries.iter().filter(|entry| !of_domain.contains(entry)) {
            assert!(left.iter().any(|(holder, held)| holder == subject && held.artifact == *artifact));
        }
    }
}

/// What has ended is told for some days, then no more; what the configuration names, and what is open, is told for good.
#[tokio::test]
async fn what_was_found_and_has_ended_is_forgotten_in_time() {
    let (_server, states) = both().await;
    for state in states {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let last = |number, reason: Reason, day: &str, discovered| LastStatus {
            subject: Subject::order("main", number),
            reason: reason.code().to_owned(),
            detail: "detail".to_owned(),
            at: at(day),
            begun: at("2026-11-01T00:00:00Z"),
            wake: at(day),
            status: Some("issued".to_owned()),
            proven: true,
            deadline: None,
            discovered,
        };
        let (old, new) = ("2026-11-02T00:00:00Z", "2026-11-20T00:00:00Z");
        let all = [
            last(1, Reason::Validated, old, true),
            last(2, Reason::Validated, new, true),
            last(3, Reason::Validated, old, false),
            last(4, Reason::WaitingForCa, old, true),
            last(5, Reason::OrderClosed, old, true),
        ];
        state.note_all(&all, &[]).await.unwrap();
        assert_eq!(state.notes().await.unwrap(), all);
        state.forget_finished(at("2026-11-13T00:00:00Z")).await.unwrap();
        let numbers = async || {
            state.notes().await.unwrap().iter().map(|last| last.subject.id.number()).collect::<Vec<_>>()
        };
        assert_eq!(numbers().await, [2, 3, 4]);
        state.note_all(&[], &[Subject::order("main", 4)]).await.unwrap();
        assert_eq!(numbers().await, [2, 3]);
    }
}

/// A fleet that is moved from a file to a database, and back, has everything that it had.
#[tokio::test]
async fn a_fleet_can_be_moved_between_the_stores() {
    let (_server, [file, database]) = both().await;
    let other = State::in_memory().await.unwrap();
    let lookup = dcv_core::Lookup::dnsauth("example.com".parse().unwrap());
    let site = Guarded::direct(&lookup, "example.com".parse().unwrap()).unwrap();
    let data = RecordData::Txt(RandomValue::new("value").unwrap());
    let entry = Entry { subject: Subject::order("main", 1), artifact: Artifact::Record { site, data } };
    let entries = [entry.clone(), Entry { subject: Subject::domain("main", 1), ..entry }];
    let now = "2026-11-24T00:00:00Z".parse().unwrap();
    file.intend(&entries, now).await.unwrap();
    file.applied(&entries[..1], now).await.unwrap();
    let status = LastStatus {
        subject: Subject::order("main", 1),
        reason: Reason::WaitingForCa.code().to_owned(),
        detail: "detail".to_owned(),
        at: now,
        begun: now,
        wake: now,
        status: None,
        proven: false,
        deadline: Some(now),
        discovered: true,
    };
    file.note_all(&[status], &[]).await.unwrap();
    let copied = Copied { held: 2, orders: 1 };
    assert_eq!(file.copy_to(&database).await.unwrap(), copied);
    assert!(matches!(file.copy_to(&database).await, Err(Error::Unfit { .. })), "it is not empty any more");
    assert_eq!(database.copy_to(&other).await.unwrap(), copied);
    let sorted = async |state: &State| {
        let mut held = state.held().await.unwrap();
        held.sort_by(|(one, _), (two, _)| one.cmp(two));
        (held, state.notes().await.unwrap())
    };
    assert_eq!(sorted(&file).await, sorted(&other).await);
}
