//! Rules of a prevalidated domain alone: when its proof is renewed, and where its value comes from.
//!
//! Submitting a domain is harmless, its proof stays in force. Making a new value is not: the former one is worthless from
//! then on. So both happen only upon what was read a moment ago, and never twice upon the same reading.

use super::situation::Situation;
use crate::{
    Decision, DomainFacts, Reason, Step,
    time::{after, is_older},
};

/// A check that went well does not tell until when the proof may be used.
pub(super) fn read_when_proven(s: &Situation<'_>) -> Option<Decision> {
    let detail = "the domain was proven; reading until when";
    (s.facts.proven && !s.facts.retired && !s.facts.is_inactive())
        .then(|| s.act(Step::ReadDomain, Reason::DomainUnread, detail))
}

pub(super) fn proof_has_time(s: &Situation<'_>) -> Option<Decision> {
    let domain = s.facts.domain.as_ref().filter(|domain| domain.active && !domain.pending)?;
    let due = s.facts.due(&s.policy.renewal);
    (due > s.now).then(|| s.rest(due, Reason::Validated, domain.sentence(due)))
}

pub(super) fn inactive(s: &Situation<'_>) -> Option<Decision> {
    let detail = "the domain is deactivated in CertCentral";
    s.facts.is_inactive().then(|| s.rest_until_audit(Reason::DomainInactive, detail))
}

pub(super) fn unread(s: &Situation<'_>) -> Option<Decision> {
    let detail = "reading the domain to see what is to be proven";
    s.facts.domain.is_none().then(|| s.act(Step::ReadDomain, Reason::DomainUnread, detail))
}

/// An answer that got lost may have had its effect, and what was read a while ago may have changed.
pub(super) fn read_before_acting(s: &Situation<'_>) -> Option<Decision> {
    let domain = needing_a_value(s)?;
    let lost = s.facts.failure.as_ref().is_some_and(|failure| !failure.read_since);
    let detail = "reading the domain before anything is done for it";
    (lost || is_older(domain.at, s.policy.renewal.fresh, s.now))
        .then(|| s.act(Step::ReadDomain, Reason::DomainUnread, detail))
}

pub(super) fn submit(s: &Situation<'_>) -> Option<Decision> {
    let domain = needing_a_value(s).filter(|domain| !domain.pending)?;
    let detail = match domain.valid_until {
        Some(end) => format!("the domain's proof may be used until {end:.0}; submitting it for the next one"),
        None => "the domain has no proof; submitting it".to_owned(),
    };
    Some(s.act(Step::SubmitDomain, Reason::RenewalDue, detail))
}

pub(super) fn new_value(s: &Situation<'_>) -> Option<Decision> {
    needing_a_value(s)?;
    let Some(token) = &s.facts.token else {
        let detail = "the domain awaits a proof and has no value; one is made";
        return Some(s.act(Step::NewDomainValue, Reason::ValueMissing, detail));
    };
    // A CA that gives what has expired already is asked ever more rarely.
    let due = after(token.requested, s.policy.retry.after(token.stale_answers + 8, s.facts.seed));
    if token.stale_answers > 1 && due > s.now {
        let detail = "DigiCert gives values that have expired already";
        return Some(s.rest(due, Reason::ValueExpired, detail));
    }
    let detail = "the domain's value expired; a new one is made";
    Some(s.act(Step::NewDomainValue, Reason::ValueExpired, detail))
}

/// The domain, where something has to be done before there is a value to publish.
fn needing_a_value<'a>(s: &Situation<'a>) -> Option<&'a DomainFacts> {
    let usable = s.facts.has_usable_value(s.policy.value_life_cap, s.now);
    s.facts.domain.as_deref().filter(|domain| !(domain.pending && usable))
}
