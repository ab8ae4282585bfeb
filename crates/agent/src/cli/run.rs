//! The daemon and the one-shot run.

use std::{
    io::IsTerminal as _,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sd_notify::NotifyState;
use serde::Serialize;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{
        broadcast::{self, error::RecvError},
        mpsc,
    },
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{args::Output, fail, load, open, show};
use crate::{
    clock,
    config::{self, Config, LogFormat},
    context::{Context, chain},
    discover::{Listed, Watch, Watched},
    engine::{Engine, Mode, News, Status, StatusBoard},
    exit::Exit,
    forecast::{self, Plan},
    http::{self, Pages},
    ledger::Event,
    state::State,
    subjects::{self, Subjects},
    telemetry,
};

/// The daemon: until SIGTERM or SIGINT.
pub(super) async fn daemon(path: &Path) -> Exit {
    match run_daemon(path).await {
        Ok(()) => Exit::Success,
        Err(exit) => exit,
    }
}

async fn run_daemon(path: &Path) -> Result<(), Exit> {
    let config = load(path)?;
    telemetry::start(&config.log_level, config.log_format);
    let mut signals = Signals::listen()?;
    let state = open(&config).await?;
    let mut context = build(config, &state, None).await?;
    begin(&context, "daemon").await?;
    let pages = Pages::default();
    let stop = CancellationToken::new();
    if let Some(address) = context.config.listen {
        let bound = http::serve(address, pages.clone(), stop.clone())
            .await
            .map_err(|error| fail(Exit::Setup, &format!("agent.listen {address}: {error}")))?;
        info!("health and metrics at http://{bound}/");
    }
    serve_files(&context, &stop).await?;
    tokio::spawn(watchdog());
    let mut subjects = Subjects::new();
    loop {
        subjects = subjects::load(&context.config, &state, subjects)
            .await
            .map_err(|error| fail(Exit::Setup, &chain(&error)))?;
        pages.board.begin(&subjects);
        info!(orders = subjects.len(), "tending orders");
        let round = CancellationToken::new();
        let engine = Engine::new(Arc::clone(&context), Arc::clone(&pages.board), Mode::Daemon, round.clone());
        let (news, _) = watch(&context, &pages.board, &round, Mode::Daemon);
        tokio::spawn(forecast::watch(Arc::clone(&context), Arc::clone(&pages.board), round.clone(), |_| {}));
        let running = tokio::spawn(engine.run(subjects, news));
        pages.ready.store(true, Ordering::Relaxed);
        tell(&[NotifyState::Ready, NotifyState::Status("tending orders")]);
        let next = loop {
            match signals.next().await {
                Asked::Stop => break None,
                Asked::Reload => {
                    // systemd measures a reload between these two; the time tells it which reload is meant.
                    tell(&reloading());
                    match reload(path, &state, &context).await {
                        Some(next) => break Some(next),
                        None => tell(&[NotifyState::Ready]),
                    }
                }
            }
        };
        if next.is_none() {
            tell(&[NotifyState::Stopping]);
            info!("stopping");
            abort_on_second_signal(signals);
            round.cancel();
            let _ = running.await;
            stop.cancel();
            context.ledger.note(Some(Event::stopped())).await;
            state.close().await;
            return Ok(());
        }
        round.cancel();
        subjects = running.await.unwrap_or_default();
        if let Some(next) = next {
            let former = std::mem::replace(&mut context, next);
            former.publisher.close().await;
            context.ledger.note(Some(Event::started("reload"))).await;
        }
    }
}

/// The one-shot run: until nothing is left that waiting would change, or the time is over.
pub(super) async fn once(path: &Path, timeout: Duration, output: Output) -> Exit {
    let config = match load(path) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let terminal = std::io::stderr().is_terminal();
    // On a terminal the progress lines tell the story, and logs would only repeat it.
    telemetry::start(
        if terminal && config.log_format == LogFormat::Text { "error" } else { &config.log_level },
        config.log_format,
    );
    let Ran { reports, plans, dns_questions, listed } = match run_once(config, timeout, terminal).await {
        Ok(ran) => ran,
        Err(exit) => return exit,
    };
    let orders = Exit::of(reports.iter().map(|report| report.outcome));
    let exit = listed.into_iter().fold(orders, |exit, listed| {
        exit.max(match listed {
            Listed::Read => Exit::Success,
            Listed::Open => Exit::Later,
            Listed::Refused => Exit::Setup,
        })
    });
    match output {
        Output::Json => {
            show::json(&Summary { exit: exit.code(), dns_questions, plans: &plans, orders: &reports })
        }
        Output::Text => show::table(&reports),
    }
    exit
}

#[derive(Serialize)]
struct Summary<'a> {
    exit: u8,
    /// Questions asked of authoritative servers.
    dns_questions: u64,
    /// When the work that was still open at the end would have been done.
    plans: &'a [Plan],
    /// Orders, and domains.
    orders: &'a [Status],
}

