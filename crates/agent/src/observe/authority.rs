//! Which servers are authoritative for a name, found from the parent downwards.
//!
//! Resolvers are asked for the name servers of a zone that is known to exist and for their addresses, never about the
//! owner name or a name that may not exist: a denial would be cached for the SOA minimum and hide our own record
//! (RFC 2308, RFC 8020).

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Mutex,
    time::Duration,
};

use dcv_core::DomainName;
use futures_util::future::join_all;
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::TokioResolver;
use tokio::time::Instant;

use super::ask::{Asker, wire_name};

/// Referrals that are followed from the starting zone.
const MAX_REFERRALS: usize = 10;
/// Name servers and addresses that are taken up of one zone.
const MAX_SERVERS: usize = 26;
/// How long a zone's servers are believed.
const KEPT: Duration = Duration::from_secs(300);
/// Zones that are remembered.
const MAX_ZONES: usize = 10_000;

/// A zone's apex and its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) servers: Vec<(String, SocketAddr)>,
}

pub(super) struct Authorities {
    pinned: BTreeMap<DomainName, Vec<SocketAddr>>,
    resolvers: Vec<TokioResolver>,
    asker: Asker,
    ipv6: bool,
    found: Mutex<BTreeMap<DomainName, (Instant, Authority)>>,
}

impl Authorities {
    pub(super) fn new(
        pinned: BTreeMap<DomainName, Vec<SocketAddr>>,
        resolvers: Vec<TokioResolver>,
        asker: Asker,
    ) -> Self {
        Self { pinned, resolvers, asker, ipv6: has_ipv6(), found: Mutex::default() }
    }

    /// The servers of the zone that holds `owner`.
    pub(super) async fn of(&self, owner: &DomainName) -> Result<Authority, String> {
        let pinned = self.pinned.iter().filter(|(domain, _)| owner.is_within(domain));
        if let Some((_, servers)) = pinned.max_by_key(|(domain, _)| domain.as_str().len()) {
            return Ok(Authority {
                servers: servers.iter().map(|&address| (address.ip().to_string(), address)).collect(),
            });
        }
        let parent = owner.parent().ok_or("a top-level domain has no validation record")?;
        if let Some(known) = self.remembered(&parent) {
            return Ok(known);
        }
        let authority = self.discover(owner).await?;
        let mut found = self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if found.len() >= MAX_ZONES {
            found.clear();
        }
        found.insert(parent, (Instant::now(), authority.clone()));
        Ok(authority)
    }

    fn remembered(&self, parent: &DomainName) -> Option<Authority> {
        let found = self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        found.get(parent).filter(|(at, _)| at.elapsed() < KEPT).map(|(_, authority)| authority.clone())
    }

    /// Walks referrals from the top-level domain down to the servers that answer for `owner` themselves.
    async fn discover(&self, owner: &DomainName) -> Result<Authority, String> {
        let top: DomainName =
            owner.labels().next_back().unwrap_or_default().parse().map_err(|_| "no top-level domain")?;
        let names = self.name_servers(&top).await.ok_or_else(|| {
            format!("the name servers of {top} cannot be found; check verify.resolvers, or set verify.authorities for {owner}")
        })?;
        let mut servers = self.addresses(&names, &[]).await;
        let mut zone = top;
        let wanted = wire_name(owner).map_err(|error| error.to_string())?;
        for _ in 0..MAX_REFERRALS {
            match self.refer(&servers, &wanted, owner, &zone).await? {
                Referral::Here => return Ok(Authority { servers }),
                Referral::Below { cut, names, glue } => {
                    servers = self.addresses(&names, &glue).await;
                    zone = cut;
                }
            }
        }
        Err(format!("the delegation towards {owner} is longer than {MAX_REFERRALS} steps"))
    }

    /// Asks the servers in turn until one answers or refers further.
    async fn refer(
        &self,
        servers: &[(String, SocketAddr)],
        wanted: &Name,
        owner: &DomainName,
        zone: &DomainName,
    ) -> Result<Referral, String> {
        let mut trouble = format!("no name server of {zone} has an address that this host can reach");
        for (server, address) in servers {
            let response = match self.asker.ask(*address, wanted, RecordType::SOA).await {
                Ok(response) => response,
                Err(error) => {
                    trouble = format!("{server} ({address}), a name server of {zone}: {error}");
                    continue;
                }
            };
            if response.authoritative {
                return Ok(Referral::Here);
            }
            let mut cut = None;
            let mut names = Vec::new();
            for record in response.authorities.iter().take(MAX_SERVERS) {
                let RData::NS(target) = &record.data else { continue };
                let Ok(below) = record.name.to_ascii().parse::<DomainName>() else { continue };
                // Only downwards, and only towards the name: anything else is a lame or lying server.
                if below.is_within(zone)
                    && below != *zone
                    && owner.is_within(&below)
                    && cut.as_ref().is_none_or(|c| *c == below)
                {
                    cut = Some(below);
                    names.push(target.0.clone());
                }
            }
            let glue = response.additionals.iter().take(2 * MAX_SERVERS);
            let glue =
                glue.filter_map(|record| Some((record.name.clone(), record.data.ip_addr()?))).collect();
            match cut {
                Some(cut) => return Ok(Referral::Below { cut, names, glue }),
                None => {
                    trouble = format!("{server} ({address}) neither serves {zone} nor refers towards {owner}")
                }
            }
        }
        Err(trouble)
    }

    async fn name_servers(&self, zone: &DomainName) -> Option<Vec<Name>> {
        for resolver in &self.resolvers {
            if let Ok(found) = resolver.lookup(format!("{zone}."), RecordType::NS).await {
                let names = found.answers().iter().filter_map(|record| match &record.data {
                    RData::NS(target) => Some(target.0.clone()),
                    _ => None,
                });
                return Some(names.take(MAX_SERVERS).collect());
            }
        }
        None
    }

    /// Every address of every server, of the families that this host has.
    async fn addresses(&self, names: &[Name], glue: &[(Name, IpAddr)]) -> Vec<(String, SocketAddr)> {
        let each = names.iter().take(MAX_SERVERS).map(|name| async move {
            let known: Vec<IpAddr> =
                glue.iter().filter(|(host, _)| host == name).map(|&(_, ip)| ip).collect();
            let ips = if known.is_empty() { self.resolve(name).await } else { known };
            let host = name.to_ascii().trim_end_matches('.').to_owned();
            ips.into_iter().map(move |ip| (host.clone(), SocketAddr::new(ip, 53))).collect::<Vec<_>>()
        });
        let mut servers: Vec<_> = join_all(each).await.into_iter().flatten().collect();
        servers.retain(|(_, address)| self.ipv6 || address.is_ipv4());
        servers.truncate(MAX_SERVERS);
        servers
    }

    async fn resolve(&self, host: &Name) -> Vec<IpAddr> {
        for resolver in &self.resolvers {
            if let Ok(found) = resolver.lookup_ip(host.clone()).await {
                return found.iter().collect();
            }
        }
        Vec::new()
    }
}

enum Referral {
    Here,
    Below { cut: DomainName, names: Vec<Name>, glue: Vec<(Name, IpAddr)> },
}

/// Whether this host has a way to IPv6 at all. Connecting a UDP socket sends nothing.
fn has_ipv6() -> bool {
    std::net::UdpSocket::bind("[::]:0").is_ok_and(|socket| socket.connect("[2001:db8::1]:53").is_ok())
}
