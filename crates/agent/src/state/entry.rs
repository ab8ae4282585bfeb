//! Entries of the state: what is put up, in the columns of a row.

use dcv_core::{Artifact, DomainName, Guarded, Held, RandomValue, RecordData};
use serde_json::Value;

use super::{key, statement::Row};
use crate::subject::Subject;

/// What is put up for one order or domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Whose it is.
    pub subject: Subject,
    /// What it is, and where it goes.
    pub artifact: Artifact,
}

impl Entry {
    /// Many of them, as they are bound.
    pub(super) fn list(entries: &[Self]) -> String {
        list(entries.iter().map(columns))
    }
}

pub(super) fn entry((subject, held): (Subject, Held)) -> Entry {
    Entry { subject, artifact: held.artifact }
}

/// A row that we did not write is not ours to act on.
pub(super) fn held(row: &Row) -> Option<(Subject, Held)> {
    let artifact = decode(&row.text("zone")?, &row.text("owner")?, &row.text("value")?)?;
    Some((key::subject(row)?, Held { artifact, applied: row.time("applied") }))
}

/// An entry in the columns that tell it from others.
fn columns(Entry { subject, artifact }: &Entry) -> Value {
    let Columns { zone, owner, value } = encode(artifact);
    let id = subject.id.number().cast_signed();
    serde_json::json!([&*subject.account, key::kind(subject), id, zone, owner, value])
}

pub(super) fn list(values: impl Iterator<Item = Value>) -> String {
    Value::Array(values.collect()).to_string()
}

/// An artifact in three columns.
struct Columns {
    /// Empty for a file.
    zone: String,
    owner: String,
    /// A TXT value as it is; an alias or a file behind a word and a blank, which no value holds.
    value: String,
}

fn encode(artifact: &Artifact) -> Columns {
    match artifact {
        Artifact::Record { site, data } => Columns {
            zone: site.zone().to_string(),
            owner: site.owner().to_string(),
            value: match data {
                RecordData::Txt(value) => value.as_str().to_owned(),
                RecordData::Cname(target) => format!("CNAME {target}"),
            },
        },
        Artifact::File { host, value } => Columns {
            zone: String::new(),
            owner: host.to_string(),
            value: format!("FILE {}", value.as_str()),
        },
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
