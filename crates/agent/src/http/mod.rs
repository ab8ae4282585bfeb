//! Health and metrics.

mod hosts;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, body::Body, extract, http::StatusCode, response::IntoResponse as _, routing::get};
use dcv_core::{Kind, Outcome};
use hyper::{Request, Response, body::Incoming};
use jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use self::hosts::Hosts;
use crate::{
    board::{Backlog, Status, StatusBoard},
    clock,
    listener::{self, Limits},
    state::{State, Trouble},
    subject::Subject,
    trouble,
};

/// What strangers can hold; a probe, a metrics server and a few people need less.
const LIMITS: Limits = Limits {
    connections: 64,
    // Behind a proxy all are one address's.
    of_address: 64,
    head: 8 * 1024,
    headers: 64,
    head_time: Duration::from_secs(5),
    // The page of a hundred thousand orders has to get through.
    life: Duration::from_secs(60),
};

/// What the pages tell of.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The orders.
    pub board: Arc<StatusBoard>,
    /// The daemon has built its context and looks after orders.
    pub ready: Arc<AtomicBool>,
    state: State,
}

impl Pages {
    /// Pages of an agent that works on this state, which is not ready yet.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self { board: Arc::default(), ready: Arc::default(), state }
    }
}

/// Serves until `stop`, at the address and by these other names.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    names: &[String],
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
        .route("/plan", get(plan))
        .with_state(pages);
    let hosts = Hosts::new(bound, names);
    let answer = move |request: Request<Incoming>, _peer| {
        let (admitted, router) = (hosts.admit(&request), router.clone());
        async move { if admitted { routed(router, request).await } else { misdirected() } }
    };
    tokio::spawn(listener::serve(listener, LIMITS, stop, "the status page", answer));
    Ok(bound)
}

async fn routed(mut router: Router, request: Request<Incoming>) -> Response<Body> {
    // A router is always ready and never fails.
    match router.call(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn misdirected() -> Response<Body> {
    let why = "this host is not served here; agent.hosts names further ones\n";
    (StatusCode::FORBIDDEN, why).into_response()
}

/// Ready once orders are looked after and not every one of them waits for settings to be mended.
async fn readyz(extract::State(pages): extract::State<Pages>) -> (StatusCode, String) {
    let (mut all, mut broken) = (0, 0);
    pages.board.read(|status| {
        all += 1;
        broken += usize::from(status.outcome == Outcome::Setup);
    });
    if !pages.ready.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n".into())
    } else if let Some(Trouble { since, detail }) = pages.state.trouble() {
        let what =
            format!("nothing is published: the state file cannot be written since {since:.0}: {detail}\n");
        (StatusCode::SERVICE_UNAVAILABLE, what)
    } else if broken > 0 && broken == all {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("settings or credentials are refused for all {broken} orders\n"),
        )
    } else {
        (StatusCode::OK, format!("ready\n{}", troubles(&pages.board)))
    }
}

/// What is in trouble for everybody, a line each. Work that it does not concern goes on.
fn troubles(board: &StatusBoard) -> String {
    let line = |trouble: trouble::Trouble| {
        format!("in trouble since {:.0}: {}: {}\n", trouble.since, trouble.of, trouble.detail)
    };
    board.troubles().into_iter().map(line).collect()
}

async fn status(extract::State(pages): extract::State<Pages>) -> Json<Vec<Status>> {
    Json(pages.board.statuses())
}

