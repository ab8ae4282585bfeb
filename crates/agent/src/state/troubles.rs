//! What is in trouble for everybody, for `status`.

use super::{
    Error, State,
    statement::{Query, Row, Statement, statement},
};
use crate::trouble::Trouble;

/// In the database each replica has its own; the database knows which one asks.
const CLEAR: Statement = Statement {
    sqlite: "DELETE FROM troubles",
    postgres: "DELETE FROM troubles WHERE replica = current_setting('application_name')",
};
const PUT: Statement = Statement {
    sqlite: "INSERT OR REPLACE INTO troubles (subject, since, detail) VALUES ($1, $2, $3)",
    postgres: "INSERT INTO troubles (replica, subject, since, detail) VALUES (current_setting('application_name'), $1, $2, $3) ON CONFLICT DO NOTHING",
};
const ALL: Statement = statement!("SELECT DISTINCT subject, since, detail FROM troubles ORDER BY subject");

impl State {
    /// Replaces what is in trouble.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn set_troubles(&self, troubles: &[Trouble]) -> Result<(), Error> {
        let mut queries = vec![Query::new(CLEAR)];
        queries.extend(troubles.iter().map(|Trouble { of, since, detail }| {
            Query::new(PUT).bind(of.as_str()).bind(since.to_string()).bind(detail.as_str())
        }));
        self.write(&queries).await
    }

    /// What was in trouble when that was told last.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn troubles(&self) -> Result<Vec<Trouble>, Error> {
        Ok(self.rows(Query::new(ALL)).await?.iter().filter_map(trouble).collect())
    }
}

fn trouble(row: &Row) -> Option<Trouble> {
    Some(Trouble { of: row.text("subject")?, since: row.time("since")?, detail: row.text("detail")? })
}
