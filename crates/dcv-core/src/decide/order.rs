//! Rules of an order: when it is over, what of it is ours to do, how it is read, and where its value comes from.

use jiff::Timestamp;

use super::{prove::with_unreadable, situation::Situation};
use crate::{
    Backoff, CaaFacts, Decision, Kind, Method, OpenScope, OrderFacts, OrderStatus, Reason, Stage, Step,
    backoff::jitter, time::after, words::list,
};

/// An order that has ended, or of which every scope is proven, rests.
pub(super) fn over(s: &Situation<'_>) -> Option<Decision> {
    let order = s.facts.order.as_deref();
    let ended = order.filter(|order| order.status.stage() == Stage::Ended);
    match (ended, order) {
        (Some(OrderFacts { status: OrderStatus::Issued, .. }), _) => {
            Some(s.rest_until_audit(Reason::Validated, "the certificate is issued"))
        }
        (Some(OrderFacts { status, .. }), _) => {
            Some(s.rest_until_audit(Reason::OrderClosed, format!("the order is {status}")))
        }
        (None, _) if !s.facts.proven => None,
        (None, Some(order)) => Some(proven(s, order)),
        (None, None) => Some(s.rest_until_audit(Reason::Validated, "every domain is proven")),
    }
}

/// Every scope is proven, and the order is still open.
fn proven(s: &Situation<'_>, order: &OrderFacts) -> Decision {
    if let Some(forbidden) = s.facts.caa.as_ref().and_then(CaaFacts::forbidden) {
        return s.rest_until_audit(Reason::CaaForbids, forbidden);
    }
    if let Some(approval) = &order.approval {
        return s.rest_until_audit(Reason::WaitingForApproval, approval);
    }
    let missing = match order.missing.as_slice() {
        [] => String::new(),
        missing => format!(": {}", list(missing)),
    };
    let status = &order.status;
    let detail = format!("every domain is proven; the order is {status} and waits for DigiCert{missing}");
    s.rest_until_audit(Reason::WaitingForDigicert, with_unreadable(s, detail))
}

/// What somebody else has to do, and what the operator does not want done.
pub(super) fn not_ours_to_act(s: &Situation<'_>) -> Option<Decision> {
    let OrderFacts { status, scopes, unreadable, approval, not_admitted, .. } = s.facts.order.as_deref()?;
    if let Some(why) = not_admitted {
        return Some(s.rest_until_audit(Reason::NotTakenUp, why));
    }
    if let Some(approval) = approval.as_ref().filter(|_| scopes.is_empty() && unreadable.is_empty()) {
        return Some(s.rest_until_audit(Reason::WaitingForApproval, approval));
    }
    match status.stage() {
        Stage::Watch => {
            let detail = format!("the order is {status}; somebody has to act in CertCentral first");
            Some(s.rest_until_audit(Reason::WaitingForApproval, detail))
        }
        Stage::Unknown => {
            let status = status.as_str();
            let detail =
                format!("the order's status {status:?} is unknown to this version; nothing is touched");
            Some(s.rest_until_audit(Reason::StatusUnknown, detail))
        }
        Stage::Work | Stage::Ended => None,
    }
}

/// Changes the method from e-mail where the operator allows it, and where all that is open is by e-mail: a scope that is
/// proven, or by another method, keeps its own.
pub(super) fn switch_method(s: &Situation<'_>) -> Option<Decision> {
    let to = s.facts.switch_to.clone()?;
    let open = s.facts.open();
    let by_mail = |method: &Method| method.as_str() == "email";
    let untold =
        s.facts.order.as_ref().is_none_or(|order| order.scopes.is_empty() && order.unreadable.is_empty());
    let all = match open.as_slice() {
        [] => untold && s.facts.method().is_some_and(by_mail),
        open => open.iter().all(|scope| by_mail(scope.method)),
    };
    let detail = || format!("changing the {} from e-mail to a DNS method", s.facts.kind);
    all.then(|| s.act(Step::SwitchMethod(to), Reason::MethodSwitch, detail()))
}

