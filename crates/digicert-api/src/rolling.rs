//! The exact rolling log behind the rate governor: pure, told the time, no waiting.
//!
//! # Why an answered call counts from its answer
//!
//! The server counts a call when it *arrives*, an instant we never see; we only know that it lies between
//! sending and the first byte of the answer. So a call that is under way occupies a place in every window, and
//! an answered one keeps its place until `per` after the answer. Take any `calls + 1` arrivals and, among them,
//! the call sent last. When it was sent, at least one of the others no longer had a place; that one had arrived
//! before its answer, more than `per` earlier. Hence no window of `per` ever holds more than `calls` arrivals,
//! whatever the network does. The price is one round trip per window: little, as long as the windows are long
//! against the latency.
//!
//! A log of sending instants would not do: a slow call followed by a fast one arrives closer to it than sent.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// So many calls in any stretch of time of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The most calls that may arrive within `per`.
    pub calls: u32,
    /// The length of the rolling window.
    pub per: Duration,
}

impl Window {
    /// DigiCert's limits in the stricter of the published readings: 100 per 5 s and 1000 per 300 s.
    pub const DIGICERT: [Self; 2] = [
        Self { calls: 100, per: Duration::from_secs(5) },
        Self { calls: 1000, per: Duration::from_secs(300) },
    ];

    /// The window as we keep it: longer by a thousandth and 5 ms.
    ///
    /// The argument above holds for one clock, but the server measures with its own. NTP slews a clock by at
    /// most 500 parts in a million; two clocks slewed in opposite directions differ by a thousandth. The 5 ms
    /// cover the granularity of timers on either side.
    pub(crate) fn widened(self) -> Self {
        Self { calls: self.calls, per: self.per + self.per / 1000 + Duration::from_millis(5) }
    }

    /// So many of its calls, but at least one; widened.
    pub(crate) fn cut(self, eighths: u32) -> Self {
        let calls = u32::try_from(cut(self.calls, eighths)).unwrap_or(u32::MAX);
        Self { calls, ..self.widened() }
    }

    pub(crate) const fn with_use(self, used: u32) -> WindowUse {
        WindowUse { calls: self.calls, per: self.per, used }
    }
}

/// How much of a rolling window is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowUse {
    /// The most calls that may arrive within `per`.
    pub calls: u32,
    /// The length of the rolling window. We keep a little more than that.
    pub per: Duration,
    /// The places that are taken: by calls under way, and by answered ones that still count. More than `calls` at
    /// times, if an earlier process had other limits.
    pub used: u32,
}

/// When the next call may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Now,
    At(Instant),
    /// Calls under way fill a window: there is no telling before one of them is answered.
    AfterAnAnswer,
}

/// Full speed, in the unit of [`Rolling::next`].
pub(crate) const FULL: u32 = 8;

/// Calls under way and the instants of recent answers.
#[derive(Debug)]
pub(crate) struct Rolling {
    windows: Vec<Window>,
    under_way: usize,
    /// Ascending.
    answered: VecDeque<Instant>,
    longest_log: usize,
}

impl Rolling {
    pub(crate) fn new(windows: &[Window]) -> Self {
        let longest_log = windows.iter().map(|window| window.calls as usize).max().unwrap_or(0);
        Self { windows: windows.to_vec(), under_way: 0, answered: VecDeque::new(), longest_log }
    }

    /// When one more call fits into every window, each cut down to `eighths` of its calls (but never to none).
    pub(crate) fn next(&self, now: Instant, eighths: u32) -> Next {
        let mut next = now;
        for window in &self.windows {
            let limit = cut(window.calls, eighths);
            if self.under_way >= limit {
                return Next::AfterAnAnswer;
            }
            let free = limit - self.under_way;
            if let Some(oldest) = self.answered.len().checked_sub(free) {
                next = next.max(self.answered[oldest] + window.widened().per);
            }
        }
        if next > now { Next::At(next) } else { Next::Now }
    }

    pub(crate) fn send(&mut self) {
        self.under_way += 1;
    }

