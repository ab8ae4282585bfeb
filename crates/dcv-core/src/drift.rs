//! Values of ours that somebody else takes away while they are needed.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{Label, Lookup, time::after};

/// From so many times on it is no accident, and told with its interval.
const RECURS: u32 = 3;
/// Losses that are remembered, of which the interval is the median.
const REMEMBERED: usize = 5;
/// Whoever runs once a day is still the same; what happens after a longer time is another story.
const EPISODE: SignedDuration = SignedDuration::from_hours(25);

/// What is known of values that have gone, each after every server that answered had shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// How often, in this episode.
    pub count: u32,
    /// The latest times at which it was noticed.
    noticed: Vec<Timestamp>,
    /// Where, the last time.
    lookup: Lookup,
}

impl Drift {
    /// One more loss; the first of an episode where the last one is long ago.
    #[must_use]
    pub(crate) fn once_more(before: Option<Self>, lookup: Lookup, now: Timestamp) -> Self {
        let before = before.filter(|before| after(before.last(), EPISODE) >= now);
        let (count, mut noticed) = before.map_or((0, Vec::new()), |before| (before.count, before.noticed));
        if noticed.len() == REMEMBERED {
            noticed.remove(0);
        }
        noticed.push(now);
        Self { count: count.saturating_add(1), noticed, lookup }
    }

    /// When it was last noticed.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        self.noticed.last().copied().unwrap_or(Timestamp::MIN)
    }

    /// Whether it happens again and again.
    #[must_use]
    pub const fn recurs(&self) -> bool {
        self.count >= RECURS
    }

    /// How far apart, roughly; none before it has happened twice, or where the clock was set.
    #[must_use]
    pub fn interval(&self) -> Option<SignedDuration> {
        let gaps = self.noticed.windows(2).map(|pair| match pair {
            [one, other] => other.duration_since(*one),
            _ => SignedDuration::ZERO,
        });
        let mut gaps: Vec<SignedDuration> = gaps.collect();
        gaps.sort();
        gaps.get(gaps.len() / 2).copied().filter(|gap| gap.is_positive())
    }
}

/// What it looks like, and what a person can do about it.
impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what was published for {} has been taken away {} times", self.lookup.domain, self.count)?;
        if let Some(interval) = self.interval() {
            let seconds = SignedDuration::from_secs(interval.as_secs().max(1));
            write!(f, ", about every {seconds:#}")?;
        }
        f.write_str(match self.lookup.label {
            Label::File => "; something else clears the folder, a deployment perhaps: have it leave /.well-known/pki-validation alone",
            Label::Bare | Label::Under(_) => {
                "; another tool that manages the zone deletes what it does not know: `dcv-agent policy --ignore octodns` (dnscontrol, terraform, external-dns) prints what keeps it from that"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn lookup(label: Label) -> Lookup {
        Lookup { domain: "example.com".parse().unwrap(), label }
    }

    /// Noticed at these seconds, one after the other.
    fn noticed(at: &[i64]) -> Drift {
        let more = |before, &second| {
            Some(Drift::once_more(before, lookup(Label::Bare), NOW + SignedDuration::from_secs(second)))
        };
        at.iter().fold(None, more).unwrap()
    }

    #[test]
    fn from_the_third_time_on_the_interval_is_told() {
        for (at, count, recurs, interval) in [
            (&[0][..], 1, false, None),
            (&[0, 600], 2, false, Some(600)),
            (&[0, 600, 1210], 3, true, Some(610)),
            (&[0, 600, 1200, 1800, 2400, 3000, 9000], 7, true, Some(600)),
            (&[0, 0, 0], 3, true, None),
            // The day after tomorrow is another story.
            (&[0, 600, 1200, 200_000], 1, false, None),
        ] {
            let drift = noticed(at);
            assert_eq!((drift.count, drift.recurs()), (count, recurs), "{at:?}");
            assert_eq!(drift.interval().map(|interval| interval.as_secs()), interval, "{at:?}");
        }
        let told = noticed(&[0, 600, 1200]).to_string();
        assert!(
            told.contains("3 times, about every 10m; another tool") && told.contains("policy --ignore"),
            "{told}"
        );
    }

    #[test]
    fn a_file_that_goes_is_no_matter_of_dns() {
        let told = Drift::once_more(None, lookup(Label::File), NOW).to_string();
        assert!(!told.contains("zone") && told.contains("pki-validation"), "{told}");
    }
}
