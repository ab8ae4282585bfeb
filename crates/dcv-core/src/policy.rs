//! The numbers behind the decisions.

use jiff::SignedDuration;

use crate::{Backoff, Methods, Renewal, VerdictPolicy, backoff::jitter};

/// How often DNS is looked at while a value spreads.
///
/// A primary shows a value at once and tells its secondaries, which have it some milliseconds later: the first looks come
/// quickly, and each wait is as long as the time that has passed. For some seconds, in which secondaries that poll come
/// round, waits stay short. Then each is a share of the time that has passed: a value is noticed late by a share of the time
/// that it took, whether that is a minute or an hour, and the number of looks grows with the logarithm of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// The shortest wait.
    pub first: SignedDuration,
    /// The longest wait within `brisk`.
    pub short: SignedDuration,
    /// For so long after the value was published waits are short.
    pub brisk: SignedDuration,
    /// After it, waits are this share of the time since the value was published.
    pub share: i32,
    /// The longest wait within `patience`.
    pub cap: SignedDuration,
    /// From then on the zone counts as stuck.
    pub patience: SignedDuration,
    /// The wait for a stuck zone.
    pub stuck: SignedDuration,
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            first: SignedDuration::from_millis(4),
            short: SignedDuration::from_millis(80),
            brisk: SignedDuration::from_secs(6),
            share: 20,
            cap: SignedDuration::from_secs(30),
            patience: SignedDuration::from_hours(1),
            stuck: SignedDuration::from_mins(5),
        }
    }
}

impl Cadence {
    /// The wait before the next look, when `passed` has passed since the value was published.
    #[must_use]
    pub fn after(&self, passed: SignedDuration, seed: u64) -> SignedDuration {
        if passed >= self.patience {
            return self.stuck - jitter(self.stuck / 10, seed);
        }
        let wait = match passed < self.brisk {
            true => passed.clamp(self.first, self.short),
            false => (passed / self.share).clamp(self.short, self.cap),
        };
        wait - jitter(wait / 10, seed)
    }
}

/// How patient, how eager and how strict the agent is. The defaults suit DigiCert's documented behaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// An order at rest is looked at again after this long.
    pub audit: SignedDuration,
    /// Once inside this span before the value's expiry the value is confirmed, once.
    pub confirm_margin: SignedDuration,
    /// Never two requests for one order's value within this span, whatever dates come back.
    pub request_floor: SignedDuration,
    /// A value is taken as expired after this long whatever its date says (DigiCert: 30 days, BR 3.2.2.4.7).
    pub value_life_cap: SignedDuration,
    /// Up to this much jitter after the expiry before a new value is requested.
    pub expiry_jitter: SignedDuration,
    /// The waits between looks at DNS.
    pub look: Cadence,
    /// Before an answer whose DNSSEC validation fails is told as such, it is looked at this often: signatures may
    /// follow a record a moment later.
    pub bogus_looks: u32,
    /// Waits between the CA's checks; the last one repeats.
    pub ask_ladder: Vec<SignedDuration>,
    /// Before the CA is asked, DNS was looked at within this span.
    pub sighting_fresh: SignedDuration,
    /// A value that was published this long ago and is nowhere to be seen is published again.
    pub republish: SignedDuration,
    /// The waits after failures that the world will mend.
    pub retry: Backoff,
    /// An order that the CA has not known for this long is closed.
    pub gone: SignedDuration,
    /// The wait before settings or credentials that were refused are tried again.
    pub setup_retry: SignedDuration,
    /// What counts as visible.
    pub verdict: VerdictPolicy,
    /// What can be carried out.
    pub methods: Methods,
    /// The wait before a name that another order has taken is tried again.
    pub queue: SignedDuration,
    /// When proofs of domains are renewed.
    pub renewal: Renewal,
}

impl Default for Policy {
    fn default() -> Self {
        let minutes = SignedDuration::from_mins;
        Self {
            audit: SignedDuration::from_hours(1),
            confirm_margin: SignedDuration::from_hours(72),
            request_floor: SignedDuration::from_secs(2),
            value_life_cap: SignedDuration::from_hours(30 * 24),
            expiry_jitter: SignedDuration::from_secs(2),
            look: Cadence::default(),
            bogus_looks: 12,
            ask_ladder: vec![minutes(1), minutes(2), minutes(5), minutes(15), minutes(60)],
            sighting_fresh: SignedDuration::from_secs(30),
            republish: minutes(10),
            retry: Backoff { first: SignedDuration::from_secs(1), cap: minutes(15) },
            gone: SignedDuration::from_hours(24),
            setup_retry: minutes(5),
            verdict: VerdictPolicy::default(),
            methods: Methods::default(),
            queue: SignedDuration::from_secs(15),
            renewal: Renewal::default(),
        }
    }
}
