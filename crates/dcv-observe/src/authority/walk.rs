//! Asking authorities only: from the root downwards by referrals, until a server answers for the name itself.
//!
//! Resolvers are asked for the root's name servers and for addresses of name servers, never about the owner name or a
//! name that may not exist: a denial would be cached for the SOA minimum and hide our own record (RFC 2308, RFC 8020).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use dcv_core::DomainName;
use futures_util::{StreamExt as _, future::join_all, stream};
use hickory_proto::{
    op::{DnsResponse, ResponseCode},
    rr::{Name, RData, RecordType},
};

use super::{
    exchange::{Exchange, Reply},
    kept::Kept,
    recursive::{Recursive, first},
};
use crate::Error;

/// Referrals that are followed from the root.
const MAX_REFERRALS: usize = 16;
/// Name servers that are taken up of one zone; and their addresses, a few of each family for every one.
const MAX_SERVERS: usize = 26;
const MAX_ADDRESSES: usize = 104;
/// Servers that are enough to walk through a zone on the way down.
const WAYPOINTS: usize = 4;
/// How long a zone's servers are believed.
const KEPT: Duration = Duration::from_secs(300);
/// When a server has not answered for this long, the next one is asked beside it.
const STAGGER: Duration = Duration::from_millis(300);

/// A name server at one address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
}

/// A zone and its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ZoneCut {
    /// Where the zone begins; the configured domain where its servers are configured.
    pub(crate) apex: Name,
    pub(crate) servers: Vec<Server>,
    /// Name servers as the parent refers to them.
    pub(crate) at_parent: BTreeSet<String>,
    /// Name servers as the zone itself names them, once it was asked.
    pub(crate) at_child: BTreeSet<String>,
    /// The servers are configured.
    pub(crate) pinned: bool,
    /// What is not asked, and why.
    pub(crate) skipped: Vec<String>,
    /// Name servers whose addresses could not be found out, and why: they count as servers that do not answer.
    pub(crate) unresolved: Vec<(String, String)>,
}

/// Finds and asks authorities.
pub(crate) struct Walk {
    pinned: BTreeMap<DomainName, Vec<SocketAddr>>,
    resolvers: Vec<Arc<Recursive>>,
    exchange: Arc<Exchange>,
    families: Families,
    /// Zones by apex, as parents refer to them.
    referred: Kept<Name, Arc<ZoneCut>>,
    /// Zones by apex, with all their servers.
    zones: Kept<Name, Arc<ZoneCut>>,
    /// Zones by the names that were asked for.
    by_name: Kept<Name, Arc<ZoneCut>>,
}

impl Walk {
    pub(crate) fn new(
        pinned: BTreeMap<DomainName, Vec<SocketAddr>>,
        resolvers: Vec<Arc<Recursive>>,
        exchange: Arc<Exchange>,
    ) -> Self {
        let families = Families::of_this_host();
        let (referred, zones, by_name) = (Kept::new(KEPT), Kept::new(KEPT), Kept::new(KEPT));
        Self { pinned, resolvers, exchange, families, referred, zones, by_name }
    }

    /// The zone that holds `name`, with all its servers.
    pub(crate) async fn find_zone(&self, name: &Name) -> Result<Arc<ZoneCut>, Error> {
        if let Some(cut) = self.pinned(name) {
            return Ok(cut);
        }
        if let Some(cut) = self.by_name.get(name) {
            return Ok(cut);
        }
        self.find_zone_with_answer(name).await.map(|(cut, _)| cut)
    }

    /// The zone that holds `name`, and what one of its servers says about TXT there.
    pub(crate) async fn find_zone_with_answer(&self, name: &Name) -> Result<(Arc<ZoneCut>, Reply), Error> {
        let (cut, reply) = self.ask(name, RecordType::TXT).await?;
        if cut.pinned {
            return Ok((cut, reply));
        }
        let apex = self.apex(&cut, name, &reply.response).await;
        let complete = async { Ok(Arc::new(self.complete(&cut, apex.clone()).await)) };
        let whole = self.zones.once(&apex, complete).await?;
        if whole.unresolved.is_empty() {
            self.referred.keep(whole.apex.clone(), Arc::clone(&whole));
            self.by_name.keep(name.clone(), Arc::clone(&whole));
        } else {
            self.zones.forget(&apex);
        }
        Ok((whole, reply))
    }

