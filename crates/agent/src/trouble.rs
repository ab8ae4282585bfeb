//! What is in trouble for everybody: an account, a provider, a zone.

use jiff::Timestamp;
use serde::Serialize;

/// Something that one call found out, and that holds back all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// `account main`, `provider corp-bind`, `zone example.com`.
    pub of: String,
    /// Since when.
    pub since: Timestamp,
    /// What was answered last.
    pub detail: String,
}
