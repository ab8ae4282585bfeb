//! Replicas that share a fleet's work through PostgreSQL, before a real one and a real BIND: each order is done once, whoever
//! dies, hangs or is cut off; and nothing is left behind.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use dcv_sandbox::ca::{OrderSpec, RateWindow};

use super::support::{
    eventually,
    fleet::{DISCOVER, Fleet, HASTE, Replica, host, in_haste},
    list,
};

/// Orders found in an account are shared out, each is done by one replica and checked once, and the list is read by one.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_is_shared_out_and_done_once() {
    const ORDERS: usize = 60;
    let mut fleet = Fleet::new(3, ORDERS, in_haste).await;
    fleet.configure("", &format!("{DISCOVER}\n{HASTE}"));
    fleet.start_all();
    // Whoever is there alone takes everything.
    eventually("all are there", Duration::from_secs(30), || {
        fleet.count("replicas") == 3 && fleet.logs().contains("read the list of open orders")
    });
    let orders: Vec<u64> = (0..ORDERS).map(|n| fleet.ca.place(OrderSpec::dv([host(n)]))).collect();
    fleet.settles(&orders, Duration::from_secs(60));
    assert_eq!(fleet.most_checks(&orders), 1);
    let worked = fleet.replicas.iter().filter(|replica| replica.agent.log().contains("published")).count();
    assert!(worked >= 2, "one has done all of it:\n{}", fleet.logs());
    let lists = fleet.logs().matches("read the list of open orders").count();
    assert_eq!(lists, 1);
    eventually("what is done is looked after no more", Duration::from_secs(10), || fleet.count("work") == 0);

    // The one that reads the lists ends; another one goes on.
    let reader =
        fleet.replicas.iter().position(|replica| replica.agent.log().contains("read the list")).unwrap();
    let (code, took) = fleet.replicas[reader].daemon.take().unwrap().stop();
    assert!(code == 0 && took < Duration::from_secs(5), "{code} after {took:?}");
    assert_eq!(fleet.count("replicas"), 2, "it has left");
    let later = fleet.ca.place(OrderSpec::dv([host(0)]));
    fleet.settles(&[later], Duration::from_secs(30));
}

/// A replica that is killed, and one that hangs, lose what they had to the others within the time that is set.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_replica_had_is_taken_over() {
    const ORDERS: usize = 12;
    let mut fleet = Fleet::new(3, ORDERS, |config| {
        in_haste(config);
        config.profile.blind = config.authorities["dcv.test"].clone();
    })
    .await;
    let orders: Vec<u64> = (0..ORDERS).map(|n| fleet.ca.place(OrderSpec::dv([host(n)]))).collect();
    fleet.configure(&list(&orders), HASTE);
    fleet.start_all();
    eventually("all are taken up and published", Duration::from_secs(30), || {
        fleet.count("held WHERE applied IS NOT NULL") == ORDERS && fleet.count("replicas") == 3
    });
    // The first of them may have begun before the others were there; two at least have something after the next.
    fleet.replicas[0].daemon.as_ref().unwrap().signal("KILL");
    fleet.replicas[0].daemon = None;
    fleet.replicas[1].daemon.as_ref().unwrap().signal("STOP");
    eventually("one is left, and has everything", Duration::from_secs(20), || {
        fleet.count("replicas") == 1 && fleet.count("work WHERE replica IS NOT NULL") == ORDERS
    });
    fleet.ca.alter_profile(|profile| profile.blind = Vec::new());
    fleet.settles(&orders, Duration::from_secs(90));
    fleet.replicas[1].daemon.as_ref().unwrap().signal("CONT");
    eventually("it finds out, and begins anew", Duration::from_secs(15), || {
        fleet.replicas[1].agent.log().contains("others have taken over") && fleet.count("replicas") == 2
    });
    let later = fleet.ca.place(OrderSpec::dv([host(0)]));
    let mut all = orders.clone();
    all.push(later);
    fleet.configure(&list(&all), HASTE);
    for number in [1, 2] {
        fleet.replicas[number].daemon.as_ref().unwrap().signal("HUP");
    }
    fleet.settles(&all[..ORDERS], Duration::from_secs(30));
    eventually("the new order is done", Duration::from_secs(30), || {
        fleet.issued(later) && fleet.count("held") == 0
    });
}

