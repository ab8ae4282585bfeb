//! A step that failed is waited out before anything else is done.

use jiff::SignedDuration;

use super::{situation::Situation, tidy};
use crate::{
    Decision, FailedStep, FailureClass, Kind, OrderStatus, Reason, Stage, Step, StepKind, time::after,
};

pub(super) fn wait_out(s: &Situation<'_>) -> Option<Decision> {
    let failure = s.facts.failure.as_ref()?;
    if tidy::is_gone_for_good(s) {
        return None;
    }
    // However long the failure lasts, a value that has expired proves nothing any more. A failure to take it down is itself
    // waited out.
    if failure.step != StepKind::Retract
        && let Some(expired) = tidy::take_down_expired(s)
    {
        return Some(expired);
    }
    if failure.class == FailureClass::Refused && s.facts.kind == Kind::Order {
        return refused_order(s, failure);
    }
    rest(s, failure, reason(failure.class), wait(s, failure))
}

/// The order tells why it was refused; it is read once. If it wants our work all the same, a person is needed.
fn refused_order(s: &Situation<'_>, failure: &FailedStep) -> Option<Decision> {
    let Some(order) = s.facts.order.as_ref().filter(|_| failure.read_since) else {
        return Some(s.act(Step::ReadOrder, Reason::OrderRefused, failure.detail.clone()));
    };
    let ours = order.status.stage() == Stage::Work && !s.facts.requirements(&s.policy.methods).is_empty();
    if !ours || s.facts.proven {
        return None;
    }
    // While DigiCert works on an order it may have no value for it; nobody has to act.
    let reason = match order.status {
        OrderStatus::Processing => Reason::WaitingForDigicert,
        _ => Reason::OrderRefused,
    };
    rest(s, failure, reason, s.policy.audit)
}

fn wait(s: &Situation<'_>, failure: &FailedStep) -> SignedDuration {
    let backoff = || s.policy.retry.after(failure.count, s.facts.seed);
    match failure.class {
        FailureClass::Later | FailureClass::Bug => backoff(),
        FailureClass::Taken => backoff().min(s.policy.queue),
        FailureClass::Setup => s.policy.setup_retry,
        FailureClass::Blocked | FailureClass::Refused | FailureClass::Gone => s.policy.audit,
    }
}

const fn reason(class: FailureClass) -> Reason {
    match class {
        FailureClass::Later => Reason::BackingOff,
        FailureClass::Taken => Reason::NameTaken,
        FailureClass::Setup => Reason::SetupRefused,
        FailureClass::Blocked | FailureClass::Refused | FailureClass::Gone => Reason::OrderRefused,
        FailureClass::Bug => Reason::Unexpected,
    }
}

fn rest(s: &Situation<'_>, failure: &FailedStep, reason: Reason, wait: SignedDuration) -> Option<Decision> {
    let wait = wait.max(s.policy.request_floor).max(failure.retry_after.unwrap_or_default());
    let until = after(failure.at, wait);
    // Not past the end of what is up.
    let end = s.expiry().filter(|&end| end > s.now && !s.facts.held.is_empty());
    let until = end.map_or(until, |end| until.min(end));
    let detail = || format!("{}: {}", failure.step.doing(), failure.detail);
    (until > s.now).then(|| s.rest(until, reason, detail()))
}
