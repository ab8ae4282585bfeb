//! What passes act through, built from the configuration.

use std::{collections::HashMap, sync::Arc};

use dcv_core::{Methods, Policy, VerdictPolicy};
use dcv_observe::Observer;
use dns_providers::Secret;

use crate::{
    ca::{self, Account},
    clock,
    config::{self, Acting, Config},
    exit::Failed,
    files::FileStore,
    ledger::Ledger,
    publish::{ManagedZone, Publisher, managed_zones},
    state::{self, State},
    trouble::Trouble,
};

/// What passes act through.
#[derive(Debug)]
pub struct Context {
    /// The configuration it was built from.
    pub config: Config,
    /// CA accounts by name.
    pub accounts: HashMap<String, Arc<Account>>,
    /// Writes to DNS and to web servers.
    pub publisher: Publisher,
    /// Looks at DNS and at web servers.
    pub observer: Observer,
    /// What was put up, and what was last known.
    pub state: State,
    /// What happened, for auditors.
    pub ledger: Ledger,
    /// The numbers behind decisions, where no account has its own.
    policy: Policy,
    policies: HashMap<String, Policy>,
}

impl Context {
    /// Builds everything; connects to nothing yet. What did not change is taken over from `earlier`: accounts, so that the
    /// rate that the CA sees stays one account's; files that are shown; evidence that could not be recorded yet.
    ///
    /// # Errors
    /// One sentence with its hint: a setting that cannot be used, or a state that cannot be read.
    pub async fn build(config: Config, state: State, earlier: Option<&Self>) -> Result<Self, Failed> {
        let accounts = accounts(&config, &state, earlier).await.map_err(Failed::setup)?;
        let zones = zones(&config).await.map_err(Failed::setup)?;
        let ledger = ledger(&config, earlier);
        let shown = earlier.map(|context| context.publisher.file_store());
        let file_store = FileStore::new(config.http.routes.clone(), shown);
        let held = state.held().await.map_err(|error| error.into_failed())?;
        file_store.recall(held.iter().map(|(_, held)| held));
        let publisher = Publisher::start(zones, file_store, &state, &ledger, config.ttl);
        let looking = config.verify.settings();
        let looking = looking.map_err(|error| Failed::setup(format!("verify: {error}")))?;
        let observer =
            Observer::new(&looking, clock::now).map_err(|error| Failed::setup(error.describe()))?;
        let policy = Policy { verdict: config.verify.verdict, ..Policy::default() };
        let of_account = |(name, account): (&String, &config::Account)| {
            (name.clone(), policy_of(account, &policy, &config))
        };
        let policies = config.accounts.iter().map(of_account).collect();
        Ok(Self { config, accounts, publisher, observer, state, ledger, policy, policies })
    }

    /// What counts as visible.
    #[must_use]
    pub const fn verdict(&self) -> VerdictPolicy {
        self.policy.verdict
    }

    /// What is in trouble for everybody.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut troubles: Vec<Trouble> =
            self.accounts.values().filter_map(|account| account.hindrance()).collect();
        troubles.sort_by(|one, other| one.of.cmp(&other.of));
        troubles.extend(self.publisher.troubles());
        troubles
    }

    /// Shows the files of all replicas.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn show_files(&self) -> Result<(), state::Error> {
        let files = self.state.files().await?;
        self.publisher.file_store().show_only(files.iter().map(|entry| &entry.artifact));
        Ok(())
    }

    /// The numbers behind decisions about an account's orders and domains.
    #[must_use]
    pub fn policy(&self, account: &str) -> &Policy {
        self.policies.get(account).unwrap_or(&self.policy)
    }
}

async fn accounts(
    config: &Config,
    state: &State,
    earlier: Option<&Context>,
) -> Result<HashMap<String, Arc<Account>>, String> {
    let mut accounts = HashMap::new();
    for (name, config::Account { connection, .. }) in &config.accounts {
        let known = earlier.and_then(|context| context.accounts.get(name));
        let account = match known.filter(|account| account.connection() == connection) {
            Some(account) => Arc::clone(account),
            None => {
                let account = ca::connect(name, connection, state).await;
                Arc::new(account.map_err(|error| format!("accounts.{name}: {error}"))?)
            }
        };
        accounts.insert(name.clone(), account);
    }
    Ok(accounts)
}

async fn zones(config: &Config) -> Result<Vec<ManagedZone>, String> {
    let mut zones = Vec::new();
    for (name, provider) in &config.providers {
        let settings = provider.settings.clone().map_secrets(|reference| -> Secret { Arc::new(reference) });
        let built = dns_providers::build(name, settings).await.map_err(|error| {
            let hint = error.next_action().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("providers.{name}: {error}{hint}")
        })?;
        zones.extend(managed_zones(name, &built, &provider.zones));
    }
    Ok(zones)
}

fn ledger(config: &Config, earlier: Option<&Context>) -> Ledger {
    let kept = config.ledger.as_ref().filter(|_| config.acting == Acting::Act);
    let settings = kept.map(|ledger| (ledger.folder.as_path(), ledger.limits));
    let known = earlier.map(|context| &context.ledger).filter(|ledger| ledger.is(settings));
    match (known, settings) {
        (Some(ledger), _) => ledger.clone(),
        (None, Some((folder, limits))) => Ledger::new(folder, limits),
        (None, None) => Ledger::off(),
    }
}

fn policy_of(account: &config::Account, policy: &Policy, config: &Config) -> Policy {
    let owners = config.providers.values().flat_map(|provider| provider.owners.clone()).collect();
    let mut renewal = policy.renewal;
    if let Some(domains) = &account.domains {
        renewal.window_percent = domains.window_percent;
    }
    let methods = Methods::digicert(account.cname_suffix.clone()).with_owners(owners);
    Policy { methods, renewal, ..policy.clone() }
}
