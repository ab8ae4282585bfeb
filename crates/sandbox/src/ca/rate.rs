//! The request limits: rolling windows, per key.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

/// At most this many calls in any span of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateWindow {
    /// Calls allowed.
    pub calls: usize,
    /// Length of the window.
    pub per: Duration,
}

impl RateWindow {
    /// DigiCert's documented windows: 100 in 5 seconds and 1000 in 3 minutes.
    pub fn documented() -> Vec<Self> {
        vec![
            Self { calls: 100, per: Duration::from_secs(5) },
            Self { calls: 1000, per: Duration::from_secs(180) },
        ]
    }
}

/// Counts the calls of every key.
#[derive(Debug)]
pub(super) struct Limits {
    windows: Vec<RateWindow>,
    admitted: BTreeMap<String, VecDeque<Instant>>,
}

impl Limits {
    pub(super) fn new(windows: Vec<RateWindow>) -> Self {
        Self { windows, admitted: BTreeMap::new() }
    }

    /// Admits a call, or says that the key is over a limit. A refused call does not count against the key.
    pub(super) fn admit(&mut self, key: &str, now: Instant) -> bool {
        let Some(longest) = self.windows.iter().map(|window| window.per).max() else { return true };
        let admitted = self.admitted.entry(key.to_owned()).or_default();
        // Only what the longest window still sees is kept, so memory is bounded by the limits themselves.
        while admitted.front().is_some_and(|&at| now.duration_since(at) >= longest) {
            admitted.pop_front();
        }
        let within = |window: &RateWindow| {
            let recent = admitted.iter().rev().take_while(|&&at| now.duration_since(at) < window.per);
            recent.take(window.calls).count() < window.calls
        };
        let admit = self.windows.iter().all(within);
        if admit {
            admitted.push_back(now);
        }
        admit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_roll_and_are_exact() {
        let window = RateWindow { calls: 3, per: Duration::from_secs(5) };
        let mut limits = Limits::new(vec![window]);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for millis in [0, 1000, 2000] {
            assert!(limits.admit("a", at(millis)));
        }
        assert!(!limits.admit("a", at(4999)), "the window is full until its first call leaves");
        assert!(limits.admit("b", at(4999)), "keys are counted apart");
        assert!(limits.admit("a", at(5000)));
        assert!(!limits.admit("a", at(5999)));
        assert!(limits.admit("a", at(6000)), "refused calls do not lengthen the penalty");
    }

    #[test]
    fn the_longer_window_holds_too() {
        let short = RateWindow { calls: 2, per: Duration::from_secs(1) };
        let long = RateWindow { calls: 3, per: Duration::from_secs(60) };
        let mut limits = Limits::new(vec![short, long]);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(limits.admit("a", at(0)) && limits.admit("a", at(0)) && !limits.admit("a", at(0)));
        assert!(limits.admit("a", at(1)) && !limits.admit("a", at(10)) && limits.admit("a", at(60)));
    }
}
