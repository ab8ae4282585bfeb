//! What one replica does at a time, whichever that is: writing a zone, reading a list.

use std::{sync::Arc, time::Duration};

use super::{Store, connect};
use crate::state::Error;

/// Between two attempts, at first and at the most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

/// Says that it is wanted.
const ASK: &str = "
    INSERT INTO waiting (name, replica) VALUES ($1, $2)
    ON CONFLICT (name, replica) DO UPDATE SET asked = clock_timestamp()";
/// Takes it where nobody has it and nobody waits for longer; who was silent for a while waits no more.
const TAKE: &str = "
    INSERT INTO turns (name, replica) SELECT $1, $2 WHERE NOT EXISTS (
        SELECT FROM waiting AS mine JOIN waiting AS other USING (name)
        WHERE name = $1 AND mine.replica = $2 AND other.replica <> $2
          AND (other.since, other.replica) < (mine.since, mine.replica)
          AND other.asked > clock_timestamp() - interval '1 s')
    ON CONFLICT (name) DO UPDATE SET replica = excluded.replica
    WHERE turns.replica IS NULL OR turns.replica = excluded.replica
    RETURNING name";
const WAIT_NO_MORE: &str = "DELETE FROM waiting WHERE name = $1 AND replica = $2";
const GIVE: &str = "UPDATE turns SET replica = NULL WHERE name = $1 AND replica = $2";

/// A turn of this replica's. What is not given back by [`Turn::end`] is with the next beat.
#[derive(Debug)]
pub struct Turn {
    store: Arc<Store>,
    name: String,
}

impl Turn {
    /// Waits for it.
    pub(super) async fn wait(store: &Arc<Store>, name: &str) -> Result<Self, Error> {
        let mut pause = PAUSES.0;
        loop {
            if let Some(turn) = Self::try_take(store, name).await? {
                return Ok(turn);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Takes it where it is free; says that it is wanted where it is not.
    pub(super) async fn try_take(store: &Arc<Store>, name: &str) -> Result<Option<Self>, Error> {
        let replica = store.membership.member()?;
        // Before it is taken: a beat that comes in between must not give it back.
        let turn = Self { store: Arc::clone(store), name: name.to_owned() };
        store.turns().insert(name.to_owned());
        let taken = store.with(&store.keeper, async |connection| {
            let ours = |statement| sqlx::query(statement).bind(name).bind(replica);
            ours(ASK).execute(&mut *connection).await?;
            let taken = ours(TAKE).fetch_optional(&mut *connection).await?.is_some();
            if taken {
                ours(WAIT_NO_MORE).execute(connection).await?;
            }
            Ok(taken)
        });
        let taken = taken.await;
        match taken {
            Ok(true) => Ok(Some(turn)),
            Ok(false) => Ok(None),
            // The replica's row is gone.
            Err(Error::Statement(error)) if connect::names_a_missing_row(&error) => {
                store.membership.fence();
                Err(Error::Fenced)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives it back.
    pub async fn end(self) {
        let Ok(replica) = self.store.membership.member() else { return };
        let given = self.store.with(&self.store.keeper, async |connection| {
            sqlx::query(GIVE).bind(&self.name).bind(replica).execute(connection).await
        });
        if let Err(error) = given.await {
            tracing::debug!("{} is given back with the next beat: {error}", self.name);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.store.turns().remove(&self.name);
    }
}
