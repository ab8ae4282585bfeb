//! Looking as the CA will: where a record or file goes, and who shows it.

pub(crate) mod answer;
mod caa;
mod delegation;
mod fetch;
mod locate;
mod survey;

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use dcv_core::{
    Answer, Artifact, Caa, CertName, DomainName, Lookup, RecordData, Security, Sighting, Site, Transport,
    Vantage, VantageKind, Wanted,
};
use futures_util::future::{BoxFuture, join_all};
use hickory_proto::{
    dnssec::TrustAnchors,
    op::Query,
    rr::{Name, RecordType},
};
use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Semaphore, time::Instant};

use self::caa::CaaReader;
use crate::{
    Clock, Error,
    authority::{
        dnssec::{self, Validator},
        exchange::{Exchange, Reply},
        kept::Kept,
        recursive::Recursive,
        walk::{Server, Walk, ZoneCut, wire_name},
    },
    network::{Network, Sockets},
    settings::{self, Settings},
};

/// How long an alias that every authority showed is believed.
const ALIASED: Duration = Duration::from_secs(60);
/// Where web servers are asked for files: DigiCert begins there too.
const HTTP: u16 = 80;
/// Well below what file descriptors there are.
const FETCHES: usize = 64;
/// The longest that a random value can be.
const LONGEST_VALUE: usize = 255;
/// What a server showed within this span it need not show again while others lag.
const RECENT: SignedDuration = SignedDuration::from_secs(10);

/// Looks at DNS.
#[derive(Clone)]
pub struct Observer {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    exchange: Arc<Exchange>,
    everywhere: View,
    /// Other views at and below certain domains.
    zones: BTreeMap<DomainName, View>,
    /// Hosts whose files are fetched at the same time; each takes a connection for every address.
    fetches: Semaphore,
    /// Web servers that are not looked up, by domain.
    web: BTreeMap<DomainName, Vec<SocketAddr>>,
    /// Names of which every authority showed the alias.
    aliased: Kept<DomainName, ()>,
}

/// Whom to ask, with what was learned from them.
struct View {
    walk: Arc<Walk>,
    /// None where signatures are not to be validated.
    validator: Option<Arc<Validator>>,
    caa: CaaReader,
    resolvers: Vec<Recursive>,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl Observer {
    /// Prepares to look; asks nobody yet.
    ///
    /// # Errors
    /// When the host's resolvers, certificates or the trust anchor cannot be read.
    pub fn new(settings: &Settings, clock: Clock) -> Result<Self, Error> {
        Self::with_network(settings, clock, Arc::new(Sockets::default()))
    }

    /// The same over another network.
    ///
    /// # Errors
    /// As for [`Observer::new`].
    pub fn with_network(settings: &Settings, clock: Clock, network: Arc<dyn Network>) -> Result<Self, Error> {
        let anchors = dnssec::anchors(settings.trust_anchor.as_deref())?;
        Self::trusting(anchors, settings, clock, network)
    }

    pub(crate) fn trusting(
        anchors: TrustAnchors,
        settings: &Settings,
        clock: Clock,
        network: Arc<dyn Network>,
    ) -> Result<Self, Error> {
        let exchange = Arc::new(Exchange::new(Arc::clone(&network), settings.validate));
        let (anchors, shared) = (Arc::new(anchors), Arc::clone(&exchange));
        let view = |view: &settings::View| {
            let resolver = |resolver, caching| Recursive::new(resolver, settings, &network, caching);
            let discovery: Result<Vec<_>, _> =
                view.discovery.iter().map(|known| resolver(known, true).map(Arc::new)).collect();
            let walk = Arc::new(Walk::new(settings.authorities.clone(), discovery?, Arc::clone(&shared)));
            let validator = || Arc::new(Validator::new(Arc::clone(&anchors), Arc::clone(&walk), clock));
            let validator = settings.validate.then(validator);
            let caa = CaaReader::new(Arc::clone(&walk), validator.clone());
            let resolvers: Result<_, _> = view.resolvers.iter().map(|known| resolver(known, false)).collect();
            Ok::<_, Error>(View { walk, validator, caa, resolvers: resolvers? })
        };
        let everywhere = view(&settings.view)?;
        let zones = settings.zones.iter().map(|(domain, known)| Ok((domain.clone(), view(known)?)));
        let zones = zones.collect::<Result<_, Error>>()?;
        let (web, aliased, fetches) = (settings.web.clone(), Kept::new(ALIASED), Semaphore::new(FETCHES));
        Ok(Self { inner: Arc::new(Inner { clock, exchange, everywhere, zones, fetches, web, aliased }) })
    }

    fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    /// Questions asked of authorities so far.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.inner.exchange.asked()
    }

