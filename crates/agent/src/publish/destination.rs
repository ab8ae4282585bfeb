//! What a writer writes to: a zone through its provider, or files.

use std::{sync::Arc, time::Duration};

use dcv_core::{Artifact, Change, DomainName, RandomValue, RecordData, Site, Ttl};
use dns_providers::{Class, DnsProvider, Error as ProviderError, Receipt, Zone};

use super::Error;
use crate::files::FileStore;

/// A provider call that takes longer than this is given up; it may be repeated.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A configured zone with its provider.
#[derive(Clone, Debug)]
pub struct ManagedZone {
    /// The zone.
    pub zone: Zone,
    /// The provider's name in the configuration.
    pub name: String,
    /// The provider.
    pub provider: Arc<dyn DnsProvider>,
}

/// What a writer writes to.
pub(super) enum Destination {
    Zone(ManagedZone),
    Files(FileStore),
}

impl Destination {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Zone(served) => served.zone.name.as_str(),
            Self::Files(_) => "files",
        }
    }

    pub(super) fn provider(&self) -> &str {
        match self {
            Self::Zone(served) => &served.name,
            Self::Files(_) => "http",
        }
    }

    /// The owner name of a record, or which file it is: hosts of one document root share theirs.
    pub(super) fn place_of<'a>(&'a self, artifact: &'a Artifact) -> &'a str {
        match (self, artifact) {
            (_, Artifact::Record { site, .. }) => site.owner().as_str(),
            (Self::Files(file_store), Artifact::File { host, .. }) => file_store.file_of(host),
            (Self::Zone(_), Artifact::File { host, .. }) => host.as_str(),
        }
    }

    /// Whether the two cannot stand side by side.
    pub(super) fn excludes(&self, one: &Artifact, other: &Artifact) -> bool {
        match (one, other) {
            (Artifact::File { value, .. }, Artifact::File { value: beside, .. }) => {
                value != beside && self.place_of(one) == self.place_of(other)
            }
            _ => one.excludes(other),
        }
    }

    /// Makes the changes, removals first. A provider gets them as one batch; files are changed one by one.
    pub(super) async fn change(
        &self,
        leaving: &[Artifact],
        coming: &[Artifact],
        ttl: Ttl,
    ) -> Result<Receipt, Error> {
        match self {
            Self::Zone(served) => {
                let removed = records(leaving).map(|(site, data)| Change::Remove { site, data });
                let added = records(coming).map(|(site, data)| Change::Add { site, data, ttl });
                served.call(&removed.chain(added).collect::<Vec<_>>()).await
            }
            Self::Files(file_store) => {
                for (host, value) in files(leaving) {
                    // One that gives way to another at the same host is replaced with it.
                    if !files(coming).any(|(beside, other)| beside == host && other != value) {
                        file_store.remove(host, value).await?;
                    }
                }
                for (host, value) in files(coming) {
                    let file = file_store.file_of(host);
                    let gives_way = files(leaving)
                        .filter(|(old, other)| *other != value && file_store.file_of(old) == file);
                    let gives_way: Vec<_> = gives_way.map(|(_, other)| other.clone()).collect();
                    file_store.put(host, value, &gives_way).await?;
                }
                Ok(Receipt::default())
            }
        }
    }
}

fn records(artifacts: &[Artifact]) -> impl Iterator<Item = (Site, RecordData)> {
    artifacts.iter().filter_map(|artifact| match artifact {
        Artifact::Record { site, data } => Some((site.clone(), data.clone())),
        Artifact::File { .. } => None,
    })
}

fn files(artifacts: &[Artifact]) -> impl Iterator<Item = (&DomainName, &RandomValue)> {
    artifacts.iter().filter_map(|artifact| match artifact {
        Artifact::File { host, value } => Some((host, value)),
        Artifact::Record { .. } => None,
    })
}

impl ManagedZone {
    async fn call(&self, changes: &[Change]) -> Result<Receipt, Error> {
        match tokio::time::timeout(CALL_TIMEOUT, self.provider.apply(&self.zone, changes)).await {
            Ok(outcome) => outcome.map_err(|cause| self.failed(cause)),
            Err(_) => {
                let cause = ProviderError::new(Class::Later, "timeout", "it did not answer within a minute");
                Err(self.failed(cause))
            }
        }
    }

    pub(super) fn failed(&self, cause: ProviderError) -> Error {
        Error::Provider { provider: self.name.clone(), cause: Arc::new(cause) }
    }
}
