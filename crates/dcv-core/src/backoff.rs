//! Growing, jittered waits as a pure function of the attempt.

use jiff::SignedDuration;

/// A wait that doubles with each attempt from `first` up to `cap`, less up to a quarter of jitter.
///
/// The jitter comes from a seed, so that the same order always waits the same and a thousand orders do not wake as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Wait after the first attempt.
    pub first: SignedDuration,
    /// Longest wait.
    pub cap: SignedDuration,
}

impl Backoff {
    /// The wait after `attempt` (1 is the first).
    #[must_use]
    pub fn after(&self, attempt: u32, seed: u64) -> SignedDuration {
        let doublings = attempt.saturating_sub(1).min(30);
        let full = self.first.saturating_mul(1 << doublings).min(self.cap);
        full - jitter(full / 4, seed ^ u64::from(attempt))
    }
}

/// A duration from zero up to `span`, the same for the same seed.
pub(crate) fn jitter(span: SignedDuration, seed: u64) -> SignedDuration {
    // SplitMix64's finaliser: neighbouring order numbers give unrelated waits.
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let permille = i64::try_from((z ^ (z >> 31)) % 1000).unwrap_or(0);
    SignedDuration::from_millis(i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 1000) / 1000 * permille)
        + SignedDuration::from_micros(i64::try_from(span.as_millis() % 1000).unwrap_or(0) * permille)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { first: SignedDuration::from_secs(1), cap: SignedDuration::from_secs(60) };

    #[test]
    fn waits_grow_to_the_cap_and_never_vanish() {
        for attempt in 1..=100 {
            let nominal = SignedDuration::from_secs(1 << (attempt - 1).min(30)).min(BACKOFF.cap);
            for seed in 0..50 {
                let wait = BACKOFF.after(attempt, seed);
                assert!(wait <= nominal && wait >= nominal * 3 / 4, "{attempt} {seed}: {wait:?}");
            }
        }
        assert!(BACKOFF.after(u32::MAX, u64::MAX) <= BACKOFF.cap);
    }

    #[test]
    fn a_thousand_orders_do_not_wake_as_one() {
        let mut waits: Vec<_> = (0..1000).map(|seed| BACKOFF.after(7, seed)).collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 500, "{} different waits", waits.len());
    }
}
