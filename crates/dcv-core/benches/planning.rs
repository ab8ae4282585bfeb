//! What deciding costs: a pass over ten thousand domains, an order with 250 names, and a plan for a hundred thousand loads.
//!
//! Prints the median of several rounds; nothing is asserted, since machines differ.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use dcv_core::{
    Allowance, DomainFacts, DomainName, Facts, Guarded, Kind, Load, Location, Lookup, Method, Policy, Target,
    decide, forecast,
};
use jiff::{SignedDuration, Timestamp};

const NOW: Timestamp = Timestamp::constant(1_868_227_200, 0);
const ROUNDS: usize = 9;

fn main() {
    // `cargo test` runs benches once to see that they start; a measurement is not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let domains: Vec<Facts> = (0..10_000).map(resting).collect();
    let policy = Policy::default();
    report("decide for 10,000 resting domains", || {
        for facts in &domains {
            black_box(decide(facts, &policy, NOW));
        }
    });
    let order = order(250);
    report("decide for an order with 250 names", || {
        black_box(decide(&order, &policy, NOW));
    });
    let loads: Vec<Load> = (0..100_000)
        .map(|n: i64| Load { deadline: Some(NOW + SignedDuration::from_secs(n * 7919 % 864_000)), calls: 4 })
        .collect();
    let window = |calls, seconds| Allowance { calls, per: SignedDuration::from_secs(seconds), used: 0 };
    let rate = [window(100, 5), window(1000, 300)];
    report("forecast for 100,000 loads", || {
        black_box(forecast(loads.clone(), &rate, NOW));
    });
}

fn report(what: &str, mut round: impl FnMut()) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("{what}: median {:?}, best {:?}, worst {:?}", times[ROUNDS / 2], times[0], times[ROUNDS - 1]);
}

fn name(text: String) -> Option<DomainName> {
    text.parse().ok()
}

/// A domain whose proof has time left.
fn resting(number: u64) -> Facts {
    let domain = name(format!("d{number}.example")).map(|name| DomainFacts {
        at: Some(NOW),
        name,
        active: true,
        pending: false,
        method: Some(Method::DnsTxt),
        kinds: vec!["ov".to_owned()],
        approved: Some(NOW),
        valid_until: Some(NOW + SignedDuration::from_hours(240)),
        seen: NOW,
    });
    Facts { seed: number, kind: Kind::Domain, domain: domain.map(Box::new), ..Facts::default() }
}

/// An order whose names were located, without a value yet.
fn order(names: usize) -> Facts {
    let scopes: Vec<DomainName> = (0..names).filter_map(|n| name(format!("h{n}.example.com"))).collect();
    let located = scopes.iter().filter_map(|scope| {
        let lookup = Lookup::dnsauth(scope.clone());
        let site = Guarded::direct(&lookup, name("example.com".to_owned())?).ok()?;
        Some((lookup, Location::At(Target::Record(site))))
    });
    let located = located.collect();
    Facts { located, located_at: Some(NOW), ..Facts::for_scopes(scopes) }
}
