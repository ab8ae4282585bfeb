//! A zone as a destination: changes go to its provider as one batch.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use dcv_core::{Artifact, Change, RecordData, Site, Ttl};
use dns_providers::{Class, DnsProvider, Extent, Receipt, Zone};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Error,
    destination::{Destination, Labels},
    gate::Gate,
};
use crate::{
    state::{self, Entry, Fleet, State},
    trouble::Trouble,
};

/// A provider call that takes longer than this is given up; it may be repeated.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Changes of one provider that are under way at once. An account with a pace does one after the other: were a hundred zones
/// to begin together, each would be given up after its minute, and none done.
const TOGETHER: usize = 4;

/// A configured zone with its provider.
#[derive(Clone, Debug)]
pub struct ManagedZone {
    /// The zone.
    pub zone: Zone,
    /// The provider's name in the configuration.
    pub name: String,
    /// The provider.
    pub provider: Arc<dyn DnsProvider>,
    /// Where replicas share the zone.
    pub(super) fleet: Option<Fleet>,
    gates: Gates,
}

/// The gate of a provider, which its zones share, and the zone's own.
#[derive(Clone, Debug)]
struct Gates {
    of_provider: Arc<Gate>,
    of_zone: Arc<Gate>,
    /// Of the provider.
    turns: Arc<Semaphore>,
}

impl Gates {
    fn pass(&self) -> Result<(), dns_providers::Error> {
        // Who tries for all has to be let through by both.
        self.of_zone.check()?;
        self.of_provider.pass()?;
        self.of_zone.pass()
    }

    fn note(&self, failed: Option<&dns_providers::Error>, sent: Instant) {
        self.of_provider.note(failed, sent);
        self.of_zone.note(failed, sent);
    }
}

/// The zones of one provider.
#[must_use]
pub fn managed_zones(name: &str, provider: &Arc<dyn DnsProvider>, zones: &[Zone]) -> Vec<ManagedZone> {
    let of_provider = Arc::new(Gate::new(format!("provider {name}"), Extent::Provider));
    let turns = Arc::new(Semaphore::new(TOGETHER));
    let managed = |zone: &Zone| ManagedZone {
        zone: zone.clone(),
        name: name.to_owned(),
        provider: Arc::clone(provider),
        fleet: None,
        gates: Gates {
            of_provider: Arc::clone(&of_provider),
            of_zone: Arc::new(Gate::new(format!("zone {}", zone.name), Extent::Zone)),
            turns: Arc::clone(&turns),
        },
    };
    zones.iter().map(managed).collect()
}

impl ManagedZone {
    /// What keeps changes of the zone from being made.
    pub(super) fn troubles(&self) -> impl Iterator<Item = Trouble> {
        [&self.gates.of_provider, &self.gates.of_zone].into_iter().filter_map(|gate| gate.trouble())
    }

    /// Whether the provider holds this record.
    pub(super) async fn holds(&self, site: &Site, data: &RecordData) -> Result<bool, Error> {
        let set = self.provider.read(&self.zone, site).await.map_err(|cause| self.failed(cause))?;
        Ok(set.holds(data))
    }

    /// Changes that wait for their turn are not made any more.
    pub(super) fn close(&self) {
        self.gates.turns.close();
    }

    async fn call(&self, changes: &[Change]) -> Result<Receipt, Error> {
        let _turn = self.gates.turns.acquire().await.map_err(|_| Error::Stopping)?;
        self.gates.pass().map_err(|cause| self.failed(cause))?;
        // The last moment at which what others may have taken over can be left to them.
        if self.fleet.as_ref().is_some_and(|fleet| !fleet.is_sure()) {
            return Err(state::Error::Fenced.into());
        }
        let sent = Instant::now();
        let applied = tokio::time::timeout(CALL_TIMEOUT, self.provider.apply(&self.zone, changes)).await;
        let what = "it did not answer within a minute";
        let gave_up = |_| Err(dns_providers::Error::new(Class::Later, "timeout", what).of(Extent::Provider));
        let outcome = applied.unwrap_or_else(gave_up);
        self.gates.note(outcome.as_ref().err(), sent);
        outcome.map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: dns_providers::Error) -> Error {
        Error::Provider { provider: self.name.clone(), cause: Arc::new(cause) }
    }
}

#[async_trait]
impl Destination for ManagedZone {
    fn labels(&self) -> Labels<'_> {
        Labels { at: self.zone.name.as_str(), by: &self.name }
    }

    fn slot<'a>(&'a self, artifact: &'a Artifact) -> &'a str {
        artifact.owner().as_str()
    }

    async fn neighbours(&self, state: &State, entries: &[Entry]) -> Result<Vec<Entry>, state::Error> {
        state.at_owners(&entries.iter().map(|entry| entry.artifact.owner()).collect()).await
    }

    async fn apply(&self, leaving: &[Artifact], coming: &[Artifact], ttl: Ttl) -> Result<Receipt, Error> {
        let removed = records(leaving).map(|(site, data)| Change::Remove { site, data });
        let added = records(coming).map(|(site, data)| Change::Add { site, data, ttl });
        let changes: Vec<_> = removed.chain(added).collect();
        let mut receipt = Receipt::default();
        for part in changes.chunks(self.provider.at_once().max(1)) {
            receipt = self.call(part).await?;
        }
        Ok(receipt)
    }
}

fn records(artifacts: &[Artifact]) -> impl Iterator<Item = (Site, RecordData)> {
    artifacts.iter().filter_map(|artifact| match artifact {
        Artifact::Record { site, data } => Some((site.clone(), data.clone())),
        Artifact::File { .. } => None,
    })
}
