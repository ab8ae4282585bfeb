//! Everything the simulator knows, behind one lock that is never held across an await.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    config::ApiKey,
    domains::{Domain, DomainSpec},
    fault::Faults,
    lookup::Eyes,
    order_spec::OrderSpec,
    orders::Order,
    profile::Profile,
    random::Random,
    rate::Limits,
    stats::{Ledger, Stats},
    values::Value,
};
use crate::clock;

/// Orders the simulator will hold, and domains; enough for any test, and an end to a runaway one.
pub(super) const MAX_ORDERS: usize = 100_000;

/// What the parts of the simulator share.
pub(super) struct World {
    pub(super) eyes: Eyes,
    pub(super) shutdown: CancellationToken,
    /// Rung when the CA's own polling may have something new to do.
    pub(super) polling: Notify,
    state: Mutex<State>,
}

impl World {
    pub(super) fn new(eyes: Eyes, state: State) -> Self {
        Self { eyes, shutdown: CancellationToken::new(), polling: Notify::new(), state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not turn every later call into another one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Places an order; its id is new unless the specification chooses one.
    pub(super) fn place(&self, spec: OrderSpec) -> u64 {
        let id = self.lock().place(spec, &self.eyes);
        self.polling.notify_one();
        id
    }

    /// Places a domain; its id is new unless the specification chooses one.
    pub(super) fn place_domain(&self, spec: DomainSpec) -> u64 {
        let id = self.lock().place_domain(spec);
        self.polling.notify_one();
        id
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = self.lock().ledger.stats.clone();
        stats.dns_questions = self.eyes.questions();
        stats
    }
}

/// What changes.
pub(super) struct State {
    pub(super) profile: Profile,
    pub(super) keys: Vec<ApiKey>,
    pub(super) limits: Limits,
    pub(super) faults: Faults,
    pub(super) random: Random,
    pub(super) ledger: Ledger,
    pub(super) orders: BTreeMap<u64, Order>,
    pub(super) domains: BTreeMap<u64, Domain>,
    /// The domains by account and name.
    pub(super) by_name: BTreeMap<(u64, String), u64>,
    next_order: u64,
    next_domain: u64,
    next_certificate: u64,
}

impl State {
    pub(super) fn new(profile: Profile, keys: Vec<ApiKey>, limits: Limits, random: Random) -> Self {
        Self {
            profile,
            keys,
            limits,
            faults: Faults::default(),
            random,
            ledger: Ledger::new(),
            orders: BTreeMap::new(),
            domains: BTreeMap::new(),
            by_name: BTreeMap::new(),
            next_order: 100_001,
            next_domain: 9001,
            next_certificate: 500_001,
        }
    }

    pub(super) fn place(&mut self, spec: OrderSpec, eyes: &Eyes) -> u64 {
        let id = spec.id.unwrap_or_else(|| {
            while self.orders.contains_key(&self.next_order) {
                self.next_order += 1;
            }
            self.next_order
        });
        let certificate_id = self.new_certificate_id();
        let order = Order::new(spec, id, certificate_id, &self.profile, eyes.zones());
        self.orders.insert(id, order);
        self.use_domains(id);
        id
    }

    pub(super) fn place_domain(&mut self, spec: DomainSpec) -> u64 {
        let id = spec.id.unwrap_or_else(|| {
            while self.domains.contains_key(&self.next_domain) {
                self.next_domain += 1;
            }
            self.next_domain
        });
        let mut domain = Domain::new(spec, id, &self.profile);
        if domain.pending {
            let method = domain.method.clone();
            domain.submit(&method, &self.profile, &mut self.random, clock::now());
        }
        self.by_name.insert((domain.account, domain.name.clone()), id);
        self.domains.insert(id, domain);
        id
    }

    pub(super) fn new_certificate_id(&mut self) -> u64 {
        self.next_certificate += 1;
        self.next_certificate
    }

    /// The order, moved on to where it is by now.
    pub(super) fn order(&mut self, id: u64) -> Option<&mut Order> {
        let order = self.orders.get_mut(&id)?;
        order.settle(&self.profile, clock::now());
        Some(order)
    }

    /// Moves every order on, before a listing.
    pub(super) fn settle(&mut self) {
        let now = clock::now();
        for order in self.orders.values_mut() {
            order.settle(&self.profile, now);
        }
    }

    /// The random value for a caller, entered in the statistics; `None` if there is no such order.
    pub(super) fn value(&mut self, id: u64) -> Option<Value> {
        let order = self.orders.get_mut(&id)?;
        let value = order.values.current(&self.profile, &mut self.random, clock::now());
        self.ledger.value(id, &value.text);
        Some(value)
    }
}
