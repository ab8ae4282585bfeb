//! CAA as a CA reads it: from the name upwards until records are found (RFC 8659 section 3), asking authorities only.

use std::{sync::Arc, time::Duration};

use dcv_core::{Caa, CaaRecord, CertName, DomainName, Security};
use futures_util::{StreamExt as _, stream};
use hickory_proto::{
    op::{Query, ResponseCode},
    rr::{RData, RecordType},
};

use crate::{
    Error,
    authority::{dnssec::Validator, kept::Kept, walk::Walk, zone_cut::wire_name},
};

/// How long records are believed.
const KEPT: Duration = Duration::from_secs(300);
/// Names that are read at the same time.
const TOGETHER: usize = 8;
/// Aliases that are followed from one name.
const MAX_ALIASES: usize = 8;

/// Reads CAA.
pub(crate) struct CaaReader {
    walk: Arc<Walk>,
    validator: Option<Arc<Validator>>,
    found: Kept<DomainName, Vec<CaaRecord>>,
}

impl CaaReader {
    pub(crate) fn new(walk: Arc<Walk>, validator: Option<Arc<Validator>>) -> Self {
        Self { walk, validator, found: Kept::new(KEPT) }
    }

    /// Reads and judges CAA for names of a certificate, in their order.
    pub(crate) async fn read(&self, names: &[CertName]) -> Vec<(CertName, Caa)> {
        let each: Vec<_> =
            names.iter().map(|name| async move { (name.clone(), self.of(name).await) }).collect();
        stream::iter(each).buffered(TOGETHER).collect().await
    }

    async fn of(&self, name: &CertName) -> Caa {
        let mut at = Some(name.name.clone());
        while let Some(place) = at {
            match self.found.once(&place, self.records(&place)).await {
                Ok(records) if records.is_empty() => at = place.parent(),
                Ok(records) => return Caa::judge(&place, &records, name.wildcard),
                Err(error) => {
                    let why = format!("the CAA records of {place} cannot be read: {}", error.describe());
                    return Caa::Unknown { why };
                }
            }
        }
        Caa::Open
    }

    async fn records(&self, place: &DomainName) -> Result<Vec<CaaRecord>, Error> {
        let mut name = wire_name(place)?;
        for _ in 0..=MAX_ALIASES {
            let (cut, reply) = self.walk.ask(&name, RecordType::CAA).await?;
            match reply.response.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => {}
                code => return Err(Error::Refused(code)),
            }
            if let Some(validator) = &self.validator {
                let query = Query::query(name.clone(), RecordType::CAA);
                let apex = self.walk.apex(&cut, &name, &reply.response).await;
                if let Security::Bogus(why) = validator.judge(&apex, &query, &reply.response).await {
                    return Err(Error::Bogus(why));
                }
            }
            let mut alias = None;
            let mut found = Vec::new();
            for record in &reply.response.answers {
                match &record.data {
                    RData::CAA(caa) => found.push(CaaRecord {
                        critical: caa.issuer_critical,
                        tag: caa.tag.chars().take(64).collect(),
                        value: String::from_utf8_lossy(&caa.value).chars().take(1000).collect(),
                    }),
                    RData::CNAME(target) if record.name == name => alias = Some(target.0.clone()),
                    _ => {}
                }
            }
            match alias {
                // The server follows aliases within its zones by itself.
                Some(target) if found.is_empty() => name = target,
                Some(_) | None => return Ok(found),
            }
        }
        Err(Error::TooManyAliases(MAX_ALIASES))
    }
}
