//! One writer per zone, and one for files: gathers the changes that arrive while one is in flight and sends them as one
//! batch, the least slack first.
//!
//! The intent is in the state before anything is changed, and marked applied or gone after.

mod destination;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use dcv_core::{Artifact, DomainName, Target, Ttl};
use dns_providers::{Class, DnsProvider, Error as ProviderError, Receipt};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use self::destination::Destination;
pub use self::destination::ManagedZone;
use crate::{
    clock,
    files::{Error as FileError, FileStore},
    ledger::{Action, Event, Ledger},
    state::{Entry, Error as StateError, State},
    subjects::Subject,
};

/// Jobs that one batch takes up; providers split further by their own limits.
const GATHER: usize = 1000;
/// A provider call and what follows it end within this span.
const CLOSE_LIMIT: Duration = Duration::from_secs(70);
/// How long the provider's own synchronisation is waited for before DNS is looked at all the same.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// Why a value was not published or retracted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The provider said so.
    #[error("provider {provider}: {cause}")]
    Provider {
        /// Its name in the configuration.
        provider: String,
        /// What it said.
        #[source]
        cause: Arc<ProviderError>,
    },
    /// The file of a host could not be written.
    #[error("the file for http-token")]
    File(#[source] Arc<FileError>),
    /// The intent could not be made durable, so nothing was written.
    #[error("nothing was written to DNS, since the state file cannot be written")]
    State(#[source] Arc<StateError>),
    /// The zone is no longer configured.
    #[error("no configured provider serves {0}; what we hold there cannot be removed until one does")]
    NoProvider(DomainName),
    /// The place can hold one value only, and another order's stands there.
    #[error("{target} can hold one value only, and {order} has it; waiting until it lets go")]
    Taken {
        /// Where.
        target: Target,
        /// Who has it.
        order: Subject,
    },
    /// The agent is ending.
    #[error("the agent is stopping")]
    Stopping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    There,
    Gone,
}

#[derive(Debug)]
struct Job {
    want: Want,
    entries: Vec<Entry>,
    /// What gives way in the same change.
    replacing: Vec<Entry>,
    /// By when it has to be done; without one it has time.
    deadline: Option<Timestamp>,
    done: oneshot::Sender<Result<Receipt, Error>>,
}

impl Job {
    /// What is sorted by: the least slack first, what has time last.
    fn urgency(&self) -> Timestamp {
        self.deadline.unwrap_or(Timestamp::MAX)
    }
}

/// The writers of all configured zones, and the one of files.
#[derive(Debug)]
pub struct Publisher {
    zones: HashMap<DomainName, (mpsc::Sender<Job>, ManagedZone)>,
    files: (mpsc::Sender<Job>, FileStore),
    writers: TaskTracker,
    closed: CancellationToken,
}

impl Publisher {
    /// Starts one writer per zone and one for files; they end when the publisher is dropped.
    #[must_use]
    pub fn start(
        zones: Vec<ManagedZone>,
        file_store: FileStore,
        state: &State,
        ledger: &Ledger,
        ttl: Ttl,
    ) -> Self {
        let (writers, closed) = (TaskTracker::new(), CancellationToken::new());
        let begin = |destination| {
            let (sender, jobs) = mpsc::channel(GATHER);
            let writer = Writer { destination, state: state.clone(), ledger: ledger.clone(), ttl };
            writers.spawn(writer.run(jobs, closed.clone()));
            sender
        };
        let files = (begin(Destination::Files(file_store.clone())), file_store);
        let zones = zones
            .into_iter()
            .map(|served| (served.zone.name.clone(), (begin(Destination::Zone(served.clone())), served)));
        let zones = zones.collect();
        Self { zones, files, writers, closed }
    }

    /// Ends the writers once the changes that are under way have ended, so that those of the next configuration do not write
    /// beside them. What has not begun is refused.
    pub async fn close(&self) {
        self.closed.cancel();
        self.writers.close();
        if tokio::time::timeout(CLOSE_LIMIT, self.writers.wait()).await.is_err() {
            warn!("a change is still under way; the state file knows of it");
        }
    }

    /// Puts up what one order wants, and waits until the providers hold it as distributed. What is to be replaced goes
    /// in the same change. While writers are busy, what has the earliest deadline goes first.
    ///
    /// # Errors
    /// The first failure; what comes before it may have been written, and the state knows it.
    pub async fn publish(
        &self,
        order: &Subject,
        artifacts: &[Artifact],
        replacing: &[Artifact],
        deadline: Option<Timestamp>,
    ) -> Result<(), Error> {
        let (entries, replacing) = (entries(order, artifacts), entries(order, replacing));
        for (provider, receipt) in self.submit(Want::There, entries, replacing, deadline).await? {
            settle(provider.as_ref(), &receipt).await;
        }
        Ok(())
    }

    /// Takes down what one order has up.
    ///
    /// # Errors
    /// The first failure; what is left stays in the state.
    pub async fn retract(&self, order: &Subject, artifacts: &[Artifact]) -> Result<(), Error> {
        self.submit(Want::Gone, entries(order, artifacts), Vec::new(), None).await.map(drop)
    }

    /// Whether it stands where we put it, whatever name servers show.
    ///
    /// # Errors
    /// When the provider does not tell.
    pub async fn holds(&self, artifact: &Artifact) -> Result<bool, Error> {
        match artifact {
            Artifact::Record { site, data } => {
                let (_, served) =
                    self.zones.get(site.zone()).ok_or_else(|| Error::NoProvider(site.zone().clone()))?;
                let set =
                    served.provider.read(&served.zone, site).await.map_err(|cause| served.failed(cause))?;
                Ok(set.holds(data))
            }
            Artifact::File { host, value } => Ok(self.files.1.shows(host, value).await?),
        }
    }

    /// The zones that are served, each with its provider.
    pub fn served(&self) -> impl Iterator<Item = &ManagedZone> {
        self.zones.values().map(|(_, served)| served)
    }

    /// Where files go.
    #[must_use]
    pub const fn file_store(&self) -> &FileStore {
        &self.files.1
    }

    async fn submit(
        &self,
        want: Want,
        entries: Vec<Entry>,
        replacing: Vec<Entry>,
        deadline: Option<Timestamp>,
    ) -> Result<Vec<(Arc<dyn DnsProvider>, Receipt)>, Error> {
        // No zone: files.
        let mut parts: HashMap<Option<DomainName>, (Vec<Entry>, Vec<Entry>)> = HashMap::new();
        for entry in entries {
            parts.entry(zone(&entry.artifact)).or_default().0.push(entry);
        }
        for entry in replacing {
            parts.entry(zone(&entry.artifact)).or_default().1.push(entry);
        }
        let mut waiting = Vec::new();
        for (zone, (entries, replacing)) in parts {
            let (sender, provider) = match zone {
                Some(zone) => {
                    let (sender, served) = self.zones.get(&zone).ok_or(Error::NoProvider(zone))?;
                    (sender, Some(Arc::clone(&served.provider)))
                }
                None => (&self.files.0, None),
            };
            let (done, outcome) = oneshot::channel();
            let job = Job { want, entries, replacing, deadline, done };
            sender.send(job).await.map_err(|_| Error::Stopping)?;
            waiting.push((provider, outcome));
        }
        let mut receipts = Vec::new();
        for (provider, outcome) in waiting {
            let receipt = outcome.await.map_err(|_| Error::Stopping)??;
            receipts.extend(provider.map(|provider| (provider, receipt)));
        }
        Ok(receipts)
    }
}

fn entries(order: &Subject, artifacts: &[Artifact]) -> Vec<Entry> {
    artifacts.iter().map(|artifact| Entry { order: order.clone(), artifact: artifact.clone() }).collect()
}

fn zone(artifact: &Artifact) -> Option<DomainName> {
    match artifact {
        Artifact::Record { site, .. } => Some(site.zone().clone()),
        Artifact::File { .. } => None,
    }
}

/// Asks the provider, ever more rarely, whether the change has reached all its servers.
async fn settle(provider: &dyn DnsProvider, receipt: &Receipt) {
    let waited = async {
        let mut pause = Duration::from_secs(2);
        while let Ok(false) = provider.settled(receipt).await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(20));
        }
    };
    // Not settled in time is no failure: the look at DNS that follows tells what is really there.
    let _ = tokio::time::timeout(SETTLE_LIMIT, waited).await;
}

