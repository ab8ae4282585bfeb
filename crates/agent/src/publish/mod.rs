//! Putting up and taking down: one writer per zone, and one for files, each with one change in flight.
//!
//! The intent is in the state before anything is changed, and marked applied or gone after.

mod destination;
mod error;
mod gate;
mod web;
mod writer;
mod zone;

use std::{collections::HashMap, sync::Arc, time::Duration};

use dcv_core::{Artifact, DomainName, Ttl};
use dns_providers::{DnsProvider, Receipt};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use self::{
    destination::Destination,
    writer::{GATHER, Job, Want, Writer},
};
pub use self::{
    error::Error,
    zone::{ManagedZone, managed_zones},
};
use crate::{
    files::FileStore,
    ledger::Ledger,
    state::{Entry, State},
    subject::Subject,
    trouble::Trouble,
};

/// A provider call and what follows it end within this span.
const CLOSE_LIMIT: Duration = Duration::from_secs(70);
/// How long the provider's own synchronisation is waited for before DNS is looked at all the same.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// The line of jobs before a writer, and what it writes to.
#[derive(Debug)]
struct Line<D> {
    jobs: mpsc::Sender<Job>,
    destination: D,
}

/// The writers of all configured zones, and the one of files.
#[derive(Debug)]
pub struct Publisher {
    zones: HashMap<DomainName, Line<ManagedZone>>,
    files: Line<FileStore>,
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
        let begin = |destination: Box<dyn Destination>| {
            let (sender, jobs) = mpsc::channel(GATHER);
            let writer = Writer { destination, state: state.clone(), ledger: ledger.clone(), ttl };
            writers.spawn(writer.run(jobs, closed.clone()));
            sender
        };
        let files = Line { jobs: begin(Box::new(file_store.clone())), destination: file_store };
        let each = zones.into_iter().map(|zone| {
            let mut zone = zone;
            zone.fleet = state.fleet();
            let jobs = begin(Box::new(zone.clone()));
            (zone.zone.name.clone(), Line { jobs, destination: zone })
        });
        let zones = each.collect();
        Self { zones, files, writers, closed }
    }

    /// Ends the writers once the changes that are under way have ended, so that those of the next configuration do not write
    /// beside them. What has not begun is refused.
    pub async fn close(&self) {
        self.closed.cancel();
        self.managed_zones().for_each(ManagedZone::close);
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
        subject: &Subject,
        artifacts: &[Artifact],
        replacing: &[Artifact],
        deadline: Option<Timestamp>,
    ) -> Result<(), Error> {
        let (entries, replacing) = (entries(subject, artifacts), entries(subject, replacing));
        for (provider, receipt) in self.submit(Want::There, entries, replacing, deadline).await? {
            settle(provider.as_ref(), &receipt).await;
        }
        Ok(())
    }

    /// Takes down what one order has up.
    ///
    /// # Errors
    /// The first failure; what is left stays in the state.
    pub async fn retract(&self, subject: &Subject, artifacts: &[Artifact]) -> Result<(), Error> {
        self.submit(Want::Gone, entries(subject, artifacts), Vec::new(), None).await.map(drop)
    }

    /// Whether it stands where we put it, whatever name servers show.
    ///
    /// # Errors
    /// When the provider does not tell.
    pub async fn holds(&self, artifact: &Artifact) -> Result<bool, Error> {
        match artifact {
            Artifact::Record { site, data } => self.zone(site.zone())?.destination.holds(site, data).await,
            Artifact::File { host, value } => Ok(self.files.destination.shows(host, value).await?),
        }
    }

    /// The configured zones, each with its provider.
    pub fn managed_zones(&self) -> impl Iterator<Item = &ManagedZone> {
        self.zones.values().map(|line| &line.destination)
    }

    /// What keeps changes from being made, each provider's and zone's once.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut told: Vec<Trouble> = self.managed_zones().flat_map(ManagedZone::troubles).collect();
        told.sort_by(|one, other| one.of.cmp(&other.of));
        told.dedup_by(|one, other| one.of == other.of);
        told
    }

    /// Where files go.
    #[must_use]
    pub const fn file_store(&self) -> &FileStore {
        &self.files.destination
    }

    async fn submit(
        &self,
        want: Want,
        entries: Vec<Entry>,
        replacing: Vec<Entry>,
        deadline: Option<Timestamp>,
    ) -> Result<Vec<(Arc<dyn DnsProvider>, Receipt)>, Error> {
        let mut waiting = Vec::new();
        for (zone, Part { entries, replacing }) in parts(entries, replacing) {
            let (jobs, provider) = match zone {
                Some(zone) => {
                    let Line { jobs, destination } = self.zone(&zone)?;
                    (jobs, Some(Arc::clone(&destination.provider)))
                }
                None => (&self.files.jobs, None),
            };
            let (done, outcome) = oneshot::channel();
            let job = Job { want, entries, replacing, deadline, done };
            jobs.send(job).await.map_err(|_| Error::Stopping)?;
            waiting.push((provider, outcome));
        }
        let mut receipts = Vec::new();
        for (provider, outcome) in waiting {
            let receipt = outcome.await.map_err(|_| Error::Stopping)??;
            receipts.extend(provider.map(|provider| (provider, receipt)));
        }
        Ok(receipts)
    }

    fn zone(&self, name: &DomainName) -> Result<&Line<ManagedZone>, Error> {
        self.zones.get(name).ok_or_else(|| Error::NoProvider(name.clone()))
    }
}

/// What of a publication goes to one writer.
#[derive(Default)]
struct Part {
    entries: Vec<Entry>,
    replacing: Vec<Entry>,
}

/// By zone; what is in none are files.
fn parts(entries: Vec<Entry>, replacing: Vec<Entry>) -> HashMap<Option<DomainName>, Part> {
    let mut parts: HashMap<_, Part> = HashMap::new();
    for entry in entries {
        parts.entry(entry.artifact.zone().cloned()).or_default().entries.push(entry);
    }
    for entry in replacing {
        parts.entry(entry.artifact.zone().cloned()).or_default().replacing.push(entry);
    }
    parts
}

fn entries(subject: &Subject, artifacts: &[Artifact]) -> Vec<Entry> {
    artifacts.iter().map(|artifact| Entry { subject: subject.clone(), artifact: artifact.clone() }).collect()
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

#[cfg(test)]
mod tests;
