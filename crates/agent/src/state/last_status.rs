//! What was last known of each order and domain, for `status` and for politeness after a restart.

use dcv_core::Reason;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    Error, State,
    key::{kind, subject},
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

// The rows go to SQLite as one text: a statement for each would cost more than what it does.
const NOTE: &str = "INSERT OR REPLACE INTO notes
    (account, kind, id, reason, detail, at, begun, wake, status, proven, deadline, discovered)
    SELECT of.value ->> 0, of.value ->> 1, of.value ->> 2, of.value ->> 3, of.value ->> 4, of.value ->> 5,
        of.value ->> 6, of.value ->> 7, of.value ->> 8, of.value ->> 9, of.value ->> 10, of.value ->> 11
    FROM json_each(?) AS of";

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
    /// When the state file fails; then nothing of it is noted.
    pub async fn note_all(&self, statuses: &[LastStatus], gone: &[Subject]) -> Result<(), Error> {
        if statuses.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let rows = Value::Array(statuses.iter().map(columns).collect()).to_string();
        self.write(async |connection| {
            sqlx::query(NOTE).bind(rows).execute(&mut *connection).await?;
            for subject in gone {
                sqlx::query("DELETE FROM notes WHERE account = ? AND kind = ? AND id = ?")
                    .bind(&*subject.account)
                    .bind(kind(subject))
                    .bind(subject.id.number().cast_signed())
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(())
        })
        .await
    }

    /// Forgets orders that were found in an account and ended before.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn forget_finished(&self, before: Timestamp) -> Result<(), Error> {
        let query = sqlx::query(
            "DELETE FROM notes WHERE discovered AND kind = 'order' AND reason IN (?, ?) AND at < ?",
        )
        .bind(Reason::Validated.code())
        .bind(Reason::OrderClosed.code())
        .bind(before.to_string());
        self.write(async |connection| query.execute(connection).await.map(drop)).await
    }

    /// What was last known of every order, by account and number.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn notes(&self) -> Result<Vec<LastStatus>, Error> {
        let query = sqlx::query(
            "SELECT account, kind, id, reason, detail, at, begun, wake, status, proven, deadline, discovered FROM notes
             ORDER BY account, kind DESC, id",
        );
        let rows = self.read(async |connection| query.fetch_all(connection).await).await?;
        Ok(rows.iter().filter_map(last_status).collect())
    }
}

/// What is noted, in the order of [`NOTE`].
fn columns(status: &LastStatus) -> Value {
    serde_json::json!([
        &*status.subject.account,
        kind(&status.subject),
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

fn last_status(row: &SqliteRow) -> Option<LastStatus> {
    let time = |column| row.try_get::<String, _>(column).ok().and_then(|text| text.parse().ok());
    Some(LastStatus {
        subject: subject(row)?,
        reason: row.try_get("reason").ok()?,
        detail: row.try_get("detail").ok()?,
        at: time("at")?,
        begun: time("begun").or_else(|| time("at"))?,
        wake: time("wake")?,
        status: row.try_get("status").ok()?,
        proven: row.try_get("proven").ok()?,
        deadline: time("deadline"),
        discovered: row.try_get("discovered").ok()?,
    })
}
