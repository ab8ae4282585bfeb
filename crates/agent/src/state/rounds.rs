//! When every order of an account was looked at.

use jiff::Timestamp;

use super::{
    Error, State,
    statement::{Query, Statement, statement},
};

const LOOKED: Statement = statement!(
    "INSERT INTO rounds (account, began) VALUES ($1, $2) ON CONFLICT (account) DO UPDATE SET began = excluded.began"
);
const LAST: Statement = statement!("SELECT began FROM rounds WHERE account = $1");

impl State {
    /// Notes that a run which began then has looked at every order of these accounts.
    ///
    /// # Errors
    /// When the state fails; the next run then looks at each again.
    pub async fn looked_at_all(
        &self,
        accounts: impl Iterator<Item = &str>,
        began: Timestamp,
    ) -> Result<(), Error> {
        let began = began.to_string();
        let noted = accounts.map(|account| Query::new(LOOKED).bind(account).bind(began.as_str()));
        self.write(&noted.collect::<Vec<_>>()).await
    }

    /// When the last run began that looked at every order of an account.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn last_round(&self, account: &str) -> Result<Option<Timestamp>, Error> {
        let rows = self.rows(Query::new(LAST).bind(account)).await?;
        Ok(rows.first().and_then(|row| row.time("began")))
    }
}
