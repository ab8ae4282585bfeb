//! The status board: what is going on with each order and domain, for people and machines.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use dcv_core::{Because, Decision, Facts, Forecast, Kind, Next, Outcome, Reason};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::subject::Subject;

/// What is going on with one order or domain.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Which one.
    #[serde(flatten)]
    pub subject: Subject,
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

/// The open work of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// Which account.
    pub account: String,
    /// Orders and domains with open work.
    pub open: usize,
    /// Calls that wait for their turn at this moment.
    pub waiting: usize,
    /// When it is done, and what comes too late.
    #[serde(flatten)]
    pub forecast: Forecast,
}

/// What open work needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Need {
    deadline: Option<Timestamp>,
    calls: u32,
}

impl Need {
    /// What is known to be needed; a value lives no longer than `longest`.
    #[must_use]
    pub fn of(facts: &Facts, longest: SignedDuration) -> Self {
        Self { deadline: facts.deadline(longest), calls: facts.calls_left() }
    }
}

/// The latest status of every order and domain, and a stream of changes.
#[derive(Debug)]
pub struct StatusBoard {
    statuses: Mutex<BTreeMap<Subject, Status>>,
    backlogs: Mutex<Vec<Backlog>>,
    changes: broadcast::Sender<Status>,
}

impl Default for StatusBoard {
    fn default() -> Self {
        Self { statuses: Mutex::default(), backlogs: Mutex::default(), changes: broadcast::Sender::new(1024) }
    }
}

impl StatusBoard {
    /// Every status.
    #[must_use]
    pub fn statuses(&self) -> Vec<Status> {
        self.lock().values().cloned().collect()
    }

    /// Shows every status to a reader that keeps none of them: there may be a hundred thousand.
    pub fn read(&self, reader: impl FnMut(&Status)) {
        self.lock().values().for_each(reader);
    }

    /// When the open work of each account is done.
    #[must_use]
    pub fn backlogs(&self) -> Vec<Backlog> {
        self.backlogs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the backlogs.
    pub fn set_backlogs(&self, backlogs: Vec<Backlog>) {
        *self.backlogs.lock().unwrap_or_else(PoisonError::into_inner) = backlogs;
    }

    /// Statuses as their reasons change.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Status> {
        self.changes.subscribe()
    }

    /// Puts a status up; returns it when the reason is another than before.
    pub fn post(
        &self,
        subject: &Subject,
        Decision { next, because }: &Decision,
        need: Need,
        now: Timestamp,
    ) -> Option<Status> {
        let mut statuses = self.lock();
        let before = statuses.get(subject);
        let changed = before.is_none_or(|status| status.reason != because.reason);
        let is_open = because.reason.outcome() == Outcome::Open;
        let status = Status {
            subject: subject.clone(),
            outcome: because.reason.outcome(),
            reason: because.reason,
            detail: because.detail.clone(),
            since: before.filter(|_| !changed).map_or(now, |status| status.since),
            wake: next.at(now),
            deadline: need.deadline.filter(|_| is_open || subject.id.kind() == Kind::Domain),
            calls: if is_open { need.calls } else { 0 },
        };
        let news = changed.then(|| status.clone());
        statuses.insert(subject.clone(), status);
        drop(statuses);
        if let Some(status) = &news {
            // Nobody listening is fine.
            let _ = self.changes.send(status.clone());
        }
        news
    }

    /// Lists what was found and is left alone.
    pub fn leave(&self, subject: &Subject, why: String, now: Timestamp) {
        let because = Because::new(Reason::NotTakenUp, why);
        self.post(subject, &Decision { next: Next::RestUntil(now), because }, Need::default(), now);
    }

    /// Lists a domain that rests until its proof is to be renewed.
    pub fn keep(&self, subject: &Subject, facts: &Facts, because: Because, wake: Timestamp, now: Timestamp) {
        let deadline = facts.domain.as_ref().and_then(|domain| domain.valid_until);
        let need = Need { deadline, calls: 0 };
        self.post(subject, &Decision { next: Next::RestUntil(wake), because }, need, now);
    }

    /// Lists only these from now on; what is found again is listed again.
    pub fn retain(&self, mut is_known: impl FnMut(&Subject) -> bool) {
        self.lock().retain(|subject, _| is_known(subject));
    }

    /// Lists it no more.
    pub fn forget(&self, subject: &Subject) {
        self.lock().remove(subject);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Subject, Status>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
