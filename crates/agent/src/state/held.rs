//! What is, or may be, up: written durably before it is put up.

use std::collections::BTreeSet;

use dcv_core::{DomainName, Held};
use jiff::Timestamp;

use super::{
    Error, State,
    entry::{Entry, entry, held, list},
    key,
    line::Change,
    statement::{Query, Statement, statement},
};
use crate::subject::Subject;

const INTEND: Statement = statement!(
    "INSERT INTO held (account, kind, id, zone, owner, value, intended)
     SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT), value ->> 3, value ->> 4, value ->> 5, $2 FROM",
    list,
    "WHERE true ON CONFLICT DO NOTHING"
);
const APPLIED: Statement = statement!(
    "UPDATE held SET applied = $2 WHERE (account, kind, id, zone, owner, value) IN (
     SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT), value ->> 3, value ->> 4, value ->> 5 FROM",
    list,
    ")"
);
const GONE: Statement = statement!(
    "DELETE FROM held WHERE (account, kind, id, zone, owner, value) IN (
     SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT), value ->> 3, value ->> 4, value ->> 5 FROM",
    list,
    ")"
);
const AT_OWNERS: Statement = statement!(
    "SELECT account, kind, id, zone, owner, value, applied FROM held
     WHERE zone <> '' AND owner IN (SELECT value ->> 0 FROM",
    list,
    ")"
);
const FILES: Statement = statement!(
    "SELECT account, kind, id, zone, owner, value, applied FROM held WHERE zone = '' ORDER BY intended"
);
/// Every replica shows every file; by this it knows when they are others. There is no such table where there is one agent.
const FILES_CHANGED: Statement = statement!("UPDATE files SET changes = changes + 1");
const ALL: Statement = statement!("SELECT account, kind, id, zone, owner, value, applied FROM held");
const OF: Statement = statement!(
    "SELECT account, kind, id, zone, owner, value, applied FROM held WHERE (account, kind, id) IN (
     SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT) FROM",
    list,
    ")"
);

// Columns are named in every question: those of a file that another process is carrying over change under a `*`.

impl State {
    /// Records what is about to be published. Durable when this returns.
    ///
    /// # Errors
    /// When it could not be made durable: then nothing may be published.
    pub async fn intend(&self, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
        self.each(entries, |entries| Query::new(INTEND).bind(entries).bind(now.to_string())).await
    }

    /// Marks values as confirmed by their provider.
    ///
    /// # Errors
    /// When the state fails; the values then stay intended, and are published again.
    pub async fn applied(&self, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
        self.each(entries, |entries| Query::new(APPLIED).bind(entries).bind(now.to_string())).await
    }

    /// Forgets values that are gone from DNS.
    ///
    /// # Errors
    /// When the state fails; the values then are removed once more, which is harmless.
    pub async fn gone(&self, entries: &[Entry]) -> Result<(), Error> {
        self.each(entries, |entries| Query::new(GONE).bind(entries)).await
    }

    /// Runs a statement for all entries at once, which it takes as one text. Of those that wait at the same moment all are
    /// written by one transaction.
    async fn each(&self, entries: &[Entry], query: impl FnOnce(String) -> Query) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut queries = vec![query(Entry::list(entries))];
        if self.fleet().is_some() && entries.iter().any(|entry| entry.artifact.zone().is_none()) {
            queries.push(Query::new(FILES_CHANGED));
        }
        self.commit(Change::Do(queries)).await
    }

    /// Everything that may be up at these owner names.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn at_owners(&self, owners: &BTreeSet<&DomainName>) -> Result<Vec<Entry>, Error> {
        let owners = list(owners.iter().map(|owner| serde_json::json!([owner.as_str()])));
        let rows = self.rows(Query::new(AT_OWNERS).bind(owners)).await?;
        Ok(rows.iter().filter_map(held).map(entry).collect())
    }

    /// Every file that may be up, the latest last.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn files(&self) -> Result<Vec<Entry>, Error> {
        Ok(self.rows(Query::new(FILES)).await?.iter().filter_map(held).map(entry).collect())
    }

    /// Everything that may be up, each with whose it is.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn held(&self) -> Result<Vec<(Subject, Held)>, Error> {
        Ok(self.rows(Query::new(ALL)).await?.iter().filter_map(held).collect())
    }

    /// What may be up of these.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn held_of(&self, subjects: &[Subject]) -> Result<Vec<(Subject, Held)>, Error> {
        let rows = self.rows(Query::new(OF).bind(key::list(subjects))).await?;
        Ok(rows.iter().filter_map(held).collect())
    }
}
