//! From sightings to a verdict: would the CA see the value now?

use serde::Serialize;

use crate::{Answer, RandomValue, Sighting, VantageKind};

/// How strict the verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictPolicy {
    /// How many authorities may fail to answer (not: answer without the value) without spoiling the verdict. At least
    /// one authority has to show the value in any case.
    pub tolerate_failed: usize,
}

impl Default for VerdictPolicy {
    /// Nobody may fail: the CA's perspectives pick any server.
    fn default() -> Self {
        Self { tolerate_failed: 0 }
    }
}

/// Whether a value is visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Every authority and every resolver asked shows the value.
    Visible,
    /// Not everywhere yet.
    Lagging {
        /// Servers that answer without the value.
        without: Vec<String>,
        /// Servers that did not answer, each with the reason.
        failed: Vec<String>,
    },
    /// Nobody was asked, or nobody could be.
    Unseen,
}

/// Judges one owner name's sightings.
#[must_use]
pub fn verdict(sightings: &[Sighting], value: &RandomValue, policy: VerdictPolicy) -> Verdict {
    let (mut shown, mut without, mut failed) = (0, Vec::new(), Vec::new());
    let mut failed_authorities = 0;
    for Sighting { vantage, answer, .. } in sightings {
        let label = format!("{} ({})", vantage.server, vantage.address);
        match answer {
            answer if answer.shows(value.as_str()) => {
                shown += usize::from(vantage.kind == VantageKind::Authority)
            }
            Answer::Failed(why) => {
                failed_authorities += usize::from(vantage.kind == VantageKind::Authority);
                failed.push(format!("{label}: {why}"));
            }
            Answer::Txt(_) | Answer::Cname(_) => without.push(label),
        }
    }
    // A resolver that fails says nothing about the zone; one that answers without the value holds a negative cache
    // entry which the CA's own resolver may hold too.
    if shown > 0 && without.is_empty() && failed_authorities <= policy.tolerate_failed {
        Verdict::Visible
    } else if sightings.is_empty() {
        Verdict::Unseen
    } else {
        Verdict::Lagging { without, failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vantage;

    const VALUE: &str = "q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls";

    fn seen(port: u16, kind: VantageKind, answer: Answer) -> Sighting {
        let vantage = Vantage { server: format!("ns{port}"), address: ([192, 0, 2, 1], port).into(), kind };
        Sighting { vantage, at: jiff::Timestamp::UNIX_EPOCH, answer }
    }

    fn txt(texts: &[&str]) -> Answer {
        Answer::Txt(texts.iter().map(|&t| t.to_owned()).collect())
    }

    #[test]
    fn the_verdict_table() {
        use VantageKind::{Authority as A, Resolver as R};
        let failed = || Answer::Failed("timed out".into());
        type Case = (&'static str, Vec<(VantageKind, Answer)>, usize, bool);
        let cases: &[Case] = &[
            ("nobody asked", vec![], 0, false),
            ("one of one", vec![(A, txt(&[VALUE]))], 0, true),
            ("beside a foreign value", vec![(A, txt(&["other", VALUE]))], 0, true),
            ("one lags", vec![(A, txt(&[VALUE])), (A, txt(&[]))], 0, false),
            ("one lags with another value", vec![(A, txt(&[VALUE])), (A, txt(&["old"]))], 1, false),
            ("one is dead", vec![(A, txt(&[VALUE])), (A, failed())], 0, false),
            ("one is dead and tolerated", vec![(A, txt(&[VALUE])), (A, failed())], 1, true),
            ("all are dead and tolerated", vec![(A, failed())], 1, false),
            ("a resolver cached a denial", vec![(A, txt(&[VALUE])), (R, txt(&[]))], 0, false),
            ("a resolver fails", vec![(A, txt(&[VALUE])), (R, failed())], 0, true),
            ("only a resolver shows it", vec![(R, txt(&[VALUE]))], 0, false),
            ("quoted value", vec![(A, txt(&[&format!("\"{VALUE}\"")]))], 0, false),
            ("alias", vec![(A, Answer::Cname("x.example".parse().unwrap()))], 0, false),
        ];
        for (what, answers, tolerate_failed, visible) in cases {
            let sightings: Vec<_> = answers
                .iter()
                .zip(1u16..)
                .map(|((kind, answer), n)| seen(n, *kind, answer.clone()))
                .collect();
            let policy = VerdictPolicy { tolerate_failed: *tolerate_failed };
            let verdict = verdict(&sightings, &RandomValue::new(VALUE).unwrap(), policy);
            assert_eq!(verdict == Verdict::Visible, *visible, "{what}: {verdict:?}");
        }
    }
}
