//! Looking at DNS as the CA will: where a record goes, and who shows it.

mod ask;
mod authority;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use dcv_core::{
    Answer, Because, DomainName, Guarded, Location, RandomValue, Reason, Sighting, Site, Vantage,
    VantageKind, dnsauth_owner,
};
use futures_util::future::join_all;
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_resolver::{
    Resolver as HickoryResolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    proto::rr::{RData, RecordType},
};
use tokio::sync::Semaphore;

use self::{ask::Asker, authority::Authorities};
use crate::{
    clock,
    config::{Config, Resolver, Verify},
};

/// Questions under way at once, over all orders.
const QUESTIONS: usize = 256;
/// CNAME records that are followed from `_dnsauth.<scope>`.
const MAX_CHAIN: usize = 8;
const RESOLVER_TIMEOUT: Duration = Duration::from_secs(2);

/// Looks at DNS.
#[derive(Clone)]
pub struct Observer {
    inner: Arc<Inner>,
}

struct Inner {
    asker: Asker,
    authorities: Authorities,
    resolvers: Vec<(String, SocketAddr, TokioResolver)>,
    questions: Semaphore,
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
    /// One sentence, when the host's resolvers cannot be read.
    pub fn new(verify: &Verify) -> Result<Self, String> {
        let mut resolvers = Vec::new();
        for resolver in &verify.resolvers {
            resolvers.push(connect(*resolver)?);
        }
        let asker = Asker::new();
        let recursive = resolvers.iter().map(|(_, _, resolver)| resolver.clone()).collect();
        let authorities = Authorities::new(verify.authorities.clone(), recursive, asker.clone());
        Ok(Self {
            inner: Arc::new(Inner { asker, authorities, resolvers, questions: Semaphore::new(QUESTIONS) }),
        })
    }

    /// Where each scope's record goes.
    ///
    /// # Errors
    /// One sentence, when no server tells.
    pub async fn locate(
        &self,
        config: &Config,
        scopes: &[DomainName],
    ) -> Result<BTreeMap<DomainName, Location>, String> {
        let each = scopes
            .iter()
            .map(|scope| async move { Ok((scope.clone(), self.locate_one(config, scope).await?)) });
        join_all(each).await.into_iter().collect()
    }

    /// Follows aliases from `_dnsauth.<scope>`, asking authorities only, into a configured zone.
    async fn locate_one(&self, config: &Config, scope: &DomainName) -> Result<Location, String> {
        let blocked = |reason, detail: String| Ok(Location::Blocked(Because::new(reason, detail)));
        let owner = match dnsauth_owner(scope) {
            Ok(owner) => owner,
            Err(error) => return blocked(Reason::BadDelegation, error.to_string()),
        };
        let mut chain: Vec<DomainName> = Vec::new();
        while chain.len() <= MAX_CHAIN {
            let name = chain.last().unwrap_or(&owner);
            let target = match self.alias(name).await {
                Ok(target) => target,
                Err(_) if !chain.is_empty() => {
                    let detail = format!(
                        "{owner} is an alias that leads to {name}, and no name server there answers for it; remove the CNAME, or point it into a zone of a configured provider"
                    );
                    return blocked(Reason::ForeignCname, detail);
                }
                Err(trouble) => return Err(trouble),
            };
            let Some(target) = target else { break };
            if target == owner || chain.contains(&target) {
                return blocked(
                    Reason::BadDelegation,
                    format!("the CNAME chain from {owner} runs in a circle"),
                );
            }
            chain.push(target);
        }
        let end = chain.last().unwrap_or(&owner);
        let Some((_, zone)) = config.route(end) else {
            return if chain.is_empty() {
                blocked(
                    Reason::NoProvider,
                    format!(
                        "no configured provider serves a zone of {owner}; add the zone to a provider, or delegate {owner} by CNAME into one"
                    ),
                )
            } else {
                blocked(
                    Reason::ForeignCname,
                    format!(
                        "{owner} is an alias for {end}, which lies in no configured zone; remove the CNAME, or configure a provider for that zone"
                    ),
                )
            };
        };
        let site = if chain.is_empty() {
            Guarded::direct(scope, zone.name.clone())
        } else {
            Guarded::delegated(scope, &chain, zone.name.clone())
        };
        Ok(match site {
            Ok(site) => Location::At(site),
            Err(error) => Location::Blocked(Because::new(Reason::BadDelegation, error.to_string())),
        })
    }