/// What is open can only be done by somebody else: its method is not carried out, or its scope cannot be read. What can be
/// done of an order is done first.
pub(super) fn method_unsupported(s: &Situation<'_>) -> Option<Decision> {
    let carried_out = |method: &Method| s.policy.methods.spec(method).is_some();
    let open = s.facts.open();
    if open.iter().any(|scope| carried_out(scope.method)) {
        return None;
    }
    let unreadable = s.facts.order.as_ref().map_or(&[][..], |order| &order.unreadable);
    let method = open.first().map(|scope| scope.method).or_else(|| s.facts.method());
    let detail = match (method.filter(|method| !carried_out(method)), unreadable) {
        (Some(method), _) => unsupported(s, method, &open),
        (None, []) => return None,
        (None, unreadable) => format!(
            "DigiCert wants control of {} proven, which the agent cannot do; prove it by hand in CertCentral",
            list(unreadable)
        ),
    };
    // An order of which the agent can do a part is its work, and stays open with what it cannot do.
    let has_scopes = s.facts.order.as_ref().is_some_and(|order| !order.scopes.is_empty());
    let does_a_part = has_scopes && s.facts.methods().any(carried_out);
    let reason =
        if does_a_part { Reason::MethodUnsupported } else { s.unless_found(Reason::MethodUnsupported) };
    Some(s.rest_until_audit(reason, detail))
}

fn unsupported(s: &Situation<'_>, method: &Method, open: &[OpenScope<'_>]) -> String {
    let method = method.as_str();
    match (s.facts.kind, s.facts.discovered) {
        (Kind::Domain, _) => {
            format!("the domain is validated by {method:?}, which the agent does not carry out")
        }
        (Kind::Order, _) if s.facts.method().is_some_and(|general| general.as_str() != method) => {
            let scopes: Vec<_> = open.iter().map(|scope| scope.name).collect();
            format!("{} is validated by {method:?}, which the agent does not carry out", list(&scopes))
        }
        (Kind::Order, true) => {
            format!("the order is validated by {method:?}, which the agent does not carry out")
        }
        (Kind::Order, false) => {
            format!("the order wants {method:?}; change its DCV method to dns-txt-token in CertCentral")
        }
    }
}

pub(super) fn unread(s: &Situation<'_>) -> Option<Decision> {
    let unknown = s.facts.order.is_none() && s.facts.configured.is_empty();
    unknown
        .then(|| s.act(Step::ReadOrder, Reason::OrderUnread, "reading the order to see what is to be proven"))
}

pub(super) fn no_scopes(s: &Situation<'_>) -> Option<Decision> {
    let order = s.facts.order.as_ref()?;
    let none = order.scopes.is_empty() && s.facts.configured.is_empty();
    let detail = "DigiCert names no domain to prove for this order; set `scopes` for it";
    none.then(|| s.rest_until_audit(Reason::NoScopes, detail))
}

pub(super) fn value_missing(s: &Situation<'_>) -> Option<Decision> {
    let detail = "asking DigiCert for the order's random value";
    s.facts.token.is_none().then(|| s.act(Step::RequestValue, Reason::ValueMissing, detail))
}

/// A value that cannot be published. An order is asked for another one in time; a domain's is made anew by a call that is
/// not repeated for this.
pub(super) fn value_unfit(s: &Situation<'_>) -> Option<Decision> {
    let token = s.facts.token.as_ref()?;
    let detail = format!("{}; nothing was published", token.value.as_ref().err()?.0);
    Some(match s.facts.kind {
        Kind::Order => request_at(s, after(token.requested, s.policy.audit), Reason::ValueUnfit, detail),
        Kind::Domain => s.rest_until_audit(Reason::ValueUnfit, detail),
    })
}

/// The CA makes a new value only once the old one has expired, and then not always at once: it is asked ever more rarely.
pub(super) fn value_expired(s: &Situation<'_>) -> Option<Decision> {
    let token = s.facts.token.as_ref()?;
    let expiry = s.expiry().filter(|&expiry| s.now >= expiry)?;
    let due = after(expiry, jitter(s.policy.expiry_jitter, s.facts.seed));
    let backoff = Backoff { first: s.policy.request_floor, cap: s.policy.retry.cap };
    let floor = after(token.requested, backoff.after(token.stale_answers.max(1) + 1, s.facts.seed));
    let what = match token.stale_answers {
        0 => "the value expired",
        _ => "DigiCert still gives a value that expired",
    };
    Some(request_at(s, due.max(floor), Reason::ValueExpired, format!("{what} at {expiry:.0}")))
}

/// Once inside the margin before its end the value is confirmed, which tells early that a gap is coming.
pub(super) fn value_expiring(s: &Situation<'_>) -> Option<Decision> {
    let token = s.facts.token.as_ref()?;
    let expiry = s.expiry()?;
    let margin = after(expiry, -s.policy.confirm_margin);
    (s.now >= margin && token.requested < margin).then(|| {
        let detail =
            format!("the value expires at {expiry:.0} and the order is still open; confirming it once");
        s.act(Step::RequestValue, Reason::ValueExpiring, detail)
    })
}

fn request_at(s: &Situation<'_>, due: Timestamp, reason: Reason, detail: String) -> Decision {
    if due > s.now { s.rest(due, reason, detail) } else { s.act(Step::RequestValue, reason, detail) }
}