    /// Whether authorities cannot be asked from here at all: nobody answers on port 53, over UDP or TCP.
    #[must_use]
    pub fn blocked(&self) -> bool {
        self.inner.exchange.blocked()
    }

    /// What CAA says about names of a certificate.
    pub async fn caa(&self, names: &[CertName]) -> Vec<(CertName, Caa)> {
        let each = names.iter().map(|name| self.view(&name.name).caa.read(std::slice::from_ref(name)));
        join_all(each).await.into_iter().flatten().collect()
    }

    /// Looks at each lookup for what was put up: asks the authorities, and, once all of them show it, the resolvers; or
    /// fetches the file. A server that showed it a moment ago, by what is `known`, is not asked again.
    pub async fn look(
        &self,
        wanted: &[Wanted],
        known: &BTreeMap<Lookup, Vec<Sighting>>,
    ) -> BTreeMap<Lookup, Vec<Sighting>> {
        let each = wanted.iter().map(|Wanted { lookup, artifact }| async move {
            let known = known.get(lookup).map_or(&[][..], Vec::as_slice);
            let seen = match artifact {
                Artifact::Record { site, data } => self.look_at_record(lookup, site, data, known).await,
                Artifact::File { host, .. } => self.look_at_file(host).await,
            };
            (lookup.clone(), seen)
        });
        join_all(each).await.into_iter().collect()
    }

