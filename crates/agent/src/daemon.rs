//! The daemon: until SIGTERM or SIGINT. SIGHUP begins a new round with a new configuration.

use std::{
    path::Path,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    board::StatusBoard,
    config::{self, Config},
    context::Context,
    engine::{Engine, GRACE, Mode},
    error::chain,
    exit::{Exit, Failed},
    forecast,
    http::{self, Pages},
    ledger::Event,
    process::{self, Request, Signals},
    replica::{self, Replica},
    start::{self, Discovery, Hold},
    state,
    subjects::Subjects,
    telemetry::{Logs, Wishes},
};

/// Between attempts to begin a round for which the database is needed.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a replica that stops waits for changes that are under way.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

/// Runs until it is asked to stop.
///
/// # Errors
/// What keeps it from starting.
pub async fn run(path: &Path, wishes: Wishes) -> Result<(), Failed> {
    // Before anything slow: a SIGHUP that comes while the agent begins is a reload and not its end.
    let mut signals = Signals::listen()?;
    let config = start::load(path)?;
    let logs = Logs::start(&config, wishes);
    start::keys(&config)?;
    let mut told = false;
    let mut tell = |failed: &Failed| {
        if !std::mem::replace(&mut told, true) {
            warn!("the agent begins when its state can be used: {failed}");
        }
    };
    let own = async || {
        let taken = |taken: &state::Error| {
            Failed::setup(format!("{taken}; end that one first, or set another agent.state"))
        };
        start::own(&config, taken).await
    };
    let Some((state, hold)) = until_it_passes(&mut signals, &mut tell, own).await? else { return Ok(()) };
    let begin_with = async || start::begin(config.clone(), &state, "daemon").await;
    let Some(mut context) = until_it_passes(&mut signals, &mut tell, begin_with).await? else {
        return Ok(());
    };
    let (pages, stop) = (Pages::new(state.clone()), CancellationToken::new());
    serve_pages(&context.config, &pages, &stop).await?;
    start::serve_files(&context, &stop).await?;
    tokio::spawn(process::watchdog());
    let mut known = Subjects::new();
    loop {
        let Some(mut round) = begin(&context, &pages, known, &hold, &mut signals).await? else { break };
        let next = tokio::select! {
            next = wait(&mut signals, path, &context) => next.map(|next| (next, Why::Reload)),
            () = replica::fenced(&mut round.shared) => again(&context, &mut signals).await?.map(|next| (next, Why::Fenced)),
        };
        let Some((next, why)) = next else {
            process::stopping();
            info!("stopping");
            signals.abort_on_the_next();
            round.end().await;
            leave(&hold, &context).await;
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
        if let (Why::Fenced, Some(replica)) = (why, hold.replica()) {
            // What was known is others' now. Nothing of the former round writes any more, so this replica may be one again.
            known.clear();
            if rejoin(replica, &mut signals).await?.is_none() {
                break;
            }
        }
        context = next;
        logs.follow(&context.config);
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

/// Why a round is followed by another one.
#[derive(Clone, Copy)]
enum Why {
    Reload,
    Fenced,
}

/// Work upon one configuration.
struct Round {
    context: Arc<Context>,
    board: Arc<StatusBoard>,
    stop: CancellationToken,
    running: JoinHandle<Subjects>,
    /// The part of a replica.
    shared: Option<JoinHandle<()>>,
}

impl Round {
    async fn begin(
        context: &Arc<Context>,
        pages: &Pages,
        known: Subjects,
        hold: &Hold,
    ) -> Result<Self, Failed> {
        let subjects = start::subjects(context, &pages.board, known, hold).await?;
        pages.board.retain(|subject| subjects.contains_key(subject));
        info!(orders = subjects.len(), "looking after orders");
        let (stop, board) = (CancellationToken::new(), &pages.board);
        let Discovery { intake, triggers, progress, shared, .. } =
            start::discovery(context, board, &stop, Mode::Daemon, hold);
        let (acting, listed) = (Arc::clone(context), Arc::clone(board));
        let engine = Engine::new(acting, listed, intake, Mode::Daemon, stop.clone(), progress);
        tokio::spawn(forecast::watch(Arc::clone(context), Arc::clone(board), stop.clone(), |_| {}));
        start::keep_saved(context, board, &stop);
        let running = tokio::spawn(engine.run(subjects, triggers));
        pages.ready.store(true, Ordering::Relaxed);
        process::ready();
        Ok(Self { context: Arc::clone(context), board: Arc::clone(board), stop, running, shared })
    }

    /// Lets steps end; returns what is known, for the next round.
    async fn end(self) -> Subjects {
        self.stop.cancel();
        let known = self.running.await.unwrap_or_default();
        self.board.save(&self.context.state).await;
        known
    }
}

/// Tries until it does not fail for what passes by itself, such as a database that is away; none where the daemon is to stop.
async fn until_it_passes<T>(
    signals: &mut Signals,
    mut tell: impl FnMut(&Failed),
    mut attempt: impl AsyncFnMut() -> Result<T, Failed>,
) -> Result<Option<T>, Failed> {
    loop {
        match attempt().await {
            Err(failed) if failed.exit == Exit::Later => tell(&failed),
            outcome => return outcome.map(Some),
        }
        tokio::select! {
            () = signals.stopped() => return Ok(None),
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Begins a round; of a replica as soon as its database lets it. None where the daemon is to stop.
async fn begin(
    context: &Arc<Context>,
    pages: &Pages,
    mut known: Subjects,
    hold: &Hold,
    signals: &mut Signals,
) -> Result<Option<Round>, Failed> {
    let tell = |failed: &Failed| debug!("the round cannot begin yet: {failed}");
    // What is lost of what is known with a failure is read again.
    let attempt = async || Round::begin(context, pages, std::mem::take(&mut known), hold).await;
    until_it_passes(signals, tell, attempt).await
}

/// The same configuration once more, which was good before; none where the daemon is to stop.
async fn again(context: &Context, signals: &mut Signals) -> Result<Option<Arc<Context>>, Failed> {
    let tell = |failed: &Failed| debug!("the next round cannot begin yet: {failed}");
    let attempt = async || {
        let built = Context::build(context.config.clone(), context.state.clone(), Some(context)).await;
        built.map(Arc::new).map_err(Failed::later)
    };
    until_it_passes(signals, tell, attempt).await
}

/// Becomes a replica once more, as soon as that can be done; none where the daemon is to stop.
async fn rejoin(replica: &Replica, signals: &mut Signals) -> Result<Option<()>, Failed> {
    let tell = |failed: &Failed| debug!("this replica cannot begin anew yet: {failed}");
    let attempt = async || replica.rejoin().await.map_err(|error| Failed::later(chain(&error)));
    until_it_passes(signals, tell, attempt).await
}

/// Gives up what this replica has, where nothing of it is being written any more. Otherwise others take over when it was not
/// heard of for a while: what is on its way must not come after what they do.
async fn leave(hold: &Hold, context: &Context) {
    let Some(replica) = hold.replica() else { return };
    if tokio::time::timeout(LEAVE_LIMIT, context.publisher.close()).await.is_ok() {
        replica.leave().await;
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
    let fixed = |config: &Config| {
        (config.state.clone(), config.listen, config.hosts.clone(), config.http.listen, config.log_format)
    };
    if fixed(&config) != fixed(&context.config) {
        warn!(
            "agent.state, agent.listen, agent.hosts, agent.log.format and http.listen change at the next start only"
        );
    }
    match Context::build(config, context.state.clone(), Some(context)).await {
        Ok(context) => {
            info!("configuration reloaded");
            start::tell_warnings(&context.config);
            Some(Arc::new(context))
        }
        Err(error) => {
            error!("the new configuration cannot be used, going on with the old one: {error}");
            None
        }
    }
}
