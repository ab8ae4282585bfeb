//! A large account through discovery: 10,000 orders at a CA without limits, then at rest.
//!
//! The daemon finds them in the list, publishes each value at a real BIND with a secondary, has each checked by the simulated
//! CA, and tidies up. Told are the time until all are settled, calls, peak memory, the connections to the CA, and what is
//! logged at rest. `cargo bench --package dcv-agent --bench many_orders`; `ORDERS=100000` takes many minutes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement may panic, prints its figures and looks at the clock"
)]

#[expect(dead_code, reason = "the tests use all of it, a measurement a part")]
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use dcv_sandbox::ca::{OrderSpec, RateWindow};

use self::support::{Agent, pair::Pair, simulator};

/// How long the daemon is watched at rest.
const REST: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    // `cargo test` runs benches once to see that they start; a measurement is not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let count: usize = std::env::var("ORDERS").map_or(10_000, |orders| orders.parse().unwrap());
    let pair = Pair::start();
    let unlimited = vec![RateWindow { calls: 1_000_000_000, per: Duration::from_secs(1) }];
    let ca = simulator(&pair.addresses(), |config| config.rate = unlimited).await;
    let orders = ca.place_many(&OrderSpec::dv(["o{n}.dcv.test"]), count);
    let agent = Agent::new();
    let account =
        "discover = { every_seconds = 5 }\nrate = { short = \"100000/5s\", long = \"1000000/300s\" }";
    agent.configure(&ca.base_url(), &pair.addresses(), "", account);
    let start = Instant::now();
    let daemon = agent.daemon();
    let (mut sockets, mut settled) = (0, 0);
    while settled < count {
        tokio::time::sleep(Duration::from_millis(200)).await;
        sockets = sockets.max(connections(ca.address().port()));
        settled = orders.iter().filter(|&&order| ca.order_status(order).as_deref() == Some("issued")).count();
        assert!(start.elapsed() < Duration::from_secs(3600), "{settled} of {count}: {}", agent.log());
    }
    let took = start.elapsed();
    while !support::dig(pair.primary, "_dnsauth.o0.dcv.test", "TXT").is_empty() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // What is last written is logged a moment later.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let log = agent.log();
    let (lines, calls) = (log.lines().count(), ca.stats().total);
    tokio::time::sleep(REST).await;
    let at_rest = agent.log().lines().count() - lines;
    println!(
        "{count} orders: issued after {:.1} s, {calls} calls, {} MB at the most, {sockets} connections to the CA at the most,",
        took.as_secs_f64(),
        daemon.peak_memory() / 1024
    );
    println!(
        "{lines} lines of log, {at_rest} of them in {} s at rest, {} warnings",
        REST.as_secs(),
        log.matches("WARN").count()
    );
    let (code, stopped) = daemon.stop();
    println!("ended with {code} after {} ms", stopped.as_millis());
}

/// Established connections to a port of this host, as the kernel lists them.
fn connections(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let remote = format!(":{port:04X}");
    let to_port = |line: &str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next().is_some_and(|address| address.ends_with(&remote)) && fields.next() == Some("01")
    };
    table.lines().filter(|line| to_port(line)).count()
}
