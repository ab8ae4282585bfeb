//! Recursive resolvers: over UDP, TCP and TLS by hickory, over HTTPS by our HTTP client, which knows proxies.
//!
//! A resolver may have several ways to it: the one that worked last is tried first, the others when it fails.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hickory_net::{DnsError, NetError};
use hickory_proto::{
    op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode},
    rr::{Name, Record, RecordType},
};
use hickory_resolver::{
    Resolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::{
    network::{Network, Wire},
    settings::{self, Endpoint, Settings},
};

const TIMEOUT: Duration = Duration::from_secs(2);
const HTTPS_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest DNS message (RFC 1035 section 4.2.2).
const MAX_MESSAGE: usize = 65_535;

/// What a resolver told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The records of the answer, aliases included.
    pub(crate) records: Vec<Record>,
    /// With a denial: for how long the resolver may repeat it (RFC 2308 section 5).
    pub(crate) denied_for: Option<Duration>,
}

/// One resolver.
pub(crate) struct Recursive {
    /// As it stands in the configuration.
    pub(crate) name: String,
    /// Where it has one.
    pub(crate) address: Option<SocketAddr>,
    ways: Vec<(String, Client)>,
    /// The way that worked last.
    last_good: AtomicUsize,
}

enum Client {
    Dns(Box<Resolver<Wire>>),
    Https(Https),
}

impl Recursive {
    /// Prepares to ask; connects to nobody yet. A resolver that is asked to see changes caches nothing.
    ///
    /// # Errors
    /// One sentence, when the host's resolvers or the certificates cannot be read.
    pub(crate) fn new(
        resolver: &settings::Resolver,
        settings: &Settings,
        network: &Arc<dyn Network>,
        caching: bool,
    ) -> Result<Self, String> {
        let mut ways = Vec::new();
        for way in &resolver.endpoints {
            let client = match way {
                Endpoint::Https(url) => Client::Https(Https::new(url.clone(), settings)?),
                way => Client::Dns(Box::new(connect(way, settings, network, caching)?)),
            };
            ways.push((way.to_string(), client));
        }
        let first = resolver.endpoints.first();
        let address = first.and_then(|way| match way {
            Endpoint::Udp(address) | Endpoint::Tcp(address) | Endpoint::Tls(address, _) => Some(*address),
            Endpoint::System | Endpoint::Https(_) => None,
        });
        let name = first.map(ToString::to_string).unwrap_or_default();
        Ok(Self { name, address, ways, last_good: AtomicUsize::new(0) })
    }

    /// Asks by the ways in turn.
    ///
    /// # Errors
    /// One sentence for each way that failed.
    pub(crate) async fn ask(&self, name: &Name, kind: RecordType) -> Result<Told, String> {
        let mut troubles = Vec::new();
        let first = self.last_good.load(Ordering::Relaxed);
        for step in 0..self.ways.len() {
            let at = (first + step) % self.ways.len();
            let Some((way, client)) = self.ways.get(at) else { break };
            let told = match client {
                Client::Dns(resolver) => look_up(resolver, name, kind).await,
                Client::Https(client) => client.ask(name, kind).await,
            };
            match told {
                Ok(told) => {
                    self.last_good.store(at, Ordering::Relaxed);
                    return Ok(told);
                }
                Err(why) if self.ways.len() == 1 => return Err(why),
                Err(why) => troubles.push(format!("{way}: {why}")),
            }
        }
        Err(troubles.join("; "))
    }
}