/// While the database is away nothing is published and no call is made, the pages say so, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_while_the_database_is_away() {
    const ORDERS: usize = 6;
    let mut fleet = Fleet::new(2, ORDERS, in_haste).await;
    let orders: Vec<u64> = (0..ORDERS).map(|n| fleet.ca.place(OrderSpec::dv([host(n)]))).collect();
    fleet.configure("", &format!("{DISCOVER}\n{HASTE}"));
    fleet.start_all();
    fleet.settles(&orders, Duration::from_secs(60));
    fleet.database.kill();
    let before = fleet.ca.stats().total;
    let later: Vec<u64> = (0..ORDERS).map(|n| fleet.ca.place(OrderSpec::dv([host(n)]))).collect();
    eventually("it is told", Duration::from_secs(15), || {
        fleet.replicas.iter().all(|replica| replica.agent.log().contains("nothing is published until"))
    });
    // Longer than two intervals of the list.
    let end = Instant::now() + Duration::from_secs(11);
    eventually("time passes", Duration::from_secs(20), || Instant::now() > end);
    assert!(fleet.ca.stats().total <= before + 1, "calls are made that nobody counts");
    fleet.database.run();
    fleet.settles(&later, Duration::from_secs(60));
    for replica in &fleet.replicas {
        assert!(replica.agent.log().contains("can be written again"), "{}", fleet.logs());
    }
}

/// All replicas together use nine tenths of the CA's rate at least, and never more than it.
#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_shared_and_used() {
    const ORDERS: usize = 60;
    let window = |calls, seconds| RateWindow { calls, per: Duration::from_secs(seconds) };
    let mut fleet = Fleet::new(3, ORDERS, |config| config.rate = vec![window(10, 1), window(60, 10)]).await;
    let orders: Vec<u64> = (0..ORDERS).map(|n| fleet.ca.place(OrderSpec::dv([host(n)]))).collect();
    let entries: Vec<String> = orders
        .iter()
        .enumerate()
        .map(|(n, id)| format!("{{ id = {id}, scopes = [\"{}\"] }}", host(n)))
        .collect();
    fleet.configure(&entries.join(", "), "rate = { short = \"10/1s\", long = \"60/10s\" }");
    fleet.start_all();
    fleet.settles(&orders, Duration::from_secs(90));
    let stats = fleet.ca.stats();
    // 120 calls at best: ten a second for six seconds, a pause up to ten, and the same again: the last leaves at 15 s.
    let took = *stats.times.back().unwrap() - *stats.times.front().unwrap();
    let first = *stats.times.front().unwrap();
    let at: Vec<u128> = stats.times.iter().map(|time| (*time - first).as_millis()).collect();
    assert!(took < Duration::from_secs(15).mul_f64(1.0 / 0.9), "{} calls took {took:?}: {at:?}", stats.total);
}

/// One-shot runs at once share the work as well, and each ends.
#[tokio::test(flavor = "multi_thread")]
async fn one_shot_runs_share_the_work() {
    const ORDERS: usize = 12;
    let fleet = Fleet::new(2, ORDERS, in_haste).await;
    let orders: Vec<u64> = (0..ORDERS).map(|n| fleet.ca.place(OrderSpec::dv([host(n)]))).collect();
    fleet.configure(&list(&orders[..6]), &format!("{DISCOVER}\n{HASTE}"));
    let once = |replica: &Replica| {
        let mut command = replica.agent.command(&["--once", "--timeout", "60s", "--output", "json"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = fleet.replicas.iter().map(once).collect();
    let mut done = BTreeSet::new();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for entry in summary["orders"].as_array().unwrap() {
            let order = entry["order"].as_u64().unwrap();
            assert!(done.insert(order), "order {order} was done twice");
        }
    }
    fleet.settles(&orders, Duration::from_secs(10));
    assert_eq!(fleet.most_checks(&orders), 1);
    assert_eq!(fleet.count("replicas"), 0);
}

/// A fleet moves from a file to a database: what was left up there is taken down from here. No agent may run meanwhile, and what
/// is not empty is not copied into.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_moves_to_a_database() {
    let mut fleet = Fleet::new(1, 2, |config| {
        in_haste(config);
        config.profile.blind = config.authorities["dcv.test"].clone();
    })
    .await;
    let orders: Vec<u64> = (0..2).map(|n| fleet.ca.place(OrderSpec::dv([host(n)]))).collect();
    let agent = &fleet.replicas[0].agent;
    agent.configure(&fleet.ca.base_url(), &fleet.bind.addresses(), &list(&orders), HASTE);
    let daemon = agent.daemon();
    eventually("both are up", Duration::from_secs(30), || {
        (0..2).all(|n| fleet.bind.txt(&host(n)).len() == 2)
    });
    let file = format!("sqlite://{}", agent.path("state.db").display());
    std::fs::write(agent.path("password"), "wonder").unwrap();
    let (url, password) = (fleet.database.url(), agent.path("password").display().to_string());
    let copy = || agent.run(&["state", "copy", &file, &url, "--password-file", &password]);
    let refused = copy();
    assert!(refused.code == 78 && refused.err.contains("stop it first"), "{refused:?}");
    drop(daemon);
    let copied = copy();
    assert!(copied.code == 0 && copied.out.contains("may be up: 2"), "{copied:?}");
    let again = copy();
    assert!(again.code == 78 && again.err.contains("is not empty"), "{again:?}");

    fleet.ca.alter_profile(|profile| profile.blind = Vec::new());
    fleet.configure(&list(&orders), HASTE);
    fleet.start_all();
    fleet.settles(&orders, Duration::from_secs(60));
}