/// What a one-shot run has come to.
pub(super) struct Ran {
    /// What became of each order.
    pub(super) reports: Vec<Status>,
    /// When the work that is still open would be done.
    pub(super) plans: Vec<Plan>,
    /// Questions asked of authoritative servers.
    pub(super) dns_questions: u64,
    /// What came of reading each account's list, where orders are discovered.
    pub(super) listed: Vec<Listed>,
}

/// Runs a configuration once.
pub(super) async fn run_once(config: Config, timeout: Duration, progress: bool) -> Result<Ran, Exit> {
    let mut signals = Signals::listen()?;
    let state = open(&config).await?;
    let context = build(config, &state, None).await?;
    begin(&context, "once").await?;
    let (seen, observer, ledger) = (Arc::clone(&context), context.observer.clone(), context.ledger.clone());
    let subjects = subjects::load(&context.config, &state, Subjects::new())
        .await
        .map_err(|error| fail(Exit::Setup, &chain(&error)))?;
    let board = Arc::new(StatusBoard::default());
    let printing = progress.then(|| tokio::spawn(print(board.subscribe())));
    let stop = CancellationToken::new();
    // Ends with the process: what is validated is fetched until the last moment.
    serve_files(&context, &CancellationToken::new()).await?;
    let (news, lists) = watch(&context, &board, &stop, Mode::Once);
    let tell = move |line: &str| {
        if progress {
            show::progress(line);
        }
    };
    tokio::spawn(forecast::watch(Arc::clone(&context), Arc::clone(&board), stop.clone(), tell));
    let mut running =
        tokio::spawn(Engine::new(context, Arc::clone(&board), Mode::Once, stop.clone()).run(subjects, news));
    let stopped = async { while signals.next().await != Asked::Stop {} };
    let ended = tokio::select! {
        _ = &mut running => true,
        () = tokio::time::sleep(timeout) => false,
        () = stopped => false,
    };
    if !ended {
        abort_on_second_signal(signals);
        stop.cancel();
        let _ = running.await;
    }
    if let Some(printing) = printing {
        printing.abort();
    }
    ledger.note(Some(Event::stopped())).await;
    state.close().await;
    // A list that is still being read when the time is over is not waited for.
    stop.cancel();
    let mut listed = Vec::new();
    for list in lists {
        listed.push(match tokio::time::timeout(Duration::from_millis(100), list).await {
            Ok(Ok(came_of_it)) => came_of_it,
            Ok(Err(_)) | Err(_) => Listed::Open,
        });
    }
    let (reports, plans) = (board.statuses(), forecast::plans(&seen, &board, clock::now()));
    Ok(Ran { reports, plans, dns_questions: observer.questions(), listed })
}

