//! What a run needs before it begins; the daemon and `--once` share it.

use std::{path::Path, sync::Arc};

use dns_providers::SecretSource as _;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    board::StatusBoard,
    config::{self, Acting, Config},
    context::Context,
    discover::{Listed, Watch, Watched},
    engine::{Mode, Progress, Triggers},
    error::chain,
    exit::Failed,
    ledger::Event,
    replica::{self, Replica},
    state::{self, Lock, State},
    subjects::{self, Intake, Subjects},
};

/// Triggers that wait for the engine; discovery waits beyond that.
const TRIGGERS: usize = 1024;

/// Reads and checks the configuration.
///
/// # Errors
/// Every problem, each with its place.
pub fn load(path: &Path) -> Result<Config, Failed> {
    config::load(path).map_err(Failed::setup)
}

/// Sees that at least one account's key can be read. A daemon that has none would run, and do nothing for ever; where some are
/// there the others may come later.
///
/// # Errors
/// When none can: what keeps each from being read.
pub fn keys(config: &Config) -> Result<(), Failed> {
    let mut unreadable = Vec::new();
    for (name, account) in &config.accounts {
        match account.connection.api_key.secret() {
            Ok(_) => return Ok(()),
            Err(error) => unreadable.push(format!("accounts.{name}.api_key: {error}")),
        }
    }
    Err(Failed::setup(unreadable.join("\n")))
}

/// Opens or creates the state.
///
/// # Errors
/// When it cannot be used.
pub async fn open(config: &Config) -> Result<State, Failed> {
    State::open(&config.state.location()).await.map_err(state::Error::into_failed)
}

/// Opens or creates the state for an agent that works on it alone, or becomes one of its replicas. What `taken` makes of another
/// one that has a file for itself is how the process ends then.
///
/// # Errors
/// When it cannot be used, or another agent works on it.
pub async fn own(config: &Config, taken: fn(&state::Error) -> Failed) -> Result<(State, Hold), Failed> {
    let state = open(config).await?;
    let failed = |error: state::Error| match error {
        state::Error::Taken { .. } => taken(&error),
        error => error.into_failed(),
    };
    let hold = match (config.state.file(), state.fleet()) {
        (Some(path), _) => Hold::Alone(Lock::take(path).map_err(failed)?),
        (None, Some(fleet)) => Hold::Shared(Arc::new(Replica::join(fleet).await.map_err(failed)?)),
        (None, None) => return Err(Failed::setup("the state is neither a file nor a database")),
    };
    Ok((state, hold))
}

/// How a process has its state.
#[derive(Debug)]
pub enum Hold {
    /// For itself, as long as this lives.
    Alone(Lock),
    /// As one of the replicas.
    Shared(Arc<Replica>),
}

impl Hold {
    /// The replica, where it is one.
    #[must_use]
    pub const fn replica(&self) -> Option<&Arc<Replica>> {
        match self {
            Self::Alone(_) => None,
            Self::Shared(replica) => Some(replica),
        }
    }
}

/// Builds the context, and puts on record that a process begins: a ledger that is required and cannot be written is better
/// found now than when the CA should be asked.
///
/// # Errors
/// A setting that cannot be used, or a ledger that cannot be written.
pub async fn begin(config: Config, state: &State, mode: &'static str) -> Result<Arc<Context>, Failed> {
    let context = Context::build(config, state.clone(), None).await?;
    if context.config.acting == Acting::Watch {
        info!("agent.mode is \"watch\": what would be done is said, and nothing is written anywhere");
    }
    tell_warnings(&context.config);
    context.ledger.keep(Event::started(mode)).await.map_err(Failed::setup)?;
    Ok(Arc::new(context))
}

/// Says once what is allowed in a configuration and hardly meant.
pub fn tell_warnings(config: &Config) {
    for warning in config.warnings() {
        warn!("{warning}");
    }
}

