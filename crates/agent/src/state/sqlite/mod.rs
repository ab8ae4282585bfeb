//! The store of one agent: one connection to one SQLite file, which is never used again after an error.
//!
//! After a failed COMMIT SQLite may have rolled back by itself, or not; whoever goes on with such a connection may find
//! that nothing it writes is ever committed. So each transaction is begun and ended by statements of our own, whose success
//! is SQLite's word that it is durable, and a connection of which anything failed, or whose caller was cancelled, is closed.

mod lock;
mod schema;

use std::{
    fs::DirBuilder,
    io::ErrorKind,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use tokio::sync::Mutex;

pub use self::lock::Lock;
#[cfg(test)]
pub(super) use self::schema::FIRST_FORMAT;
use super::{
    Error,
    access::Access,
    statement::{Query, Row},
};

/// How long another process's transaction is waited for.
const BUSY: Duration = Duration::from_secs(10);
/// Pages of the write-ahead log after which it is carried over and begun anew: half a megabyte. SQLite's own 1000 are four
/// megabytes, thirty times the state itself, on a disk that may be small.
const LOG_PAGES: &str = "128";
/// Between two attempts to open a file that others are opening.
const PAUSE: Duration = Duration::from_millis(20);

/// An open file. A second connection may read beside it.
#[derive(Debug)]
pub(super) struct Store {
    file: File,
    access: Access,
    slot: Mutex<Slot>,
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

impl Store {
    /// Opens a file; makes it, and the folder that it lies in, where it is ours to make.
    ///
    /// # Errors
    /// When the file is unreadable, damaged, or from another version; it is left as it is.
    pub(super) async fn open(path: &Path, access: Access) -> Result<Self, Error> {
        match access {
            Access::Own => make_folder(path)?,
            Access::Beside => match std::fs::File::open(path).map_err(|error| error.kind()) {
                Err(ErrorKind::NotFound) => {
                    return Err(Error::Missing { at: format!("the state file {}", path.display()) });
                }
                Err(ErrorKind::PermissionDenied) => return Err(Error::Forbidden { path: path.to_owned() }),
                Ok(_) | Err(_) => {}
            },
        }
        Self::connect(File::At(path.to_owned()), access).await
    }

    /// # Errors
    /// When SQLite fails.
    pub(super) async fn in_memory() -> Result<Self, Error> {
        Self::connect(File::Memory, Access::Own).await
    }

    async fn connect(file: File, access: Access) -> Result<Self, Error> {
        let connection = file.open(access).await?;
        let slot = Mutex::new(Slot { connection: Some(connection), suspect: false });
        Ok(Self { file, access, slot })
    }

    pub(super) async fn close(&self) {
        if let Some(connection) = self.slot.lock().await.connection.take() {
            let _ = connection.close().await;
        }
    }

    /// Does all of it in one transaction. It is durable when this returns well, and has left nothing when it does not.
    pub(super) async fn write(&self, queries: &[Query]) -> Result<(), Error> {
        self.with_connection(async |connection| {
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
            for query in queries {
                query.for_sqlite().execute(&mut *connection).await?;
            }
            sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
            Ok(())
        })
        .await
    }

    pub(super) async fn rows(&self, query: &Query) -> Result<Vec<Row>, Error> {
        let rows = self.with_connection(async |connection| query.for_sqlite().fetch_all(connection).await);
        Ok(rows.await?.into_iter().map(Row::Sqlite).collect())
    }

    pub(super) async fn with_connection<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let mut slot = self.slot.lock().await;
        if slot.suspect {
            self.file.discard(&mut slot).await;
        }
        let Slot { connection, suspect } = &mut *slot;
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.file.open(self.access).await?),
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
                    let (at, known) = (format!("the state file {}", path.display()), schema::VERSION);
                    return Err(match found > known {
                        true => Error::Newer { at, found, known },
                        // Beside a daemon that has not been restarted yet the tables have to stay as they are.
                        false => Error::Older { at, found, known },
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
mod tests;
