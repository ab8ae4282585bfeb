//! The daemon: until SIGTERM or SIGINT. SIGHUP begins a new round with a new configuration.

use std::{
    path::Path,
    pin::pin,
    sync::{Arc, atomic::Ordering},
};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    board::StatusBoard,
    config::{self, Config},
    context::Context,
    engine::{Engine, GRACE, Mode},
    exit::Failed,
    forecast,
    http::{self, Pages},
    ledger::Event,
    process::{self, Request, Signals},
    start::{self, Discovery},
    subjects::Subjects,
    telemetry,
};

/// Runs until it is asked to stop.
///
/// # Errors
/// What keeps it from starting.
pub async fn run(path: &Path) -> Result<(), Failed> {
    // Before anything slow: a SIGHUP that comes while the agent begins is a reload and not its end.
    let mut signals = Signals::listen()?;
    let config = start::load(path)?;
    telemetry::start(&config.log_level, config.log_format);
    start::keys(&config)?;
    let (state, _lock) = start::own(&config, |taken| {
        Failed::setup(format!("{taken}; end that one first, or set another agent.state"))
    })
    .await?;
    let mut context = start::begin(config, &state, "daemon").await?;
    let (pages, stop) = (Pages::new(state.clone()), CancellationToken::new());
    serve_pages(&context.config, &pages, &stop).await?;
    start::serve_files(&context, &stop).await?;
    tokio::spawn(process::watchdog());
    let mut known = Subjects::new();
    loop {
        let round = Round::begin(&context, &pages, known).await?;
        let Some(next) = wait(&mut signals, path, &context).await else {
            process::stopping();
            info!("stopping");
            signals.abort_on_the_next();
            round.end().await;
            break;
        };
        let former = Arc::clone(&context);
        let mut handover = pin!(async move {
            let known = round.end().await;
            former.publisher.close().await;
            known
        });
        known = tokio::select! {
            known = &mut handover => known,
            () = signals.stopped() => {
                process::stopping();
                info!("stopping");
                signals.abort_on_the_next();
                let _ = tokio::time::timeout(GRACE, handover).await;
                break;
            }
        };
        context = next;
        context.ledger.note(Some(Event::started("reload"))).await;
    }
    stop.cancel();
    context.ledger.note(Some(Event::stopped())).await;
    pages.board.save(&state).await;
    state.close().await;
    Ok(())
}

async fn serve_pages(config: &Config, pages: &Pages, stop: &CancellationToken) -> Result<(), Failed> {
    let Some(address) = config.listen else { return Ok(()) };
    let bound = http::serve(address, &config.hosts, pages.clone(), stop.clone())
        .await
        .map_err(|error| Failed::setup(format!("agent.listen {address}: {error}")))?;
    info!("health and metrics at http://{bound}/");
    Ok(())
}

/// Work upon one configuration.
struct Round {
    context: Arc<Context>,
    board: Arc<StatusBoard>,
    stop: CancellationToken,
    running: JoinHandle<Subjects>,
}

impl Round {
    async fn begin(context: &Arc<Context>, pages: &Pages, known: Subjects) -> Result<Self, Failed> {
        let subjects = start::subjects(context, &pages.board, known).await?;
        pages.board.retain(|subject| subjects.contains_key(subject));
        info!(orders = subjects.len(), "looking after orders");
        let (stop, board) = (CancellationToken::new(), &pages.board);
        let Discovery { intake, triggers, .. } = start::discovery(context, board, &stop, Mode::Daemon);
        let engine = Engine::new(Arc::clone(context), Arc::clone(board), intake, Mode::Daemon, stop.clone());
        tokio::spawn(forecast::watch(Arc::clone(context), Arc::clone(board), stop.clone(), |_| {}));
        start::keep_saved(context, board, &stop);
        let running = tokio::spawn(engine.run(subjects, triggers));
        pages.ready.store(true, Ordering::Relaxed);
        process::ready();
        Ok(Self { context: Arc::clone(context), board: Arc::clone(board), stop, running })
    }

    /// Lets steps end; returns what is known, for the next round.
    async fn end(self) -> Subjects {
        self.stop.cancel();
        let known = self.running.await.unwrap_or_default();
        self.board.save(&self.context.state).await;
        known
    }
}

/// Waits for a signal that ends the round: the context of the next one, or none where the daemon is to stop.
async fn wait(signals: &mut Signals, path: &Path, context: &Context) -> Option<Arc<Context>> {
    loop {
        match signals.next().await {
            Request::Stop => return None,
            Request::Reload => {
                process::reloading();
                let next = tokio::select! {
                    next = reload(path, context) => next,
                    () = signals.stopped() => return None,
                };
                if next.is_some() {
                    return next;
                }
                process::unchanged();
            }
        }
    }
}

/// A configuration that is wrong changes nothing: the agent goes on with the one it has.
async fn reload(path: &Path, context: &Context) -> Option<Arc<Context>> {
    let config = match config::load(path) {
        Ok(config) => config,
        Err(problems) => {
            error!("the new configuration is wrong, going on with the old one: {problems}");
            return None;
        }
    };
    let fixed =
        |config: &Config| (config.state.clone(), config.listen, config.hosts.clone(), config.http.listen);
    if fixed(&config) != fixed(&context.config) {
        warn!("agent.state, agent.listen, agent.hosts and http.listen change at the next start only");
    }
    match Context::build(config, context.state.clone(), Some(context)).await {
        Ok(context) => {
            info!("configuration reloaded");
            Some(Arc::new(context))
        }
        Err(error) => {
            error!("the new configuration cannot be used, going on with the old one: {error}");
            None
        }
    }
}
