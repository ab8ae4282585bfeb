//! A simulator of the parts of DigiCert's CertCentral Services API v2 that a DCV client meets.
//!
//! It speaks plain HTTP, keeps its orders in memory, and looks at real DNS servers with a resolver of its own when
//! it is asked to check. Everything that is disputed about the real service is a switch in [`Profile`]; everything
//! that can go wrong on the way is a [`Fault`]. Routes below `/sandbox` steer it from outside the process:
//! `stats`, `orders`, `orders/{id}`, `faults`, `profile`.

mod answer;
mod check;
mod connection;
mod control;
mod endpoint;
mod fault;
mod lookup;
mod orders;
mod polling;
mod profile;
mod random;
mod rate;
mod reply;
mod routes;
mod scope;
mod seconds;
mod stats;
mod world;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::{
    connection::{Cut, Door},
    lookup::Eyes,
    random::Random,
    rate::Limits,
    world::{State, World},
};
pub use self::{
    endpoint::Endpoint,
    fault::{Fault, FaultKind, Moment},
    orders::{OrderSpec, Product},
    profile::{
        Approval, BadKey, CheckMiss, ExpirationDate, IdTypes, Organisation, OwnPolling, Profile, Scope,
        StatusFilter, SubsetParameter, SuccessBodies, TxtMatch, TxtNames, ValueAfterReissue, ValueWhenClosed,
    },
    rate::RateWindow,
    stats::{OrderStats, Stats},
};
use crate::clock;

/// Settings of a [`CaSimulator`].
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

/// An API key of the simulated account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The key as sent in `X-DC-DEVKEY`.
    pub key: String,
    /// What it may do.
    pub role: Role,
}

impl ApiKey {
    /// A key that may do everything.
    pub fn full(key: impl Into<String>) -> Self {
        Self { key: key.into(), role: Role::Full }
    }

    /// A key that may only read.
    pub fn view_only(key: impl Into<String>) -> Self {
        Self { key: key.into(), role: Role::ViewOnly }
    }
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Full,
    /// GET only; asking for a random value is a PUT.
    ViewOnly,
}

/// A running simulator. Its methods act at once, also while requests are being answered.
///
/// Dropping it stops it too, though without waiting for its tasks.
pub struct CaSimulator {
    address: SocketAddr,
    world: Arc<World>,
    cut_all: CancellationToken,
    tasks: JoinSet<()>,
}

impl CaSimulator {
    /// Opens the port and begins to answer.
    ///
    /// # Errors
    /// What the system says about the port.
    pub async fn start(config: CaConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let limits = Limits::new(config.rate);
        let mut state = State::new(config.profile, config.keys, limits, Random::seeded(config.seed));
        config.faults.into_iter().for_each(|fault| state.faults.add(fault));
        let world = Arc::new(World::new(Eyes::new(&config.authorities), state));

        let cut_all = CancellationToken::new();
        let service = routes::router(Arc::clone(&world)).into_make_service_with_connect_info::<Cut>();
        let server = axum::serve(Door::new(listener, cut_all.clone()), service)
            .with_graceful_shutdown(world.shutdown.clone().cancelled_owned());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the simulated CA ended");
            }
        });
        tasks.spawn(polling::poll(Arc::clone(&world)));
        Ok(Self { address, world, cut_all, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for clients, `http://…/services/v2`.
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.address, routes::BASE)
    }

    /// The URL below which the control routes are, `http://…/sandbox`.
    pub fn control_url(&self) -> String {
        format!("http://{}/sandbox", self.address)
    }

    /// Places an order and returns its id. Its random value is made when it is first asked for.
    pub fn place(&self, spec: OrderSpec) -> u64 {
        self.world.place(spec)
    }

    /// Places orders whose names have `{n}` replaced by 0, 1, … and whose ids, if chosen, count up.
    pub fn place_many(&self, spec: &OrderSpec, count: usize) -> Vec<u64> {
        (0..count).map(|n| self.world.place(spec.numbered(n))).collect()
    }

    /// The status of an order.
    pub fn order_status(&self, id: u64) -> Option<String> {
        self.world.lock().order(id).map(|order| order.status.clone())
    }

    /// Puts an order into any status, known or not. `issued` approves its scopes; `reissue_pending` reopens those of DV.
    pub fn set_status(&self, id: u64, status: &str) {
        if let Some(order) = self.world.lock().order(id) {
            order.enter(status, clock::now());
        }
        self.world.polling.notify_one();
    }

    /// Marks the organisation of an OV or EV order as validated.
    pub fn validate_organisation(&self, id: u64) {
        if let Some(order) = self.world.lock().order(id) {
            order.organisation_validated = true;
        }
    }

    /// The random value that an order has now, expired or not; asking does not make one.
    pub fn value(&self, id: u64) -> Option<String> {
        self.world.lock().order(id)?.values.last().map(|value| value.text.clone())
    }

    /// Ends the life of an order's value now; the next call makes a new one.
    pub fn expire_value(&self, id: u64) {
        if let Some(order) = self.world.lock().order(id) {
            order.expire_value(clock::now());
        }
    }

    /// The scopes of an order, each with whether it is approved.
    pub fn scopes(&self, id: u64) -> Vec<(String, bool)> {
        let mut state = self.world.lock();
        let proofs = state.order(id).map(|order| order.proofs.clone()).unwrap_or_default();
        proofs.into_iter().map(|proof| (proof.scope, proof.approved)).collect()
    }

    /// Puts a fault in force, behind those that are there.
    pub fn fault(&self, fault: Fault) {
        self.world.lock().faults.add(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.world.lock().faults.clear();
    }

    /// Replaces the keys, for example to revoke one.
    pub fn set_keys(&self, keys: Vec<ApiKey>) {
        self.world.lock().keys = keys;
    }

    /// How the CA behaves now.
    pub fn profile(&self) -> Profile {
        self.world.lock().profile.clone()
    }

    /// Changes how the CA behaves. Values and scopes that exist already keep what they have.
    pub fn alter_profile(&self, alter: impl FnOnce(&mut Profile)) {
        alter(&mut self.world.lock().profile);
        self.world.polling.notify_one();
    }

    /// What was counted since the start.
    pub fn stats(&self) -> Stats {
        self.world.stats()
    }

    /// Stops accepting, lets replies under way finish for a moment, and waits until every task has ended.
    pub async fn shutdown(mut self) {
        /// For replies under way; then the connections are cut.
        const GRACE: Duration = Duration::from_secs(1);

        self.world.shutdown.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            self.cut_all.cancel();
            while self.tasks.join_next().await.is_some() {}
        }
    }
}

impl Drop for CaSimulator {
    fn drop(&mut self) {
        // The server's connections are tasks of their own; the tokens reach them, dropping would not.
        self.world.shutdown.cancel();
        self.cut_all.cancel();
    }
}

impl std::fmt::Debug for CaSimulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaSimulator").field("address", &self.address).finish_non_exhaustive()
    }
}
