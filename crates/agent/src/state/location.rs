//! Where the state is: in a file of this host, or in a database that replicas share.

use std::{fmt, path::PathBuf, time::Duration};

use dns_providers::Secret;

use super::postgres::Address;

/// Where the state is.
#[derive(Clone, Debug)]
pub enum Location {
    /// In a SQLite file.
    File(PathBuf),
    /// Nowhere: it is gone with the process.
    Memory,
    /// In PostgreSQL, shared by all replicas that name it.
    Shared(Shared),
}

/// A database that replicas share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Where it is.
    pub address: Address,
    /// The password, where one is wanted; it is read at each connection.
    pub password: Option<Secret>,
    /// A replica that is not heard of for so long has lost what it worked on.
    pub takeover: Duration,
}

/// As it is named in messages.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the state file {}", path.display()),
            Self::Memory => f.write_str("the state in memory"),
            Self::Shared(shared) => shared.fmt(f),
        }
    }
}

/// As it is named in messages.
impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state database {}", self.address)
    }
}
