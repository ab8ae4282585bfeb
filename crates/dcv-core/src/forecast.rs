//! When the CA calls that are still needed can be made, at the rate that the CA allows.
//!
//! One event can make thousands of orders urgent at once: values that expire on the same day, a CA that had been away,
//! reuse of proofs that ends. No call goes faster for being urgent; so it is worth knowing early how long all of them
//! take, and which deadlines cannot be kept.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// What one order or one domain still needs of the CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// When the last of the calls is wanted.
    pub deadline: Option<Timestamp>,
    /// How many calls it takes at the least.
    pub calls: u32,
}

/// One rolling window of the CA's rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The most calls within `per`. A limit of none is taken as one, for otherwise nothing would ever end.
    pub calls: u32,
    /// The length of the window. Without a length it limits nothing.
    pub per: SignedDuration,
    /// How many calls of the last `per` are spent already.
    pub used: u32,
}

/// How long the open work takes. See [`forecast`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// All calls together.
    pub calls: u64,
    /// When the last call goes out: `now` where there is nothing to do.
    pub finish: Timestamp,
    /// How many loads have their last call after their deadline. A load without calls is never late.
    pub late: usize,
    /// The earliest deadline that is not kept.
    pub first_late: Option<Timestamp>,
    /// True when the work does not fit into what is left of one longest window, so that calls have to queue.
    pub is_burst: bool,
}

/// Foresees when the work of `loads` is done by a caller who never rests and never breaks a limit.
///
/// The earliest deadline goes first, as in the client's governor; work without a deadline comes last.
///
/// What is spent of a window counts as spent just now, since a count does not tell its age. Then no caller is done
/// earlier than foreseen, and one without rest is done less than one longest window later. If those calls are older,
/// the work may be done earlier, by one longest window at the most. Dates beyond the calendar's end are that end.
#[must_use]
pub fn forecast(mut loads: Vec<Load>, rate: &[Allowance], now: Timestamp) -> Forecast {
    // Of equal deadlines the smaller load goes first: so the outcome does not depend on the order of the input.
    loads.sort_unstable_by_key(|load| (load.deadline.is_none(), load.deadline, load.calls));
    let mut forecast = Forecast { calls: 0, finish: now, late: 0, first_late: None, is_burst: false };
    for load in loads.iter().filter(|load| load.calls > 0) {
        forecast.calls = forecast.calls.saturating_add(u64::from(load.calls));
        forecast.finish = later(now, wait(rate, forecast.calls));
        if load.deadline.is_some_and(|deadline| forecast.finish > deadline) {
            forecast.late += 1;
            forecast.first_late = forecast.first_late.or(load.deadline);
        }
    }
    let longest = rate.iter().map(Allowance::nanos).max().unwrap_or(0);
    forecast.is_burst = longest > 0 && wait(rate, forecast.calls) >= longest;
    forecast
}

/// The wait before the call of this number (from 1), in nanoseconds.
///
/// A call waits until the one `calls` places before it in some window is `per` old, that one for an earlier one, and so
/// on, back to the first call of today or to one that is spent already. The exact wait is the longest such chain. Taking
/// all steps but the last in one and the same window is simpler, and falls short by less than the length of the window
/// that is slowest per call.
fn wait(rate: &[Allowance], number: u64) -> i128 {
    let Some(before) = number.checked_sub(1) else { return 0 };
    let chain = |calls: u64| rate.iter().map(|window| window.chain(calls)).max().unwrap_or(0);
    let held_up = rate.iter().filter_map(|window| {
        let behind = before.checked_sub(window.free())?;
        Some(window.nanos().saturating_add(chain(behind)))
    });
    held_up.max().unwrap_or(0).max(chain(before))
}

impl Allowance {
    fn limit(&self) -> u64 {
        u64::from(self.calls.max(1))
    }

    fn free(&self) -> u64 {
        self.limit().saturating_sub(u64::from(self.used))
    }

    fn nanos(&self) -> i128 {
        self.per.as_nanos().max(0)
    }

    /// The wait behind so many calls of today, had nothing been spent before them.
    fn chain(&self, calls: u64) -> i128 {
        i128::from(calls / self.limit()).saturating_mul(self.nanos())
    }
}

fn later(now: Timestamp, nanos: i128) -> Timestamp {
    const SECOND: i128 = 1_000_000_000;
    let seconds = i64::try_from(nanos / SECOND).unwrap_or(i64::MAX);
    let rest = i32::try_from(nanos % SECOND).unwrap_or(0);
    now.checked_add(SignedDuration::new(seconds, rest)).unwrap_or(Timestamp::MAX)
}
