//! Changes of the state that wait to be written together.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::Error;

/// A change of the state.
#[derive(Debug)]
pub(super) enum Change {
    /// A call is about to be sent; older ones than `oldest` count no more. Milliseconds since 1970.
    Call { account: String, at: i64, oldest: i64 },
    /// Of what is up: the entries are ?1 of the statement, as JSON, and the time ?2.
    Held { statement: &'static str, entries: String, time: String },
}

/// A change, and who waits for it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<Result<(), Error>>,
}

/// The changes that wait.
#[derive(Debug, Default)]
pub(super) struct Line(Mutex<Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    waiting: Vec<Waiting>,
    /// Somebody takes what waits until nothing does.
    is_served: bool,
}

impl Line {
    /// Puts a change into the line; tells whether somebody has to begin to serve it.
    pub(super) fn put(&self, waiting: Waiting) -> bool {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.waiting.push(waiting);
        !std::mem::replace(&mut gathered.is_served, true)
    }

    /// All that waits. Where nothing does, the line is served no more.
    pub(super) fn take(&self) -> Vec<Waiting> {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.is_served = !gathered.waiting.is_empty();
        std::mem::take(&mut gathered.waiting)
    }
}

/// Carries out changes in the order in which they came.
pub(super) async fn perform(
    connection: &mut SqliteConnection,
    changes: &[Change],
) -> Result<(), sqlx::Error> {
    let mut calls: BTreeMap<&str, (Vec<i64>, i64)> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Call { account, at, oldest } => {
                let (sent, before) = calls.entry(account).or_insert((Vec::new(), *oldest));
                sent.push(*at);
                *before = (*before).min(*oldest);
            }
            Change::Held { statement, entries, time } => {
                let query = sqlx::query(*statement).bind(entries).bind(time);
                query.execute(&mut *connection).await?;
            }
        }
    }
    for (account, (sent, before)) in calls {
        let sent = serde_json::Value::from(sent).to_string();
        sqlx::query("INSERT INTO calls (account, sent) SELECT ?, of.value FROM json_each(?) AS of")
            .bind(account)
            .bind(sent)
            .execute(&mut *connection)
            .await?;
        sqlx::query("DELETE FROM calls WHERE account = ? AND sent < ?")
            .bind(account)
            .bind(before)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
