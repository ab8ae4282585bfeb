//! What replicas share beside the state: who is there, and who works on what.
//!
//! Work is leased by rows of the table `work`. One beat a second says that this replica lives, takes over from those that do
//! not, claims what is free, and brings news of what it has. Time is the database's: clocks of hosts may be apart.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgRow};
use tokio::time::Instant;
use tracing::info;

use super::{Store, Turn};
use crate::{
    state::{Entry, Error, health::Health, key, statement::Row},
    subject::{Subject, Trigger},
};

/// A replica is fenced off after this part of the time within which its work is taken over; the rest is for noticing.
const FENCED_AFTER: (u32, u32) = (2, 3);
/// So long before others may take over a replica stops to act.
const MARGIN: Duration = Duration::from_secs(1);
/// So many are told by one statement.
const MANY: usize = 5000;
/// The most that is claimed by one beat.
const MOST_CLAIMS: usize = 2000;

/// The fleet, as one of its replicas sees it. Clones share it.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub(super) store: Arc<Store>,
    health: Arc<Health>,
}

/// What this replica has taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// What.
    pub subject: Subject,
    /// It was found in the account, not named in a configuration.
    pub discovered: bool,
    /// When the work has to be done, as the list told.
    pub needed_by: Option<Timestamp>,
}

/// What a beat brings.
#[derive(Debug, Default)]
pub struct Beat {
    /// What is to be looked after from now on.
    pub claimed: Vec<Claimed>,
    /// What others say of what is looked after already.
    pub news: Vec<(Subject, Trigger)>,
    /// The files to be shown are others than before.
    pub files_changed: bool,
}

impl Fleet {
    pub(in crate::state) fn new(store: &Arc<Store>, health: &Arc<Health>) -> Self {
        Self { store: Arc::clone(store), health: Arc::clone(health) }
    }

