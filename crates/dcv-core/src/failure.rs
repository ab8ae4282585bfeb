//! Steps that failed, and how that is dealt with.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::StepKind;

/// How a failure is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// The world is in the way; it will pass.
    Later,
    /// Another order has the only target; it is tried again soon, for it will let go.
    Taken,
    /// The CA refuses this call for this order; the order is read to learn why.
    Refused,
    /// This order needs a person.
    Blocked,
    /// The CA does not know the order or domain; after a day of that it is closed.
    Gone,
    /// Settings or credentials are wrong.
    Setup,
    /// An answer outside our model.
    Bug,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How to deal with it.
    pub class: FailureClass,
    /// One sentence, with the hint for a person.
    pub detail: String,
    /// The other side's wish when to come back.
    pub retry_after: Option<SignedDuration>,
}

impl Failure {
    /// A failure after which the other side has no wish.
    #[must_use]
    pub fn new(class: FailureClass, detail: impl Into<String>) -> Self {
        Self { class, detail: detail.into(), retry_after: None }
    }
}

/// The latest step that failed, until the same step succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedStep {
    /// Which kind of step.
    pub step: StepKind,
    /// How it is dealt with.
    pub class: FailureClass,
    /// When.
    pub at: Timestamp,
    /// Since when it has failed so.
    pub since: Timestamp,
    /// How often in a row.
    pub count: u32,
    /// One sentence, with the hint for a person.
    pub detail: String,
    /// The other side's wish when to come back.
    pub retry_after: Option<SignedDuration>,
    /// The order or domain was read since: what that told counts now.
    pub read_since: bool,
}
