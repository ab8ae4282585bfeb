//! Whose a row is.

use dcv_core::Kind;
use sqlx::{Row as _, sqlite::SqliteRow};

use crate::subject::{Id, Subject};

pub(super) fn subject(row: &SqliteRow) -> Option<Subject> {
    let number = row.try_get::<i64, _>("id").ok()?.cast_unsigned();
    let id = match row.try_get::<String, _>("kind").ok()?.as_str() {
        "order" => Id::Order(number),
        "domain" => Id::Domain(number),
        _ => return None,
    };
    let account: String = row.try_get("account").ok()?;
    Some(Subject { account: account.into(), id })
}

pub(super) const fn kind(subject: &Subject) -> &'static str {
    match subject.id.kind() {
        Kind::Order => "order",
        Kind::Domain => "domain",
    }
}
