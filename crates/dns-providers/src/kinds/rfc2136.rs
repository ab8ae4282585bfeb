//! Dynamic update (RFC 2136) signed with TSIG (RFC 8945), for BIND, Knot, PowerDNS and the like.
//!
//! A batch is one UPDATE message. Values are added and deleted one by one (RFC 2136 sections 2.5.1 and 2.5.4), so
//! siblings need no precondition. Two traps are seen to: a value added with another time to live changes the whole
//! set's (RFC 2136 section 3.4.2.2 with RFC 2181 section 5.2); and one added beside a CNAME is silently ignored. So texts are
//! first added with the prerequisite that nothing stands at their names, which is nearly always so and needs no look. Where
//! something does, the server is asked what it holds, and each addition carries the prerequisite that there is no alias.
//!
//! What a query shows may have been made from a wildcard. What stands at the name itself only the prerequisites of an
//! update tell for certain, so what was seen is confirmed by an update that changes nothing.

mod key;
mod message;
mod policy;
mod server;

use std::{collections::BTreeSet, slice, time::Duration};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, RecordData, Site};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use hickory_net::{
    runtime::TokioRuntimeProvider,
    tcp::TcpClientStream,
    udp::UdpClientStream,
    xfer::{DnsExchange, DnsHandle, FirstAnswer},
};
use hickory_proto::{
    op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode},
    rr::{RData, Record, RecordType, TSigVerifier, rdata::tsig::TsigError},
};
use serde::Deserialize;

pub use self::key::{Algorithm, Tsig};
use self::{
    key::Key,
    message::{Asked, Names, batches, bug, dns_name, in_use, plan, plan_untouched, sign},
    server::{At, Servers, is_silence, one_or_several},
};
use crate::{
    Class, DnsProvider, Error, Extent, Probe, Receipt, RecordSet, Secret, Zone,
    kinds::Kind,
    policy::{Grant, Policy},
};

/// Larger messages go over TCP: the size at which UDP is not fragmented (DNS flag day 2020).
const UDP_LIMIT: usize = 1232;
/// The label of the error that says: nothing stands at a name.
const NOT_IN_USE: &str = "not-in-use";
/// The label of an error that a fresh look may resolve; and how often it is tried.
const OVERTAKEN: &str = "overtaken";
const TRIES: u32 = 3;
/// The label of the error that says: something stands at a name of which nothing was expected.
const IN_USE: &str = "in-use";
/// Names of one message that asks what is in use.
const BATCH: usize = 200;
/// Questions under way at once.
const PIPELINED: usize = 24;
const UDP_TIMEOUT: Duration = Duration::from_secs(3);
const TCP_TIMEOUT: Duration = Duration::from_secs(10);

/// `[providers.<name>]` of kind `rfc2136`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Deserialize<'de>")]
pub struct Rfc2136Settings<S> {
    /// The primary server, `address:port` or `name:port`; or several of the same zones, tried in turn.
    #[serde(deserialize_with = "one_or_several")]
    pub server: Vec<String>,
    /// The key that signs updates.
    pub tsig: Tsig<S>,
}

/// A name server that takes dynamic updates.
pub struct Rfc2136 {
    name: String,
    servers: Servers,
    key: Key,
    clock: fn() -> u64,
    // hickory drives TCP connections from inside its runtime provider; dropping that one early ends them.
    runtime: TokioRuntimeProvider,
}

impl std::fmt::Debug for Rfc2136 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rfc2136")
            .field("name", &self.name)
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}

impl Rfc2136 {
    /// A provider for the servers and key; connects to nothing yet.
    ///
    /// # Errors
    /// When a server or the key's name cannot be one.
    pub fn new(name: &str, settings: Rfc2136Settings<Secret>) -> Result<Self, Error> {
        Ok(Self {
            name: name.to_owned(),
            servers: Servers::new(settings.server)?,
            key: Key::new(settings.tsig)?,
            clock: wall_clock,
            runtime: TokioRuntimeProvider::default(),
        })
    }

