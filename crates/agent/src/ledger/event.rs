//! What the ledger tells. Everything that comes from others is cut to a length; nothing secret has a field here.

use std::net::SocketAddr;

use dcv_core::{Answer, Artifact, Facts, Learned, NoAnswer, RandomValue, Security, Sighting, VantageKind};
use jiff::Timestamp;
use serde::Serialize;

use crate::subject::Subject;

/// The longest text of a name server that is kept.
const MAX_TEXT: usize = 512;
/// Most texts of one answer; owners of `_dnsauth` names have a handful.
const MAX_TEXTS: usize = 32;
/// The longest sentence of the CA.
const MAX_SAID: usize = 4096;
/// Most scopes of one order; DigiCert's largest certificates have 250 names.
const MAX_SCOPES: usize = 500;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A process began, or took up a new configuration.
    Started {
        /// The agent's version.
        version: &'static str,
        /// `daemon`, `once` or `reload`.
        mode: &'static str,
        /// The process.
        pid: u32,
    },
    /// A process ended in good order; after a crash this is missing.
    Stopped {
        /// The agent's version.
        version: &'static str,
        /// The process.
        pid: u32,
    },
    /// The CA gave a random value. It is no secret: it goes into DNS.
    ValueRequested {
        /// Whose.
        #[serde(flatten)]
        subject: Subject,
        /// What logs show of it.
        fingerprint: Option<String>,
        /// The value.
        value: Option<String>,
        /// Why it cannot be published, where that is so; it is not repeated then.
        #[serde(skip_serializing_if = "Option::is_none")]
        unfit: Option<String>,
        /// The CA's date.
        expires: Option<Timestamp>,
    },
    /// A change of DNS that a provider confirmed, or of a file.
    ChangeApplied {
        /// For which order.
        #[serde(flatten)]
        subject: Subject,
        /// In which zone; null for a file.
        zone: Option<String>,
        /// At which name, or on which host.
        owner: String,
        /// The record's type and data, or `FILE` and the value.
        data: String,
        /// What was done with it.
        action: Action,
        /// The provider's name in the configuration.
        provider: String,
    },
    /// The CA is about to be asked to check: what every server showed by then.
    Asked {
        /// For which order.
        #[serde(flatten)]
        subject: Subject,
        /// The scopes still to be proven.
        scopes: Vec<String>,
        /// How many more there were than are listed.
        #[serde(skip_serializing_if = "is_zero")]
        scopes_omitted: usize,
        /// The value that was looked for.
        value: Option<String>,
        /// The latest answer of each server.
        sightings: Vec<Seen>,
        /// How many more there were than are listed.
        #[serde(skip_serializing_if = "is_zero")]
        sightings_omitted: usize,
    },
    /// The CA answered that.
    Answered {
        /// For which order.
        #[serde(flatten)]
        subject: Subject,
        /// Its words.
        said: String,
        /// The order's status, where the answer had one.
        status: Option<String>,
        /// Control is proven for all scopes.
        validated: bool,
        /// Names that the answer calls approved.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        approved: Vec<String>,
    },
    /// The CA refused the check, or gave no answer that counts.
    Unanswered {
        /// For which order.
        #[serde(flatten)]
        subject: Subject,
        /// What happened.
        detail: String,
    },
    /// The line before was cut short by a crash or a full disk. `prev` covers what is left of it.
    Torn {
        /// Its length.
        bytes: usize,
        /// The hash of the last whole line.
        after: String,
    },
    /// Events that could not be recorded before this line.
    Lost {
        /// How many.
        events: u64,
    },
}

/// What was done in DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Put there.
    Add,
    /// Taken away.
    Remove,
    /// Let go by this order, and left there for another one that holds the same value.
    Release,
}

/// What one server showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    scope: String,
    /// Where the CA looks.
    #[serde(rename = "spot")]
    lookup: String,
    server: String,
    address: Option<SocketAddr>,
    kind: VantageKind,
    answer: Answer,
    security: Security,
    at: Timestamp,
}

impl Event {
    /// This process begins.
    #[must_use]
    pub fn started(mode: &'static str) -> Self {
        Self::Started { version: env!("CARGO_PKG_VERSION"), mode, pid: std::process::id() }
    }

    /// This process ends.
    #[must_use]
    pub fn stopped() -> Self {
        Self::Stopped { version: env!("CARGO_PKG_VERSION"), pid: std::process::id() }
    }

    /// The CA's answer to the request for a value.
    #[must_use]
    pub fn value(subject: &Subject, learned: &Learned) -> Option<Self> {
        let (Learned::Value((value, expires))
        | Learned::Domain(_, Some((value, expires)))
        | Learned::Submitted(Some((value, expires)))) = learned
        else {
            return None;
        };
        let known = value.as_ref().ok();
        Some(Self::ValueRequested {
            subject: subject.clone(),
            fingerprint: known.map(RandomValue::fingerprint),
            value: known.map(|value| value.as_str().to_owned()),
            unfit: value.as_ref().err().map(ToString::to_string),
            expires: *expires,
        })
    }

