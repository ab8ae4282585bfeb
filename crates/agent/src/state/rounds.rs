//! When every order of an account was looked at.

use jiff::Timestamp;

use super::{Error, State};

impl State {
    /// Notes that a run which began then has looked at every order of these accounts.
    ///
    /// # Errors
    /// When the state file fails; the next run then looks at each again.
    pub async fn looked_at_all(
        &self,
        accounts: impl Iterator<Item = &str>,
        began: Timestamp,
    ) -> Result<(), Error> {
        let accounts: Vec<&str> = accounts.collect();
        self.write(async |connection| {
            for account in accounts {
                sqlx::query("INSERT OR REPLACE INTO rounds (account, began) VALUES (?, ?)")
                    .bind(account)
                    .bind(began.to_string())
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(())
        })
        .await
    }

    /// When the last run began that looked at every order of an account.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn last_round(&self, account: &str) -> Result<Option<Timestamp>, Error> {
        let query = sqlx::query_scalar("SELECT began FROM rounds WHERE account = ?").bind(account);
        let began: Option<String> =
            self.read(async |connection| query.fetch_optional(connection).await).await?;
        Ok(began.and_then(|began| began.parse().ok()))
    }
}
