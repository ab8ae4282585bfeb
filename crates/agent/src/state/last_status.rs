//! What was last known of each order and domain, for `status` and for politeness after a restart.

use jiff::Timestamp;
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
    /// When it was noted.
    pub at: Timestamp,
    /// When the agent comes back to it.
    pub wake: Timestamp,
    /// The CA's status, where it is known.
    pub status: Option<String>,
    /// Control was proven.
    pub proven: bool,
    /// When the work has to be done, where that is known; of a domain, until when it is proven.
    pub deadline: Option<Timestamp>,
}

impl State {
    /// Notes what was decided about an order.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn note(&self, status: &LastStatus) -> Result<(), Error> {
        self.note_all(std::slice::from_ref(status)).await
    }

    /// Notes what was decided about many.
    ///
    /// # Errors
    /// When the state file fails; then nothing of it is noted.
    pub async fn note_all(&self, statuses: &[LastStatus]) -> Result<(), Error> {
        if statuses.is_empty() {
            return Ok(());
        }
        self.write(async |connection| {
            for status in statuses {
                sqlx::query(
                    "INSERT OR REPLACE INTO notes (account, kind, id, reason, detail, at, wake, status, proven, deadline)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )
                .bind(&*status.subject.account)
                .bind(kind(&status.subject))
                .bind(status.subject.id.number().cast_signed())
                .bind(&status.reason)
                .bind(&status.detail)
                .bind(status.at.to_string())
                .bind(status.wake.to_string())
                .bind(&status.status)
                .bind(status.proven)
                .bind(status.deadline.map(|at| at.to_string()))
                .execute(&mut *connection)
                .await?;
            }
            Ok(())
        })
        .await
    }

    /// Forgets an order that has left the configuration and holds nothing.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn forget(&self, subject: &Subject) -> Result<(), Error> {
        let query = sqlx::query("DELETE FROM notes WHERE account = ? AND kind = ? AND id = ?")
            .bind(&*subject.account)
            .bind(kind(subject))
            .bind(subject.id.number().cast_signed());
        self.write(async |connection| query.execute(connection).await.map(drop)).await
    }

    /// What was last known of every order, by account and number.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn notes(&self) -> Result<Vec<LastStatus>, Error> {
        let query = sqlx::query(
            "SELECT account, kind, id, reason, detail, at, wake, status, proven, deadline FROM notes
             ORDER BY account, kind DESC, id",
        );
        let rows = self.read(async |connection| query.fetch_all(connection).await).await?;
        Ok(rows.iter().filter_map(last_status).collect())
    }
}

fn last_status(row: &SqliteRow) -> Option<LastStatus> {
    let time = |column| row.try_get::<String, _>(column).ok().and_then(|text| text.parse().ok());
    Some(LastStatus {
        subject: subject(row)?,
        reason: row.try_get("reason").ok()?,
        detail: row.try_get("detail").ok()?,
        at: time("at")?,
        wake: time("wake")?,
        status: row.try_get("status").ok()?,
        proven: row.try_get("proven").ok()?,
        deadline: time("deadline"),
    })
}
