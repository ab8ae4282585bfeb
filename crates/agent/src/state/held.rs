//! What is, or may be, up: written durably before it is put up.

use dcv_core::{Artifact, DomainName, Guarded, Held, RandomValue, RecordData};
use jiff::Timestamp;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    Error, State,
    key::{kind, subject},
};
use crate::subject::Subject;

/// What is put up for one order or domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Whose it is.
    pub subject: Subject,
    /// What it is, and where it goes.
    pub artifact: Artifact,
}

// Columns are named in every question: those of a file that another process is carrying over change under a `*`.

impl State {
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
        if entries.is_empty() {
            return Ok(());
        }
        self.write(async |connection| {
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
                query.execute(&mut *connection).await?;
            }
            Ok(())
        })
        .await
    }

    /// Everything that may be up at an owner name.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn at_owner(&self, owner: &DomainName) -> Result<Vec<Entry>, Error> {
        let query = sqlx::query(
            "SELECT account, kind, id, zone, owner, value, applied FROM held WHERE owner = ? AND zone <> ''",
        )
        .bind(owner.as_str());
        let rows = self.read(async |connection| query.fetch_all(connection).await).await?;
        Ok(rows.iter().filter_map(held).map(entry).collect())
    }

    /// Every file that may be up.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn files(&self) -> Result<Vec<Entry>, Error> {
        let query =
            sqlx::query("SELECT account, kind, id, zone, owner, value, applied FROM held WHERE zone = ''");
        let rows = self.read(async |connection| query.fetch_all(connection).await).await?;
        Ok(rows.iter().filter_map(held).map(entry).collect())
    }

    /// Everything that may be up, by order.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn held(&self) -> Result<Vec<(Subject, Held)>, Error> {
        let query = sqlx::query("SELECT account, kind, id, zone, owner, value, applied FROM held");
        let rows = self.read(async |connection| query.fetch_all(connection).await).await?;
        Ok(rows.iter().filter_map(held).collect())
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
    Some((subject(row)?, Held { artifact, applied }))
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
