//! What was seen in DNS, from where, and when.

use std::{fmt, net::SocketAddr};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{AliasTarget, Artifact, RecordData};

/// One place to look from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Vantage {
    /// The server's name, or the address again where it has none.
    pub server: String,
    /// The address that was asked; none for a resolver that is a URL.
    pub address: Option<SocketAddr>,
    /// What kind of server it is.
    pub kind: VantageKind,
}

impl fmt::Display for Vantage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) if self.server != address.to_string() => write!(f, "{} ({address})", self.server)?,
            Some(_) | None => f.write_str(&self.server)?,
        }
        match self.kind {
            VantageKind::Library => f.write_str(" as DigiCert's library looks"),
            VantageKind::Authority | VantageKind::Resolver | VantageKind::Web => Ok(()),
        }
    }
}

/// What kind of server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VantageKind {
    /// One of the zone's authoritative servers.
    Authority,
    /// A recursive resolver; asked only once every authority has the value.
    Resolver,
    /// The domain's web server, at one of its addresses, as DigiCert's documentation has it looked at: port 80.
    Web,
    /// The same as DigiCert's published library looks, where that makes a difference: over IPv4, HTTPS first, and no absolute
    /// redirect followed.
    Library,
}

/// What one vantage answered, also when it failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sighting {
    /// Who was asked.
    pub vantage: Vantage,
    /// When the answer came.
    pub at: Timestamp,
    /// What it said.
    pub answer: Answer,
    /// Whether the answer can be trusted.
    pub security: Security,
    /// A resolver that answers without the value may repeat that from its cache until then (RFC 2308 section 5).
    pub denied_until: Option<Timestamp>,
    /// A resolver that answers with records may repeat this very set from its cache until then.
    pub held_until: Option<Timestamp>,
}

impl Sighting {
    /// An answer whose signatures were not looked at.
    #[must_use]
    pub const fn new(vantage: Vantage, at: Timestamp, answer: Answer) -> Self {
        Self { vantage, at, answer, security: Security::Unchecked, denied_until: None, held_until: None }
    }

    /// Of an answer without the value: whether it is what a resolver holds from before, and no denial.
    pub(crate) const fn holds_an_older_set(&self) -> bool {
        self.denied_until.is_none() && self.held_until.is_some()
    }
}

/// What DNSSEC says about an answer (RFC 4035 section 4.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "detail")]
pub enum Security {
    /// Nobody looked.
    Unchecked,
    /// A chain of signatures leads to it from the trust anchor.
    Secure,
    /// It is proven that no such chain exists: the zone is not signed.
    Insecure,
    /// It should be signed, and is not, or not rightly; the CA will refuse it. With the reason.
    Bogus(String),
    /// The chain could not be read. With the reason.
    Indeterminate(String),
}

/// One vantage's answer about one owner name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The TXT texts at the name, possibly none. A text in several character-strings stands here as DigiCert's own
    /// library compares it, each string in quotes, so that it never equals a value.
    Txt(Vec<String>),
    /// The name is an alias, spelled as the server has it.
    Cname(AliasTarget),
    /// What the file of a host holds, without white space around it, or the part of it around the value; empty where the web
    /// server has no such file.
    File(String),
    /// No answer, or one that is no answer: time-out, SERVFAIL, REFUSED, a server that does not serve the zone.
    Failed(NoAnswer),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    /// What kind of failure it is.
    pub kind: NoAnswerKind,
    /// One sentence, or what the server said.
    pub detail: String,
}

/// The kinds of failure that ask different things of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswerKind {
    /// The server answers, and does not serve the zone.
    NotServed,
    /// A web server redirects in a way that DigiCert does not follow.
    Redirect,
    /// A web server's certificate is for another name.
    Certificate,
    /// A host has no address of the family that DigiCert asks.
    Family,
    /// Everything else: silence, an error, an answer that makes no sense.
    Other,
}

impl NoAnswer {
    /// A server that does not serve the zone.
    #[must_use]
    pub fn not_served(detail: impl Into<String>) -> Self {
        Self { kind: NoAnswerKind::NotServed, detail: detail.into() }
    }

    /// Any other failure.
    #[must_use]
    pub fn other(detail: impl Into<String>) -> Self {
        Self { kind: NoAnswerKind::Other, detail: detail.into() }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// As the sentence alone: readers of output and ledger know no kinds.
impl Serialize for NoAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.detail)
    }
}

impl Answer {
    /// Whether the record is there: a text alone in a string of its own (stricter than the CA, which is content with a
    /// text that contains the value), or the alias with the value's capitals, which the CA tells apart.
    #[must_use]
    pub fn shows(&self, record: &RecordData) -> bool {
        match (self, record) {
            (Self::Txt(texts), RecordData::Txt(value)) => texts.iter().any(|text| text == value.as_str()),
            (Self::Cname(alias), RecordData::Cname(target)) => alias == target,
            (Self::Txt(_), RecordData::Cname(_))
            | (Self::Cname(_), RecordData::Txt(_))
            | (Self::File(_) | Self::Failed(_), _) => false,
        }
    }

    /// How it compares with a record.
    #[must_use]
    pub fn compare(&self, record: &RecordData) -> Match {
        match (self, record) {
            _ if self.shows(record) => Match::Shown,
            (Self::Cname(alias), RecordData::Cname(target)) if alias.differs_in_capitals(target) => {
                Match::OtherCapitals
            }
            _ => Match::Absent,
        }
    }

    /// How it compares with what was put up.
    #[must_use]
    pub fn judge(&self, artifact: &Artifact) -> Match {
        match artifact {
            Artifact::Record { data, .. } => self.compare(data),
            Artifact::File { .. } => self.proves(artifact).into(),
        }
    }

    /// Whether the answer shows what was put up: the record, or a file in which the value stands, as the CA has it.
    #[must_use]
    pub fn proves(&self, artifact: &Artifact) -> bool {
        match (self, artifact) {
            (_, Artifact::Record { data, .. }) => self.shows(data),
            (Self::File(text), Artifact::File { value, .. }) => text.contains(value.as_str()),
            (Self::Txt(_) | Self::Cname(_) | Self::Failed(_), Artifact::File { .. }) => false,
        }
    }
}

/// How an answer compares with what was put up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It is there.
    Shown,
    /// An alias is there but for its capitals: DNS holds the two equal, the CA does not.
    OtherCapitals,
    /// It is not there.
    Absent,
}

impl From<bool> for Match {
    fn from(shown: bool) -> Self {
        if shown { Self::Shown } else { Self::Absent }
    }
}

/// How a question reached a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A connection.
    Tcp,
}
