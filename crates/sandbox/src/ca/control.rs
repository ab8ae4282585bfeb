//! The routes that steer the simulator: no key, not counted, not throttled.
//!
//! | Route | Body | Reply |
//! |---|---|---|
//! | `GET /sandbox/stats` | | [`Stats`] |
//! | `POST /sandbox/orders` | `{"names": […], "method"?, "status"?, "type"?, "scope"?, "id"?, "account"?, "count"?}` | `{"ids": […]}` |
//! | `POST /sandbox/orders/{id}` | `{"status"?, "expire_value"?: true, "organisation_validated"?}` | the order |
//! | `GET /sandbox/orders/{id}` | | the order |
//! | `POST /sandbox/orders/{id}/reissue` | `{"names"?: […]}`, or nothing | the order; 409 if it is in no state for that |
//! | `POST /sandbox/orders/{id}/cancel` | | the same |
//! | `POST /sandbox/domains` | `{"name", "method"?, "kinds"?, "validated"?, "id"?, "account"?}` | `{"ids": […]}` |
//! | `POST /sandbox/domains/{id}` | `{"validate"?: true, "expire"?: true, "expire_value"?: true, "active"?}` | the domain |
//! | `GET /sandbox/domains/{id}` | | the domain |
//! | `POST /sandbox/faults` | a [`Fault`] | |
//! | `DELETE /sandbox/faults` | | |
//! | `GET`, `POST /sandbox/profile` | a [`Profile`]; it replaces the former one | the profile |

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value as Json_, json};

use super::{
    control_domains,
    fault::Fault,
    order_spec::OrderSpec,
    orders::Order,
    profile::Profile,
    stats::Stats,
    world::{MAX_ORDERS, State, World},
};
use crate::clock;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/sandbox/stats", get(stats))
        .route("/sandbox/orders", post(place))
        .route("/sandbox/orders/{id}", get(show).post(change))
        .route("/sandbox/orders/{id}/reissue", post(reissue))
        .route("/sandbox/orders/{id}/cancel", post(cancel))
        .merge(control_domains::routes())
        .route("/sandbox/faults", post(add_fault).delete(clear_faults))
        .route("/sandbox/profile", get(profile).post(set_profile))
}

async fn stats(Shared(world): Shared<Arc<World>>) -> Json<Stats> {
    Json(world.stats())
}

#[derive(Deserialize)]
struct Placement {
    #[serde(default = "one")]
    count: usize,
    #[serde(flatten)]
    fields: serde_json::Map<String, Json_>,
}

fn one() -> usize {
    1
}

async fn place(
    Shared(world): Shared<Arc<World>>,
    Json(Placement { count, fields }): Json<Placement>,
) -> Result<Json<Json_>, (StatusCode, String)> {
    let spec: OrderSpec = serde_json::from_value(Json_::Object(fields))
        .map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    if world.lock().orders.len().saturating_add(count) > MAX_ORDERS {
        return Err((
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("the sandbox holds {MAX_ORDERS} orders at most"),
        ));
    }
    let ids: Vec<_> = (0..count).map(|n| world.place(spec.numbered(n))).collect();
    Ok(Json(json!({ "ids": ids })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alteration {
    status: Option<String>,
    #[serde(default)]
    expire_value: bool,
    organisation_validated: Option<bool>,
}

async fn change(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<u64>,
    Json(alteration): Json<Alteration>,
) -> Result<Json<Json_>, StatusCode> {
    let mut state = world.lock();
    let order = state.order(id).ok_or(StatusCode::NOT_FOUND)?;
    let now = clock::now();
    if alteration.expire_value {
        order.values.expire(now);
    }
    if let Some(validated) = alteration.organisation_validated {
        order.organisation_validated = validated;
    }
    if let Some(status) = alteration.status {
        state.enter(id, &status);
    }
    world.polling.notify_one();
    state.order(id).map(|order| Json(description(order))).ok_or(StatusCode::NOT_FOUND)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Reissue {
    names: Vec<String>,
}

async fn reissue(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<u64>,
    body: Option<Json<Reissue>>,
) -> Result<Json<Json_>, StatusCode> {
    let Json(Reissue { names }) = body.unwrap_or_default();
    acted(&world, id, |state, id| state.reissue(id, &names, world.eyes.zones()))
}

async fn cancel(Shared(world): Shared<Arc<World>>, Path(id): Path<u64>) -> Result<Json<Json_>, StatusCode> {
    acted(&world, id, State::cancel)
}

fn acted(
    world: &World,
    id: u64,
    act: impl FnOnce(&mut State, u64) -> bool,
) -> Result<Json<Json_>, StatusCode> {
    let mut state = world.lock();
    state.order(id).ok_or(StatusCode::NOT_FOUND)?;
    if !act(&mut state, id) {
        return Err(StatusCode::CONFLICT);
    }
    world.polling.notify_one();
    state.order(id).map(|order| Json(description(order))).ok_or(StatusCode::NOT_FOUND)
}

async fn show(Shared(world): Shared<Arc<World>>, Path(id): Path<u64>) -> Result<Json<Json_>, StatusCode> {
    world.lock().order(id).map(|order| Json(description(order))).ok_or(StatusCode::NOT_FOUND)
}

fn description(order: &Order) -> Json_ {
    let value = order.values.last();
    json!({
        "id": order.id,
        "account": order.account,
        "status": order.status,
        "type": order.product,
        "method": order.method,
        "names": order.names,
        "scopes": order.proofs.iter()
            .map(|proof| json!({ "scope": proof.scope, "approved": proof.approved }))
            .collect::<Vec<_>>(),
        "value": value.map(|value| &value.text),
        "value_expires": value.map(|value| value.expires.to_string()),
        "organisation_validated": order.organisation_validated,
    })
}

async fn add_fault(Shared(world): Shared<Arc<World>>, Json(fault): Json<Fault>) -> StatusCode {
    world.lock().faults.add(fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(Shared(world): Shared<Arc<World>>) -> StatusCode {
    world.lock().faults.clear();
    StatusCode::NO_CONTENT
}

async fn profile(Shared(world): Shared<Arc<World>>) -> Json<Profile> {
    Json(world.lock().profile.clone())
}

async fn set_profile(Shared(world): Shared<Arc<World>>, Json(profile): Json<Profile>) -> Json<Profile> {
    world.lock().profile = profile.clone();
    world.polling.notify_one();
    Json(profile)
}
