//! What of the statuses is not in the state yet. Changes of many are written together; of one that changes often the latest
//! counts. That some are lost in a crash costs nothing but a line of `status`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    clock,
    error::chain,
    state::{LastStatus, State},
    subject::Subject,
    trouble::Trouble,
};

/// How long changes are gathered before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// When what could not be written is tried again, whether anything has changed meanwhile or not.
const AGAIN: Duration = Duration::from_secs(5);
/// For how long it is told what became of an order that was found in an account.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// The latest of each; none where it is to be forgotten.
    latest: Mutex<BTreeMap<Subject, Option<LastStatus>>>,
    troubles: Mutex<Option<Vec<Trouble>>>,
    news: Notify,
}

impl Unsaved {
    pub(super) fn put(&self, last: LastStatus) {
        self.lock().insert(last.subject.clone(), Some(last));
        self.news.notify_one();
    }

    pub(super) fn forget(&self, subject: &Subject) {
        self.lock().insert(subject.clone(), None);
        self.news.notify_one();
    }

    pub(super) fn put_troubles(&self, troubles: Vec<Trouble>) {
        *self.troubles.lock().unwrap_or_else(PoisonError::into_inner) = Some(troubles);
        self.news.notify_one();
    }

    /// Writes what comes, until `stop`; what is left then is for [`Self::save`].
    pub(super) async fn keep_saved(&self, state: &State, stop: &CancellationToken) {
        let mut forgotten_at = None::<Instant>;
        let next = async || {
            self.news.notified().await;
            tokio::time::sleep(GATHER).await;
        };
        while stop.run_until_cancelled(next()).await.is_some() {
            if !self.save(state).await {
                stop.run_until_cancelled(tokio::time::sleep(AGAIN)).await;
                self.news.notify_one();
            }
            if forgotten_at.is_none_or(|at| at.elapsed() > FORGET_EVERY) {
                forgotten_at = Some(Instant::now());
                forget_old(state, clock::now()).await;
            }
        }
    }

    /// Writes what is not written yet; whether all of it is. What is not is kept, unless something newer came meanwhile.
    pub(super) async fn save(&self, state: &State) -> bool {
        // Each, whatever came of the other.
        let (troubles, statuses) = (self.save_troubles(state).await, self.save_statuses(state).await);
        troubles && statuses
    }

    async fn save_troubles(&self, state: &State) -> bool {
        let lock = || self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(troubles) = lock().take() else { return true };
        let Err(error) = state.set_troubles(&troubles).await else { return true };
        // That the state cannot be written is told once, by the state itself.
        debug!("troubles are not in the state yet: {}", chain(&error));
        lock().get_or_insert(troubles);
        false
    }

    async fn save_statuses(&self, state: &State) -> bool {
        let latest = std::mem::take(&mut *self.lock());
        let (mut statuses, mut gone) = (Vec::new(), Vec::new());
        for (subject, last) in latest {
            match last {
                Some(last) => statuses.push(last),
                None => gone.push(subject),
            }
        }
        let Err(error) = state.note_all(&statuses, &gone).await else { return true };
        debug!("statuses are not in the state yet: {}", chain(&error));
        let mut latest = self.lock();
        for last in statuses {
            latest.entry(last.subject.clone()).or_insert(Some(last));
        }
        for subject in gone {
            latest.entry(subject).or_insert(None);
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Subject, Option<LastStatus>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn forget_old(state: &State, now: Timestamp) {
    let Ok(before) = now.checked_sub(KEPT) else { return };
    if let Err(error) = state.forget_finished(before).await {
        debug!("what ended long ago is not forgotten: {}", chain(&error));
    }
}
