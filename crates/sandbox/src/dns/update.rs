//! Dynamic updates: RFC 2136 section 3, under a policy.
//!
//! One message is applied as a whole, under the zone's lock: a question sees all of it or nothing.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hickory_proto::{
    op::{Edns, MessageType, Metadata, OpCode, ResponseCode},
    rr::{DNSClass, LowerName, RData, Record, RecordType, RrKey, TSigner},
    serialize::binary::BinEncoder,
};
use hickory_server::{
    server::{Request, ResponseHandler, ResponseInfo},
    zone_handler::{MessageResponseBuilder, UpdateRequest as _, ZoneHandler as _},
};

use super::{
    apply::{Records, apply},
    config::UpdatePolicy,
    secondary::{Change, Outbox},
    tsig::{Refusal, authenticate},
    zone::Zones,
};

/// Takes the updates of one server.
pub(super) struct Updates {
    zones: Zones,
    signer: Option<TSigner>,
    policy: UpdatePolicy,
    outbox: Option<Outbox>,
    applied: Arc<AtomicUsize>,
}

impl Updates {
    /// Updates signed by `signer` and within `policy` are applied, counted and handed to the secondary.
    pub(super) fn accepted(
        zones: Zones,
        signer: Option<TSigner>,
        policy: UpdatePolicy,
        outbox: Option<Outbox>,
        applied: Arc<AtomicUsize>,
    ) -> Self {
        Self { zones, signer, policy, outbox, applied }
    }

    /// Every update is refused.
    pub(super) fn refused(zones: Zones) -> Self {
        Self::accepted(zones, None, UpdatePolicy::ValidationOnly, None, Arc::default())
    }

    /// Carries out the update and sends the reply, signed where the sender's key allows it.
    pub(super) async fn answer<R: ResponseHandler>(
        &self,
        request: &Request,
        mut reply: R,
        now: u64,
    ) -> ResponseInfo {
        let (code, signing) = match authenticate(request, self.signer.as_ref(), now) {
            Ok(signing) => {
                (self.carry_out(request).await.err().unwrap_or(ResponseCode::NoError), Some(signing))
            }
            Err(Refusal { code, signing }) => (code, signing),
        };
        let mut metadata = Metadata::new(request.metadata.id, MessageType::Response, OpCode::Update);
        metadata.response_code = code;
        let edns = request.edns.as_ref().map(|_| Edns::new());
        let build =
            || MessageResponseBuilder::new(&request.queries, edns.as_ref()).build_no_records(metadata);

        let mut response = build();
        if let Some(signing) = signing {
            // The signature covers the reply as it is on the wire, hence the encoding beforehand.
            let mut bytes = Vec::with_capacity(512);
            let signed =
                build().destructive_emit(&mut BinEncoder::new(&mut bytes)).and_then(|_| signing.sign(&bytes));
            match signed {
                Ok(signature) => response.set_signature(signature),
                Err(error) => tracing::error!(%error, "signing the reply to an update"),
            }
        }
        match reply.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, "sending the reply to an update");
                ResponseInfo::from(hickory_proto::op::Header { metadata, counts: Default::default() })
            }
        }
    }

    async fn carry_out(&self, request: &Request) -> Result<(), ResponseCode> {
        let question = request.zone().map_err(|_| ResponseCode::FormErr)?;
        if question.query_type() != RecordType::SOA {
            return Err(ResponseCode::FormErr);
        }
        // Exactly the apex: a name below it is somebody else's zone as far as this server knows.
        let zone = self.zones.apex(question.name()).ok_or(ResponseCode::NotAuth)?;
        let origin = zone.origin();
        let changes = request.updates();
        prescan(origin, changes)?;
        if changes.iter().any(|record| !self.policy.allows(record)) {
            return Err(ResponseCode::Refused);
        }

        let mut records = zone.records_mut().await;
        require(&records, origin, request.prerequisites())?;
        if apply(&mut records, origin, changes)
            && let Some(outbox) = &self.outbox
        {
            // Sent under the lock, so that the secondary sees changes in the same order.
            outbox.send(Change { origin: origin.clone(), records: changes.to_vec() });
        }
        self.applied.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl UpdatePolicy {
    /// One record out of bounds refuses the whole message, as BIND's `update-policy` does.
    fn allows(self, record: &Record) -> bool {
        match self {
            Self::Any => true,
            Self::ValidationOnly => {
                matches!(record.record_type(), RecordType::TXT | RecordType::CNAME)
                    && record.name.iter().next().is_some_and(|label| label.eq_ignore_ascii_case(b"_dnsauth"))
            }
        }
    }
}

/// RFC 2136 section 3.4.1: is every change well-formed and within the zone?
fn prescan(origin: &LowerName, changes: &[Record]) -> Result<(), ResponseCode> {
    for change in changes {
        if !origin.zone_of(&LowerName::new(&change.name)) {
            return Err(ResponseCode::NotZone);
        }
        let sound = match change.dns_class {
            DNSClass::IN => !is_empty(change) && change.record_type() != RecordType::ANY,
            DNSClass::ANY => change.ttl == 0 && is_empty(change),
            DNSClass::NONE => change.ttl == 0 && change.record_type() != RecordType::ANY,
            _ => false,
        };
        if !sound {
            return Err(ResponseCode::FormErr);
        }
    }
    Ok(())
}

/// RFC 2136 section 3.2: do the prerequisites hold?
fn require(held: &Records, origin: &LowerName, prerequisites: &[Record]) -> Result<(), ResponseCode> {
    let mut exact: BTreeMap<RrKey, Vec<&RData>> = BTreeMap::new();
    for wanted in prerequisites {
        let name = LowerName::new(&wanted.name);
        if wanted.ttl != 0 {
            return Err(ResponseCode::FormErr);
        }
        if !origin.zone_of(&name) {
            return Err(ResponseCode::NotZone);
        }
        let kind = wanted.record_type();
        let any = kind == RecordType::ANY;
        let present = held.keys().any(|key| key.name == name && (any || key.record_type == kind));
        match (wanted.dns_class, is_empty(wanted)) {
            (DNSClass::ANY, true) if present => {}
            (DNSClass::ANY, true) => {
                return Err(if any { ResponseCode::NXDomain } else { ResponseCode::NXRRSet });
            }
            (DNSClass::NONE, true) if !present => {}
            (DNSClass::NONE, true) => {
                return Err(if any { ResponseCode::YXDomain } else { ResponseCode::YXRRSet });
            }
            (DNSClass::IN, false) => exact.entry(RrKey::new(name, kind)).or_default().push(&wanted.data),
            _ => return Err(ResponseCode::FormErr),
        }
    }
    let same = |(key, wanted): (&RrKey, &Vec<&RData>)| {
        held.get(key).is_some_and(|set| {
            set.records_count() == wanted.len()
                && set.records_without_rrsigs().all(|record| wanted.contains(&&record.data))
        })
    };
    if exact.iter().all(same) { Ok(()) } else { Err(ResponseCode::NXRRSet) }
}

fn is_empty(record: &Record) -> bool {
    matches!(record.data, RData::Update0(_))
        || matches!(&record.data, RData::NULL(null) if null.anything.is_empty())
}
