//! Which orders there are, and what is remembered of each.

use std::{collections::BTreeMap, fmt};

use dcv_core::{Facts, OrderFacts, OrderStatus};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    config::Config,
    journal::{Error, Journal},
};

/// An order of an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct OrderKey {
    /// The account's name in the configuration.
    pub account: String,
    /// DigiCert's number.
    #[serde(rename = "order")]
    pub id: u64,
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.id)
    }
}

/// Facts by order.
pub type Roster = BTreeMap<OrderKey, Facts>;

/// The configured orders, with what the journal and an earlier roster know of them, and those that left the
/// configuration while values of theirs are still in DNS.
///
/// # Errors
/// When the state file fails.
pub async fn muster(config: &Config, journal: &Journal, earlier: Roster) -> Result<Roster, Error> {
    let mut earlier = earlier;
    let mut roster = Roster::new();
    for (account, settings) in &config.accounts {
        for (&id, scopes) in &settings.orders {
            let key = OrderKey { account: account.clone(), id };
            let mut facts = earlier.remove(&key).unwrap_or_default();
            facts.seed = id;
            facts.retired = false;
            facts.configured.clone_from(scopes);
            facts.switch_to.clone_from(&settings.switch_method);
            // Routes may have changed with the configuration; finding them again costs no call to the CA.
            facts.located.clear();
            facts.located_at = None;
            roster.insert(key, facts);
        }
    }
    for note in journal.notes().await? {
        if let Some(facts) = roster.get_mut(&note.order) {
            remember(facts, note.status.as_deref(), note.proven);
        }
    }
    for facts in roster.values_mut() {
        facts.held.clear();
    }
    for (key, held) in journal.held().await? {
        // An order of an account whose orders are discovered may still want its value; it is read to find out.
        let discovered = config.accounts.get(&key.account).is_some_and(|account| account.discover.is_some());
        let facts = Facts { seed: key.id, retired: !discovered, discovered, ..Facts::default() };
        roster.entry(key).or_insert(facts).held.push(held);
    }
    Ok(roster)
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
    });
}