    /// Becomes one of the replicas, with nothing to work on yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn join(&self) -> Result<(), Error> {
        let (store, began) = (&self.store, Instant::now());
        let joined = store.with(&store.keeper, async |connection| {
            let joined = sqlx::query_scalar("INSERT INTO replicas (name) VALUES ($1) RETURNING id");
            joined.bind(&store.name).fetch_one(connection).await
        });
        store.membership.joined(joined.await?, began + self.sure_for());
        Ok(())
    }

    /// Says that this replica lives, and learns what is its to do: at most `room` more subjects. Those of `except` are left to
    /// others. `accounts` are those that are configured here.
    ///
    /// # Errors
    /// [`Error::Fenced`] where others have taken over. Otherwise when the database fails; what this replica has stays its own
    /// until it is not heard of for too long.
    pub async fn beat(&self, room: usize, accounts: &[&str], except: &[Subject]) -> Result<Beat, Error> {
        let (store, began) = (&self.store, Instant::now());
        let replica = store.membership.member()?;
        let (accounts, except) = (json!(accounts).to_string(), key::list(except));
        let room = i64::try_from(room.min(MOST_CLAIMS)).unwrap_or(0);
        let turns = json!(*store.turns()).to_string();
        let fence = self.fenced_after().as_secs_f64();
        let beat = store.with(&store.keeper, async |connection| {
            let mut transaction = connection.begin().await?;
            if !note_beat(&mut transaction, replica).await? {
                return Ok(None);
            }
            let gone = fence_off(&mut transaction, replica, fence).await?;
            sqlx::query(GIVE_BACK).bind(replica).bind(turns).execute(&mut *transaction).await?;
            let claimed = sqlx::query(CLAIM).bind(replica).bind(room).bind(accounts).bind(except);
            let claimed = claimed.fetch_all(&mut *transaction).await?;
            let news = sqlx::query(NEWS).bind(replica).fetch_all(&mut *transaction).await?;
            let changes: i64 =
                sqlx::query_scalar("SELECT changes FROM files").fetch_one(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(Some((gone, claimed, news, changes)))
        });
        let beat = beat.await;
        self.health.note(beat.as_ref().err());
        let Some((gone, claimed, news, changes)) = beat? else {
            store.membership.fence();
            return Err(Error::Fenced);
        };
        store.membership.extend(began + self.sure_for());
        gone.iter().for_each(|name| info!("{name} was not heard of for too long; what it worked on is free"));
        Ok(Beat {
            claimed: claimed.into_iter().filter_map(self::claimed).collect(),
            news: news.into_iter().filter_map(self::news).collect(),
            files_changed: store.files_changed(changes),
        })
    }

    /// Says that these are to be looked after; whoever has one already hears that there is work for it where `is_news`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn offer(&self, offered: &[Claimed], is_news: bool) -> Result<(), Error> {
        // Replicas that offer the same would wait for one another's rows; in one order they cannot do so in a circle.
        let mut offered: Vec<&Claimed> = offered.iter().collect();
        offered.sort_by(|one, other| one.subject.cmp(&other.subject));
        for part in offered.chunks(MANY) {
            let list = rows(part.iter().map(|claimed| (*claimed).clone()));
            let statement = if is_news { OFFER_NEWS } else { OFFER };
            self.execute(statement, list).await?;
        }
        Ok(())
    }

    /// Tells whoever has each of these; nobody, where it is not looked after.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tell(&self, triggers: &[(Subject, Trigger)]) -> Result<(), Error> {
        let each = |(subject, trigger): &(Subject, Trigger)| {
            json!([&*subject.account, key::kind(subject), subject.id.number().cast_signed(), word(*trigger)])
        };
        for part in triggers.chunks(MANY) {
            self.execute(TELL, Value::Array(part.iter().map(each).collect()).to_string()).await?;
        }
        Ok(())
    }

    /// These need no more looking after, unless there is news of them.
    ///
    /// # Errors
    /// When the database fails; they are then claimed, and looked at, once more.
    pub async fn finish(&self, subjects: &[Subject]) -> Result<(), Error> {
        self.execute_as_member(FINISH, key::list(subjects)).await
    }

    /// Leaves these to others.
    ///
    /// # Errors
    /// When the database fails; they stay this replica's.
    pub async fn release(&self, subjects: &[Subject]) -> Result<(), Error> {
        self.execute_as_member(RELEASE, key::list(subjects)).await
    }

    /// What is held and looked after by nobody is to be looked after: its work was lost with a database that was put back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn offer_what_is_held(&self, found: impl Fn(&Subject) -> bool) -> Result<(), Error> {
        let rows = self.store.with(&self.store.reader, async |connection| {
            sqlx::query(
                "SELECT DISTINCT account, kind, id FROM held EXCEPT SELECT account, kind, id FROM work",
            )
            .fetch_all(connection)
            .await
        });
        let subjects = rows.await?.into_iter().filter_map(|row| key::subject(&Row::Postgres(row)));
        let offered =
            subjects.map(|subject| Claimed { discovered: found(&subject), subject, needed_by: None });
        self.offer(&offered.collect::<Vec<_>>(), false).await
    }

    /// Writes down that these may be up, although others have taken over meanwhile: what was on its way could not be stopped.
    /// Whoever looks after them takes them down.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn confess(&self, entries: &[Entry]) -> Result<(), Error> {
        let subjects: BTreeSet<&Subject> = entries.iter().map(|entry| &entry.subject).collect();
        let claimed =
            |subject: &&Subject| Claimed { subject: (*subject).clone(), discovered: true, needed_by: None };
        let offered = rows(subjects.iter().map(claimed));
        let list = Entry::list(entries);
        let now = crate::clock::now().to_string();
        let store = &self.store;
        store
            .with(&store.writer, async |connection| {
                let mut transaction = connection.begin().await?;
                sqlx::query(CONFESS).bind(list).bind(now).execute(&mut *transaction).await?;
                sqlx::query(OFFER_NEWS).bind(offered).execute(&mut *transaction).await?;
                transaction.commit().await
            })
            .await
    }

    /// Is no replica any more; what it has is free.
    ///
    /// # Errors
    /// When the database fails; others take over in time.
    pub async fn leave(&self) -> Result<(), Error> {
        let Ok(replica) = self.store.membership.member() else { return Ok(()) };
        // What is still on its way must not be written down any more as if others had not taken over.
        self.store.membership.fence();
        let left = self.store.with(&self.store.keeper, async |connection| {
            let mut transaction = connection.begin().await?;
            let of = |text| sqlx::query(text).bind(replica);
            of(ABANDON_CALLS).execute(&mut *transaction).await?;
            of("DELETE FROM troubles USING replicas WHERE id = $1 AND name = replica")
                .execute(&mut *transaction)
                .await?;
            of("DELETE FROM replicas WHERE id = $1").execute(&mut *transaction).await?;
            transaction.commit().await
        });
        left.await
    }

    /// Whether what this replica works on is certainly its own at this moment. To be asked right before something is done that
    /// cannot be undone by a transaction.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.store.membership.is_sure()
    }

    /// Waits for what one replica does at a time.
    ///
    /// # Errors
    /// When the database fails, or others have taken over.
    pub async fn turn(&self, name: &str) -> Result<Turn, Error> {
        Turn::wait(&self.store, name).await
    }

    /// Takes it where nobody has it.
    ///
    /// # Errors
    /// As [`Self::turn`].
    pub async fn try_turn(&self, name: &str) -> Result<Option<Turn>, Error> {
        Turn::try_take(&self.store, name).await
    }

    /// All that this replica has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn leased(&self) -> Result<Vec<Claimed>, Error> {
        let replica = self.store.membership.member()?;
        let rows = self.store.with(&self.store.reader, async |connection| {
            let rows =
                sqlx::query("SELECT account, kind, id, discovered, needed_by FROM work WHERE replica = $1");
            rows.bind(replica).fetch_all(connection).await
        });
        Ok(rows.await?.into_iter().filter_map(claimed).collect())
    }

    /// How many replicas there are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replicas(&self) -> Result<i64, Error> {
        let counted = self.store.with(&self.store.reader, async |connection| {
            sqlx::query_scalar("SELECT count(*) FROM replicas").fetch_one(connection).await
        });
        counted.await
    }

    async fn execute(&self, statement: &'static str, list: String) -> Result<(), Error> {
        self.store.membership.id()?;
        let done = self.store.with(&self.store.writer, async |connection| {
            sqlx::query(statement).bind(list).execute(connection).await.map(drop)
        });
        done.await
    }

    /// As [`Self::execute`], for what is this replica's: its number is `$2`.
    async fn execute_as_member(&self, statement: &'static str, list: String) -> Result<(), Error> {
        let replica = self.store.membership.member()?;
        let done = self.store.with(&self.store.writer, async |connection| {
            sqlx::query(statement).bind(list).bind(replica).execute(connection).await.map(drop)
        });
        done.await
    }

    fn fenced_after(&self) -> Duration {
        self.store.shared.takeover * FENCED_AFTER.0 / FENCED_AFTER.1
    }

    /// How long after a beat began nobody takes over.
    fn sure_for(&self) -> Duration {
        self.fenced_after().saturating_sub(MARGIN)
    }
}

