//! What can be done in one pass, and the decision to do it.

use jiff::Timestamp;
use serde::Serialize;

use crate::{Because, CertName, DomainName, Method, RecordData, Site};

/// What to do now. One step is one pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Ask the CA about the order: status, scopes, method. One call.
    ReadOrder,
    /// Ask the CA for the order's random value. One call.
    RequestValue,
    /// Ask the CA to change the order's method. One call.
    SwitchMethod(Method),
    /// Find out where the records of these scopes go: zone, delegation, foreign aliases.
    Locate(Vec<DomainName>),
    /// Put a record at these sites.
    Publish {
        /// Where.
        sites: Vec<Site>,
        /// What.
        data: RecordData,
        /// Records of the same order that give way in the same change, since a name can hold one only.
        replacing: Vec<(Site, RecordData)>,
    },
    /// Ask DNS about these scopes.
    Look(Vec<DomainName>),
    /// Find out whether CAA records let DigiCert issue for these names.
    ReadCaa(Vec<CertName>),
    /// Ask the CA to check the order. One call.
    AskCa,
    /// Take these records out of DNS.
    Retract(Vec<(Site, RecordData)>),
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
