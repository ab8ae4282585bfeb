//! A configuration that has been checked.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use dcv_core::{DomainName, Owner, Routing, Ttl};
use dns_providers::{KINDS, NATIVE, Settings, Zone, instead_of};
use serde_json::{Map, Value as Json};

use super::{
    Account, Http, LogFormat, SecretRef, StateAt, Verify, account,
    found::Found,
    raw::{Acting, Raw, RawLedger, RawProvider},
    unknown::{unknown, unknown_field, without_value},
};
use crate::ledger::Limits;

type JsonMap = Map<String, Json>;

/// A configuration that has been checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the state is.
    pub state: StateAt,
    /// Where health and metrics are served, if anywhere.
    pub listen: Option<SocketAddr>,
    /// Further hosts that the pages may be asked for by.
    pub hosts: Vec<String>,
    /// Steps under way at once.
    pub concurrency: usize,
    /// Whether anything is done.
    pub acting: Acting,
    /// A `tracing` filter, where one is set.
    pub log_level: Option<String>,
    /// How logs are written.
    pub log_format: LogFormat,
    /// DigiCert accounts by name.
    pub accounts: BTreeMap<String, Account>,
    /// DNS providers by name.
    pub providers: BTreeMap<String, Provider>,
    /// Time to live of new records.
    pub ttl: Ttl,
    /// Records may be written although the host then no longer lives by its wildcard.
    pub over_wildcards: bool,
    /// How files of `http-token` reach the CA.
    pub http: Http,
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

/// One DNS account or server.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The zones that are its to serve.
    pub zones: Vec<Zone>,
    /// At which names records of these zones go.
    pub owners: BTreeMap<DomainName, Owner>,
    /// Its kind's settings.
    pub settings: Settings<SecretRef>,
}

impl Config {
    pub(super) fn check(raw: Raw, found: &mut Found) -> Self {
        check_entries(&raw, found);
        let state = StateAt::check(&raw.agent, found);
        let listen = check_listen(raw.agent.listen.as_deref(), found);
        check_hosts(&raw.agent.hosts, found);
        let log_level = raw.agent.log.level;
        let is_filter = |level: &String| level.parse::<tracing_subscriber::filter::Targets>().is_ok();
        if let Some(level) = log_level.as_ref().filter(|level| !is_filter(level)) {
            let what = format!("{level:?} is not a level (error, warn, info, debug, trace) or filter");
            found.push(("agent.log.level".into(), what));
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
        let owner = raw.records.owner.unwrap_or_default();
        let accounts = raw
            .accounts
            .into_iter()
            .filter_map(|(name, account)| {
                Some((name.clone(), account::check_account(&name, account, found)?))
            })
            .collect();
        let providers: BTreeMap<_, _> = raw
            .providers
            .into_iter()
            .filter_map(|(name, provider)| {
                Some((name.clone(), check_provider(&name, provider, owner, found)?))
            })
            .collect();
        check_claims(&providers, found);
        let verify = Verify::check(raw.verify, found);
        let log_format = raw.agent.log.format.unwrap_or_default();
        let ledger = check_ledger(raw.ledger, found);
        let http = Http::check(raw.http, listen, found);
        Self {
            state,
            listen,
            hosts: raw.agent.hosts,
            concurrency,
            acting: raw.agent.mode.unwrap_or_default(),
            log_level,
            log_format,
            accounts,
            providers,
            ttl,
            over_wildcards: raw.records.over_wildcards,
            http,
            verify,
            ledger,
        }
    }

    /// Whether an order is named by number.
    #[must_use]
    pub fn names(&self, account: &str, order: u64) -> bool {
        self.accounts.get(account).is_some_and(|account| account.orders.contains_key(&order))
    }

    /// The zone that serves a name, and its provider: the longest suffix wins.
    #[must_use]
    pub fn route(&self, name: &DomainName) -> Option<(&str, &Zone)> {
        let zones = self.providers.iter().flat_map(|(provider, settings)| {
            settings.zones.iter().map(move |zone| (&zone.name, (provider.as_str(), zone)))
        });
        name.closest(zones)
    }
}

impl Routing for Config {
    fn zone(&self, name: &DomainName) -> Option<&DomainName> {
        self.route(name).map(|(_, zone)| &zone.name)
    }

    fn shows_files(&self, host: &DomainName) -> bool {
        self.http.routes.of(host).is_some()
    }

