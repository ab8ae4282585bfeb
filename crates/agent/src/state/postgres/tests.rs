//! What replicas may rely on, before a real PostgreSQL.

use std::time::Duration;

use digicert_api::{Closed, Window};
use futures_util::future::join_all;
use jiff::Timestamp;

use super::*;
use crate::{
    state::{
        Claimed, Entry, Location, State,
        tests::{Postgres, shared},
    },
    subject::{Subject, Trigger},
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn orders(numbers: std::ops::Range<u64>) -> Vec<Claimed> {
    let claimed =
        |number| Claimed { subject: Subject::order("main", number), discovered: true, needed_by: None };
    numbers.map(claimed).collect()
}

fn record(number: u64) -> Entry {
    let lookup = dcv_core::Lookup::dnsauth(format!("h{number}.example.com").parse().unwrap());
    let site = dcv_core::Guarded::direct(&lookup, "example.com".parse().unwrap()).unwrap();
    let data = dcv_core::RecordData::Txt(dcv_core::RandomValue::new("value").unwrap());
    Entry { subject: Subject::order("main", number), artifact: dcv_core::Artifact::Record { site, data } }
}

fn answered(answered: Vec<i64>) -> Closed {
    Closed { answered, ..Closed::default() }
}

/// Replicas at one database, each with connections of its own.
async fn replicas(server: &Postgres, count: usize) -> Vec<(State, Fleet)> {
    let mut replicas = Vec::new();
    for _ in 0..count {
        let state = State::open(&shared(server)).await.unwrap();
        let fleet = state.fleet().unwrap();
        fleet.join().await.unwrap();
        replicas.push((state, fleet));
    }
    replicas
}

/// What is offered is taken up by one replica each, and shared out; what one is done with is nobody's any more, unless there is
/// news of it.
#[tokio::test]
async fn each_order_is_one_replicas() {
    let server = Postgres::start();
    let replicas = replicas(&server, 3).await;
    replicas[0].1.offer(&orders(0..300), false).await.unwrap();
    let mut claimed: Vec<Vec<Subject>> = vec![Vec::new(); 3];
    for _ in 0..20 {
        let beats = join_all(replicas.iter().map(|(_, fleet)| fleet.beat(1000, &["main"], &[]))).await;
        for (beat, claimed) in beats.into_iter().zip(&mut claimed) {
            claimed.extend(beat.unwrap().claimed.into_iter().map(|claimed| claimed.subject));
        }
    }
    let mut all: Vec<_> = claimed.iter().flatten().cloned().collect();
    all.sort();
    assert_eq!(all, orders(0..300).into_iter().map(|claimed| claimed.subject).collect::<Vec<_>>());
    assert!(claimed.iter().all(|claimed| claimed.len() > 30), "one has nearly all of it");

    let (fleet, own) = (&replicas[0].1, &claimed[0]);
    let mut leased: Vec<_> =
        fleet.leased().await.unwrap().into_iter().map(|claimed| claimed.subject).collect();
    leased.sort();
    let mut known = own.clone();
    known.sort();
    assert_eq!(leased, known, "what an answer that was lost had claimed can be asked for");
    replicas[1].1.tell(&[(own[0].clone(), Trigger::Changed)]).await.unwrap();
    fleet.finish(&own[..2]).await.unwrap();
    assert_eq!(server.sql("dcv", "SELECT count(*) FROM work"), "299", "there is news of one of the two");
    assert_eq!(fleet.beat(0, &["main"], &[]).await.unwrap().news, [(own[0].clone(), Trigger::Changed)]);
    replicas[1].1.finish(&own[..1]).await.unwrap();
    assert_eq!(server.sql("dcv", "SELECT count(*) FROM work"), "299", "what is another's is not ours to end");
}

/// What an account that is not configured here has, and what is left to others, is not claimed.
#[tokio::test]
async fn what_a_replica_cannot_do_is_left_to_others() {
    let server = Postgres::start();
    let replicas = replicas(&server, 1).await;
    let (_, fleet) = &replicas[0];
    fleet.offer(&orders(0..3), false).await.unwrap();
    assert_eq!(fleet.beat(10, &["other"], &[]).await.unwrap().claimed, []);
    let left = [Subject::order("main", 0), Subject::order("main", 2)];
    assert_eq!(fleet.beat(10, &["main"], &left).await.unwrap().claimed, orders(1..2));
    assert_eq!(fleet.beat(0, &["main"], &[]).await.unwrap().claimed, []);
    assert_eq!(fleet.beat(10, &["main"], &[]).await.unwrap().claimed.len(), 2);
}

/// A replica that was not heard of is fenced off: its work is free, its intents are refused, it knows so before others act, and
/// what it may have put up all the same is written down for them.
#[tokio::test]
async fn who_is_silent_is_fenced_off() {
    let server = Postgres::start();
    let replicas = replicas(&server, 2).await;
    let [(silent, lost), (_, other)] = &replicas[..] else { unreachable!() };
    lost.offer(&orders(1..2), false).await.unwrap();
    assert_eq!(lost.beat(10, &["main"], &[]).await.unwrap().claimed.len(), 1);
    silent.intend(&[record(1)], NOW).await.unwrap();
    let turn = lost.turn("zone example.com").await.unwrap();
    // By the database's clock only: those of hosts may be apart.
    server.sql("dcv", "UPDATE replicas SET beat = beat - interval '5 s' WHERE id = 1");
    let claimed = other.beat(10, &["main"], &[]).await.unwrap().claimed;
    assert_eq!(claimed, orders(1..2), "taken over");
    other.turn("zone example.com").await.unwrap().end().await;

    let refused = silent.intend(&[record(2)], NOW).await.unwrap_err();
    assert!(matches!(refused, Error::Fenced), "{refused}");
    assert!(matches!(silent.gone(&[record(1)]).await, Err(Error::Fenced)));
    assert!(matches!(lost.beat(10, &["main"], &[]).await, Err(Error::Fenced)));
    assert!(!lost.is_sure());
    turn.end().await;
    lost.confess(&[record(3)]).await.unwrap();
    assert_eq!(server.sql("dcv", "SELECT id FROM held ORDER BY id"), "1\n3");
    assert_eq!(other.beat(10, &["main"], &[]).await.unwrap().claimed.len(), 1, "somebody looks after it");

    lost.join().await.unwrap();
    silent.intend(&[record(4)], NOW).await.unwrap();
}

/// A replica that cannot reach its database stops to act before others take over.
#[tokio::test]
async fn a_replica_is_sure_of_its_work_for_less_than_the_others_wait() {
    let mut server = Postgres::start();
    let replicas = replicas(&server, 1).await;
    let (_, fleet) = &replicas[0];
    assert!(fleet.is_sure());
    server.kill();
    let began = tokio::time::Instant::now();
    while fleet.is_sure() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(began.elapsed() < Duration::from_secs(4), "others take over after four seconds");
    }
    assert!(matches!(fleet.beat(1, &["main"], &[]).await, Err(Error::Away { .. })));
    server.run();
    fleet.beat(1, &["main"], &[]).await.unwrap();
    assert!(fleet.is_sure(), "nobody has taken over meanwhile");
}

