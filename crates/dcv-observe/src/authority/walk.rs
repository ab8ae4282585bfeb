//! Asking authorities only: from the root downwards by referrals, until a server answers for the name itself.
//!
//! Resolvers are asked for the root's name servers and for addresses of name servers, never about the owner name or a
//! name that may not exist: a denial would be cached for the SOA minimum and hide our own record (RFC 2308, RFC 8020).

mod servers;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use dcv_core::DomainName;
use futures_util::{StreamExt as _, stream};
use hickory_proto::{
    op::{DnsResponse, ResponseCode},
    rr::{Name, RecordType},
};

use super::{
    exchange::{Exchange, Reply},
    families::Families,
    kept::Kept,
    recursive::Recursive,
    zone_cut::{Server, ZoneCut, host, referral, wire_name},
};
use crate::Error;

/// Referrals that are followed from the root.
const MAX_REFERRALS: usize = 16;
/// How long a zone's servers are believed.
const KEPT: Duration = Duration::from_secs(300);
/// When a server has not answered for this long, the next one is asked beside it.
const STAGGER: Duration = Duration::from_millis(300);

/// Finds and asks authorities.
pub(crate) struct Walk {
    /// Zones whose servers are configured, the lowest first.
    pinned: Vec<Arc<ZoneCut>>,
    resolvers: Vec<Arc<Recursive>>,
    exchange: Arc<Exchange>,
    families: Families,
    /// Zones by apex, as parents refer to them.
    referred: Kept<Name, Arc<ZoneCut>>,
    /// Zones by apex, with all their servers.
    zones: Kept<Name, Arc<ZoneCut>>,
    /// Zones by the names that were asked for.
    by_name: Kept<Name, Arc<ZoneCut>>,
    /// Where zones of configured servers begin, by the names that were asked for.
    apexes: Kept<Name, Name>,
}

impl Walk {
    pub(crate) fn new(
        pinned: &BTreeMap<DomainName, Vec<SocketAddr>>,
        resolvers: Vec<Arc<Recursive>>,
        exchange: Arc<Exchange>,
    ) -> Self {
        let families = Families::of_this_host();
        let (referred, zones, by_name) = (Kept::new(KEPT), Kept::new(KEPT), Kept::new(KEPT));
        let apexes = Kept::new(KEPT);
        let mut pinned: Vec<_> =
            pinned.iter().filter_map(|(domain, servers)| pin(domain, servers)).map(Arc::new).collect();
        pinned.sort_by_key(|cut| std::cmp::Reverse(cut.apex.num_labels()));
        Self { pinned, resolvers, exchange, families, referred, zones, by_name, apexes }
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
            if let Some(apex) = begins_at(&cut, name, &reply.response) {
                self.apexes.keep(name.clone(), apex);
            }
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
            let reply = match self.any(&cut, name, kind, |response| response.authoritative).await {
                Ok(reply) => reply,
                // They answer, and something else: where to, perhaps.
                Err(error @ Error::Lame { .. }) => {
                    return Err(self.cut_below(&cut, name, kind, &place).await.unwrap_or(error));
                }
                Err(error) => return Err(error),
            };
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

    /// The zone below to which configured servers refer instead of answering.
    async fn cut_below(&self, cut: &ZoneCut, name: &Name, kind: RecordType, place: &Name) -> Option<Error> {
        let refers = |response: &DnsResponse| referral(response, &cut.apex, place).is_some();
        let reply = self.any(cut, name, kind, refers).await.ok()?;
        let (below, servers) = referral(&reply.response, &cut.apex, place)?;
        let servers = servers.iter().map(host).collect();
        Some(Error::ZoneCut { name: host(name), zone: host(&below), servers })
    }

    /// The zone that holds a name, and its name servers; `None` where no server tells.
    ///
    /// # Errors
    /// When no server answers, and nobody refers to servers that could.
    pub(crate) async fn holder(&self, name: &Name) -> Result<Option<(Name, Vec<String>)>, Error> {
        let named = |cut: &ZoneCut| match (cut.at_child.is_empty(), cut.pinned) {
            (_, true) => Vec::new(),
            (true, false) => cut.at_parent.iter().cloned().collect(),
            (false, false) => cut.at_child.iter().cloned().collect(),
        };
        if let Some(cut) = self.pinned(name) {
            if let Some(apex) = self.apexes.get(name) {
                return Ok(Some((apex, named(&cut))));
            }
            let (_, reply) = self.ask(name, RecordType::SOA).await?;
            return Ok(self.known_apex(&cut, name, &reply.response).await.map(|apex| (apex, named(&cut))));
        }
        match self.find_zone(name).await {
            Ok(cut) => Ok(Some((cut.apex.clone(), named(&cut)))),
            // Its servers do not answer, and its parent names them all the same.
            Err(error) => self.referred_to(name).map(Some).ok_or(error),
        }
    }

    /// The lowest zone on the way to a name to which a parent has referred, and the servers that it named; asks nobody.
    pub(crate) fn referred_to(&self, name: &Name) -> Option<(Name, Vec<String>)> {
        let cut = self.deepest(name).filter(|cut| !cut.at_parent.is_empty())?;
        Some((cut.apex.clone(), cut.at_parent.iter().cloned().collect()))
    }

    fn pinned(&self, name: &Name) -> Option<Arc<ZoneCut>> {
        self.pinned.iter().find(|cut| cut.apex.zone_of(name)).map(Arc::clone)
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
        self.known_apex(cut, name, response).await.unwrap_or_else(|| cut.apex.clone())
    }

    /// The same where a start-of-authority record tells.
    async fn known_apex(&self, cut: &ZoneCut, name: &Name, response: &DnsResponse) -> Option<Name> {
        if let Some(apex) = begins_at(cut, name, response) {
            return Some(apex);
        }
        // An alias never stands at an apex; asked for it, the server would follow it.
        let aliased = response
            .answers
            .iter()
            .any(|record| record.record_type() == RecordType::CNAME && record.name == *name);
        let place = if aliased { name.base_name() } else { name.clone() };
        let reply = self.any(cut, &place, RecordType::SOA, |response| response.authoritative).await.ok()?;
        begins_at(cut, name, &reply.response)
    }
}

/// Where the zone that holds a name begins, as far as the answer says.
fn begins_at(cut: &ZoneCut, name: &Name, response: &DnsResponse) -> Option<Name> {
    let soa = response.answers.iter().chain(&response.authorities).find(|record| {
        record.record_type() == RecordType::SOA && cut.apex.zone_of(&record.name) && record.name.zone_of(name)
    });
    soa.map(|record| record.name.clone())
}

/// A zone whose servers are configured. Its apex is compared as names on the wire are: what is asked may hold labels that no
/// domain of ours does.
fn pin(domain: &DomainName, servers: &[SocketAddr]) -> Option<ZoneCut> {
    let server = |&address: &SocketAddr| Server { name: address.to_string(), address };
    Some(ZoneCut {
        apex: wire_name(domain).ok()?,
        servers: servers.iter().map(server).collect(),
        at_parent: BTreeSet::new(),
        at_child: BTreeSet::new(),
        pinned: true,
        skipped: Vec::new(),
        unresolved: Vec::new(),
    })
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
