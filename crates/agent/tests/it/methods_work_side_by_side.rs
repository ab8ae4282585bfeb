//! Orders of different methods, side by side and at one name.

use std::time::{Duration, Instant};

use dcv_sandbox::ca::OrderSpec;

use super::support::{Bind, eventually, scene::Scene};

const HOST: &str = "h1.dcv.test";

fn cname(name: &str) -> OrderSpec {
    OrderSpec::dv([name]).method("dns-cname-token")
}

/// The alias is published, seen at the secondary as well, checked, and removed.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_by_cname_is_validated_and_tidied_up() {
    let scene = Scene::new(Bind::start(&[HOST.to_owned()], "", true)).await;
    let order = scene.ca.place(cname(HOST));
    scene.configure(&[order], "");
    let run = scene.agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(scene.issued(order));
    assert_eq!(scene.bind.alias(HOST), None, "our alias was left");
    let calls = scene.calls(order);
    assert_eq!(calls, 3, "as many as by TXT");
}

/// A name holds one alias: two orders by CNAME and one by TXT for it wait for one another, and all are done.
#[tokio::test(flavor = "multi_thread")]
async fn orders_that_exclude_each_other_take_turns() {
    let scene = Scene::new(Bind::start(&[HOST.to_owned()], "", false)).await;
    let orders =
        [scene.ca.place(cname(HOST)), scene.ca.place(cname(HOST)), scene.ca.place(OrderSpec::dv([HOST]))];
    scene.configure(&orders, "");
    let run = scene.agent.run(&["--once", "--timeout", "90s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(orders.iter().all(|&order| scene.issued(order)), "{run:?}");
    assert_eq!((scene.bind.alias(HOST), scene.bind.txt(HOST).len()), (None, 0), "something of ours was left");
}

/// Somebody else's alias of the CNAME method is waited for and never touched; a foreign text is a collision that a
/// person has to mend.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_at_the_name_is_respected() {
    let foreign =
        "_dnsauth.h1 CNAME somebody-elses.dcv.digicert.com.\n_dnsauth.h2 TXT \"somebody-elses-value\"";
    let names = [HOST.to_owned(), "h2.dcv.test".to_owned()];
    let scene = Scene::new(Bind::start(&names, foreign, false)).await;
    let (behind, beside) = (scene.ca.place(cname(HOST)), scene.ca.place(cname("h2.dcv.test")));
    scene.configure(&[behind, beside], "");
    let run = scene.agent.run(&["--once", "--timeout", "3s", "--output", "json"]);
    assert_eq!(run.order(behind)["reason"], "name-taken", "{run:?}");
    assert_eq!(run.order(beside)["reason"], "order-refused", "{run:?}");
    assert_eq!(scene.bind.alias(HOST).as_deref(), Some("somebody-elses.dcv.digicert.com."));
    assert_eq!(scene.bind.txt("h2.dcv.test"), ["somebody-elses-value"]);
}

/// A value that expires while the order is open: the alias is exchanged in one change.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_alias_gives_way_to_the_next() {
    let life = Duration::from_secs(8);
    let scene =
        Scene::with_ca(Bind::start(&[HOST.to_owned()], "", false), |config| config.profile.value_life = life)
            .await;
    scene.blind_the_ca();
    let order = scene.ca.place(cname(HOST));
    scene.configure(&[order], "");
    let daemon = scene.agent.daemon();
    eventually("the first alias is published", Duration::from_secs(10), || scene.bind.alias(HOST).is_some());
    let (first, start) = (scene.bind.alias(HOST), Instant::now());
    let mut gaps = 0;
    eventually("the next alias stands in its place", life + Duration::from_secs(8), || {
        let now = scene.bind.alias(HOST);
        gaps += usize::from(now.is_none());
        now.is_some() && now != first
    });
    assert_eq!(gaps, 0, "there was no alias for a while");
    assert!(start.elapsed() < life + Duration::from_secs(6));
    assert!(scene.ca.cancel(order));
    let (code, _) = daemon.stop();
    assert_eq!(code, 0);
    // The next run learns of the cancellation and tidies up.
    let last = scene.agent.run(&["--once", "--timeout", "20s"]);
    assert_eq!(last.code, 1, "a cancelled order needs a person: {last:?}");
    assert_eq!(scene.bind.alias(HOST), None);
}

/// `explain` judges an order by CNAME by its alias, and does not take it for a mistake.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_by_cname_is_explained_as_such() {
    let scene = Scene::with_blind_ca(Bind::start(&[HOST.to_owned()], "", false)).await;
    let order = scene.ca.place(cname(HOST));
    scene.configure(&[order], "");
    let open = scene.agent.run(&["--once", "--timeout", "3s"]);
    assert_eq!(open.code, 75, "{open:?}");
    let report = scene.json(&["explain", &order.to_string()]);
    let scope = &report[0]["scopes"][0];
    assert_eq!(scope["verdict"]["verdict"], "visible", "{report}");
    let failed = scope["findings"].as_array().unwrap().iter().any(|finding| finding["severity"] == "fail");
    assert!(!failed, "{report}");
}

/// An order by e-mail is left alone, unless the operator allows the agent to change its method.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_by_email_is_changed_only_where_that_is_allowed() {
    let scene = Scene::new(Bind::start(&[HOST.to_owned()], "", false)).await;
    let order = scene.ca.place(OrderSpec::dv([HOST]).method("email"));
    scene.configure(&[order], "");
    let left = scene.agent.run(&["--once", "--timeout", "10s"]);
    assert_eq!(left.code, 1, "{left:?}");
    assert!(left.out.contains("method-unsupported"), "{left:?}");

    scene.configure(&[order], "switch_method = \"dns-txt-token\"");
    let changed = scene.agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(changed.code, 0, "{changed:?}");
    assert!(scene.issued(order));
}
