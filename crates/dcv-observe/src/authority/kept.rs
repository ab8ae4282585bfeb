//! What was learned is believed for a while, and asked for once however many orders want it at the same time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::OnceCell, time::Instant};

use crate::Error;

/// Entries; beyond them everything is forgotten, which costs questions only.
const MAX: usize = 10_000;
/// How long a failure is believed, so that a hundred orders do not run into it one after the other.
const FAILURES: Duration = Duration::from_secs(2);

/// Values by key, for a while.
pub(crate) struct Kept<K, V, E = Error> {
    span: Duration,
    cells: Mutex<HashMap<K, Cell<V, E>>>,
}

/// Filled by the first who asks; the others wait for it.
type Cell<V, E> = Arc<OnceCell<(Instant, Result<V, E>)>>;

impl<K: Clone + Eq + Hash, V: Clone, E: Clone> Kept<K, V, E> {
    pub(crate) fn new(span: Duration) -> Self {
        Self { span, cells: Mutex::default() }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.known(key)?.ok()
    }

    /// What came of it, while that is believed.
    pub(crate) fn known(&self, key: &K) -> Option<Result<V, E>> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, outcome) = cells.get(key)?.get()?;
        self.is_fresh(*at, outcome).then(|| outcome.clone())
    }

    fn is_fresh(&self, at: Instant, outcome: &Result<V, E>) -> bool {
        at.elapsed() < if outcome.is_ok() { self.span } else { FAILURES }
    }

    pub(crate) fn keep(&self, key: K, value: V) {
        self.insert(key, Arc::new(OnceCell::new_with(Some((Instant::now(), Ok(value))))));
    }

    /// The value that is kept, or that `learn` finds out.
    pub(crate) async fn once(&self, key: &K, learn: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let known = {
            let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            let is_fresh =
                |cell: &&Cell<V, E>| cell.get().is_none_or(|(at, outcome)| self.is_fresh(*at, outcome));
            let fresh = cells.get(key).filter(is_fresh);
            fresh.map(Arc::clone)
        };
        let cell = match known {
            Some(cell) => cell,
            None => self.insert(key.clone(), Arc::default()),
        };
        // The age counts from the end: a time-out takes longer than a failure is believed.
        cell.get_or_init(|| async {
            let learned = learn.await;
            (Instant::now(), learned)
        })
        .await
        .1
        .clone()
    }

    fn insert(&self, key: K, cell: Cell<V, E>) -> Cell<V, E> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= MAX {
            cells.clear();
        }
        cells.insert(key, Arc::clone(&cell));
        cell
    }

    /// What was learned is not believed any longer.
    pub(crate) fn forget(&self, key: &K) {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hundred_who_ask_at_once_cost_one_question() {
        let kept: Kept<_, _, String> = Kept::new(Duration::from_secs(300));
        let asked = AtomicUsize::new(0);
        let learn = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(7)
        };
        let all = futures_util::future::join_all((0..100).map(|_| kept.once(&"key", learn()))).await;
        assert!(all.iter().all(|value| *value == Ok(7)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(Duration::from_secs(301)).await;
        assert_eq!(kept.get(&"key"), None);
        kept.once(&"key", learn()).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_believed_for_a_moment_only() {
        let kept: Kept<_, u8, String> = Kept::new(Duration::from_secs(300));
        let failing = || async {
            tokio::time::sleep(FAILURES * 2).await;
            Err("no".to_owned())
        };
        assert!(kept.once(&1, failing()).await.is_err());
        assert!(kept.once(&1, async { Ok(1) }).await.is_err(), "the failure is still fresh");
        tokio::time::advance(FAILURES).await;
        assert_eq!(kept.once(&1, async { Ok(1) }).await, Ok(1));
    }
}
