//! Whose a row is.

use dcv_core::Kind;
use serde_json::{Value, json};

use super::statement::Row;
use crate::subject::{Id, Subject};

pub(super) fn subject(row: &Row) -> Option<Subject> {
    let number = row.number("id")?.cast_unsigned();
    let id = match row.text("kind")?.as_str() {
        "order" => Id::Order(number),
        "domain" => Id::Domain(number),
        _ => return None,
    };
    Some(Subject { account: row.text("account")?.into(), id })
}

/// Many of them, as they are bound.
pub(super) fn list(subjects: &[Subject]) -> String {
    let each =
        |subject: &Subject| json!([&*subject.account, kind(subject), subject.id.number().cast_signed()]);
    Value::Array(subjects.iter().map(each).collect()).to_string()
}

pub(super) const fn kind(subject: &Subject) -> &'static str {
    match subject.id.kind() {
        Kind::Order => "order",
        Kind::Domain => "domain",
    }
}