async fn look_up(resolver: &Resolver<Wire>, name: &Name, kind: RecordType) -> Result<Told, String> {
    match resolver.lookup(name.clone(), kind).await {
        Ok(found) => Ok(Told { records: found.answers().to_vec(), denied_for: None }),
        Err(NetError::Dns(DnsError::NoRecordsFound(denial)))
            if matches!(denial.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
        {
            let denied_for = denial.negative_ttl.map(|ttl| Duration::from_secs(ttl.into()));
            Ok(Told { records: Vec::new(), denied_for })
        }
        Err(NetError::Timeout) => Err("no answer".to_owned()),
        Err(error) => Err(error.to_string().chars().take(200).collect()),
    }
}

fn connect(
    way: &Endpoint,
    settings: &Settings,
    network: &Arc<dyn Network>,
    caching: bool,
) -> Result<Resolver<Wire>, String> {
    let wire = Wire::new(Arc::clone(network));
    let at = |address: SocketAddr, connections: Vec<ConnectionConfig>| {
        let connections = connections.into_iter().map(|mut connection| {
            connection.port = address.port();
            connection
        });
        let server = NameServerConfig::new(address.ip(), true, connections.collect());
        ResolverConfig::from_name_servers(vec![server])
    };
    let mut builder = match way {
        Endpoint::System => Resolver::builder(wire)
            .map_err(|error| format!("verify.resolvers: \"system\" cannot be used: {error}"))?,
        Endpoint::Udp(address) => Resolver::builder_with_config(
            at(*address, vec![ConnectionConfig::udp(), ConnectionConfig::tcp()]),
            wire,
        ),
        Endpoint::Tcp(address) => {
            Resolver::builder_with_config(at(*address, vec![ConnectionConfig::tcp()]), wire)
        }
        Endpoint::Tls(address, name) => Resolver::builder_with_config(
            at(*address, vec![ConnectionConfig::tls(name.as_str().into())]),
            wire,
        ),
        Endpoint::Https(_) => return Err("not a DNS transport".to_owned()),
    };
    // Without a TLS way no certificates are needed, and a host may have none.
    match (way, &settings.ca_file) {
        (Endpoint::Tls(..), None) => {}
        (Endpoint::Tls(..), Some(path)) => {
            let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            let certificates: Vec<CertificateDer<'static>> =
                certificates.map_err(|error| format!("verify.ca_file {}: {error}", path.display()))?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates);
            builder = builder.with_tls_config(trusting(roots));
        }
        _ => builder = builder.with_tls_config(trusting(RootCertStore::empty())),
    }
    let options = builder.options_mut();
    if !caching {
        options.cache_size = 0;
    }
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = TIMEOUT;
    options.attempts = 2;
    builder.build().map_err(|error| format!("verify.resolvers: {way}: {error}"))
}

fn trusting(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

/// DNS over HTTPS (RFC 8484), through the proxy where there is one.
struct Https {
    url: reqwest::Url,
    client: reqwest::Client,
}

impl Https {
    fn new(url: reqwest::Url, settings: &Settings) -> Result<Self, String> {
        let mut builder = reqwest::Client::builder()
            .timeout(HTTPS_TIMEOUT)
            .connect_timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .https_only(true)
            .user_agent(concat!("dcv-agent/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &settings.proxy {
            let proxy = reqwest::Proxy::all(proxy.clone());
            builder = builder.proxy(proxy.map_err(|error| format!("verify.proxy: {error}"))?);
        }
        if let Some(path) = &settings.ca_file {
            let cannot =
                |error: &dyn std::fmt::Display| format!("verify.ca_file {}: {error}", path.display());
            let pem = std::fs::read(path).map_err(|error| cannot(&error))?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| cannot(&error))?;
            builder = builder.tls_certs_only(roots);
        }
        let client = builder.build().map_err(|error| format!("verify.resolvers: {url}: {error}"))?;
        Ok(Self { url, client })
    }

    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Told, String> {
        let query = Query::query(name.clone(), kind);
        let (mut question, _) =
            DnsRequest::from_query(query.clone(), DnsRequestOptions::default()).into_parts();
        // RFC 8484 section 4.1: the same bytes for the same question.
        question.metadata.id = 0;
        let body = question.to_vec().map_err(|error| error.to_string())?;
        let sent = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/dns-message")
            .header("accept", "application/dns-message")
            .body(body)
            .send()
            .await;
        let mut answer = sent.map_err(|error| crate::chain(&error.without_url()))?;
        if !answer.status().is_success() {
            return Err(format!("HTTP status {}", answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| crate::chain(&error.without_url()))? {
            if bytes.len() + chunk.len() > MAX_MESSAGE {
                return Err("the answer is longer than a DNS message can be".to_owned());
            }
            bytes.extend_from_slice(&chunk);
        }
        told(&query, bytes)
    }
}

/// Reads an answer that came over HTTPS.
pub(crate) fn told(query: &Query, bytes: Vec<u8>) -> Result<Told, String> {
    let response =
        DnsResponse::from_buffer(bytes).map_err(|_| "the answer is not a DNS message".to_owned())?;
    if response.queries != [query.clone()] {
        return Err("the answer is for another question".to_owned());
    }
    match response.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        code => return Err(code.to_string()),
    }
    let denied = !response.answers.iter().any(|record| record.record_type() == query.query_type());
    let ttl = response.negative_ttl().filter(|_| denied);
    Ok(Told {
        denied_for: ttl.map(|ttl| Duration::from_secs(ttl.into())),
        records: response.into_message().answers,
    })
}

/// The first resolver that answers.
///
/// # Errors
/// What each of them said.
pub(crate) async fn first(
    resolvers: &[Arc<Recursive>],
    name: &Name,
    kind: RecordType,
) -> Result<Told, String> {
    let mut troubles = Vec::new();
    for resolver in resolvers {
        match resolver.ask(name, kind).await {
            Ok(told) => return Ok(told),
            Err(why) => troubles.push(format!("{}: {why}", resolver.name)),
        }
    }
    if troubles.is_empty() { Err("no resolver is configured".to_owned()) } else { Err(troubles.join("; ")) }
}
