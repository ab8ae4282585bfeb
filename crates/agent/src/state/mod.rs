//! What this agent put into DNS and onto web servers, written durably before that is done.
//!
//! After any crash the state lists everything that may be up. It decides nothing: it exists to tidy up, to tell
//! `status`, and to stay polite after a restart.

mod schema;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use dcv_core::{Artifact, DomainName, Guarded, Held, Kind, RandomValue, RecordData};
use jiff::Timestamp;
use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};

use crate::subject::{Id, Subject};

/// An open state.
#[derive(Clone, Debug)]
pub struct State {
    pool: SqlitePool,
}

/// What is put up for one order or domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Whose it is.
    pub subject: Subject,
    /// What it is, and where it goes.
    pub artifact: Artifact,
}

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

/// Why the state cannot be used.
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
    /// The file was written by an older version, and is only to be read.
    #[error(
        "the state file {path} has format {found}, this version knows {known}; the agent carries it over when it starts"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format that we know.
        known: i64,
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

impl State {
    /// Opens or creates the state.
    ///
    /// # Errors
    /// When the file is unreadable, damaged, or from a newer version; it is left as it is.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        Self::connect(path, true).await
    }

    /// Opens an existing state for reading, beside a running daemon.
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
        let state = Self { pool };
        // Read inside the transaction: another process may be doing the same at this moment.
        let mut transaction = state.pool.begin_with("BEGIN IMMEDIATE").await.map_err(cannot)?;
        let found: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(cannot)?;
        if found > schema::VERSION {
            return Err(Error::Newer { path: path.to_owned(), found, known: schema::VERSION });
        }
        // Beside a daemon that has not been restarted yet the tables have to stay as they are.
        if found < schema::VERSION && !create {
            return Err(Error::Older { path: path.to_owned(), found, known: schema::VERSION });
        }
        for step in schema::STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
            sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(cannot)?;
        }
        transaction.commit().await.map_err(cannot)?;
        Ok(state)
    }

    /// Records what is about to be published. Durable when this returns.
    ///
    /// # Errors
    /// When it could not be made durable: then nothing may be published.
    pub async fn intend(&self, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
        self.each(
            "INSERT INTO held (account, kind, id, zone, owner, value, intended) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
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
            "UPDATE held SET applied = ?7 WHERE account = ?1 AND kind = ?2 AND id = ?3 AND zone = ?4 AND owner = ?5 AND value = ?6",
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
            "DELETE FROM held WHERE account = ?1 AND kind = ?2 AND id = ?3 AND zone = ?4 AND owner = ?5 AND value = ?6",
            entries,
            None,
        )
        .await
    }

    /// Runs a statement for each entry, in one transaction: ?1 to ?6 are the entry, ?7 the time where one is given.
    async fn each(
        &self,
        statement: &'static str,
        entries: &[Entry],
        time: Option<Timestamp>,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        for Entry { subject, artifact } in entries {
            let Row { zone, owner, value } = encode(artifact);
            let mut query = sqlx::query(statement)
                .bind(&*subject.account)
                .bind(kind(subject))
                .bind(subject.id.number().cast_signed())
                .bind(zone)
                .bind(owner)
                .bind(value);
            if let Some(time) = time {
                query = query.bind(time.to_string());
            }
            query.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Everything that may be up at an owner name.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn at_owner(&self, owner: &DomainName) -> Result<Vec<Entry>, Error> {
        let rows = sqlx::query(
            "SELECT account, kind, id, zone, owner, value, applied FROM held WHERE owner = ? AND zone <> ''",
        )
        .bind(owner.as_str())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().filter_map(held).map(entry).collect())
    }

    /// Every file that may be up.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn files(&self) -> Result<Vec<Entry>, Error> {
        let rows =
            sqlx::query("SELECT account, kind, id, zone, owner, value, applied FROM held WHERE zone = ''")
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.iter().filter_map(held).map(entry).collect())
    }

    /// Everything that may be up, by order.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn held(&self) -> Result<Vec<(Subject, Held)>, Error> {
        let rows = sqlx::query("SELECT account, kind, id, zone, owner, value, applied FROM held")
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.iter().filter_map(held).collect())
    }

    /// Notes what was decided about an order.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn note(&self, note: &LastStatus) -> Result<(), Error> {
        self.note_all(std::slice::from_ref(note)).await
    }

    /// Notes what was decided about many.
    ///
    /// # Errors
    /// When the state file fails; then nothing of it is noted.
    pub async fn note_all(&self, notes: &[LastStatus]) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        for note in notes {
            sqlx::query(
                "INSERT OR REPLACE INTO notes (account, kind, id, reason, detail, at, wake, status, proven, deadline)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&*note.subject.account)
            .bind(kind(&note.subject))
            .bind(note.subject.id.number().cast_signed())
            .bind(&note.reason)
            .bind(&note.detail)
            .bind(note.at.to_string())
            .bind(note.wake.to_string())
            .bind(&note.status)
            .bind(note.proven)
            .bind(note.deadline.map(|at| at.to_string()))
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Forgets an order that has left the configuration and holds nothing.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn forget(&self, subject: &Subject) -> Result<(), Error> {
        sqlx::query("DELETE FROM notes WHERE account = ? AND kind = ? AND id = ?")
            .bind(&*subject.account)
            .bind(kind(subject))
            .bind(subject.id.number().cast_signed())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// What was last known of every order, by account and number.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn notes(&self) -> Result<Vec<LastStatus>, Error> {
        let rows =
            sqlx::query("SELECT * FROM notes ORDER BY account, kind DESC, id").fetch_all(&self.pool).await?;
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

fn key(row: &SqliteRow) -> Option<Subject> {
    let number = row.try_get::<i64, _>("id").ok()?.cast_unsigned();
    let id = match row.try_get::<String, _>("kind").ok()?.as_str() {
        "order" => Id::Order(number),
        "domain" => Id::Domain(number),
        _ => return None,
    };
    let account: String = row.try_get("account").ok()?;
    Some(Subject { account: account.into(), id })
}

const fn kind(subject: &Subject) -> &'static str {
    match subject.id.kind() {
        Kind::Order => "order",
        Kind::Domain => "domain",
    }
}

fn entry((subject, held): (Subject, Held)) -> Entry {
    Entry { subject, artifact: held.artifact }
}

/// A row that we did not write is not ours to act on.
fn held(row: &SqliteRow) -> Option<(Subject, Held)> {
    let text = |column| row.try_get::<String, _>(column).ok();
    let applied = row.try_get::<Option<String>, _>("applied").ok()?.and_then(|at| at.parse().ok());
    let artifact = decode(&text("zone")?, &text("owner")?, &text("value")?)?;
    Some((key(row)?, Held { artifact, applied }))
}

/// An artifact in three columns.
struct Row {
    /// Empty for a file.
    zone: String,
    owner: String,
    /// A TXT value as it is; an alias or a file behind a word and a blank, which no value holds.
    value: String,
}

fn encode(artifact: &Artifact) -> Row {
    match artifact {
        Artifact::Record { site, data } => Row {
            zone: site.zone().to_string(),
            owner: site.owner().to_string(),
            value: match data {
                RecordData::Txt(value) => value.as_str().to_owned(),
                RecordData::Cname(target) => format!("CNAME {target}"),
            },
        },
        Artifact::File { host, value } => {
            Row { zone: String::new(), owner: host.to_string(), value: format!("FILE {}", value.as_str()) }
        }
    }
}

fn decode(zone: &str, owner: &str, value: &str) -> Option<Artifact> {
    let owner: DomainName = owner.parse().ok()?;
    if let Some(value) = value.strip_prefix("FILE ") {
        return Some(Artifact::File { host: owner, value: RandomValue::new(value).ok()? });
    }
    let data = match value.strip_prefix("CNAME ") {
        Some(target) => RecordData::Cname(target.parse().ok()?),
        None => RecordData::Txt(RandomValue::new(value).ok()?),
    };
    Some(Artifact::Record { site: Guarded::recorded(owner, zone.parse().ok()?).ok()?, data })
}

fn note(row: &SqliteRow) -> Option<LastStatus> {
    let time = |column| row.try_get::<String, _>(column).ok().and_then(|text| text.parse().ok());
    Some(LastStatus {
        subject: key(row)?,
        reason: row.try_get("reason").ok()?,
        detail: row.try_get("detail").ok()?,
        at: time("at")?,
        wake: time("wake")?,
        status: row.try_get("status").ok()?,
        proven: row.try_get("proven").ok()?,
        deadline: time("deadline"),
    })
}

#[cfg(test)]
mod tests;
