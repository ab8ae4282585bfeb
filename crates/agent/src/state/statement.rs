//! A statement in the words of both stores, what is bound to it, and what it brings.
//!
//! Nearly all of SQL that the agent needs is the same for SQLite and PostgreSQL; they differ in how a list that goes to the store
//! as one JSON text is made rows again. A list goes so because a statement for each entry would cost more than what it does.

use sqlx::{
    Database, Postgres, Row as _, Sqlite, postgres::PgRow, query::Query as Prepared, sqlite::SqliteRow,
};

/// A statement in the words of both stores. Parameters are `$1`, `$2`, … in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// One text for both stores; or two, between which stands the list that is bound to `$1`: each of its entries is `value`.
macro_rules! statement {
    ($text:literal) => {
        $crate::state::statement::Statement { sqlite: $text, postgres: $text }
    };
    ($before:literal, list, $after:literal) => {
        $crate::state::statement::Statement {
            sqlite: concat!($before, " json_each($1) ", $after),
            postgres: concat!($before, " jsonb_array_elements($1::jsonb) AS entries(value) ", $after),
        }
    };
}
pub(super) use statement;

/// A value that is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A statement with what is bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    statement: Statement,
    values: Vec<Value>,
}

impl Query {
    pub(super) const fn new(statement: Statement) -> Self {
        Self { statement, values: Vec::new() }
    }

    /// Binds the next parameter.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    pub(super) fn for_sqlite(&self) -> Prepared<'static, Sqlite, <Sqlite as Database>::Arguments> {
        self.values.iter().cloned().fold(sqlx::query(self.statement.sqlite), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        })
    }

    pub(super) fn for_postgres(&self) -> Prepared<'static, Postgres, <Postgres as Database>::Arguments> {
        self.values.iter().cloned().fold(sqlx::query(self.statement.postgres), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        })
    }
}

/// A row of either store. A column that is missing, empty or of another type is none: a row that we did not write is not
/// ours to act on.
#[derive(Debug)]
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(super) fn text(&self, column: &str) -> Option<String> {
        match self {
            Self::Sqlite(row) => row.try_get(column).ok()?,
            Self::Postgres(row) => row.try_get(column).ok()?,
        }
    }

    pub(super) fn number(&self, column: &str) -> Option<i64> {
        match self {
            Self::Sqlite(row) => row.try_get(column).ok()?,
            Self::Postgres(row) => row.try_get(column).ok()?,
        }
    }

    pub(super) fn flag(&self, column: &str) -> Option<bool> {
        match self {
            Self::Sqlite(row) => row.try_get(column).ok()?,
            Self::Postgres(row) => row.try_get(column).ok()?,
        }
    }

    /// A time, which stands there as text.
    pub(super) fn time(&self, column: &str) -> Option<jiff::Timestamp> {
        self.text(column)?.parse().ok()
    }
}
