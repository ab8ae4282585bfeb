//! What readings and submissions of a prevalidated domain tell.

use jiff::Timestamp;

use crate::{DomainFacts, Facts, GivenValue, Method};

impl Facts {
    pub(super) fn learn_domain(&mut self, domain: DomainFacts, value: Option<GivenValue>, now: Timestamp) {
        let assumed = self.method().unwrap_or(&Method::DnsTxt);
        if domain.method.as_ref().is_some_and(|told| told != assumed) {
            self.located.clear();
            self.forget_sightings();
        }
        let before = self.domain.take();
        let seen = before
            .filter(|before| before.valid_until == domain.valid_until)
            .map_or(now, |before| before.seen);
        // The CA's word counts, not our memory of an answer to a check.
        self.proven = false;
        match value {
            // A value serves one proof: what is left of the one before is none for the next.
            _ if !domain.pending => self.token = None,
            Some(value) => self.learn_shown(value, now),
            // An answer may leave the value out; that makes one that is at hand no worse.
            None => {}
        }
        self.domain = Some(Box::new(DomainFacts { at: Some(now), seen, ..domain }));
    }

    /// A value that a reading shows: unlike the answer to a request it says nothing of what a request would bring.
    fn learn_shown(&mut self, value: GivenValue, now: Timestamp) {
        let before = self.token.clone();
        self.learn_value(value, now);
        if let (Some(token), Some(before)) = (&mut self.token, before)
            && token.value == before.value
        {
            token.stale_answers = before.stale_answers;
            token.requested = before.requested;
        }
    }

    pub(super) fn learn_submitted(&mut self, value: Option<GivenValue>, now: Timestamp) {
        if let Some(domain) = &mut self.domain {
            domain.pending = true;
            // Without a value in the answer the domain is read for it.
            domain.at = value.is_some().then_some(now);
        }
        self.proven = false;
        self.asked = None;
        self.token = None;
        if let Some(value) = value {
            self.learn_value(value, now);
        }
    }
}
