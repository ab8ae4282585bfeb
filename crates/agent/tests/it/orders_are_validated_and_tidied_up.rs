//! The main job as a user sees it: the binary, the simulated CA and a real BIND, each a party of its own.

use std::time::{Duration, Instant};

use dcv_sandbox::ca::{Endpoint, Fault, FaultKind, OrderSpec, RateWindow};

use super::support::{Bind, FOREIGN, eventually, scene::Scene};

fn host(n: usize) -> String {
    format!("h{n}.dcv.test")
}

fn foreign_at(n: usize) -> String {
    format!("_dnsauth.h{n} TXT \"{FOREIGN}\"")
}

/// 20 orders with 30 scopes, a secondary that lags, a foreign value: validated, tidied, untouched; then nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_orders_are_validated_and_a_second_run_changes_nothing() {
    let names: Vec<String> = (0..30).map(host).collect();
    let scene = Scene::new(Bind::start(&names, &foreign_at(0), true)).await;
    let mut orders = Vec::new();
    for n in 0..20 {
        let more = (n < 10).then(|| host(20 + n));
        orders.push(scene.ca.place(OrderSpec::dv([host(n)].into_iter().chain(more))));
    }
    scene.configure(&orders, "");

    let first = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(first.code, 0, "{first:?}");
    for &order in &orders {
        assert!(scene.issued(order));
        let calls = scene.calls(order);
        assert_eq!(calls, 3, "an order whose scopes are looked up needs three calls");
    }
    assert_eq!(scene.bind.txt(&host(0)), [FOREIGN], "a foreign value was touched, or ours was left");
    for n in 1..30 {
        assert_eq!(scene.bind.txt(&host(n)), [""; 0], "a value of ours was left at {}", host(n));
    }

    let (serial, calls) = (scene.bind.serial(), scene.ca.stats().total);
    let second = scene.agent.run(&["--once", "--output", "json"]);
    assert_eq!(second.code, 0, "{second:?}");
    assert_eq!(scene.bind.serial(), serial, "the second run changed the zone");
    assert_eq!(
        scene.ca.stats().total - calls,
        21,
        "the orders have just changed, as DigiCert tells; each is read once, and nothing else is asked"
    );
    assert_eq!(second.json()["orders"].as_array().unwrap().len(), 20);
}

/// A run over settled orders asks DigiCert once what has changed, however many there are; what has is worked on, and where it
/// cannot be asked each order is read.
#[tokio::test(flavor = "multi_thread")]
async fn settled_orders_cost_one_call_for_all() {
    let names: Vec<String> = (0..12).map(host).collect();
    let scene = Scene::new(Bind::start(&names, "", false)).await;
    let orders: Vec<u64> = (0..12).map(|n| scene.ca.place(OrderSpec::dv([host(n)]))).collect();
    scene.configure(&orders, "");
    scene.validates(&orders);
    scene.ca.age_status_changes(Duration::from_secs(3600));

    let calls = scene.ca.stats().total;
    let second = scene.agent.run(&["--once", "--output", "json"]);
    assert_eq!(second.code, 0, "{second:?}");
    assert_eq!(scene.ca.stats().total - calls, 1, "{second:?}");
    for &order in &orders {
        assert_eq!(second.order(order)["reason"], "validated", "{second:?}");
    }

    assert!(scene.ca.reissue(orders[3]));
    let calls = scene.ca.stats().total;
    scene.validates(&orders);
    let others = scene.ca.stats().total - calls - 1;
    assert!((2..=4).contains(&others), "{others} calls for one order that was reissued");

    scene.ca.age_status_changes(Duration::from_secs(3600));
    scene.ca.fault(Fault::always(FaultKind::Http503).at(Endpoint::StatusChanges));
    let calls = scene.ca.stats().total;
    scene.validates(&orders);
    assert_eq!(scene.ca.stats().total - calls, 13, "each order is read where changes are not told");
}

/// Configured scopes spare the look-up.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_configured_scopes_needs_two_calls() {
    let scene = Scene::new(Bind::start(&[host(1)], "", false)).await;
    let order = scene.ca.place(OrderSpec::dv([host(1)]));
    let entry = format!("{{ id = {order}, scopes = [\"*.{}\"] }}", host(1));
    scene.configure_entries(&entry, "");
    let run = scene.agent.run(&["--once"]);
    assert_eq!(run.code, 0, "{run:?}");
    let calls = scene.ca.stats().order(order).calls;
    assert_eq!(
        calls.into_iter().collect::<Vec<_>>(),
        [(Endpoint::DcvRandomValue, 1), (Endpoint::CheckDcv, 1)]
    );
}

/// The daemon: an order added to the file is taken up on SIGHUP; SIGTERM ends it in under five seconds.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_added_to_the_file_is_taken_up_on_hangup() {
    let scene = Scene::new(Bind::start(&[host(1), host(2)], "", false)).await;
    let one = scene.ca.place(OrderSpec::dv([host(1)]));
    let two = scene.ca.place(OrderSpec::dv([host(2)]));
    scene.configure(&[one], "");
    let daemon = scene.agent.daemon();
    let issued = |order| scene.issued(order);
    eventually("the first order is issued", Duration::from_secs(20), || issued(one));
    assert!(!issued(two));

    scene.configure(&[one, two], "");
    daemon.signal("HUP");
    eventually("the second order is issued", Duration::from_secs(20), || issued(two));
    eventually("our values are gone", Duration::from_secs(10), || scene.bind.txt(&host(2)).is_empty());

    // A configuration that is wrong changes nothing.
    std::fs::write(scene.agent.path("config.toml"), "[agnet]\n").unwrap();
    daemon.signal("HUP");
    eventually("the mistake is named", Duration::from_secs(10), || {
        scene.agent.log().contains("did you mean")
    });
    let (code, took) = daemon.stop();
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(5), "stopping took {took:?}");
}

