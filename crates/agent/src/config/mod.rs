//! The configuration: read from file, drop-ins and environment, checked once, then impossible to get wrong.

mod load;
mod raw;
mod secret;
mod verify;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use dcv_core::{DomainName, Method, OrderStatus, Pattern, Patterns, Stage, Ttl};
use digicert_api::Window;
use dns_providers::{Settings, Zone};
use url::Url;

use self::raw::{Platform, Raw, RawAccount, RawDiscover, RawLedger, RawProvider, RawSwitch};
pub use self::{
    load::{Problem, Problems, load},
    raw::LogFormat,
    secret::SecretRef,
    verify::{Resolver, Verify, View, Way},
};

use crate::ledger::Limits;

type Found = Vec<(String, String)>;

/// A configuration that has been checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The journal's file.
    pub state: PathBuf,
    /// Where health and metrics are served, if anywhere.
    pub listen: Option<SocketAddr>,
    /// Steps under way at once.
    pub concurrency: usize,
    /// A `tracing` filter.
    pub log_level: String,
    /// How logs are written.
    pub log_format: LogFormat,
    /// DigiCert accounts by name.
    pub accounts: BTreeMap<String, Account>,
    /// DNS providers by name.
    pub providers: BTreeMap<String, Provider>,
    /// Time to live of new records.
    pub ttl: Ttl,
    /// How DNS is looked at.
    pub verify: Verify,
    /// Where evidence is kept, if anywhere.
    pub ledger: Option<Ledger>,
}

/// Where evidence is kept, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The folder.
    pub folder: PathBuf,
    /// Sizes, and whether it is required.
    pub limits: Limits,
}

/// One API key on one platform.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Where the API is.
    pub base_url: Url,
    /// Plain HTTP is allowed, to a loopback address only.
    pub insecure_http: bool,
    /// The key.
    pub api_key: SecretRef,
    /// The orders to validate, with the scopes that were given.
    pub orders: BTreeMap<u64, Vec<DomainName>>,
    /// Which other orders of the account are taken up, if any.
    pub discover: Option<Discover>,
    /// What orders by e-mail are changed to, if they may be.
    pub switch_method: Option<Method>,
    /// The rate limit's windows.
    pub rate: Vec<Window>,
    /// More CA certificates, PEM.
    pub ca_file: Option<PathBuf>,
    /// An HTTP(S) proxy.
    pub proxy: Option<Url>,
    /// The longest a call may take.
    pub timeout: Duration,
}

/// Which orders of an account are taken up without being named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discover {
    /// Orders in these states.
    pub statuses: Vec<OrderStatus>,
    /// Orders with these names.
    pub patterns: Patterns,
    /// How often the account is asked what has changed.
    pub every: Duration,
    /// What orders by e-mail are changed to, if they may be.
    pub switch_method: Option<Method>,
}

/// One DNS account or server.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The zones that are its to serve.
    pub zones: Vec<Zone>,
    /// Its kind's settings.
    pub settings: Settings<SecretRef>,
}

impl Config {
    fn check(raw: Raw, found: &mut Found) -> Self {
        let state = raw.agent.state.as_deref().unwrap_or("sqlite:///var/lib/dcv-agent/state.db");
        let state = match state.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => {
                found.push((
                    "agent.state".into(),
                    format!("{state:?} is not of the form \"sqlite:///path/to/state.db\""),
                ));
                PathBuf::new()
            }
        };
        let listen = match raw.agent.listen.as_deref() {
            None => Some(SocketAddr::from(([127, 0, 0, 1], 9780))),
            Some("") => None,
            Some(text) => text
                .parse()
                .map_err(|_| {
                    found.push((
                        "agent.listen".into(),
                        format!("{text:?} is not address:port, or \"\" to turn it off"),
                    ))
                })
                .ok(),
        };
        let log_level = raw.agent.log.level.unwrap_or_else(|| "info".into());
        if log_level.parse::<tracing_subscriber::filter::Targets>().is_err() {
            found.push((
                "agent.log.level".into(),
                format!("{log_level:?} is not a level (error, warn, info, debug, trace) or filter"),
            ));
        }
        let concurrency = raw.agent.concurrency.unwrap_or(64);
        if !(1..=4096).contains(&concurrency) {
            found.push(("agent.concurrency".into(), "is outside 1 to 4096".into()));
        }
        let ttl = raw.records.ttl.unwrap_or_else(|| Ttl::default().as_secs());
        let ttl = Ttl::from_secs(ttl).unwrap_or_else(|| {
            found.push(("records.ttl".into(), format!("{ttl} is outside 1 to 86400 seconds")));
            Ttl::default()
        });
        for name in raw.accounts.keys().chain(raw.providers.keys()) {
            // The environment knows only lower case, so a name with capitals would become two entries.
            if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
            {
                let key = if raw.accounts.contains_key(name) { "accounts" } else { "providers" };
                found.push((format!("{key}.{name}"), "a name holds a-z, 0-9, - and _ only".into()));
            }
        }
        if raw.accounts.is_empty() {
            found.push((
                String::new(),
                "no account is configured; add [accounts.<name>] with api_key and orders".into(),
            ));
        }
        if raw.providers.is_empty() {
            found.push((
                String::new(),
                "no provider is configured; add [providers.<name>] with kind and zones".into(),
            ));
        }
        let accounts = raw
            .accounts
            .into_iter()
            .filter_map(|(name, account)| Some((name.clone(), check_account(&name, account, found)?)))
            .collect();
        let providers: BTreeMap<_, _> = raw
            .providers
            .into_iter()
            .filter_map(|(name, provider)| Some((name.clone(), check_provider(&name, provider, found)?)))
            .collect();
        check_claims(&providers, found);
        let verify = Verify::check(raw.verify, found);
        let log_format = raw.agent.log.format.unwrap_or_default();
        let ledger = check_ledger(raw.ledger, found);
        Self { state, listen, concurrency, log_level, log_format, accounts, providers, ttl, verify, ledger }
    }

    /// Whether an order is named by number.
    #[must_use]
    pub fn names(&self, account: &str, order: u64) -> bool {
        self.accounts.get(account).is_some_and(|account| account.orders.contains_key(&order))
    }

    /// The zone that serves a name, and its provider: the longest suffix wins.
    #[must_use]
    pub fn route(&self, name: &DomainName) -> Option<(&str, &Zone)> {
        self.providers
            .iter()
            .flat_map(|(provider, settings)| settings.zones.iter().map(move |zone| (provider.as_str(), zone)))
            .filter(|(_, zone)| name.is_within(&zone.name))
            .max_by_key(|(_, zone)| zone.name.as_str().len())
    }
}

