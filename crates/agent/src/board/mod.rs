//! The status board: what is going on with each order and domain, for people and machines.

mod names;
mod unsaved;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use dcv_core::{Because, Decision, Facts, Forecast, Kind, Next, Outcome, Reason};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use self::names::Names;
use self::unsaved::Unsaved;
use crate::{
    state::{LastStatus, State},
    subject::Subject,
    trouble::Trouble,
};

/// What is going on with one order or domain.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Which one.
    #[serde(flatten)]
    pub subject: Subject,
    /// By which names people know it; none before DigiCert has told them.
    #[serde(flatten)]
    pub names: Names,
    /// What it has come to.
    pub outcome: Outcome,
    /// The reason code.
    pub reason: Reason,
    /// The sentence.
    pub detail: String,
    /// When the reason last changed.
    pub since: Timestamp,
    /// When the work was taken up that is under way, or has ended.
    pub begun: Timestamp,
    /// When the agent acts next.
    pub wake: Timestamp,
    /// While work is open: when it has to be done. Of a domain: until when it is proven.
    pub deadline: Option<Timestamp>,
    /// While work is open: how many calls to DigiCert it needs at the least.
    pub calls: u32,
    /// How often it was said that it lasts.
    #[serde(skip)]
    said: u8,
    /// What it had come to when that was told last, as long as nothing was put up since.
    #[serde(skip)]
    told: Option<Reason>,
    /// What it has come to was told before, and nothing was put up since.
    #[serde(skip)]
    pub is_repeated: bool,
}

/// After how long it is said that a reason lasts.
const LASTING: [SignedDuration; 3] =
    [SignedDuration::from_mins(1), SignedDuration::from_mins(10), SignedDuration::from_hours(1)];

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

/// What is known of an order or domain that a status tells beside the decision.
#[derive(Clone, Debug, Default)]
pub struct Known {
    names: Names,
    deadline: Option<Timestamp>,
    calls: u32,
    ca_status: Option<String>,
    proven: bool,
    discovered: bool,
}

impl Known {
    /// What the facts tell; a value lives no longer than `longest`.
    #[must_use]
    pub fn of(facts: &Facts, longest: SignedDuration) -> Self {
        Self {
            names: Names::of(facts),
            deadline: facts.deadline(longest),
            calls: facts.calls_left(),
            ca_status: facts.order.as_ref().map(|order| order.status.as_str().to_owned()),
            proven: facts.proven,
            discovered: facts.discovered,
        }
    }
}

/// What an earlier process told of.
#[derive(Debug)]
struct Earlier {
    /// When the work was taken up that was left open.
    begun: Option<Timestamp>,
    /// It was found in the account.
    discovered: bool,
}

/// The latest status of every order and domain.
#[derive(Debug, Default)]
pub struct StatusBoard {
    /// Boxed: nodes of the map are half empty where orders come in their order.
    statuses: Mutex<BTreeMap<Subject, Box<Status>>>,
    /// What earlier processes told of, but for orders that are over.
    earlier: Mutex<HashMap<Subject, Earlier>>,
    unsaved: Unsaved,
    backlogs: Mutex<Vec<Backlog>>,
    troubles: Mutex<Vec<Trouble>>,
    /// How often a value of an account's was taken away by somebody else.
    drifts: Mutex<BTreeMap<String, u64>>,
}

impl StatusBoard {
    /// Every status.
    #[must_use]
    pub fn statuses(&self) -> Vec<Status> {
        self.lock().values().map(|status| Status::clone(status)).collect()
    }

    /// Shows every status to a reader that keeps none of them: there may be a hundred thousand.
    pub fn read(&self, mut reader: impl FnMut(&Status)) {
        self.lock().values().for_each(|status| reader(status));
    }

    /// Shows one status to a reader, if there is one.
    pub fn read_one(&self, subject: &Subject, reader: impl FnOnce(&Status)) {
        if let Some(status) = self.lock().get(subject) {
            reader(status);
        }
    }

