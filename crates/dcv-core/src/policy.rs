//! The numbers behind the decisions.

use jiff::SignedDuration;

use crate::{Backoff, VerdictPolicy};

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
    pub look: Backoff,
    /// Looks after which a zone counts as stuck, and the wait from then on.
    pub look_stuck: (u32, SignedDuration),
    /// Waits between the CA's checks; the last one repeats.
    pub ask_ladder: Vec<SignedDuration>,
    /// Before the CA is asked, DNS was looked at within this span.
    pub sighting_fresh: SignedDuration,
    /// A value that was published this long ago and is nowhere to be seen is published again.
    pub republish: SignedDuration,
    /// The waits after failures that the world will mend.
    pub retry: Backoff,
    /// The wait before settings or credentials that were refused are tried again.
    pub setup_retry: SignedDuration,
    /// What counts as visible.
    pub verdict: VerdictPolicy,
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
            look: Backoff { first: SignedDuration::from_millis(150), cap: SignedDuration::from_secs(30) },
            look_stuck: (120, minutes(5)),
            ask_ladder: vec![minutes(1), minutes(2), minutes(5), minutes(15), minutes(60)],
            sighting_fresh: SignedDuration::from_secs(30),
            republish: minutes(10),
            retry: Backoff { first: SignedDuration::from_secs(1), cap: minutes(15) },
            setup_retry: minutes(5),
            verdict: VerdictPolicy::default(),
        }
    }
}
