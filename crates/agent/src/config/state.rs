//! Where the state is: a file of this host, or a database that replicas share.

use std::{path::PathBuf, sync::Arc, time::Duration};

use dns_providers::Secret;

use super::{SecretRef, found::Found, raw::RawAgent};
use crate::state::{Address, Location, Shared};

/// Where the state is, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateAt {
    /// In a SQLite file.
    File(PathBuf),
    /// In PostgreSQL.
    Shared(Box<Database>),
}

/// A database that replicas share, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Where it is.
    pub address: Address,
    /// Its password, where one is wanted.
    pub password: Option<SecretRef>,
    /// A replica that is not heard of for so long has lost what it worked on.
    pub takeover: Duration,
}

impl StateAt {
    pub(super) fn check(raw: &RawAgent, found: &mut Found) -> Self {
        let text = raw.state.as_deref().unwrap_or("sqlite:///var/lib/dcv-agent/state.db");
        let takeover = raw.takeover_seconds.unwrap_or(15);
        if !(6..=600).contains(&takeover) {
            found.push(("agent.takeover_seconds".into(), "is outside 6 to 600".into()));
        }
        match text.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() => {
                for (leaf, is_given) in [
                    ("state_password", raw.state_password.is_some()),
                    ("takeover_seconds", raw.takeover_seconds.is_some()),
                ] {
                    if is_given {
                        let what = "is for a state that replicas share: agent.state = \"postgres://user@host/database\"";
                        found.push((format!("agent.{leaf}"), what.into()));
                    }
                }
                Self::File(PathBuf::from(path))
            }
            Some(("postgres" | "postgresql", _)) => match text.parse() {
                Ok(address) => Self::Shared(Box::new(Database {
                    address,
                    password: raw.state_password.clone(),
                    takeover: Duration::from_secs(takeover),
                })),
                Err(what) => {
                    found.push(("agent.state".into(), what));
                    Self::File(PathBuf::new())
                }
            },
            _ => {
                // What stands there may hold a password.
                let what =
                    "is not of the form \"sqlite:///path/to/state.db\" or \"postgres://user@host/database\"";
                found.push(("agent.state".into(), what.into()));
                Self::File(PathBuf::new())
            }
        }
    }

    /// As the state takes it.
    #[must_use]
    pub fn location(&self) -> Location {
        match self {
            Self::File(path) => Location::File(path.clone()),
            Self::Shared(database) => Location::Shared(Shared {
                address: database.address.clone(),
                password: database.password.clone().map(|password| -> Secret { Arc::new(password) }),
                takeover: database.takeover,
            }),
        }
    }

    /// The password, where one is referred to.
    #[must_use]
    pub fn password(&self) -> Option<&SecretRef> {
        match self {
            Self::File(_) => None,
            Self::Shared(database) => database.password.as_ref(),
        }
    }

    /// Whether a stranger on the way to it could read along or change what is said, because the operator chose so.
    #[must_use]
    pub fn is_open_to_strangers(&self) -> bool {
        matches!(self, Self::Shared(database) if database.address.is_open_to_strangers())
    }

    /// The file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Shared(_) => None,
        }
    }
}
