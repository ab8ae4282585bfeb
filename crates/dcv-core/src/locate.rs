//! Where a lookup leads.

use crate::DomainName;

/// What the operator configured about where things go.
pub trait Routing: Sync {
    /// The configured zone that serves a name: the longest suffix wins.
    fn zone(&self, name: &DomainName) -> Option<&DomainName>;

    /// Whether a file of a host can be put where its visitors find it.
    fn shows_files(&self, host: &DomainName) -> bool;

    /// Whether records may be written although a host then no longer lives by its wildcard.
    fn over_wildcards(&self) -> bool;
}