/// A value that expires while the order is open: the new one is in DNS within five seconds, and the old one goes after
/// the new one was checked.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_value_is_replaced_within_five_seconds() {
    let life = Duration::from_secs(8);
    // One perspective of the CA is blind, so that the order stays open.
    let scene = Scene::with_ca(Bind::start(&[host(1)], &foreign_at(1), false), |config| {
        config.profile.value_life = life
    })
    .await;
    scene.blind_the_ca();
    let order = scene.ca.place(OrderSpec::dv([host(1)]));
    scene.configure(&[order], "");
    let daemon = scene.agent.daemon();
    eventually("the first value is published", Duration::from_secs(10), || {
        scene.bind.txt(&host(1)).len() == 2
    });
    let old = scene.ca.value(order).unwrap();
    let given = Instant::now();
    eventually("the new value is published", life + Duration::from_secs(6), || {
        scene.bind.txt(&host(1)).iter().any(|text| *text != old && text != FOREIGN)
    });
    assert!(
        given.elapsed() < life + Duration::from_secs(5),
        "the gap lasted {:?}",
        given.elapsed().saturating_sub(life)
    );
    eventually("the old value is retracted", Duration::from_secs(10), || {
        !scene.bind.txt(&host(1)).contains(&old)
    });
    assert!(scene.bind.txt(&host(1)).contains(&FOREIGN.to_owned()));
    assert_eq!(daemon.stop().0, 0);
}

/// SIGKILL at fifty instants while orders come in: the next run finishes, nothing of ours is left, nothing foreign is
/// lost, and the CA sees no burst.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_nothing() {
    const KILLS: usize = 50;
    let names: Vec<String> = (0..KILLS).map(host).collect();
    let foreign: String = (0..KILLS).map(|n| foreign_at(n) + "\n").collect();
    let scene = Scene::new(Bind::start(&names, &foreign, false)).await;
    let mut orders = Vec::new();
    for n in 0..KILLS {
        orders.push(scene.ca.place(OrderSpec::dv([host(n)])));
        let recent: Vec<u64> = orders.iter().rev().take(5).rev().copied().collect();
        scene.configure(&recent, "");
        let mut child = scene
            .agent
            .command(&["--once"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Spread over start-up, publishing, looking, asking and tidying, which together take about 300 ms.
        let instant = Instant::now() + Duration::from_millis(7 * n as u64);
        eventually("the instant of the kill", Duration::from_secs(5), || Instant::now() >= instant);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    scene.configure(&orders, "");
    let last = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(last.code, 0, "{last:?}");
    for (n, &order) in orders.iter().enumerate() {
        assert!(scene.issued(order));
        assert_eq!(scene.bind.txt(&host(n)), [FOREIGN]);
    }
    let stats = scene.ca.stats();
    assert_eq!(stats.throttled, 0);
    assert!(stats.max_in_window(Duration::from_secs(5)) <= 100, "a burst of calls");
}

/// Both windows low at the CA and in `rate`: not one 429, and at least nine tenths of what is allowed is used.
#[tokio::test(flavor = "multi_thread")]
async fn the_allowed_rate_is_used_and_never_exceeded() {
    const ORDERS: usize = 60;
    let names: Vec<String> = (0..ORDERS).map(host).collect();
    let window = |calls, seconds| RateWindow { calls, per: Duration::from_secs(seconds) };
    let scene = Scene::with_ca(Bind::start(&names, "", false), |config| {
        config.rate = vec![window(10, 1), window(60, 10)]
    })
    .await;
    let orders: Vec<String> = names
        .iter()
        .map(|name| format!("{{ id = {}, scopes = [\"{name}\"] }}", scene.ca.place(OrderSpec::dv([name]))))
        .collect();
    scene.configure_entries(&orders.join(", "), "rate = { short = \"10/1s\", long = \"60/10s\" }");
    let run = scene.agent.run(&["--once", "--timeout", "120s"]);
    assert_eq!(run.code, 0, "{run:?}");
    let stats = scene.ca.stats();
    assert_eq!((stats.throttled, stats.total), (0, 2 * ORDERS as u64));
    // 120 calls at best: ten a second for six seconds, a pause up to ten, and the same again: the last leaves at 15 s.
    let took = *stats.times.back().unwrap() - *stats.times.front().unwrap();
    assert!(took < Duration::from_secs(15).mul_f64(1.0 / 0.9), "120 calls took {took:?}");
}

/// Scopes that the configuration gives and DigiCert does not look at: once DigiCert has refused, they are compared with its
/// own, the difference is told, and the order is proven where DigiCert looks.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_scopes_are_told_and_mended() {
    let names = ["www.dcv.test".to_owned(), "dcv.test".to_owned()];
    let scene = Scene::with_ca(Bind::start(&names, "", false), |config| {
        config.profile.scope = dcv_sandbox::ca::Scope::BaseDomain
    })
    .await;
    let order = scene.ca.place(OrderSpec::dv(["www.dcv.test"]));
    scene.configure_entries(&format!("{{ id = {order}, scopes = [\"www.dcv.test\"] }}"), "");
    let run = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(scene.issued(order));
    let told = run.err.lines().any(|line| {
        line.contains("the configuration gives the scopes www.dcv.test")
            && line.contains("wants control of dcv.test")
    });
    assert!(told, "{run:?}");
    assert!(scene.bind.txt("www.dcv.test").is_empty() && scene.bind.txt("dcv.test").is_empty());
}
