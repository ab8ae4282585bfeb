//! What a person should mend: findings drawn from a survey of one scope's DNS.
//!
//! A survey is what was seen, a finding is what it means. `explain` and `doctor` print both; nothing here decides what
//! the agent does.

mod caa;
mod findings;

use jiff::Timestamp;
use serde::Serialize;

pub use self::{caa::caa_findings, findings::findings};
use crate::{Caa, CertName, DomainName, RecordData, Sighting, Transport};

/// Everything that was seen of one scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// The domain at which control is proven.
    pub scope: DomainName,
    /// `_dnsauth.<scope>`.
    pub owner: DomainName,
    /// How the authorities were asked.
    pub path: Path,
    /// Aliases from the owner name.
    pub delegation: DelegationSeen,
    /// The zone that holds the record in the end.
    pub zone: Option<ZoneSeen>,
    /// Why there is no zone to look at.
    pub trouble: Option<String>,
    /// What recursive resolvers say; asked only where an authority shows a value.
    pub resolvers: Vec<Sighting>,
    /// Texts at names where people put the record by mistake.
    pub elsewhere: Vec<Elsewhere>,
    /// Whether DigiCert may issue.
    pub caa: Vec<(CertName, Caa)>,
    /// Name servers that the configured resolvers name for the zone.
    pub resolver_view: Option<Vec<String>>,
}

/// How authorities could be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// Directly.
    Authorities,
    /// Nobody answers on port 53: only resolvers can be asked.
    Resolvers,
}

/// Aliases from the owner name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DelegationSeen {
    /// The targets in order; empty when the owner name is no alias.
    pub chain: Vec<DomainName>,
    /// The alias is synthesised from a wildcard.
    pub wildcard: bool,
    /// A DNAME record takes part.
    pub dname: bool,
    /// Why it ends badly.
    pub broken: Option<String>,
    /// The name that DNS could hand to a stranger.
    pub unregistered: bool,
}

/// A zone and its servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZoneSeen {
    /// Its name.
    pub apex: DomainName,
    /// The servers are configured, not discovered.
    pub pinned: bool,
    /// Name servers as the parent zone refers to them.
    pub at_parent: Vec<String>,
    /// Name servers as the zone itself names them.
    pub at_child: Vec<String>,
    /// Each server at each address.
    pub servers: Vec<ServerSeen>,
    /// What was not asked, and why.
    pub skipped: Vec<String>,
    /// For how long a resolver repeats "no such record" (RFC 2308), in seconds.
    pub negative_ttl: Option<u32>,
}

/// One server at one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerSeen {
    /// What it says about the owner name.
    #[serde(flatten)]
    pub sighting: Sighting,
    /// The zone's serial there.
    pub serial: Option<u32>,
    /// The time to the answer, in milliseconds.
    pub took_ms: Option<u64>,
    /// How it came.
    pub transport: Option<Transport>,
    /// It knows no EDNS and was asked without, so that it tells no signatures.
    pub without_edns: bool,
    /// When the first of the answer's signatures runs out.
    pub signed_until: Option<Timestamp>,
}

/// Texts at another name than the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    /// Which mistake leads there.
    pub place: Misplaced,
    /// The name.
    pub name: DomainName,
    /// What is there.
    pub texts: Vec<String>,
}

/// Where people put the record by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Misplaced {
    /// The bare scope: DigiCert looks there too, second.
    Bare,
    /// The zone's name stands twice: the console appended it.
    Doubled,
    /// One label too high.
    Higher,
    /// One label too low.
    Lower,
}

/// What is known beside DNS.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// The record that should be there.
    pub record: Option<RecordData>,
    /// Records of the same order that were replaced.
    pub former: Vec<RecordData>,
    /// Whether the value was published, as far as the state knows.
    pub published: bool,
    /// Whether the provider itself holds the value; `None` when nobody asked it.
    pub at_provider: Option<bool>,
    /// The name servers that the provider has for the zone; none where it does not tell.
    pub name_servers: Vec<DomainName>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Will hurt, or may.
    Warn,
    /// Validation or issuance fails until it is mended.
    Fail,
}

/// What is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable code.
    pub code: &'static str,
    /// What was seen, in one sentence.
    pub what: String,
    /// The one next action.
    pub fix: String,
}
