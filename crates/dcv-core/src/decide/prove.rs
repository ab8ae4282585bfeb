//! Published everywhere: looked for until it is visible, then the CA is asked, ever more rarely.

use jiff::{SignedDuration, Timestamp};

use super::situation::Situation;
use crate::{
    Artifact, Asked, CaaFacts, Decision, Kind, Label, Lookup, OrderFacts, Reason, Step, Verdict, Wanted,
    backoff::jitter,
    time::{after, is_older},
    words::list,
};

/// Looks for what is not visible yet, or rests until the next look.
pub(super) fn look(s: &Situation<'_>) -> Option<Decision> {
    let unseen: Vec<Wanted> = s.wanted()?.iter().filter(|wanted| !s.is_visible(wanted)).cloned().collect();
    if unseen.is_empty() {
        return None;
    }
    let (reason, detail) = why_unseen(s, &unseen);
    let due = next_look(s, &unseen).unwrap_or(s.now);
    Some(if due > s.now { s.rest(due, reason, detail) } else { s.act(Step::Look(unseen), reason, detail) })
}

/// Signatures may follow a record a moment later, and a former alias may be in other capitals, so that such troubles are told
/// only after some looks.
fn why_unseen(s: &Situation<'_>, unseen: &[Wanted]) -> (Reason, String) {
    let (mut lagging, mut bogus, mut respelled) = (Vec::new(), Vec::new(), Vec::new());
    for wanted in unseen {
        let name = describe(&wanted.lookup);
        match s.verdict(wanted) {
            Some(Verdict::Lagging { without, failed }) => {
                let lag: Vec<_> = without.into_iter().chain(failed).collect();
                lagging.push(format!("waiting for {} to show the value for {name}", list(&lag)));
            }
            Some(Verdict::Bogus { servers }) => {
                bogus.push(format!("DNSSEC is broken for {name}: {}", list(&servers)));
            }
            Some(Verdict::Respelled { servers }) => respelled.push(format!(
                "{name} has the value in other capitals at {}, and DigiCert tells capitals apart; have them kept there, or change the DCV method to dns-txt-token",
                list(&servers)
            )),
            Some(Verdict::Visible | Verdict::Unseen) | None => {
                lagging.push(format!("looking for the value of {name}"));
            }
        }
    }
    if s.facts.looks >= s.policy.bogus_looks {
        if !bogus.is_empty() {
            return (Reason::DnssecBogus, list(&bogus));
        }
        if lagging.is_empty() && !respelled.is_empty() {
            return (Reason::CaseChanged, list(&respelled));
        }
    }
    lagging.extend(bogus);
    lagging.extend(respelled);
    (Reason::Propagating, list(&lagging))
}

/// When these are looked at next, if all of them were before.
fn next_look(s: &Situation<'_>, unseen: &[Wanted]) -> Option<Timestamp> {
    let of_these = |artifact: &Artifact| unseen.iter().any(|wanted| wanted.artifact == *artifact);
    let published =
        s.facts.held.iter().filter(|held| of_these(&held.artifact)).filter_map(|held| held.applied);
    let passed = published.max().map_or(SignedDuration::ZERO, |at| s.now.duration_since(at));
    let wait = s.policy.look.after(passed.max(SignedDuration::ZERO), s.facts.seed);
    let looked: Option<Vec<_>> =
        unseen.iter().map(|wanted| Some(s.facts.looked_at.get(&wanted.lookup)?.at)).collect();
    Some(after(looked?.into_iter().min()?, wait))
}

/// The CA has been asked, and is asked again after a while.
pub(super) fn wait_for_ca(s: &Situation<'_>) -> Option<Decision> {
    s.wanted()?;
    let asked = s.facts.asked.as_ref()?;
    let due = next_check(s, asked);
    if due <= s.now {
        return None;
    }
    let said = format!("visible everywhere, DigiCert says: {}", asked.said);
    Some(match s.facts.caa.as_ref().and_then(CaaFacts::forbidden) {
        Some(forbidden) => s.rest(due, Reason::CaaForbids, format!("{forbidden}; {said}")),
        None => s.rest(due, Reason::WaitingForCa, with_unreadable(s, said)),
    })
}

/// Adds what it may cost that CAA records cannot be read.
pub(super) fn with_unreadable(s: &Situation<'_>, said: String) -> String {
    match s.facts.caa.as_ref().and_then(CaaFacts::unreadable) {
        Some(unreadable) => format!("{said}; {unreadable}"),
        None => said,
    }
}

fn next_check(s: &Situation<'_>, asked: &Asked) -> Timestamp {
    let ladder = &s.policy.ask_ladder;
    let rung = usize::try_from(asked.count).unwrap_or(usize::MAX).saturating_sub(1);
    let wait = ladder.get(rung).or_else(|| ladder.last()).copied().unwrap_or(s.policy.audit);
    after(asked.at, wait + jitter(wait / 10, s.facts.seed))
}

/// The CA does not find the value of an order whose scopes it was not asked for: it may look elsewhere.
pub(super) fn read_after_check(s: &Situation<'_>) -> Option<Decision> {
    s.wanted()?;
    let asked = s.facts.asked.as_ref()?;
    let tells_scopes =
        |order: &OrderFacts| !order.scopes.is_empty() || order.at.is_some_and(|at| at > asked.at);
    let untold = s.facts.kind == Kind::Order && !s.facts.order.as_deref().is_some_and(tells_scopes);
    let detail = "DigiCert does not find the value; reading at which domains it looks";
    untold.then(|| s.act(Step::ReadOrder, Reason::AuditDue, detail))
}

pub(super) fn read_caa(s: &Situation<'_>) -> Option<Decision> {
    s.wanted()?;
    let read = s.facts.caa.as_ref().map(|caa| caa.at);
    let step = || Step::ReadCaa(s.facts.open_names());
    let detail = "reading CAA records before DigiCert is asked";
    is_older(read, s.policy.audit, s.now).then(|| s.act(step(), Reason::Visible, detail))
}

/// Asks the CA upon a fresh look, and looks once more where the last one was a while ago.
pub(super) fn ask(s: &Situation<'_>) -> Option<Decision> {
    let wanted = s.wanted()?;
    let is_fresh = |wanted: &Wanted| {
        !is_older(s.facts.looked_at.get(&wanted.lookup).map(|look| look.at), s.policy.sighting_fresh, s.now)
    };
    Some(if wanted.iter().all(is_fresh) {
        s.act(Step::AskCa, Reason::Visible, "the value is visible everywhere")
    } else {
        let detail = "looking once more before DigiCert is asked";
        s.act(Step::Look(wanted.to_vec()), Reason::Visible, detail)
    })
}

/// A lookup in a sentence: the domain where there is one name for it.
fn describe(lookup: &Lookup) -> String {
    match lookup.label {
        Label::Under(_) => lookup.domain.to_string(),
        Label::Bare => format!("{} itself", lookup.domain),
        Label::File => lookup.to_string(),
    }
}