/// All that is looked after from the beginning, with what is remembered of it.
///
/// # Errors
/// When the state fails.
pub async fn subjects(
    context: &Context,
    board: &StatusBoard,
    earlier: Subjects,
    hold: &Hold,
) -> Result<Subjects, Failed> {
    let Context { config, state, .. } = context;
    if let Some(replica) = hold.replica() {
        let subjects = replica.subjects(context, earlier).await;
        return subjects.map_err(|error| Failed::later(chain(&error)));
    }
    let last = state.notes().await.map_err(|error| Failed::setup(chain(&error)))?;
    let subjects = subjects::load(config, state, earlier, &last).await;
    let subjects = subjects.map_err(|error| Failed::setup(chain(&error)))?;
    board.recall(&last, |last| {
        let is_found = last.discovered && config.accounts.contains_key(&*last.subject.account);
        is_found || subjects.contains_key(&last.subject)
    });
    Ok(subjects)
}

/// Has the state follow the status board until `stop`; what is not written by then is for [`StatusBoard::save`].
pub fn keep_saved(context: &Context, board: &Arc<StatusBoard>, stop: &CancellationToken) {
    let (board, state, stop) = (Arc::clone(board), context.state.clone(), stop.clone());
    tokio::spawn(async move { board.keep_saved(&state, &stop).await });
}

/// Shows files by the responder, where it is wanted. Commands that only look leave the port to the agent.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve_files(context: &Context, stop: &CancellationToken) -> Result<(), Failed> {
    let Some(address) = context.config.http.listen.filter(|_| context.config.acting == Acting::Act) else {
        return Ok(());
    };
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
        Failed::setup(format!("http.listen {address}: {error}{hint}"))
    })?;
    info!("files for http-token at http://{bound}/");
    Ok(())
}

/// Discovery of every account's orders and domains, under way.
#[derive(Debug)]
pub struct Discovery {
    /// Where what was found waits.
    pub intake: Arc<Intake>,
    /// What it has to say; ends with the last list of `--once`.
    pub triggers: Triggers,
    /// What came of reading each list.
    pub lists: Vec<JoinHandle<Listed>>,
    /// What the engine tells the replica, where the process is one.
    pub progress: Option<Arc<Progress>>,
    /// How the replica's part ends.
    pub shared: Option<JoinHandle<()>>,
}

/// Begins to watch the accounts whose orders or domains are found.
#[must_use]
pub fn discovery(
    context: &Arc<Context>,
    board: &Arc<StatusBoard>,
    stop: &CancellationToken,
    mode: Mode,
    hold: &Hold,
) -> Discovery {
    let (sender, triggers) = mpsc::channel(TRIGGERS);
    let intake = Arc::new(Intake::default());
    let watched = context.config.accounts.iter().flat_map(|(name, account)| {
        let orders = account.discover.is_some().then_some((name, Watched::Orders));
        let domains = account.domains.is_some().then_some((name, Watched::Domains));
        orders.into_iter().chain(domains)
    });
    let begin = |(name, what): (&String, Watched)| {
        let watch = Watch {
            name: name.clone(),
            context: Arc::clone(context),
            board: Arc::clone(board),
            intake: Arc::clone(&intake),
            triggers: sender.clone(),
            stop: stop.clone(),
            for_replicas: std::sync::Mutex::default(),
        };
        tokio::spawn(watch.in_turn(what, mode))
    };
    let lists = watched.map(begin).collect();
    let progress = hold.replica().map(|_| Arc::new(Progress::default()));
    let shared = hold.replica().zip(progress.clone()).map(|(replica, progress)| {
        let round = replica::Round {
            context: Arc::clone(context),
            board: Arc::clone(board),
            intake: Arc::clone(&intake),
            triggers: sender,
            progress,
            stop: stop.clone(),
            mode,
        };
        tokio::spawn(Arc::clone(replica).run(round))
    });
    Discovery { intake, triggers, lists, progress, shared }
}
