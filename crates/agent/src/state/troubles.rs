//! What is in trouble for everybody, for `status`.

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{Error, State};
use crate::trouble::Trouble;

impl State {
    /// Replaces what is in trouble.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn set_troubles(&self, troubles: &[Trouble]) -> Result<(), Error> {
        self.write(async |connection| {
            sqlx::query("DELETE FROM troubles").execute(&mut *connection).await?;
            for Trouble { of, since, detail } in troubles {
                sqlx::query("INSERT OR REPLACE INTO troubles (subject, since, detail) VALUES (?, ?, ?)")
                    .bind(of)
                    .bind(since.to_string())
                    .bind(detail)
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(())
        })
        .await
    }

    /// What was in trouble when that was told last.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn troubles(&self) -> Result<Vec<Trouble>, Error> {
        let query = sqlx::query("SELECT subject, since, detail FROM troubles ORDER BY subject");
        let rows = self.read(async |connection| query.fetch_all(connection).await).await?;
        Ok(rows.iter().filter_map(trouble).collect())
    }
}

fn trouble(row: &SqliteRow) -> Option<Trouble> {
    Some(Trouble {
        of: row.try_get("subject").ok()?,
        since: row.try_get::<String, _>("since").ok()?.parse().ok()?,
        detail: row.try_get("detail").ok()?,
    })
}
