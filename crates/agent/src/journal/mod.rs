//! The values that this agent put into DNS, written durably before the provider is called.
//!
//! After any crash the journal lists every value that may be in DNS. It decides nothing: it exists to tidy up, to tell
//! `status`, and to stay polite after a restart.

mod schema;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use dcv_core::{DomainName, Guarded, Held, RandomValue, RecordData, Site};
use jiff::Timestamp;
use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};

use crate::roster::OrderKey;

/// An open journal.
#[derive(Clone, Debug)]
pub struct Journal {
    pool: SqlitePool,
}

/// A value of one order at one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub order: OrderKey,
    /// Where it goes.
    pub site: Site,
    /// What it is.
    pub data: RecordData,
}

/// What was last known of an order.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// Which order.
    #[serde(flatten)]
    pub order: OrderKey,
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
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened.
    #[error("the state file {path} cannot be opened")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The file was written by a newer version.
    #[error(
        "the state file {path} has format {found}, this version knows {known}; install the newer version again or set another agent.state"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A statement failed: disk full, file damaged or locked.
    #[error("the state file cannot be used")]
    Statement(#[from] sqlx::Error),
}

impl Journal {
    /// Opens or creates the journal.
    ///
    /// # Errors
    /// When the file is unreadable, damaged, or from a newer version; it is left as it is.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        Self::connect(path, true).await
    }

    /// Opens an existing journal for reading, beside a running daemon.
    ///
    /// # Errors
    /// When there is none, or as for [`Journal::open`].
    pub async fn open_existing(path: &Path) -> Result<Self, Error> {
        Self::connect(path, false).await
    }

    async fn connect(path: &Path, create: bool) -> Result<Self, Error> {
        let cannot = |source| Error::Open { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true);
        // One connection: SQLite has one writer anyway, and a queue here is fairer than its locks.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(cannot)?;
        let journal = Self { pool };
        let found: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&journal.pool).await.map_err(cannot)?;
        if found > schema::VERSION {
            return Err(Error::Newer { path: path.to_owned(), found, known: schema::VERSION });
        }
        if found < schema::VERSION {
            sqlx::raw_sql(schema::CREATE).execute(&journal.pool).await.map_err(cannot)?;
        }
        Ok(journal)
    }

    /// Records what is about to be published. Durable when this returns.
    ///
    /// # Errors
    /// When it could not be made durable: then nothing may be published.
    pub async fn intend(&self, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
        self.each(
            "INSERT INTO held (account, order_id, zone, owner, value, intended) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO NOTHING",
            entries,
            Some(now),
        )
        .await
    }

    /// Marks values as confirmed by their provider.
    ///
    /// # Errors
    /// When the state file fails; the values then stay intended, and are published again.
    pub async fn applied(&self, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
        self.each(
            "UPDATE held SET applied = ?6 WHERE account = ?1 AND order_id = ?2 AND zone = ?3 AND owner = ?4 AND value = ?5",
            entries,
            Some(now),
        )
        .await
    }

    /// Forgets values that are gone from DNS.
    ///
    /// # Errors
    /// When the state file fails; the values then are removed once more, which is harmless.
    pub async fn gone(&self, entries: &[Entry]) -> Result<(), Error> {
        self.each(
            "DELETE FROM held WHERE account = ?1 AND order_id = ?2 AND zone = ?3 AND owner = ?4 AND value = ?5",
            entries,
            None,
        )
        .await
    }

    /// Runs a statement for each entry, in one transaction: ?1 to ?5 are the entry, ?6 the time where one is given.
    async fn each(
        &self,
        statement: &'static str,
        entries: &[Entry],
        time: Option<Timestamp>,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        for Entry { order, site, data } in entries {
            let mut query = sqlx::query(statement)
                .bind(&order.account)
                .bind(order.id.cast_signed())
                .bind(site.zone().as_str())
                .bind(site.owner().as_str())
                .bind(encode(data));
            if let Some(time) = time {
                query = query.bind(time.to_string());
            }
            query.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The orders that hold this very value at this name; it stays in DNS until the last one lets go.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn holders(&self, entry: &Entry) -> Result<Vec<OrderKey>, Error> {
        let rows = sqlx::query("SELECT account, order_id FROM held WHERE owner = ? AND value = ?")
            .bind(entry.site.owner().as_str())
            .bind(encode(&entry.data))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.iter().filter_map(key).collect())
    }

    /// Other orders whose records at this name cannot stand beside this one.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn rivals(&self, entry: &Entry) -> Result<Vec<OrderKey>, Error> {
        let rows = sqlx::query("SELECT account, order_id, value FROM held WHERE owner = ?")
            .bind(entry.site.owner().as_str())
            .fetch_all(&self.pool)
            .await?;
        let rival = |row: &SqliteRow| {
            let held = decode(&row.try_get::<String, _>("value").ok()?)?;
            key(row).filter(|order| *order != entry.order && held.excludes(&entry.data))
        };
        Ok(rows.iter().filter_map(rival).collect())
    }

    /// Every value that may be in DNS, by order.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn held(&self) -> Result<Vec<(OrderKey, Held)>, Error> {
        let rows = sqlx::query("SELECT account, order_id, zone, owner, value, applied FROM held")
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.iter().filter_map(held).collect())
    }

    /// Notes what was decided about an order.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn note(&self, note: &Note) -> Result<(), Error> {
        sqlx::query(
            "INSERT OR REPLACE INTO orders (account, order_id, reason, detail, at, wake, status, proven)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&note.order.account)
        .bind(note.order.id.cast_signed())
        .bind(&note.reason)
        .bind(&note.detail)
        .bind(note.at.to_string())
        .bind(note.wake.to_string())
        .bind(&note.status)
        .bind(note.proven)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets an order that has left the configuration and holds nothing.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn forget(&self, order: &OrderKey) -> Result<(), Error> {
        sqlx::query("DELETE FROM orders WHERE account = ? AND order_id = ?")
            .bind(&order.account)
            .bind(order.id.cast_signed())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// What was last known of every order, by account and number.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn notes(&self) -> Result<Vec<Note>, Error> {
        let rows =
            sqlx::query("SELECT * FROM orders ORDER BY account, order_id").fetch_all(&self.pool).await?;
        Ok(rows.iter().filter_map(note).collect())
    }

    /// Records that a call is about to be sent, and forgets those older than any window.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn calling(
        &self,
        account: &str,
        now: Timestamp,
        longest_window: Duration,
    ) -> Result<(), Error> {
        let now = now.as_millisecond();
        let oldest = now.saturating_sub(i64::try_from(longest_window.as_millis()).unwrap_or(i64::MAX));
        let mut transaction = self.pool.begin().await?;
        sqlx::query("INSERT INTO calls (account, sent) VALUES (?, ?)")
            .bind(account)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM calls WHERE account = ? AND sent < ?")
            .bind(account)
            .bind(oldest)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// How long ago earlier processes sent their calls.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn called(&self, account: &str, now: Timestamp) -> Result<Vec<Duration>, Error> {
        let sent: Vec<i64> = sqlx::query_scalar("SELECT sent FROM calls WHERE account = ?")
            .bind(account)
            .fetch_all(&self.pool)
            .await?;
        let age = |sent: i64| {
            Duration::from_millis(u64::try_from(now.as_millisecond().saturating_sub(sent)).unwrap_or(0))
        };
        Ok(sent.into_iter().map(age).collect())
    }

    /// Ends the connection; what was written stays.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

