//! When calls were sent: the CA's rate windows outlive a process.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Error, State,
    line::Change,
    statement::{Query, Statement, statement},
};

const SENT: Statement = statement!("SELECT sent FROM calls WHERE account = $1");

impl State {
    /// Records that a call is about to be sent, and forgets those older than any window. Calls that wait at the same time are
    /// recorded by one transaction.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn calling(
        &self,
        account: &str,
        now: Timestamp,
        longest_window: Duration,
    ) -> Result<(), Error> {
        let at = now.as_millisecond();
        let oldest = at.saturating_sub(i64::try_from(longest_window.as_millis()).unwrap_or(i64::MAX));
        self.commit(Change::Call { account: account.to_owned(), at, oldest }).await
    }

    /// How long ago earlier processes sent their calls.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn called(&self, account: &str, now: Timestamp) -> Result<Vec<Duration>, Error> {
        let rows = self.rows(Query::new(SENT).bind(account)).await?;
        let age = |sent: i64| {
            Duration::from_millis(u64::try_from(now.as_millisecond().saturating_sub(sent)).unwrap_or(0))
        };
        Ok(rows.iter().filter_map(|row| row.number("sent")).map(age).collect())
    }
}