    /// The call that was to be sent is not.
    pub(crate) fn unsent(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A call is over; it arrived at `by` or before.
    pub(crate) fn answer(&mut self, by: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        // Answers come in order, but an abandoned call is entered ahead of its time.
        let place = self.answered.partition_point(|other| *other <= by);
        self.answered.insert(place, by);
        if self.answered.len() > self.longest_log {
            self.answered.pop_front();
        }
    }

    /// What is taken of each window.
    pub(crate) fn used(&self, now: Instant) -> Vec<WindowUse> {
        let used = |window: &Window| {
            let per = window.widened().per;
            let over = self.answered.partition_point(|answer| *answer + per <= now);
            let used = self.under_way + self.answered.len() - over;
            WindowUse { calls: window.calls, per: window.per, used: u32::try_from(used).unwrap_or(u32::MAX) }
        };
        self.windows.iter().map(used).collect()
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way
    }
}

fn cut(calls: u32, eighths: u32) -> usize {
    let cut = u64::from(calls) * u64::from(eighths) / u64::from(FULL);
    usize::try_from(cut.max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(calls: u32, millis: u64) -> Window {
        Window { calls, per: Duration::from_millis(millis) }
    }

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    /// Protects the burst: an idle account may use its whole window at once.
    #[test]
    fn an_idle_window_is_free_at_once_up_to_its_limit() {
        let now = Instant::now();
        let mut log = Rolling::new(&[window(3, 1000)]);
        for _ in 0..3 {
            assert_eq!(log.next(now, FULL), Next::Now);
            log.send();
        }
        assert_eq!(log.next(now, FULL), Next::AfterAnAnswer, "three under way fill the window");
    }

    /// Protects exactness: a place is free again `per` (and the margin) after the *answer*, not after sending.
    #[test]
    fn a_place_is_free_again_one_window_after_the_answer() {
        let start = Instant::now();
        let mut log = Rolling::new(&[window(2, 1000)]);
        log.send();
        log.send();
        log.answer(after(start, 300));
        log.answer(after(start, 400));
        assert_eq!(log.next(after(start, 500), FULL), Next::At(after(start, 300 + 1006)));
        assert_eq!(log.next(after(start, 1306), FULL), Next::Now);
        log.send();
        assert_eq!(log.next(after(start, 1306), FULL), Next::At(after(start, 400 + 1006)));
    }

    /// Protects both limits: the long window holds although the short one is free.
    #[test]
    fn the_tighter_window_decides() {
        let start = Instant::now();
        let mut log = Rolling::new(&[window(2, 100), window(3, 10_000)]);
        for millis in [0, 1, 500] {
            log.send();
            log.answer(after(start, millis));
        }
        assert_eq!(log.next(after(start, 2000), FULL), Next::At(after(start, 10_000 + 15)));
    }

    /// Protects the brake: at half speed half of the places are there, and one always remains.
    #[test]
    fn a_slowed_log_has_fewer_places_but_never_none() {
        let now = Instant::now();
        let mut log = Rolling::new(&[window(4, 1000)]);
        log.send();
        log.send();
        assert_eq!(log.next(now, FULL / 2), Next::AfterAnAnswer);
        assert_eq!(log.next(now, FULL), Next::Now);
        assert_eq!(Rolling::new(&[window(1, 1000)]).next(now, 1), Next::Now);
    }

    /// Protects forecasts: a window's use is exactly what keeps further calls out of it.
    #[test]
    fn the_use_of_a_window_is_what_keeps_calls_out() {
        let start = Instant::now();
        let windows = [window(3, 1000), window(5, 10_000)];
        let mut log = Rolling::new(&windows);
        let used = |log: &Rolling, millis| {
            let used = log.used(after(start, millis));
            assert!(
                used.iter()
                    .zip(windows)
                    .all(|(used, window)| (used.calls, used.per) == (window.calls, window.per))
            );
            used.iter().map(|window| window.used).collect::<Vec<_>>()
        };
        assert_eq!(used(&log, 0), [0, 0]);
        for millis in [0, 0, 500] {
            log.send();
            log.answer(after(start, millis));
        }
        assert_eq!(used(&log, 1005), [3, 3]);
        assert_eq!(log.next(after(start, 1005), FULL), Next::At(after(start, 1006)));
        assert_eq!(used(&log, 1006), [1, 3], "at this instant two places are free");
        log.send();
        assert_eq!(used(&log, 1006), [2, 4]);
        assert_eq!(used(&log, 9_999), [1, 4], "a call under way has no age");
        assert_eq!(used(&log, 60_000), [1, 1]);
    }

    /// Protects memory and order: the log keeps no more than the largest window needs, sorted.
    #[test]
    fn the_log_stays_short_and_sorted() {
        let start = Instant::now();
        let mut log = Rolling::new(&[window(5, 1000)]);
        for millis in [10, 5000, 20, 30, 40, 50, 60] {
            log.send();
            log.answer(after(start, millis));
        }
        assert_eq!(log.answered.len(), 5);
        assert!(log.answered.iter().is_sorted());
        assert_eq!(log.under_way(), 0);
    }
}
