//! One writer per zone: gathers the changes that arrive while one is in flight and sends them as one batch.
//!
//! The intent is in the journal before the provider is called, and marked applied or gone after.

use std::{collections::HashMap, sync::Arc, time::Duration};

use dcv_core::{Change, DomainName, RecordData, Site, Ttl};
use dns_providers::{Class, DnsProvider, Error as ProviderError, Receipt, Zone};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info};

use crate::{
    clock,
    journal::{Entry, Error as JournalError, Journal},
    ledger::{Action, Event, Ledger},
    roster::OrderKey,
};

/// Jobs that one batch takes up; providers split further by their own limits.
const GATHER: usize = 1000;
/// A provider call that takes longer than this is given up; it may be repeated.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
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
    /// The intent could not be made durable, so nothing was written.
    #[error("nothing was written to DNS, since the journal cannot be written")]
    Journal(#[source] Arc<JournalError>),
    /// The zone is no longer configured.
    #[error("no configured provider serves {0}; what we hold there cannot be removed until one does")]
    NoProvider(DomainName),
    /// The name can hold one record only, and another order's stands there.
    #[error("{owner} can hold one record only, and order {order} has it; waiting until it lets go")]
    Taken {
        /// The name.
        owner: DomainName,
        /// Who has it.
        order: OrderKey,
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
    /// Records that give way in the same change.
    replacing: Vec<Entry>,
    done: oneshot::Sender<Result<Receipt, Error>>,
}

/// The writers of all configured zones.
#[derive(Debug)]
pub struct Publisher {
    zones: HashMap<DomainName, (mpsc::Sender<Job>, Served)>,
}

/// A configured zone with its provider.
#[derive(Clone, Debug)]
pub struct Served {
    /// The zone.
    pub zone: Zone,
    /// The provider's name in the configuration.
    pub name: String,
    /// The provider.
    pub provider: Arc<dyn DnsProvider>,
}

impl Publisher {
    /// Starts one writer per zone; they end when the publisher is dropped.
    #[must_use]
    pub fn start(zones: Vec<Served>, journal: &Journal, ledger: &Ledger, ttl: Ttl) -> Self {
        let zones = zones.into_iter().map(|served| {
            let (sender, jobs) = mpsc::channel(GATHER);
            let writer =
                Writer { served: served.clone(), journal: journal.clone(), ledger: ledger.clone(), ttl };
            tokio::spawn(writer.run(jobs));
            (served.zone.name.clone(), (sender, served))
        });
        Self { zones: zones.collect() }
    }

    /// Publishes one order's record at sites, and waits until the providers hold it as distributed. What is to be
    /// replaced goes in the same change.
    ///
    /// # Errors
    /// The first failure; sites before it may have been written, and the journal knows them.
    pub async fn publish(
        &self,
        order: &OrderKey,
        sites: &[Site],
        data: &RecordData,
        replacing: &[(Site, RecordData)],
    ) -> Result<(), Error> {
        let entry = |site: &Site, data: &RecordData| Entry {
            order: order.clone(),
            site: site.clone(),
            data: data.clone(),
        };
        let entries = sites.iter().map(|site| entry(site, data)).collect();
        let replacing = replacing.iter().map(|(site, data)| entry(site, data)).collect();
        for (provider, receipt) in self.submit(Want::There, entries, replacing).await? {
            settle(provider.as_ref(), &receipt).await;
        }
        Ok(())
    }

    /// Takes one order's records out of DNS.
    ///
    /// # Errors
    /// The first failure; what is left stays in the journal.
    pub async fn retract(&self, order: &OrderKey, records: &[(Site, RecordData)]) -> Result<(), Error> {
        let entry = |(site, data): &(Site, RecordData)| Entry {
            order: order.clone(),
            site: site.clone(),
            data: data.clone(),
        };
        self.submit(Want::Gone, records.iter().map(entry).collect(), Vec::new()).await.map(drop)
    }

    /// Whether the provider itself holds the record, whatever name servers show.
    ///
    /// # Errors
    /// When the provider does not tell.
    pub async fn holds(&self, site: &Site, data: &RecordData) -> Result<bool, Error> {
        let (_, served) =
            self.zones.get(site.zone()).ok_or_else(|| Error::NoProvider(site.zone().clone()))?;
        let failed = |cause| Error::Provider { provider: served.name.clone(), cause: Arc::new(cause) };
        let set = served.provider.read(&served.zone, site).await.map_err(failed)?;
        Ok(set.holds(data))
    }

    /// The zones that are served, each with its provider.
    pub fn served(&self) -> impl Iterator<Item = &Served> {
        self.zones.values().map(|(_, served)| served)
    }

    async fn submit(
        &self,
        want: Want,
        entries: Vec<Entry>,
        replacing: Vec<Entry>,
    ) -> Result<Vec<(Arc<dyn DnsProvider>, Receipt)>, Error> {
        let mut by_zone: HashMap<DomainName, (Vec<Entry>, Vec<Entry>)> = HashMap::new();
        for entry in entries {
            by_zone.entry(entry.site.zone().clone()).or_default().0.push(entry);
        }
        for entry in replacing {
            by_zone.entry(entry.site.zone().clone()).or_default().1.push(entry);
        }
        let mut waiting = Vec::new();
        for (zone, (entries, replacing)) in by_zone {
            let (sender, served) = self.zones.get(&zone).ok_or_else(|| Error::NoProvider(zone.clone()))?;
            let (done, outcome) = oneshot::channel();
            sender.send(Job { want, entries, replacing, done }).await.map_err(|_| Error::Stopping)?;
            waiting.push((Arc::clone(&served.provider), outcome));
        }
        let mut receipts = Vec::new();
        for (provider, outcome) in waiting {
            receipts.push((provider, outcome.await.map_err(|_| Error::Stopping)??));
        }
        Ok(receipts)
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
    served: Served,
    journal: Journal,
    ledger: Ledger,
    ttl: Ttl,
}

impl Writer {
    async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        while jobs.recv_many(&mut batch, GATHER).await > 0 {
            // Removals of a batch come first: an order that is taken up again then finds its value put back.
            for want in [Want::Gone, Want::There] {
                let (now, later): (Vec<_>, Vec<_>) = batch.drain(..).partition(|job| job.want == want);
                batch = later;
                self.carry_out(want, now).await;
            }
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
        let zone = &self.served.zone;
        let changes = match want {
            Want::There => {
                self.unrivalled(entries).await?;
                self.journal.intend(entries, clock::now()).await.map_err(journal)?;
                let mut changes: Vec<_> = replacing.iter().map(remove).collect();
                changes.extend(entries.iter().map(|entry| self.add(entry)));
                changes
            }
            Want::Gone => self.removals(entries).await.map_err(journal)?,
        };
        debug!(zone = %zone.name, changes = changes.len(), ?want, "writing");
        let receipt = match changes.as_slice() {
            [] => Receipt::default(),
            changes => self.call(changes).await?,
        };
        self.tell(Want::Gone, replacing, &changes).await;
        self.tell(want, entries, &changes).await;
        match want {
            Want::There => {
                self.journal.gone(replacing).await.map_err(journal)?;
                self.journal.applied(entries, clock::now()).await
            }
            Want::Gone => self.journal.gone(entries).await,
        }
        .map_err(journal)?;
        info!(zone = %zone.name, provider = self.served.name, values = entries.len(), "{}", match want {
            Want::There => "published",
            Want::Gone => "retracted",
        });
        Ok(receipt)
    }

    /// Puts what the provider confirmed on record, before the journal may forget it.
    async fn tell(&self, want: Want, entries: &[Entry], changes: &[Change]) {
        for entry in entries {
            let action = match want {
                Want::There => Action::Add,
                Want::Gone if changes.contains(&remove(entry)) => Action::Remove,
                Want::Gone => Action::Release,
            };
            let Entry { order, site, data } = entry;
            self.ledger.note(Some(Event::change(order, site, data, action, &self.served.name))).await;
        }
    }

    async fn call(&self, changes: &[Change]) -> Result<Receipt, Error> {
        let failed = |cause| Error::Provider { provider: self.served.name.clone(), cause: Arc::new(cause) };
        let call = self.served.provider.apply(&self.served.zone, changes);
        match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(outcome) => outcome.map_err(failed),
            Err(_) => {
                Err(failed(ProviderError::new(Class::Later, "timeout", "it did not answer within a minute")))
            }
        }
    }

    /// Refuses records for names of which another order, in the journal or in this very batch, has the only place.
    async fn unrivalled(&self, entries: &[Entry]) -> Result<(), Error> {
        for (at, entry) in entries.iter().enumerate() {
            let rivals = self.journal.rivals(entry).await.map_err(|error| Error::Journal(Arc::new(error)))?;
            let beside = entries[..at].iter().find(|other| {
                other.order != entry.order
                    && other.site.owner() == entry.site.owner()
                    && other.data.excludes(&entry.data)
            });
            if let Some(order) = rivals.into_iter().next().or_else(|| beside.map(|other| other.order.clone()))
            {
                return Err(Error::Taken { owner: entry.site.owner().clone(), order });
            }
        }
        Ok(())
    }

    fn add(&self, entry: &Entry) -> Change {
        Change::Add { site: entry.site.clone(), data: entry.data.clone(), ttl: self.ttl }
    }

    /// What leaves DNS: all but the values that an order outside this batch holds as well.
    async fn removals(&self, entries: &[Entry]) -> Result<Vec<Change>, JournalError> {
        let mut changes = Vec::new();
        for entry in entries {
            let holders = self.journal.holders(entry).await?;
            let leaving = |order: &OrderKey| {
                entries.iter().any(|e| {
                    e.order == *order && e.data == entry.data && e.site.owner() == entry.site.owner()
                })
            };
            if holders.iter().all(leaving) {
                changes.push(remove(entry));
            }
        }
        Ok(changes)
    }
}

fn remove(entry: &Entry) -> Change {
    Change::Remove { site: entry.site.clone(), data: entry.data.clone() }
}

impl Error {
    /// Whether it may be one name's trouble only, so that the others of a batch are tried on their own.
    fn is_of_one_name(&self) -> bool {
        match self {
            Self::Provider { cause, .. } => cause.class() != Class::Later,
            Self::Taken { .. } => true,
            Self::Journal(_) | Self::NoProvider(_) | Self::Stopping => false,
        }
    }
}

fn share(error: &Error) -> Error {
    match error {
        Error::Taken { owner, order } => Error::Taken { owner: owner.clone(), order: order.clone() },
        Error::Provider { provider, cause } => {
            Error::Provider { provider: provider.clone(), cause: Arc::clone(cause) }
        }
        Error::Journal(cause) => Error::Journal(Arc::clone(cause)),
        Error::NoProvider(zone) => Error::NoProvider(zone.clone()),
        Error::Stopping => Error::Stopping,
    }
}
