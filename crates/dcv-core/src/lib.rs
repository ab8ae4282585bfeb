//! The words and decisions of domain control validation (DCV) at DigiCert.
//!
//! This crate is pure: it performs no I/O, spawns nothing, and reads neither clock nor environment; the test
//! `tests/purity.rs` holds its manifest to that. It refuses to know how records are published, how DNS is asked and
//! how the CA is called. It knows what a record is, what was seen, and what to do next:
//!
//! ```
//! use dcv_core::{decide, Facts, Next, Policy, Reason, Step};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = "2026-11-23T10:00:00Z".parse()?;
//! let facts = Facts::for_scopes(["example.com".parse()?]);
//! let decision = decide(&facts, &Policy::default(), now);
//! assert!(matches!(
//!     decision.next,
//!     Next::Do(Step::Locate(lookups)) if lookups[0].to_string() == "_dnsauth.example.com"
//! ));
//! assert_eq!(decision.because.reason, Reason::SiteUnknown);
//! # Ok(()) }
//! ```
//!
//! The caller carries out the step, tells [`Facts::learn`] what came of it, and asks again. Nothing else is
//! remembered: facts lost in a restart are absent and are read again.

mod alias;
mod artifact;
mod backoff;
mod caa;
mod decide;
mod diagnosis;
mod discovery;
mod domain;
mod drift;
pub mod error;
mod facts;
mod failure;
mod forecast;
mod learn;
mod locate;
mod lookup;
mod method;
mod name;
mod order;
mod packed;
mod policy;
mod reason;
mod record;
mod sighting;
mod step;
mod time;
mod token;
mod verdict;
pub mod words;

pub use alias::AliasTarget;
pub use artifact::{Artifact, Target};
pub use backoff::Backoff;
pub use caa::{Caa, CaaRecord, CertName};
pub use decide::decide;
pub use diagnosis::{
    DelegationSeen, Elsewhere, Expectation, Finding, Misplaced, Path, ServerSeen, Severity, Survey, ZoneSeen,
    caa_findings, findings,
};
pub use discovery::{Pattern, Patterns};
pub use domain::{DomainFacts, Renewal};
pub use drift::Drift;
pub use facts::{Asked, CaaFacts, Facts, Held, Kind, Location, Look, OpenScope, Requirement, Stands};
pub use failure::{FailedStep, Failure, FailureClass};
pub use forecast::{Allowance, Forecast, Load, forecast};
pub use learn::Learned;
pub use locate::{Broken, Delegation, Holder, Judgement, LocateRequest, OwnerSeen, Routing, locate};
pub use lookup::{DNSAUTH, FILE_PATH, Label, Lookup, dnsauth_owner};
pub use method::{Form, Life, Method, MethodSpec, Methods, Owner};
pub use name::{DomainName, NameError};
pub use order::{OrderFacts, OrderStatus, ScopeFacts, Stage};
pub use packed::Packed;
pub use policy::{Cadence, Policy};
pub use reason::{Because, Outcome, Reason};
pub use record::{Change, Guarded, MAX_CHAIN, RandomValue, RecordData, RecordError, Site, Ttl, ValueError};
pub use sighting::{
    Answer, Match, NoAnswer, NoAnswerKind, Security, Sighting, Transport, Vantage, VantageKind,
};
pub use step::{Decision, Next, Step, StepKind, Wanted};
pub use token::{GivenValue, Token, Unfit};
pub use verdict::{Dnssec, Quorum, Verdict, VerdictPolicy, WebAs, verdict};
