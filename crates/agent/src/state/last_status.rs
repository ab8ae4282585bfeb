//! What was last known of each order and domain, for `status` and for politeness after a restart.

use dcv_core::Reason;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    Error, State, key,
    statement::{Query, Row, Statement, statement},
};
use crate::subject::Subject;

/// What was last known of an order.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LastStatus {
    /// Which order or domain.
    #[serde(flatten)]
    pub subject: Subject,
    /// The reason code of the last decision.
    pub reason: String,
    /// Its sentence.
    pub detail: String,
    /// Since when it is so.
    pub at: Timestamp,
    /// When the work was taken up.
    pub begun: Timestamp,
    /// When the agent comes back to it.
    pub wake: Timestamp,
    /// The CA's status, where it is known.
    pub status: Option<String>,
    /// Control was proven.
    pub proven: bool,
    /// When the work has to be done, where that is known; of a domain, until when it is proven.
    pub deadline: Option<Timestamp>,
    /// It was found in the account, not named in the configuration.
    #[serde(skip)]
    pub discovered: bool,
}

const NOTE: Statement = statement!(
    "INSERT INTO notes (account, kind, id, reason, detail, at, begun, wake, status, proven, deadline, discovered)
     SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT), value ->> 3, value ->> 4, value ->> 5,
        value ->> 6, value ->> 7, value ->> 8, CAST(value ->> 9 AS BOOLEAN), value ->> 10,
        CAST(value ->> 11 AS BOOLEAN) FROM",
    list,
    "WHERE true ON CONFLICT (account, kind, id) DO UPDATE SET
        reason = excluded.reason, detail = excluded.detail, at = excluded.at, begun = excluded.begun,
        wake = excluded.wake, status = excluded.status, proven = excluded.proven, deadline = excluded.deadline,
        discovered = excluded.discovered"
);
const FORGET: Statement = statement!(
    "DELETE FROM notes WHERE (account, kind, id) IN (
     SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT) FROM",
    list,
    ")"
);
const FORGET_FINISHED: Statement =
    statement!("DELETE FROM notes WHERE discovered AND kind = 'order' AND reason IN ($1, $2) AND at < $3");
const ALL: Statement = statement!(
    "SELECT account, kind, id, reason, detail, at, begun, wake, status, proven, deadline, discovered FROM notes
     ORDER BY account, kind DESC, id"
);
const OF: Statement = statement!(
    "SELECT account, kind, id, reason, detail, at, begun, wake, status, proven, deadline, discovered FROM notes
     WHERE (account, kind, id) IN (SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT) FROM",
    list,
    ")"
);

impl LastStatus {
    /// Whether nothing was left to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.known_reason().is_some_and(Reason::is_over)
    }

    /// The reason, where this version knows it.
    #[must_use]
    pub fn known_reason(&self) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|reason| reason.code() == self.reason)
    }
}

impl State {
    /// Notes what was decided about some, and forgets others.
    ///
    /// # Errors
    /// When the state fails; then nothing of it is noted.
    pub async fn note_all(&self, statuses: &[LastStatus], gone: &[Subject]) -> Result<(), Error> {
        if statuses.is_empty() && gone.is_empty() {
            return Ok(());
        }
        self.write(&[noted(statuses), Query::new(FORGET).bind(key::list(gone))]).await
    }

    /// Forgets orders that were found in an account and ended before.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn forget_finished(&self, before: Timestamp) -> Result<(), Error> {
        let query = Query::new(FORGET_FINISHED)
            .bind(Reason::Validated.code())
            .bind(Reason::OrderClosed.code())
            .bind(before.to_string());
        self.write(&[query]).await
    }

    /// What was last known of every order, by account and number.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn notes(&self) -> Result<Vec<LastStatus>, Error> {
        Ok(self.rows(Query::new(ALL)).await?.iter().filter_map(last_status).collect())
    }

    /// What was last known of these.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn notes_of(&self, subjects: &[Subject]) -> Result<Vec<LastStatus>, Error> {
        let rows = self.rows(Query::new(OF).bind(key::list(subjects))).await?;
        Ok(rows.iter().filter_map(last_status).collect())
    }
}

/// Notes all of these.
pub(super) fn noted(statuses: &[LastStatus]) -> Query {
    Query::new(NOTE).bind(Value::Array(statuses.iter().map(columns).collect()).to_string())
}

/// What is noted, in the order of [`NOTE`].
fn columns(status: &LastStatus) -> Value {
    serde_json::json!([
        &*status.subject.account,
        key::kind(&status.subject),
        status.subject.id.number().cast_signed(),
        status.reason,
        status.detail,
        status.at,
        status.begun,
        status.wake,
        status.status,
        status.proven,
        status.deadline,
        status.discovered,
    ])
}

fn last_status(row: &Row) -> Option<LastStatus> {
    Some(LastStatus {
        subject: key::subject(row)?,
        reason: row.text("reason")?,
        detail: row.text("detail")?,
        at: row.time("at")?,
        begun: row.time("begun").or_else(|| row.time("at"))?,
        wake: row.time("wake")?,
        status: row.text("status"),
        proven: row.flag("proven")?,
        deadline: row.time("deadline"),
        discovered: row.flag("discovered")?,
    })
}
