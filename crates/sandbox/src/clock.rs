//! The sandbox's own clock. The simulated CA is another party with a clock of its own, so it reads the time itself.

use std::time::Duration;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the simulator is a world of its own and has its own clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// `from` plus `span`, or the end of time when that is out of range.
pub(crate) fn after(from: Timestamp, span: Duration) -> Timestamp {
    from.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// The next whole second, so that a time stamp without fractions is exact and not early.
pub(crate) fn whole_second(at: Timestamp) -> Timestamp {
    at.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil)).unwrap_or(at)
}

/// ISO 8601 with the numeric offset, as the documentation's examples have it.
pub(crate) fn offset_form(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}