struct Writer {
    destination: Destination,
    state: State,
    ledger: Ledger,
    ttl: Ttl,
}

impl Writer {
    async fn run(self, mut jobs: mpsc::Receiver<Job>, closed: CancellationToken) {
        let mut waiting = Vec::new();
        loop {
            if waiting.is_empty() {
                let arrived = closed.run_until_cancelled(jobs.recv_many(&mut waiting, GATHER)).await;
                if arrived.is_none_or(|jobs| jobs == 0) {
                    return;
                }
            }
            if closed.is_cancelled() {
                return;
            }
            // All that has arrived meanwhile: what is urgent overtakes what is not.
            while let Ok(job) = jobs.try_recv() {
                waiting.push(job);
            }
            waiting.sort_by_key(Job::urgency);
            let batch: Vec<Job> = waiting.drain(..waiting.len().min(GATHER)).collect();
            // Removals of a batch come first: an order that is taken up again then finds its value put back.
            let (gone, there) = batch.into_iter().partition(|job| job.want == Want::Gone);
            self.execute(Want::Gone, gone).await;
            self.execute(Want::There, there).await;
        }
    }

    async fn execute(&self, want: Want, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let entries: Vec<Entry> = jobs.iter().flat_map(|job| job.entries.iter().cloned()).collect();
        let replacing: Vec<Entry> = jobs.iter().flat_map(|job| job.replacing.iter().cloned()).collect();
        match self.write(want, &entries, &replacing).await {
            Ok(receipt) => {
                for job in jobs {
                    let _ = job.done.send(Ok(receipt.clone()));
                }
            }
            // One name that cannot be written must not hold up the others of its batch.
            Err(error) if jobs.len() > 1 && error.is_of_one_name() => {
                for job in jobs {
                    let outcome = self.write(want, &job.entries, &job.replacing).await;
                    let _ = job.done.send(outcome);
                }
            }
            Err(error) => {
                for job in jobs {
                    let _ = job.done.send(Err(share(&error)));
                }
            }
        }
    }

