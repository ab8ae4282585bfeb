//! The engine: one queue, and a bounded set of workers that take what is due.
//!
//! The daemon and `--once` run the same engine; they differ in when it may end.

mod mode;
mod progress;
mod queue;
mod watching;
mod worker;

use std::{collections::HashMap, sync::Arc, time::Duration};

use dcv_core::Facts;
use jiff::Timestamp;
use tokio::{
    sync::{Semaphore, mpsc},
    task::{self, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info_span};

pub use self::{mode::Mode, progress::Progress};
use self::{
    queue::Queue,
    worker::{Done, Worker},
};
use crate::{
    board::StatusBoard,
    context::Context,
    subject::{Id, Subject, Trigger},
    subjects::{Intake, Subjects},
};

/// Subjects that are worked on at once. As many wait for the CA's rate and for the writers of zones, so that these have all
/// to choose from when they send the most urgent first and many in one change.
const WORKERS: usize = 1000;
/// How long steps under way may take to end after a signal; systemd and Kubernetes wait longer.
pub const GRACE: Duration = Duration::from_millis(3500);
/// A subject on which a worker ended in a defect is taken up again after this long.
const AFTER_A_DEFECT: Duration = Duration::from_secs(60);

/// Triggers, each with the subject that it is about.
pub type Triggers = mpsc::Receiver<(Subject, Trigger)>;

/// Looks after orders and domains.
#[derive(Debug)]
pub struct Engine {
    worker: Worker,
    queue: Queue,
    /// What discovery knows of subjects that are not looked after yet.
    intake: Arc<Intake>,
    workers: JoinSet<Done>,
    /// What each worker has, and how to begin with it anew.
    working: HashMap<task::Id, (Subject, Facts)>,
    /// What is known of those that need no more looking after, for the next configuration.
    finished: Subjects,
    /// Where replicas share the work: what whoever hands it out wants to know.
    progress: Option<Arc<Progress>>,
}

impl Engine {
    /// An engine that ends when `stop` is cancelled, or as `mode` says.
    #[must_use]
    pub fn new(
        context: Arc<Context>,
        board: Arc<StatusBoard>,
        intake: Arc<Intake>,
        mode: Mode,
        stop: CancellationToken,
        progress: Option<Arc<Progress>>,
    ) -> Self {
        let looks = Arc::new(Semaphore::new(context.config.concurrency));
        Self {
            worker: Worker { context, board, looks, stop, mode, watching: Arc::default() },
            queue: Queue::default(),
            intake,
            workers: JoinSet::new(),
            working: HashMap::new(),
            finished: Subjects::new(),
            progress,
        }
    }

    /// Looks after these and those that are triggered, until the end; returns what is known of each, for the next
    /// configuration.
    pub async fn run(mut self, subjects: Subjects, mut triggers: Triggers) -> Subjects {
        for (subject, facts) in subjects {
            self.add(subject, Box::new(facts));
        }
        let stop = self.worker.stop.clone();
        let context = Arc::clone(&self.worker.context);
        let mut listening = true;
        while !stop.is_cancelled() && (listening || !self.queue.is_empty()) {
            self.employ();
            if let Some(progress) = &self.progress {
                progress.set_busy(self.queue.due() + self.workers.len());
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Some(ended) = self.workers.join_next_with_id() => self.end(ended),
                trigger = triggers.recv(), if listening => match trigger {
                    Some((subject, trigger)) => self.hear(subject, trigger),
                    None => listening = false,
                },
                () = self.queue.wake(|subject, facts| deadline(&context, subject, facts)) => {}
            }
        }
        self.finish().await
    }

    /// Has free workers take what is due.
    fn employ(&mut self) {
        while self.workers.len() < WORKERS
            && let Some((subject, facts)) = self.queue.take()
        {
            let beginning = facts.beginning();
            let span = match subject.id {
                Id::Order(number) => info_span!("order", account = %subject.account, order = number),
                Id::Domain(number) => info_span!("domain", account = %subject.account, domain = number),
            };
            let work = self.worker.clone().reconcile(subject.clone(), facts).instrument(span);
            let id = self.workers.spawn(work).id();
            self.working.insert(id, (subject, beginning));
        }
    }

    /// A worker has ended, well or in a defect.
    fn end(&mut self, ended: Result<(task::Id, Done), JoinError>) {
        match ended {
            Ok((id, Done { subject, mut facts, rest })) => {
                self.working.remove(&id);
                let triggered = self.queue.give_back(&subject, &mut facts, rest.is_none());
                match rest {
                    _ if triggered => self.add(subject, facts),
                    Some(wait) => self.queue.rest(subject, facts, wait),
                    None if self.progress.is_some() => self.report(subject, &facts),
                    // A found order that is done is forgotten; the account tells when it is reopened.
                    None if facts.discovered && self.worker.mode == Mode::Daemon => {}
                    None => drop(self.finished.insert(subject, *facts)),
                }
            }
            Err(failed) => {
                let Some((subject, mut facts)) = self.working.remove(&failed.id()) else { return };
                self.queue.give_back(&subject, &mut facts, false);
                if failed.is_panic() {
                    error!(
                        "a defect of the agent ended the work on {subject}; it is taken up again in a minute: {failed}"
                    );
                    self.queue.rest(subject, Box::new(facts), AFTER_A_DEFECT);
                }
            }
        }
    }

    /// Replicas look after no more what is done, but for configured orders of a one-shot run, which the next one looks at.
    fn report(&self, subject: Subject, facts: &Facts) {
        let is_over = self.worker.mode == Mode::Daemon || facts.retired || facts.discovered;
        if let Some(progress) = self.progress.as_ref().filter(|_| is_over) {
            progress.finish(subject);
        }
    }

    fn hear(&mut self, subject: Subject, trigger: Trigger) {
        let context = &self.worker.context;
        if self.queue.trigger(&subject, trigger, |subject, facts| deadline(context, subject, facts)) {
            // What is known counts more than what a list told.
            self.intake.take(&subject);
            return;
        }
        match trigger {
            Trigger::Work => {
                let found = self.intake.take(&subject);
                if let Some(facts) = self.finished.remove(&subject).or(found) {
                    self.add(subject, Box::new(facts));
                }
            }
            Trigger::Changed => self.worker.board.forget(&subject),
            Trigger::Release => {}
        }
    }

    fn add(&mut self, subject: Subject, facts: Box<Facts>) {
        let deadline = deadline(&self.worker.context, &subject, &facts);
        self.queue.add(subject, facts, deadline);
    }

    /// Steps that do not end in time are dropped. The state knows what they may have put up.
    async fn finish(mut self) -> Subjects {
        let end = Instant::now() + GRACE;
        let mut known = std::mem::take(&mut self.finished);
        known.extend(self.queue.drain());
        while let Ok(Some(ended)) = tokio::time::timeout_at(end, self.workers.join_next()).await {
            if let Ok(Done { subject, facts, .. }) = ended {
                known.insert(subject, *facts);
            }
        }
        self.workers.shutdown().await;
        known
    }
}

fn deadline(context: &Context, subject: &Subject, facts: &Facts) -> Option<Timestamp> {
    facts.deadline(context.policy(&subject.account).value_life_cap)
}