    /// The alias at a name, by the first authority that answers.
    async fn alias(&self, name: &DomainName) -> Result<Option<DomainName>, String> {
        let authority = self.inner.authorities.of(name).await?;
        let mut trouble = format!("no name server for {name} is known");
        for (server, address) in authority.servers {
            let _permit = self.inner.questions.acquire().await;
            match self.inner.asker.texts(address, name).await {
                Answer::Cname(target) => return Ok(Some(target)),
                Answer::Txt(_) => return Ok(None),
                Answer::Failed(why) => trouble = format!("{server} ({address}) about {name}: {why}"),
            }
        }
        Err(trouble)
    }

    /// Asks every authority of each site, and, once all of them show the value, the resolvers.
    pub async fn look(
        &self,
        sites: &[(DomainName, Site)],
        value: &RandomValue,
    ) -> BTreeMap<DomainName, Vec<Sighting>> {
        let each = sites
            .iter()
            .map(|(scope, site)| async move { (scope.clone(), self.look_one(scope, site, value).await) });
        join_all(each).await.into_iter().collect()
    }

    async fn look_one(&self, scope: &DomainName, site: &Site, value: &RandomValue) -> Vec<Sighting> {
        let servers = match self.inner.authorities.of(site.owner()).await {
            Ok(authority) => authority.servers,
            Err(trouble) => {
                let unknown = (site.zone().to_string(), SocketAddr::from(([0, 0, 0, 0], 53)));
                return vec![sighting(unknown, VantageKind::Authority, Answer::Failed(trouble))];
            }
        };
        let each = servers.into_iter().map(|server| async move {
            let _permit = self.inner.questions.acquire().await;
            let answer = self.inner.asker.texts(server.1, site.owner()).await;
            sighting(server, VantageKind::Authority, answer)
        });
        let mut seen = join_all(each).await;
        let everywhere = seen.iter().all(|sighting| sighting.answer.shows(value.as_str()));
        if everywhere && let Ok(owner) = dnsauth_owner(scope) {
            let each = self.inner.resolvers.iter().map(|(name, address, resolver)| {
                let owner = &owner;
                async move {
                    let _permit = self.inner.questions.acquire().await;
                    sighting((name.clone(), *address), VantageKind::Resolver, recurse(resolver, owner).await)
                }
            });
            seen.extend(join_all(each).await);
        }
        seen
    }
}

fn sighting((server, address): (String, SocketAddr), kind: VantageKind, answer: Answer) -> Sighting {
    Sighting { vantage: Vantage { server, address, kind }, at: clock::now(), answer }
}

async fn recurse(resolver: &TokioResolver, owner: &DomainName) -> Answer {
    match resolver.lookup(format!("{owner}."), RecordType::TXT).await {
        Ok(found) => Answer::Txt(
            found
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
                    _ => None,
                })
                .collect(),
        ),
        Err(error) if error.is_nx_domain() || error.is_no_records_found() => Answer::Txt(Vec::new()),
        Err(error) => Answer::Failed(error.to_string()),
    }
}

/// A resolver that caches nothing: it is asked to see changes.
fn connect(resolver: Resolver) -> Result<(String, SocketAddr, TokioResolver), String> {
    let (name, address, mut builder) = match resolver {
        Resolver::System => {
            let builder = HickoryResolver::builder_tokio()
                .map_err(|error| format!("verify.resolvers: \"system\" cannot be used: {error}"))?;
            ("system".to_owned(), SocketAddr::from(([127, 0, 0, 53], 53)), builder)
        }
        Resolver::Address(address) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = address.port();
                connection
            });
            let server = NameServerConfig::new(address.ip(), true, connections.to_vec());
            let config = ResolverConfig::from_name_servers(vec![server]);
            (
                address.ip().to_string(),
                address,
                HickoryResolver::builder_with_config(config, TokioRuntimeProvider::default()),
            )
        }
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = RESOLVER_TIMEOUT;
    options.attempts = 2;
    let resolver = builder.build().map_err(|error| format!("verify.resolvers: {error}"))?;
    Ok((name, address, resolver))
}
