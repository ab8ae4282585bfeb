//! Group commit: all changes that wait at the same time are made durable by one transaction.
//!
//! A transaction costs a synchronised write to the disk, some milliseconds, whether it holds one change or a thousand. While
//! one is under way the changes that come gather in a line, and the next one takes them all.

use tokio::sync::oneshot;

use super::{
    Error, State,
    line::{Change, Waiting, queries},
};

impl State {
    /// Makes a change durable, together with all that wait at this moment. A caller that goes away changes nothing of it.
    ///
    /// # Errors
    /// When the state fails: then nothing of this change is there.
    pub(super) async fn commit(&self, change: Change) -> Result<(), Error> {
        let (done, outcome) = oneshot::channel();
        if self.line().put(Waiting { change, done }) {
            tokio::spawn(self.clone().serve());
        }
        outcome.await.unwrap_or(Err(Error::Stopping))
    }

    async fn serve(self) {
        loop {
            let waiting = self.line().take();
            if waiting.is_empty() {
                return;
            }
            let (changes, waiters): (Vec<_>, Vec<_>) =
                waiting.into_iter().map(|Waiting { change, done }| (change, done)).unzip();
            let outcome = self.write(&queries(&changes)).await;
            match outcome {
                Ok(()) => waiters.into_iter().for_each(|waiter| drop(waiter.send(Ok(())))),
                // One that cannot be written must not be in the way of the others.
                Err(_) if changes.len() > 1 => {
                    for (change, waiter) in changes.iter().zip(waiters) {
                        let alone = queries(std::slice::from_ref(change));
                        let _ = waiter.send(self.write(&alone).await);
                    }
                }
                Err(error) => {
                    waiters.into_iter().next().map(|waiter| waiter.send(Err(error)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use futures_util::future::join_all;
    use jiff::Timestamp;

    use super::*;
    use crate::state::{
        Location,
        statement::{Query, statement},
    };

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const WINDOW: Duration = Duration::from_secs(300);

    /// A thousand calls that begin together cost a few synchronised writes, and all of them are there afterwards.
    #[tokio::test]
    async fn what_waits_together_is_written_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let state = State::open_file(&path).await.unwrap();
        let commits = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&commits);
        state
            .sqlite()
            .with_connection(async |connection| {
                connection.lock_handle().await?.set_commit_hook(move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                    true
                });
                Ok(())
            })
            .await
            .unwrap();
        let outcomes = join_all((0..1000).map(|_| state.calling("main", NOW, WINDOW))).await;
        assert!(outcomes.iter().all(Result::is_ok));
        let other = State::open_existing(&Location::File(path.clone())).await.unwrap();
        assert_eq!(other.called("main", NOW).await.unwrap().len(), 1000);
        let commits = commits.load(Ordering::Relaxed);
        assert!(commits < 20, "{commits} transactions");
    }

    /// A change that SQLite refuses fails for its own caller only.
    #[tokio::test]
    async fn one_that_cannot_be_written_holds_up_no_other() {
        let state = State::in_memory().await.unwrap();
        let refused = Change::Do(vec![Query::new(statement!("INSERT INTO held VALUES ($1)")).bind("")]);
        let (before, refused, after) = tokio::join!(
            state.calling("main", NOW, WINDOW),
            state.commit(refused),
            state.calling("main", NOW, WINDOW)
        );
        assert!(before.is_ok() && after.is_ok());
        assert!(matches!(refused, Err(Error::Statement(_))), "{refused:?}");
        assert_eq!(state.called("main", NOW).await.unwrap().len(), 2);
    }
}
