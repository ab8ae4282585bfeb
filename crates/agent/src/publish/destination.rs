//! Where a writer writes: what differs between zones and files.

use async_trait::async_trait;
use dcv_core::{Artifact, Ttl};
use dns_providers::Receipt;

use super::Error;
use crate::state::{self, Entry, State};

/// A zone, or the files of web servers.
#[async_trait]
pub(super) trait Destination: Send + Sync {
    /// Its name and who serves it, for logs and the ledger.
    fn labels(&self) -> Labels<'_>;

    /// Where an artifact stands, as far as two of them can be in each other's way: its owner name, or which file it is.
    fn slot<'a>(&'a self, artifact: &'a Artifact) -> &'a str;

    /// What may stand, or come to stand, in the slots of these.
    async fn neighbours(&self, state: &State, entries: &[Entry]) -> Result<Vec<Entry>, state::Error>;

    /// Makes the changes, removals first. An artifact that gives way to another in its slot is replaced with it.
    async fn apply(&self, leaving: &[Artifact], coming: &[Artifact], ttl: Ttl) -> Result<Receipt, Error>;
}

/// What a destination is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Labels<'a> {
    /// The zone's name, or `files`.
    pub(super) at: &'a str,
    /// The provider's name in the configuration, or `http`.
    pub(super) by: &'a str,
}
