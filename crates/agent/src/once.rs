//! The one-shot run: until nothing is left that waiting would change, or the time is over.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    board::{Backlog, Status, StatusBoard},
    clock,
    config::{Acting, Config},
    discover::{self, Listed},
    engine::{Engine, Mode},
    error::chain,
    exit::{Exit, Failed},
    forecast,
    ledger::Event,
    process::Signals,
    replica,
    start::{self, Discovery},
    subjects::Subjects,
};

/// What a one-shot run has come to.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The exit code.
    exit: u8,
    /// Questions asked of authoritative servers.
    dns_questions: u64,
    /// When the work that was still open at the end would have been done.
    #[serde(rename = "plans")]
    backlogs: Vec<Backlog>,
    /// Records and files that are up, or may be: the next run goes on with them, or takes them down.
    held: usize,
    /// Orders, and domains.
    #[serde(rename = "orders")]
    pub statuses: Vec<Status>,
    /// How the process ends.
    #[serde(skip)]
    pub ending: Exit,
}

impl Summary {
    /// What is still up, in a sentence; none where nothing is.
    #[must_use]
    pub fn left(&self) -> Option<String> {
        let what = match self.held {
            0 => return None,
            1 => "one record or file of ours is".to_owned(),
            held => format!("{held} records or files of ours are"),
        };
        Some(format!(
            "{what} still up (`dcv-agent status` lists them); the next run goes on with them, or takes down what is no longer needed"
        ))
    }
}

/// Somebody who watches a run.
pub trait Watcher: Send + Sync {
    /// Shows how it stands; called several times a second.
    fn show(&self, board: &StatusBoard);

    /// Says a sentence that is worth one.
    fn say(&self, sentence: &str);
}

/// How often a watcher is shown how the run stands.
const FRAME: Duration = Duration::from_millis(200);

/// Runs a configuration once, before the eyes of whoever wants to watch.
///
/// # Errors
/// What keeps it from starting.
pub async fn run(
    config: Config,
    timeout: Duration,
    watcher: Option<Arc<dyn Watcher>>,
) -> Result<Summary, Failed> {
    let mut signals = Signals::listen()?;
    let (state, hold) = start::own(&config, |taken| {
        Failed::later(format!("{taken} and does this work already; nothing was done"))
    })
    .await?;
    let context = start::begin(config, &state, "once").await?;
    let board = Arc::new(StatusBoard::default());
    let began = clock::now();
    let mut subjects = start::subjects(&context, &board, Subjects::new(), &hold).await?;
    let failed = |error| Failed::setup(chain(&error));
    discover::leave_settled(&context, &board, &mut subjects).await.map_err(failed)?;
    let watching = watcher.clone().map(|watcher| tokio::spawn(watch(Arc::clone(&board), watcher)));
    let stop = CancellationToken::new();
    // Ends with the process: what is validated is fetched until the last moment.
    start::serve_files(&context, &CancellationToken::new()).await?;
    let Discovery { intake, triggers, lists, progress: reported, mut shared } =
        start::discovery(&context, &board, &stop, Mode::Once, &hold);
    let tell = move |sentence: &str| watcher.iter().for_each(|watcher| watcher.say(sentence));
    tokio::spawn(forecast::watch(Arc::clone(&context), Arc::clone(&board), stop.clone(), tell));
    start::keep_saved(&context, &board, &stop);
    let engine =
        Engine::new(Arc::clone(&context), Arc::clone(&board), intake, Mode::Once, stop.clone(), reported);
    let mut running = tokio::spawn(engine.run(subjects, triggers));
    let ended = tokio::select! {
        _ = &mut running => true,
        () = tokio::time::sleep(timeout) => false,
        () = signals.stopped() => false,
        () = replica::fenced(&mut shared) => false,
    };
    if !ended {
        signals.abort_on_the_next();
        stop.cancel();
        let _ = running.await;
    }
    if let Some(watching) = watching {
        watching.abort();
    }
    stop.cancel();
    let held = state.held().await.map_or(0, |held| held.len());
    board.save(&state).await;
    if ended && context.config.acting == Acting::Act {
        let accounts = context.config.accounts.keys().map(String::as_str);
        if let Err(error) = state.looked_at_all(accounts, began).await {
            debug!("the next run looks at each order again: {}", chain(&error));
        }
    }
    context.ledger.note(Some(Event::stopped())).await;
    if let Some(replica) = hold.replica() {
        context.publisher.close().await;
        replica.leave().await;
    }
    state.close().await;
    let (statuses, backlogs) = (board.statuses(), forecast::backlogs(&context, &board, clock::now()));
    let ending = ending(&statuses, lists).await;
    let dns_questions = context.observer.questions();
    Ok(Summary { exit: ending.code(), dns_questions, backlogs, held, statuses, ending })
}

/// How the process ends: with what needs the operator most, lists that could not be read included.
async fn ending(statuses: &[Status], lists: Vec<JoinHandle<Listed>>) -> Exit {
    let mut exit = Exit::of(statuses.iter().map(|status| status.outcome));
    for list in lists {
        // A list that is still being read when the time is over is not waited for.
        let listed = match tokio::time::timeout(Duration::from_millis(100), list).await {
            Ok(Ok(listed)) => listed,
            Ok(Err(_)) | Err(_) => Listed::Open,
        };
        exit = exit.max(match listed {
            Listed::Read => Exit::Success,
            Listed::Open => Exit::Later,
            Listed::Refused => Exit::Setup,
        });
    }
    exit
}

/// Until it is aborted.
async fn watch(board: Arc<StatusBoard>, watcher: Arc<dyn Watcher>) {
    let mut frames = tokio::time::interval(FRAME);
    loop {
        frames.tick().await;
        watcher.show(&board);
    }
}
