//! What can be done in one pass, and the decision to do it.

use jiff::Timestamp;
use serde::Serialize;

use crate::{Artifact, Because, CertName, Lookup, Method};

/// What to do now. One step is one pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Ask the CA about the order: status, scopes, method. One call.
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
        /// What of the same order gives way in the same change, since the place can hold one only.
        replacing: Vec<Artifact>,
    },
    /// Look at these lookups as the CA would.
    Look(Vec<Lookup>),
    /// Find out whether CAA records let DigiCert issue for these names.
    ReadCaa(Vec<CertName>),
    /// Ask the CA to check the order or domain. One call.
    AskCa,
    /// Take these down.
    Retract(Vec<Artifact>),
    /// Nothing until `wake`.
    Rest,
}

impl Step {
    /// A stable name for logs and metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::ReadOrder => "read-order",
            Self::RequestValue => "request-value",
            Self::ReadDomain => "read-domain",
            Self::SubmitDomain => "submit-domain",
            Self::NewDomainValue => "new-domain-value",
            Self::SwitchMethod(_) => "switch-method",
            Self::Locate(_) => "locate",
            Self::Publish { .. } => "publish",
            Self::Look(_) => "look",
            Self::ReadCaa(_) => "read-caa",
            Self::AskCa => "ask-ca",
            Self::Retract(_) => "retract",
            Self::Rest => "rest",
        }
    }
}

/// A step, when to come back, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What to do.
    pub step: Step,
    /// When to decide again: `now` unless the step is [`Step::Rest`]; never in the past.
    pub wake: Timestamp,
    /// Why.
    pub because: Because,
}
