//! Many orders or domains: the lists, and what changed lately.

use std::time::Duration;

use axum::http::Uri;
use serde_json::json;

use super::{domain, order::summary, pairs::Pairs};
use crate::{
    ca::{
        domains::Domain,
        orders::Order,
        reply::{Answer, Refusal, Reply},
        switches::{ListShift, StatusFilter},
        world::{State, World},
    },
    clock,
};

pub(super) fn orders(world: &World, account: u64, uri: &Uri) -> Answer {
    let pairs = Pairs::of(uri)?;
    let (limit, offset) = pairs.page()?;
    let mut state = world.lock();
    state.settle();
    if offset > 0 {
        let first = listed_orders(&state, account, &pairs).first().map(|order| order.id);
        state.shift_orders(account, first, &world.eyes);
    }
    let orders = listed_orders(&state, account, &pairs);
    let page = orders.iter().skip(offset).take(limit);
    let shown: Vec<_> = page.map(|order| summary(order, &state.profile)).collect();
    Ok(Reply::ok(json!({
        "orders": shown,
        "page": { "total": orders.len(), "limit": limit, "offset": offset },
    })))
}

fn listed_orders<'s>(state: &'s State, account: u64, pairs: &Pairs) -> Vec<&'s Order> {
    let statuses = pairs.filter("status");
    let ignored = state.profile.status_filter == StatusFilter::Ignored;
    let wanted = |order: &&Order| {
        let status = ignored || statuses.is_empty() || statuses.contains(&order.status.as_str());
        status && order.account == account
    };
    let mut orders: Vec<_> = state.orders.values().filter(wanted).collect();
    orders.sort_by_key(|order| (order.created, order.id));
    // A plus sign in a query string is a space once decoded.
    let descending = pairs.first("sort").map(str::trim) == Some("-date_created");
    if descending || state.profile.list_shift == ListShift::Grows {
        orders.reverse();
    }
    orders
}

pub(super) fn domains(world: &World, account: u64, uri: &Uri) -> Answer {
    let pairs = Pairs::of(uri)?;
    let (limit, offset) = pairs.page()?;
    let exact = pairs.is_on("include_dcv_expiration_time");
    let mut state = world.lock();
    if offset > 0 {
        let first = listed_domains(&state, account, &pairs).first().map(|domain| domain.id);
        state.shift_domains(account, first);
    }
    let domains = listed_domains(&state, account, &pairs);
    let shown: Vec<_> = domains
        .iter()
        .skip(offset)
        .take(limit)
        .map(|item| domain::row(item, &state.profile, exact))
        .collect();
    Ok(Reply::ok(json!({
        "domains": shown,
        "page": { "total": domains.len(), "limit": limit, "offset": offset },
    })))
}

fn listed_domains<'s>(state: &'s State, account: u64, pairs: &Pairs) -> Vec<&'s Domain> {
    let methods = pairs.filter("dcv_method");
    let searched =
        pairs.filter("search").first().map(|text| text.trim_start_matches('%').to_ascii_lowercase());
    let wanted = |domain: &&Domain| {
        let method = methods.is_empty() || methods.contains(&domain.method.as_str());
        let named = searched.as_ref().is_none_or(|text| domain.name.contains(text.as_str()));
        domain.account == account && method && named
    };
    let mut domains: Vec<_> = state.domains.values().filter(wanted).collect();
    if state.profile.list_shift == ListShift::Grows {
        domains.reverse();
    }
    domains
}

pub(super) fn status_changes(world: &World, account: u64, uri: &Uri) -> Answer {
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
        .filter(|order| order.changed >= since && order.account == account)
        .map(|order| {
            json!({ "order_id": order.id, "certificate_id": order.certificate_id, "status": order.status })
        })
        .collect();
    Ok(Reply::ok(if changed.is_empty() { json!({}) } else { json!({ "orders": changed }) }))
}
