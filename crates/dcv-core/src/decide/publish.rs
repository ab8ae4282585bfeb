//! What proves control is put up, put back where it was lost, and taken down once another value was checked.

use super::situation::Situation;
use crate::{Answer, Artifact, Decision, Held, Match, Reason, Step, Target, Wanted, words::list};

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
    let is_lost = |wanted: &&Wanted| {
        let applied = held(s, &wanted.artifact).and_then(|held| held.applied);
        applied.is_some_and(|at| s.has_passed(s.policy.republish, at)) && is_nowhere(s, wanted)
    };
    let lost: Vec<Artifact> =
        s.wanted()?.iter().filter(is_lost).map(|wanted| wanted.artifact.clone()).collect();
    (!lost.is_empty()).then(|| {
        let detail = format!("{} was published and is gone; publishing it again", targets(&lost));
        publish(s, lost, Reason::Drifted, detail)
    })
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