fn check_ledger(raw: RawLedger, found: &mut Found) -> Option<Ledger> {
    let default = Limits::default();
    let rotate = raw.rotate_mib.unwrap_or(default.rotate >> 20);
    if !(1..=16_384).contains(&rotate) {
        found.push(("ledger.rotate_mib".into(), "is outside 1 to 16384".into()));
        return None;
    }
    let limits =
        Limits { rotate: rotate << 20, keep: raw.keep.unwrap_or(default.keep), required: raw.required };
    match raw.folder {
        Some(folder) if folder.is_absolute() => Some(Ledger { folder, limits }),
        Some(_) => {
            found.push(("ledger.folder".into(), "is not an absolute path".into()));
            None
        }
        None => {
            if raw.required {
                found.push(("ledger.required".into(), "needs ledger.folder".into()));
            }
            None
        }
    }
}

fn check_account(name: &str, raw: RawAccount, found: &mut Found) -> Option<Account> {
    let before = found.len();
    let key = |leaf: &str| format!("accounts.{name}.{leaf}");
    let base_url = match (raw.platform, raw.base_url) {
        (Some(_), Some(_)) => {
            found.push((key("base_url"), "stands beside platform; keep one".into()));
            None
        }
        (Some(Platform::Us) | None, None) => Some(digicert_api::US.to_owned()),
        (Some(Platform::Eu), None) => Some(digicert_api::EU.to_owned()),
        (None, Some(text)) => Some(text),
    };
    let base_url = base_url.and_then(|text| check_url(&key("base_url"), &text, found));
    if let Some(url) = &base_url {
        let loopback = match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(host)) => host == "localhost",
            None => false,
        };
        match (url.scheme(), raw.insecure_http, loopback) {
            ("https", ..) | ("http", true, true) => {}
            ("http", false, true) => {
                found.push((key("base_url"), "plain http needs insecure_http = true".into()))
            }
            _ => found.push((
                key("base_url"),
                "must be https; plain http is accepted for a loopback address only".into(),
            )),
        }
    }
    match &raw.api_key {
        None => found.push((key("api_key"), "is missing; write { file = \"…\" } or { env = \"…\" }".into())),
        Some(reference) => {
            if let Some(problem) = reference.problem() {
                found.push((key("api_key"), problem.into()));
            }
        }
    }
    let mut orders = BTreeMap::new();
    for order in raw.orders {
        let mut scopes = Vec::new();
        for scope in &order.scopes {
            match DomainName::scope(scope) {
                Ok(scope) => scopes.push(scope),
                Err(error) => found.push((key("orders"), format!("order {}: {error}", order.id))),
            }
        }
        scopes.sort();
        scopes.dedup();
        if orders.insert(order.id, scopes).is_some() {
            found.push((key("orders"), format!("order {} stands here twice", order.id)));
        }
    }
    let switch_method = raw.switch_method.map(|RawSwitch::DnsTxt| Method::DnsTxt);
    let discover =
        raw.discover.map(|raw| check_discover(&key("discover"), raw, switch_method.clone(), found));
    let rate = [(raw.rate.short, "rate.short", "100/5s"), (raw.rate.long, "rate.long", "1000/300s")]
        .into_iter()
        .filter_map(|(text, leaf, default)| {
            let text = text.unwrap_or_else(|| default.to_owned());
            window(&text).or_else(|| {
                found.push((key(leaf), format!("{text:?} is not of the form \"100/5s\" (calls, seconds)")));
                None
            })
        })
        .collect();
    let proxy = raw.proxy.and_then(|text| check_url(&key("proxy"), &text, found));
    let timeout = raw.timeout_seconds.unwrap_or(30);
    if !(1..=600).contains(&timeout) {
        found.push((key("timeout_seconds"), "is outside 1 to 600".into()));
    }
    if found.len() > before {
        return None;
    }
    Some(Account {
        base_url: base_url?,
        insecure_http: raw.insecure_http,
        api_key: raw.api_key?,
        orders,
        discover,
        switch_method,
        rate,
        ca_file: raw.ca_file,
        proxy,
        timeout: Duration::from_secs(timeout),
    })
}

