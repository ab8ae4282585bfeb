//! What is over is tidied up, and what is known is read again when it is old.

use super::situation::Situation;
use crate::{Decision, Facts, Kind, Life, OrderStatus, Reason, Stage, Step, time::is_older};

/// Takes down what is no longer needed. What stands for good goes only with the order or domain itself.
pub(super) fn take_down(s: &Situation<'_>) -> Option<Decision> {
    let facts = s.facts;
    if facts.held.is_empty() || !is_over(s) {
        return None;
    }
    let stands = |method| s.policy.methods.spec(method).is_some_and(|spec| spec.life == Life::Standing);
    if facts.methods().any(stands) && !is_gone(facts) {
        return None;
    }
    let artifacts = facts.held.iter().map(|held| held.artifact.clone()).collect();
    Some(s.act(Step::Retract(artifacts), Reason::TidyUp, "the validation records are no longer needed"))
}

pub(super) fn left_the_configuration(s: &Situation<'_>) -> Option<Decision> {
    let what = match s.facts.kind {
        Kind::Order => "order",
        Kind::Domain => "domain",
    };
    let detail = || format!("the {what} has left the configuration");
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
    is_due.then(|| s.act(s.read(), Reason::AuditDue, "what is known of it is old"))
}

/// Whether nothing is left to prove.
fn is_over(s: &Situation<'_>) -> bool {
    let facts = s.facts;
    let over = match facts.kind {
        Kind::Order => facts.order.as_ref().is_some_and(|order| order.status.stage() == Stage::Ended),
        Kind::Domain => {
            let settled = facts.domain.as_ref().is_some_and(|domain| !domain.pending || !domain.active);
            settled && (is_gone(facts) || facts.due(&s.policy.renewal) > s.now)
        }
    };
    facts.retired || facts.proven || over
}

/// Whether the order or domain itself is no more, as far as we are concerned.
fn is_gone(facts: &Facts) -> bool {
    let closed = |status: &OrderStatus| status.stage() == Stage::Ended && *status != OrderStatus::Issued;
    let of_order = facts.order.as_ref().is_some_and(|order| closed(&order.status));
    let of_domain = facts.domain.as_ref().is_some_and(|domain| !domain.active);
    facts.retired || of_order || of_domain
}
