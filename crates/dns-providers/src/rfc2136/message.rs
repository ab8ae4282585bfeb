//! Update messages: what is put into them, and what must not be.

use dcv_core::{DomainName, RecordData};
use hickory_proto::{
    op::{Message, OpCode, Query, UpdateMessage},
    rr::{
        DNSClass, Name, RData, Record, RecordType, TSigVerifier, TSigner,
        rdata::{CNAME, TXT},
    },
};

use crate::{Class, Error, RecordSet, Zone};

/// One record's update and what must be true for it (RFC 2136 section 2.4).
pub(super) struct Planned {
    pub(super) prerequisite: Option<Record>,
    pub(super) update: Record,
}

/// That the name has this alias, or none: servers take an added alias for a replacement of whatever stands there (RFC 2136
/// section 3.4.2.2), which may be somebody else's by now.
pub(super) fn alias_is(name: Name, target: Option<&DomainName>) -> Result<Record, Error> {
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
pub(super) fn collision(owner: &DomainName, set: &RecordSet, data: &RecordData) -> Option<Error> {
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
    planned: &[Planned],
    signer: &TSigner,
    now: u64,
) -> Result<(Message, TSigVerifier), Error> {
    let mut section = Query::new();
    section.set_name(dns_name(&zone.name)?).set_query_class(DNSClass::IN).set_query_type(RecordType::SOA);
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    message.add_zone(section);
    let prerequisites: Vec<_> = planned.iter().filter_map(|planned| planned.prerequisite.clone()).collect();
    UpdateMessage::add_pre_requisites(&mut message, prerequisites);
    let updates: Vec<_> = planned.iter().map(|planned| planned.update.clone()).collect();
    UpdateMessage::add_updates(&mut message, updates);
    let verifier = message.finalize(signer, now).map_err(bug)?;
    verifier
        .map(|verifier| (message, verifier))
        .ok_or_else(|| Error::new(Class::Bug, "unsigned", "the update was not signed"))
}

pub(super) fn rdata(data: &RecordData) -> Result<RData, Error> {
    Ok(match data {
        RecordData::Txt(value) => RData::TXT(TXT::new(vec![value.as_str().to_owned()])),
        RecordData::Cname(target) => RData::CNAME(CNAME(dns_name(target)?)),
    })
}

pub(super) fn dns_name(name: &DomainName) -> Result<Name, Error> {
    Name::from_ascii(format!("{name}.")).map_err(bug)
}

pub(super) fn bug(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Class::Bug, "encoding", "a DNS message could not be built").caused_by(error)
}
