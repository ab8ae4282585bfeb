//! The zones of one server, and how they are filled at start.

use std::{collections::BTreeMap, io, net::IpAddr, str::FromStr as _, sync::Arc};

use hickory_proto::rr::{
    LowerName, Name, RData, Record, RecordType, RrKey,
    rdata::{A, AAAA, CNAME, NS, SOA, TXT},
};
use hickory_server::{
    store::in_memory::InMemoryZoneHandler,
    zone_handler::{AxfrPolicy, Catalog, ZoneHandler as _, ZoneType},
};

use super::{
    config::{ZoneSpec, absolute, invalid},
    text::chunks,
};

/// TTL of the generated records.
const TTL: u32 = 300;
/// How long a resolver may remember that a name is absent (SOA minimum).
const NEGATIVE_TTL: u32 = 60;

/// A set of zones, shared by the catalogue that answers and the code that changes them.
#[derive(Clone)]
pub(super) struct Zones(Arc<BTreeMap<LowerName, Arc<InMemoryZoneHandler>>>);

impl Zones {
    /// Builds every zone; `server` is the address of the generated name servers.
    pub(super) fn load(specs: &[ZoneSpec], server: IpAddr) -> io::Result<Self> {
        let mut zones = BTreeMap::new();
        for spec in specs {
            let zone = load(spec, server)?;
            if zones.insert(zone.origin().clone(), Arc::new(zone)).is_some() {
                return Err(invalid(format!("zone {} is given twice", spec.name)));
            }
        }
        Ok(Self(Arc::new(zones)))
    }

    /// A catalogue that answers questions about these zones.
    pub(super) fn catalog(&self) -> Catalog {
        let mut catalog = Catalog::new();
        for (origin, zone) in self.0.iter() {
            let zone: Arc<InMemoryZoneHandler> = Arc::clone(zone);
            catalog.upsert(origin.clone(), vec![zone]);
        }
        catalog
    }

    /// The zone whose apex is exactly `origin`.
    pub(super) fn apex(&self, origin: &LowerName) -> Option<&InMemoryZoneHandler> {
        self.0.get(origin).map(Arc::as_ref)
    }

    /// The closest zone that encloses `name`.
    pub(super) fn enclosing(&self, name: &Name) -> Option<&InMemoryZoneHandler> {
        let name = LowerName::new(name);
        self.0
            .values()
            .filter(|zone| zone.origin().zone_of(&name))
            .max_by_key(|zone| zone.origin().num_labels())
            .map(Arc::as_ref)
    }

    /// The data of the record set at `owner`, empty when there is none.
    pub(super) async fn rdata(&self, owner: &Name, kind: RecordType) -> Vec<RData> {
        let Some(zone) = self.enclosing(owner) else { return Vec::new() };
        let key = RrKey::new(owner.into(), kind);
        let records = zone.records().await;
        let Some(set) = records.get(&key) else { return Vec::new() };
        set.records_without_rrsigs().map(|record| record.data.clone()).collect()
    }

    /// Apex names without the final dot.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.keys().map(|origin| origin.to_string().trim_end_matches('.').to_owned()).collect()
    }
}

fn load(spec: &ZoneSpec, server: IpAddr) -> io::Result<InMemoryZoneHandler> {
    const SERIAL: u32 = 1;

    let origin = absolute(&spec.name)?;
    let apex = LowerName::new(&origin);
    let mut zone = InMemoryZoneHandler::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::AllowAll, None);
    for record in apex_records(&origin, server, SERIAL)? {
        zone.upsert_mut(record, SERIAL);
    }
    for (owner, kind, ttl, rdata) in &spec.records {
        let name = absolute(owner)?;
        if !apex.zone_of(&LowerName::new(&name)) {
            return Err(invalid(format!("{owner} is not in zone {}", spec.name)));
        }
        let record = Record::from_rdata(name, *ttl, parse(kind, rdata)?);
        if !zone.upsert_mut(record, SERIAL) {
            return Err(invalid(format!(
                "{owner} {kind} clashes with another record (CNAME beside data, or twice)"
            )));
        }
    }
    Ok(zone)
}

fn apex_records(origin: &Name, server: IpAddr, serial: u32) -> io::Result<[Record; 3]> {
    let child =
        |label: &str| origin.prepend_label(label).map_err(|error| invalid(format!("zone {origin}: {error}")));
    let host = child("ns1")?;
    let soa = SOA::new(host.clone(), child("hostmaster")?, serial, 3600, 600, 86_400, NEGATIVE_TTL);
    let address = match server {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    };
    Ok([
        Record::from_rdata(origin.clone(), TTL, RData::SOA(soa)),
        Record::from_rdata(origin.clone(), TTL, RData::NS(NS(host.clone()))),
        Record::from_rdata(host, TTL, address),
    ])
}

fn parse(kind: &str, rdata: &str) -> io::Result<RData> {
    let record_type = RecordType::from_str(&kind.to_ascii_uppercase())
        .map_err(|error| invalid(format!("record type {kind}: {error}")))?;
    if record_type == RecordType::TXT && !rdata.starts_with('"') {
        return Ok(RData::TXT(TXT::from_bytes(chunks(rdata))));
    }
    if record_type == RecordType::CNAME {
        // Read otherwise it would lose its capitals.
        let target = Name::from_ascii(rdata).map_err(|error| invalid(format!("{kind} {rdata}: {error}")))?;
        return Ok(RData::CNAME(CNAME(target)));
    }
    RData::try_from_str(record_type, rdata).map_err(|error| invalid(format!("{kind} {rdata}: {error}")))
}
