//! Prevalidated domains: what the CA says about one, and when its proof has to be renewed.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{DomainName, Method, backoff::jitter, time::after};

/// The CA's view of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DomainFacts {
    /// When it was read; none for what a list told and where that is in doubt, so that it is read again before anything is
    /// done.
    pub at: Option<Timestamp>,
    /// The domain.
    pub name: DomainName,
    /// False for a domain that was put aside in the account.
    pub active: bool,
    /// Whether a proof is outstanding, the first or a renewal. The former proof stays in force meanwhile.
    pub pending: bool,
    /// How control is proven, where the CA told.
    pub method: Option<Method>,
    /// The kinds of validation that the domain takes part in, such as `ov` and `ev`.
    pub kinds: Vec<String>,
    /// When control was proven last.
    pub approved: Option<Timestamp>,
    /// Until when orders may use that proof.
    pub valid_until: Option<Timestamp>,
    /// When this end was seen first: the beginning of the period where the CA does not tell it.
    pub seen: Timestamp,
}

/// When proofs are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// A proof is renewed in the last so many percent of the time for which it may be used.
    pub window_percent: u8,
    /// A domain is never submitted again within this span after it was proven, whatever dates the CA shows.
    pub floor: SignedDuration,
    /// What was read of a domain counts for so long before the domain is submitted or its value replaced.
    pub fresh: SignedDuration,
}

impl Default for Renewal {
    fn default() -> Self {
        Self { window_percent: 33, floor: SignedDuration::from_hours(1), fresh: SignedDuration::from_mins(2) }
    }
}

impl DomainFacts {
    /// Until when the domain is proven, and from when on it is renewed, for people.
    #[must_use]
    pub fn sentence(&self, due: Timestamp) -> String {
        let until = self.valid_until.map_or_else(String::new, |end| format!(" until {end:.0}"));
        format!("proven{until}; renewed from {due:.0} on")
    }

    /// When the proof is to be renewed: in the last part of the period that the CA's own dates span, up to a quarter of
    /// that part earlier, so that domains which were proven together are not renewed together. At once where there is
    /// no proof.
    #[must_use]
    pub fn due(&self, renewal: &Renewal, seed: u64) -> Timestamp {
        let Some(end) = self.valid_until else { return Timestamp::MIN };
        let period = end.duration_since(self.approved.unwrap_or(self.seen)).max(SignedDuration::ZERO);
        let window = (period / 100).saturating_mul(i32::from(renewal.window_percent.min(100)));
        after(after(end, -window), -jitter(window / 4, seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn days(days: i64) -> Timestamp {
        NOW + SignedDuration::from_hours(24 * days)
    }

    fn domain(approved: Option<Timestamp>, valid_until: Option<Timestamp>) -> DomainFacts {
        DomainFacts {
            at: Some(NOW),
            name: "example.com".parse().unwrap(),
            active: true,
            pending: false,
            method: Some(Method::DnsTxt),
            kinds: vec!["ov".into()],
            approved,
            valid_until,
            seen: NOW,
        }
    }

    /// The window is a third of whatever period the CA's dates span: 199 days now, 9 or 10 in 2029, seconds in a test.
    #[test]
    fn the_window_is_a_share_of_the_period_that_the_ca_gives() {
        for period in [199, 100, 10, 9] {
            let window = SignedDuration::from_hours(24 * period) * 33 / 100;
            let mut all = Vec::new();
            for seed in 0..1000 {
                let due = domain(Some(NOW), Some(days(period))).due(&Renewal::default(), seed);
                assert!(
                    due <= days(period) - window && due >= days(period) - window * 5 / 4,
                    "{period}: {due}"
                );
                all.push(due);
            }
            all.sort();
            all.dedup();
            assert!(all.len() > 500, "domains that were proven together are renewed together");
        }
    }

    #[test]
    fn odd_dates_neither_delay_a_renewal_past_the_end_nor_panic() {
        let renewal = Renewal::default();
        assert_eq!(domain(None, None).due(&renewal, 1), Timestamp::MIN);
        for (approved, end) in [
            (Timestamp::MIN, Timestamp::MAX),
            (days(20), days(10)),
            (Timestamp::MAX, Timestamp::MIN),
            (days(10), days(10)),
        ] {
            assert!(domain(Some(approved), Some(end)).due(&renewal, 7) <= end);
        }
        let unknown = domain(None, Some(days(30))).due(&renewal, 7);
        assert!(unknown > NOW && unknown < days(21), "the period begins when its end was seen: {unknown}");
    }
}