    async fn write(&self, want: Want, entries: &[Entry], replacing: &[Entry]) -> Result<Receipt, Error> {
        let state = |error| Error::State(Arc::new(error));
        let (leaving, coming) = match want {
            Want::There => {
                self.unrivalled(entries).await?;
                self.state.intend(entries, clock::now()).await.map_err(state)?;
                (artifacts(replacing), artifacts(entries))
            }
            Want::Gone => (self.leaving(entries).await.map_err(state)?, Vec::new()),
        };
        debug!(at = self.destination.name(), coming = coming.len(), leaving = leaving.len(), "writing");
        let receipt = match (leaving.as_slice(), coming.as_slice()) {
            ([], []) => Receipt::default(),
            (leaving, coming) => self.destination.change(leaving, coming, self.ttl).await?,
        };
        self.tell(Want::Gone, replacing, &leaving).await;
        self.tell(want, entries, &leaving).await;
        match want {
            Want::There => {
                self.state.gone(replacing).await.map_err(state)?;
                self.state.applied(entries, clock::now()).await
            }
            Want::Gone => self.state.gone(entries).await,
        }
        .map_err(state)?;
        info!(
            at = self.destination.name(),
            by = self.destination.provider(),
            values = entries.len(),
            "{}",
            match want {
                Want::There => "published",
                Want::Gone => "retracted",
            }
        );
        Ok(receipt)
    }