    /// Signs with another clock, in seconds since 1970; for proving what a skewed one leads to.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> u64) -> Self {
        self.clock = clock;
        self
    }

    /// Asks the servers themselves what they hold, without recursion, until one answers.
    async fn query(&self, name: &DomainName, kind: RecordType) -> Result<(At, DnsResponse), Error> {
        let query = Query::query(dns_name(name)?, kind);
        let mut silent = None;
        for at in self.servers.turns().await? {
            match self.query_at(&at, query.clone()).await {
                Err(error) if is_silence(&error) => silent = Some(error),
                answered => {
                    self.servers.prefer(&at);
                    return answered.map(|response| (at, response));
                }
            }
        }
        Err(silent.unwrap_or_else(nobody))
    }

    async fn query_at(&self, at: &At, query: Query) -> Result<DnsResponse, Error> {
        let mut options = DnsRequestOptions::default();
        options.recursion_desired = false;
        let mut is_silent = false;
        if self.servers.answers_datagrams(at) {
            let udp: DnsExchange<TokioRuntimeProvider> =
                UdpClientStream::builder(at.address, self.runtime.clone())
                    .with_timeout(Some(UDP_TIMEOUT))
                    .exchange();
            match udp.lookup(query.clone(), options).first_answer().await {
                Ok(response) if !response.truncation => return Ok(response),
                Ok(_) => {}
                Err(_) => is_silent = true,
            }
        }
        let tcp = self.tcp(at).await?;
        let response =
            tcp.lookup(query, options).first_answer().await.map_err(|error| at.unreachable(error))?;
        self.servers.note_silence(at, is_silent);
        Ok(response)
    }

    async fn tcp(&self, at: &At) -> Result<DnsExchange<TokioRuntimeProvider>, Error> {
        TcpClientStream::exchange(at.address, None, TCP_TIMEOUT, None, self.runtime.clone())
            .await
            .map_err(|error| at.unreachable(error))
    }

    async fn look(&self, owner: &DomainName) -> Result<RecordSet, Error> {
        let (at, response) = self.query(owner, RecordType::TXT).await?;
        match response.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => {}
            code => return Err(self.refused(&at.server, code, None, &Asked::Question(owner))),
        }
        let mut set = RecordSet::default();
        let wanted = dns_name(owner)?;
        for record in response.answers.iter().filter(|record| record.name == wanted) {
            match &record.data {
                RData::TXT(txt) => set.txt.push(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
                RData::CNAME(target) => set.cname = target.0.to_ascii().parse().ok(),
                _ => continue,
            }
            set.ttl = Some(record.ttl);
        }
        Ok(set)
    }

    /// What stands at each name itself.
    async fn held(&self, zone: &Zone, owners: BTreeSet<&DomainName>) -> Result<Names, Error> {
        let look = async |owner: DomainName| self.look(&owner).await.map(|set| (owner, set));
        let looks: Vec<_> = owners.into_iter().cloned().map(look).collect();
        let mut held: Names = stream::iter(looks).buffer_unordered(PIPELINED).try_collect().await?;
        // An answer made from a wildcard looks like any other (RFC 4592 section 3.3.1). The apex always exists, so none
        // stands in for it.
        let seen =
            |(owner, set): &(&DomainName, &RecordSet)| **owner != zone.name && **set != RecordSet::default();
        let doubtful: Vec<_> = held.iter().filter(seen).map(|(owner, _)| owner.clone()).collect();
        for names in doubtful.chunks(BATCH) {
            // Nearly always each of them has what was seen, which one message tells.
            if self.in_use(zone, names).await? {
                continue;
            }
            for name in names {
                if names.len() == 1 || !self.in_use(zone, slice::from_ref(name)).await? {
                    held.insert(name.clone(), RecordSet::default());
                }
            }
        }
        Ok(held)
    }

    /// Whether there is a record at each of the names, by an update without changes: its prerequisites know no
    /// wildcards (RFC 2136 section 3.2).
    async fn in_use(&self, zone: &Zone, names: &[DomainName]) -> Result<bool, Error> {
        let prerequisites =
            names.iter().map(|name| dns_name(name).map(in_use)).collect::<Result<Vec<_>, _>>()?;
        match self.send(zone, &prerequisites, &[]).await {
            Ok(()) => Ok(true),
            Err(error) if error.label() == NOT_IN_USE => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends an update to one server after the other until one answers. Where a first copy did arrive, adding and deleting
    /// values changes nothing more, and a prerequisite that fails has the caller look again.
    async fn send(&self, zone: &Zone, prerequisites: &[Record], updates: &[Record]) -> Result<(), Error> {
        let asked = Asked::Update { zone, prerequisites, updates };
        let mut silent = None;
        for at in self.servers.turns().await? {
            match self.send_to(&at, &asked, (zone, prerequisites, updates)).await {
                Err(error) if is_silence(&error) => silent = Some(error),
                answered => {
                    self.servers.prefer(&at);
                    return answered;
                }
            }
        }
        Err(silent.unwrap_or_else(nobody))
    }

    async fn send_to(
        &self,
        at: &At,
        asked: &Asked<'_>,
        (zone, prerequisites, updates): (&Zone, &[Record], &[Record]),
    ) -> Result<(), Error> {
        let signer = self.key.signer()?;
        let (message, verifier) = sign(zone, prerequisites, updates, &signer, (self.clock)())?;
        let size = message.to_vec().map_err(bug)?.len();
        let mut is_silent = false;
        if size <= UDP_LIMIT && self.servers.answers_datagrams(at) {
            // One datagram, no retransmission: a second copy would fail the check of the signature's time.
            let udp: DnsExchange<TokioRuntimeProvider> =
                UdpClientStream::builder(at.address, self.runtime.clone())
                    .with_timeout(Some(UDP_TIMEOUT))
                    .with_max_retries(0)
                    .exchange();
            match udp.send(DnsRequest::from(message)).first_answer().await {
                Ok(reply) if !reply.truncation => return self.verify(&at.server, asked, &reply, verifier),
                Ok(_) => {}
                Err(_) => is_silent = true,
            }
        }
        // Too large, or silence: the same goes over TCP.
        let (message, verifier) = sign(zone, prerequisites, updates, &signer, (self.clock)())?;
        let tcp = self.tcp(at).await?;
        let reply = tcp
            .send(DnsRequest::from(message))
            .first_answer()
            .await
            .map_err(|error| at.unreachable(error))?;
        self.servers.note_silence(at, is_silent);
        self.verify(&at.server, asked, &reply, verifier)
    }

    /// Success counts only when the reply is signed with our key; an unsigned refusal is believed as a hint.
    fn verify(
        &self,
        server: &str,
        asked: &Asked<'_>,
        reply: &DnsResponse,
        mut verifier: TSigVerifier,
    ) -> Result<(), Error> {
        let tsig = reply.signature().and_then(|signature| signature.data.error);
        match verifier.verify(reply.as_buffer()) {
            Ok(reply) if reply.response_code == ResponseCode::NoError => Ok(()),
            // BADTIME is the one TSIG error whose answer is signed (RFC 8945 section 5.2.3).
            Ok(reply) => Err(self.refused(server, reply.response_code, tsig, asked)),
            Err(error) => {
                if reply.response_code == ResponseCode::NoError {
                    return Err(Error::new(
                        Class::Setup,
                        "unsigned-reply",
                        format!("{server} accepted {asked} but its answer carries no valid signature"),
                    )
                    .of(Extent::Provider)
                    .hint("something between the agent and the server answers in its place, or the server drops TSIG")
                    .caused_by(error));
                }
                Err(self.refused(server, reply.response_code, tsig, asked))
            }
        }
    }

    fn refused(&self, server: &str, code: ResponseCode, tsig: Option<TsigError>, asked: &Asked<'_>) -> Error {
        let key = self.key.told();
        let (class, label, why, hint) = match (code, tsig) {
            (_, Some(TsigError::BadSig)) => (
                Class::Setup,
                "tsig-badsig",
                "BADSIG: the signature is wrong",
                format!("the secret or the algorithm of key {key} differs from the server's"),
            ),
            (_, Some(TsigError::BadKey)) => (
                Class::Setup,
                "tsig-badkey",
                "BADKEY: the key is unknown, or not allowed to do this",
                format!(
                    "check the name and algorithm of key {key} on the server, and that its update ACL has each of these names (Knot answers so for both)"
                ),
            ),
            (_, Some(TsigError::BadTime)) => (
                Class::Setup,
                "tsig-badtime",
                "BADTIME: the clocks differ by more than five minutes",
                "set this host's clock, or the server's (NTP)".to_owned(),
            ),
            (ResponseCode::Refused, _) => (Class::Setup, "refused", "REFUSED", asked.permission(&key)),
            (ResponseCode::NotAuth, _) => (
                Class::Setup,
                "notauth",
                "NOTAUTH: it does not serve this zone as primary, or does not know the key",
                "check that `zones` names the zone's apex and `server` its primary".to_owned(),
            ),
            (ResponseCode::NotZone | ResponseCode::NotImp, _) => (
                Class::Setup,
                "no-updates",
                "it takes no dynamic updates for this zone",
                "point `server` at the primary and allow updates there".to_owned(),
            ),
            (ResponseCode::YXRRSet | ResponseCode::NXRRSet, _) => (
                Class::Later,
                OVERTAKEN,
                "somebody else changed the alias at the same time",
                "nothing: it is tried again".to_owned(),
            ),
            (ResponseCode::YXDomain, _) => (
                Class::Later,
                IN_USE,
                "something stands at one of the names",
                "nothing: it is looked at".to_owned(),
            ),
            (ResponseCode::NXDomain, _) => (
                Class::Later,
                NOT_IN_USE,
                "nothing stands at the name",
                "nothing: it is taken note of".to_owned(),
            ),
            (ResponseCode::ServFail, _) => (
                Class::Later,
                "servfail",
                "SERVFAIL",
                "the server's log tells why, often a frozen zone or a journal it cannot write".to_owned(),
            ),
            (_, _) => (Class::Later, "rcode", "an unusual refusal", "the server's log tells more".to_owned()),
        };
        Error::new(class, label, format!("{server} refuses {asked}: {why} ({code})"))
            .of(extent(code, tsig))
            .hint(hint)
    }
}

#[async_trait]
impl Kind for Rfc2136 {
    type Settings<S> = Rfc2136Settings<S>;

    const FACTS: &'static str = include_str!("rfc2136/facts.toml");

    async fn build(name: &str, settings: Rfc2136Settings<Secret>) -> Result<Self, Error> {
        Self::new(name, settings)
    }

    fn map_secrets<S, T>(settings: Rfc2136Settings<S>, secret: impl Fn(S) -> T) -> Rfc2136Settings<T> {
        Rfc2136Settings { server: settings.server, tsig: settings.tsig.map(secret) }
    }

    fn secrets<S>(settings: &Rfc2136Settings<S>) -> Vec<&S> {
        settings.tsig.secrets()
    }

    fn policies<S>(settings: &Rfc2136Settings<S>, grants: &[Grant]) -> Vec<Policy> {
        policy::policies(settings, grants)
    }
}

#[async_trait]
impl DnsProvider for Rfc2136 {
    fn check(&self) -> Result<(), Error> {
        self.key.signer().map(drop)
    }

    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        self.key.signer()?;
        let (at, response) = self.query(&zone.name, RecordType::SOA).await?;
        let apex = dns_name(&zone.name)?;
        let serves = response.authoritative
            && response
                .answers
                .iter()
                .any(|record| record.name == apex && record.record_type() == RecordType::SOA);
        if serves {
            let (_, told) = self.query(&zone.name, RecordType::NS).await?;
            let servers = told.answers.iter().filter_map(|record| match &record.data {
                RData::NS(server) if record.name == apex => Some(server.0.to_ascii()),
                _ => None,
            });
            return Ok(Probe::new(format!("{} serves {}", at.server, zone.name)).served_by(servers));
        }
        match response.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => {
                Err(self.refused(&at.server, ResponseCode::NotAuth, None, &Asked::Question(&zone.name)))
            }
            code => Err(self.refused(&at.server, code, None, &Asked::Question(&zone.name))),
        }
    }

    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        let held = self.held(zone, BTreeSet::from([site.owner()])).await?;
        Ok(held.into_values().next().unwrap_or_default())
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        zone.encloses(changes)?;
        let mut attempt = 1;
        loop {
            match self.write(zone, changes).await {
                // Somebody was faster, or our own first copy was: a fresh look tells which.
                Err(error) if error.label() == OVERTAKEN && attempt < TRIES => attempt += 1,
                done => return done.map(|()| Receipt::default()),
            }
        }
    }
}

