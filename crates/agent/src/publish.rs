//! One writer per zone, and one for files: gathers the changes that arrive while one is in flight and sends them as one
//! batch, the least slack first.
//!
//! The intent is in the journal before anything is changed, and marked applied or gone after.

mod target;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use dcv_core::{DomainName, Exhibit, Place, Ttl};
use dns_providers::{Class, DnsProvider, Error as ProviderError, Receipt};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

pub use self::target::Served;
use self::target::Target;
use crate::{
    clock,
    files::{Desk, Error as FileError},
    journal::{Entry, Error as JournalError, Journal},
    ledger::{Action, Event, Ledger},
    roster::Subject,
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
    #[error("nothing was written to DNS, since the journal cannot be written")]
    Journal(#[source] Arc<JournalError>),
    /// The zone is no longer configured.
    #[error("no configured provider serves {0}; what we hold there cannot be removed until one does")]
    NoProvider(DomainName),
    /// The place can hold one value only, and another order's stands there.
    #[error("{place} can hold one value only, and {order} has it; waiting until it lets go")]
    Taken {
        /// Where.
        place: Place,
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
    zones: HashMap<DomainName, (mpsc::Sender<Job>, Served)>,
    files: (mpsc::Sender<Job>, Desk),
    writers: TaskTracker,
    closed: CancellationToken,
}

impl Publisher {
    /// Starts one writer per zone and one for files; they end when the publisher is dropped.
    #[must_use]
    pub fn start(zones: Vec<Served>, desk: Desk, journal: &Journal, ledger: &Ledger, ttl: Ttl) -> Self {
        let (writers, closed) = (TaskTracker::new(), CancellationToken::new());
        let begin = |target| {
            let (sender, jobs) = mpsc::channel(GATHER);
            let writer = Writer { target, journal: journal.clone(), ledger: ledger.clone(), ttl };
            writers.spawn(writer.run(jobs, closed.clone()));
            sender
        };
        let files = (begin(Target::Files(desk.clone())), desk);
        let zones = zones
            .into_iter()
            .map(|served| (served.zone.name.clone(), (begin(Target::Zone(served.clone())), served)));
        let zones = zones.collect();
        Self { zones, files, writers, closed }
    }

    /// Ends the writers once the changes that are under way have ended, so that those of the next configuration do not write
    /// beside them. What has not begun is refused.
    pub async fn close(&self) {
        self.closed.cancel();
        self.writers.close();
        if tokio::time::timeout(CLOSE_LIMIT, self.writers.wait()).await.is_err() {
            warn!("a change is still under way; the journal knows of it");
        }
    }

    /// Puts up what one order wants, and waits until the providers hold it as distributed. What is to be replaced goes
    /// in the same change. While writers are busy, what has the earliest deadline goes first.
    ///
    /// # Errors
    /// The first failure; what comes before it may have been written, and the journal knows it.
    pub async fn publish(
        &self,
        order: &Subject,
        exhibits: &[Exhibit],
        replacing: &[Exhibit],
        deadline: Option<Timestamp>,
    ) -> Result<(), Error> {
        let (entries, replacing) = (entries(order, exhibits), entries(order, replacing));
        for (provider, receipt) in self.submit(Want::There, entries, replacing, deadline).await? {
            settle(provider.as_ref(), &receipt).await;
        }
        Ok(())
    }

    /// Takes down what one order has up.
    ///
    /// # Errors
    /// The first failure; what is left stays in the journal.
    pub async fn retract(&self, order: &Subject, exhibits: &[Exhibit]) -> Result<(), Error> {
        self.submit(Want::Gone, entries(order, exhibits), Vec::new(), None).await.map(drop)
    }

    /// Whether it stands where we put it, whatever name servers show.
    ///
    /// # Errors
    /// When the provider does not tell.
    pub async fn holds(&self, exhibit: &Exhibit) -> Result<bool, Error> {
        match exhibit {
            Exhibit::Record { site, data } => {
                let (_, served) =
                    self.zones.get(site.zone()).ok_or_else(|| Error::NoProvider(site.zone().clone()))?;
                let set =
                    served.provider.read(&served.zone, site).await.map_err(|cause| served.failed(cause))?;
                Ok(set.holds(data))
            }
            Exhibit::File { host, value } => Ok(self.files.1.shows(host, value).await?),
        }
    }

    /// The zones that are served, each with its provider.
    pub fn served(&self) -> impl Iterator<Item = &Served> {
        self.zones.values().map(|(_, served)| served)
    }

    /// Where files go.
    #[must_use]
    pub const fn desk(&self) -> &Desk {
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
            parts.entry(zone(&entry.exhibit)).or_default().0.push(entry);
        }
        for entry in replacing {
            parts.entry(zone(&entry.exhibit)).or_default().1.push(entry);
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

fn entries(order: &Subject, exhibits: &[Exhibit]) -> Vec<Entry> {
    exhibits.iter().map(|exhibit| Entry { order: order.clone(), exhibit: exhibit.clone() }).collect()
}

fn zone(exhibit: &Exhibit) -> Option<DomainName> {
    match exhibit {
        Exhibit::Record { site, .. } => Some(site.zone().clone()),
        Exhibit::File { .. } => None,
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
    target: Target,
    journal: Journal,
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
            self.carry_out(Want::Gone, gone).await;
            self.carry_out(Want::There, there).await;
        }
    }

    async fn carry_out(&self, want: Want, jobs: Vec<Job>) {
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
        let journal = |error| Error::Journal(Arc::new(error));
        let (leaving, coming) = match want {
            Want::There => {
                self.unrivalled(entries).await?;
                self.journal.intend(entries, clock::now()).await.map_err(journal)?;
                (exhibits(replacing), exhibits(entries))
            }
            Want::Gone => (self.leaving(entries).await.map_err(journal)?, Vec::new()),
        };
        debug!(at = self.target.name(), coming = coming.len(), leaving = leaving.len(), "writing");
        let receipt = match (leaving.as_slice(), coming.as_slice()) {
            ([], []) => Receipt::default(),
            (leaving, coming) => self.target.change(leaving, coming, self.ttl).await?,
        };
        self.tell(Want::Gone, replacing, &leaving).await;
        self.tell(want, entries, &leaving).await;
        match want {
            Want::There => {
                self.journal.gone(replacing).await.map_err(journal)?;
                self.journal.applied(entries, clock::now()).await
            }
            Want::Gone => self.journal.gone(entries).await,
        }
        .map_err(journal)?;
        info!(
            at = self.target.name(),
            by = self.target.provider(),
            values = entries.len(),
            "{}",
            match want {
                Want::There => "published",
                Want::Gone => "retracted",
            }
        );
        Ok(receipt)
    }

    /// Puts what is confirmed on record, before the journal may forget it.
    async fn tell(&self, want: Want, entries: &[Entry], leaving: &[Exhibit]) {
        let leaving: HashSet<&Exhibit> = leaving.iter().collect();
        for Entry { order, exhibit } in entries {
            let action = match want {
                Want::There => Action::Add,
                Want::Gone if leaving.contains(exhibit) => Action::Remove,
                Want::Gone => Action::Release,
            };
            self.ledger.note(Some(Event::change(order, exhibit, action, self.target.provider()))).await;
        }
    }

    /// Refuses what needs a place of which another order, in the journal or in this very batch, has the only one.
    async fn unrivalled(&self, entries: &[Entry]) -> Result<(), Error> {
        let journal = |error| Error::Journal(Arc::new(error));
        // By the place of which there is one, what stands or comes there.
        let files = self.files().await.map_err(journal)?;
        let mut there: HashMap<&str, Vec<&Entry>> = HashMap::new();
        for file in &files {
            there.entry(self.target.place_of(&file.exhibit)).or_default().push(file);
        }
        for entry in entries {
            let rivals = self.journal.rivals(entry).await.map_err(journal)?;
            let beside = there.entry(self.target.place_of(&entry.exhibit)).or_default();
            let excludes = |other: &&&Entry| {
                other.order != entry.order && self.target.excludes(&other.exhibit, &entry.exhibit)
            };
            let rival = rivals.into_iter().next();
            if let Some(order) =
                rival.or_else(|| beside.iter().find(excludes).map(|other| other.order.clone()))
            {
                return Err(Error::Taken { place: entry.exhibit.place(), order });
            }
            beside.push(entry);
        }
        Ok(())
    }

    /// What goes: all but what an order outside this batch holds as well.
    async fn leaving(&self, entries: &[Entry]) -> Result<Vec<Exhibit>, JournalError> {
        let files = self.files().await?;
        let going: HashSet<&Entry> = entries.iter().collect();
        let value = |file: &Exhibit| match file {
            Exhibit::File { value, .. } => Some(value.clone()),
            Exhibit::Record { .. } => None,
        };
        let kept = files.iter().filter(|file| !going.contains(file)).map(|file| &file.exhibit);
        let kept: HashSet<_> = kept.map(|file| (self.target.place_of(file), value(file))).collect();
        let mut leaving = Vec::new();
        for entry in entries {
            let holders = self.journal.holders(entry).await?;
            let lets_go = |order: &Subject| {
                going.contains(&Entry { order: order.clone(), exhibit: entry.exhibit.clone() })
            };
            // Hosts of one document root have one file, which goes with the last of them.
            let wanted = kept.contains(&(self.target.place_of(&entry.exhibit), value(&entry.exhibit)));
            if holders.iter().all(lets_go) && !wanted {
                leaving.push(entry.exhibit.clone());
            }
        }
        Ok(leaving)
    }

    /// The files that are up, where files are what is written: hosts may share one.
    async fn files(&self) -> Result<Vec<Entry>, JournalError> {
        match self.target {
            Target::Files(_) => self.journal.files().await,
            Target::Zone(_) => Ok(Vec::new()),
        }
    }
}

fn exhibits(entries: &[Entry]) -> Vec<Exhibit> {
    entries.iter().map(|entry| entry.exhibit.clone()).collect()
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
            Self::Journal(_) | Self::NoProvider(_) | Self::Stopping => false,
        }
    }
}

fn share(error: &Error) -> Error {
    match error {
        Error::Taken { place, order } => Error::Taken { place: place.clone(), order: order.clone() },
        Error::Provider { provider, cause } => {
            Error::Provider { provider: provider.clone(), cause: Arc::clone(cause) }
        }
        Error::File(cause) => Error::File(Arc::clone(cause)),
        Error::Journal(cause) => Error::Journal(Arc::clone(cause)),
        Error::NoProvider(zone) => Error::NoProvider(zone.clone()),
        Error::Stopping => Error::Stopping,
    }
}

#[cfg(test)]
mod tests;
