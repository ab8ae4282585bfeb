//! Much work at once: few changes, few questions, and nothing left, at a real primary that tells its secondary.

use dcv_sandbox::ca::{OrderSpec, RateWindow};
use serde_json::Value as Json;

use super::support::{Agent, dig, pair::Pair, simulator};

/// As many changes of the zone as there were.
fn serial(pair: &Pair) -> u32 {
    dig(pair.primary, "dcv.test", "SOA")[0].split(' ').nth(2).unwrap().parse().unwrap()
}

/// A hundred and fifty orders of one name each and one of a hundred names: a change holds many values, also of different
/// orders; every name is asked for a handful of times at two servers, not once a moment.
#[tokio::test(flavor = "multi_thread")]
async fn orders_share_changes_and_names_are_asked_for_sparingly() {
    let pair = Pair::start();
    let unlimited = vec![RateWindow { calls: 1_000_000, per: std::time::Duration::from_secs(1) }];
    let ca = simulator(&pair.addresses(), |config| config.rate = unlimited).await;
    let mut orders = ca.place_many(&OrderSpec::dv(["o{n}.dcv.test"]), 150);
    orders.push(ca.place(OrderSpec::dv((0..100).map(|n| format!("n{n}.dcv.test")))));
    let agent = Agent::new();
    let rate = "rate = { short = \"100000/5s\", long = \"1000000/300s\" }";
    agent.configure(&ca.base_url(), &pair.addresses(), &super::support::list(&orders), rate);

    let before = serial(&pair);
    let run = agent.run(&["--once", "--timeout", "120s", "--output", "json"]);
    assert_eq!(run.code, 0, "{run:?}");
    for &order in &orders {
        assert_eq!(ca.order_status(order).as_deref(), Some("issued"), "order {order}");
    }
    let changes = serial(&pair) - before;
    assert!(changes <= 100, "{changes} changes of the zone for 250 values that came and went");
    let summary: Json = run.json();
    let questions = summary["dns_questions"].as_u64().unwrap();
    // Where it leads, two servers, CAA; and again at a secondary that lags.
    assert!(questions <= 250 * 8, "{questions} questions for 250 names");
    assert_eq!(summary["held"], 0);
    for name in ["o0", "o149", "n0", "n99"] {
        assert!(dig(pair.primary, &format!("_dnsauth.{name}.dcv.test"), "TXT").is_empty(), "{name} is left");
    }
}
