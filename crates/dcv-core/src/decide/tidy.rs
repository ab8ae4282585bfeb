//! What is over is tidied up, and what is known is read again when it is old.

use super::situation::Situation;
use crate::{
    Decision, Facts, FailureClass, Held, Kind, Life, OrderStatus, Reason, Stage, Step,
    time::{after, is_older},
};

/// Takes down what is no longer needed. What stands for good goes only with the order or domain itself.
pub(super) fn take_down(s: &Situation<'_>) -> Option<Decision> {
    let facts = s.facts;
    if facts.held.is_empty() || !is_over(s) {
        return None;
    }
    let stands = |method| s.policy.methods.spec(method).is_some_and(|spec| spec.life == Life::Standing);
    if facts.methods().any(stands) && !is_gone(facts) && !is_gone_for_good(s) {
        return None;
    }
    let artifacts = facts.held.iter().map(|held| held.artifact.clone()).collect();
    Some(s.act(Step::Retract(artifacts), Reason::TidyUp, "the validation records are no longer needed"))
}

/// Takes down what holds a value that is past its end: by the CA's date, or since it was put up longer ago than any value
/// lives.
pub(super) fn take_down_expired(s: &Situation<'_>) -> Option<Decision> {
    let token = s.facts.token.as_ref();
    let expired_value =
        token.filter(|token| token.expiry(s.policy.value_life_cap) <= s.now).and_then(|token| token.fit());
    let is_expired = |held: &&Held| {
        let carries = expired_value.is_some_and(|value| held.artifact.carries(value));
        carries || held.applied.is_some_and(|at| s.has_passed(s.policy.value_life_cap, at))
    };
    let gone: Vec<_> = s.facts.held.iter().filter(is_expired).map(|held| held.artifact.clone()).collect();
    let detail = "the value has expired and proves nothing any more";
    (!gone.is_empty()).then(|| s.act(Step::Retract(gone), Reason::TidyUp, detail))
}

/// Whether the CA has not known the order or domain for so long that it is no mistake.
pub(super) fn is_gone_for_good(s: &Situation<'_>) -> bool {
    let failure = s.facts.failure.as_ref().filter(|failure| failure.class == FailureClass::Gone);
    failure.is_some_and(|failure| s.has_passed(s.policy.gone, failure.since))
}

/// An order that the CA does not know any more is closed; it is asked for once a day, should it come back.
pub(super) fn unknown_to_the_ca(s: &Situation<'_>) -> Option<Decision> {
    let failure = s.facts.failure.as_ref().filter(|_| is_gone_for_good(s))?;
    let again = after(failure.at, s.policy.gone);
    let detail = format!("DigiCert has not known it since {:.0}: {}", failure.since, failure.detail);
    Some(match again > s.now {
        true => s.rest(again, Reason::OrderClosed, detail),
        false => s.act(s.read(), Reason::OrderClosed, detail),
    })
}

pub(super) fn left_the_configuration(s: &Situation<'_>) -> Option<Decision> {
    let detail = || format!("the {} has left the configuration", s.facts.kind);
    s.facts.retired.then(|| s.rest_until_audit(Reason::OrderClosed, detail()))
}

/// Reads again what is known of the order or domain, once that is old.
pub(super) fn audit(s: &Situation<'_>) -> Option<Decision> {
    let is_due = match s.facts.kind {
        Kind::Order => is_older(s.facts.order.as_ref()?.at, s.policy.audit, s.now),
        Kind::Domain => {
            let domain = s.facts.domain.as_ref()?;
            // What a list told is not read before it is known that the domain can be served at all.
            let only_listed = domain.active && domain.at.is_none() && s.facts.located_at.is_none();
            is_older(domain.at, s.policy.audit, s.now) && !only_listed
        }
    };
    is_due.then(|| s.act(s.read(), Reason::AuditDue, "reading again what was last read long ago"))
}

/// Whether nothing is left to prove.
fn is_over(s: &Situation<'_>) -> bool {
    let facts = s.facts;
    let over = match facts.kind {
        Kind::Order => facts
            .order
            .as_ref()
            .is_some_and(|order| order.status.stage() == Stage::Ended || order.not_admitted.is_some()),
        Kind::Domain => {
            let settled = facts.domain.as_ref().is_some_and(|domain| !domain.pending || !domain.active);
            settled && (is_gone(facts) || facts.due(&s.policy.renewal) > s.now)
        }
    };
    facts.retired || facts.proven || over || is_gone_for_good(s)
}

/// Whether the order or domain itself is no more, as far as we are concerned.
fn is_gone(facts: &Facts) -> bool {
    let closed = |status: &OrderStatus| status.stage() == Stage::Ended && *status != OrderStatus::Issued;
    let of_order = facts.order.as_ref().is_some_and(|order| closed(&order.status));
    facts.retired || of_order || facts.is_inactive()
}
