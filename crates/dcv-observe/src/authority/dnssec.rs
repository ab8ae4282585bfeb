//! Whether an answer validates (RFC 4035), from the trust anchor down, with every link read from authorities.
//!
//! The verdict is hickory's. Where it is "bogus" the records it rests on are looked at once more, only for a person to
//! know what to mend: that sentence never changes the verdict.

use std::{
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dcv_core::Security;
use futures_util::{Stream, stream};
use hickory_net::{
    DnsError, DnsHandle, NetError, dnssec::DnssecDnsHandle, runtime::TokioRuntimeProvider, xfer::FirstAnswer,
};
use hickory_proto::{
    dnssec::{Proof, TrustAnchors},
    op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, OpCode, Query},
    rr::{Name, Record, RecordType},
};

use super::{
    bogus::{Links, reason},
    kept::Kept,
    walk::Walk,
};
use crate::{Clock, Error, error::cause};

/// The longest that one validation may take, with every link of the chain fetched.
const LIMIT: Duration = Duration::from_secs(12);
/// Links that hickory follows one below the other: two for each zone, and some. Each takes stack, of which a thread has
/// 2 MiB; a chain of lies goes as deep as it may.
const DEPTH: usize = 16;
/// How long links of the chain are believed.
const KEPT: Duration = Duration::from_secs(300);

/// Validates answers.
pub(crate) struct Validator {
    anchors: Arc<TrustAnchors>,
    walk: Arc<Walk>,
    links: Arc<Links>,
    /// Zones that are proven not to be signed: their answers need no look.
    insecure: Kept<Name, ()>,
    /// What the chain to a zone comes to, for answers without signatures; why, where it could not be read.
    unsigned: Kept<Name, Security, String>,
    clock: Clock,
}

impl Validator {
    pub(crate) fn new(anchors: Arc<TrustAnchors>, walk: Arc<Walk>, clock: Clock) -> Self {
        Self {
            anchors,
            walk,
            links: Arc::new(Kept::new(KEPT)),
            insecure: Kept::new(KEPT),
            unsigned: Kept::new(KEPT),
            clock,
        }
    }

    /// Judges an answer of one of the servers of the zone at `apex`.
    pub(crate) async fn judge(&self, apex: &Name, query: &Query, response: &DnsResponse) -> Security {
        if self.insecure.get(apex).is_some() {
            return Security::Insecure;
        }
        // Without signatures it hangs on the zone alone, which is found out once for all its names.
        if !response.all_sections().any(|record| record.record_type() == RecordType::RRSIG) {
            let of_zone = match self.unsigned.known(apex) {
                Some(told) => told,
                // Boxed, as below: a chain takes a hundred kilobytes, and is rarely followed.
                None => Box::pin(self.unsigned.once(apex, self.judge_zone(apex))).await,
            };
            match of_zone {
                Ok(Security::Insecure) => return Security::Insecure,
                Err(why) => return Security::Indeterminate(why),
                // It ought to be signed.
                Ok(_) => {}
            }
        }
        Box::pin(self.judge_by_chain(apex, query, response)).await
    }

    /// What the chain to a zone comes to.
    ///
    /// # Errors
    /// Why it cannot be told.
    async fn judge_zone(&self, apex: &Name) -> Result<Security, String> {
        let query = Query::query(apex.clone(), RecordType::SOA);
        let (_, reply) = self.walk.ask(apex, RecordType::SOA).await.map_err(|error| error.describe())?;
        match self.judge_by_chain(apex, &query, &reply.response).await {
            Security::Indeterminate(why) => Err(why),
            told => Ok(told),
        }
    }

    async fn judge_by_chain(&self, apex: &Name, query: &Query, response: &DnsResponse) -> Security {
        let chain = Chain {
            walk: Arc::clone(&self.walk),
            links: Arc::clone(&self.links),
            given: Arc::new((apex.clone(), query.clone(), response.clone())),
            troubles: Arc::default(),
        };
        let (proof, mixed) = match self.validate(&chain, query).await {
            Ok(validated) => validated,
            Err(why) => return Security::Indeterminate(why),
        };
        match proof {
            Proof::Secure => Security::Secure,
            Proof::Insecure if mixed => Security::Insecure,
            Proof::Insecure => {
                self.insecure.keep(apex.clone(), ());
                Security::Insecure
            }
            Proof::Indeterminate => Security::Indeterminate("no trust anchor leads there".to_owned()),
            // A link that could not be read makes hickory say "bogus" as well, but proves nothing.
            Proof::Bogus => match chain.trouble() {
                Some(trouble) => Security::Indeterminate(trouble),
                None => {
                    // An answer without signatures ends the validation before the zone's keys are read.
                    for kind in [RecordType::DS, RecordType::DNSKEY] {
                        let _ = chain.clone().fetch(Query::query(apex.clone(), kind)).await;
                    }
                    Security::Bogus(reason(apex, query, response, &self.links, (self.clock)()))
                }
            },
        }
    }

