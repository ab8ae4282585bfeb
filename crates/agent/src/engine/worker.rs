//! A worker: takes a subject through pass after pass until it rests.

use std::{sync::Arc, time::Duration};

use dcv_core::{Because, Decision, Drift, Facts, Kind, Next, Outcome, Step, decide};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, debug_span, info, warn};

use super::{Mode, watching::Watching};
use crate::{
    board::{self, Known, StatusBoard},
    clock,
    config::Acting,
    context::Context,
    pass,
    subject::Subject,
    trouble::Trouble,
};

/// Steps in a row without a rest after which a subject is suspected to go round in circles.
const STEPS_IN_A_ROW: u32 = 100;
const BREATHER: Duration = Duration::from_secs(10);
/// At least a little, so that clocks that step and rounding never make a loop that only spins.
const SHORTEST_REST: Duration = Duration::from_millis(2);

/// What workers share.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) context: Arc<Context>,
    pub(super) board: Arc<StatusBoard>,
    /// Looks that may be under way at once. Calls to the CA and changes of DNS stand in lines of their own, where the least
    /// slack goes first; here they would wait in the order in which they came.
    pub(super) looks: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
    pub(super) mode: Mode,
    pub(super) watching: Arc<Watching>,
}

/// What a worker gives back.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) subject: Subject,
    pub(super) facts: Box<Facts>,
    /// For how long it rests; none where it needs no more looking after.
    pub(super) rest: Option<Duration>,
}

impl Worker {
    /// Decides, carries out, learns, and again, until there is nothing to do now.
    pub(super) async fn reconcile(self, subject: Subject, mut facts: Box<Facts>) -> Done {
        let policy = self.context.policy(&subject.account);
        let mut in_a_row = 0;
        let rest = loop {
            let now = clock::now();
            let decision = self.decide(&subject, &facts, now);
            self.publish_status(&subject, &facts, &decision, now);
            let step = match &decision.next {
                Next::Do(step) => step,
                Next::RestUntil(wake) => {
                    if self.is_finished(&subject, &facts, &decision.because) {
                        break None;
                    }
                    facts.keep_lean(policy, *wake, now);
                    break Some(wake.duration_since(now).unsigned_abs().max(SHORTEST_REST));
                }
            };
            in_a_row += 1;
            if in_a_row > STEPS_IN_A_ROW {
                warn!(
                    step = step.kind().label(),
                    "{subject}: many steps without a rest, pausing; the last one since {}", decision.because
                );
                break Some(BREATHER);
            }
            if self.execute(&subject, &mut facts, step, &decision.because).await.is_none() {
                break Some(SHORTEST_REST);
            }
        };
        Done { subject, facts, rest }
    }

    /// What to do now; one who only watches says it instead.
    fn decide(&self, subject: &Subject, facts: &Facts, now: Timestamp) -> Decision {
        let policy = self.context.policy(&subject.account);
        let decision = decide(facts, policy, now);
        if self.context.config.acting == Acting::Act {
            return decision;
        }
        self.watching.instead(subject, decision, facts, policy, now)
    }

    /// Carries out one step, and learns what came of it. None when the agent stops before it has begun.
    async fn execute(
        &self,
        subject: &Subject,
        facts: &mut Facts,
        step: &Step,
        because: &Because,
    ) -> Option<()> {
        let permit = match step {
            Step::Locate(_) | Step::Look(_) | Step::ReadCaa(_) => {
                Some(self.stop.run_until_cancelled(self.looks.acquire()).await?)
            }
            _ if self.stop.is_cancelled() => return None,
            _ => None,
        };
        let span = debug_span!("pass", step = step.kind().label(), reason = because.reason.code());
        // Boxed: what the largest step needs would lie in the frame of every worker, and be moved with it.
        let outcome = Box::pin(pass::execute(&self.context, subject, facts, step)).instrument(span).await;
        drop(permit);
        let known = facts.configured_otherwise();
        let drift = facts.drift.clone();
        facts.learn(step, outcome, clock::now());
        self.tell_drift(subject, drift.as_deref(), facts.drift.as_deref());
        if let Some(otherwise) = facts.configured_otherwise().filter(|_| known.is_none()) {
            warn!("{subject}: {otherwise}");
        }
        if let Some(failure) = &facts.failure {
            let (step, class, count) = (failure.step.label(), failure.class, failure.count);
            debug!(step, ?class, count, "{subject}: {}", failure.detail);
        }
        Some(())
    }

    /// Counts what somebody else has taken away; says once that it goes on and on.
    fn tell_drift(&self, subject: &Subject, before: Option<&Drift>, now: Option<&Drift>) {
        let Some(drift) = now.filter(|now| before != Some(now)) else { return };
        self.board.count_drift(&subject.account);
        if drift.recurs() && !before.is_some_and(Drift::recurs) {
            warn!("{subject}: {drift}");
        }
    }

    /// Whether it needs no more looking after; then it is listed no more where nothing tells more of it.
    fn is_finished(&self, subject: &Subject, facts: &Facts, because: &Because) -> bool {
        let reason = because.reason;
        if facts.retired && facts.held.is_empty() {
            self.board.forget(subject);
            return true;
        }
        // One who only watches has seen all that there is to see, unless a call failed for now.
        let has_seen = self.context.config.acting == Acting::Watch && facts.failure.is_none();
        if self.mode == Mode::Once && (has_seen || facts.is_settled(reason)) {
            return true;
        }
        if !(facts.discovered && facts.held.is_empty() && reason.needs_no_looking_after()) {
            return false;
        }
        // A domain is listed until when it is proven, and what waits for others; of the rest the account tells when
        // something happens.
        if subject.id.kind() == Kind::Order && reason.is_over() {
            self.board.finish(subject);
        }
        true
    }

    /// Says once what has changed, on the board and in the log.
    fn publish_status(&self, subject: &Subject, facts: &Facts, decision: &Decision, now: Timestamp) {
        let longest = self.context.policy(&subject.account).value_life_cap;
        let Some(status) = self.board.post(subject, decision, Known::of(facts, longest), now) else { return };
        let board::Status { reason, detail, .. } = &status;
        let is_everybodys = || {
            let account = self.context.accounts.get(&*subject.account);
            let told = |trouble: &Trouble| detail.contains(&trouble.detail);
            account.is_some_and(|account| account.held(now).is_some())
                || self.context.publisher.troubles().iter().any(told)
        };
        match status.outcome {
            // What is an account's trouble, or a provider's, was told when it began; not once for each order.
            Outcome::Setup if is_everybodys() => debug!(%reason, "{subject}: {detail}"),
            // An audit every hour that finds all as it was is no news.
            _ if status.is_repeated => debug!(%reason, "{subject}: {detail}"),
            Outcome::Blocked | Outcome::Setup | Outcome::Bug => warn!(%reason, "{subject}: {detail}"),
            Outcome::Done => info!(%reason, "{subject}: {detail}"),
            Outcome::Open => debug!(%reason, "{subject}: {detail}"),
        }
    }
}
