//! Watching only: what the agent would do is said, and not done.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use dcv_core::{Because, Decision, Facts, Location, Next, Outcome, Policy, Step, words::list};
use jiff::Timestamp;

use crate::subject::Subject;

/// How a sentence begins that says what would be done.
const WOULD: &str = "watching only: the agent would ";

/// What would have been done for each order and domain, as it was said last.
#[derive(Debug, Default)]
pub(super) struct Watching(Mutex<HashMap<Subject, String>>);

impl Watching {
    /// The decision of one who only watches: a step that changes anything anywhere, DigiCert's random value included, becomes
    /// a rest until the order is read again; and what happened is told beside what would have been done.
    pub(super) fn instead(
        &self,
        subject: &Subject,
        Decision { next, because }: Decision,
        facts: &Facts,
        policy: &Policy,
        now: Timestamp,
    ) -> Decision {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &next {
            Next::Do(step) if step.writes() || matches!(step, Step::RequestValue) => {
                let would = format!("{} ({})", describe(step, facts), because.detail);
                let detail = format!("{WOULD}{would}");
                said.insert(subject.clone(), would);
                let until = now.saturating_add(policy.audit).unwrap_or(Timestamp::MAX);
                Decision { next: Next::RestUntil(until), because: Because::new(because.reason, detail) }
            }
            Next::RestUntil(_) if matches!(because.reason.outcome(), Outcome::Done | Outcome::Blocked) => {
                let Some(would) = said.remove(subject) else { return Decision { next, because } };
                let detail = format!(
                    "{}; it came to this without the agent, which would have: {would}",
                    because.detail
                );
                Decision { next, because: Because::new(because.reason, detail) }
            }
            Next::Do(_) | Next::RestUntil(_) => Decision { next, because },
        }
    }
}

fn describe(step: &Step, facts: &Facts) -> String {
    match step {
        Step::RequestValue => {
            format!(
                "fetch the random value, put it up at {}, look for it, and have DigiCert check",
                targets(facts)
            )
        }
        Step::SubmitDomain => "submit the domain for validation, and publish its value".to_owned(),
        Step::NewDomainValue => "have a new value made for the domain, and publish it".to_owned(),
        Step::SwitchMethod(method) => format!("change the method to {}", method.as_str()),
        Step::Publish { artifacts, .. } => {
            format!("put up {}", list(artifacts))
        }
        Step::Retract(artifacts) => format!("take down {}", list(artifacts)),
        Step::AskCa => "have DigiCert check".to_owned(),
        Step::ReadOrder | Step::ReadDomain | Step::Locate(_) | Step::Look(_) | Step::ReadCaa(_) => {
            step.kind().label().to_owned()
        }
    }
}

fn targets(facts: &Facts) -> String {
    let targets = facts.located.iter().filter_map(|(_, location)| match location {
        Location::At(target) => Some(target),
        Location::Blocked(_) => None,
    });
    list(&targets.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use dcv_core::{Reason, decide};

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    /// No step that changes anything is left, and reading goes on.
    #[test]
    fn only_reading_is_left() {
        let (facts, policy) = (Facts::default(), Policy::default());
        let (watching, order) = (Watching::default(), Subject::order("main", 1));
        let instead = |decision| watching.instead(&order, decision, &facts, &policy, NOW);
        let reading = decide(&facts, &policy, NOW);
        assert_eq!(reading.next, Next::Do(Step::ReadOrder));
        assert_eq!(instead(reading.clone()), reading);
        let steps = [
            Step::RequestValue,
            Step::SubmitDomain,
            Step::NewDomainValue,
            Step::SwitchMethod("dns-txt-token".into()),
            Step::Publish { artifacts: Vec::new(), replacing: Vec::new() },
            Step::Retract(Vec::new()),
            Step::AskCa,
        ];
        for step in steps {
            let decided = |next, reason| Decision { next, because: Because::new(reason, "why") };
            let watched = instead(decided(Next::Do(step.clone()), Reason::Visible));
            assert!(matches!(watched.next, Next::RestUntil(until) if until > NOW), "{step:?}");
            assert!(watched.because.detail.starts_with(WOULD), "{}", watched.because);
            assert_eq!(instead(reading.clone()), reading, "reading in between says nothing of the end");
            let end = instead(decided(Next::RestUntil(NOW), Reason::Validated));
            assert!(
                end.because.detail.starts_with("why; it came to this without the agent"),
                "{}",
                end.because
            );
            let again = instead(decided(Next::RestUntil(NOW), Reason::Validated));
            assert_eq!(again.because.detail, "why", "it is told once");
        }
    }
}
