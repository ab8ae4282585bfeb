//! What a dynamic update does to the records of a zone (RFC 2136 section 3.4.2).

use std::{collections::BTreeMap, sync::Arc};

use hickory_proto::rr::{DNSClass, LowerName, Name, RData, Record, RecordSet, RecordType, RrKey};

/// The records of a zone.
pub(super) type Records = BTreeMap<RrKey, Arc<RecordSet>>;

/// An update record that removes one value (RFC 2136 section 2.5.4).
pub(super) fn removal(name: Name, data: RData) -> Record {
    let mut record = Record::from_rdata(name, 0, data);
    record.dns_class = DNSClass::NONE;
    record
}

/// RFC 2136 section 3.4.2: makes the changes and raises the serial. Returns whether anything changed.
pub(super) fn apply(held: &mut Records, origin: &LowerName, changes: &[Record]) -> bool {
    let serial = serial(held, origin).wrapping_add(1);
    let mut changed = false;
    for change in changes {
        let key = RrKey::new((&change.name).into(), change.record_type());
        changed |= match change.dns_class {
            DNSClass::IN => add(held, key, change, serial),
            DNSClass::NONE => remove_value(held, &key, change, serial),
            _ => remove_sets(held, origin, &key),
        };
    }
    if changed {
        raise_serial(held, origin, serial);
    }
    changed
}

fn add(held: &mut Records, key: RrKey, record: &Record, serial: u32) -> bool {
    let alias = RecordType::CNAME;
    let clash = held.keys().any(|other| {
        other.name == key.name
            && other.record_type != key.record_type
            && (other.record_type == alias || key.record_type == alias)
    });
    // A CNAME beside other data is ignored in silence (section 3.4.2.2), and so is a SOA: the serial is ours.
    if clash || key.record_type == RecordType::SOA {
        return false;
    }
    let kind = key.record_type;
    let set = held.entry(key).or_insert_with(|| Arc::new(RecordSet::new(record.name.clone(), kind, serial)));
    Arc::make_mut(set).insert(record.clone(), serial)
}

fn remove_value(held: &mut Records, key: &RrKey, record: &Record, serial: u32) -> bool {
    let Some(set) = held.get_mut(key) else { return false };
    let changed = Arc::make_mut(set).remove(record, serial);
    // An empty set would turn NXDOMAIN into NODATA.
    if set.is_empty() {
        held.remove(key);
    }
    changed
}

fn remove_sets(held: &mut Records, origin: &LowerName, wanted: &RrKey) -> bool {
    let before = held.len();
    held.retain(|key, _| {
        let meant = key.name == wanted.name
            && (wanted.record_type == RecordType::ANY || key.record_type == wanted.record_type);
        let vital = &key.name == origin && matches!(key.record_type, RecordType::SOA | RecordType::NS);
        !meant || vital
    });
    held.len() != before
}

fn serial(held: &Records, origin: &LowerName) -> u32 {
    let soa = held.get(&RrKey::new(origin.clone(), RecordType::SOA)).and_then(|set| set.record());
    match soa.map(|record| &record.data) {
        Some(RData::SOA(soa)) => soa.serial,
        _ => 0,
    }
}

fn raise_serial(held: &mut Records, origin: &LowerName, serial: u32) {
    let Some(set) = held.get_mut(&RrKey::new(origin.clone(), RecordType::SOA)) else { return };
    let Some(mut record) = set.record().cloned() else { return };
    if let RData::SOA(soa) = &mut record.data {
        soa.serial = serial;
    }
    Arc::make_mut(set).insert(record, serial);
}