    /// Open work whose reason has lasted so long that it is to be said now: after a minute, ten, an hour, and each time once.
    pub fn lasting(&self, now: Timestamp) -> Vec<Status> {
        let mut lasting = Vec::new();
        for status in self.lock().values_mut().filter(|status| status.outcome == Outcome::Open) {
            let lasted = now.duration_since(status.since);
            let due = LASTING.iter().filter(|span| lasted >= **span).count();
            if due > usize::from(status.said) {
                status.said = u8::try_from(due).unwrap_or(u8::MAX);
                lasting.push(Status::clone(status));
            }
        }
        lasting
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

    /// What is in trouble for everybody.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the troubles; they are in the state soon after.
    pub fn set_troubles(&self, troubles: Vec<Trouble>) {
        let mut known = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != troubles {
            known.clone_from(&troubles);
            self.unsaved.put_troubles(troubles);
        }
    }

    /// Somebody has taken a value of an account's away.
    pub fn count_drift(&self, account: &str) {
        let mut drifts = self.drifts.lock().unwrap_or_else(PoisonError::into_inner);
        *drifts.entry(account.to_owned()).or_default() += 1;
    }

    /// How often that was, by account, since the process began.
    #[must_use]
    pub fn drifts(&self) -> BTreeMap<String, u64> {
        self.drifts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a status up; returns it when the reason is another than before. It is in the state soon after.
    pub fn post(
        &self,
        subject: &Subject,
        Decision { next, because }: &Decision,
        known: Known,
        now: Timestamp,
    ) -> Option<Status> {
        let mut statuses = self.lock();
        let before = statuses.get(subject);
        // Taken out in any case: after a reload the board knows it as well, and what is left here counts as nobody's.
        let earlier = self.lock_earlier().remove(subject);
        let changed = before.is_none_or(|status| status.reason != because.reason);
        let is_open = because.reason.outcome() == Outcome::Open;
        let earlier_told = before.and_then(|status| status.told);
        let told = match because.reason {
            // What comes of it is news, also if it is the same as before.
            Reason::Unpublished | Reason::Drifted => None,
            _ if is_open => earlier_told,
            reason => Some(reason),
        };
        let status = Status {
            subject: subject.clone(),
            names: match before {
                // An audit of what is done reads less than there is.
                Some(status) if known.names.names_total == 0 => status.names.clone(),
                Some(_) | None => known.names.clone(),
            },
            outcome: because.reason.outcome(),
            reason: because.reason,
            detail: because.detail.clone(),
            since: before.filter(|_| !changed).map_or(now, |status| status.since),
            begun: match before {
                Some(status) if status.outcome == Outcome::Done && is_open => now,
                Some(status) => status.begun,
                None => earlier.and_then(|earlier| earlier.begun).unwrap_or(now),
            },
            wake: next.at(now),
            deadline: known.deadline.filter(|_| is_open || subject.id.kind() == Kind::Domain),
            calls: if is_open { known.calls } else { 0 },
            said: before.filter(|_| !changed).map_or(0, |status| status.said),
            told,
            is_repeated: !is_open && earlier_told == told,
        };
        let news = changed.then(|| status.clone());
        statuses.insert(subject.clone(), Box::new(status));
        drop(statuses);
        if let Some(status) = &news {
            // What is left alone is found again by each list.
            if status.reason != Reason::NotTakenUp {
                self.unsaved.put(last_status(status, known));
            }
        }
        news
    }

    /// Lists an order as it stood when it was looked at last.
    pub fn stand(&self, last: &LastStatus) {
        let Some(reason) = last.known_reason() else { return };
        let status = Status {
            subject: last.subject.clone(),
            outcome: reason.outcome(),
            reason,
            detail: last.detail.clone(),
            since: last.at,
            begun: last.begun,
            wake: last.wake,
            deadline: last.deadline,
            calls: 0,
            said: 0,
            told: None,
            is_repeated: false,
            names: Names::default(),
        };
        self.lock_earlier().remove(&last.subject);
        self.lock().insert(last.subject.clone(), Box::new(status));
    }

    /// Lists what was found and is left alone.
    pub fn leave(&self, subject: &Subject, why: String, now: Timestamp) {
        let because = Because::new(Reason::NotTakenUp, why);
        self.post(subject, &Decision { next: Next::RestUntil(now), because }, Known::default(), now);
    }

    /// Lists a domain that rests until its proof is to be renewed.
    pub fn keep(&self, subject: &Subject, facts: &Facts, because: Because, wake: Timestamp, now: Timestamp) {
        let deadline = facts.domain.as_ref().and_then(|domain| domain.valid_until);
        let names = Names::of(facts);
        let known = Known { names, deadline, proven: true, discovered: true, ..Known::default() };
        self.post(subject, &Decision { next: Next::RestUntil(wake), because }, known, now);
    }

    /// Remembers what earlier processes left open, and the domains that they kept. Orders that are over are told for some days;
    /// what is not wanted any more is told no longer.
    pub fn recall(&self, last: &[LastStatus], is_wanted: impl Fn(&LastStatus) -> bool) {
        let (wanted, unwanted): (Vec<_>, Vec<_>) = last.iter().partition(|last| is_wanted(last));
        unwanted.into_iter().for_each(|last| self.unsaved.forget(&last.subject));
        let known =
            wanted.into_iter().filter(|last| !last.is_over() || last.subject.id.kind() == Kind::Domain);
        self.lock_earlier().extend(known.map(|last| {
            let begun = (!last.is_over()).then_some(last.begun);
            (last.subject.clone(), Earlier { begun, discovered: last.discovered })
        }));
    }

    /// An account's list was read: what was left, and is neither taken up from it nor looked after, is nobody's any more.
    pub fn settle(&self, account: &str, kind: Kind, taken_up: &HashSet<Subject>) {
        let statuses = self.lock();
        self.lock_earlier().retain(|subject, earlier| {
            let is_gone = earlier.discovered
                && &*subject.account == account
                && subject.id.kind() == kind
                && !taken_up.contains(subject)
                && !statuses.contains_key(subject);
            if is_gone {
                self.unsaved.forget(subject);
            }
            !is_gone
        });
    }

    /// Lists only these from now on; what is found again is listed again.
    pub fn retain(&self, mut is_known: impl FnMut(&Subject) -> bool) {
        self.lock().retain(|subject, _| is_known(subject));
    }

    /// Lists it no more, nor does the state; what has ended is told there all the same.
    pub fn forget(&self, subject: &Subject) {
        if self.lock().remove(subject).is_some() {
            self.unsaved.forget(subject);
        }
    }

    /// Lists it no more, since nothing is left to do. For some days the state tells what became of it.
    pub fn finish(&self, subject: &Subject) {
        self.lock().remove(subject);
    }

    /// Writes changes to the state as they come, until `stop`; [`Self::save`] writes what is left then.
    pub async fn keep_saved(&self, state: &State, stop: &CancellationToken) {
        self.unsaved.keep_saved(state, stop).await;
    }

    /// Writes to the state what is not in it yet.
    pub async fn save(&self, state: &State) {
        self.unsaved.save(state).await;
    }

    fn lock_earlier(&self) -> MutexGuard<'_, HashMap<Subject, Earlier>> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Subject, Box<Status>>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last_status(status: &Status, known: Known) -> LastStatus {
    LastStatus {
        subject: status.subject.clone(),
        reason: status.reason.code().to_owned(),
        detail: status.detail.clone(),
        at: status.since,
        begun: status.begun,
        wake: status.wake,
        status: known.ca_status,
        proven: known.proven,
        deadline: status.deadline,
        discovered: known.discovered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    /// What lasts is said after a minute, ten, an hour; each once, and anew when the reason is another one.
    #[test]
    fn what_lasts_is_said_ever_more_rarely() {
        let board = StatusBoard::default();
        let order = Subject::order("main", 1);
        let post = |reason, at| {
            let decision = Decision { next: Next::RestUntil(at), because: Because::new(reason, "why") };
            board.post(&order, &decision, Known::default(), at);
        };
        let mut said = Vec::new();
        post(Reason::Propagating, NOW);
        for second in 0..2 * 3600 {
            let at = NOW + SignedDuration::from_secs(second);
            if second % 7 == 0 {
                post(Reason::Propagating, at);
            }
            said.extend(board.lasting(at).iter().map(|_| second));
        }
        assert_eq!(said, [60, 600, 3600]);
        let later = NOW + SignedDuration::from_hours(3);
        post(Reason::WaitingForCa, later);
        assert!(board.lasting(later).is_empty());
        assert_eq!(board.lasting(later + SignedDuration::from_mins(1)).len(), 1);
        post(Reason::Validated, later + SignedDuration::from_mins(2));
        assert!(
            board.lasting(later + SignedDuration::from_hours(9)).is_empty(),
            "what is done does not last"
        );
    }

    /// An audit of what is done, or waits for a person, is no news when all is as it was; what comes of new work is.
    #[test]
    fn what_an_audit_finds_as_it_was_is_not_told_again() {
        let board = StatusBoard::default();
        let order = Subject::order("main", 1);
        let news = |reason| {
            let decision = Decision { next: Next::RestUntil(NOW), because: Because::new(reason, "why") };
            let posted = board.post(&order, &decision, Known::default(), NOW);
            posted.is_some_and(|status| !status.is_repeated)
        };
        for (reason, is_news) in [
            (Reason::Unpublished, true),
            (Reason::Validated, true),
            (Reason::AuditDue, true),
            (Reason::Validated, false),
            (Reason::AuditDue, true),
            (Reason::NoProvider, true),
            (Reason::OrderUnread, true),
            (Reason::NoProvider, false),
            (Reason::Unpublished, true),
            (Reason::Validated, true),
        ] {
            assert_eq!(news(reason), is_news, "{reason}");
        }
    }

    /// An order that was open when the configuration was read again, and has ended since, is told as ended: the next list,
    /// which names it no more, takes nothing from the state.
    #[tokio::test]
    async fn what_ends_after_a_reload_is_told_for_some_days() {
        let (board, state) = (StatusBoard::default(), State::in_memory().await.unwrap());
        let order = Subject::order("main", 1);
        let post = |reason| {
            let decision = Decision { next: Next::RestUntil(NOW), because: Because::new(reason, "why") };
            board.post(&order, &decision, Known { discovered: true, ..Known::default() }, NOW);
        };
        post(Reason::Propagating);
        board.save(&state).await;
        board.recall(&state.notes().await.unwrap(), |_| true);
        post(Reason::Propagating);
        post(Reason::Validated);
        board.finish(&order);
        board.settle("main", Kind::Order, &HashSet::new());
        board.save(&state).await;
        let told: Vec<String> = state.notes().await.unwrap().into_iter().map(|last| last.reason).collect();
        assert_eq!(told, [Reason::Validated.code()]);
    }

    /// A domain that has left the account, or is no longer wanted, is told no more, also where an earlier process kept it.
    #[tokio::test]
    async fn what_an_earlier_process_kept_and_nobody_keeps_is_told_no_more() {
        let state = State::in_memory().await.unwrap();
        let (kept, left) = (Subject::domain("main", 1), Subject::domain("main", 2));
        let keep = |board: &StatusBoard, subject: &Subject| {
            let because = Because::new(Reason::Validated, "why");
            board.keep(subject, &Facts::default(), because, NOW, NOW);
        };
        let before = StatusBoard::default();
        keep(&before, &kept);
        keep(&before, &left);
        before.save(&state).await;

        let board = StatusBoard::default();
        board.recall(&state.notes().await.unwrap(), |_| true);
        board.settle("main", Kind::Domain, &HashSet::from([kept.clone()]));
        keep(&board, &kept);
        board.save(&state).await;
        let told: Vec<Subject> = state.notes().await.unwrap().into_iter().map(|last| last.subject).collect();
        assert_eq!(told, [kept]);
    }

    /// An order that the configuration names no more, and that holds nothing, is told no more; one that it names is not the
    /// account's list to judge.
    #[tokio::test]
    async fn what_the_configuration_named_is_told_while_it_does() {
        let state = State::in_memory().await.unwrap();
        let (named, left) = (Subject::order("main", 1), Subject::order("main", 2));
        let decision =
            Decision { next: Next::RestUntil(NOW), because: Because::new(Reason::Propagating, "") };
        let before = StatusBoard::default();
        before.post(&named, &decision, Known::default(), NOW);
        before.post(&left, &decision, Known::default(), NOW);
        before.save(&state).await;

        let board = StatusBoard::default();
        board.recall(&state.notes().await.unwrap(), |last| last.subject == named);
        board.settle("main", Kind::Order, &HashSet::new());
        board.save(&state).await;
        let notes = state.notes().await.unwrap();
        assert_eq!(
            notes.into_iter().map(|last| last.subject).collect::<Vec<_>>(),
            std::slice::from_ref(&named)
        );
        let later = NOW + SignedDuration::from_hours(1);
        assert_eq!(board.post(&named, &decision, Known::default(), later).unwrap().begun, NOW);
    }

    /// What is in trouble, and that it has ended, comes into a state that could not be written for a while.
    #[tokio::test]
    async fn troubles_are_kept_until_the_state_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let (board, state) = (StatusBoard::default(), State::open_file(&path).await.unwrap());
        let trouble = Trouble { of: "account main".into(), since: NOW, detail: "down".into() };
        board.set_troubles(vec![trouble.clone()]);
        // Something else is where the file was.
        state.close().await;
        let away = folder.path().join("away");
        std::fs::rename(&path, &away).unwrap();
        std::fs::create_dir(&path).unwrap();
        board.save(&state).await;
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(&away, &path).unwrap();
        board.save(&state).await;
        assert_eq!(state.troubles().await.unwrap(), [trouble]);
    }
}