const CLAIM: &str = "
    WITH free AS (
        SELECT account, kind, id FROM work
        WHERE replica IS NULL
          AND account IN (SELECT name FROM jsonb_array_elements_text($3::jsonb) AS names(name))
          AND (account, kind, id) NOT IN (
            SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT) FROM jsonb_array_elements($4::jsonb) AS entries(value))
        ORDER BY needed_by NULLS LAST, account, kind, id
        -- What there is is shared out; the others claim at the same pace.
        LIMIT LEAST($2, (SELECT count(*) FROM work WHERE replica IS NULL) / (SELECT count(*) FROM replicas) + 4)
        FOR UPDATE SKIP LOCKED)
    UPDATE work SET replica = $1, news = NULL FROM free
    WHERE (work.account, work.kind, work.id) = (free.account, free.kind, free.id)
    RETURNING work.account, work.kind, work.id, work.discovered, work.needed_by";
const NEWS: &str = "
    UPDATE work SET news = NULL FROM
        (SELECT account, kind, id, news FROM work WHERE replica = $1 AND news IS NOT NULL FOR UPDATE) AS told
    WHERE (work.account, work.kind, work.id) = (told.account, told.kind, told.id)
    RETURNING work.account, work.kind, work.id, told.news";
const OFFER: &str = "
    INSERT INTO work (account, kind, id, discovered, needed_by)
    SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT), CAST(value ->> 3 AS BOOLEAN), value ->> 4
    FROM jsonb_array_elements($1::jsonb) AS entries(value) ON CONFLICT DO NOTHING";
const OFFER_NEWS: &str = "
    INSERT INTO work (account, kind, id, discovered, needed_by)
    SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT), CAST(value ->> 3 AS BOOLEAN), value ->> 4
    FROM jsonb_array_elements($1::jsonb) AS entries(value)
    ON CONFLICT (account, kind, id) DO UPDATE SET news = 'work' WHERE work.replica IS NOT NULL";
