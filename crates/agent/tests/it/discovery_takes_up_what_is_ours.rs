//! The agent finds its work by itself: nobody names an order.

use std::time::Duration;

use dcv_sandbox::ca::{ApiKey, Approval, CommonName, Endpoint, OrderSpec};

use super::support::{Bind, FOREIGN, account, eventually, scene::Scene};

const DISCOVER: &str = "discover = { only = [\"*.dcv.test\", \"*.example.test\"], except = [\"secret.dcv.test\"], every_seconds = 5 }";

fn host(n: usize) -> String {
    format!("h{n}.dcv.test")
}

/// Orders of ours, of zones of others, excepted ones and ones with another method: what is ours is validated and tidied,
/// the rest is listed with the reason and left as it was, and the calls are few.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_done_is_done_and_nothing_else_is_touched() {
    const OURS: usize = 25;
    let mut names: Vec<String> = (0..OURS).map(host).collect();
    names.push("secret.dcv.test".to_owned());
    let scene = Scene::new(Bind::start(&names, "_dnsauth.h0 TXT \"somebody-elses-value\"", false)).await;
    let ours: Vec<u64> = (0..OURS).map(|n| scene.ca.place(OrderSpec::dv([host(n)]))).collect();
    let excepted = scene.ca.place(OrderSpec::dv(["secret.dcv.test"]));
    let elsewhere = scene.ca.place(OrderSpec::dv(["www.other.example"]));
    let email = scene.ca.place(OrderSpec::dv([host(1)]).method("email"));
    scene.configure(&[], DISCOVER);

    let run = scene.agent.run(&["--once", "--timeout", "60s", "--output", "json"]);
    assert_eq!(run.code, 0, "{run:?}");
    for (n, &order) in ours.iter().enumerate() {
        assert!(scene.issued(order), "order {order}: {run:?}");
        assert_eq!(scene.bind.txt(&host(n)), if n == 0 { vec![FOREIGN.to_owned()] } else { vec![] });
    }
    for (order, why) in [(excepted, "excepted"), (elsewhere, "no pattern"), (email, "email")] {
        let report = run.order(order);
        assert_eq!(report["reason"], "not-taken-up", "{report}");
        assert!(report["detail"].as_str().unwrap().contains(why), "{report}");
        assert_eq!(scene.ca.order_status(order).as_deref(), Some("pending"));
    }
    assert_eq!(scene.calls(excepted), 0, "an excepted order is not even read");
    // The list, three calls for each order of ours, and a look at the one with another method.
    assert_eq!(scene.ca.stats().total, 1 + 3 * OURS as u64 + 1);
    assert_eq!(scene.ca.stats().throttled, 0);
}

/// A run that could not read the list has not done its work, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_is_no_success() {
    let scene = Scene::new(Bind::start(&[host(1)], "", false)).await;
    scene.configure(&[], DISCOVER);
    std::fs::write(scene.agent.path("api.key"), "wrong").unwrap();
    let refused = scene.agent.run(&["--once", "--timeout", "20s"]);
    assert_eq!(refused.code, 78, "{refused:?}");
    std::fs::write(scene.agent.path("api.key"), "sandbox-key").unwrap();
    scene.ca.shutdown().await;
    let down = scene.agent.run(&["--once", "--timeout", "2s"]);
    assert_eq!(down.code, 75, "{down:?}");
}

/// A reload that names an order which the patterns do not admit keeps it; one that takes it out again tidies up.
#[tokio::test(flavor = "multi_thread")]
async fn a_named_order_is_nobodys_to_leave() {
    let scene = Scene::with_blind_ca(Bind::start(&["secret.dcv.test".to_owned()], "", false)).await;
    let order = scene.ca.place(OrderSpec::dv(["secret.dcv.test"]));
    scene.configure(&[], DISCOVER);
    let daemon = scene.agent.daemon();
    eventually("the list is read", Duration::from_secs(10), || scene.agent.log().contains("read the list"));
    assert!(scene.bind.txt("secret.dcv.test").is_empty());
    scene.configure_entries(&order.to_string(), DISCOVER);
    daemon.signal("HUP");
    let lists = || scene.agent.log().matches("read the list").count();
    eventually("the list is read again", Duration::from_secs(15), || lists() >= 2);
    eventually("the named order is worked on", Duration::from_secs(15), || {
        !scene.bind.txt("secret.dcv.test").is_empty()
    });
    scene.configure(&[], DISCOVER);
    daemon.signal("HUP");
    eventually("what is no longer named is tidied up", Duration::from_secs(15), || {
        scene.bind.txt("secret.dcv.test").is_empty()
    });
    assert_eq!(daemon.stop().0, 0);
}

