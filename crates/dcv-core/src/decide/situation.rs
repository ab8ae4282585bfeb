//! What every rule is given: facts, policy and time, with what follows from them.

use std::cell::OnceCell;

use jiff::{SignedDuration, Timestamp};

use crate::{
    Because, Decision, Facts, Kind, Lookup, Next, Policy, Reason, Step, Verdict, Wanted, time::after, verdict,
};

pub(super) struct Situation<'a> {
    pub(super) facts: &'a Facts,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
    lookups: OnceCell<Vec<Lookup>>,
    wanted: OnceCell<Option<Result<Vec<Wanted>, String>>>,
}

impl<'a> Situation<'a> {
    pub(super) const fn new(facts: &'a Facts, policy: &'a Policy, now: Timestamp) -> Self {
        Self { facts, policy, now, lookups: OnceCell::new(), wanted: OnceCell::new() }
    }

    /// What the CA looks up for what is still to be proven.
    pub(super) fn lookups(&self) -> &[Lookup] {
        self.lookups.get_or_init(|| self.facts.lookups(&self.policy.methods))
    }

    /// What has to be found, where there is a value that fits.
    pub(super) fn wanted(&self) -> Option<&[Wanted]> {
        self.wanted_or_why_not()?.as_ref().ok().map(Vec::as_slice)
    }

    /// The same, or why the value does not fit.
    pub(super) fn wanted_or_why_not(&self) -> Option<&Result<Vec<Wanted>, String>> {
        self.wanted.get_or_init(|| self.facts.wanted(&self.policy.methods)).as_ref()
    }

    pub(super) fn is_visible(&self, wanted: &Wanted) -> bool {
        match self.verdict(wanted) {
            Some(verdict) => verdict == Verdict::Visible,
            None => self.facts.looked_at.get(&wanted.lookup).is_some_and(|look| look.was_visible),
        }
    }

    pub(super) fn verdict(&self, Wanted { lookup, artifact }: &Wanted) -> Option<Verdict> {
        let sightings = self.facts.sightings.get(lookup)?;
        Some(verdict(sightings, |answer| answer.judge(artifact), self.policy.verdict))
    }

    pub(super) fn expiry(&self) -> Option<Timestamp> {
        self.facts.expiry(self.policy.value_life_cap)
    }

    /// Whether that time was so long ago.
    pub(super) fn has_passed(&self, span: SignedDuration, since: Timestamp) -> bool {
        after(since, span) <= self.now
    }

    /// The step that reads what the CA says.
    pub(super) const fn read(&self) -> Step {
        match self.facts.kind {
            Kind::Order => Step::ReadOrder,
            Kind::Domain => Step::ReadDomain,
        }
    }

    pub(super) fn act(&self, step: Step, reason: Reason, detail: impl Into<String>) -> Decision {
        Decision { next: Next::Do(step), because: Because::new(reason, detail) }
    }

    /// Rests until `until`, or until the value's dates ask for something, whichever is earlier.
    pub(super) fn rest(&self, until: Timestamp, reason: Reason, detail: impl Into<String>) -> Decision {
        let wake = match self.expiry() {
            Some(expiry) if !reason.is_failure() && expiry > self.now => {
                let margin = after(expiry, -self.policy.confirm_margin);
                until.min(if margin > self.now { margin } else { expiry })
            }
            Some(_) | None => until,
        };
        Decision { next: Next::RestUntil(wake.max(self.now)), because: Because::new(reason, detail) }
    }

    /// Rests until what is known of the order is old.
    pub(super) fn rest_until_audit(&self, reason: Reason, detail: impl Into<String>) -> Decision {
        let read = self.facts.order.as_ref().and_then(|order| order.at).unwrap_or(self.now);
        self.rest(after(read, self.policy.audit), reason, detail)
    }

    /// What cannot be done is a defect where the operator named the order, and none where it was only found.
    pub(super) const fn unless_found(&self, reason: Reason) -> Reason {
        if self.facts.discovered { Reason::NotTakenUp } else { reason }
    }
}