    /// A change that the provider confirmed.
    #[must_use]
    pub fn change(subject: &Subject, artifact: &Artifact, action: Action, provider: &str) -> Self {
        let (zone, owner, data) = match artifact {
            Artifact::Record { site, data } => {
                (Some(site.zone().to_string()), site.owner().to_string(), data.to_string())
            }
            Artifact::File { host, value } => (None, host.to_string(), format!("FILE {:?}", value.as_str())),
        };
        Self::ChangeApplied {
            subject: subject.clone(),
            zone,
            owner,
            data,
            action,
            provider: provider.to_owned(),
        }
    }

    /// What is known at the moment of asking the CA.
    #[must_use]
    pub fn asked(subject: &Subject, facts: &Facts) -> Self {
        let open = facts.open();
        let sightings = facts.sightings.iter().flat_map(|(lookup, sightings)| {
            sightings.iter().map(|sighting| Seen::new(&lookup.to_string(), lookup.domain.as_str(), sighting))
        });
        let value = facts.token.as_ref().and_then(|token| token.fit());
        Self::Asked {
            subject: subject.clone(),
            scopes: open.iter().take(MAX_SCOPES).map(|scope| scope.name.to_string()).collect(),
            scopes_omitted: open.len().saturating_sub(MAX_SCOPES),
            value: value.map(|value| value.as_str().to_owned()),
            sightings: sightings.collect(),
            sightings_omitted: 0,
        }
    }

    /// The CA's answer to the request for a check.
    #[must_use]
    pub fn answered(subject: &Subject, facts: &Facts, learned: &Learned) -> Option<Self> {
        let Learned::Checked { complete, status, approved, said } = learned else { return None };
        Some(Self::Answered {
            subject: subject.clone(),
            said: cut(said, MAX_SAID),
            status: status.as_ref().map(|status| status.as_str().to_owned()),
            validated: facts.is_proven_by(*complete, status.as_ref(), approved),
            approved: approved.iter().take(MAX_SCOPES).map(ToString::to_string).collect(),
        })
    }

    /// The CA gave no answer that counts.
    #[must_use]
    pub fn unanswered(subject: &Subject, detail: &str) -> Self {
        Self::Unanswered { subject: subject.clone(), detail: cut(detail, MAX_SAID) }
    }

    /// Whether the line must be on the disk before work goes on. What was seen must be there before the CA is asked, and
    /// its answer before it is acted upon: these two are the proof, and nobody could tell them again. Changes and values
    /// can be read again from the state, DNS and the CA; each sync carries the lines before it along. Syncing every
    /// line would cost each order two or three times as many waits for the disk and prove nothing more.
    pub(super) const fn durable(&self) -> bool {
        matches!(
            self,
            Self::Asked { .. } | Self::Answered { .. } | Self::Unanswered { .. } | Self::Stopped { .. }
        )
    }

    /// Leaves out the later half of the sightings; tells whether there was something to leave out.
    pub(super) fn shorten(&mut self) -> bool {
        let Self::Asked { sightings, sightings_omitted, .. } = self else { return false };
        let kept = sightings.len() / 2;
        *sightings_omitted += sightings.len() - kept;
        let shorter = !sightings.is_empty();
        sightings.truncate(kept);
        shorter
    }
}

impl Seen {
    fn new(lookup: &str, scope: &str, sighting: &Sighting) -> Self {
        let Sighting { vantage, at, answer, security, .. } = sighting;
        Self {
            scope: scope.to_owned(),
            lookup: lookup.to_owned(),
            server: cut(&vantage.server, MAX_TEXT),
            address: vantage.address,
            kind: vantage.kind,
            answer: match answer {
                Answer::Txt(texts) => {
                    let mut kept: Vec<_> =
                        texts.iter().take(MAX_TEXTS).map(|text| cut(text, MAX_TEXT)).collect();
                    if texts.len() > MAX_TEXTS {
                        kept.push(format!("… and {} more", texts.len() - MAX_TEXTS));
                    }
                    Answer::Txt(kept)
                }
                Answer::Cname(target) => Answer::Cname(target.clone()),
                Answer::File(text) => Answer::File(cut(text, MAX_TEXT)),
                Answer::Failed(NoAnswer { kind, detail }) => {
                    Answer::Failed(NoAnswer { kind: *kind, detail: cut(detail, MAX_TEXT) })
                }
            },
            security: match security {
                Security::Bogus(why) => Security::Bogus(cut(why, MAX_TEXT)),
                Security::Indeterminate(why) => Security::Indeterminate(cut(why, MAX_TEXT)),
                Security::Unchecked | Security::Secure | Security::Insecure => security.clone(),
            },
            at: *at,
        }
    }
}

/// The text, or its beginning with a mark.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit);
    format!("{}… ({} bytes more)", &text[..end], text.len() - end)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}
