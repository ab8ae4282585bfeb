//! The store of the state: SQLite for one agent, PostgreSQL for replicas.

use std::{path::Path, sync::Arc};

use super::{
    Error, Location,
    access::Access,
    health::{Health, Trouble},
    line::Line,
    postgres::{self, Fleet},
    sqlite,
    statement::{Query, Row},
};

/// An open state. Clones share it.
#[derive(Clone, Debug)]
pub struct State {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    access: Access,
    line: Line,
    health: Arc<Health>,
}

#[derive(Debug)]
enum Store {
    Sqlite(sqlite::Store),
    Postgres(Arc<postgres::Store>),
}

impl State {
    /// Opens or creates the state, and the folder that a file lies in.
    ///
    /// # Errors
    /// When it cannot be reached or read, is damaged, another tool's, or from a newer version; it is left as it is.
    pub async fn open(location: &Location) -> Result<Self, Error> {
        Self::connect(location, Access::Own).await
    }

    /// A state that is gone with the process.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn in_memory() -> Result<Self, Error> {
        Self::connect(&Location::Memory, Access::Own).await
    }

    /// Opens an existing state for reading, beside running agents.
    ///
    /// # Errors
    /// When there is none, or it may not be read, or as for [`State::open`].
    pub async fn open_existing(location: &Location) -> Result<Self, Error> {
        Self::connect(location, Access::Beside).await
    }

    async fn connect(location: &Location, access: Access) -> Result<Self, Error> {
        let store = match location {
            Location::File(path) => Store::Sqlite(sqlite::Store::open(path, access).await?),
            Location::Memory => Store::Sqlite(sqlite::Store::in_memory().await?),
            Location::Shared(shared) => {
                Store::Postgres(Arc::new(postgres::Store::open(shared, access).await?))
            }
        };
        let (line, health) = (Line::default(), Arc::new(Health::new(location.to_string())));
        Ok(Self { inner: Arc::new(Inner { store, access, line, health }) })
    }

    /// Opens the file at a path, as [`State::open`] does.
    ///
    /// # Errors
    /// As [`State::open`].
    pub async fn open_file(path: &Path) -> Result<Self, Error> {
        Self::open(&Location::File(path.to_owned())).await
    }

    /// As it is named in messages.
    #[must_use]
    pub fn at(&self) -> &str {
        self.inner.health.of()
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

    /// What replicas share through it; none where it is one agent's own.
    #[must_use]
    pub fn fleet(&self) -> Option<Fleet> {
        match &self.inner.store {
            Store::Sqlite(_) => None,
            Store::Postgres(store) => Some(Fleet::new(store, &self.inner.health)),
        }
    }

    /// Ends the connections; what was written stays.
    pub async fn close(&self) {
        match &self.inner.store {
            Store::Sqlite(store) => store.close().await,
            Store::Postgres(store) => store.close().await,
        }
    }

    /// Does all of it in one transaction. It is durable when this returns well, and has left nothing when it does not.
    pub(super) async fn write(&self, queries: &[Query]) -> Result<(), Error> {
        let outcome = match &self.inner.store {
            Store::Sqlite(store) => store.write(queries).await,
            Store::Postgres(store) => store.write(queries).await,
        };
        self.inner.health.note(outcome.as_ref().err());
        outcome
    }

    /// Asks for what is there.
    pub(super) async fn rows(&self, query: Query) -> Result<Vec<Row>, Error> {
        match &self.inner.store {
            Store::Sqlite(store) => store.rows(&query).await,
            Store::Postgres(store) => store.rows(&query).await,
        }
    }

    #[cfg(test)]
    pub(super) fn sqlite(&self) -> &sqlite::Store {
        match &self.inner.store {
            Store::Sqlite(store) => store,
            Store::Postgres(_) => panic!("the state is in PostgreSQL"),
        }
    }

    /// Changes that wait to be written together.
    pub(super) fn line(&self) -> &Line {
        &self.inner.line
    }
}
