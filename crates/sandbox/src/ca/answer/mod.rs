//! What each call answers.

mod dcv;
mod list;
mod order;

use axum::http::Uri;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    endpoint::Endpoint,
    reply::{Refusal, Reply},
    world::World,
};

type Answer = Result<Reply, Refusal>;

/// Carries out a call that got through.
pub(super) async fn answer(
    world: &World,
    endpoint: Endpoint,
    target: &str,
    uri: &Uri,
    body: &[u8],
) -> Answer {
    let id = || target.parse::<u64>().map_err(|_| Refusal::no_such_order());
    match endpoint {
        Endpoint::DcvRandomValue => dcv::random_value(world, id()?),
        Endpoint::CheckDcv => dcv::check(world, id()?, body).await,
        Endpoint::DcvMethod => dcv::change_method(world, id()?, body),
        Endpoint::OrderInfo => order::info(world, id()?),
        Endpoint::OrderValidation => order::validation(world, id()?),
        Endpoint::UpdateStatus => order::update_status(world, id()?, body),
        Endpoint::PlaceOrder => order::place(world, target, body),
        Endpoint::Reissue => order::reissue(world, id()?),
        Endpoint::ListOrders => list::orders(world, uri),
        Endpoint::StatusChanges => list::status_changes(world, uri),
        Endpoint::UserMe => Ok(Reply::ok(json!({
            "id": 4001,
            "username": "sandbox",
            "account": { "id": 1001 },
            "status": "active",
            "access_roles": [{ "id": 1, "name": "Administrator" }],
        }))),
        Endpoint::Unknown => Err(Refusal::no_such_route()),
    }
}

/// Reads a JSON body; an empty one counts as `{}`.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|_| Refusal::bad_request("bad_request_format", "The request body could not be read."))
}
