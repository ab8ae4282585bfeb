//! The routes that steer domains; the table is with the other routes.

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
    domains::{Domain, DomainSpec},
    world::{MAX_ORDERS, World},
};
use crate::clock;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/sandbox/domains", post(place))
        .route("/sandbox/domains/{id}", get(show).post(change))
}

async fn place(
    Shared(world): Shared<Arc<World>>,
    Json(spec): Json<DomainSpec>,
) -> Result<Json<Json_>, (StatusCode, String)> {
    if world.lock().domains.len() >= MAX_ORDERS {
        let text = format!("the sandbox holds {MAX_ORDERS} domains at most");
        return Err((StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    Ok(Json(json!({ "ids": [world.place_domain(spec)] })))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Alteration {
    validate: bool,
    expire: bool,
    expire_value: bool,
    active: Option<bool>,
}

async fn change(
    Shared(world): Shared<Arc<World>>,
    Path(id): Path<u64>,
    Json(alteration): Json<Alteration>,
) -> Result<Json<Json_>, StatusCode> {
    let mut state = world.lock();
    let now = clock::now();
    let domain = state.domains.get_mut(&id).ok_or(StatusCode::NOT_FOUND)?;
    if let Some(active) = alteration.active {
        domain.active = active;
    }
    if alteration.expire_value {
        domain.values.expire(now);
    }
    if alteration.validate {
        state.approve_domain(id, now);
    }
    let domain = state.domains.get_mut(&id).ok_or(StatusCode::NOT_FOUND)?;
    if alteration.expire {
        domain.expire(now);
    }
    world.polling.notify_one();
    Ok(Json(description(domain)))
}

async fn show(Shared(world): Shared<Arc<World>>, Path(id): Path<u64>) -> Result<Json<Json_>, StatusCode> {
    world.lock().domains.get(&id).map(|domain| Json(description(domain))).ok_or(StatusCode::NOT_FOUND)
}

fn description(domain: &Domain) -> Json_ {
    let value = domain.value();
    json!({
        "id": domain.id,
        "account": domain.account,
        "name": domain.name,
        "method": domain.method,
        "kinds": domain.kinds,
        "active": domain.active,
        "status": domain.status(clock::now()),
        "pending": domain.pending,
        "value": value.map(|value| &value.text),
        "value_expires": value.map(|value| value.expires.to_string()),
        "expires": domain.expires.map(|expires| expires.to_string()),
    })
}
