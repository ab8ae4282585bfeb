//! Dates of the CA, by our clock.

use digicert_api::Client;
use jiff::{SignedDuration, Timestamp};

use crate::clock;

/// Clocks that differ by less are taken for the same.
const TOLERATED_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// A date of the CA's as our clock will show it, where the two differ by more than the network explains: an expiry that
/// we take for past while the CA does not, or the reverse, would have us wait for a new value, or publish a dead one.
pub(super) fn by_our_clock(client: &Client, date: Option<Timestamp>) -> Option<Timestamp> {
    let ahead = client.clock_skew(clock::now()).filter(|ahead| ahead.abs() > TOLERATED_SKEW);
    match (date, ahead) {
        (Some(date), Some(ahead)) => date.checked_sub(ahead).ok(),
        (date, _) => date,
    }
}
