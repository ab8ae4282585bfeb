//! Arithmetic with times that come from outside.

use jiff::{SignedDuration, Timestamp};

/// `time + span`, held inside what a time stamp can hold: dates from outside may be anything.
pub(crate) fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    let limit = if span.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    time.saturating_add(span).unwrap_or(limit)
}

/// Whether what was learned at this time is `span` old or older; what has no time is as old as can be.
pub(crate) fn is_older(learned: Option<Timestamp>, span: SignedDuration, now: Timestamp) -> bool {
    learned.is_none_or(|at| after(at, span) <= now)
}
