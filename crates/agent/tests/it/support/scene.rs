//! The stage of most tests: a real BIND, a simulated CA that looks at it, and an agent between them.

use std::net::SocketAddr;

use dcv_sandbox::ca::{CaConfig, CaSimulator, Endpoint};
use serde_json::Value as Json;

use super::{Agent, Bind, Finished, list, simulator};

/// A name server for `dcv.test`, a CA that looks there, and an agent.
pub(crate) struct Scene {
    pub(crate) bind: Bind,
    pub(crate) ca: CaSimulator,
    pub(crate) agent: Agent,
}

impl Scene {
    pub(crate) async fn new(bind: Bind) -> Self {
        Self::with_ca(bind, |_| {}).await
    }

    /// With another CA than the usual one.
    pub(crate) async fn with_ca(bind: Bind, change: impl FnOnce(&mut CaConfig)) -> Self {
        let ca = simulator(&bind.addresses(), change).await;
        Self { bind, ca, agent: Agent::new() }
    }

    /// With a CA that finds nothing, so that whatever is open stays open.
    pub(crate) async fn with_blind_ca(bind: Bind) -> Self {
        let blind = bind.addresses();
        Self::with_ca(bind, |config| config.profile.blind = blind).await
    }

    /// The CA finds nothing any more.
    pub(crate) fn blind_the_ca(&self) {
        self.ca.alter_profile(|profile| profile.blind = self.bind.addresses());
    }

    /// The CA looks as it should.
    pub(crate) fn let_the_ca_see(&self) {
        self.ca.alter_profile(|profile| profile.blind = Vec::new());
    }

    /// Configures the account with these orders and these further settings.
    pub(crate) fn configure(&self, orders: &[u64], account: &str) {
        self.configure_entries(&list(orders), account);
    }

    /// The same, with the entries of `orders` as they are written.
    pub(crate) fn configure_entries(&self, orders: &str, account: &str) {
        self.agent.configure(&self.ca.base_url(), &self.bind.addresses(), orders, account);
    }

    /// The same, with updates and questions by way of another address than BIND's own.
    pub(crate) fn configure_by_way_of(&self, server: SocketAddr, account: &str) {
        self.agent.configure(&self.ca.base_url(), &[server], "", account);
    }

    pub(crate) fn issued(&self, order: u64) -> bool {
        self.ca.order_status(order).as_deref() == Some("issued")
    }

    /// How many calls there were about an order.
    pub(crate) fn calls(&self, order: u64) -> u64 {
        self.ca.stats().order(order).calls.values().sum()
    }

    /// How many calls there were that ask for a check.
    pub(crate) fn checks(&self) -> u64 {
        self.ca.stats().calls_of(Endpoint::CheckDcv)
    }

    /// What the agent says as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Json {
        self.agent.run(&[arguments, &["--output", "json"]].concat()).json()
    }

    /// What the state says is, or may be, up.
    pub(crate) fn held(&self) -> Vec<Json> {
        self.json(&["status"])["held"].as_array().unwrap().clone()
    }

    /// Runs until everything is done, and sees that these orders are issued and that nothing is held any more.
    pub(crate) fn validates(&self, orders: &[u64]) -> Finished {
        let run = self.agent.run(&["--once", "--timeout", "60s"]);
        assert_eq!(run.code, 0, "{run:?}");
        for &order in orders {
            assert!(self.issued(order), "order {order}: {run:?}");
        }
        assert_eq!(self.held(), [Json::Null; 0]);
        run
    }
}
