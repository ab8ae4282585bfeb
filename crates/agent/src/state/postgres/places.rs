//! Places in the CA's windows, of which all replicas together take no more than there are.
//!
//! A place is taken before a call is sent, and counts until its window has passed since the call was answered. When the call
//! arrived lies between the two, so no window of the CA's holds more arrivals than places; see the governor of `digicert-api`.

use std::time::Duration;

use digicert_api::{Closed, Places, Window};
use serde_json::json;
use sqlx::{Connection as _, Row as _};

use super::Fleet;
use crate::state::Error;

/// Until when a call that nobody closes counts as under way: longer than a call may take.
const LONGEST_CALL: f64 = 630.0;

const LOCK: &str = "SELECT paused IS NOT NULL AND paused > clock_timestamp() AS is_paused,
        (extract(epoch FROM paused - clock_timestamp()) * 1000)::bigint AS pause
    FROM accounts WHERE name = $1 FOR UPDATE";
/// How much of each window is taken, and when its first place is free again, in milliseconds.
const USED: &str = "
    SELECT count(calls.id) AS used,
        coalesce(min(extract(epoch FROM calls.over + span.per - clock_timestamp()) * 1000), 0)::bigint AS wait
    FROM (SELECT number, make_interval(secs => CAST(value #>> '{}' AS DOUBLE PRECISION)) AS per
        FROM jsonb_array_elements($2::jsonb) WITH ORDINALITY AS spans(value, number)) AS span
    LEFT JOIN calls ON calls.account = $1
        AND coalesce(calls.over, calls.taken + make_interval(secs => $3)) + span.per > clock_timestamp()
    GROUP BY span.number ORDER BY span.number";
const TAKE: &str = "
    INSERT INTO calls (account, replica) SELECT $1, $2 FROM generate_series(1, $3) RETURNING id";

impl Fleet {
    /// Takes up to `most` places of an account's in all of these windows.
    ///
    /// # Errors
    /// When the database fails, or this replica is fenced off: then no call may be made.
    pub async fn take_places(&self, account: &str, most: u32, windows: &[Window]) -> Result<Places, Error> {
        let replica = self.store.membership.member()?;
        let spans: Vec<f64> = windows.iter().map(|window| window.per.as_secs_f64()).collect();
        let spans = json!(spans).to_string();
        let store = &self.store;
        let taken = store.with(&store.rate, async |connection| {
            let mut transaction = connection.begin().await?;
            sqlx::query("INSERT INTO accounts (name) VALUES ($1) ON CONFLICT DO NOTHING")
                .bind(account)
                .execute(&mut *transaction)
                .await?;
            let locked = sqlx::query(LOCK).bind(account).fetch_one(&mut *transaction).await?;
            if !super::is_member(&mut transaction, replica).await? {
                return Ok(None);
            }
            let rows = sqlx::query(USED)
                .bind(account)
                .bind(spans)
                .bind(LONGEST_CALL)
                .fetch_all(&mut *transaction)
                .await?;
            let mut taken = Places::default();
            let mut room = i64::from(most);
            for (row, window) in rows.iter().zip(windows) {
                let used: i64 = row.try_get("used")?;
                taken.used.push(u32::try_from(used).unwrap_or(u32::MAX));
                let free = i64::from(window.calls) - used;
                if free <= 0 {
                    let wait: i64 = row.try_get("wait")?;
                    taken.wait = taken.wait.max(Duration::from_millis(wait.try_into().unwrap_or(0)));
                }
                room = room.min(free);
            }
            if locked.try_get("is_paused")? {
                let pause: i64 = locked.try_get("pause")?;
                taken.wait = Duration::from_millis(pause.try_into().unwrap_or(0));
            } else if room > 0 {
                let places = sqlx::query_scalar(TAKE).bind(account).bind(replica).bind(room);
                taken.taken = places.fetch_all(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(Some(taken))
        });
        taken.await?.ok_or(Error::Fenced)
    }

    /// These calls were answered; those that were given up may still arrive within moments.
    ///
    /// # Errors
    /// When the database fails; the places then count for a while longer.
    pub async fn close_places(&self, account: &str, closed: &Closed, longest: Duration) -> Result<(), Error> {
        let store = &self.store;
        let closing = store.with(&store.rate, async |connection| {
            let mut transaction = connection.begin().await?;
            sqlx::query("UPDATE calls SET over = clock_timestamp() WHERE id = ANY($1) AND over IS NULL")
                .bind(&closed.answered)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("UPDATE calls SET over = clock_timestamp() + interval '2 s' WHERE id = ANY($1) AND over IS NULL")
                .bind(&closed.abandoned)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("DELETE FROM calls WHERE id = ANY($1) AND over IS NULL")
                .bind(&closed.unused)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                "DELETE FROM calls WHERE account = $1
                 AND coalesce(over, taken + make_interval(secs => $3)) < clock_timestamp() - make_interval(secs => $2)",
            )
            .bind(account)
            .bind(longest.as_secs_f64() + 1.0)
            .bind(LONGEST_CALL)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await
        });
        closing.await
    }

    /// The CA wants no call of anybody's for so long.
    ///
    /// # Errors
    /// When the database fails; the other replicas then learn it from the CA.
    pub async fn pause(&self, account: &str, pause: Duration) -> Result<(), Error> {
        let store = &self.store;
        let paused = store.with(&store.rate, async |connection| {
            let paused = sqlx::query(
                "INSERT INTO accounts (name, paused) VALUES ($1, clock_timestamp() + make_interval(secs => $2))
                 ON CONFLICT (name) DO UPDATE SET paused = greatest(accounts.paused, excluded.paused)",
            );
            paused.bind(account).bind(pause.as_secs_f64()).execute(connection).await.map(drop)
        });
        paused.await
    }
}
