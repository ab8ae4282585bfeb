//! A process dies at every place of the way of a value into DNS and out again, one after the other; the next run always ends
//! with every order done, nothing of ours left and nothing of others' lost.

use dcv_agent::death::{PLACES, VARIABLE};
use dcv_sandbox::ca::OrderSpec;

use super::support::{
    FOREIGN, Finished,
    fleet::{Fleet, HASTE, host, in_haste},
    list,
};

/// Dies at each of these places in turn, with an order of its own for each.
async fn die_at(places: &[(&str, &str)], is_shared: bool) {
    let fleet = Fleet::new(1, places.len(), in_haste).await;
    let agent = &fleet.replicas[0].agent;
    let mut orders = Vec::new();
    for (n, (way, place)) in places.iter().enumerate() {
        let place = format!("{way}: {place}");
        orders.push(fleet.ca.place(OrderSpec::dv([host(n)])));
        match is_shared {
            true => fleet.configure(&list(&orders[n..]), HASTE),
            false => {
                agent.configure(&fleet.ca.base_url(), &fleet.bind.addresses(), &list(&orders[n..]), HASTE)
            }
        }
        let mut dying = agent.command(&["--once", "--timeout", "60s"]);
        let died = Finished::from(dying.env(VARIABLE, &place).output().unwrap());
        assert_eq!(died.code, -1, "the place {place:?} is not passed: {died:?}");
        if is_shared {
            // Nobody has to wait until it was not heard of for long enough.
            fleet.database.sql("dcv", "UPDATE replicas SET beat = beat - interval '1 h'");
        }
        let next = agent.run(&["--once", "--timeout", "60s"]);
        assert_eq!(next.code, 0, "after {place:?}: {next:?}");
        assert!(fleet.issued(orders[n]), "after {place:?}: {next:?}");
        assert_eq!(fleet.bind.txt(&host(n)), [FOREIGN], "after {place:?}: {next:?}");
        let status = agent.run(&["status", "--output", "json"]).json();
        assert_eq!(status["held"].as_array().unwrap().len(), 0, "after {place:?}: {status}");
    }
    let zone = fleet.bind.transfer();
    let texts = zone.iter().filter(|record| record.contains(" TXT "));
    assert!(texts.clone().all(|record| record.contains(FOREIGN)), "{zone:?}");
    assert_eq!(texts.count(), places.len());
    assert_eq!(fleet.ca.stats().throttled, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_file() {
    let places: Vec<_> = PLACES.into_iter().filter(|(way, _)| *way != "replica").collect();
    die_at(&places, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_database() {
    die_at(&PLACES, true).await;
}
