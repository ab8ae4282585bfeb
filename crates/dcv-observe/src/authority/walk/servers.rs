//! Which servers a zone has: as resolvers know the root's, as parents refer to them, and as the zone itself names them.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::join_all;
use hickory_proto::{
    op::DnsResponse,
    rr::{Name, RData, RecordType},
};

use super::Walk;
use crate::{
    Error,
    authority::{
        recursive::first,
        zone_cut::{MAX_SERVERS, Server, ZoneCut, host, name_servers},
    },
};

/// Addresses that are taken up of one zone: a few of each family for every name server.
const MAX_ADDRESSES: usize = 104;
/// Servers that are enough to walk through a zone on the way down.
const WAYPOINTS: usize = 4;

impl Walk {
    /// The root, with a handful of its servers.
    pub(super) async fn root(&self) -> Result<Arc<ZoneCut>, Error> {
        let found = first(&self.resolvers, &Name::root(), RecordType::NS)
            .await
            .map_err(|error| Error::Root { source: Box::new(error) })?;
        let names: Vec<Name> = found
            .records
            .iter()
            .filter_map(|record| match &record.data {
                RData::NS(target) => Some(target.0.clone()),
                _ => None,
            })
            .take(MAX_SERVERS)
            .collect();
        let mut servers = Vec::new();
        let mut skipped = Vec::new();
        // A handful answers for all; asking for every address of every root server would be rude.
        for batch in names.chunks(WAYPOINTS) {
            let found = join_all(batch.iter().map(|name| self.addresses(name))).await;
            for (name, ips) in batch.iter().zip(found) {
                self.admit(name, ips.as_deref().unwrap_or_default(), &mut servers, &mut skipped);
            }
            if !servers.is_empty() {
                break;
            }
        }
        if servers.is_empty() {
            return Err(Error::RootUnreachable);
        }
        Ok(Arc::new(ZoneCut {
            apex: Name::root(),
            servers,
            at_parent: BTreeSet::new(),
            at_child: BTreeSet::new(),
            pinned: false,
            skipped,
            unresolved: Vec::new(),
        }))
    }

    /// Adds the servers that the zone itself names, and every address of all.
    pub(super) async fn complete(&self, cut: &ZoneCut, apex: Name) -> ZoneCut {
        let own = self.any(cut, &apex, RecordType::NS, |response| response.authoritative).await;
        let child: Vec<Name> = own.map(|reply| name_servers(&reply.response, &apex)).unwrap_or_default();
        let at_parent = if apex == cut.apex { cut.at_parent.clone() } else { BTreeSet::new() };
        let mut names: BTreeSet<Name> = child.iter().cloned().collect();
        names.extend(at_parent.iter().filter_map(|name| Name::from_ascii(format!("{name}.")).ok()));
        let mut servers = Vec::new();
        let mut skipped = Vec::new();
        let names: Vec<Name> = names.into_iter().take(MAX_SERVERS).collect();
        let resolved = join_all(names.iter().map(|name| self.addresses(name))).await;
        let mut unresolved = Vec::new();
        for (name, resolved) in names.iter().zip(resolved) {
            let mut ips = resolved.as_ref().map_or_else(|_| Vec::new(), Clone::clone);
            // Glue may be all there is: the resolver need not know a name server that only the parent names.
            let host = host(name);
            ips.extend(
                cut.servers.iter().filter(|server| server.name == host).map(|server| server.address.ip()),
            );
            ips.sort();
            ips.dedup();
            match resolved {
                Err(why) if ips.is_empty() => unresolved.push((host, why.describe())),
                Ok(_) if ips.is_empty() => skipped.push(format!("{host} has no address")),
                Ok(_) | Err(_) => {}
            }
            self.admit(name, &ips, &mut servers, &mut skipped);
        }
        if servers.is_empty() {
            servers.clone_from(&cut.servers);
        }
        if servers.len() > MAX_ADDRESSES {
            skipped.push(format!("{} more addresses than {MAX_ADDRESSES}", servers.len() - MAX_ADDRESSES));
            servers.truncate(MAX_ADDRESSES);
        }
        let at_child = child.iter().map(host).collect();
        ZoneCut { apex, servers, at_parent, at_child, pinned: false, skipped, unresolved }
    }

    /// The zone to which a parent refers, with the servers that it names.
    pub(super) async fn refer(&self, below: Name, names: Vec<Name>, response: &DnsResponse) -> ZoneCut {
        let glue: Vec<(&Name, IpAddr)> = response
            .additionals
            .iter()
            .take(4 * MAX_SERVERS)
            .filter_map(|record| Some((&record.name, record.data.ip_addr()?)))
            .collect();
        let mut servers = Vec::new();
        let mut skipped = Vec::new();
        let mut bare = Vec::new();
        for name in &names {
            let ips: Vec<IpAddr> = glue.iter().filter(|(host, _)| *host == name).map(|&(_, ip)| ip).collect();
            if ips.is_empty() {
                bare.push(name);
            }
            self.admit(name, &ips, &mut servers, &mut skipped);
        }
        // Names elsewhere come without glue; where there is none at all, some are looked up to get on.
        if servers.is_empty() {
            let found = join_all(bare.iter().take(WAYPOINTS).map(|name| self.addresses(name))).await;
            for (name, ips) in bare.into_iter().zip(found) {
                self.admit(name, ips.as_deref().unwrap_or_default(), &mut servers, &mut skipped);
            }
        }
        servers.truncate(MAX_ADDRESSES);
        let at_parent = names.iter().map(host).collect();
        ZoneCut {
            apex: below,
            servers,
            at_parent,
            at_child: BTreeSet::new(),
            pinned: false,
            skipped,
            unresolved: Vec::new(),
        }
    }

    /// Takes up the addresses that this host can reach.
    fn admit(&self, name: &Name, ips: &[IpAddr], servers: &mut Vec<Server>, skipped: &mut Vec<String>) {
        for &ip in ips {
            if self.families.reach(ip) {
                servers.push(Server { name: host(name), address: SocketAddr::new(ip, 53) });
            } else {
                let family = if ip.is_ipv6() { "IPv6" } else { "IPv4" };
                skipped.push(format!("{} at {ip}: this host has no {family}", host(name)));
            }
        }
    }

    /// Whether an address can be reached from this host at all.
    pub(crate) fn reaches(&self, ip: IpAddr) -> bool {
        self.families.reach(ip)
    }

    /// The host's addresses; none only where that is known.
    pub(crate) async fn addresses(&self, host: &Name) -> Result<Vec<IpAddr>, Error> {
        let (v4, v6) = tokio::join!(
            first(&self.resolvers, host, RecordType::A),
            first(&self.resolvers, host, RecordType::AAAA)
        );
        let records = [&v4, &v6].into_iter().flatten().flat_map(|found| &found.records);
        let found: Vec<_> = records.filter_map(|record| record.data.ip_addr()).take(MAX_SERVERS).collect();
        // Some servers fail for the one family and have the other.
        match (found.is_empty(), v4.and(v6)) {
            (true, Err(why)) => Err(why),
            (true, Ok(_)) | (false, _) => Ok(found),
        }
    }
}
