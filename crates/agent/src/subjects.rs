//! Which orders and domains there are, and what is remembered of each.

use std::{collections::BTreeMap, fmt};

use dcv_core::{Facts, Kind, OrderFacts, OrderStatus};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    config::Config,
    state::{Error, State},
};

/// An order or a domain of an account: what is tended, each on its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Subject {
    /// The account's name in the configuration.
    pub account: String,
    /// Which of its orders or domains.
    #[serde(flatten)]
    pub id: Id,
}

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
    pub fn order(account: impl Into<String>, number: u64) -> Self {
        Self { account: account.into(), id: Id::Order(number) }
    }

    /// A domain.
    #[must_use]
    pub fn domain(account: impl Into<String>, number: u64) -> Self {
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

    /// Of what it is the number.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Order(_) => Kind::Order,
            Self::Domain(_) => Kind::Domain,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Id::Order(number) => write!(f, "{}/{number}", self.account),
            Id::Domain(number) => write!(f, "{}/domain/{number}", self.account),
        }
    }
}

/// Facts by order or domain.
pub type Subjects = BTreeMap<Subject, Facts>;

/// The configured orders, with what the state and an earlier roster know of them, and those that left the
/// configuration while values of theirs are still in DNS.
///
/// # Errors
/// When the state file fails.
pub async fn load(config: &Config, state: &State, earlier: Subjects) -> Result<Subjects, Error> {
    let mut earlier = earlier;
    let mut subjects = Subjects::new();
    for (account, settings) in &config.accounts {
        for (&id, scopes) in &settings.orders {
            let key = Subject::order(account, id);
            let mut facts = earlier.remove(&key).unwrap_or_default();
            facts.seed = id;
            facts.retired = false;
            facts.configured.clone_from(scopes);
            facts.switch_to.clone_from(&settings.switch_method);
            // Routes may have changed with the configuration; finding them again costs no call to the CA.
            facts.located.clear();
            facts.located_at = None;
            subjects.insert(key, facts);
        }
    }
    for note in state.notes().await? {
        if let Some(facts) = subjects.get_mut(&note.order) {
            remember(facts, note.status.as_deref(), note.proven);
        }
    }
    for facts in subjects.values_mut() {
        facts.held.clear();
    }
    for (key, held) in state.held().await? {
        // What is found in the account, not named, may still want its value; it is read to find out.
        let account = config.accounts.get(&key.account);
        let discovered = account.is_some_and(|account| match key.id {
            Id::Order(_) => account.discover.is_some(),
            Id::Domain(_) => account.domains.is_some(),
        });
        let facts = Facts {
            seed: key.id.number(),
            kind: key.id.kind(),
            retired: !discovered,
            discovered,
            ..Facts::default()
        };
        subjects.entry(key).or_insert(facts).held.push(held);
    }
    Ok(subjects)
}

/// An order that was over is read again before anything else is done for it. The note's age is set to the oldest
/// there is, so that a restart never trusts it.
fn remember(facts: &mut Facts, status: Option<&str>, proven: bool) {
    let Some(status) = status else { return };
    if facts.order.is_some() || !proven {
        return;
    }
    facts.proven = true;
    facts.order = Some(OrderFacts {
        at: Timestamp::UNIX_EPOCH,
        status: OrderStatus::from(status),
        method: None,
        scopes: Vec::new(),
        missing: Vec::new(),
    });
}
