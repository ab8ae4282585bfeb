//! Orders of different methods, side by side and at one name.

use std::time::{Duration, Instant};

use dcv_sandbox::ca::{CaSimulator, OrderSpec};

use super::support::{Agent, Bind, eventually, list, simulator};

const HOST: &str = "h1.dcv.test";

fn issued(ca: &CaSimulator, order: u64) -> bool {
    ca.order_status(order).as_deref() == Some("issued")
}

fn cname(name: &str) -> OrderSpec {
    OrderSpec::dv([name]).method("dns-cname-token")
}

/// The alias is published, seen at the secondary as well, checked, and removed.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_by_cname_is_validated_and_tidied_up() {
    let bind = Bind::start(&[HOST.to_owned()], "", true);
    let ca = simulator(&bind.addresses(), |_| {}).await;
    let order = ca.place(cname(HOST));
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), &list(&[order]), "");
    let run = agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(issued(&ca, order));
    assert_eq!(bind.alias(HOST), None, "our alias was left");
    let calls: u64 = ca.stats().order(order).calls.values().sum();
    assert_eq!(calls, 3, "as many as by TXT");
}

/// A name holds one alias: two orders by CNAME and one by TXT for it wait for one another, and all are done.
#[tokio::test(flavor = "multi_thread")]
async fn orders_that_exclude_each_other_take_turns() {
    let bind = Bind::start(&[HOST.to_owned()], "", false);
    let ca = simulator(&bind.addresses(), |_| {}).await;
    let orders = [ca.place(cname(HOST)), ca.place(cname(HOST)), ca.place(OrderSpec::dv([HOST]))];
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), &list(&orders), "");
    let run = agent.run(&["--once", "--timeout", "90s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(orders.iter().all(|&order| issued(&ca, order)), "{run:?}");
    assert_eq!((bind.alias(HOST), bind.txt(HOST).len()), (None, 0), "something of ours was left");
}

/// Somebody else's alias of the CNAME method is waited for and never touched; a foreign text is a collision that a
/// person has to mend.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_at_the_name_is_respected() {
    let foreign =
        "_dnsauth.h1 CNAME somebody-elses.dcv.digicert.com.\n_dnsauth.h2 TXT \"somebody-elses-value\"";
    let names = [HOST.to_owned(), "h2.dcv.test".to_owned()];
    let bind = Bind::start(&names, foreign, false);
    let ca = simulator(&bind.addresses(), |_| {}).await;
    let (behind, beside) = (ca.place(cname(HOST)), ca.place(cname("h2.dcv.test")));
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), &list(&[behind, beside]), "");
    let run = agent.run(&["--once", "--timeout", "3s", "--output", "json"]);
    let summary: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let reason = |order: u64| {
        let orders = summary["orders"].as_array().unwrap();
        orders.iter().find(|report| report["order"] == order).unwrap()["reason"].clone()
    };
    assert_eq!(reason(behind), "name-taken", "{summary}");
    assert_eq!(reason(beside), "order-refused", "{summary}");
    assert_eq!(bind.alias(HOST).as_deref(), Some("somebody-elses.dcv.digicert.com."));
    assert_eq!(bind.txt("h2.dcv.test"), ["somebody-elses-value"]);
}

/// A value that expires while the order is open: the alias is exchanged in one change.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_alias_gives_way_to_the_next() {
    let life = Duration::from_secs(8);
    let bind = Bind::start(&[HOST.to_owned()], "", false);
    let ca = simulator(&bind.addresses(), |config| {
        config.profile.value_life = life;
        config.profile.blind = bind.addresses();
    })
    .await;
    let order = ca.place(cname(HOST));
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), &list(&[order]), "");
    let daemon = agent.daemon();
    eventually("the first alias is published", Duration::from_secs(10), || bind.alias(HOST).is_some());
    let (first, start) = (bind.alias(HOST), Instant::now());
    let mut gaps = 0;
    eventually("the next alias stands in its place", life + Duration::from_secs(8), || {
        let now = bind.alias(HOST);
        gaps += usize::from(now.is_none());
        now.is_some() && now != first
    });
    assert_eq!(gaps, 0, "there was no alias for a while");
    assert!(start.elapsed() < life + Duration::from_secs(6));
    assert!(ca.cancel(order));
    let (code, _) = daemon.stop();
    assert_eq!(code, 0);
    // The next run learns of the cancellation and tidies up.
    let last = agent.run(&["--once", "--timeout", "20s"]);
    assert_eq!(last.code, 1, "a cancelled order needs a person: {last:?}");
    assert_eq!(bind.alias(HOST), None);
}

/// `explain` judges an order by CNAME by its alias, and does not take it for a mistake.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_by_cname_is_explained_as_such() {
    let bind = Bind::start(&[HOST.to_owned()], "", false);
    let ca = simulator(&bind.addresses(), |config| config.profile.blind = bind.addresses()).await;
    let order = ca.place(cname(HOST));
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), &list(&[order]), "");
    let open = agent.run(&["--once", "--timeout", "3s"]);
    assert_eq!(open.code, 75, "{open:?}");
    let run = agent.run(&["explain", &order.to_string(), "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let scope = &report[0]["scopes"][0];
    assert_eq!(scope["verdict"]["verdict"], "visible", "{report}");
    let failed = scope["findings"].as_array().unwrap().iter().any(|finding| finding["severity"] == "fail");
    assert!(!failed, "{report}");
}

/// An order by e-mail is left alone, unless the operator allows the agent to change its method.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_by_email_is_changed_only_where_that_is_allowed() {
    let bind = Bind::start(&[HOST.to_owned()], "", false);
    let ca = simulator(&bind.addresses(), |_| {}).await;
    let order = ca.place(OrderSpec::dv([HOST]).method("email"));
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), &list(&[order]), "");
    let left = agent.run(&["--once", "--timeout", "10s"]);
    assert_eq!(left.code, 1, "{left:?}");
    assert!(left.out.contains("method-unsupported"), "{left:?}");

    agent.configure(&ca.base_url(), &bind.addresses(), &list(&[order]), "switch_method = \"dns-txt-token\"");
    let changed = agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(changed.code, 0, "{changed:?}");
    assert!(issued(&ca, order));
}
