//! The store itself: one connection to one SQLite file, which is never used again after an error.
//!
//! After a failed COMMIT SQLite may have rolled back by itself, or not; whoever goes on with such a connection may find
//! that nothing it writes is ever committed. So each transaction is begun and ended by statements of our own, whose success
//! is SQLite's word that it is durable, and a connection of which anything failed, or whose caller was cancelled, is closed.

use std::{
    fs::DirBuilder,
    io::ErrorKind,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use tokio::sync::Mutex;

use super::{
    Error,
    health::{Health, Trouble},
    line::Line,
    schema,
};

/// How long another process's transaction is waited for.
const BUSY: Duration = Duration::from_secs(10);
/// Pages of the write-ahead log after which it is carried over and begun anew: half a megabyte. SQLite's own 1000 are four
/// megabytes, thirty times the state itself, on a disk that may be small.
const LOG_PAGES: &str = "128";
/// Between two attempts to open a file that others are opening.
const PAUSE: Duration = Duration::from_millis(20);

/// An open state. Clones share it.
#[derive(Clone, Debug)]
pub struct State {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    access: Access,
    slot: Mutex<Slot>,
    line: Line,
    health: Health,
}

/// The connection, and whether something was begun on it that has not ended well.
#[derive(Debug)]
struct Slot {
    connection: Option<SqliteConnection>,
    suspect: bool,
}

/// Where the state is.
#[derive(Debug)]
enum File {
    At(PathBuf),
    /// Nowhere: it is gone with the process.
    Memory,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// It is made, or carried over, where that is needed.
    Own,
    /// It is there, and its format is left as it is; an agent may work on it.
    Beside,
}

impl State {
    /// Opens or creates the state, and the folder that it lies in.
    ///
    /// # Errors
    /// When the file is unreadable, damaged, or from a newer version; it is left as it is.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        make_folder(path)?;
        Self::connect(File::At(path.to_owned()), Access::Own).await
    }

    /// A state that is gone with the process.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn in_memory() -> Result<Self, Error> {
        Self::connect(File::Memory, Access::Own).await
    }

    /// Opens an existing state for reading, beside a running daemon.
    ///
    /// # Errors
    /// When there is none, or it may not be read, or as for [`State::open`].
    pub async fn open_existing(path: &Path) -> Result<Self, Error> {
        match std::fs::File::open(path).map_err(|error| error.kind()) {
            Err(ErrorKind::NotFound) => return Err(Error::Missing { path: path.to_owned() }),
            Err(ErrorKind::PermissionDenied) => return Err(Error::Forbidden { path: path.to_owned() }),
            Ok(_) | Err(_) => {}
        }
        Self::connect(File::At(path.to_owned()), Access::Beside).await
    }

    async fn connect(file: File, access: Access) -> Result<Self, Error> {
        let connection = file.open(access).await?;
        let slot = Mutex::new(Slot { connection: Some(connection), suspect: false });
        Ok(Self {
            inner: Arc::new(Inner { file, access, slot, line: Line::default(), health: Health::default() }),
        })
    }

    /// What keeps the state from being written, while something does.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.inner.health.trouble()
    }

    /// Whether it is another agent's, which is only read.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.access == Access::Beside
    }

    /// Ends the connection; what was written stays.
    pub async fn close(&self) {
        if let Some(connection) = self.inner.slot.lock().await.connection.take() {
            let _ = connection.close().await;
        }
    }

    /// Does some work in one transaction. It is durable when this returns well, and has left nothing when it does not.
    pub(super) async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let outcome = self
            .with_connection(async |connection| {
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
                let done = work(connection).await?;
                sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
                Ok(done)
            })
            .await;
        self.inner.health.note(outcome.as_ref().err());
        outcome
    }

    /// Changes that wait to be written together.
    pub(super) fn line(&self) -> &Line {
        &self.inner.line
    }

    /// Does some work that changes nothing.
    pub(super) async fn read<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        self.with_connection(work).await
    }

    async fn with_connection<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let Inner { file, access, slot, .. } = &*self.inner;
        let mut slot = slot.lock().await;
        if slot.suspect {
            file.discard(&mut slot).await;
        }
        let Slot { connection, suspect } = &mut *slot;
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(file.open(*access).await?),
        };
        // Whoever is cancelled here leaves it so.
        *suspect = true;
        let outcome = work(connection).await;
        *suspect = outcome.is_err();
        Ok(outcome?)
    }
}

impl File {
    /// Opens it, and carries it over where it is ours to do so.
    async fn open(&self, access: Access) -> Result<SqliteConnection, Error> {
        let (path, options) = match self {
            Self::At(path) => (path.as_path(), SqliteConnectOptions::new().filename(path)),
            Self::Memory => (Path::new(":memory:"), SqliteConnectOptions::new().in_memory(true)),
        };
        let options = options
            .create_if_missing(access == Access::Own)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .pragma("wal_autocheckpoint", LOG_PAGES)
            .foreign_keys(true);
        let end = Instant::now() + BUSY;
        loop {
            let opened = prepare(&options, access).await;
            match opened {
                // SQLite does not wait for others who turn the file to a write-ahead log at this moment.
                Err(error) if is_busy(&error) && Instant::now() < end => tokio::time::sleep(PAUSE).await,
                Err(source) => return Err(Error::Open { path: path.to_owned(), source }),
                Ok((connection, found)) if found == schema::VERSION => return Ok(connection),
                Ok((_, found)) => {
                    let (path, known) = (path.to_owned(), schema::VERSION);
                    return Err(match found > known {
                        true => Error::Newer { path, found, known },
                        // Beside a daemon that has not been restarted yet the tables have to stay as they are.
                        false => Error::Older { path, found, known },
                    });
                }
            }
        }
    }