/// The daemon: a new order is found, a reissue is taken up again with its new value, a cancelled order is tidied up.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_the_account_is_noticed() {
    let names: Vec<String> = (0..4).map(host).collect();
    let scene = Scene::new(Bind::start(&names, "", false)).await;
    scene.configure(&[], DISCOVER);
    let daemon = scene.agent.daemon();
    eventually("the list is read", Duration::from_secs(10), || scene.agent.log().contains("read the list"));

    let placed = scene.ca.place(OrderSpec::dv([host(1)]));
    eventually("a new order is found and validated", Duration::from_secs(15), || scene.issued(placed));
    eventually("its value is gone", Duration::from_secs(5), || scene.bind.txt(&host(1)).is_empty());

    assert!(scene.ca.reissue(placed));
    assert!(!scene.issued(placed));
    eventually("the reissue is validated", Duration::from_secs(15), || scene.issued(placed));
    eventually("its value is gone again", Duration::from_secs(5), || scene.bind.txt(&host(1)).is_empty());

    // The CA is blind for this one, so it stays open until it is cancelled.
    scene.blind_the_ca();
    let cancelled = scene.ca.place(OrderSpec::dv([host(2)]));
    eventually("the value is published", Duration::from_secs(15), || !scene.bind.txt(&host(2)).is_empty());
    assert!(scene.ca.cancel(cancelled));
    eventually("the cancelled order is tidied up", Duration::from_secs(15), || {
        scene.bind.txt(&host(2)).is_empty()
    });
    let idle = scene.ca.stats().total;
    eventually("another question about changes", Duration::from_secs(10), || scene.ca.stats().total > idle);
    let (code, _) = daemon.stop();
    assert_eq!(code, 0);
}

/// An order that was under way when the daemon ended is gone on with, not given up, although nobody names it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_with_what_was_found() {
    let scene = Scene::with_blind_ca(Bind::start(&[host(1)], "", false)).await;
    let order = scene.ca.place(OrderSpec::dv([host(1)]));
    scene.configure(&[], DISCOVER);
    let daemon = scene.agent.daemon();
    eventually("the value is published", Duration::from_secs(15), || !scene.bind.txt(&host(1)).is_empty());
    let serial = scene.bind.serial();
    assert_eq!(daemon.stop().0, 0);

    scene.let_the_ca_see();
    let run = scene.agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(scene.issued(order));
    assert!(scene.bind.txt(&host(1)).is_empty());
    let changes = scene.bind.serial().parse::<u64>().unwrap() - serial.parse::<u64>().unwrap();
    assert_eq!(changes, 1, "the value was not published again, only removed");
}

/// Two accounts with keys of their own; one key is refused, the other account's orders are done all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_account_does_not_hold_up_another() {
    let names: Vec<String> = (0..6).map(host).collect();
    let scene = Scene::with_ca(Bind::start(&names, "", false), |config| {
        config.keys = vec![ApiKey::full("sandbox-key").account(1), ApiKey::full("second").account(2)];
    })
    .await;
    let first: Vec<u64> = (0..3).map(|n| scene.ca.place(OrderSpec::dv([host(n)]).account(1))).collect();
    let second: Vec<u64> = (3..6).map(|n| scene.ca.place(OrderSpec::dv([host(n)]).account(2))).collect();
    std::fs::write(scene.agent.path("second.key"), "wrong\n").unwrap();
    let other = account("other", &scene.ca, &scene.agent.path("second.key"), DISCOVER);
    scene.configure(&[], &format!("{DISCOVER}{other}"));
    let daemon = scene.agent.daemon();
    eventually("the first account's orders are done", Duration::from_secs(15), || {
        first.iter().all(|&order| scene.issued(order))
    });
    assert!(second.iter().all(|&order| !scene.issued(order)));
    let refused = scene.ca.stats().total;

    // The key is rotated by replacing the file; nothing is restarted or reloaded.
    std::fs::write(scene.agent.path("second.key"), "second\n").unwrap();
    eventually("the second account is heard again", Duration::from_secs(60), || {
        second.iter().all(|&order| scene.issued(order))
    });
    assert!(scene.ca.stats().total - refused < 40, "a refused account was hammered");
    assert_eq!(daemon.stop().0, 0);
    let listed = scene.ca.stats().calls_of(Endpoint::ListOrders);
    assert!(listed >= 2, "each account has a list of its own");
}

