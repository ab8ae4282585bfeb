//! A provider or zone in trouble: one change tries for all.
//!
//! A server that is down or a key that is wrong is found out by one call. Until the next one is due every other change
//! fails unsent, with what that call was told; what goes through ends the trouble for everybody.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dns_providers::{Class, Error, Extent};
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::{clock, error::chain, trouble::Trouble};

/// The pause after a failure that passes by itself; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause after a refused key or setting: a person has to act.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// What lets changes of one provider, or of one zone, pass.
#[derive(Debug)]
pub(super) struct Gate {
    /// `provider corp-bind`, `zone example.com`.
    of: String,
    /// Whose errors it remembers.
    extent: Extent,
    hold: Mutex<Option<Hold>>,
}

#[derive(Debug)]
struct Hold {
    since: Timestamp,
    until: Instant,
    pause: Duration,
    class: Class,
    label: &'static str,
    detail: String,
    hint: Option<String>,
}

impl Gate {
    pub(super) fn new(of: String, extent: Extent) -> Self {
        Self { of, extent, hold: Mutex::default() }
    }

    /// Fails a change unsent while another one has found out what it would.
    pub(super) fn pass(&self) -> Result<(), Error> {
        let mut hold = self.lock();
        let Some(hold) = hold.as_mut() else { return Ok(()) };
        let now = Instant::now();
        if now >= hold.until {
            // This one tries for all; who comes while it does need not.
            hold.until = now + hold.pause;
            return Ok(());
        }
        let mut error = Error::new(hold.class, hold.label, hold.detail.clone())
            .of(self.extent)
            .after(Some(hold.until.duration_since(now)));
        if let Some(hint) = &hold.hint {
            error = error.hint(hint.clone());
        }
        Err(error)
    }

    /// What came of a change that was sent.
    pub(super) fn note(&self, failed: Option<&Error>) {
        let mut hold = self.lock();
        match failed {
            None => {
                if let Some(Hold { since, .. }) = hold.take() {
                    let seconds = clock::now().duration_since(since).as_secs();
                    info!("{}: changes go through again, after {seconds} s", self.of);
                }
            }
            Some(failed) if failed.extent() == self.extent => {
                let before = hold.take();
                let hint = failed.next_action().map(str::to_owned);
                let detail = chain(failed);
                if before.is_none() {
                    let advice = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                    match failed.class() {
                        Class::Setup => error!("{}: {detail}{advice}", self.of),
                        Class::Later | Class::Blocked | Class::Bug => {
                            warn!("{}: {detail}{advice}; one change tries for all", self.of);
                        }
                    }
                }
                let pause = match (failed.class(), &before) {
                    (Class::Setup, _) => REFUSED_PAUSE,
                    (_, Some(before)) => (before.pause * 2).min(LONGEST_PAUSE),
                    (_, None) => FIRST_PAUSE,
                };
                let pause = pause.max(failed.retry_after().unwrap_or_default().min(LONGEST_PAUSE));
                *hold = Some(Hold {
                    since: before.map_or_else(clock::now, |before| before.since),
                    until: Instant::now() + pause,
                    pause,
                    class: failed.class(),
                    label: failed.label(),
                    detail,
                    hint,
                });
            }
            // It says nothing of others.
            Some(_) => {}
        }
    }

    /// What keeps changes from passing.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let hold = self.lock();
        hold.as_ref().map(|hold| Trouble {
            of: self.of.clone(),
            since: hold.since,
            detail: hold.detail.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Hold>> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
