//! Finding an account's work: orders in states that want work, and domains whose proofs are to be renewed.

mod domains;
mod orders;
mod settled;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dcv_core::{Backoff, CertName, Kind, Pattern, Patterns};
use digicert_api::Error;
use jiff::SignedDuration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

pub use self::{
    domains::list as list_domains,
    orders::{Listing, consider, list as list_orders},
    settled::leave_settled,
};
use crate::{
    board::StatusBoard,
    ca::Account,
    clock,
    context::Context,
    engine::Mode,
    error::chain,
    state::Claimed,
    subject::{Subject, Trigger},
    subjects::Intake,
};

/// The waits after calls that failed.
const RETRY: Backoff = Backoff { first: SignedDuration::from_secs(5), cap: SignedDuration::from_mins(15) };

/// Lists and changes go before the work of the account: they are few, and tell of what is urgent.
const SOON: Duration = Duration::from_secs(10);

/// What an order or domain of a list is to us.
#[derive(Debug)]
pub struct Found<T> {
    /// Which one.
    pub subject: Subject,
    /// What the list tells of it.
    pub listed: T,
    /// What to begin with, or why it is left alone.
    pub facts: Result<dcv_core::Facts, String>,
}

/// What came of reading a list once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// It was read.
    Read,
    /// The time was over before it could be.
    Open,
    /// The account's key or settings are refused.
    Refused,
}

/// What of an account is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Its orders.
    Orders,
    /// Its domains.
    Domains,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Orders => "orders",
            Self::Domains => "domains",
        })
    }
}

/// Watches the orders or the domains of one account.
#[derive(Debug)]
pub struct Watch {
    /// The account's name.
    pub name: String,
    /// What it acts through.
    pub context: Arc<Context>,
    /// Where what is left alone is listed.
    pub board: Arc<StatusBoard>,
    /// Where what is found waits for whoever takes it up.
    pub intake: Arc<Intake>,
    /// Where triggers go.
    pub triggers: mpsc::Sender<(Subject, Trigger)>,
    /// Ends it.
    pub stop: CancellationToken,
    /// What is to be told to the replicas that share the work.
    pub for_replicas: Mutex<ForReplicas>,
}

/// What a list has brought, and is not told to all replicas yet.
#[derive(Debug, Default)]
pub struct ForReplicas {
    found: Vec<Claimed>,
    triggers: Vec<(Subject, Trigger)>,
}

impl Watch {
    /// Watches, or reads once, as `mode` says. Of replicas one does so at a time; a one-shot run leaves it to a replica that
    /// does it already.
    pub async fn in_turn(self, what: Watched, mode: Mode) -> Listed {
        let Some(fleet) = self.context.state.fleet() else { return self.watch(what, mode).await };
        let name = format!("list of {what} of account {}", self.name);
        loop {
            let turn = match mode {
                Mode::Daemon => fleet.turn(&name).await.map(Some),
                Mode::Once => fleet.try_turn(&name).await,
            };
            match turn {
                Ok(Some(turn)) => {
                    let listed = self.watch(what, mode).await;
                    turn.end().await;
                    return listed;
                }
                Ok(None) => {
                    info!("another replica reads the {name}");
                    return Listed::Read;
                }
                Err(error) => debug!("no turn to read the {name}: {}", chain(&error)),
            }
            if !self.pause(Duration::from_secs(1)).await {
                return Listed::Open;
            }
        }
    }

    async fn watch(self, what: Watched, mode: Mode) -> Listed {
        match mode {
            Mode::Daemon => {
                self.run(what).await;
                Listed::Open
            }
            Mode::Once => self.once(what).await,
        }
    }

    /// Reads the list once; what passes is tried again until `stop`. Tells whether the list was read.
    async fn once(self, what: Watched) -> Listed {
        match what {
            Watched::Orders => self.orders_once().await,
            Watched::Domains => self.domains_once().await,
        }
    }

    /// Watches until `stop`.
    async fn run(self, what: Watched) {
        match what {
            Watched::Orders => self.orders().await,
            Watched::Domains => self.domains().await,
        }
    }

