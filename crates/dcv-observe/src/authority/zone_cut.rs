//! Zones with their servers, and what referrals say of them.

use std::{collections::BTreeSet, net::SocketAddr};

use dcv_core::DomainName;
use hickory_proto::{
    op::DnsResponse,
    rr::{Name, RData, Record, RecordType},
};

use crate::Error;

/// Name servers that are taken up of one zone.
pub(super) const MAX_SERVERS: usize = 26;

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

/// The zone below `zone` to which a server refers on the way to `name`. Only downwards: anything else is a lame or
/// lying server.
pub(super) fn referral(response: &DnsResponse, zone: &Name, name: &Name) -> Option<(Name, Vec<Name>)> {
    let records = response.authorities.iter().take(4 * MAX_SERVERS);
    let below = records
        .filter(|record| record.record_type() == RecordType::NS)
        .map(|record| &record.name)
        .find(|&below| zone.zone_of(below) && below != zone && below.zone_of(name))?;
    let names = name_servers_in(&response.authorities, below);
    (!names.is_empty()).then(|| (below.clone(), names))
}

pub(super) fn name_servers(response: &DnsResponse, apex: &Name) -> Vec<Name> {
    name_servers_in(&response.answers, apex)
}

pub(crate) fn name_servers_in(records: &[Record], owner: &Name) -> Vec<Name> {
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