/// `status` beside the daemon, and after it: an order under way is told with what it waits for, one that ended with how it
/// ended; what was open and has ended while no agent ran is not told as open.
#[tokio::test(flavor = "multi_thread")]
async fn status_tells_what_is_under_way_and_what_has_ended() {
    let names: Vec<String> = (0..3).map(host).collect();
    let scene = Scene::new(Bind::start(&names, "", false)).await;
    let done = scene.ca.place(OrderSpec::dv([host(0)]));
    scene.configure(&[], DISCOVER);
    let told = |order: u64| {
        let status = scene.json(&["status"]);
        let mut orders = status["orders"].as_array().unwrap().iter();
        orders.find(|entry| entry["order"] == order).map(|entry| entry["reason"].as_str().unwrap().to_owned())
    };
    let daemon = scene.agent.daemon();
    eventually("the list is read", Duration::from_secs(10), || scene.agent.log().contains("read the list"));
    eventually("the order is done", Duration::from_secs(15), || told(done).as_deref() == Some("validated"));
    scene.blind_the_ca();
    let open = scene.ca.place(OrderSpec::dv([host(1)]));
    eventually("the other waits", Duration::from_secs(15), || {
        told(open).as_deref() == Some("waiting-for-ca")
    });
    assert_eq!(daemon.stop().0, 0);
    assert_eq!((told(done).as_deref(), told(open).as_deref()), (Some("validated"), Some("waiting-for-ca")));
    let text = scene.agent.run(&["status"]).out;
    assert!(text.lines().any(|line| line.contains("validated") && line.contains("(took ")), "{text}");

    // What has ended meanwhile is in no list; a value of it is taken down.
    assert!(scene.ca.cancel(open));
    let run = scene.agent.run(&["--once", "--timeout", "30s"]);
    assert_ne!(told(open).as_deref(), Some("waiting-for-ca"), "{run:?}");
    assert_eq!(told(done).as_deref(), Some("validated"));
}

/// An order's names are its common name and the additional ones, whether or not these repeat it: what is excepted is not
/// taken up by either, and an order that has a common name only is. What is no TLS certificate is nobody's work here.
#[tokio::test(flavor = "multi_thread")]
async fn an_orders_names_are_its_common_name_too() {
    let names: Vec<String> = (0..3).map(host).chain(["secret.dcv.test".to_owned()]).collect();
    let apart = |config: &mut dcv_sandbox::ca::CaConfig| config.profile.common_name = CommonName::Apart;
    let scene = Scene::with_ca(Bind::start(&names, "", false), apart).await;
    let excepted = scene.ca.place(OrderSpec::dv(["secret.dcv.test".to_owned(), host(0)]));
    let single = scene.ca.place(OrderSpec::dv([host(1)]));
    let code = scene.ca.place(OrderSpec::dv([host(2)]).product_type("code_signing_certificate"));
    scene.configure(&[], DISCOVER);
    let run = scene.agent.run(&["--once", "--timeout", "30s", "--output", "json"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(scene.issued(single), "{run:?}");
    for (order, why) in [(excepted, "secret.dcv.test is excepted"), (code, "code_signing_certificate")] {
        let report = run.order(order);
        assert_eq!(report["reason"], "not-taken-up", "{report}");
        assert!(report["detail"].as_str().unwrap().contains(why), "{report}");
        assert_eq!(scene.calls(order), 0);
    }
    assert_eq!((scene.issued(excepted), scene.issued(code)), (false, false));
}

/// A reissue whose names are proven and that waits for the account's administrator says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_reissue_that_an_administrator_has_to_approve_says_so() {
    let needed = |config: &mut dcv_sandbox::ca::CaConfig| config.profile.approval = Approval::Needed;
    let scene = Scene::with_ca(Bind::start(&[host(0)], "", false), needed).await;
    let order = scene.ca.place(OrderSpec::ov([host(0)]).status("issued"));
    assert!(scene.ca.reissue(order));
    scene.configure(&[], DISCOVER);
    let run = scene.agent.run(&["--once", "--timeout", "30s", "--output", "json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let report = run.order(order);
    assert_eq!(report["reason"], "waiting-for-approval", "{report}");
    assert!(report["detail"].as_str().unwrap().contains("administrator"), "{report}");
}
