//! Update messages: what is put into them, and what must not be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use dcv_core::{AliasTarget, Change, DomainName, RecordData};
use hickory_proto::{
    op::{Message, OpCode, Query, UpdateMessage},
    rr::{
        DNSClass, Name, RData, Record, RecordType, TSigVerifier, TSigner,
        rdata::{CNAME, TXT},
    },
};

use crate::{Class, Error, RecordSet, Zone, provider::listed};

/// What a server was asked to do, as far as its refusal is to tell.
pub(super) enum Asked<'a> {
    Question(&'a DomainName),
    /// Refused as a whole for any one of its names, and the server does not say for which.
    Update {
        zone: &'a Zone,
        prerequisites: &'a [Record],
        updates: &'a [Record],
    },
}

impl Asked<'_> {
    /// What would have to be allowed.
    pub(super) fn permission(&self, key: &str) -> String {
        match self {
            Self::Question(_) => "allow this host to query the zone there".to_owned(),
            Self::Update { updates: [], .. } => format!("allow key {key} to update the zone"),
            Self::Update { updates, .. } => {
                let grant =
                    |update: &Record| format!("grant {key} name {} {};", update.name, update.record_type());
                format!(
                    "allow key {key} each of these names (BIND: update-policy {{ {} }}); PowerDNS answers so as well where the key's name, secret or algorithm is another, or this host's address is not in ALLOW-DNSUPDATE-FROM",
                    listed(updates.iter().map(grant))
                )
            }
        }
    }
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Question(name) => write!(f, "a question for {name}"),
            Self::Update { zone, prerequisites, updates } => {
                let records = if updates.is_empty() { prerequisites } else { updates };
                let name = |record: &Record| record.name.to_ascii().trim_end_matches('.').to_owned();
                write!(f, "an update of {} in zone {}", listed(records.iter().map(name)), zone.name)
            }
        }
    }
}

/// Updates, and what must be true for them (RFC 2136 section 2.4).
#[derive(Default)]
pub(super) struct Planned {
    pub(super) prerequisites: Vec<Record>,
    pub(super) updates: Vec<Record>,
}

impl Planned {
    fn requires(&mut self, prerequisite: Record) {
        if self.prerequisites.last() != Some(&prerequisite) && !self.prerequisites.contains(&prerequisite) {
            self.prerequisites.push(prerequisite);
        }
    }
}

/// Octets of one message; DNS allows 65,535, of which the signature has some hundred.
const MESSAGE: usize = 60_000;

