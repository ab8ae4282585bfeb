//! What the simulator saw, for tests and for the curious.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use super::endpoint::Endpoint;

/// A snapshot of everything that was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// API calls received, refused ones included.
    pub total: u64,
    /// Calls answered with 429.
    pub throttled: u64,
    /// Calls with a missing or wrong key.
    pub bad_key: u64,
    /// Calls struck by a fault.
    pub faults: u64,
    /// DNS look-ups of the checks: questions asked of one address, repeats not counted.
    pub dns_questions: u64,
    /// Calls by endpoint, refused ones included.
    pub calls: BTreeMap<Endpoint, u64>,
    /// What happened to each order; at most [`Stats::ORDERS`].
    pub orders: BTreeMap<u64, OrderStats>,
    /// What happened to each domain; at most [`Stats::ORDERS`].
    pub domains: BTreeMap<u64, OrderStats>,
    /// When the latest calls came, as time since the start; at most [`Stats::RING`].
    #[serde(rename = "times_us", serialize_with = "micros")]
    pub times: VecDeque<Duration>,
}

/// What happened to one order, or one domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrderStats {
    /// Calls about it by endpoint, refused ones included.
    pub calls: BTreeMap<Endpoint, u64>,
    /// The random values handed out, in order, each once; at most [`OrderStats::VALUES`].
    pub values: Vec<String>,
}

impl OrderStats {
    /// How many values are remembered.
    pub const VALUES: usize = 1000;

    fn value(&mut self, value: &str) {
        if self.values.last().is_none_or(|last| last != value) && self.values.len() < Self::VALUES {
            self.values.push(value.to_owned());
        }
    }

    /// Calls of one kind.
    pub fn calls_of(&self, endpoint: Endpoint) -> u64 {
        self.calls.get(&endpoint).copied().unwrap_or(0)
    }
}

impl Stats {
    /// How many orders are counted apart.
    pub const ORDERS: usize = 200_000;

    /// How many call times are remembered.
    pub const RING: usize = 65_536;

    /// Calls of one kind, over all orders.
    pub fn calls_of(&self, endpoint: Endpoint) -> u64 {
        self.calls.get(&endpoint).copied().unwrap_or(0)
    }

    /// The counts of one order; empty when it was never called about.
    pub fn order(&self, id: u64) -> OrderStats {
        self.orders.get(&id).cloned().unwrap_or_default()
    }

    /// The counts of one domain; empty when it was never called about.
    pub fn domain(&self, id: u64) -> OrderStats {
        self.domains.get(&id).cloned().unwrap_or_default()
    }

    /// The most calls that any window of this length held.
    pub fn max_in_window(&self, per: Duration) -> usize {
        let mut first = 0;
        let mut most = 0;
        for (last, &at) in self.times.iter().enumerate() {
            while at - self.times[first] >= per {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    }
}

fn micros<S: serde::Serializer>(times: &VecDeque<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(times.iter().map(|at| u64::try_from(at.as_micros()).unwrap_or(u64::MAX)))
}

/// The book the statistics are written in.
#[derive(Debug)]
pub(super) struct Ledger {
    start: Instant,
    pub(super) stats: Stats,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), stats: Stats::default() }
    }

    pub(super) fn call(&mut self, endpoint: Endpoint, target: Option<u64>) {
        let stats = &mut self.stats;
        stats.total += 1;
        *stats.calls.entry(endpoint).or_default() += 1;
        // Ids are counted whether or not there is such an order: callers should stop asking about unknown ones.
        let targets = if endpoint.is_on_domain() { &mut stats.domains } else { &mut stats.orders };
        if let Some(id) = target
            && (targets.len() < Stats::ORDERS || targets.contains_key(&id))
        {
            *targets.entry(id).or_default().calls.entry(endpoint).or_default() += 1;
        }
        if stats.times.len() == Stats::RING {
            stats.times.pop_front();
        }
        stats.times.push_back(self.start.elapsed());
    }

    pub(super) fn value(&mut self, order: u64, value: &str) {
        self.stats.orders.entry(order).or_default().value(value);
    }

    pub(super) fn domain_value(&mut self, domain: u64, value: &str) {
        self.stats.domains.entry(domain).or_default().value(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_window_is_found() {
        let times = [0, 10, 900, 950, 999, 1000, 1005].map(Duration::from_millis);
        let stats = Stats { times: times.into(), ..Stats::default() };
        assert_eq!(stats.max_in_window(Duration::from_millis(106)), 5);
        assert_eq!(stats.max_in_window(Duration::from_millis(105)), 4);
        assert_eq!(stats.max_in_window(Duration::from_secs(5)), 7);
        assert_eq!(Stats::default().max_in_window(Duration::from_secs(5)), 0);
    }
}
