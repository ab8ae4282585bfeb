//! All that is looked after: which orders and domains there are, and what is remembered of each.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use dcv_core::{DomainName, Facts, OrderFacts, OrderStatus};

use crate::{
    config::{Account, Config},
    state::{Claimed, Error, LastStatus, State},
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

/// What to begin with for something that replicas share: as the configuration wants it, or as it is found in the account. None
/// where the configuration speaks of neither.
#[must_use]
pub fn begin(config: &Config, claimed: &Claimed, earlier: Option<Facts>) -> Option<Facts> {
    let Claimed { subject, needed_by, .. } = claimed;
    let account = config.accounts.get(&*subject.account)?;
    let number = subject.id.number();
    if let Id::Order(_) = subject.id
        && let Some(scopes) = account.orders.get(&number)
    {
        let mut facts = earlier.unwrap_or_default();
        configure(&mut facts, number, scopes, account);
        return Some(facts);
    }
    is_discovered(config, subject).then(|| Facts {
        seed: number,
        kind: subject.id.kind(),
        discovered: true,
        switch_to: account.discover.as_ref().and_then(|discover| discover.switch_method.clone()),
        needed_by: *needed_by,
        ..Facts::default()
    })
}

/// What is left of something that no configuration speaks of: taking down what is up.
#[must_use]
pub fn retire(subject: &Subject) -> Facts {
    Facts { seed: subject.id.number(), kind: subject.id.kind(), retired: true, ..Facts::default() }
}

/// Adds what the state remembers of each.
///
/// # Errors
/// When the state fails.
pub async fn recall(state: &State, subjects: &mut Subjects) -> Result<Vec<LastStatus>, Error> {
    let keys: Vec<Subject> = subjects.keys().cloned().collect();
    let last = state.notes_of(&keys).await?;
    for last in &last {
        if let Some(facts) = subjects.get_mut(&last.subject) {
            remember(facts, last.status.as_deref(), last.proven);
        }
    }
    subjects.values_mut().for_each(|facts| facts.held.clear());
    for (subject, held) in state.held_of(&keys).await? {
        if let Some(facts) = subjects.get_mut(&subject) {
            facts.held.push(held);
        }
    }
    Ok(last)
}

/// Every order that the configuration names.
pub fn configured(config: &Config) -> impl Iterator<Item = Claimed> {
    config.accounts.iter().flat_map(|(account, settings)| {
        settings.orders.keys().map(|&id| Claimed {
            subject: Subject::order(account.as_str(), id),
            discovered: false,
            needed_by: None,
        })
    })
}

/// Whether the account's list would bring it.
#[must_use]
pub fn is_discovered(config: &Config, subject: &Subject) -> bool {
    config.accounts.get(&*subject.account).is_some_and(|account| match subject.id {
        Id::Order(_) => account.discover.is_some(),
        Id::Domain(_) => account.domains.is_some(),
    })
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
            configure(&mut facts, id, scopes, settings);
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
        let discovered = is_discovered(config, &key);
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

/// As the configuration wants it.
fn configure(facts: &mut Facts, number: u64, scopes: &[DomainName], account: &Account) {
    facts.seed = number;
    facts.retired = false;
    facts.configured = scopes.to_vec();
    facts.switch_to.clone_from(&account.switch_method);
    // Routes may have changed with the configuration; finding them again costs no call to the CA.
    facts.located.clear();
    facts.located_at = None;
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