/// Changes that fit into one message each.
pub(super) fn batches(changes: &[Change]) -> impl Iterator<Item = &[Change]> {
    let mut rest = changes;
    std::iter::from_fn(move || {
        let mut octets = 0;
        let fitting = rest.iter().take_while(|change| {
            octets += most_octets(change);
            octets <= MESSAGE
        });
        let count = fitting.count().max(1).min(rest.len());
        let (batch, after) = rest.split_at(count);
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

/// What a change needs at the most: its record, its prerequisite, and where an alias is replaced once more that of the former
/// one. A name is at most as long as it is spelled and two octets; a record has ten octets besides (RFC 1035 section 3.2.1).
fn most_octets(change: &Change) -> usize {
    let (name, data) = (change.site().owner().as_str().len() + 2, change.data());
    let data_octets = match data {
        // Each part of 255 octets has a length.
        RecordData::Txt(value) => value.as_str().len() + value.as_str().len() / 255 + 1,
        RecordData::Cname(_) => 2 * MOST_NAME,
    };
    2 * (name + 10) + data_octets + if matches!(data, RecordData::Cname(_)) { name + 10 } else { 0 }
}

/// The longest name (RFC 1035 section 2.3.4).
const MOST_NAME: usize = 255;

/// The updates that add and remove texts at names where nothing stands that is not removed; none where it takes a look to
/// know what to do. Of a name that has a text removed others may be left, so that it is no untouched one.
pub(super) fn plan_untouched(changes: &[Change]) -> Result<Option<Planned>, Error> {
    let (mut removed_from, mut added_to) = (BTreeSet::new(), BTreeSet::new());
    let mut planned = Planned::default();
    for change in changes {
        let (owner, data) = (change.site().owner(), change.data());
        if !matches!(data, RecordData::Txt(_)) {
            return Ok(None);
        }
        let name = dns_name(owner)?;
        match change {
            Change::Remove { .. } => {
                removed_from.insert(owner);
                planned.updates.push(removal(name, data)?);
            }
            Change::Add { .. } if removed_from.contains(owner) => return Ok(None),
            Change::Add { ttl, .. } => {
                if added_to.insert(owner) {
                    planned.prerequisites.push(not_in_use(name.clone()));
                }
                planned.updates.push(Record::from_rdata(name, ttl.as_secs(), rdata(data)?));
            }
        }
    }
    Ok(Some(planned))
}

/// What is held at several names.
pub(super) type Names = BTreeMap<DomainName, RecordSet>;

/// The updates that lead from what is held to what is wanted.
pub(super) fn plan(mut held: Names, changes: &[Change]) -> Result<Planned, Error> {
    let mut replaced: BTreeMap<DomainName, (AliasTarget, Option<u32>)> = BTreeMap::new();
    let mut planned = Planned::default();
    for change in changes {
        let (owner, data) = (change.site().owner(), change.data());
        let name = dns_name(owner)?;
        match change {
            Change::Remove { .. } => {
                let mut leaving = data.clone();
                match (data, held.get_mut(owner)) {
                    // An alias that goes makes room for another record in the same message. It is named as it is spelled
                    // there: PowerDNS removes no other.
                    (RecordData::Cname(target), Some(set)) => {
                        if let Some(gone) = set.cname.take_if(|standing| standing.name() == target.name()) {
                            leaving = RecordData::Cname(gone.clone());
                            replaced.insert(owner.clone(), (gone, set.ttl.take()));
                        }
                    }
                    (RecordData::Txt(value), Some(set)) => set.txt.retain(|text| text != value.as_str()),
                    (_, None) => {}
                }
                planned.updates.push(removal(name, &leaving)?);
            }
            Change::Add { ttl, .. } => {
                let Some(set) = held.get_mut(owner) else { continue };
                if set.holds(data) {
                    continue;
                }
                if let Some(misspelled) = misspelled(set, data) {
                    planned.updates.push(removal(name.clone(), &RecordData::Cname(misspelled.clone()))?);
                    replaced.insert(owner.clone(), (misspelled, set.ttl.take()));
                }
                if let Some(problem) = collision(owner, set, data) {
                    return Err(problem);
                }
                let gone = replaced.get(owner);
                planned.requires(alias_is(name.clone(), gone.map(|(target, _)| target))?);
                let ttl = set.ttl.unwrap_or_else(|| told_apart(ttl.as_secs(), data, gone));
                planned.updates.push(Record::from_rdata(name, ttl, rdata(data)?));
            }
        }
    }
    Ok(planned)
}

/// That one value goes (RFC 2136 section 2.5.4).
fn removal(name: Name, data: &RecordData) -> Result<Record, Error> {
    let mut update = Record::from_rdata(name, 0, rdata(data)?);
    update.dns_class = DNSClass::NONE;
    Ok(update)
}

/// Takes an alias that is ours but for its capitals.
fn misspelled(set: &mut RecordSet, data: &RecordData) -> Option<AliasTarget> {
    let RecordData::Cname(target) = data else { return None };
    set.cname.take_if(|standing| standing.differs_in_capitals(target))
}

/// A time to live that differs from the former record's where capitals alone do: BIND compares data as names and keeps a
/// change that it takes for none out of its journal, so that secondaries would never hear of it.
fn told_apart(ttl: u32, data: &RecordData, gone: Option<&(AliasTarget, Option<u32>)>) -> u32 {
    match (data, gone) {
        (RecordData::Cname(target), Some((gone, Some(former))))
            if target.differs_in_capitals(gone) && *former == ttl =>
        {
            ttl + 1
        }
        (RecordData::Cname(_) | RecordData::Txt(_), _) => ttl,
    }
}

/// That a record stands at the name itself; what a wildcard makes of it does not count.
pub(super) fn in_use(name: Name) -> Record {
    let mut any = Record::update0(name, 0, RecordType::ANY);
    any.dns_class = DNSClass::ANY;
    any
}

/// That nothing stands at the name itself (RFC 2136 section 2.4.5).
fn not_in_use(name: Name) -> Record {
    let mut none = Record::update0(name, 0, RecordType::ANY);
    none.dns_class = DNSClass::NONE;
    none
}

/// That the name has this alias, or none: servers take an added alias for a replacement of whatever stands there, and
/// ignore a text added beside one (RFC 2136 section 3.4.2.2); it may be somebody else's by now.
fn alias_is(name: Name, target: Option<&AliasTarget>) -> Result<Record, Error> {
    match target {
        Some(target) => Ok(Record::from_rdata(name, 0, rdata(&RecordData::Cname(target.clone()))?)),
        None => {
            let mut none = Record::update0(name, 0, RecordType::CNAME);
            none.dns_class = DNSClass::NONE;
            Ok(none)
        }
    }
}

/// A CNAME excludes every other record at its name (RFC 1034 section 3.6.2); servers ignore such an addition silently.
fn collision(owner: &DomainName, set: &RecordSet, data: &RecordData) -> Option<Error> {
    let standing = match (data, &set.cname) {
        (_, Some(target)) => format!("a CNAME to {target}"),
        (RecordData::Cname(_), None) if !set.txt.is_empty() => "a TXT record".to_owned(),
        (RecordData::Cname(_) | RecordData::Txt(_), None) => return None,
    };
    Some(
        Error::new(
            Class::Blocked,
            "collision",
            format!("{standing} stands at {owner}; a {} cannot stand beside it", data.kind()),
        )
        .hint("remove it, or delegate the name to a zone that the agent may write"),
    )
}

pub(super) fn sign(
    zone: &Zone,
    prerequisites: &[Record],
    updates: &[Record],
    signer: &TSigner,
    now: u64,
) -> Result<(Message, TSigVerifier), Error> {
    let mut section = Query::new();
    section.set_name(dns_name(&zone.name)?).set_query_class(DNSClass::IN).set_query_type(RecordType::SOA);
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    message.add_zone(section);
    UpdateMessage::add_pre_requisites(&mut message, prerequisites.to_vec());
    UpdateMessage::add_updates(&mut message, updates.to_vec());
    let verifier = message.finalize(signer, now).map_err(bug)?;
    verifier
        .map(|verifier| (message, verifier))
        .ok_or_else(|| Error::new(Class::Bug, "unsigned", "the update was not signed"))
}

fn rdata(data: &RecordData) -> Result<RData, Error> {
    Ok(match data {
        RecordData::Txt(value) => RData::TXT(TXT::new(vec![value.as_str().to_owned()])),
        RecordData::Cname(target) => RData::CNAME(CNAME(spelled(target)?)),
    })
}

pub(super) fn dns_name(name: &DomainName) -> Result<Name, Error> {
    Name::from_ascii(format!("{name}.")).map_err(bug)
}

/// With its capitals.
fn spelled(target: &AliasTarget) -> Result<Name, Error> {
    Name::from_ascii(format!("{target}.")).map_err(bug)
}

pub(super) fn bug(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Class::Bug, "encoding", "a DNS message could not be built").caused_by(error)
}