const TELL: &str = "
    UPDATE work SET news = value ->> 3 FROM jsonb_array_elements($1::jsonb) AS entries(value)
    WHERE account = value ->> 0 AND kind = value ->> 1 AND id = CAST(value ->> 2 AS BIGINT)
      AND replica IS NOT NULL AND news IS DISTINCT FROM 'work'";
const FINISH: &str = "
    DELETE FROM work WHERE replica = $2 AND news IS NULL AND (account, kind, id) IN (
        SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT) FROM jsonb_array_elements($1::jsonb) AS entries(value))";
const RELEASE: &str = "
    UPDATE work SET replica = NULL WHERE replica = $2 AND (account, kind, id) IN (
        SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT) FROM jsonb_array_elements($1::jsonb) AS entries(value))";
const CONFESS: &str = "
    INSERT INTO held (account, kind, id, zone, owner, value, intended)
    SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT), value ->> 3, value ->> 4, value ->> 5, $2
    FROM jsonb_array_elements($1::jsonb) AS entries(value) ON CONFLICT DO NOTHING";
/// Turns that nobody of this process has any more.
const GIVE_BACK: &str = "
    UPDATE turns SET replica = NULL WHERE replica = $1
      AND name NOT IN (SELECT name FROM jsonb_array_elements_text($2::jsonb) AS names(name))";
/// A call of a replica that is gone may still arrive: its bytes may sit in a socket.
const ABANDON_CALLS: &str =
    "UPDATE calls SET over = clock_timestamp() + interval '2 s' WHERE replica = $1 AND over IS NULL";

/// False where this replica is none any more.
async fn note_beat(connection: &mut PgConnection, replica: i64) -> Result<bool, sqlx::Error> {
    let beaten = sqlx::query("UPDATE replicas SET beat = clock_timestamp() WHERE id = $1").bind(replica);
    Ok(beaten.execute(connection).await?.rows_affected() == 1)
}

/// Fences off those that were not heard of for `seconds`, and tells their names.
async fn fence_off(
    connection: &mut PgConnection,
    replica: i64,
    seconds: f64,
) -> Result<Vec<String>, sqlx::Error> {
    // One that is in the middle of a transaction is left for the next time.
    let silent = sqlx::query(
        "SELECT id, name FROM replicas WHERE id <> $1 AND beat < clock_timestamp() - make_interval(secs => $2)
         FOR UPDATE SKIP LOCKED",
    );
    let silent = silent.bind(replica).bind(seconds).fetch_all(&mut *connection).await?;
    let mut names = Vec::new();
    for row in silent {
        let (id, name): (i64, String) = (row.try_get("id")?, row.try_get("name")?);
        sqlx::query(ABANDON_CALLS).bind(id).execute(&mut *connection).await?;
        sqlx::query("DELETE FROM troubles WHERE replica = $1").bind(&name).execute(&mut *connection).await?;
        sqlx::query("DELETE FROM replicas WHERE id = $1").bind(id).execute(&mut *connection).await?;
        names.push(name);
    }
    Ok(names)
}

/// As they are bound.
fn rows(claimed: impl Iterator<Item = Claimed>) -> String {
    let each = |Claimed { subject, discovered, needed_by }: Claimed| {
        let number = subject.id.number().cast_signed();
        json!([&*subject.account, key::kind(&subject), number, discovered, needed_by])
    };
    Value::Array(claimed.map(each).collect()).to_string()
}

fn claimed(row: PgRow) -> Option<Claimed> {
    let row = Row::Postgres(row);
    let subject = key::subject(&row)?;
    Some(Claimed { subject, discovered: row.flag("discovered")?, needed_by: row.time("needed_by") })
}

fn news(row: PgRow) -> Option<(Subject, Trigger)> {
    let row = Row::Postgres(row);
    let trigger = match row.text("news")?.as_str() {
        "changed" => Trigger::Changed,
        "release" => Trigger::Release,
        _ => Trigger::Work,
    };
    Some((key::subject(&row)?, trigger))
}

const fn word(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Work => "work",
        Trigger::Changed => "changed",
        Trigger::Release => "release",
    }
}