/// One writes a zone at a time, and who waits comes before who has just had a turn.
#[tokio::test]
async fn turns_are_taken_one_after_the_other() {
    let server = Postgres::start();
    let replicas = replicas(&server, 3).await;
    let order = std::sync::Mutex::new(Vec::new());
    let running = std::sync::atomic::AtomicUsize::new(0);
    join_all(replicas.iter().enumerate().map(async |(number, (_, fleet))| {
        for _ in 0..10 {
            let turn = fleet.turn("zone example.com").await.unwrap();
            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            order.lock().unwrap().push(number);
            tokio::time::sleep(Duration::from_millis(5)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            turn.end().await;
        }
    }))
    .await;
    let order = order.into_inner().unwrap();
    for number in 0..3 {
        let first = order.iter().position(|&other| other == number).unwrap();
        assert!(first < 10, "replica {number} waited for {first} turns of others");
    }
    let turn = replicas[0].1.turn("list").await.unwrap();
    assert!(replicas[1].1.try_turn("list").await.unwrap().is_none());
    drop(turn);
    replicas[0].1.beat(0, &[], &[]).await.unwrap();
    assert!(replicas[1].1.try_turn("list").await.unwrap().is_some(), "the beat gives back what was dropped");
}

/// All replicas together take no more places than there are, and all of them; those of a replica that is gone are free in time.
#[tokio::test]
async fn places_in_the_rate_are_shared() {
    let server = Postgres::start();
    let replicas = replicas(&server, 3).await;
    let window = |calls, seconds| Window { calls, per: Duration::from_secs(seconds) };
    let windows = [window(40, 600), window(50, 1000)];
    let take = async |fleet: &Fleet, most| fleet.take_places("main", most, &windows).await.unwrap();
    let taken = join_all(replicas.iter().map(async |(_, fleet)| {
        let mut places = Vec::new();
        for _ in 0..5 {
            places.extend(take(fleet, 7).await.taken);
        }
        places
    }));
    let taken = taken.await;
    assert_eq!(taken.iter().map(Vec::len).sum::<usize>(), 40, "the shorter window is full");
    let mut all: Vec<_> = taken.iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 40);

    let fleet = &replicas[0].1;
    let longest = Duration::from_secs(1000);
    fleet.close_places("main", &answered(taken[0].clone()), longest).await.unwrap();
    let full = take(fleet, 1).await;
    assert!(full.taken.is_empty() && full.wait > Duration::from_secs(300), "{full:?}");
    assert_eq!(full.used, [40, 40]);
    fleet
        .close_places("main", &Closed { unused: taken[1].clone(), ..Closed::default() }, longest)
        .await
        .unwrap();
    assert_eq!(take(fleet, 100).await.taken.len(), taken[1].len(), "what was not used is there again");
    fleet.pause("main", Duration::from_secs(40)).await.unwrap();
    let paused = take(&replicas[2].1, 1).await;
    assert!(paused.taken.is_empty() && paused.wait > Duration::from_secs(30), "{paused:?}");
}

