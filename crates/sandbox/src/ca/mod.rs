//! A simulator of the parts of DigiCert's CertCentral Services API v2 that a DCV client meets.
//!
//! It speaks plain HTTP, keeps its accounts' orders and domains in memory, and looks at real DNS servers with a resolver of its own when
//! it is asked to check. Everything that is disputed about the real service is a switch in [`Profile`]; everything
//! that can go wrong on the way is a [`Fault`]. Routes below `/sandbox` steer it from outside the process:
//! `stats`, `orders`, `orders/{id}`, `domains`, `domains/{id}`, `faults`, `profile`.

mod answer;
mod check;
mod config;
mod connection;
mod control;
mod control_domains;
mod domains;
mod endpoint;
mod fault;
mod lookup;
mod order_spec;
mod orders;
mod polling;
mod profile;
mod random;
mod rate;
mod reply;
mod reuse;
mod routes;
mod schedule;
mod scope;
mod seconds;
mod shift;
mod stats;
mod steering;
mod switches;
mod tls;
mod values;
mod web;
mod world;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use self::{
    config::{ApiKey, CaConfig, Role},
    domains::{DomainSpec, DomainState},
    endpoint::Endpoint,
    fault::{Fault, FaultKind, Moment},
    order_spec::{OrderSpec, Product},
    profile::Profile,
    rate::RateWindow,
    stats::{OrderStats, Stats},
    switches::{
        Approval, BadKey, CheckMiss, CnameMatch, CommonName, Dname, ExpirationDate, FormerDomainValue,
        IdTypes, ListShift, Organisation, OwnPolling, Redirects, Scope, StatusFilter, SubsetParameter,
        SuccessBodies, TxtMatch, TxtNames, ValueAfterReissue, ValueWhenClosed,
    },
};
use self::{
    connection::{Cut, Door},
    lookup::Eyes,
    random::Random,
    rate::Limits,
    world::{State, World},
};
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
