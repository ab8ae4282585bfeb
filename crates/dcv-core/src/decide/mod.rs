//! From facts to the next step. The rules stand in one table and are tried from top to bottom; the first that applies
//! decides.
//!
//! 1. A failure that is still being waited out gates everything.
//! 2. An order that is over, proven or gone from the configuration is tidied up, then rests; so is a domain whose proof
//!    has time left.
//! 3. Statuses and methods that are not ours are watched.
//! 4. What is unknown or old is read: the order or domain, then where the records go, then the value.
//! 5. The value is published, looked for, and, once visible everywhere, CAA is read and the CA is asked.
//! 6. Replaced values go once the new one was checked.

mod domain;
mod failure;
mod locate;
mod order;
mod prove;
mod publish;
mod situation;
mod tidy;

use jiff::Timestamp;

use self::situation::Situation;
use crate::{Decision, Facts, Kind, Outcome, Policy, Reason};

/// Decides. Pure: the same facts, policy and time give the same decision.
#[must_use]
pub fn decide(facts: &Facts, policy: &Policy, now: Timestamp) -> Decision {
    let situation = Situation::new(facts, policy, now);
    let of_kind = RULES.iter().filter(|rule| rule.kind.is_none_or(|kind| kind == facts.kind));
    let decision = of_kind
        .filter_map(|rule| {
            let decision = (rule.apply)(&situation)?;
            debug_assert!(rule.reasons.contains(&decision.because.reason), "{} gave {decision:?}", rule.name);
            Some(decision)
        })
        .next()
        .unwrap_or_else(|| situation.rest_until_audit(Reason::ValueMissing, "no value at hand"));
    with_drift(facts, decision)
}

/// While work is open it is told beside the reason what takes our values away again and again.
fn with_drift(facts: &Facts, mut decision: Decision) -> Decision {
    if let Some(drift) = facts.drift.as_ref().filter(|drift| drift.recurs())
        && decision.because.reason.outcome() == Outcome::Open
    {
        decision.because.detail = format!("{}; {drift}", decision.because.detail);
    }
    decision
}

/// One rule.
struct Rule {
    name: &'static str,
    /// Of what it is a rule; of orders and domains alike where none is named.
    kind: Option<Kind>,
    /// The reasons that it can give.
    reasons: &'static [Reason],
    apply: fn(&Situation<'_>) -> Option<Decision>,
}

/// A table of rules, each in a line: of what, which function, and the reasons that it can give.
macro_rules! rules {
    ($($kind:ident: $room:ident::$rule:ident => [$($reason:ident),+];)+) => {
        const RULES: &[Rule] = &[$(Rule {
            name: stringify!($rule),
            kind: rules!(@ $kind),
            reasons: &[$(Reason::$reason),+],
            apply: $room::$rule,
        }),+];
    };
    (@ all) => { None };
    (@ orders) => { Some(Kind::Order) };
    (@ domains) => { Some(Kind::Domain) };
}

rules! {
    all: failure::wait_out => [BackingOff, NameTaken, SetupRefused, Unexpected, OrderRefused, WaitingForDigicert, TidyUp];
    domains: domain::read_when_proven => [DomainUnread];
    all: tidy::take_down => [TidyUp];
    all: tidy::unknown_to_the_ca => [OrderClosed];
    all: tidy::left_the_configuration => [OrderClosed];
    domains: domain::proof_has_time => [Validated];
    all: tidy::audit => [AuditDue];
    domains: domain::inactive => [DomainInactive];
    orders: order::over => [Validated, OrderClosed, CaaForbids, WaitingForApproval, WaitingForDigicert];
    orders: order::not_ours_to_act => [NotTakenUp, WaitingForApproval, StatusUnknown];
    all: order::switch_method => [MethodSwitch];
    all: order::method_unsupported => [NotTakenUp, MethodUnsupported];
    orders: order::unread => [OrderUnread];
    domains: domain::unread => [DomainUnread];
    orders: order::no_scopes => [NoScopes];
    all: locate::unprovable => [NotTakenUp, MethodUnsupported];
    all: locate::find_out => [SiteUnknown];
    all: locate::nowhere => [OrderUnread, NotTakenUp, NoProvider, NameTaken, ForeignCname, WildcardHost, BadDelegation, NameTooLong];
    orders: order::value_missing => [ValueMissing];
    all: order::value_unfit => [ValueUnfit];
    orders: order::value_expired => [ValueExpired];
    orders: order::value_expiring => [ValueExpiring];
    domains: domain::read_before_acting => [DomainUnread];
    domains: domain::submit => [RenewalDue];
    domains: domain::new_value => [ValueExpired, ValueMissing];
    all: publish::put_up => [ValueUnfit, Unpublished];
    all: publish::put_back => [Drifted];
    all: publish::superseded => [Superseded];
    all: prove::look => [Propagating, DnssecBogus, CaseChanged];
    all: prove::read_after_check => [AuditDue];
    all: prove::wait_for_ca => [CaaForbids, WaitingForCa];
    all: prove::read_caa => [Visible];
    all: prove::ask => [Visible];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Reason::ALL` is what a reader learns the rules by: each reason stands where it is given first.
    #[test]
    fn reasons_are_listed_in_the_order_in_which_the_rules_give_them() {
        let mut given = Vec::new();
        for reason in RULES.iter().flat_map(|rule| rule.reasons) {
            if !given.contains(reason) {
                given.push(*reason);
            }
        }
        assert_eq!(given, Reason::ALL);
    }
}
