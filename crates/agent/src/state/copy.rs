//! From one store to the other.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Error, State,
    statement::{Query, Row, Statement, statement},
};

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Records and files that are, or may be, up.
    pub held: usize,
    /// Orders and domains of which something was known.
    pub orders: usize,
}

const HELD: Statement =
    statement!("SELECT account, kind, id, zone, owner, value, intended, applied FROM held");
const PUT_HELD: Statement = statement!(
    "INSERT INTO held (account, kind, id, zone, owner, value, intended, applied)
     SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT), value ->> 3, value ->> 4, value ->> 5, value ->> 6,
        value ->> 7 FROM",
    list,
    ""
);

impl State {
    /// Copies what is known, and what is or may be up, into a state that is empty, in one transaction. How often the CA was called
    /// lately is not copied.
    ///
    /// # Errors
    /// When one of them fails, or the other is not empty; then nothing is copied.
    pub async fn copy_to(&self, other: &Self) -> Result<Copied, Error> {
        if !(other.held().await?.is_empty() && other.notes().await?.is_empty()) {
            let what = "is not empty; copy into a state that no agent has used yet".to_owned();
            return Err(Error::Unfit { at: other.at().to_owned(), what });
        }
        let rows = self.rows(Query::new(HELD)).await?;
        // A row that cannot be read may stand for a record in DNS: it must not be lost on the way.
        let unreadable =
            || Error::Unfit { at: self.at().to_owned(), what: "holds a row that cannot be read".into() };
        let held: Vec<Value> =
            rows.iter().map(|row| columns(row).ok_or_else(unreadable)).collect::<Result<_, _>>()?;
        let statuses = self.notes().await?;
        let copied = Copied { held: held.len(), orders: statuses.len() };
        other
            .write(&[
                Query::new(PUT_HELD).bind(Value::Array(held).to_string()),
                super::last_status::noted(&statuses),
            ])
            .await?;
        Ok(copied)
    }
}

fn columns(row: &Row) -> Option<Value> {
    let text = |column| row.text(column);
    Some(json!([
        text("account")?,
        text("kind")?,
        row.number("id")?,
        text("zone")?,
        text("owner")?,
        text("value")?,
        text("intended")?,
        text("applied")
    ]))
}
