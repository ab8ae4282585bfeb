//! What proves control is put up, put back where it was lost, and taken down once another value was checked.

use jiff::Timestamp;

use super::situation::Situation;
use crate::{
    Answer, Artifact, Decision, Held, Match, Reason, Stands, Step, Target, Wanted, time::after, words::list,
};

pub(super) fn put_up(s: &Situation<'_>) -> Option<Decision> {
    let wanted = match s.wanted_or_why_not()? {
        Ok(wanted) => wanted,
        Err(why) => return Some(s.rest_until_audit(Reason::ValueUnfit, why.clone())),
    };
    let mut missing: Vec<Artifact> = wanted
        .iter()
        .map(|wanted| &wanted.artifact)
        .filter(|artifact| held(s, artifact).is_none_or(|held| held.applied.is_none()))
        .cloned()
        .collect();
    missing.sort();
    missing.dedup();
    let first = missing.first()?;
    let detail = format!("publishing {} at {}", first.fingerprint(), targets(&missing));
    Some(publish(s, missing, Reason::Unpublished, detail))
}

pub(super) fn put_back(s: &Situation<'_>) -> Option<Decision> {
    // What was everywhere and is nowhere was taken away; of what never was, it may just be slow.
    let was_taken = |wanted: &Wanted| {
        s.facts.looked_at.get(&wanted.lookup).is_some_and(|look| look.stands == Stands::Gone)
    };
    let is_lost = |wanted: &&Wanted| {
        let applied = held(s, &wanted.artifact).and_then(|held| held.applied);
        let is_late = |at| was_taken(wanted) || s.has_passed(s.policy.republish, at);
        applied.is_some_and(is_late) && is_nowhere(s, wanted)
    };
    let lost: Vec<Artifact> =
        s.wanted()?.iter().filter(is_lost).map(|wanted| wanted.artifact.clone()).collect();
    if lost.is_empty() {
        return None;
    }
    let detail = format!("{} was published and is gone; publishing it again", targets(&lost));
    let held = s.facts.held.iter().filter(|held| lost.contains(&held.artifact));
    let due = held.filter_map(|held| held.applied).max().and_then(|put_up| not_before(s, put_up));
    Some(match due.filter(|due| *due > s.now) {
        Some(due) => s.rest(due, Reason::Drifted, detail),
        None => publish(s, lost, Reason::Drifted, detail),
    })
}

/// Whoever takes it away within seconds each time is not raced: it is put back ever more rarely, counted from when it was
/// last put up.
fn not_before(s: &Situation<'_>, put_up: Timestamp) -> Option<Timestamp> {
    let again = s.facts.drift.as_ref()?.count.checked_sub(1).filter(|again| *again > 0)?;
    Some(after(put_up, s.policy.retry.after(again, s.facts.seed)))
}

/// The former value goes once the CA was asked to check the one that replaced it. What holds the value of today stays until
/// the whole order is proven, also where its own scope is.
pub(super) fn superseded(s: &Situation<'_>) -> Option<Decision> {
    let value = s.facts.token.as_ref()?.fit()?;
    s.facts.asked.as_ref()?;
    let held = s.facts.held.iter().map(|held| &held.artifact);
    let gone: Vec<Artifact> = held.filter(|artifact| !artifact.carries(value)).cloned().collect();
    let detail = "the value was replaced and the new one was checked";
    (!gone.is_empty()).then(|| s.act(Step::Retract(gone), Reason::Superseded, detail))
}

fn publish(s: &Situation<'_>, artifacts: Vec<Artifact>, reason: Reason, detail: String) -> Decision {
    let gives_way = |held: &&Held| artifacts.iter().any(|artifact| held.artifact.excludes(artifact));
    let replacing = s.facts.held.iter().filter(gives_way).map(|held| held.artifact.clone()).collect();
    s.act(Step::Publish { artifacts, replacing }, reason, detail)
}

fn held<'a>(s: &Situation<'a>, artifact: &Artifact) -> Option<&'a Held> {
    s.facts.held.iter().find(|held| held.artifact == *artifact)
}

/// Every server that answered says that it is not there, in a look made after it was published.
fn is_nowhere(s: &Situation<'_>, wanted: &Wanted) -> bool {
    s.facts.sightings.get(&wanted.lookup).is_some_and(|sightings| {
        let answers = sightings.iter().map(|sighting| &sighting.answer);
        let mut answers = answers.filter(|answer| !matches!(answer, Answer::Failed(_))).peekable();
        answers.peek().is_some() && answers.all(|answer| answer.judge(&wanted.artifact) == Match::Absent)
    })
}

fn targets(artifacts: &[Artifact]) -> String {
    list(&artifacts.iter().map(Artifact::target).collect::<Vec<Target>>())
}
