//! What can be done in one pass, and the decision to do it.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{Artifact, Because, CertName, Lookup, Method};

/// What to do now. One step is one pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Ask the CA about the order: status, scopes, methods. One call.
    ReadOrder,
    /// Ask the CA for the order's random value. One call.
    RequestValue,
    /// Ask the CA about the domain: its proof, its dates, its value. One call.
    ReadDomain,
    /// Submit the domain for validation. One call; the proof in force stays so meanwhile.
    SubmitDomain,
    /// Have the CA make a new value for the domain. One call, which makes the former value worthless.
    NewDomainValue,
    /// Ask the CA to change the method of the order or domain. One call.
    SwitchMethod(Method),
    /// Find out where these lookups lead: zone, delegation, foreign aliases, web server.
    Locate(Vec<Lookup>),
    /// Put these up.
    Publish {
        /// What, and where.
        artifacts: Vec<Artifact>,
        /// What of the same order gives way in the same change, since the target can hold one only.
        replacing: Vec<Artifact>,
    },
    /// Look for these as the CA would.
    Look(Vec<Wanted>),
    /// Find out whether CAA records let DigiCert issue for these names.
    ReadCaa(Vec<CertName>),
    /// Ask the CA to check the order or domain. One call.
    AskCa,
    /// Take these down.
    Retract(Vec<Artifact>),
}

/// What a lookup of the CA has to find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// What the CA asks.
    pub lookup: Lookup,
    /// What it has to find.
    pub artifact: Artifact,
}

/// A kind of step, whatever it is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the step of this name")]
pub enum StepKind {
    ReadOrder,
    RequestValue,
    ReadDomain,
    SubmitDomain,
    NewDomainValue,
    SwitchMethod,
    Locate,
    Publish,
    Look,
    ReadCaa,
    AskCa,
    Retract,
}

impl StepKind {
    /// A stable name for logs, metrics and machine-readable output.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ReadOrder => "read-order",
            Self::RequestValue => "request-value",
            Self::ReadDomain => "read-domain",
            Self::SubmitDomain => "submit-domain",
            Self::NewDomainValue => "new-domain-value",
            Self::SwitchMethod => "switch-method",
            Self::Locate => "locate",
            Self::Publish => "publish",
            Self::Look => "look",
            Self::ReadCaa => "read-caa",
            Self::AskCa => "ask-ca",
            Self::Retract => "retract",
        }
    }

    /// What is done, in a sentence for people.
    #[must_use]
    pub const fn doing(self) -> &'static str {
        match self {
            Self::ReadOrder => "reading the order",
            Self::RequestValue => "asking DigiCert for the random value",
            Self::ReadDomain => "reading the domain",
            Self::SubmitDomain => "submitting the domain",
            Self::NewDomainValue => "asking DigiCert for a new value",
            Self::SwitchMethod => "changing the DCV method",
            Self::Locate => "finding out which zone holds the name",
            Self::Publish => "publishing the value",
            Self::Look => "looking for the value",
            Self::ReadCaa => "reading CAA records",
            Self::AskCa => "asking DigiCert to check",
            Self::Retract => "removing the value",
        }
    }
}

impl Serialize for StepKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

impl Step {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> StepKind {
        match self {
            Self::ReadOrder => StepKind::ReadOrder,
            Self::RequestValue => StepKind::RequestValue,
            Self::ReadDomain => StepKind::ReadDomain,
            Self::SubmitDomain => StepKind::SubmitDomain,
            Self::NewDomainValue => StepKind::NewDomainValue,
            Self::SwitchMethod(_) => StepKind::SwitchMethod,
            Self::Locate(_) => StepKind::Locate,
            Self::Publish { .. } => StepKind::Publish,
            Self::Look(_) => StepKind::Look,
            Self::ReadCaa(_) => StepKind::ReadCaa,
            Self::AskCa => StepKind::AskCa,
            Self::Retract(_) => StepKind::Retract,
        }
    }

    /// Whether carrying it out can change anything outside the agent: at the CA, in DNS or on a web server. Asking for an
    /// order's value changes nothing: the CA gives the valid one again.
    #[must_use]
    pub const fn writes(&self) -> bool {
        match self {
            Self::SubmitDomain
            | Self::NewDomainValue
            | Self::SwitchMethod(_)
            | Self::Publish { .. }
            | Self::AskCa
            | Self::Retract(_) => true,
            Self::ReadOrder
            | Self::RequestValue
            | Self::ReadDomain
            | Self::Locate(_)
            | Self::Look(_)
            | Self::ReadCaa(_) => false,
        }
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// A step, now.
    Do(Step),
    /// Nothing until then, which is never past.
    RestUntil(Timestamp),
}

impl Next {
    /// A stable name for logs and machine-readable output: the step's, or `rest`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Do(step) => step.kind().label(),
            Self::RestUntil(_) => "rest",
        }
    }

    /// When the next thing is done: `now` for a step.
    #[must_use]
    pub const fn at(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Do(_) => now,
            Self::RestUntil(time) => *time,
        }
    }
}

/// What comes next, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What.
    pub next: Next,
    /// Why.
    pub because: Because,
}
