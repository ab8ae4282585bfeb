//! Recursive resolvers: over UDP, TCP and TLS by hickory, over HTTPS by our HTTP client, which knows proxies.
//!
//! A resolver may have several endpoints: the one that worked last is tried first, the others when it fails.

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
    op::ResponseCode,
    rr::{Name, RecordType},
};
use hickory_resolver::{
    Resolver, ResolverBuilder,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::{
    https::Https,
    resolved::{Resolved, TIMEOUT},
    system::{Scopes, System},
};
use crate::{
    Error,
    error::cause,
    network::{Network, Wire},
    settings::{self, Endpoint, Settings},
};

/// One resolver.
pub(crate) struct Recursive {
    /// As it stands in the settings.
    pub(crate) name: String,
    /// Where it has one.
    pub(crate) address: Option<SocketAddr>,
    endpoints: Vec<(String, Client)>,
    /// The endpoint that worked last.
    last_good: AtomicUsize,
}

enum Client {
    Dns(Box<Resolver<Wire>>),
    System(Box<System>),
    Https(Https),
}

impl Recursive {
    /// Prepares to ask; connects to nobody yet. A resolver that is asked to see changes caches nothing.
    ///
    /// # Errors
    /// When the host's resolvers or the certificates cannot be read.
    pub(crate) fn new(
        resolver: &settings::Resolver,
        settings: &Settings,
        network: &Arc<dyn Network>,
        caching: bool,
    ) -> Result<Self, Error> {
        let client = |endpoint: &Endpoint| {
            let client = match endpoint {
                Endpoint::Https(url) => Client::Https(Https::new(url.clone(), settings)?),
                Endpoint::System => Client::System(Box::new(system(settings, network, caching))),
                endpoint => Client::Dns(Box::new(connect(endpoint, settings, network, caching)?)),
            };
            Ok((endpoint.to_string(), client))
        };
        let endpoints = resolver.endpoints.iter().map(client).collect::<Result<_, Error>>()?;
        let first = resolver.endpoints.first();
        let address = first.and_then(|endpoint| match endpoint {
            Endpoint::Udp(address) | Endpoint::Tcp(address) | Endpoint::Tls(address, _) => Some(*address),
            Endpoint::System | Endpoint::Https(_) => None,
        });
        let name = first.map(ToString::to_string).unwrap_or_default();
        Ok(Self { name, address, endpoints, last_good: AtomicUsize::new(0) })
    }

    /// Asks the endpoints in turn.
    ///
    /// # Errors
    /// What each of them failed with.
    pub(crate) async fn ask(&self, name: &Name, kind: RecordType) -> Result<Resolved, Error> {
        let mut failures = Vec::new();
        let first = self.last_good.load(Ordering::Relaxed);
        for step in 0..self.endpoints.len() {
            let at = (first + step) % self.endpoints.len();
            let Some((endpoint, client)) = self.endpoints.get(at) else { break };
            let answer = match client {
                Client::Dns(resolver) => look_up(resolver, name, kind).await,
                Client::System(system) => match system.resolver() {
                    Ok(resolver) => look_up(&resolver, name, kind).await,
                    Err(error) => Err(error),
                },
                Client::Https(client) => client.ask(name, kind).await,
            };
            match answer {
                Ok(resolved) => {
                    self.last_good.store(at, Ordering::Relaxed);
                    return Ok(resolved);
                }
                Err(error) if self.endpoints.len() == 1 => return Err(error),
                Err(error) => failures.push((endpoint.clone(), error)),
            }
        }
        Err(Error::Several(failures))
    }
}

async fn look_up(resolver: &Resolver<Wire>, name: &Name, kind: RecordType) -> Result<Resolved, Error> {
    match resolver.lookup(name.clone(), kind).await {
        Ok(found) => Ok(Resolved { records: found.answers().to_vec(), denied_for: None }),
        Err(NetError::Dns(DnsError::NoRecordsFound(denial)))
            if matches!(denial.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
        {
            let denied_for = denial.negative_ttl.map(|ttl| Duration::from_secs(ttl.into()));
            Ok(Resolved { records: Vec::new(), denied_for })
        }
        Err(NetError::Timeout) => Err(Error::NoAnswer),
        // Bounded: the text may repeat what a hostile server sent.
        Err(error) => Err(Error::Lookup(error.to_string().chars().take(200).collect())),
    }
}

fn connect(
    endpoint: &Endpoint,
    settings: &Settings,
    network: &Arc<dyn Network>,
    caching: bool,
) -> Result<Resolver<Wire>, Error> {
    let wire = Wire::new(Arc::clone(network), Scopes::new());
    let mut builder = Resolver::builder_with_config(servers(endpoint), wire);
    // Without TLS no certificates are needed, and a host may have none.
    match (endpoint, &settings.ca_file) {
        (Endpoint::Tls(..), None) => {}
        (Endpoint::Tls(..), Some(path)) => {
            let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            let certificates: Vec<CertificateDer<'static>> =
                certificates.map_err(|error| Error::CaFile { path: path.clone(), source: cause(error) })?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates);
            builder = builder.with_tls_config(trusting(roots));
        }
        _ => builder = builder.with_tls_config(trusting(RootCertStore::empty())),
    }
    finish(builder, endpoint, caching)
}

/// The host's resolvers, whatever they are when they are asked.
fn system(settings: &Settings, network: &Arc<dyn Network>, caching: bool) -> System {
    let network = Arc::clone(network);
    let make = move |servers, scopes| {
        let wire = Wire::new(Arc::clone(&network), scopes);
        let builder = Resolver::builder_with_config(servers, wire);
        finish(builder.with_tls_config(trusting(RootCertStore::empty())), &Endpoint::System, caching)
    };
    System::new(settings.resolv_conf.clone(), Box::new(make))
}

fn finish(
    mut builder: ResolverBuilder<Wire>,
    endpoint: &Endpoint,
    caching: bool,
) -> Result<Resolver<Wire>, Error> {
    let options = builder.options_mut();
    if !caching {
        options.cache_size = 0;
    }
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = TIMEOUT;
    options.attempts = 2;
    let unusable = |error| Error::Endpoint { endpoint: endpoint.to_string(), source: cause(error) };
    builder.build().map_err(unusable)
}

fn servers(endpoint: &Endpoint) -> ResolverConfig {
    let (address, connections) = match endpoint {
        Endpoint::Udp(address) => (*address, vec![ConnectionConfig::udp(), ConnectionConfig::tcp()]),
        Endpoint::Tcp(address) => (*address, vec![ConnectionConfig::tcp()]),
        Endpoint::Tls(address, name) => (*address, vec![ConnectionConfig::tls(name.as_str().into())]),
        // Neither is asked so: the host's are read when they are needed, and over HTTPS hickory is not asked.
        Endpoint::System | Endpoint::Https(_) => return ResolverConfig::from_name_servers(Vec::new()),
    };
    let connections = connections.into_iter().map(|mut connection| {
        connection.port = address.port();
        connection
    });
    let server = NameServerConfig::new(address.ip(), true, connections.collect());
    ResolverConfig::from_name_servers(vec![server])
}

fn trusting(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

/// The first resolver that answers.
///
/// # Errors
/// What each of them said.
pub(crate) async fn first(
    resolvers: &[Arc<Recursive>],
    name: &Name,
    kind: RecordType,
) -> Result<Resolved, Error> {
    let mut failures = Vec::new();
    for resolver in resolvers {
        match resolver.ask(name, kind).await {
            Ok(resolved) => return Ok(resolved),
            Err(error) => failures.push((resolver.name.clone(), error)),
        }
    }
    if failures.is_empty() { Err(Error::NoResolver) } else { Err(Error::Several(failures)) }
}