impl Rfc2136 {
    async fn write(&self, zone: &Zone, changes: &[Change]) -> Result<(), Error> {
        for batch in batches(changes) {
            if let Some(planned) = plan_untouched(batch)? {
                match self.send(zone, &planned.prerequisites, &planned.updates).await {
                    Err(error) if error.label() == IN_USE => {}
                    done => {
                        done?;
                        continue;
                    }
                }
            }
            self.write_upon_a_look(zone, batch).await?;
        }
        Ok(())
    }

    async fn write_upon_a_look(&self, zone: &Zone, changes: &[Change]) -> Result<(), Error> {
        // Removing a text needs no look; aliases exclude others, and an addition may be there already.
        let looked_at = |change: &&Change| !matches!(change, Change::Remove { data: RecordData::Txt(_), .. });
        let owners = changes.iter().filter(looked_at).map(|change| change.site().owner()).collect();
        let planned = plan(self.held(zone, owners).await?, changes)?;
        if planned.updates.is_empty() {
            return Ok(());
        }
        self.send(zone, &planned.prerequisites, &planned.updates).await
    }
}

/// Whose trouble a refusal is.
const fn extent(code: ResponseCode, tsig: Option<TsigError>) -> Extent {
    match (code, tsig) {
        // Knot answers BADKEY for names that the key may not change, too.
        (_, Some(TsigError::BadSig | TsigError::BadTime)) => Extent::Provider,
        (ResponseCode::NotAuth | ResponseCode::NotZone | ResponseCode::NotImp, None) => Extent::Zone,
        (ResponseCode::ServFail, None) => Extent::Zone,
        _ => Extent::Name,
    }
}

/// There is always a server; this is for the compiler.
fn nobody() -> Error {
    Error::new(Class::Bug, "no-server", "no server was asked")
}

#[expect(clippy::disallowed_methods, reason = "TSIG signs the time of day (RFC 8945 section 4.2)")]
fn wall_clock() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
