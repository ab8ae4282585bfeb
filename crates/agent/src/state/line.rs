//! Changes of the state that wait to be written together.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::oneshot;

use super::{
    Error,
    statement::{Query, Statement, statement},
};

/// A change of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A call is about to be sent; older ones than `oldest` count no more. Milliseconds since 1970.
    Call { account: String, at: i64, oldest: i64 },
    /// Any other, in one transaction.
    Do(Vec<Query>),
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

/// What carries out changes in the order in which they came; calls, of which there may be many, one account's at once.
pub(super) fn queries(changes: &[Change]) -> Vec<Query> {
    let mut calls: BTreeMap<&str, (Vec<[i64; 1]>, i64)> = BTreeMap::new();
    let mut queries = Vec::new();
    for change in changes {
        match change {
            Change::Call { account, at, oldest } => {
                let (sent, before) = calls.entry(account).or_insert((Vec::new(), *oldest));
                sent.push([*at]);
                *before = (*before).min(*oldest);
            }
            Change::Do(more) => queries.extend_from_slice(more),
        }
    }
    for (account, (sent, before)) in calls {
        let sent = serde_json::json!(sent).to_string();
        queries.push(Query::new(SENT).bind(sent).bind(account));
        queries.push(Query::new(OVER).bind(account).bind(before));
    }
    queries
}

const SENT: Statement =
    statement!("INSERT INTO calls (account, sent) SELECT $2, CAST(value ->> 0 AS BIGINT) FROM", list, "");
const OVER: Statement = statement!("DELETE FROM calls WHERE account = $1 AND sent < $2");
