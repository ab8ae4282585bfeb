//! Health and metrics.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use dcv_core::Outcome;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    engine::{Board, Report},
};

/// What the pages tell of.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// The orders.
    pub board: Arc<Board>,
    /// The daemon has built its world and tends orders.
    pub ready: Arc<AtomicBool>,
}

/// Serves until `stop`.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    pages: Pages,
    stop: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(pages);
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::warn!("the status page has ended: {error}");
        }
    });
    Ok(bound)
}

/// Ready once orders are tended and not every one of them waits for settings to be mended.
async fn readyz(State(pages): State<Pages>) -> (StatusCode, String) {
    let reports = pages.board.reports();
    let broken = reports.iter().filter(|report| report.outcome == Outcome::Setup).count();
    if !pages.ready.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n".into())
    } else if broken > 0 && broken == reports.len() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("settings or credentials are refused for all {broken} orders\n"),
        )
    } else {
        (StatusCode::OK, "ready\n".into())
    }
}

async fn status(State(pages): State<Pages>) -> Json<Vec<Report>> {
    Json(pages.board.reports())
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrderLabels {
    account: String,
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AccountLabels {
    account: String,
}

/// Built from the board at each request, so that there is one truth.
async fn metrics(State(pages): State<Pages>) -> Result<String, StatusCode> {
    let mut registry = Registry::with_prefix("dcv_agent");
    let orders = Family::<OrderLabels, Gauge>::default();
    registry.register("orders", "Orders by account and by the reason they are in", orders.clone());
    let slack = Family::<AccountLabels, Gauge>::default();
    registry.register(
        "slack_seconds",
        "Seconds until the first value expires with which work is still open",
        slack.clone(),
    );
    let now = clock::now();
    let mut least: BTreeMap<String, i64> = BTreeMap::new();
    for report in pages.board.reports() {
        if let Some(deadline) = report.deadline {
            let seconds = deadline.duration_since(now).as_secs();
            let before = least.entry(report.order.account.clone()).or_insert(seconds);
            *before = seconds.min(*before);
        }
        let labels = OrderLabels { account: report.order.account, reason: report.reason.code().to_owned() };
        orders.get_or_create(&labels).inc();
    }
    for (account, seconds) in least {
        slack.get_or_create(&AccountLabels { account }).set(seconds);
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(text)
}