fn check_discover(key: &str, raw: RawDiscover, switch_method: Option<Method>, found: &mut Found) -> Discover {
    let mut statuses = Vec::new();
    for text in
        raw.statuses.unwrap_or_else(|| ["pending", "reissue_pending", "processing"].map(Into::into).into())
    {
        let status = OrderStatus::from(text.as_str());
        if status.stage() == Stage::Work {
            statuses.push(status);
        } else {
            let what = format!(
                "{text:?} is no state in which there is work; known: pending, reissue_pending, processing, approved, submitted"
            );
            found.push((format!("{key}.statuses"), what));
        }
    }
    let mut read = |leaf: &str, texts: Vec<String>| -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for text in texts {
            match text.parse() {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    let error: dcv_core::NameError = error;
                    found.push((format!("{key}.{leaf}"), error.to_string()));
                }
            }
        }
        patterns
    };
    let patterns = Patterns { only: read("only", raw.only), except: read("except", raw.except) };
    if let Some((only, except)) = patterns.conflict() {
        let what = format!(
            "{:?} can never match: {:?} in except takes all of it",
            only.to_string(),
            except.to_string()
        );
        found.push((format!("{key}.only"), what));
    }
    let every = raw.every_seconds.unwrap_or(60);
    if !(5..=3600).contains(&every) {
        found.push((format!("{key}.every_seconds"), "is outside 5 to 3600".into()));
    }
    Discover { statuses, patterns, every: Duration::from_secs(every), switch_method }
}

fn check_url(key: &str, text: &str, found: &mut Found) -> Option<Url> {
    Url::parse(text)
        .map_err(|error| found.push((key.to_owned(), format!("{text:?} is not a URL: {error}"))))
        .ok()
}

/// Reads `100/5s`.
fn window(text: &str) -> Option<Window> {
    let (calls, per) = text.split_once('/')?;
    let calls = calls.trim().parse().ok().filter(|&calls| calls > 0)?;
    let seconds: u64 = per.trim().strip_suffix('s')?.parse().ok().filter(|per| (1..=86_400).contains(per))?;
    Some(Window { calls, per: Duration::from_secs(seconds) })
}

fn check_provider(name: &str, raw: RawProvider, found: &mut Found) -> Option<Provider> {
    let before = found.len();
    let key = |leaf: &str| format!("providers.{name}.{leaf}");
    let mut zones = Vec::new();
    for zone in raw.zones {
        match zone.name.parse() {
            Ok(name) => zones.push(Zone { name, id: zone.id }),
            Err(error) => found.push((key("zones"), error.to_string())),
        }
    }
    if zones.is_empty() && found.len() == before {
        found.push((key("zones"), "is missing or empty; name the zones that this provider serves".into()));
    }
    let settings =
        serde_path_to_error::deserialize::<_, Settings<SecretRef>>(serde_json::Value::Object(raw.settings));
    let settings = settings
        .map_err(|error| {
            let message = error.inner().to_string();
            let mut path = error.path().to_string();
            let what = match load::unknown_field(&message) {
                Some((field, expected)) => {
                    path = field.clone();
                    load::unknown(&field, &expected)
                }
                None => message,
            };
            let leaf = if path == "." || path.is_empty() { "kind" } else { path.trim_start_matches('.') };
            found.push((key(leaf), what));
        })
        .ok();
    if found.len() > before {
        return None;
    }
    Some(Provider { zones, settings: settings? })
}

/// Two providers for one zone would each undo what the other knows.
fn check_claims(providers: &BTreeMap<String, Provider>, found: &mut Found) {
    let mut claimed: BTreeMap<&DomainName, &str> = BTreeMap::new();
    for (name, provider) in providers {
        for zone in &provider.zones {
            if let Some(other) = claimed.insert(&zone.name, name) {
                let what = format!("{} is claimed by {other} as well; a zone has one provider", zone.name);
                found.push((format!("providers.{name}.zones"), what));
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tells whether a key came from the environment")]
fn is_set(variable: &str) -> bool {
    std::env::vars().any(|(name, _)| name.eq_ignore_ascii_case(variable))
}