    /// What the web server shows at each address of a host.
    pub async fn look_at_file(&self, host: &DomainName) -> Vec<Sighting> {
        let sighting = |address: Option<SocketAddr>, answer| {
            let vantage = Vantage { server: host.to_string(), address, kind: VantageKind::Web };
            Sighting::new(vantage, self.now(), answer)
        };
        let addresses = match self.web_servers(host).await {
            Ok(addresses) => addresses,
            Err(error) => return vec![sighting(None, answer::failed(&error))],
        };
        let resolve = |name: DomainName| -> BoxFuture<'_, Result<Vec<SocketAddr>, Error>> {
            Box::pin(async move { self.web_servers(&name).await })
        };
        // Never closed: it lives as long as what asks it.
        let _permit = self.inner.fetches.acquire().await;
        let fetched = fetch::fetch(host, &addresses, &resolve).await;
        let each = fetched.into_iter().map(|fetched| {
            let answer = match fetched.outcome {
                Ok(body) => Answer::File(excerpt(body.trim())),
                Err(error) => answer::failed(&error),
            };
            sighting(Some(fetched.address), answer)
        });
        each.collect()
    }

    /// The addresses of a host's web server that can be reached from here.
    async fn web_servers(&self, host: &DomainName) -> Result<Vec<SocketAddr>, Error> {
        let pins = self.inner.web.iter().filter(|(domain, _)| host.is_within(domain));
        if let Some((_, pinned)) = pins.max_by_key(|(domain, _)| domain.as_str().len()) {
            return Ok(pinned.clone());
        }
        let wire = wire_name(host)?;
        let walk = &self.view(host).walk;
        let found = walk.addresses(&wire).await?;
        let servers: Vec<_> =
            found.iter().filter(|&&ip| walk.reaches(ip)).map(|&ip| SocketAddr::new(ip, HTTP)).collect();
        match (found.is_empty(), servers.is_empty()) {
            (true, _) => Err(Error::NoAddress { host: host.to_string() }),
            (false, true) => Err(Error::OtherFamily { host: host.to_string() }),
            (false, false) => Ok(servers),
        }
    }

    async fn look_at_record(
        &self,
        lookup: &Lookup,
        site: &Site,
        data: &RecordData,
        known: &[Sighting],
    ) -> Vec<Sighting> {
        let since = self.now().saturating_sub(RECENT).unwrap_or(Timestamp::MIN);
        let recent: Vec<_> = known
            .iter()
            .filter(|sighting| sighting.at >= since && sighting.answer.shows(data))
            .filter(|sighting| !matches!(sighting.security, Security::Bogus(_)))
            .collect();
        let kind = record_type(data);
        let mut seen = self.authorities_but(site.owner(), kind, &recent).await;
        let owner = lookup.name().unwrap_or_else(|_| site.owner().clone());
        if owner != *site.owner() {
            distrust(&mut seen, &self.trust(&owner, site.owner()).await);
            seen.extend(self.without_alias(&owner).await);
        }
        let everywhere = seen.iter().all(|sighting| sighting.answer.shows(data));
        // Where no authority can be asked the resolvers are all there is: better a late answer than none.
        let nobody = self.blocked() && seen.iter().all(|s| matches!(s.answer, Answer::Failed(_)));
        if everywhere || nobody && !self.view(&owner).resolvers.is_empty() {
            let asked = self.look_at_resolvers(&owner, kind).await;
            if nobody {
                seen = asked;
            } else {
                seen.extend(asked);
            }
        }
        seen
    }

    /// Authorities of a delegated name that do not show the alias: for whoever asks them the record is not there.
    async fn without_alias(&self, owner: &DomainName) -> Vec<Sighting> {
        if self.inner.aliased.get(owner).is_some() {
            return Vec::new();
        }
        let mut seen = self.authorities(owner).await;
        seen.retain(|sighting| !matches!(sighting.answer, Answer::Cname(_)));
        if seen.is_empty() {
            self.inner.aliased.keep(owner.clone(), ());
        }
        seen
    }

    /// Asks each configured resolver for the root's name servers: whether it answers, and how fast.
    pub async fn try_resolvers(&self) -> Vec<(String, Result<Duration, Error>)> {
        let each = self.inner.everywhere.resolvers.iter().map(|resolver| async {
            let start = Instant::now();
            let answer = resolver.ask(&Name::root(), RecordType::NS).await;
            (resolver.name.clone(), answer.map(|_| start.elapsed()))
        });
        join_all(each).await
    }

    /// Asks one name server of a zone over UDP alone and over TCP alone.
    pub async fn try_transports(&self, zone: &DomainName) -> Vec<(&'static str, Result<Duration, Error>)> {
        let cut = match wire_name(zone) {
            Ok(wire) => self.view(zone).walk.find_zone(&wire).await,
            Err(error) => Err(error),
        };
        let server = cut.and_then(|cut| cut.servers.first().cloned().ok_or(Error::NoNameServer));
        let server = match server {
            Ok(server) => server,
            Err(error) => return vec![("udp", Err(error))],
        };
        let by_name = |outcome: Result<Duration, Error>| {
            let (server, address) = (server.name.clone(), server.address);
            outcome.map_err(|error| Error::Address { server, address, source: Box::new(error) })
        };
        let (udp, tcp) = tokio::join!(
            self.inner.exchange.only(server.address, Transport::Udp),
            self.inner.exchange.only(server.address, Transport::Tcp)
        );
        vec![("udp", by_name(udp)), ("tcp", by_name(tcp))]
    }

    /// What every server of the zone says about the name, each at every address.
    pub async fn authorities(&self, owner: &DomainName) -> Vec<Sighting> {
        self.authorities_but(owner, RecordType::TXT, &[]).await
    }

    /// The same, without asking those that were asked a moment ago.
    async fn authorities_but(
        &self,
        owner: &DomainName,
        kind: RecordType,
        recent: &[&Sighting],
    ) -> Vec<Sighting> {
        let view = self.view(owner);
        let unknown = |error: &Error| {
            let vantage = Vantage { server: owner.to_string(), address: None, kind: VantageKind::Authority };
            vec![Sighting::new(vantage, self.now(), answer::failed(error))]
        };
        let wire = match wire_name(owner) {
            Ok(wire) => wire,
            Err(error) => return unknown(&error),
        };
        let cut = match view.walk.find_zone(&wire).await {
            Ok(cut) => cut,
            Err(error) => return unknown(&error),
        };
        let each = cut.servers.iter().map(|server| async {
            if let Some(&recent) = recent.iter().find(|sighting| sighting.vantage == vantage(server)) {
                return recent.clone();
            }
            self.see(view, &cut, server, &wire, kind).await.0
        });
        let mut seen = join_all(each).await;
        seen.extend(unresolved(&cut, self.now()));
        seen
    }

    /// What one server says about a name, judged; with the answer itself, where one came.
    async fn see(
        &self,
        view: &View,
        cut: &ZoneCut,
        server: &Server,
        name: &Name,
        kind: RecordType,
    ) -> (Sighting, Option<Reply>) {
        let reply = match self.inner.exchange.ask(server.address, name, kind).await {
            Ok(reply) => reply,
            Err(error) => {
                let answer = answer::failed(&error);
                return (Sighting::new(vantage(server), self.now(), answer), None);
            }
        };
        let answer = answer::of_authority(&reply.response, name);
        let mut sighting = Sighting::new(vantage(server), self.now(), answer);
        if let Some(validator) = &view.validator
            && !matches!(sighting.answer, Answer::Failed(_))
        {
            let query = Query::query(name.clone(), kind);
            sighting.security = validator.judge(&cut.apex, &query, &reply.response).await;
        }
        (sighting, Some(reply))
    }

    pub(crate) async fn look_at_resolvers(&self, owner: &DomainName, kind: RecordType) -> Vec<Sighting> {
        let Ok(wire) = wire_name(owner) else { return Vec::new() };
        let each = self.view(owner).resolvers.iter().map(|resolver| async {
            let answer = resolver.ask(&wire, kind).await;
            let now = self.now();
            let vantage = Vantage {
                server: resolver.name.clone(),
                address: resolver.address,
                kind: VantageKind::Resolver,
            };
            match answer {
                Ok(resolved) => {
                    let mut sighting =
                        Sighting::new(vantage, now, answer::of_resolver(&resolved.records, &wire));
                    let ttl = resolved.denied_for.and_then(|ttl| SignedDuration::try_from(ttl).ok());
                    sighting.denied_until = ttl.and_then(|ttl| now.checked_add(ttl).ok());
                    sighting
                }
                Err(error) => Sighting::new(vantage, now, answer::failed(&error)),
            }
        });
        join_all(each).await
    }

    /// Whom to ask about a name: the settings of the longest domain that holds it.
    fn view(&self, name: &DomainName) -> &View {
        let zones = self.inner.zones.iter().filter(|(domain, _)| name.is_within(domain));
        let closest = zones.max_by_key(|(domain, _)| domain.as_str().len());
        closest.map_or(&self.inner.everywhere, |(_, view)| view)
    }
}