    /// Asks the authorities for a name, walking down to them; the answer is authoritative.
    pub(crate) async fn ask(&self, name: &Name, kind: RecordType) -> Result<(Arc<ZoneCut>, Reply), Error> {
        // A zone's DS record lives in its parent.
        let place = if kind == RecordType::DS { name.base_name() } else { name.clone() };
        if let Some(cut) = self.pinned(&place) {
            let reply = self.any(&cut, name, kind, |response| response.authoritative).await?;
            return Ok((cut, reply));
        }
        let mut cut = match self.deepest(&place) {
            Some(cut) => cut,
            None => self.referred.once(&Name::root(), self.root()).await?,
        };
        for _ in 0..MAX_REFERRALS {
            let useful = |response: &DnsResponse| {
                response.authoritative || referral(response, &cut.apex, &place).is_some()
            };
            let reply = self.any(&cut, name, kind, useful).await?;
            if reply.response.authoritative {
                return Ok((cut, reply));
            }
            let Some((below, names)) = referral(&reply.response, &cut.apex, &place) else { break };
            let next = Arc::new(self.refer(below, names, &reply.response).await);
            self.referred.keep(next.apex.clone(), Arc::clone(&next));
            cut = next;
        }
        Err(Error::TooDeep { name: name.to_string(), most: MAX_REFERRALS })
    }

    fn pinned(&self, name: &Name) -> Option<Arc<ZoneCut>> {
        // Compared as names on the wire: what is asked may hold labels that no domain of ours does.
        let pins =
            self.pinned.iter().filter_map(|(domain, servers)| Some((wire_name(domain).ok()?, servers)));
        let (apex, servers) =
            pins.filter(|(apex, _)| apex.zone_of(name)).max_by_key(|(apex, _)| apex.num_labels())?;
        let server = |&address: &SocketAddr| Server { name: address.to_string(), address };
        Some(Arc::new(ZoneCut {
            apex,
            servers: servers.iter().map(server).collect(),
            at_parent: BTreeSet::new(),
            at_child: BTreeSet::new(),
            pinned: true,
            skipped: Vec::new(),
            unresolved: Vec::new(),
        }))
    }

    fn deepest(&self, name: &Name) -> Option<Arc<ZoneCut>> {
        let mut at = name.clone();
        loop {
            if let Some(cut) = self.referred.get(&at) {
                return Some(cut);
            }
            if at.is_root() {
                return None;
            }
            at = at.base_name();
        }
    }

