//! The store that replicas share: a few connections to PostgreSQL, each for one purpose, so that none waits for the work of
//! another. A connection of which anything failed, or whose caller was cancelled, is closed.

mod address;
mod connect;
mod fleet;
mod membership;
mod places;
mod schema;
mod turns;

use std::{
    collections::BTreeSet,
    sync::{
        MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;

use self::membership::Membership;
pub use self::{
    address::Address,
    fleet::{Beat, Claimed, Fleet},
    turns::Turn,
};
use super::{
    Error, Shared,
    access::Access,
    statement::{Query, Row},
};

/// The longest that anything asked of the database may take.
const LIMIT: Duration = Duration::from_secs(10);

/// An open database.
#[derive(Debug)]
pub(super) struct Store {
    shared: Shared,
    access: Access,
    /// Of this process, as the database shows it.
    name: String,
    membership: Membership,
    /// The turns that this process has, or is about to take.
    turns: std::sync::Mutex<BTreeSet<String>>,
    writer: Slot,
    reader: Slot,
    /// Beats, claims and turns: what must not wait for long changes.
    keeper: Slot,
    /// Places in the CA's windows.
    rate: Slot,
    /// The files that were last seen to be shown.
    files: AtomicI64,
}

/// A connection, where there is one.
type Slot = Mutex<Option<PgConnection>>;

impl Store {
    /// Connects, and brings the tables to today's format where they are ours to change.
    ///
    /// # Errors
    /// When it cannot be reached, refuses us, is another tool's, can only be read, or is of another version.
    pub(super) async fn open(shared: &Shared, access: Access) -> Result<Self, Error> {
        let name = connect::name_of_this_process();
        let connection = connect::connect(shared, access, &name).await?;
        Ok(Self {
            shared: shared.clone(),
            access,
            name,
            membership: Membership::default(),
            turns: std::sync::Mutex::default(),
            writer: Slot::new(Some(connection)),
            reader: Slot::default(),
            keeper: Slot::default(),
            rate: Slot::default(),
            files: AtomicI64::new(-1),
        })
    }

    pub(super) async fn close(&self) {
        for slot in [&self.writer, &self.reader, &self.keeper, &self.rate] {
            if let Some(connection) = slot.lock().await.take() {
                let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
            }
        }
    }

    /// Does all of it in one transaction, unless this replica is fenced off.
    pub(super) async fn write(&self, queries: &[Query]) -> Result<(), Error> {
        let replica = self.membership.id()?;
        self.with(&self.writer, async |connection| {
            let mut transaction = connection.begin().await?;
            if let Some(replica) = replica
                && !is_member(&mut transaction, replica).await?
            {
                return Ok(Err(Error::Fenced));
            }
            for query in queries {
                query.for_postgres().execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(Ok(()))
        })
        .await?
    }

    pub(super) async fn rows(&self, query: &Query) -> Result<Vec<Row>, Error> {
        let rows =
            self.with(&self.reader, async |connection| query.for_postgres().fetch_all(connection).await);
        Ok(rows.await?.into_iter().map(Row::Postgres).collect())
    }

    /// Works with a connection. It is out of its slot meanwhile, so that it is closed with whoever is cancelled.
    async fn with<T>(
        &self,
        slot: &Slot,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let within_the_limit = async {
            let mut slot = slot.lock().await;
            let mut connection = match slot.take() {
                Some(connection) => connection,
                None => connect::connect(&self.shared, self.access, &self.name).await?,
            };
            let done =
                work(&mut connection).await.map_err(|error| connect::explained(&self.shared, error))?;
            *slot = Some(connection);
            Ok(done)
        };
        match tokio::time::timeout(LIMIT, within_the_limit).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Silent { at: self.shared.to_string(), seconds: LIMIT.as_secs() }),
        }
    }

    fn turns(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the files to be shown are others than when this was asked last.
    fn files_changed(&self, changes: i64) -> bool {
        self.files.swap(changes, Ordering::Relaxed) != changes
    }
}

/// Whether the replica still is one; it remains so until the transaction ends.
async fn is_member(connection: &mut PgConnection, replica: i64) -> Result<bool, sqlx::Error> {
    let found = sqlx::query("SELECT 1 FROM replicas WHERE id = $1 FOR KEY SHARE").bind(replica);
    Ok(found.fetch_optional(connection).await?.is_some())
}

#[cfg(test)]
mod tests;
