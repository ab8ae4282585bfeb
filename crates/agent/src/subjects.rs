//! All that is looked after: which orders and domains there are, and what is remembered of each.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use dcv_core::{Facts, OrderFacts, OrderStatus};

use crate::{
    config::Config,
    state::{Error, LastStatus, State},
    subject::{Id, Subject},
};

/// Facts by order or domain.
pub type Subjects = BTreeMap<Subject, Facts>;

/// What discovery found and is not looked after yet, each with what to begin with. Triggers carry no facts: whoever takes a
/// subject up finds them here.
#[derive(Debug, Default)]
pub struct Intake(Mutex<HashMap<Subject, Facts>>);

impl Intake {
    /// Puts in what to begin with.
    pub fn put(&self, subject: Subject, facts: Facts) {
        self.lock().insert(subject, facts);
    }

    /// Takes it out.
    pub fn take(&self, subject: &Subject) -> Option<Facts> {
        self.lock().remove(subject)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, Facts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The configured orders, with what the state and an earlier round know of them, and those that left the
/// configuration while values of theirs are still in DNS.
///
/// # Errors
/// When the state file fails.
pub async fn load(
    config: &Config,
    state: &State,
    earlier: Subjects,
    last: &[LastStatus],
) -> Result<Subjects, Error> {
    let mut earlier = earlier;
    let mut subjects = Subjects::new();
    for (account, settings) in &config.accounts {
        for (&id, scopes) in &settings.orders {
            let key = Subject::order(account.as_str(), id);
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
    for last in last {
        if let Some(facts) = subjects.get_mut(&last.subject) {
            remember(facts, last.status.as_deref(), last.proven);
        }
    }
    for facts in subjects.values_mut() {
        facts.held.clear();
    }
    for (key, held) in state.held().await? {
        // What is found in the account, not named, may still want its value; it is read to find out.
        let account = config.accounts.get(&*key.account);
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

/// An order that was over is read again before anything else is done for it: a restart never trusts what was noted.
fn remember(facts: &mut Facts, status: Option<&str>, proven: bool) {
    let Some(status) = status else { return };
    if facts.order.is_some() || !proven {
        return;
    }
    facts.proven = true;
    facts.order = Some(Box::new(OrderFacts::of_status(None, OrderStatus::from(status))));
}
