//! Waiting before another try.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// Longest single wait.
const LONGEST: Duration = Duration::from_secs(5);

/// Between half and all of `first` doubled for each attempt after the first, so that two that met do not meet again.
pub(crate) fn jittered(first: Duration, attempt: u32) -> Duration {
    let full = first.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST);
    // The standard library's hash keys are random: enough to spread, without a generator as a dependency.
    let random = RandomState::new().hash_one(attempt) % 1000;
    full / 2 + full.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 2000.0)
}
