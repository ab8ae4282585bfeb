//! From request to reply: count, recognise the key, throttle, spoil, permit, answer.

use std::sync::Arc;

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State as Shared},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
    routing::any,
};
use tokio::time::Instant;

use super::{
    answer,
    config::Role,
    connection::Cut,
    control,
    endpoint::Endpoint,
    fault::{FaultKind, Moment},
    reply::Refusal,
    switches::BadKey,
    world::{State, World},
};

/// Path of the simulated API.
pub(super) const BASE: &str = "/services/v2";

/// Longest request body.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// The simulated API, and the routes that control it.
pub(super) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/services/v2/{*call}", any(serve))
        .merge(control::routes())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(world)
}

async fn serve(
    Shared(world): Shared<Arc<World>>,
    ConnectInfo(Cut(cut)): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix(BASE).unwrap_or_default();
    let (endpoint, target) = Endpoint::of(&parts.method, path);
    let (account, fault) = match world.lock().admit(endpoint, target, &parts.method, &parts.headers) {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal.into_response(),
    };

    // A future does nothing until it is awaited: a fault "before" simply never awaits it.
    let reply = reply(&world, account, endpoint, target, &parts.uri, body);
    match fault {
        None => reply.await,
        Some((kind, Moment::Before)) => kind.spoil(reply, &cut, &world.shutdown).await,
        Some((kind, Moment::After)) => {
            let carried_out = reply.await;
            kind.spoil(std::future::ready(carried_out), &cut, &world.shutdown).await
        }
    }
}

async fn reply(
    world: &World,
    account: u64,
    endpoint: Endpoint,
    target: &str,
    uri: &Uri,
    body: axum::body::Body,
) -> Response {
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let answered = tokio::select! {
        answered = answer::answer(world, account, endpoint, target, uri, &body) => answered,
        // A check may be waiting for name servers that never answer.
        () = world.shutdown.cancelled() => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let ids = world.lock().profile.id_types;
    match answered {
        Ok(reply) => reply.render(ids),
        Err(refusal) => refusal.into_response(),
    }
}

impl State {
    /// Counts the call and decides whether it gets through, for which account, and what is to go wrong with it.
    fn admit(
        &mut self,
        endpoint: Endpoint,
        target: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<(u64, Option<(FaultKind, Moment)>), Refusal> {
        self.ledger.call(endpoint, target.parse().ok());

        let given = headers.get("X-DC-DEVKEY").and_then(|key| key.to_str().ok());
        let Some(key) = self.keys.iter().find(|key| Some(key.key.as_str()) == given) else {
            self.ledger.stats.bad_key += 1;
            let status = match self.profile.bad_key {
                BadKey::Unauthorized => StatusCode::UNAUTHORIZED,
                BadKey::Forbidden => StatusCode::FORBIDDEN,
            };
            return Err(Refusal::new(status, "access_denied|invalid_key", "The API key is not valid."));
        };
        if !self.limits.admit(&key.key, Instant::now()) {
            self.ledger.stats.throttled += 1;
            return Err(Refusal::too_many_requests(self.profile.retry_after));
        }
        if let Some(fault) = self.faults.strike(endpoint, &mut self.random) {
            self.ledger.stats.faults += 1;
            return Ok((key.account, Some(fault)));
        }
        let forbidden = match key.role {
            Role::Full => false,
            Role::ViewOnly => method != Method::GET,
            Role::OrdersOnly => endpoint.is_about_domains(),
        };
        if forbidden {
            let message = "You do not have permission to perform this action.";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "access_denied|missing_permission", message));
        }
        Ok((key.account, None))
    }
}