async fn plan(extract::State(pages): extract::State<Pages>) -> Json<Vec<Backlog>> {
    Json(pages.board.backlogs())
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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TroubleLabels {
    subject: String,
}

/// A gauge for each account.
type ByAccount = Family<AccountLabels, Gauge>;

/// Built from the board at each request, so that there is one truth.
async fn metrics(extract::State(pages): extract::State<Pages>) -> Result<String, StatusCode> {
    let mut registry = Registry::with_prefix("dcv_agent");
    let now = clock::now();
    of_statuses(&mut registry, &pages.board, now);
    of_backlogs(&mut registry, &pages.board, now);
    of_troubles(&mut registry, &pages, now);
    of_drifts(&mut registry, &pages.board);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(text)
}

/// What there is, what it waits for, and how long it has.
fn of_statuses(registry: &mut Registry, board: &StatusBoard, now: Timestamp) {
    let (orders, domains) =
        (Family::<OrderLabels, Gauge>::default(), Family::<OrderLabels, Gauge>::default());
    registry.register("orders", "Orders by account and by the reason they are in", orders.clone());
    registry.register("domains", "Domains by account and by the reason they are in", domains.clone());
    let (mut slack, mut valid) = (Least::default(), Least::default());
    board.read(|status| {
        let Status { subject: Subject { account, id }, reason, outcome, deadline, .. } = status;
        let seconds = deadline.map(|deadline| deadline.duration_since(now).as_secs());
        if let Some(seconds) = seconds.filter(|_| *outcome == Outcome::Open) {
            slack.add(account, seconds);
        }
        let family = match id.kind() {
            Kind::Order => &orders,
            Kind::Domain => {
                seconds.into_iter().for_each(|seconds| valid.add(account, seconds));
                &domains
            }
        };
        let labels = OrderLabels { account: account.to_string(), reason: reason.code().to_owned() };
        family.get_or_create(&labels).inc();
    });
    registry.register("slack_seconds", "Seconds until the first deadline of open work", slack.into_family());
    registry.register(
        "domain_valid_seconds",
        "Seconds until the first proof of a domain ends",
        valid.into_family(),
    );
}

/// What open work costs in calls, and when it is done.
fn of_backlogs(registry: &mut Registry, board: &StatusBoard, now: Timestamp) {
    let gauge = |value: fn(&Backlog, Timestamp) -> i64| {
        let family = ByAccount::default();
        for plan in board.backlogs() {
            let labels = AccountLabels { account: plan.account.clone() };
            family.get_or_create(&labels).set(value(&plan, now));
        }
        family
    };
    registry.register(
        "calls_needed",
        "Calls to DigiCert that open work needs at the least",
        gauge(|plan, _| i64::try_from(plan.forecast.calls).unwrap_or(i64::MAX)),
    );
    registry.register(
        "finish_seconds",
        "Seconds until the last of these calls can be made at the allowed rate",
        gauge(|plan, now| plan.forecast.finish.duration_since(now).as_secs().max(0)),
    );
    registry.register(
        "late",
        "Orders and domains with open work whose deadline cannot be kept",
        gauge(|plan, _| i64::try_from(plan.forecast.late).unwrap_or(i64::MAX)),
    );
    registry.register(
        "burst",
        "1 while more calls are needed than the rate allows within its longest window",
        gauge(|plan, _| i64::from(plan.forecast.is_burst)),
    );
}

/// What others have taken away of ours.
fn of_drifts(registry: &mut Registry, board: &StatusBoard) {
    let drifts = Family::<AccountLabels, Counter>::default();
    for (account, count) in board.drifts() {
        drifts.get_or_create(&AccountLabels { account }).inc_by(count);
    }
    registry.register(
        "drifts",
        "Values that were up everywhere and were taken away by somebody else while they were needed",
        drifts,
    );
}

/// What holds back everybody's work.
fn of_troubles(registry: &mut Registry, pages: &Pages, now: Timestamp) {
    let in_trouble = Family::<TroubleLabels, Gauge>::default();
    for trouble in pages.board.troubles() {
        let labels = TroubleLabels { subject: trouble.of };
        in_trouble.get_or_create(&labels).set(now.duration_since(trouble.since).as_secs());
    }
    registry.register(
        "trouble_seconds",
        "For how long an account, provider or zone has been in trouble; absent while all is well",
        in_trouble,
    );
    let writable = Gauge::<i64>::default();
    writable.set(i64::from(pages.state.trouble().is_none()));
    registry.register(
        "state_writable",
        "1 while the state file can be written; while it cannot nothing is published",
        writable,
    );
}

/// The least value of each account.
#[derive(Default)]
struct Least(BTreeMap<String, i64>);

impl Least {
    fn add(&mut self, account: &str, seconds: i64) {
        let least = self.0.entry(account.to_owned()).or_insert(seconds);
        *least = seconds.min(*least);
    }

    fn into_family(self) -> ByAccount {
        let family = ByAccount::default();
        for (account, seconds) in self.0 {
            family.get_or_create(&AccountLabels { account }).set(seconds);
        }
        family
    }
}
