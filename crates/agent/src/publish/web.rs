//! Web servers as a destination: files are changed one by one.

use async_trait::async_trait;
use dcv_core::{Artifact, DomainName, RandomValue, Ttl};
use dns_providers::Receipt;

use super::{
    Error,
    destination::{Destination, Labels},
};
use crate::{
    files::FileStore,
    state::{self, Entry, State},
};

#[async_trait]
impl Destination for FileStore {
    fn labels(&self) -> Labels<'_> {
        Labels { at: "files", by: "http" }
    }

    fn slot<'a>(&'a self, artifact: &'a Artifact) -> &'a str {
        self.slot_of(artifact.owner())
    }

    /// Hosts may share a document root, and so a file.
    async fn neighbours(&self, state: &State, _: &[Entry]) -> Result<Vec<Entry>, state::Error> {
        state.files().await
    }

    async fn apply(&self, leaving: &[Artifact], coming: &[Artifact], _: Ttl) -> Result<Receipt, Error> {
        for (host, value) in files(leaving) {
            let replaced = files(coming).any(|(beside, other)| beside == host && other != value);
            if !replaced {
                self.remove(host, value).await?;
            }
        }
        for (host, value) in files(coming) {
            let slot = self.slot_of(host);
            let in_slot = files(leaving).filter(|(old, other)| *other != value && self.slot_of(old) == slot);
            let gives_way: Vec<_> = in_slot.map(|(_, other)| other.clone()).collect();
            self.put(host, value, &gives_way).await?;
        }
        Ok(Receipt::default())
    }
}

fn files(artifacts: &[Artifact]) -> impl Iterator<Item = (&DomainName, &RandomValue)> {
    artifacts.iter().filter_map(|artifact| match artifact {
        Artifact::File { host, value } => Some((host, value)),
        Artifact::Record { .. } => None,
    })
}
