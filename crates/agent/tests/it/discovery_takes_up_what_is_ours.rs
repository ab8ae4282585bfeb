//! The agent finds its work by itself: nobody names an order.

use std::time::Duration;

use dcv_sandbox::ca::{ApiKey, CaSimulator, Endpoint, OrderSpec};

use super::support::{Agent, Bind, FOREIGN, eventually, read, simulator};

const DISCOVER: &str = "discover = { only = [\"*.dcv.test\", \"*.example.test\"], except = [\"secret.dcv.test\"], every_seconds = 5 }";

fn host(n: usize) -> String {
    format!("h{n}.dcv.test")
}

fn issued(ca: &CaSimulator, order: u64) -> bool {
    ca.order_status(order).as_deref() == Some("issued")
}

/// Orders of ours, of zones of others, excepted ones and ones with another method: what is ours is validated and tidied,
/// the rest is listed with the reason and left as it was, and the calls are few.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_done_is_done_and_nothing_else_is_touched() {
    const OURS: usize = 25;
    let mut names: Vec<String> = (0..OURS).map(host).collect();
    names.push("secret.dcv.test".to_owned());
    let bind = Bind::start(&names, "_dnsauth.h0 TXT \"somebody-elses-value\"", false);
    let ca = simulator(&bind.addresses(), |_| {}).await;
    let ours: Vec<u64> = (0..OURS).map(|n| ca.place(OrderSpec::dv([host(n)]))).collect();
    let excepted = ca.place(OrderSpec::dv(["secret.dcv.test"]));
    let elsewhere = ca.place(OrderSpec::dv(["www.other.example"]));
    let email = ca.place(OrderSpec::dv([host(1)]).method("email"));
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), "", DISCOVER);

    let run = agent.run(&["--once", "--timeout", "60s", "--output", "json"]);
    assert_eq!(run.code, 0, "{run:?}");
    for (n, &order) in ours.iter().enumerate() {
        assert!(issued(&ca, order), "order {order}: {run:?}");
        assert_eq!(bind.txt(&host(n)), if n == 0 { vec![FOREIGN.to_owned()] } else { vec![] });
    }
    let summary: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    for (order, why) in [(excepted, "excepted"), (elsewhere, "no pattern"), (email, "email")] {
        let report =
            summary["orders"].as_array().unwrap().iter().find(|report| report["order"] == order).unwrap();
        assert_eq!(report["reason"], "not-taken-up", "{report}");
        assert!(report["detail"].as_str().unwrap().contains(why), "{report}");
        assert_eq!(ca.order_status(order).as_deref(), Some("pending"));
    }
    assert_eq!(
        ca.stats().order(excepted).calls.values().sum::<u64>(),
        0,
        "an excepted order is not even read"
    );
    // The list, three calls for each order of ours, and a look at the one with another method.
    assert_eq!(ca.stats().total, 1 + 3 * OURS as u64 + 1);
    assert_eq!(ca.stats().throttled, 0);
}

/// A run that could not read the list has not done its work, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_is_no_success() {
    let bind = Bind::start(&[host(1)], "", false);
    let ca = simulator(&bind.addresses(), |_| {}).await;
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), "", DISCOVER);
    std::fs::write(agent.path("api.key"), "wrong").unwrap();
    let refused = agent.run(&["--once", "--timeout", "20s"]);
    assert_eq!(refused.code, 78, "{refused:?}");
    std::fs::write(agent.path("api.key"), "sandbox-key").unwrap();
    ca.shutdown().await;
    let down = agent.run(&["--once", "--timeout", "2s"]);
    assert_eq!(down.code, 75, "{down:?}");
}

/// A reload that names an order which the patterns do not admit keeps it; one that takes it out again tidies up.
#[tokio::test(flavor = "multi_thread")]
async fn a_named_order_is_nobodys_to_leave() {
    let bind = Bind::start(&["secret.dcv.test".to_owned()], "", false);
    let ca = simulator(&bind.addresses(), |config| config.profile.blind = bind.addresses()).await;
    let order = ca.place(OrderSpec::dv(["secret.dcv.test"]));
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), "", DISCOVER);
    let daemon = agent.daemon();
    eventually("the list is read", Duration::from_secs(10), || {
        read(&agent.path("log")).contains("read the list")
    });
    assert!(bind.txt("secret.dcv.test").is_empty());
    agent.configure(&ca.base_url(), &bind.addresses(), &order.to_string(), DISCOVER);
    daemon.signal("HUP");
    let lists = || read(&agent.path("log")).matches("read the list").count();
    eventually("the list is read again", Duration::from_secs(15), || lists() >= 2);
    eventually("the named order is worked on", Duration::from_secs(15), || {
        !bind.txt("secret.dcv.test").is_empty()
    });
    agent.configure(&ca.base_url(), &bind.addresses(), "", DISCOVER);
    daemon.signal("HUP");
    eventually("what is no longer named is tidied up", Duration::from_secs(15), || {
        bind.txt("secret.dcv.test").is_empty()
    });
    assert_eq!(daemon.stop().0, 0);
}

