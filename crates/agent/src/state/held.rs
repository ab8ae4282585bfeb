//! What is, or may be, up: written durably before it is put up.

use std::collections::BTreeSet;

use dcv_core::{Artifact, DomainName, Guarded, Held, RandomValue, RecordData};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    Error, State,
    key::{kind, subject},
    line::Change,
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

/// The columns of all entries. A list goes to SQLite as one text, ?1: a statement for each entry would cost more than what it
/// does.
macro_rules! entries {
    ($more:literal) => {
        concat!(
            "SELECT of.value ->> 0, of.value ->> 1, of.value ->> 2, of.value ->> 3, of.value ->> 4, of.value ->> 5",
            $more,
            " FROM json_each(?1) AS of"
        )
    };
}

const INTEND: &str = concat!(
    "INSERT INTO held (account, kind, id, zone, owner, value, intended) ",
    entries!(", ?2"),
    " WHERE true ON CONFLICT DO NOTHING"
);
const APPLIED: &str = concat!(
    "UPDATE held SET applied = ?2 WHERE (account, kind, id, zone, owner, value) IN (",
    entries!(""),
    ")"
);
const GONE: &str =
    concat!("DELETE FROM held WHERE (account, kind, id, zone, owner, value) IN (", entries!(""), ")");

// Columns are named in every question: those of a file that another process is carrying over change under a `*`.

impl State {
    /// Records what is about to be published. Durable when this returns.
    ///
    /// # Errors
    /// When it could not be made durable: then nothing may be published.
    pub async fn intend(&self, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
        self.each(INTEND, entries, now).await
    }

    /// Marks values as confirmed by their provider.
    ///
    /// # Errors
    /// When the state file fails; the values then stay intended, and are published again.
    pub async fn applied(&self, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
        self.each(APPLIED, entries, now).await
    }

    /// Forgets values that are gone from DNS.
    ///
    /// # Errors
    /// When the state file fails; the values then are removed once more, which is harmless.
    pub async fn gone(&self, entries: &[Entry]) -> Result<(), Error> {
        self.each(GONE, entries, Timestamp::UNIX_EPOCH).await
    }

    /// Runs a statement for all entries at once: ?1 are the entries, ?2 the time. Of those that wait at the same moment
    /// all are written by one transaction.
    async fn each(&self, statement: &'static str, entries: &[Entry], time: Timestamp) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let entries = json(entries.iter().map(columns));
        self.commit(Change::Held { statement, entries, time: time.to_string() }).await
    }

    /// Everything that may be up at these owner names.
    ///
    /// # Errors
    /// When the state file fails.
    pub async fn at_owners(&self, owners: &BTreeSet<&DomainName>) -> Result<Vec<Entry>, Error> {
        let owners = json(owners.iter().map(|owner| owner.as_str().into()));
        let query = sqlx::query(
            "SELECT account, kind, id, zone, owner, value, applied FROM held
             WHERE owner IN (SELECT of.value FROM json_each(?) AS of) AND zone <> ''",
        )
        .bind(owners);
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

/// An entry in the columns that tell it from others.
fn columns(Entry { subject, artifact }: &Entry) -> Value {
    let Row { zone, owner, value } = encode(artifact);
    let id = subject.id.number().cast_signed();
    serde_json::json!([&*subject.account, kind(subject), id, zone, owner, value])
}

fn json(values: impl Iterator<Item = Value>) -> String {
    Value::Array(values.collect()).to_string()
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
