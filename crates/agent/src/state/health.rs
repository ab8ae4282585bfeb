//! Whether the state can be written.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tracing::{error, info};

use super::Error;
use crate::{clock, error::chain};

/// What keeps the state from being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// What was said last.
    pub detail: String,
}

/// Remembers the trouble while it lasts, and says once when it begins and once when it is over.
#[derive(Debug)]
pub(super) struct Health {
    /// What it is the health of.
    of: String,
    trouble: Mutex<Option<Trouble>>,
}

impl Health {
    pub(super) const fn new(of: String) -> Self {
        Self { of, trouble: Mutex::new(None) }
    }

    pub(super) fn of(&self) -> &str {
        &self.of
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What came of writing.
    pub(super) fn note(&self, failed: Option<&Error>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (failed, trouble.take()) {
            (None, None) => {}
            (None, Some(Trouble { since, .. })) => {
                let seconds = clock::now().duration_since(since).as_secs();
                info!("{} can be written again, after {seconds} s", self.of);
            }
            (Some(failed), before) => {
                let detail = chain(failed);
                if before.is_none() {
                    error!("nothing is published until {} can be written: {detail}", self.of);
                }
                let since = before.map_or_else(clock::now, |before| before.since);
                *trouble = Some(Trouble { since, detail });
            }
        }
    }
}