/// Begins to watch the accounts whose orders or domains are found.
fn watch(
    context: &Arc<Context>,
    board: &Arc<StatusBoard>,
    stop: &CancellationToken,
    mode: Mode,
) -> (mpsc::Receiver<News>, Vec<JoinHandle<Listed>>) {
    let (news, heard) = mpsc::channel(1024);
    let mut lists = Vec::new();
    let watched = context.config.accounts.iter().flat_map(|(name, account)| {
        let orders = account.discover.is_some().then_some((name, Watched::Orders));
        let domains = account.domains.is_some().then_some((name, Watched::Domains));
        orders.into_iter().chain(domains)
    });
    for (name, what) in watched {
        let watch = Watch {
            name: name.clone(),
            context: Arc::clone(context),
            board: Arc::clone(board),
            news: news.clone(),
            stop: stop.clone(),
        };
        lists.push(tokio::spawn(async move {
            match mode {
                Mode::Daemon => {
                    watch.run(what).await;
                    Listed::Open
                }
                Mode::Once => watch.once(what).await,
            }
        }));
    }
    (heard, lists)
}

/// One line for each change of an order's reason. A slow terminal misses lines, never the rest of the run.
async fn print(mut changes: broadcast::Receiver<Status>) {
    loop {
        match changes.recv().await {
            Ok(Status { order, reason, detail, .. }) => {
                show::progress(&format!("{:.0}  {order}  {reason}  {detail}", clock::now()));
            }
            Err(RecvError::Lagged(missed)) => show::progress(&format!("({missed} changes are not shown)")),
            Err(RecvError::Closed) => return,
        }
    }
}

async fn build(config: Config, state: &State, earlier: Option<&Context>) -> Result<Arc<Context>, Exit> {
    Context::build(config, state.clone(), earlier)
        .await
        .map(Arc::new)
        .map_err(|error| fail(Exit::Setup, &error))
}

/// Shows files by the responder, where it is wanted. Commands that only look leave the port to the agent.
async fn serve_files(context: &Context, stop: &CancellationToken) -> Result<(), Exit> {
    let Some(address) = context.config.http.listen else { return Ok(()) };
    let responder = context.publisher.file_store().responder();
    let bound = responder.serve(address, stop.clone()).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                " (ports below 1024 need CAP_NET_BIND_SERVICE; or let the web server pass the path on to another port)"
            }
            std::io::ErrorKind::AddrInUse => {
                " (another program listens there: let it pass the path on to another port, or use http.webroots)"
            }
            _ => "",
        };
        fail(Exit::Setup, &format!("http.listen {address}: {error}{hint}"))
    })?;
    info!("files for http-token at http://{bound}/");
    Ok(())
}

/// A ledger that is required and cannot be written is better found now than when the CA should be asked.
async fn begin(context: &Context, mode: &'static str) -> Result<(), Exit> {
    context.ledger.keep(Event::started(mode)).await.map_err(|error| fail(Exit::Setup, &error))
}

/// A configuration that is wrong changes nothing: the agent goes on with the one it has.
async fn reload(path: &Path, state: &State, context: &Context) -> Option<Arc<Context>> {
    let config = match config::load(path) {
        Ok(config) => config,
        Err(problems) => {
            error!("the new configuration is wrong, going on with the old one: {problems}");
            return None;
        }
    };
    if config.state != context.config.state
        || config.listen != context.config.listen
        || config.http.listen != context.config.http.listen
    {
        warn!("agent.state, agent.listen and http.listen change at the next start only");
    }
    match Context::build(config, state.clone(), Some(context)).await {
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

fn reloading() -> Vec<NotifyState<'static>> {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => vec![NotifyState::Reloading, now],
        Err(_) => vec![NotifyState::Reloading],
    }
}

/// Nothing listens outside systemd, and that is fine.
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

/// Pings systemd at half its interval. It runs on the same runtime as the work, so a runtime that hangs is noticed.
async fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(interval / 2);
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Exit> {
        let listen = |kind| {
            signal(kind).map_err(|error| fail(Exit::Later, &format!("signals cannot be caught: {error}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

/// The first signal lets steps end; a second one does not wait for them. The state is right either way.
#[expect(clippy::disallowed_methods, reason = "a second signal asks for exactly this")]
fn abort_on_second_signal(mut signals: Signals) {
    tokio::spawn(async move {
        while signals.next().await != Asked::Stop {}
        show::problem("second signal: ending at once");
        std::process::exit(i32::from(Exit::Later.code()));
    });
}