/// Replicas that start at once make the tables once.
#[tokio::test]
async fn the_tables_are_made_once() {
    let server = Postgres::start();
    let location = shared(&server);
    for state in join_all((0..8).map(|_| State::open(&location))).await {
        state.unwrap();
    }
    assert_eq!(server.sql("dcv", "SELECT version FROM dcv_agent"), schema::VERSION.to_string());
}

/// What is no database for us is told in one sentence, and left as it is.
#[tokio::test]
async fn what_is_no_database_for_us_is_left_as_it_is() {
    let server = Postgres::start();
    let told = async |change: &dyn Fn(&mut Shared), access| {
        let Location::Shared(mut settings) = shared(&server) else { unreachable!() };
        change(&mut settings);
        let error = Store::open(&settings, access).await.map(drop).unwrap_err();
        (error.is_passing(), crate::error::chain(&error))
    };
    let at = |text: String| move |settings: &mut Shared| settings.address = text.parse().unwrap();
    let url = |rest: &str| format!("postgres://dcv@127.0.0.1:{}/{rest}", server.port);

    let (passes, empty) = told(&|_| (), Access::Beside).await;
    assert!(!passes && empty.contains("nothing at the state database"), "{empty}");
    let (passes, login) = told(&|settings| settings.password = None, Access::Own).await;
    assert!(!passes && login.contains("agent.state_password") && !login.contains("wonder"), "{login}");
    let (_, missing) = told(&at(url("nowhere")), Access::Own).await;
    assert!(missing.contains("does not exist"), "{missing}");
    let (_, tls) = told(&at(url("dcv?sslmode=require")), Access::Own).await;
    assert!(tls.contains("sslmode"), "{tls}");
    let (passes, away) = told(&at("postgres://dcv@127.0.0.1:1/dcv".into()), Access::Own).await;
    assert!(passes && away.contains("cannot be reached"), "{away}");

    server.sql("postgres", "CREATE DATABASE theirs");
    server.sql("theirs", "CREATE TABLE invoices (number BIGINT)");
    let (_, foreign) = told(&at(url("theirs")), Access::Own).await;
    assert!(foreign.contains("invoices") && foreign.contains("of its own"), "{foreign}");
    assert_eq!(server.sql("theirs", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "1");

    server.sql("postgres", "CREATE DATABASE fixed");
    server.sql("postgres", "ALTER DATABASE fixed SET default_transaction_read_only = on");
    let (_, fixed) = told(&at(url("fixed")), Access::Own).await;
    assert!(fixed.contains("only be read"), "{fixed}");

    State::open(&shared(&server)).await.unwrap();
    server.sql("postgres", "CREATE ROLE poor LOGIN PASSWORD 'wonder'");
    server.sql("dcv", "UPDATE dcv_agent SET version = 99");
    let (_, newer) = told(&|_| (), Access::Own).await;
    assert!(newer.contains("format 99"), "{newer}");
    server.sql("dcv", "UPDATE dcv_agent SET version = 1");
    let poor = server.url().replace("dcv@", "poor@");
    let (_, poor) = told(&at(poor), Access::Own).await;
    assert!(poor.contains("grants"), "{poor}");
}

/// The grants that the documentation lists are enough for a replica, once the tables are there.
#[tokio::test]
async fn a_user_with_the_documented_grants_can_run() {
    let server = Postgres::start();
    State::open(&shared(&server)).await.unwrap();
    let operations = include_str!("../../../../../docs/operations.md");
    let grants = operations.split("<!-- grants -->").nth(1).unwrap();
    server.sql("dcv", "CREATE ROLE dcv_agent LOGIN PASSWORD 'wonder'");
    server.sql("dcv", grants);
    let Location::Shared(mut settings) = shared(&server) else { unreachable!() };
    settings.address = server.url().replace("dcv@", "dcv_agent@").parse().unwrap();
    let state = State::open(&Location::Shared(settings)).await.unwrap();
    let fleet = state.fleet().unwrap();
    fleet.join().await.unwrap();
    fleet.offer(&orders(1..2), true).await.unwrap();
    assert_eq!(fleet.beat(1, &["main"], &[]).await.unwrap().claimed.len(), 1);
    fleet.turn("zone").await.unwrap().end().await;
    state.intend(&[record(1)], NOW).await.unwrap();
    let places = fleet
        .take_places("main", 1, &[Window { calls: 1, per: Duration::from_secs(1) }])
        .await
        .unwrap()
        .taken;
    fleet.close_places("main", &answered(places), Duration::from_secs(1)).await.unwrap();
    fleet.leave().await.unwrap();
}

/// After a failover the promoted standby is used, since both hosts are named.
#[tokio::test]
async fn a_promoted_standby_is_gone_on_with() {
    let mut primary = Postgres::with(&["wal_level=replica", "max_wal_senders=4"]);
    let standby = primary.standby();
    let Location::Shared(mut settings) = shared(&primary) else { unreachable!() };
    settings.address =
        format!("postgres://dcv@127.0.0.1:{},127.0.0.1:{}/dcv", standby.port, primary.port).parse().unwrap();
    let state = State::open(&Location::Shared(settings)).await.unwrap();
    state.intend(&[record(1)], NOW).await.unwrap();
    let behind = || standby.sql("dcv", "SELECT count(*) FROM held") != "1";
    while behind() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    primary.kill();
    let lost = state.intend(&[record(2)], NOW).await;
    assert!(lost.is_err(), "no host can be written to");
    standby.promote();
    state.intend(&[record(3)], NOW).await.unwrap();
    assert_eq!(state.held().await.unwrap().len(), 2);
}
