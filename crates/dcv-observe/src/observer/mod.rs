//! Looking as the CA will: where a record or file goes, and who shows it.

pub(crate) mod answer;
mod caa;
mod delegation;
mod fetch;
mod file;
mod host_name;
mod locate;
mod record;
mod serials;
mod survey;
mod trial;
mod view;

use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use dcv_core::{Artifact, Caa, CertName, DomainName, Lookup, Sighting, Wanted};
use futures_util::{StreamExt as _, stream::FuturesOrdered};
use hickory_proto::dnssec::TrustAnchors;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use self::{
    serials::Serials,
    view::{Parts, View},
};
use crate::{
    Clock, Error,
    authority::{dnssec, exchange::Exchange, kept::Kept},
    network::{Network, Sockets},
    settings::{Own, Settings},
};

/// How long an alias that every authority showed is believed.
const ALIASED: Duration = Duration::from_secs(60);
/// Well below what file descriptors there are.
const FETCHES: usize = 64;

/// Names that are asked about at the same time, whatever orders they are of: each costs some hundred kilobytes of buffers, and
/// an order may have 250 of them.
const NAMES: usize = 128;

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
    names: Semaphore,
    serials: Serials,
    /// Web servers that are not looked up, by domain.
    web: BTreeMap<DomainName, Vec<SocketAddr>>,
    /// What answers for HTTPS there.
    web_tls: BTreeMap<DomainName, Vec<SocketAddr>>,
    /// Names of which every authority showed the alias.
    aliased: Kept<DomainName, ()>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        let exchange = Arc::new(Exchange::new(Arc::clone(&network), settings.validate, Own::of(settings)));
        let parts = Parts { anchors: Arc::new(anchors), settings, clock, network, exchange };
        let view = |servers| View::new(servers, &parts);
        let everywhere = view(&settings.view)?;
        let zones = settings.zones.iter().map(|(domain, known)| Ok((domain.clone(), view(known)?)));
        let zones = zones.collect::<Result<_, Error>>()?;
        let (web, web_tls) = (settings.web.clone(), settings.web_tls.clone());
        let aliased = Kept::new(ALIASED);
        let (fetches, names) = (Semaphore::new(FETCHES), Semaphore::new(NAMES));
        let exchange = parts.exchange;
        let serials = Serials::new();
        let inner =
            Inner { clock, exchange, everywhere, zones, fetches, names, serials, web, web_tls, aliased };
        Ok(Self { inner: Arc::new(inner) })
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
        let read = self.in_turn(names, |name| self.view(&name.name).caa.read(std::slice::from_ref(name)));
        read.await.into_iter().flatten().collect()
    }

    /// Looks at each lookup for what was put up: asks the authorities, and, once all of them show it, the resolvers; or
    /// fetches the file. A server that showed it a moment ago, by what is `known`, is not asked again.
    pub async fn look(
        &self,
        wanted: &[Wanted],
        known: &BTreeMap<Lookup, Vec<Sighting>>,
    ) -> BTreeMap<Lookup, Vec<Sighting>> {
        let looked = self.in_turn(wanted, |Wanted { lookup, artifact }| async move {
            let known = known.get(lookup).map_or(&[][..], Vec::as_slice);
            let seen = match artifact {
                Artifact::Record { site, data } => self.look_at_record(lookup, site, data, known).await,
                Artifact::File { host, value } => self.look_at_file(host, Some(value)).await,
            };
            (lookup.clone(), seen)
        });
        looked.await.into_iter().collect()
    }

    /// Asks about each of these in their order, about so many at the same time as there is room for, whoever asks. What has
    /// no room yet is not begun: asking takes ten kilobytes a name.
    async fn in_turn<'i, I, T, F>(&self, items: &'i [I], ask: impl Fn(&'i I) -> F) -> Vec<T>
    where
        F: Future<Output = T>,
    {
        let mut asked = FuturesOrdered::new();
        let mut told = Vec::with_capacity(items.len());
        for item in items {
            let mut room = pin!(self.inner.names.acquire());
            let permit = loop {
                tokio::select! {
                    biased;
                    Some(one) = asked.next(), if !asked.is_empty() => told.push(one),
                    // Never closed: it lives as long as what asks it.
                    permit = &mut room => break permit,
                }
            };
            let asking = ask(item);
            asked.push_back(async move {
                let _permit = permit;
                asking.await
            });
        }
        told.extend(asked.collect::<Vec<_>>().await);
        told
    }

    /// Names that are asked about at this moment.
    fn names_under_way(&self) -> usize {
        NAMES - self.inner.names.available_permits().min(NAMES)
    }

    /// Whom to ask about a name: the settings of the longest domain that holds it.
    fn view(&self, name: &DomainName) -> &View {
        name.closest(&self.inner.zones).unwrap_or(&self.inner.everywhere)
    }
}

/// A label that nobody else has made.
#[must_use]
pub fn random_label() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
