//! Where the CA's lookups lead is found out before anything is put up, and again when that is old.

use jiff::SignedDuration;

use super::situation::Situation;
use crate::{
    Decision, Kind, Location, Lookup, Reason, Step,
    time::{after, is_older},
    words::list,
};

/// Only a file has no target for some names: it proves no wildcard (TLS BR 3.2.2.4.18).
pub(super) fn unprovable(s: &Situation<'_>) -> Option<Decision> {
    let methods = &s.policy.methods;
    let scope = s.facts.open().into_iter().find(|scope| {
        methods
            .spec(scope.method)
            .is_some_and(|spec| methods.lookups(spec, scope.name, scope.names).is_empty())
    })?;
    let detail = format!(
        "the wildcard of {} cannot be proven by a file; change the DCV method to dns-txt-token",
        scope.name
    );
    Some(s.rest_until_audit(s.unless_found(Reason::MethodUnsupported), detail))
}

pub(super) fn find_out(s: &Situation<'_>) -> Option<Decision> {
    let unknown = unknown(s);
    let detail = || format!("finding out which zone holds {}", list(&unknown));
    let detail = (!unknown.is_empty()).then(detail)?;
    Some(s.act(Step::Locate(unknown), Reason::SiteUnknown, detail))
}

/// The lookups of which it is not known where they lead. What was found stays true until it is old and the artifact is not
/// to be seen.
fn unknown(s: &Situation<'_>) -> Vec<Lookup> {
    let stale = is_older(s.facts.located_at, patience(s), s.now);
    let shown = |lookup: &Lookup| {
        let wanted = s.wanted().unwrap_or_default();
        wanted.iter().any(|wanted| wanted.lookup == *lookup && s.is_visible(wanted))
    };
    let is_unknown = |lookup: &&Lookup| match s.facts.located.get(*lookup) {
        None => true,
        Some(Location::Blocked(_)) => stale,
        Some(Location::At(_)) => stale && !shown(lookup),
    };
    s.lookups().iter().filter(is_unknown).cloned().collect()
}

/// For how long a location is believed: not long where another order is in the way, for it will let go.
fn patience(s: &Situation<'_>) -> SignedDuration {
    let taken = |location: &Location| matches!(location, Location::Blocked(because) if because.reason == Reason::NameTaken);
    let any_taken = s.lookups().iter().filter_map(|lookup| s.facts.located.get(lookup)).any(taken);
    if any_taken { s.policy.queue } else { s.policy.audit }
}

/// A scope of which no lookup leads to a target. Where the CA looks at two names of a domain, one that can be written is
/// enough.
pub(super) fn nowhere(s: &Situation<'_>) -> Option<Decision> {
    let lookups = s.lookups();
    let is_reachable = |lookup: &Lookup| {
        let beside = lookups.iter().filter(|other| other.domain == lookup.domain);
        beside.filter_map(|lookup| s.facts.located.get(lookup)).any(|at| matches!(at, Location::At(_)))
    };
    let because = lookups.iter().find_map(|lookup| match s.facts.located.get(lookup) {
        Some(Location::Blocked(because)) if !is_reachable(lookup) => Some(because),
        Some(_) | None => None,
    })?;
    let untold = s.facts.kind == Kind::Order && s.facts.order.is_none();
    if because.reason == Reason::NoProvider && untold {
        // With its scopes configured it was taken for an order by TXT.
        let detail = format!("{}; reading the order's method first", because.detail);
        return Some(s.act(Step::ReadOrder, Reason::OrderUnread, detail));
    }
    let reason = match because.reason {
        Reason::NoProvider | Reason::ForeignCname => s.unless_found(because.reason),
        reason => reason,
    };
    let located = s.facts.located_at.unwrap_or(s.now);
    let until = after(located, patience(s));
    Some(s.rest(until, reason, because.detail.clone()))
}
