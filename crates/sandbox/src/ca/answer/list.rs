//! Many orders: the list, and what changed lately.

use std::time::Duration;

use axum::{extract::Query, http::Uri};
use serde_json::json;

use super::{Answer, order::summary};
use crate::{
    ca::{
        orders::Order,
        profile::StatusFilter,
        reply::{Refusal, Reply},
        world::World,
    },
    clock,
};

/// Most orders on one page.
const MAX_PAGE: usize = 1000;

/// The query string as pairs: the filters' names hold brackets and numbers.
struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn of(uri: &Uri) -> Result<Self, Refusal> {
        match Query::<Vec<(String, String)>>::try_from_uri(uri) {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(_) => Err(Refusal::bad_request("bad_request_format", "The query string could not be read.")),
        }
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let invalid =
            || Refusal::bad_request("bad_request", "A number in the query string could not be read.");
        self.first(name).map(|text| text.parse().map_err(|_| invalid())).transpose()
    }

    /// Values of `filters[name]` and `filters[name][n]`.
    fn filter(&self, name: &str) -> Vec<&str> {
        let one = format!("filters[{name}]");
        let many = format!("filters[{name}][");
        let wanted = self.0.iter().filter(|(key, _)| *key == one || key.starts_with(&many));
        wanted.map(|(_, value)| value.as_str()).collect()
    }
}

pub(super) fn orders(world: &World, uri: &Uri) -> Answer {
    let pairs = Pairs::of(uri)?;
    let page = |name| pairs.number(name).map(|number| number.and_then(|number| usize::try_from(number).ok()));
    let limit = page("limit")?.unwrap_or(MAX_PAGE).min(MAX_PAGE);
    let offset = page("offset")?.unwrap_or(0);
    let statuses = pairs.filter("status");

    let mut state = world.lock();
    state.settle();
    let ignored = state.profile.status_filter == StatusFilter::Ignored;
    let wanted = |order: &&Order| ignored || statuses.is_empty() || statuses.contains(&order.status.as_str());
    let mut orders: Vec<&Order> = state.orders.values().filter(wanted).collect();
    // A plus sign in a query string is a space once decoded.
    match pairs.first("sort").map(str::trim) {
        Some("-date_created") => orders.sort_by_key(|order| std::cmp::Reverse((order.created, order.id))),
        _ => orders.sort_by_key(|order| (order.created, order.id)),
    }
    let shown: Vec<_> = orders.iter().skip(offset).take(limit).map(|order| summary(order)).collect();
    Ok(Reply::ok(json!({
        "orders": shown,
        "page": { "total": orders.len(), "limit": limit, "offset": offset },
    })))
}

pub(super) fn status_changes(world: &World, uri: &Uri) -> Answer {
    /// The longest look back.
    const LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);

    let pairs = Pairs::of(uri)?;
    let (minutes, seconds) = (pairs.number("minutes")?, pairs.number("seconds")?);
    if minutes.is_none() && seconds.is_none() {
        // The date filter is in Mountain Time and nobody here needs it.
        return Err(Refusal::bad_request(
            "bad_request",
            "Give minutes or seconds; the sandbox has no date filter.",
        ));
    }
    let span = minutes.unwrap_or(0).saturating_mul(60).saturating_add(seconds.unwrap_or(0));
    let span = Duration::from_secs(span);
    if span > LIMIT {
        return Err(Refusal::bad_request("time_frame_too_long", "The time frame is longer than seven days."));
    }

    let mut state = world.lock();
    state.settle();
    let since = clock::now() - span;
    let changed: Vec<_> = state
        .orders
        .values()
        .filter(|order| order.changed >= since)
        .map(|order| {
            json!({ "order_id": order.id, "certificate_id": order.certificate_id, "status": order.status })
        })
        .collect();
    Ok(Reply::ok(if changed.is_empty() { json!({}) } else { json!({ "orders": changed }) }))
}
