//! An order or a domain: what is looked after, each on its own.

use std::{fmt, sync::Arc};

use dcv_core::Kind;
use serde::{Serialize, Serializer};

/// An order or a domain of an account: what is looked after, each on its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Subject {
    /// The account's name in the configuration, shared by all that is looked after in it.
    #[serde(serialize_with = "as_text")]
    pub account: Arc<str>,
    /// Which of its orders or domains.
    #[serde(flatten)]
    pub id: Id,
}

/// The number under which probes are held; no order's.
pub const PROBE: u64 = 0;

/// DigiCert's number, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Id {
    /// A certificate order.
    Order(u64),
    /// A prevalidated domain.
    Domain(u64),
}

impl Subject {
    /// An order.
    #[must_use]
    pub fn order(account: impl Into<Arc<str>>, number: u64) -> Self {
        Self { account: account.into(), id: Id::Order(number) }
    }

    /// The holder of what `doctor` writes to try things out. DigiCert has no order of that number.
    #[must_use]
    pub fn probe() -> Self {
        Self::order("doctor", PROBE)
    }

    /// Whether it is that one, and no order.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.id == Id::Order(PROBE)
    }

    /// A domain.
    #[must_use]
    pub fn domain(account: impl Into<Arc<str>>, number: u64) -> Self {
        Self { account: account.into(), id: Id::Domain(number) }
    }
}

impl Id {
    /// DigiCert's number.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Order(number) | Self::Domain(number) => number,
        }
    }

    /// The number of an order.
    #[must_use]
    pub const fn order(self) -> Option<u64> {
        match self {
            Self::Order(number) => Some(number),
            Self::Domain(_) => None,
        }
    }

    /// The number of a domain.
    #[must_use]
    pub const fn domain(self) -> Option<u64> {
        match self {
            Self::Order(_) => None,
            Self::Domain(number) => Some(number),
        }
    }

    /// Of what it is the number.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Order(_) => Kind::Order,
            Self::Domain(_) => Kind::Domain,
        }
    }
}

/// What comes from outside: "look at this one". It carries no facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// There is work: look at it, also if it was to be given up.
    Work,
    /// Something has changed; of interest only if it is looked after.
    Changed,
    /// It is none of ours; should it be looked after, it is tidied up and given up.
    Release,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Id::Order(PROBE) => write!(f, "{}/probe", self.account),
            Id::Order(number) => write!(f, "{}/{number}", self.account),
            Id::Domain(number) => write!(f, "{}/domain/{number}", self.account),
        }
    }
}

fn as_text<S: Serializer>(account: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(account)
}