    /// Puts what is confirmed on record, before the state may forget it.
    async fn tell(&self, want: Want, entries: &[Entry], leaving: &[Artifact]) {
        let leaving: HashSet<&Artifact> = leaving.iter().collect();
        for Entry { order, artifact } in entries {
            let action = match want {
                Want::There => Action::Add,
                Want::Gone if leaving.contains(artifact) => Action::Remove,
                Want::Gone => Action::Release,
            };
            self.ledger.note(Some(Event::change(order, artifact, action, self.destination.provider()))).await;
        }
    }

    /// Refuses what needs a place of which another order, in the state or in this very batch, has the only one.
    async fn unrivalled(&self, entries: &[Entry]) -> Result<(), Error> {
        let state = |error| Error::State(Arc::new(error));
        // By the place of which there is one, what stands or comes there.
        let files = self.files().await.map_err(state)?;
        let mut there: HashMap<&str, Vec<&Entry>> = HashMap::new();
        for file in &files {
            there.entry(self.destination.place_of(&file.artifact)).or_default().push(file);
        }
        for entry in entries {
            let rivals = self.state.rivals(entry).await.map_err(state)?;
            let beside = there.entry(self.destination.place_of(&entry.artifact)).or_default();
            let excludes = |other: &&&Entry| {
                other.order != entry.order && self.destination.excludes(&other.artifact, &entry.artifact)
            };
            let rival = rivals.into_iter().next();
            if let Some(order) =
                rival.or_else(|| beside.iter().find(excludes).map(|other| other.order.clone()))
            {
                return Err(Error::Taken { target: entry.artifact.target(), order });
            }
            beside.push(entry);
        }
        Ok(())
    }

    /// What goes: all but what an order outside this batch holds as well.
    async fn leaving(&self, entries: &[Entry]) -> Result<Vec<Artifact>, StateError> {
        let files = self.files().await?;
        let going: HashSet<&Entry> = entries.iter().collect();
        let value = |file: &Artifact| match file {
            Artifact::File { value, .. } => Some(value.clone()),
            Artifact::Record { .. } => None,
        };
        let kept = files.iter().filter(|file| !going.contains(file)).map(|file| &file.artifact);
        let kept: HashSet<_> = kept.map(|file| (self.destination.place_of(file), value(file))).collect();
        let mut leaving = Vec::new();
        for entry in entries {
            let holders = self.state.holders(entry).await?;
            let lets_go = |order: &Subject| {
                going.contains(&Entry { order: order.clone(), artifact: entry.artifact.clone() })
            };
            // Hosts of one document root have one file, which goes with the last of them.
            let wanted = kept.contains(&(self.destination.place_of(&entry.artifact), value(&entry.artifact)));
            if holders.iter().all(lets_go) && !wanted {
                leaving.push(entry.artifact.clone());
            }
        }
        Ok(leaving)
    }

    /// The files that are up, where files are what is written: hosts may share one.
    async fn files(&self) -> Result<Vec<Entry>, StateError> {
        match self.destination {
            Destination::Files(_) => self.state.files().await,
            Destination::Zone(_) => Ok(Vec::new()),
        }
    }
}

fn artifacts(entries: &[Entry]) -> Vec<Artifact> {
    entries.iter().map(|entry| entry.artifact.clone()).collect()
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::File(Arc::new(error))
    }
}

impl Error {
    /// Whether it may be one name's trouble only, so that the others of a batch are tried on their own.
    fn is_of_one_name(&self) -> bool {
        match self {
            Self::Provider { cause, .. } => cause.class() != Class::Later,
            Self::Taken { .. } | Self::File(_) => true,
            Self::State(_) | Self::NoProvider(_) | Self::Stopping => false,
        }
    }
}

fn share(error: &Error) -> Error {
    match error {
        Error::Taken { target, order } => Error::Taken { target: target.clone(), order: order.clone() },
        Error::Provider { provider, cause } => {
            Error::Provider { provider: provider.clone(), cause: Arc::clone(cause) }
        }
        Error::File(cause) => Error::File(Arc::clone(cause)),
        Error::State(cause) => Error::State(Arc::clone(cause)),
        Error::NoProvider(zone) => Error::NoProvider(zone.clone()),
        Error::Stopping => Error::Stopping,
    }
}

#[cfg(test)]
mod tests;