    async fn root(&self) -> Result<Arc<ZoneCut>, Error> {
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

    /// The first useful answer of any server: the next one is asked when one fails or takes long.
    async fn any(
        &self,
        cut: &ZoneCut,
        name: &Name,
        kind: RecordType,
        useful: impl Fn(&DnsResponse) -> bool,
    ) -> Result<Reply, Error> {
        let asking = cut.servers.iter().enumerate().map(|(n, server)| async move {
            if n > 0 {
                tokio::time::sleep(STAGGER * u32::try_from(n.min(3)).unwrap_or(3)).await;
            }
            (server, self.exchange.ask(server.address, name, kind).await)
        });
        // Collected: the compiler cannot see that a stream of borrowing futures may move between threads.
        let asking: Vec<_> = asking.collect();
        let mut answers = stream::iter(asking).buffer_unordered(3);
        let mut failure = Error::NoServer { apex: cut.apex.to_string() };
        while let Some((server, answer)) = answers.next().await {
            failure = match answer {
                Ok(reply) if useful(&reply.response) => return Ok(reply),
                Ok(reply) => useless(cut, server, name, reply.response.response_code),
                Err(error) => failed(cut, server, error),
            };
        }
        Err(failure)
    }

    /// Where the zone that answered begins: a server may serve a parent and a child, and then never refers.
    pub(crate) async fn apex(&self, cut: &ZoneCut, name: &Name, response: &DnsResponse) -> Name {
        let below = |response: &DnsResponse| {
            let soa = response.answers.iter().chain(&response.authorities).find(|record| {
                record.record_type() == RecordType::SOA
                    && cut.apex.zone_of(&record.name)
                    && record.name.zone_of(name)
            });
            soa.map(|record| record.name.clone())
        };
        if let Some(apex) = below(response) {
            return apex;
        }
        // An alias never stands at an apex; asked for it, the server would follow it.
        let aliased = response
            .answers
            .iter()
            .any(|record| record.record_type() == RecordType::CNAME && record.name == *name);
        let place = if aliased { name.base_name() } else { name.clone() };
        match self.any(cut, &place, RecordType::SOA, |response| response.authoritative).await {
            Ok(reply) => below(&reply.response).unwrap_or_else(|| cut.apex.clone()),
            Err(_) => cut.apex.clone(),
        }
    }

    /// Adds the servers that the zone itself names, and every address of all.
    async fn complete(&self, cut: &ZoneCut, apex: Name) -> ZoneCut {
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

    async fn refer(&self, below: Name, names: Vec<Name>, response: &DnsResponse) -> ZoneCut {
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

/// A server that does not get one on.
fn useless(cut: &ZoneCut, server: &Server, name: &Name, code: ResponseCode) -> Error {
    match code {
        ResponseCode::NoError | ResponseCode::NXDomain => {
            let Server { name: server, address } = server.clone();
            Error::Lame { server, address, apex: cut.apex.to_string(), name: name.to_string() }
        }
        code => failed(cut, server, Error::Refused(code)),
    }
}

fn failed(cut: &ZoneCut, server: &Server, error: Error) -> Error {
    let Server { name: server, address } = server.clone();
    Error::Server { server, address, apex: cut.apex.to_string(), source: Box::new(error) }
}

/// The zone below `zone` to which a server refers on the way to `name`. Only downwards: anything else is a lame or
/// lying server.
fn referral(response: &DnsResponse, zone: &Name, name: &Name) -> Option<(Name, Vec<Name>)> {
    let records = response.authorities.iter().take(4 * MAX_SERVERS);
    let below = records
        .filter(|record| record.record_type() == RecordType::NS)
        .map(|record| &record.name)
        .find(|&below| zone.zone_of(below) && below != zone && below.zone_of(name))?;
    let names = name_servers_in(&response.authorities, below);
    (!names.is_empty()).then(|| (below.clone(), names))
}

fn name_servers(response: &DnsResponse, apex: &Name) -> Vec<Name> {
    name_servers_in(&response.answers, apex)
}

pub(crate) fn name_servers_in(records: &[hickory_proto::rr::Record], owner: &Name) -> Vec<Name> {
    let targets =
        records.iter().filter(|record| record.name == *owner).filter_map(|record| match &record.data {
            RData::NS(target) => Some(target.0.to_lowercase()),
            _ => None,
        });
    targets.take(MAX_SERVERS).collect()
}

pub(crate) fn wire_name(name: &DomainName) -> Result<Name, Error> {
    Ok(Name::from_ascii(format!("{name}."))?)
}

pub(crate) fn host(name: &Name) -> String {
    name.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

/// The address families that lead anywhere from here.
#[derive(Clone, Copy, Debug)]
struct Families {
    ipv4: bool,
    ipv6: bool,
}

impl Families {
    /// Connecting a UDP socket sends nothing; it fails without a route. The addresses are for documentation.
    fn of_this_host() -> Self {
        let reaches = |bind: &str, to: &str| {
            std::net::UdpSocket::bind(bind).is_ok_and(|socket| socket.connect(to).is_ok())
        };
        Self { ipv4: reaches("0.0.0.0:0", "192.0.2.1:53"), ipv6: reaches("[::]:0", "[2001:db8::1]:53") }
    }

    fn reach(self, ip: IpAddr) -> bool {
        ip.is_loopback() || if ip.is_ipv6() { self.ipv6 } else { self.ipv4 }
    }
}