    /// After a reading that failed: waits, or tells why there is no point in another one.
    async fn patience(&self, account: &Account, failures: &mut u32) -> Option<Listed> {
        if account.held(clock::now()).is_some() {
            return Some(Listed::Refused);
        }
        *failures += 1;
        let wait = RETRY.after(*failures, 0).unsigned_abs();
        (!self.pause(wait).await).then_some(Listed::Open)
    }

    /// What is not ours to do: it is listed with the reason, and tidied up should it have been ours before.
    async fn leave(&self, subject: Subject, why: String) {
        self.board.leave(&subject, why, clock::now());
        self.trigger(subject, Trigger::Release).await;
    }

    /// A list was read: what an earlier process told of and is not taken up from it is told no more.
    fn settle<L>(&self, kind: Kind, found: &[Found<L>]) {
        let taken_up = found.iter().filter(|found| found.facts.is_ok()).map(|found| found.subject.clone());
        self.board.settle(&self.name, kind, &taken_up.collect());
    }

    fn failed(&self, account: &Account, error: &Error, about: Kind) -> bool {
        let retry = self.context.policy(&self.name).setup_retry;
        let detail = account.trouble(error, retry, clock::now());
        warn!(account = %self.name, "account {}: {about}s cannot be listed: {detail}", self.name);
        false
    }

    /// Says which patterns cover no name of a list. As often as not a letter is wrong, and nothing else would tell.
    /// False where the list is empty, which says nothing of any pattern.
    fn tell_idle(&self, table: &str, patterns: &Patterns, names: &[CertName]) -> bool {
        for (leaf, patterns) in [("only", &patterns.only), ("except", &patterns.except)] {
            let idle = idle(patterns, names);
            if idle.is_empty() || names.is_empty() {
                continue;
            }
            let key = format!("accounts.{}.{table}.{leaf}", self.name);
            let what =
                "covers no name that is listed now; look at its spelling, unless such names are yet to come";
            // Where none of them does, hardly anybody wants it so.
            if leaf == "only" && idle.len() == patterns.len() {
                warn!(account = %self.name, "{key}: {} {what}", shown(&idle));
            } else {
                info!(account = %self.name, "{key}: {} {what}", shown(&idle));
            }
        }
        !names.is_empty()
    }

    /// There is work for it.
    async fn work(&self, subject: Subject, facts: dcv_core::Facts) {
        if self.context.state.fleet().is_some() {
            let found = Claimed { subject, discovered: true, needed_by: facts.needed_by };
            self.for_replicas().found.push(found);
            return;
        }
        self.intake.put(subject.clone(), facts);
        self.trigger(subject, Trigger::Work).await;
    }

    async fn trigger(&self, subject: Subject, trigger: Trigger) {
        if self.context.state.fleet().is_some() {
            self.for_replicas().triggers.push((subject, trigger));
            return;
        }
        // Nobody listens any more only when the round ends.
        let _ = self.triggers.send((subject, trigger)).await;
    }

    /// Where replicas share the work, tells all of them what a list has brought. False where that failed; it is then told with
    /// the next one.
    async fn hand_out(&self) -> bool {
        let Some(fleet) = self.context.state.fleet() else { return true };
        let ForReplicas { found, triggers } = std::mem::take(&mut *self.for_replicas());
        let told = async {
            fleet.offer(&found, true).await?;
            fleet.tell(&triggers).await
        };
        let Err(error) = told.await else { return true };
        debug!(account = self.name, "what was found cannot be handed out: {}", chain(&error));
        let mut kept = self.for_replicas();
        kept.found.extend(found);
        kept.triggers.extend(triggers);
        false
    }

    fn for_replicas(&self) -> MutexGuard<'_, ForReplicas> {
        self.for_replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when it is time to end.
    async fn pause(&self, wait: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.stop.cancelled() => false,
        }
    }
}

/// The patterns that cover none of the names.
fn idle<'p>(patterns: &'p [Pattern], names: &[CertName]) -> Vec<&'p Pattern> {
    patterns.iter().filter(|pattern| !names.iter().any(|name| pattern.covers(name))).collect()
}

/// At most five patterns, then how many more.
fn shown(patterns: &[&Pattern]) -> String {
    let first: Vec<_> = patterns.iter().take(5).map(|pattern| format!("{:?}", pattern.to_string())).collect();
    let more = patterns.len().saturating_sub(5);
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    format!("{}{more}", first.join(", "))
}
