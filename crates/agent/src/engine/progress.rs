//! What the engine tells whoever hands out work to replicas.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use crate::subject::Subject;

/// How busy an engine is, and what it is done with.
#[derive(Debug, Default)]
pub struct Progress {
    busy: AtomicUsize,
    finished: Mutex<Vec<Subject>>,
}

impl Progress {
    /// How many subjects are worked on, or wait for a worker.
    pub fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// What needs no more looking after; each is told once.
    pub fn take_finished(&self) -> Vec<Subject> {
        std::mem::take(&mut self.finished.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_busy(&self, busy: usize) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    pub(super) fn finish(&self, subject: Subject) {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).push(subject);
    }
}
