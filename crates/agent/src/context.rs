//! Everything a pass acts through, built from the configuration: clients, writers, eyes and the state.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use dcv_core::{Methods, Policy, VerdictPolicy};
use dcv_observe::Observer;
use digicert_api::{CallMemory, Client, ClientBuilder, KeyError, KeySource};
use dns_providers::{Secret, SecretSource as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::{
    clock,
    config::{Account as Settings, Config, SecretRef},
    files::FileStore,
    ledger::Ledger,
    publish::{ManagedZone, Publisher},
    state::State,
};

/// What passes act through.
#[derive(Debug)]
pub struct Context {
    /// The configuration it was built from.
    pub config: Config,
    /// CA accounts by name.
    pub accounts: HashMap<String, Arc<Account>>,
    /// Writes to DNS.
    pub publisher: Publisher,
    /// Looks at DNS.
    pub observer: Observer,
    /// What was written.
    pub state: State,
    /// What happened, for auditors.
    pub ledger: Ledger,
    /// The numbers behind decisions, where no account has its own.
    policy: Policy,
    policies: HashMap<String, Policy>,
}

/// A CA account: its client, and its trouble, shared by all its orders.
#[derive(Debug)]
pub struct Account {
    settings: Settings,
    /// The client; its rate governor lives as long as this account.
    pub client: Client,
    hold: Mutex<Option<Hold>>,
}

/// Why an account's calls are held back, and until when.
#[derive(Clone, Debug)]
pub struct Hold {
    /// When the next call may be tried.
    pub until: Timestamp,
    /// What the CA said.
    pub detail: String,
    /// The key that was refused: another one is tried at once.
    key: Option<SecretString>,
}

impl Account {
    /// A client with this account's key at another address, for finding out where the key belongs.
    ///
    /// # Errors
    /// One sentence: a setting that cannot be used.
    pub fn client_at(&self, base_url: Url) -> Result<Client, String> {
        builder(&Settings { base_url, ..self.settings.clone() })?.build().map_err(|error| chain(&error))
    }

    /// Where the account's API is.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        &self.settings.base_url
    }

    /// The trouble that holds back all calls now.
    pub fn held(&self, now: Timestamp) -> Option<Hold> {
        let hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner).clone();
        hold.filter(|hold| hold.until > now && same(&hold.key, &self.settings.api_key.secret().ok()))
    }

    /// Holds back all calls; returns whether this is news, so that it is said once and not for each order.
    pub fn hold(&self, until: Timestamp, detail: String) -> bool {
        let mut held = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        let news = held.as_ref().is_none_or(|before| before.detail != detail);
        *held = Some(Hold { until, detail, key: self.settings.api_key.secret().ok() });
        news
    }

    /// A call went through.
    pub fn release(&self) {
        *self.hold.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn same(a: &Option<SecretString>, b: &Option<SecretString>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.expose_secret() == b.expose_secret(),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl KeySource for SecretRef {
    fn key(&self) -> Result<SecretString, KeyError> {
        self.secret().map_err(Into::into)
    }
}

impl Context {
    /// Builds everything; connects to nothing yet. Accounts whose settings did not change are taken over from
    /// `earlier`, so that the rate the CA sees stays one account's.
    ///
    /// # Errors
    /// One sentence with its hint: a setting that cannot be used.
    pub async fn build(config: Config, state: State, earlier: Option<&Self>) -> Result<Self, String> {
        let mut accounts = HashMap::new();
        for (name, settings) in &config.accounts {
            let same = |account: &&Arc<Account>| {
                // What is tended may change; what the CA sees of us stays.
                let tended = Settings {
                    orders: settings.orders.clone(),
                    discover: settings.discover.clone(),
                    domains: settings.domains.clone(),
                    cname_suffix: settings.cname_suffix.clone(),
                    switch_method: settings.switch_method.clone(),
                    ..account.settings.clone()
                };
                tended == *settings
            };
            let account = match earlier.and_then(|context| context.accounts.get(name)).filter(same) {
                Some(account) => Arc::clone(account),
                None => Arc::new(
                    connect(name, settings, &state)
                        .await
                        .map_err(|error| format!("accounts.{name}: {error}"))?,
                ),
            };
            accounts.insert(name.clone(), account);
        }
        let mut zones = Vec::new();
        for (name, provider) in &config.providers {
            let settings =
                provider.settings.clone().map_secrets(|reference| -> Secret { Arc::new(reference) });
            let built = dns_providers::build(name, settings).await.map_err(|error| {
                let hint = error.next_action().map(|hint| format!(" ({hint})")).unwrap_or_default();
                format!("providers.{name}: {error}{hint}")
            })?;
            for zone in &provider.zones {
                zones.push(ManagedZone {
                    zone: zone.clone(),
                    name: name.clone(),
                    provider: Arc::clone(&built),
                });
            }
        }
        let settings = config.ledger.as_ref().map(|ledger| (ledger.folder.as_path(), ledger.limits));
        // Taken over where it is the same, so that what could not be recorded yet is still told.
        let ledger =
            match (earlier.map(|context| &context.ledger).filter(|ledger| ledger.is(settings)), settings) {
                (Some(ledger), _) => ledger.clone(),
                (None, Some((folder, limits))) => Ledger::new(folder, limits),
                (None, None) => Ledger::off(),
            };
        // Taken over, so that what is shown is shown without a gap.
        let file_store =
            FileStore::new(config.http.routes.clone(), earlier.map(|context| context.publisher.file_store()));
        let held = state.held().await.map_err(|error| chain(&error))?;
        file_store.recall(held.iter().map(|(_, held)| held));
        let publisher = Publisher::start(zones, file_store, &state, &ledger, config.ttl);
        let observer = Observer::new(&config.verify.looking, clock::now)?;
        let policy = Policy { verdict: config.verify.verdict, ..Policy::default() };
        let policies = config
            .accounts
            .iter()
            .map(|(name, account)| (name.clone(), policy_of(account, &policy, &config)));
        let policies = policies.collect();
        Ok(Self { config, accounts, publisher, observer, state, ledger, policy, policies })
    }

    /// What counts as visible.
    #[must_use]
    pub const fn verdict(&self) -> VerdictPolicy {
        self.policy.verdict
    }

    /// The numbers behind decisions about an account's orders and domains.
    #[must_use]
    pub fn policy(&self, account: &str) -> &Policy {
        self.policies.get(account).unwrap_or(&self.policy)
    }
}

fn policy_of(account: &Settings, policy: &Policy, config: &Config) -> Policy {
    let owners = config.providers.values().flat_map(|provider| provider.owners.clone()).collect();
    let mut renewal = policy.renewal;
    if let Some(domains) = &account.domains {
        renewal.window_percent = domains.window_percent;
    }
    let methods = Methods::digicert(account.cname_suffix.clone()).with_owners(owners);
    Policy { methods, renewal, ..policy.clone() }
}

/// Keeps the instants of calls in the state.
#[derive(Debug)]
struct CallLog {
    state: State,
    account: String,
    longest_window: Duration,
}

#[async_trait]
impl CallMemory for CallLog {
    async fn sending(&self) {
        if let Err(error) = self.state.calling(&self.account, clock::now(), self.longest_window).await {
            tracing::warn!(
                "a call to the CA could not be noted, a restart may exceed its rate: {}",
                chain(&error)
            );
        }
    }
}

async fn connect(name: &str, settings: &Settings, state: &State) -> Result<Account, String> {
    let history = state.called(name, clock::now()).await.map_err(|error| chain(&error))?;
    let longest_window = settings.rate.iter().map(|window| window.per).max().unwrap_or_default();
    let memory = CallLog { state: state.clone(), account: name.to_owned(), longest_window };
    let client = builder(settings)?.history(history).memory(memory).build().map_err(|error| chain(&error))?;
    Ok(Account { settings: settings.clone(), client, hold: Mutex::default() })
}

fn builder(settings: &Settings) -> Result<ClientBuilder, String> {
    let mut builder = Client::builder(settings.base_url.clone())
        .key(settings.api_key.clone())
        .rate(settings.rate.clone())
        .user_agent(concat!("dcv-agent/", env!("CARGO_PKG_VERSION")))
        .allow_http_on_loopback(settings.insecure_http)
        .timeout(settings.timeout);
    if let Some(path) = &settings.ca_file {
        let pem = std::fs::read(path).map_err(|error| format!("ca_file {}: {error}", path.display()))?;
        builder = builder.ca_file_pem(pem);
    }
    if let Some(proxy) = &settings.proxy {
        builder = builder.proxy(proxy.clone());
    }
    Ok(builder)
}

/// An error with its causes, each of which speaks for itself only.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
