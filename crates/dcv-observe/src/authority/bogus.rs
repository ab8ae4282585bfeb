//! What a person has to mend where an answer does not validate.

use hickory_proto::{
    dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG},
    op::{DnsResponse, Query},
    rr::{Name, RData, Record, RecordType},
};
use jiff::Timestamp;

use super::kept::Kept;

/// Links of the chain: DNSKEY, DS and NS answers.
pub(super) type Links = Kept<(Name, RecordType), DnsResponse>;

/// When the first of the answer's signatures runs out.
pub(crate) fn signed_until(response: &DnsResponse) -> Option<Timestamp> {
    let records = response.answers.iter().chain(&response.authorities);
    signatures(records).filter_map(|rrsig| time(rrsig.input().sig_expiration.get())).min()
}

/// What a person has to mend, as far as the records show.
pub(super) fn reason(
    apex: &Name,
    query: &Query,
    response: &DnsResponse,
    links: &Links,
    now: Timestamp,
) -> String {
    let mut zones: Vec<Name> =
        std::iter::successors(Some(apex.clone()), |zone| (!zone.is_root()).then(|| zone.base_name()))
            .collect();
    zones.reverse();
    let of_zones = zones.iter().find_map(|zone| fault_of_zone(zone, links, now));
    of_zones.unwrap_or_else(|| {
        let what = format!("{} {}", query.name(), query.query_type());
        format!("{what}: {}", fault_of_answer(apex, response, links, now))
    })
}

/// A break between a zone's parent and its keys.
fn fault_of_zone(zone: &Name, links: &Links, now: Timestamp) -> Option<String> {
    let answer = links.get(&(zone.clone(), RecordType::DNSKEY))?;
    let keys: Vec<&DNSKEY> = answer.answers.iter().filter_map(dnskey).collect();
    let parent = links.get(&(zone.clone(), RecordType::DS));
    let ds: Vec<&DS> = parent.iter().flat_map(|parent| parent.answers.iter().filter_map(ds)).collect();
    let tags = list(ds.iter().map(|ds| ds.key_tag()));
    if !ds.is_empty() && keys.is_empty() {
        return Some(format!(
            "{zone} has no DNSKEY, though its parent publishes a DS record (key tag {tags}): sign the zone again, or have the DS record removed at the registrar"
        ));
    }
    let matches = ds.iter().any(|ds| keys.iter().any(|key| ds.covers(zone, key).unwrap_or(false)));
    if !ds.is_empty() && !matches {
        let own = list(keys.iter().filter_map(|key| key.calculate_key_tag().ok()));
        return Some(format!(
            "the DS record of {zone} at its parent (key tag {tags}) matches none of the zone's keys (key tags {own}): have the registrar replace the DS record"
        ));
    }
    let trouble = signature_trouble(answer.answers.iter(), now)?;
    Some(format!("the DNSKEY records of {zone}: {trouble}"))
}

/// What is wrong with the answer itself, where every zone above it is sound.
fn fault_of_answer(apex: &Name, response: &DnsResponse, links: &Links, now: Timestamp) -> String {
    let denial = response.answers.is_empty();
    let records = if denial { &response.authorities } else { &response.answers };
    let proves = |record: &Record| matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3);
    if denial && !records.iter().any(proves) {
        return "the answer that there is none carries no proof (NSEC or NSEC3): sign the zone again"
            .to_owned();
    }
    if signatures(records.iter()).next().is_none() {
        return "the answer carries no signature, though the zone's parent publishes a DS record: sign the zone again, or have the DS record removed".to_owned();
    }
    if let Some(trouble) = signature_trouble(records.iter(), now) {
        return trouble;
    }
    let keys = links.get(&(apex.clone(), RecordType::DNSKEY));
    let keys = keys.iter().flat_map(|keys| keys.answers.iter().filter_map(dnskey));
    let tags: Vec<u16> = keys.filter_map(|key| key.calculate_key_tag().ok()).collect();
    let used: Vec<u16> = signatures(records.iter()).map(|rrsig| rrsig.input().key_tag).collect();
    if !used.iter().any(|tag| tags.contains(tag)) {
        let used = list(used);
        return format!("signed with a key (key tag {used}) that is not among the zone's DNSKEY records");
    }
    "the signature does not match the records".to_owned()
}

/// Signatures of which none is within its time.
fn signature_trouble<'a>(
    records: impl Iterator<Item = &'a Record> + Clone,
    now: Timestamp,
) -> Option<String> {
    let times: Vec<_> = signatures(records)
        .filter_map(|rrsig| {
            Some((time(rrsig.input().sig_inception.get())?, time(rrsig.input().sig_expiration.get())?))
        })
        .collect();
    if times.is_empty() || times.iter().any(|&(from, until)| from <= now && now <= until) {
        return None;
    }
    let expired = times.iter().map(|&(_, until)| until).filter(|&until| until < now).max();
    Some(match expired {
        Some(until) => format!("the signature expired at {until:.0}: have the zone signed again"),
        None => "the signature is not valid yet: check the clock of the signer and of this host".to_owned(),
    })
}

fn signatures<'a>(records: impl Iterator<Item = &'a Record>) -> impl Iterator<Item = &'a RRSIG> {
    records.filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) => Some(rrsig),
        _ => None,
    })
}

fn dnskey(record: &Record) -> Option<&DNSKEY> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
        _ => None,
    }
}

fn ds(record: &Record) -> Option<&DS> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DS(ds)) => Some(ds),
        _ => None,
    }
}

/// Signature times are seconds since 1970 in 32 bits (RFC 4034 section 3.1.5); read as they will be until 2106.
fn time(seconds: u32) -> Option<Timestamp> {
    Timestamp::from_second(seconds.into()).ok()
}

fn list(tags: impl IntoIterator<Item = u16>) -> String {
    tags.into_iter().take(6).map(|tag| tag.to_string()).collect::<Vec<_>>().join(", ")
}
