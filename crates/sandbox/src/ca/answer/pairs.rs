//! What a call asks for in its query string.

use axum::{extract::Query, http::Uri};

use crate::ca::reply::Refusal;

/// Most rows on one page.
const MAX_PAGE: usize = 1000;

/// The query string as pairs: the filters' names hold brackets and numbers.
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    pub(super) fn of(uri: &Uri) -> Result<Self, Refusal> {
        match Query::<Vec<(String, String)>>::try_from_uri(uri) {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(_) => Err(Refusal::bad_request("bad_request_format", "The query string could not be read.")),
        }
    }

    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let invalid =
            || Refusal::bad_request("bad_request", "A number in the query string could not be read.");
        self.first(name).map(|text| text.parse().map_err(|_| invalid())).transpose()
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.first(name).is_some_and(|value| matches!(value, "true" | "1"))
    }

    /// `limit` and `offset`.
    pub(super) fn page(&self) -> Result<(usize, usize), Refusal> {
        let number =
            |name| self.number(name).map(|number| number.and_then(|number| usize::try_from(number).ok()));
        Ok((number("limit")?.unwrap_or(MAX_PAGE).min(MAX_PAGE), number("offset")?.unwrap_or(0)))
    }

    /// Values of `filters[name]` and `filters[name][n]`.
    pub(super) fn filter(&self, name: &str) -> Vec<&str> {
        let one = format!("filters[{name}]");
        let many = format!("filters[{name}][");
        let wanted = self.0.iter().filter(|(key, _)| *key == one || key.starts_with(&many));
        wanted.map(|(_, value)| value.as_str()).collect()
    }
}
