//! The random value and its dates.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{RandomValue, ValueError, time::after};

/// A random value as the CA gives it: checked, and until when the CA accepts it.
pub type GivenValue = (Result<RandomValue, ValueError>, Option<Timestamp>);

/// The random value of an order or a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// The value, or why what the CA gave cannot be published.
    pub value: Result<RandomValue, Unfit>,
    /// The CA's expiration date, where it gave one.
    pub expires: Option<Timestamp>,
    /// The latest answer that held this value.
    pub requested: Timestamp,
    /// Requests in a row whose answer was already expired.
    pub stale_answers: u32,
}

impl Token {
    /// When the value stops being good: its date, but no later than the longest life a value can have.
    #[must_use]
    pub fn expiry(&self, longest: SignedDuration) -> Timestamp {
        let cap = after(self.requested, longest);
        self.expires.map_or(cap, |expires| expires.min(cap))
    }

    /// The value, if it can be published.
    #[must_use]
    pub fn fit(&self) -> Option<&RandomValue> {
        self.value.as_ref().ok()
    }
}

/// Why the CA's value cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unfit(pub String);