fn key(row: &SqliteRow) -> Option<OrderKey> {
    let id: i64 = row.try_get("order_id").ok()?;
    Some(OrderKey { account: row.try_get("account").ok()?, id: id.cast_unsigned() })
}

/// A row that we did not write is not ours to act on.
fn held(row: &SqliteRow) -> Option<(OrderKey, Held)> {
    let text = |column| row.try_get::<String, _>(column).ok();
    let zone: DomainName = text("zone")?.parse().ok()?;
    let site = Guarded::recorded(text("owner")?.parse().ok()?, zone).ok()?;
    let applied = row.try_get::<Option<String>, _>("applied").ok()?.and_then(|at| at.parse().ok());
    Some((key(row)?, Held { site, data: decode(&text("value")?)?, applied }))
}

/// A record as one text: a TXT value as it is, an alias behind its type, which no value can look like.
fn encode(data: &RecordData) -> String {
    match data {
        RecordData::Txt(value) => value.as_str().to_owned(),
        RecordData::Cname(target) => format!("CNAME {target}"),
    }
}

fn decode(text: &str) -> Option<RecordData> {
    match text.strip_prefix("CNAME ") {
        Some(target) => target.parse().ok().map(RecordData::Cname),
        None => RandomValue::new(text).ok().map(RecordData::Txt),
    }
}

fn note(row: &SqliteRow) -> Option<Note> {
    let time = |column| row.try_get::<String, _>(column).ok().and_then(|text| text.parse().ok());
    Some(Note {
        order: key(row)?,
        reason: row.try_get("reason").ok()?,
        detail: row.try_get("detail").ok()?,
        at: time("at")?,
        wake: time("wake")?,
        status: row.try_get("status").ok()?,
        proven: row.try_get("proven").ok()?,
    })
}