/// The daemon: a new order is found, a reissue is taken up again with its new value, a cancelled order is tidied up.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_the_account_is_noticed() {
    let names: Vec<String> = (0..4).map(host).collect();
    let bind = Bind::start(&names, "", false);
    let ca = simulator(&bind.addresses(), |_| {}).await;
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), "", DISCOVER);
    let daemon = agent.daemon();
    eventually("the list is read", Duration::from_secs(10), || {
        read(&agent.path("log")).contains("read the list")
    });

    let placed = ca.place(OrderSpec::dv([host(1)]));
    eventually("a new order is found and validated", Duration::from_secs(15), || issued(&ca, placed));
    eventually("its value is gone", Duration::from_secs(5), || bind.txt(&host(1)).is_empty());

    assert!(ca.reissue(placed));
    assert!(!issued(&ca, placed));
    eventually("the reissue is validated", Duration::from_secs(15), || issued(&ca, placed));
    eventually("its value is gone again", Duration::from_secs(5), || bind.txt(&host(1)).is_empty());

    // The CA is blind for this one, so it stays open until it is cancelled.
    ca.alter_profile(|profile| profile.blind = bind.addresses());
    let cancelled = ca.place(OrderSpec::dv([host(2)]));
    eventually("the value is published", Duration::from_secs(15), || !bind.txt(&host(2)).is_empty());
    assert!(ca.cancel(cancelled));
    eventually("the cancelled order is tidied up", Duration::from_secs(15), || bind.txt(&host(2)).is_empty());
    let idle = ca.stats().total;
    eventually("another question about changes", Duration::from_secs(10), || ca.stats().total > idle);
    let (code, _) = daemon.stop();
    assert_eq!(code, 0);
}

/// An order that was under way when the daemon ended is gone on with, not given up, although nobody names it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_with_what_was_found() {
    let bind = Bind::start(&[host(1)], "", false);
    let ca = simulator(&bind.addresses(), |config| config.profile.blind = bind.addresses()).await;
    let order = ca.place(OrderSpec::dv([host(1)]));
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), "", DISCOVER);
    let daemon = agent.daemon();
    eventually("the value is published", Duration::from_secs(15), || !bind.txt(&host(1)).is_empty());
    let serial = bind.serial();
    assert_eq!(daemon.stop().0, 0);

    ca.alter_profile(|profile| profile.blind = Vec::new());
    let run = agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(issued(&ca, order));
    assert!(bind.txt(&host(1)).is_empty());
    let changes = bind.serial().parse::<u64>().unwrap() - serial.parse::<u64>().unwrap();
    assert_eq!(changes, 1, "the value was not published again, only removed");
}

/// Two accounts with keys of their own; one key is refused, the other account's orders are done all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_account_does_not_hold_up_another() {
    let names: Vec<String> = (0..6).map(host).collect();
    let bind = Bind::start(&names, "", false);
    let ca = simulator(&bind.addresses(), |config| {
        config.keys = vec![ApiKey::full("sandbox-key").account(1), ApiKey::full("second").account(2)];
    })
    .await;
    let first: Vec<u64> = (0..3).map(|n| ca.place(OrderSpec::dv([host(n)]).account(1))).collect();
    let second: Vec<u64> = (3..6).map(|n| ca.place(OrderSpec::dv([host(n)]).account(2))).collect();
    let agent = Agent::new();
    std::fs::write(agent.path("second.key"), "wrong\n").unwrap();
    let other = format!(
        "{DISCOVER}\n[accounts.other]\nbase_url = \"{}\"\ninsecure_http = true\napi_key = {{ file = \"{}\" }}\n{DISCOVER}",
        ca.base_url(),
        agent.path("second.key").display()
    );
    agent.configure(&ca.base_url(), &bind.addresses(), "", &other);
    let daemon = agent.daemon();
    eventually("the first account's orders are done", Duration::from_secs(15), || {
        first.iter().all(|&order| issued(&ca, order))
    });
    assert!(second.iter().all(|&order| !issued(&ca, order)));
    let refused = ca.stats().total;

    // The key is rotated by replacing the file; nothing is restarted or reloaded.
    std::fs::write(agent.path("second.key"), "second\n").unwrap();
    eventually("the second account is heard again", Duration::from_secs(60), || {
        second.iter().all(|&order| issued(&ca, order))
    });
    assert!(ca.stats().total - refused < 40, "a refused account was hammered");
    assert_eq!(daemon.stop().0, 0);
    let listed = ca.stats().calls_of(Endpoint::ListOrders);
    assert!(listed >= 2, "each account has a list of its own");
}
