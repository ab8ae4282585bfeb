//! One slot per order: decide, carry out, learn, again.
//!
//! The daemon and `--once` run the same loop; they differ in when it may end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dcv_core::{Because, Decision, Facts, Kind, Outcome, Reason, Step, decide};
use jiff::Timestamp;
use serde::Serialize;
use tokio::{
    sync::{Semaphore, broadcast, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, info, info_span, warn};

use crate::{
    clock,
    context::Context,
    forecast::Plan,
    state::LastStatus,
    subjects::{Id, Subject, Subjects},
};

/// Steps in a row without a rest after which an order is suspected to go round in circles.
const STEPS_IN_A_ROW: u32 = 100;
const BREATHER: Duration = Duration::from_secs(10);
/// How long steps under way may take to end after a signal; systemd and Kubernetes wait longer.
const GRACE: Duration = Duration::from_millis(3500);
/// An undecodable answer is asked for again this often before a one-shot run ends for it.
const BUG_PATIENCE: u32 = 3;

/// When the loop may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When it is stopped.
    Daemon,
    /// Also when nothing is left that waiting would change.
    Once,
}

/// What happens to orders from outside.
#[derive(Debug)]
pub enum News {
    /// There is work: it is taken up with these facts, or, where it is tended already, read again.
    Work(Subject, Box<Facts>),
    /// Something has changed; of interest only if it is tended.
    Changed(Subject),
    /// It is none of ours; should it be tended, it is tidied up.
    Left(Subject),
}

/// What is going on with one order, for people and machines.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Which order.
    #[serde(flatten)]
    pub order: Subject,
    /// What it has come to.
    pub outcome: Outcome,
    /// The reason code.
    pub reason: Reason,
    /// The sentence.
    pub detail: String,
    /// When the reason last changed.
    pub since: Timestamp,
    /// When the agent acts next.
    pub wake: Timestamp,
    /// While work is open: when it has to be done. Of a domain: until when it is proven.
    pub deadline: Option<Timestamp>,
    /// While work is open: how many calls to DigiCert it needs at the least.
    pub calls: u32,
}

/// The latest report of every order, and a stream of changes.
#[derive(Debug)]
pub struct StatusBoard {
    reports: Mutex<std::collections::BTreeMap<Subject, Status>>,
    plans: Mutex<Vec<Plan>>,
    changes: broadcast::Sender<Status>,
}

impl Default for StatusBoard {
    fn default() -> Self {
        Self { reports: Mutex::default(), plans: Mutex::default(), changes: broadcast::Sender::new(1024) }
    }
}

impl StatusBoard {
    /// Every report.
    #[must_use]
    pub fn statuses(&self) -> Vec<Status> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// When the open work of each account is done.
    #[must_use]
    pub fn plans(&self) -> Vec<Plan> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the plans.
    pub fn plan(&self, plans: Vec<Plan>) {
        *self.plans.lock().unwrap_or_else(PoisonError::into_inner) = plans;
    }

    /// Reports as they change.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Status> {
        self.changes.subscribe()
    }

    /// Puts a report up; returns it when the reason is another than before.
    fn post(&self, subject: &Subject, decision: &Decision, need: Need, now: Timestamp) -> Option<Status> {
        let Decision { because, wake, .. } = decision;
        let reason = because.reason;
        let open = reason.outcome() == Outcome::Open;
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let before = reports.get(subject);
        let changed = before.is_none_or(|report| report.reason != reason);
        let report = Status {
            order: subject.clone(),
            outcome: reason.outcome(),
            reason,
            detail: because.detail.clone(),
            since: before.filter(|_| !changed).map_or(now, |report| report.since),
            wake: *wake,
            deadline: need.deadline.filter(|_| open || subject.id.kind() == Kind::Domain),
            calls: if open { need.calls } else { 0 },
        };
        reports.insert(subject.clone(), report.clone());
        drop(reports);
        changed.then(|| {
            // Nobody listening is fine.
            let _ = self.changes.send(report.clone());
            report
        })
    }

    /// Lists what was found and is left alone.
    pub fn leave(&self, subject: &Subject, why: String, now: Timestamp) {
        let because = Because::new(Reason::NotTakenUp, why);
        self.post(subject, &Decision { step: Step::Rest, wake: now, because }, Need::default(), now);
    }

    /// Lists a domain that rests until its proof is to be renewed.
    pub fn keep(&self, subject: &Subject, facts: &Facts, because: Because, wake: Timestamp, now: Timestamp) {
        let deadline = facts.domain.as_ref().and_then(|domain| domain.valid_until);
        let need = Need { deadline, calls: 0 };
        self.post(subject, &Decision { step: Step::Rest, wake, because }, need, now);
    }

    /// Begins anew with a roster: what is no longer in it, nor found again, is not listed any more.
    pub fn begin(&self, subjects: &Subjects) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.retain(|subject, _| subjects.contains_key(subject));
    }

    /// Lists it no more.
    pub fn forget(&self, order: &Subject) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).remove(order);
    }
}