    /// Gets rid of a connection of which something failed. What is only in memory would be gone with it.
    async fn discard(&self, slot: &mut Slot) {
        match (self, &mut slot.connection) {
            (Self::Memory, Some(connection)) => {
                // Fails where nothing was begun, which is well.
                let _ = sqlx::raw_sql("ROLLBACK").execute(connection).await;
            }
            (Self::At(_) | Self::Memory, _) => slot.connection = None,
        }
        slot.suspect = false;
    }
}

/// Connects, and brings the file to today's format where it is ours to change; tells the format that it has then.
async fn prepare(
    options: &SqliteConnectOptions,
    access: Access,
) -> Result<(SqliteConnection, i64), sqlx::Error> {
    let mut connection = options.clone().disable_statement_logging().connect().await?;
    let found = version(&mut connection).await?;
    if access == Access::Beside {
        return Ok((connection, found));
    }
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await?;
    if mode != "wal" {
        sqlx::query_scalar::<_, String>("PRAGMA journal_mode = wal").fetch_one(&mut connection).await?;
    }
    if found >= schema::VERSION {
        return Ok((connection, found));
    }
    // Read again inside the transaction: another process may be doing the same at this moment.
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await?;
    let found = version(&mut connection).await?;
    for step in schema::STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        sqlx::raw_sql(*step).execute(&mut connection).await?;
    }
    sqlx::raw_sql("COMMIT").execute(&mut connection).await?;
    let found = version(&mut connection).await?;
    Ok((connection, found))
}

async fn version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await
}

fn is_busy(error: &sqlx::Error) -> bool {
    // SQLITE_BUSY and SQLITE_LOCKED, with whatever extension in the higher bits.
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// Makes the folder of a file for its owner only.
fn make_folder(path: &Path) -> Result<(), Error> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
    else {
        return Ok(());
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| Error::Folder { folder: folder.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{state::Entry, subject::Subject};
    use dcv_core::{Artifact, Guarded, Lookup, RandomValue, RecordData};

    fn entries(from: u64, count: u64) -> Vec<Entry> {
        let entry = |number: u64| {
            let lookup = Lookup::dnsauth(format!("h{number}.example.com").parse().unwrap());
            let site = Guarded::direct(&lookup, "example.com".parse().unwrap()).unwrap();
            let data = RecordData::Txt(RandomValue::new(format!("value{number}")).unwrap());
            Entry { subject: Subject::order("main", number), artifact: Artifact::Record { site, data } }
        };
        (from..from + count).map(entry).collect()
    }

    /// The disk is full for a while: what could not be written is told as such, nothing of it is there, and what is written
    /// once there is room again is durable, for whoever else reads the file.
    #[tokio::test]
    async fn after_a_full_disk_what_is_written_is_durable_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let state = State::open(&path).await.unwrap();
        let now = "2026-11-26T00:00:00Z".parse().unwrap();
        state.intend(&entries(0, 10), now).await.unwrap();
        // The limit is the connection's, and goes with it.
        state
            .read(async |connection| {
                let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *connection).await?;
                sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
                    .execute(connection)
                    .await
            })
            .await
            .unwrap();
        let refused = state.intend(&entries(1000, 5000), now).await;
        assert!(refused.is_err());
        let trouble = state.trouble().unwrap();
        assert!(trouble.detail.contains("full"), "{}", trouble.detail);

        state.intend(&entries(10, 10), now).await.unwrap();
        assert_eq!(state.trouble(), None);
        let other = State::open_existing(&path).await.unwrap();
        assert_eq!(
            other.held().await.unwrap().len(),
            20,
            "another connection does not see what was promised"
        );
    }

    /// A caller who goes away in the middle of a transaction leaves nothing of it, and the next one is not part of it.
    #[tokio::test]
    async fn a_cancelled_transaction_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let state = State::open(&path).await.unwrap();
        let cancelled = state.write(async |connection| {
            sqlx::raw_sql("INSERT INTO calls VALUES ('main', 1)").execute(connection).await?;
            std::future::pending::<()>().await;
            Ok(())
        });
        assert!(tokio::time::timeout(Duration::from_millis(200), cancelled).await.is_err());
        state
            .calling("other", "2026-11-26T00:00:00Z".parse().unwrap(), Duration::from_secs(1))
            .await
            .unwrap();
        let other = State::open_existing(&path).await.unwrap();
        let now = "2026-11-26T00:00:00Z".parse().unwrap();
        assert_eq!(other.called("main", now).await.unwrap().len(), 0);
        assert_eq!(other.called("other", now).await.unwrap().len(), 1);
    }

    /// The files of the state stay as small as what is in them, however much is written: a disk of a megabyte is enough.
    #[tokio::test]
    async fn what_was_written_does_not_pile_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let state = State::open(&path).await.unwrap();
        for second in 0..300 {
            let trouble = crate::trouble::Trouble {
                of: "account main".into(),
                since: jiff::Timestamp::constant(1_800_000_000 + second, 0),
                detail: "down".into(),
            };
            state.set_troubles(&[trouble]).await.unwrap();
        }
        let files = std::fs::read_dir(folder.path()).unwrap();
        let octets: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(octets < 900_000, "{octets}");
    }
}