    /// What hickory makes of the answer, and whether a part of it is secure: an answer may lead from a signed zone into an
    /// unsigned one, and that says nothing of the first.
    ///
    /// # Errors
    /// Why it could not make anything of it.
    async fn validate(&self, chain: &Chain, query: &Query) -> Result<(Proof, bool), String> {
        let handle = DnssecDnsHandle::with_trust_anchor(chain.clone(), Arc::clone(&self.anchors));
        let mut options = DnsRequestOptions::default();
        options.recursion_desired = false;
        options.edns_set_dnssec_ok = true;
        options.max_request_depth = DEPTH;
        let validated = handle.lookup(query.clone(), options).first_answer();
        match tokio::time::timeout(LIMIT, validated).await {
            Ok(Ok(response)) => {
                let mixed = response.all_sections().any(|record| record.proof == Proof::Secure);
                Ok((proof_of(&response), mixed))
            }
            Ok(Err(NetError::Dns(DnsError::Nsec { proof, .. }))) => Ok((proof, false)),
            Ok(Err(error)) => Err(error.to_string().chars().take(200).collect()),
            Err(_) => Err("validation took too long".to_owned()),
        }
    }
}

/// Reads the keys that are trusted: IANA's, or the DNSKEY records in a file.
///
/// # Errors
/// When the file cannot be read, or holds something else.
pub(crate) fn anchors(file: Option<&Path>) -> Result<TrustAnchors, Error> {
    let Some(path) = file else { return Ok(TrustAnchors::default()) };
    let unusable = |error| Error::TrustAnchor { path: path.to_owned(), source: cause(error) };
    TrustAnchors::from_file(path).map_err(unusable)
}

pub(crate) fn is_dname(record: &Record) -> bool {
    // RFC 6672; hickory has no name for it.
    u16::from(record.record_type()) == 39
}

/// The worst proof of the records that matter: the answer, or the denial.
fn proof_of(response: &DnsResponse) -> Proof {
    let matter = if response.answers.is_empty() { &response.authorities } else { &response.answers };
    // The alias that a DNAME record makes is never signed itself (RFC 6672 section 5.3.1).
    let made = |record: &&Record| {
        let maker = |dname: &Record| {
            is_dname(dname) && dname.proof == Proof::Secure && dname.name.zone_of(&record.name)
        };
        record.record_type() == RecordType::CNAME && matter.iter().any(maker)
    };
    let signed = matter.iter().filter(|record| record.record_type() != RecordType::RRSIG);
    let proofs = signed.filter(|record| !made(record)).map(|record| record.proof);
    let rank = |proof: &Proof| match proof {
        Proof::Bogus => 0,
        Proof::Indeterminate => 1,
        Proof::Insecure => 2,
        Proof::Secure => 3,
    };
    // Hickory lets an empty answer without any proof pass only where the zone is proven to be unsigned.
    proofs.min_by_key(rank).unwrap_or(Proof::Insecure)
}

/// Gives the validator what it asks for: the answer under judgement, and links of the chain from authorities.
#[derive(Clone)]
struct Chain {
    walk: Arc<Walk>,
    links: Arc<Links>,
    /// The zone's apex, the question and its answer.
    given: Arc<(Name, Query, DnsResponse)>,
    troubles: Arc<Mutex<Vec<String>>>,
}

impl Chain {
    fn trouble(&self) -> Option<String> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    async fn fetch(self, query: Query) -> Result<DnsResponse, NetError> {
        let (apex, asked, answer) = &*self.given;
        if query == *asked {
            return Ok(answer.clone());
        }
        let (name, kind) = (query.name(), query.query_type());
        // The zone's own apex is known: there are no name servers between it and the name.
        if kind == RecordType::NS && apex.zone_of(name) && name != apex {
            let mut nothing = Message::response(0, OpCode::Query);
            nothing.add_query(query.clone());
            return DnsResponse::from_message(nothing).map_err(NetError::from);
        }
        // Boxed: links nest on the stack, and the walk with all its questions would lie in every frame.
        let link = Box::pin(async { self.walk.ask(name, kind).await.map(|(_, reply)| reply.response) });
        self.links.once(&(name.clone(), kind), link).await.map_err(|error| {
            let trouble = format!("{kind} of {name} cannot be read: {}", error.describe());
            self.troubles.lock().unwrap_or_else(PoisonError::into_inner).push(trouble.clone());
            NetError::from(trouble)
        })
    }
}

impl DnsHandle for Chain {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let chain = self.clone();
        let query = request.queries.first().cloned();
        Box::pin(stream::once(async move {
            match query {
                Some(query) => chain.fetch(query).await,
                None => Err(NetError::from("no question")),
            }
        }))
    }
}