/// Name servers without an address: for whoever asks them there is no answer.
pub(crate) fn unresolved(cut: &ZoneCut, now: Timestamp) -> impl Iterator<Item = Sighting> {
    cut.unresolved.iter().map(move |(server, why)| {
        let vantage = Vantage { server: server.clone(), address: None, kind: VantageKind::Authority };
        let why = format!("its address cannot be found: {why}");
        Sighting::new(vantage, now, Answer::Failed(why))
    })
}

/// A break on the way to the record is a break of every answer about it.
fn distrust(seen: &mut [Sighting], aliases: &Security) {
    if matches!(aliases, Security::Bogus(_)) {
        for sighting in seen {
            sighting.security = aliases.clone();
        }
    }
}

/// A file longer than any value is somebody else's, perhaps a page that a redirect led to: its beginning is enough.
fn excerpt(body: &str) -> String {
    match body.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}… ({} bytes more)", &body[..end], body.len() - end),
        None => body.to_owned(),
    }
}

fn record_type(data: &RecordData) -> RecordType {
    match data {
        RecordData::Txt(_) => RecordType::TXT,
        RecordData::Cname(_) => RecordType::CNAME,
    }
}

fn vantage(server: &Server) -> Vantage {
    Vantage { server: server.name.clone(), address: Some(server.address), kind: VantageKind::Authority }
}

/// A label that nobody else has made.
#[must_use]
pub fn random_label() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
