//! What a writer writes to: a zone through its provider, or files.

use std::{sync::Arc, time::Duration};

use dcv_core::{Change, DomainName, Exhibit, RandomValue, RecordData, Site, Ttl};
use dns_providers::{Class, DnsProvider, Error as ProviderError, Receipt, Zone};

use super::Error;
use crate::files::Desk;

/// A provider call that takes longer than this is given up; it may be repeated.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

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

/// What a writer writes to.
pub(super) enum Target {
    Zone(Served),
    Files(Desk),
}

impl Target {
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
    pub(super) fn place_of<'a>(&'a self, exhibit: &'a Exhibit) -> &'a str {
        match (self, exhibit) {
            (_, Exhibit::Record { site, .. }) => site.owner().as_str(),
            (Self::Files(desk), Exhibit::File { host, .. }) => desk.file_of(host),
            (Self::Zone(_), Exhibit::File { host, .. }) => host.as_str(),
        }
    }

    /// Whether the two cannot stand side by side.
    pub(super) fn excludes(&self, one: &Exhibit, other: &Exhibit) -> bool {
        match (one, other) {
            (Exhibit::File { value, .. }, Exhibit::File { value: beside, .. }) => {
                value != beside && self.place_of(one) == self.place_of(other)
            }
            _ => one.excludes(other),
        }
    }

    /// Makes the changes, removals first. A provider gets them as one batch; files are changed one by one.
    pub(super) async fn change(
        &self,
        leaving: &[Exhibit],
        coming: &[Exhibit],
        ttl: Ttl,
    ) -> Result<Receipt, Error> {
        match self {
            Self::Zone(served) => {
                let removed = records(leaving).map(|(site, data)| Change::Remove { site, data });
                let added = records(coming).map(|(site, data)| Change::Add { site, data, ttl });
                served.call(&removed.chain(added).collect::<Vec<_>>()).await
            }
            Self::Files(desk) => {
                for (host, value) in files(leaving) {
                    // One that gives way to another at the same host is replaced with it.
                    if !files(coming).any(|(beside, other)| beside == host && other != value) {
                        desk.remove(host, value).await?;
                    }
                }
                for (host, value) in files(coming) {
                    let file = desk.file_of(host);
                    let gives_way =
                        files(leaving).filter(|(old, other)| *other != value && desk.file_of(old) == file);
                    let gives_way: Vec<_> = gives_way.map(|(_, other)| other.clone()).collect();
                    desk.put(host, value, &gives_way).await?;
                }
                Ok(Receipt::default())
            }
        }
    }
}

fn records(exhibits: &[Exhibit]) -> impl Iterator<Item = (Site, RecordData)> {
    exhibits.iter().filter_map(|exhibit| match exhibit {
        Exhibit::Record { site, data } => Some((site.clone(), data.clone())),
        Exhibit::File { .. } => None,
    })
}

fn files(exhibits: &[Exhibit]) -> impl Iterator<Item = (&DomainName, &RandomValue)> {
    exhibits.iter().filter_map(|exhibit| match exhibit {
        Exhibit::File { host, value } => Some((host, value)),
        Exhibit::Record { .. } => None,
    })
}

impl Served {
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
