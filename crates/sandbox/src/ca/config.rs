//! Settings of the simulator: where it listens, whom it knows, what it can see.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use super::{fault::Fault, profile::Profile, rate::RateWindow};

/// Settings of a [`CaSimulator`](super::CaSimulator).
#[derive(Clone, Debug)]
pub struct CaConfig {
    /// Address to listen on. The control routes have no key: keep it on loopback.
    pub listen: SocketAddr,
    /// The keys that are accepted.
    pub keys: Vec<ApiKey>,
    /// The addresses to ask about names in each zone. A value must be seen at every one of them.
    pub authorities: BTreeMap<String, Vec<SocketAddr>>,
    /// The request limits of each key.
    pub rate: Vec<RateWindow>,
    /// How the CA behaves.
    pub profile: Profile,
    /// Faults from the start.
    pub faults: Vec<Fault>,
    /// Seed of random values and of faults by chance.
    pub seed: u64,
}

impl Default for CaConfig {
    /// A port of 127.0.0.1 chosen by the system, the key `sandbox-key`, no authorities, the documented behaviour.
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            keys: vec![ApiKey::full("sandbox-key")],
            authorities: BTreeMap::new(),
            rate: RateWindow::documented(),
            profile: Profile::default(),
            faults: Vec::new(),
            seed: 1,
        }
    }
}

/// An API key of a simulated account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The key as sent in `X-DC-DEVKEY`.
    pub key: String,
    /// What it may do.
    pub role: Role,
    /// Whose it is. A key sees the orders and domains of its own account only.
    pub account: u64,
}

impl ApiKey {
    /// The account of all that names no other.
    pub const ACCOUNT: u64 = 1001;

    /// A key that may do everything.
    pub fn full(key: impl Into<String>) -> Self {
        Self { key: key.into(), role: Role::Full, account: Self::ACCOUNT }
    }

    /// A key that may do everything with orders and nothing with domains.
    pub fn orders_only(key: impl Into<String>) -> Self {
        Self { role: Role::OrdersOnly, ..Self::full(key) }
    }

    /// A key that may only read.
    pub fn view_only(key: impl Into<String>) -> Self {
        Self { role: Role::ViewOnly, ..Self::full(key) }
    }

    pub(super) fn default_account() -> u64 {
        Self::ACCOUNT
    }

    /// The same key in another account.
    #[must_use]
    pub fn account(self, account: u64) -> Self {
        Self { account, ..self }
    }
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Full,
    /// GET only; asking for a random value is a PUT.
    ViewOnly,
    /// Orders, but no domains (the restriction "Orders").
    OrdersOnly,
}
