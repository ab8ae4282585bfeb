//! Authoritative DNS servers in process: a primary that takes signed updates, and a secondary that lags behind it.
//!
//! Built on `hickory-server`'s catalogue for questions; updates (RFC 2136) and their signatures (RFC 8945) are
//! handled apart, because the catalogue accepts an update for any name *below* a zone and cannot sign a
//! refusal. The servers are plain DNS without DNSSEC. They answer on UDP and TCP, on the same port.

mod apply;
mod config;
mod front;
mod secondary;
mod socket;
mod text;
mod tsig;
mod update;
mod zone;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hickory_proto::rr::{Name, RData, Record, RecordType, rdata::TXT};
use hickory_server::{Server, zone_handler::ZoneHandler as _};
use tokio::{sync::mpsc, task::JoinSet};

pub use self::config::{DnsConfig, TsigAlgorithm, TsigKey, UpdatePolicy, ZoneSpec};
use self::{
    front::Front,
    secondary::{Change, Outbox},
    text::{chunks, text_of},
    update::Updates,
    zone::Zones,
};

/// TTL of the records that [`DnsServer::add_txt`] makes.
const TXT_TTL: u32 = 60;

/// Authoritative servers on loopback, answering until [`DnsServer::shutdown`].
///
/// Dropping it ends them too, though without waiting for their tasks.
pub struct DnsServer {
    zones: Zones,
    outbox: Option<Outbox>,
    updates: Arc<AtomicUsize>,
    primary: Listening,
    secondary: Option<Listening>,
    replication: JoinSet<()>,
}

/// One server and the address it answers on.
struct Listening {
    server: Server<Front>,
    address: SocketAddr,
}

impl DnsServer {
    /// Loads the zones and opens the ports. With [`DnsConfig::lag`] set, a secondary is started as well.
    ///
    /// # Errors
    /// `InvalidInput` when a zone, a record or the key cannot be read; else what the system says about the port.
    pub async fn start(config: DnsConfig) -> io::Result<Self> {
        let zones = Zones::load(&config.zones, config.listen.ip())?;
        let signer = config.tsig.as_ref().map(TsigKey::signer).transpose()?;
        let updates = Arc::new(AtomicUsize::new(0));
        let mut replication = JoinSet::new();

        let (outbox, secondary) = match config.lag {
            None => (None, None),
            Some(lag) => {
                let (outbox, inbox) = mpsc::unbounded_channel();
                let copy = Zones::load(&config.zones, config.listen.ip())?;
                replication.spawn(secondary::follow(copy.clone(), inbox));
                // A secondary takes no updates: without a signer every one is refused.
                let front = Front::new(copy.catalog(), Updates::refused(copy));
                (Some(Outbox::new(outbox, lag)), Some(Listening::open(front, beside(config.listen)).await?))
            }
        };

        let accept =
            Updates::accepted(zones.clone(), signer, config.policy, outbox.clone(), Arc::clone(&updates));
        let primary = Listening::open(Front::new(zones.catalog(), accept), config.listen).await?;
        Ok(Self { zones, outbox, updates, primary, secondary, replication })
    }

    /// Where the primary listens, UDP and TCP; also the server to send updates to.
    pub fn primary(&self) -> SocketAddr {
        self.primary.address
    }

    /// Where the lagging secondary listens, if there is one.
    pub fn secondary(&self) -> Option<SocketAddr> {
        self.secondary.as_ref().map(|listening| listening.address)
    }

    /// Every authoritative address: the primary, then the secondary.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        std::iter::once(self.primary()).chain(self.secondary()).collect()
    }

    /// Names of the zones served, without the final dot.
    pub fn zones(&self) -> Vec<String> {
        self.zones.names()
    }

    /// The TXT values that the primary holds at exactly `owner` now, the strings of one record joined.
    pub async fn txt(&self, owner: &str) -> Vec<String> {
        let Ok(owner) = config::absolute(owner) else { return Vec::new() };
        self.zones.rdata(&owner, RecordType::TXT).await.iter().filter_map(text_of).collect()
    }

    /// Target of the CNAME that the primary holds at exactly `owner` now.
    pub async fn cname(&self, owner: &str) -> Option<String> {
        let owner = config::absolute(owner).ok()?;
        let rdata = self.zones.rdata(&owner, RecordType::CNAME).await;
        rdata.first().map(|data| data.to_string())
    }

    /// How many UPDATE messages were applied (answered NOERROR), including those that changed nothing.
    pub fn updates(&self) -> usize {
        self.updates.load(Ordering::SeqCst)
    }

    /// Adds a TXT value beside what is there, as somebody else's hand would; the secondary follows after its lag.
    ///
    /// # Errors
    /// `InvalidInput` when `owner` is no name or lies in none of the zones.
    pub async fn add_txt(&self, owner: &str, value: &str) -> io::Result<()> {
        self.change(owner, value, |name, data| Record::from_rdata(name, TXT_TTL, data)).await
    }

    /// Removes one TXT value and leaves its siblings; removing an absent one succeeds.
    ///
    /// # Errors
    /// As [`DnsServer::add_txt`].
    pub async fn remove_txt(&self, owner: &str, value: &str) -> io::Result<()> {
        self.change(owner, value, apply::removal).await
    }

    async fn change(
        &self,
        owner: &str,
        value: &str,
        record: impl FnOnce(Name, RData) -> Record,
    ) -> io::Result<()> {
        let name = config::absolute(owner)?;
        let Some(zone) = self.zones.enclosing(&name) else {
            return Err(config::invalid(format!("{owner} is in none of the zones")));
        };
        let records = vec![record(name, RData::TXT(TXT::from_bytes(chunks(value))))];
        let mut held = zone.records_mut().await;
        if apply::apply(&mut held, zone.origin(), &records) {
            // Sent while the zone is locked, so that the secondary sees changes in the primary's order.
            if let Some(outbox) = &self.outbox {
                outbox.send(Change { origin: zone.origin().clone(), records });
            }
        }
        Ok(())
    }

    /// Closes the ports and waits until every task has ended. Changes that still lag are dropped.
    pub async fn shutdown(mut self) {
        self.replication.shutdown().await;
        for listening in std::iter::once(&mut self.primary).chain(&mut self.secondary) {
            if let Err(error) = listening.server.shutdown_gracefully().await {
                tracing::debug!(%error, "DNS server ended with an error");
            }
        }
    }
}

/// The next port; the system's choice stays its choice.
fn beside(address: SocketAddr) -> SocketAddr {
    let port = if address.port() == 0 { 0 } else { address.port().wrapping_add(1) };
    SocketAddr::new(address.ip(), port)
}

impl std::fmt::Debug for DnsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DnsServer")
            .field("primary", &self.primary())
            .field("secondary", &self.secondary())
            .field("zones", &self.zones())
            .finish_non_exhaustive()
    }
}

impl Listening {
    async fn open(front: Front, wanted: SocketAddr) -> io::Result<Self> {
        /// A silent TCP connection is closed after this.
        const IDLE: Duration = Duration::from_secs(10);
        /// Replies waiting per TCP connection.
        const REPLIES: usize = 32;

        let (udp, tcp, address) = socket::same_port(wanted).await?;
        let mut server = Server::new(front);
        server.register_socket(udp);
        server.register_listener(tcp, IDLE, REPLIES);
        Ok(Self { server, address })
    }
}
