//! Whether this process is one of the replicas, and for how long it may believe so.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::state::Error;

/// What the process is among the replicas.
#[derive(Debug, Default)]
pub(super) struct Membership(Mutex<Standing>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// It works on nothing that others might work on.
    #[default]
    Outside,
    Member {
        id: i64,
        /// Until then nobody takes over what it works on, whatever becomes of the connection.
        until: Instant,
    },
    /// Others have taken over: it has to begin anew.
    Fenced,
}

impl Membership {
    pub(super) fn joined(&self, id: i64, until: Instant) {
        *self.lock() = Standing::Member { id, until };
    }

    /// It was heard of.
    pub(super) fn extend(&self, until: Instant) {
        if let Standing::Member { until: known, .. } = &mut *self.lock() {
            *known = until;
        }
    }

    pub(super) fn fence(&self) {
        *self.lock() = Standing::Fenced;
    }

    /// Its number; none where it is outside.
    pub(super) fn id(&self) -> Result<Option<i64>, Error> {
        match *self.lock() {
            Standing::Outside => Ok(None),
            Standing::Member { id, .. } => Ok(Some(id)),
            Standing::Fenced => Err(Error::Fenced),
        }
    }

    /// Its number, where it is a member.
    pub(super) fn member(&self) -> Result<i64, Error> {
        self.id()?.ok_or(Error::Fenced)
    }

    /// Whether what it works on is certainly its own at this moment.
    pub(super) fn is_sure(&self) -> bool {
        match *self.lock() {
            Standing::Outside => true,
            Standing::Member { until, .. } => Instant::now() < until,
            Standing::Fenced => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