/// What open work needs.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    deadline: Option<Timestamp>,
    calls: u32,
}

/// Runs a roster of orders and domains.
#[derive(Clone, Debug)]
pub struct Engine {
    context: Arc<Context>,
    board: Arc<StatusBoard>,
    permits: Arc<Semaphore>,
    stop: CancellationToken,
    mode: Mode,
}

impl Engine {
    /// An engine that ends when `stop` is cancelled, or as `mode` says.
    #[must_use]
    pub fn new(context: Arc<Context>, board: Arc<StatusBoard>, mode: Mode, stop: CancellationToken) -> Self {
        let permits = Arc::new(Semaphore::new(context.config.concurrency));
        Self { context, board, permits, stop, mode }
    }

    /// Tends every order, those of the roster and those that `news` brings, until the end; returns what is known of
    /// each, for the next configuration.
    pub async fn run(self, subjects: Subjects, mut news: mpsc::Receiver<News>) -> Subjects {
        let mut slots = JoinSet::new();
        let mut doors = HashMap::new();
        for (order, facts) in subjects {
            self.start(&mut slots, &mut doors, order, facts);
        }
        let mut known = Subjects::new();
        let mut listening = true;
        let stopped = async {
            self.stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::pin!(stopped);
        let mut aborted = false;
        loop {
            if slots.is_empty() && !listening {
                return known;
            }
            tokio::select! {
                Some(ended) = slots.join_next() => match ended {
                    Ok((order, mut facts, mut knocks)) => {
                        doors.remove(&order);
                        // What came while the task was ending is answered now; the last word counts.
                        let late = std::iter::from_fn(|| knocks.try_recv().ok()).last();
                        if late.is_some_and(|knock| knock.wakes(&facts)) && !self.stop.is_cancelled() {
                            late.into_iter().for_each(|knock| knock.tell(&mut facts));
                            self.start(&mut slots, &mut doors, order, facts);
                            continue;
                        }
                        // A found order that is done is forgotten; the account tells when it is reopened.
                        if !facts.discovered || self.mode == Mode::Once {
                            known.insert(order, facts);
                        }
                    }
                    Err(error) if error.is_panic() => warn!("an order's task ended in a defect; it is taken up again at the next start"),
                    Err(_) => {}
                },
                item = news.recv(), if listening => match item {
                    Some(item) => self.hear(item, &mut slots, &mut doors, &mut known),
                    None => listening = false,
                },
                // A list that is being read is not waited for.
                () = self.stop.cancelled(), if listening => listening = false,
                () = &mut stopped, if !aborted => {
                    aborted = true;
                    // Steps that did not end in time are dropped. The state knows what they may have written.
                    slots.abort_all();
                }
            }
        }
    }

    fn hear(
        &self,
        news: News,
        slots: &mut JoinSet<Ended>,
        doors: &mut HashMap<Subject, mpsc::UnboundedSender<Knock>>,
        known: &mut Subjects,
    ) {
        let knock = |order: &Subject, knock| doors.get(order).is_some_and(|door| door.send(knock).is_ok());
        match news {
            News::Work(order, facts) => {
                // A task that ended in a defect left its door behind.
                if !knock(&order, Knock::Work) {
                    let facts = known.remove(&order).unwrap_or(*facts);
                    self.start(slots, doors, order, facts);
                }
            }
            News::Changed(order) => {
                if !knock(&order, Knock::Doubt) {
                    self.board.forget(&order);
                }
            }
            News::Left(order) => drop(knock(&order, Knock::Retire)),
        }
    }

    fn start(
        &self,
        slots: &mut JoinSet<Ended>,
        doors: &mut HashMap<Subject, mpsc::UnboundedSender<Knock>>,
        order: Subject,
        facts: Facts,
    ) {
        let engine = self.clone();
        let span = match order.id {
            Id::Order(number) => info_span!("order", account = order.account, order = number),
            Id::Domain(number) => info_span!("domain", account = order.account, domain = number),
        };
        let (door, knocks) = mpsc::unbounded_channel();
        doors.insert(order.clone(), door);
        slots.spawn(async move { engine.reconcile(order, facts, knocks).await }.instrument(span));
    }

    async fn reconcile(
        &self,
        order: Subject,
        mut facts: Facts,
        mut knocks: mpsc::UnboundedReceiver<Knock>,
    ) -> Ended {
        let mut in_a_row = 0;
        let policy = self.context.policy(&order.account);
        loop {
            let now = clock::now();
            let decision = decide(&facts, policy, now);
            self.note(&order, &facts, &decision, now).await;
            let Decision { step, wake, because } = decision;
            if step == Step::Rest {
                in_a_row = 0;
                if facts.retired && facts.held.is_empty() {
                    let _ = self.context.state.forget(&order).await;
                    self.board.forget(&order);
                    return (order, facts, knocks);
                }
                if self.mode == Mode::Once && settled(&facts, because.reason) {
                    return (order, facts, knocks);
                }
                if facts.discovered && facts.held.is_empty() && over(because.reason) {
                    // A domain is listed until when it is proven, and what waits for others; of the rest the account
                    // tells when something happens.
                    if order.id.kind() == Kind::Order {
                        if matches!(because.reason, Reason::Validated | Reason::OrderClosed) {
                            self.board.forget(&order);
                        }
                        let _ = self.context.state.forget(&order).await;
                    }
                    return (order, facts, knocks);
                }
                // At least a little, so that clocks that step and rounding never make a loop that only spins.
                let wait = wake.duration_since(now).unsigned_abs().max(Duration::from_millis(10));
                tokio::select! {
                    () = tokio::time::sleep(wait) => continue,
                    Some(knock) = knocks.recv() => {
                        knock.tell(&mut facts);
                        continue;
                    }
                    () = self.stop.cancelled() => return (order, facts, knocks),
                }
            }
            in_a_row += 1;
            if in_a_row > STEPS_IN_A_ROW {
                warn!(step = step.label(), %because, "many steps without a rest; pausing");
                tokio::select! {
                    () = tokio::time::sleep(BREATHER) => {}
                    () = self.stop.cancelled() => return (order, facts, knocks),
                }
            }
            // Calls to the CA and changes of DNS stand in lines of their own, where the least slack goes first; here they
            // would wait in the order in which they came.
            let permit = match step {
                Step::Locate(_) | Step::Look(_) | Step::ReadCaa(_) => Some(tokio::select! {
                    permit = self.permits.acquire() => permit,
                    () = self.stop.cancelled() => return (order, facts, knocks),
                }),
                _ => None,
            };
            let span = info_span!("pass", step = step.label(), reason = because.reason.code());
            let learned = self.context.execute(&order, &facts, &step).instrument(span).await;
            drop(permit);
            facts.learn(&step, learned, clock::now());
            if let Some(failure) = &facts.failure {
                debug!(step = failure.step, class = ?failure.class, count = failure.count, "{}", failure.detail);
            }
        }
    }

    /// Says once what has changed, on the board, in the log and in the state.
    async fn note(&self, order: &Subject, facts: &Facts, decision: &Decision, now: Timestamp) {
        let deadline = facts.deadline(self.context.policy(&order.account).value_life_cap);
        let need = Need { deadline, calls: facts.calls_left() };
        let Some(report) = self.board.post(order, decision, need, now) else { return };
        match report.outcome {
            Outcome::Blocked | Outcome::Setup | Outcome::Bug => {
                warn!(reason = %report.reason, "{}", report.detail)
            }
            Outcome::Done => info!(reason = %report.reason, "{}", report.detail),
            Outcome::Open => debug!(reason = %report.reason, "{}", report.detail),
        }
        // Steps come and go within a second; what an order rests for is worth keeping.
        if decision.step != Step::Rest {
            return;
        }
        let note = LastStatus {
            order: order.clone(),
            reason: report.reason.code().to_owned(),
            detail: report.detail,
            at: now,
            wake: decision.wake,
            status: facts.order.as_ref().map(|order| order.status.as_str().to_owned()),
            proven: facts.proven,
            deadline: report.deadline,
        };
        if let Err(error) = self.context.state.note(&note).await {
            warn!("{}", crate::context::chain(&error));
        }
    }
}

/// An order's task at its end: what it knew, and what came too late.
type Ended = (Subject, Facts, mpsc::UnboundedReceiver<Knock>);

/// What comes to an order's task from outside.
#[derive(Clone, Copy, Debug)]
enum Knock {
    /// There is work: read it again, also if it was to be given up.
    Work,
    /// Read it again.
    Doubt,
    /// Tidy up and end.
    Retire,
}

impl Knock {
    fn tell(self, facts: &mut Facts) {
        match self {
            Self::Work => {
                facts.retired = false;
                facts.doubt();
            }
            Self::Doubt => facts.doubt(),
            Self::Retire => facts.retired = true,
        }
    }

    /// Whether it gives a task that has ended something to do.
    const fn wakes(self, facts: &Facts) -> bool {
        match self {
            Self::Work => true,
            Self::Doubt => !facts.retired,
            Self::Retire => false,
        }
    }
}

/// Whether an order that was found needs no tending any more.
fn over(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Validated
            | Reason::OrderClosed
            | Reason::NotTakenUp
            | Reason::WaitingForDigicert
            | Reason::WaitingForApproval
            | Reason::StatusUnknown
            | Reason::DomainInactive
    )
}

/// Whether waiting would change nothing for a one-shot run.
fn settled(facts: &Facts, reason: Reason) -> bool {
    match reason.outcome() {
        Outcome::Done | Outcome::Blocked | Outcome::Setup => true,
        Outcome::Bug => {
            let tried = facts.failure.as_ref().map_or(0, |failure| failure.count);
            reason == Reason::ValueUnfit || tried >= BUG_PATIENCE
        }
        Outcome::Open => false,
    }
}
