//! What the agent would do: the same decisions and the same steps, up to where something would be changed.

use dcv_core::{Decision, Facts, Kind, Next, Step, decide};

use crate::{clock, context::Context, pass, subject::Subject};

/// More steps in a row than any order takes before it rests.
const STEPS: usize = 20;

/// Reads the order or domain, and goes on as the agent would until it rests or a step is not to be taken; what was learned is
/// in the facts then.
pub(super) async fn advance(
    context: &Context,
    subject: &Subject,
    facts: &mut Facts,
    may_take: impl Fn(&Step) -> bool,
) -> Decision {
    if !facts.retired {
        let read = match subject.id.kind() {
            Kind::Order => Step::ReadOrder,
            Kind::Domain => Step::ReadDomain,
        };
        take(context, subject, facts, &read).await;
    }
    let policy = context.policy(&subject.account);
    let mut decision = decide(facts, policy, clock::now());
    for _ in 0..STEPS {
        let Next::Do(step) = &decision.next else { break };
        if step.writes() || !may_take(step) {
            break;
        }
        take(context, subject, facts, step).await;
        decision = decide(facts, policy, clock::now());
    }
    decision
}

async fn take(context: &Context, subject: &Subject, facts: &mut Facts, step: &Step) {
    let outcome = pass::execute(context, subject, facts, step).await;
    facts.learn(step, outcome, clock::now());
}