    fn over_wildcards(&self) -> bool {
        self.over_wildcards
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

fn check_listen(text: Option<&str>, found: &mut Found) -> Option<SocketAddr> {
    match text {
        None => Some(SocketAddr::from(([127, 0, 0, 1], 9780))),
        Some("") => None,
        Some(text) => {
            let what = || format!("{text:?} is not address:port, or \"\" to turn it off");
            text.parse().map_err(|_| found.push(("agent.listen".into(), what()))).ok()
        }
    }
}

fn check_hosts(hosts: &[String], found: &mut Found) {
    // What else a browser sends is never equal to such a text.
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']');
    for host in hosts.iter().filter(|host| host.is_empty() || !host.chars().all(is_host)) {
        let what =
            format!("{host:?} is not a host such as \"status.example.com\" or \"status.example.com:8080\"");
        found.push(("agent.hosts".into(), what));
    }
}

/// Names of accounts and providers, and that there are some.
fn check_entries(raw: &Raw, found: &mut Found) {
    // The environment knows only lower case, so a name with capitals would become two entries.
    let is_name = |name: &str| {
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    let accounts = raw.accounts.keys().map(|name| ("accounts", name));
    let providers = raw.providers.keys().map(|name| ("providers", name));
    for (table, name) in accounts.chain(providers).filter(|(_, name)| !is_name(name)) {
        found.push((format!("{table}.{name}"), "a name holds a-z, 0-9, - and _ only".into()));
    }
    if raw.accounts.is_empty() {
        let what = "no account is configured; add [accounts.<name>] with api_key and orders";
        found.push((String::new(), what.into()));
    }
    let files = raw.http.listen.is_some() || !raw.http.webroots.is_empty();
    if raw.providers.is_empty() && !files {
        let what =
            "no provider is configured; add [providers.<name>] with kind and zones, or [http] for http-token";
        found.push((String::new(), what.into()));
    }
}

fn check_provider(name: &str, raw: RawProvider, owner: Owner, found: &mut Found) -> Option<Provider> {
    let before = found.len();
    let key = |leaf: &str| format!("providers.{name}.{leaf}");
    let (mut zones, mut owners) = (Vec::new(), BTreeMap::new());
    for zone in raw.zones {
        match zone.name.parse::<DomainName>() {
            Ok(name) => {
                owners.insert(name.clone(), zone.owner.unwrap_or(owner));
                zones.push(Zone { name, id: zone.id });
            }
            Err(error) => found.push((key("zones"), error.to_string())),
        }
    }
    if zones.is_empty() && found.len() == before {
        found.push((key("zones"), "is missing or empty; name the zones that this provider serves".into()));
    }
    let settings = check_settings(name, raw.settings, found);
    if found.len() > before {
        return None;
    }
    Some(Provider { zones, owners, settings: settings? })
}

/// The kinds there are, for a sentence: the one that was probably meant, or those with code of their own and where the vendors
/// are listed.
fn known_kinds(meant: Option<&str>) -> String {
    let near = |meant: &str| {
        let distance = |kind: &&&str| strsim::damerau_levenshtein(meant, kind);
        KINDS.iter().min_by_key(distance).filter(|kind| distance(kind) <= 2).copied()
    };
    match meant.and_then(near) {
        Some(kind) => format!("did you mean {kind:?}?"),
        None if KINDS.len() > NATIVE.len() => {
            let vendors = KINDS.len() - NATIVE.len();
            format!("known here: {}, and {vendors} vendors (docs/providers.md)", NATIVE.join(", "))
        }
        None => format!("known here: {}", NATIVE.join(", ")),
    }
}

/// A kind's own settings. They are read below their kind's name, by which serde leads to the key that is wrong.
fn check_settings(name: &str, mut raw: JsonMap, found: &mut Found) -> Option<Settings<SecretRef>> {
    let kind = match raw.remove("kind") {
        Some(Json::String(kind)) if KINDS.contains(&kind.as_str()) => kind,
        Some(Json::String(kind)) => {
            let instead = instead_of(&kind).map(|what| format!(": {what}")).unwrap_or_default();
            let what = format!("{kind:?} is no kind of provider{instead}; {}", known_kinds(Some(&kind)));
            found.push((format!("providers.{name}.kind"), what));
            return None;
        }
        Some(_) | None => {
            found.push((format!("providers.{name}.kind"), format!("is missing; {}", known_kinds(None))));
            return None;
        }
    };
    let below = Json::Object(JsonMap::from_iter([(kind, Json::Object(raw))]));
    serde_path_to_error::deserialize(below)
        .map_err(|error| {
            let message = error.inner().to_string();
            let mut path: Vec<String> = error.path().to_string().split('.').map(str::to_owned).collect();
            path.remove(0);
            let mut what = without_value(&message);
            if let Some((field, expected)) = unknown_field(&message) {
                if path.last() != Some(&field) {
                    path.push(field.clone());
                }
                what = unknown(&field, &expected);
            } else if let Some((_, expected)) =
                message.strip_prefix("unknown variant `").and_then(|rest| rest.rsplit_once("`, expected "))
                && !path.is_empty()
            {
                what = format!("is not what it may be, {expected}");
            }
            path.insert(0, format!("providers.{name}"));
            found.push((path.join("."), what));
        })
        .ok()
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
