//! A DigiCert account: its key, its limits, and what of it is tended.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use dcv_core::{DomainName, Method, OrderStatus, Pattern, Patterns, Stage};
use digicert_api::Window;
use url::{Host, Url};

use super::{
    SecretRef,
    found::{Found, check_url},
    proxy::{Proxy, check_proxy},
    raw::{Platform, RawAccount, RawDiscover, RawDomains, RawOrder, RawSwitch},
};

/// One API key on one platform, and what of it is looked after.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// How it is connected.
    pub connection: Connection,
    /// The orders to validate, with the scopes that were given.
    pub orders: BTreeMap<u64, Vec<DomainName>>,
    /// Which other orders of the account are taken up, if any.
    pub discover: Option<Discover>,
    /// Which domains of the account are kept valid, if any.
    pub domains: Option<Domains>,
    /// The host below which the targets of `dns-cname-token` lie.
    pub cname_suffix: DomainName,
    /// What orders by e-mail are changed to, if they may be.
    pub switch_method: Option<Method>,
}

/// How an account is connected: what the CA sees of us. Two accounts are the same where these are.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Where the API is.
    pub base_url: Url,
    /// Plain HTTP is allowed, to a loopback address only.
    pub insecure_http: bool,
    /// The key.
    pub api_key: SecretRef,
    /// The rate limit's windows.
    pub rate: Vec<Window>,
    /// More CA certificates, PEM.
    pub ca_file: Option<PathBuf>,
    /// An HTTP(S) proxy.
    pub proxy: Option<Proxy>,
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

pub(super) fn check_account(name: &str, raw: RawAccount, found: &mut Found) -> Option<Account> {
    let before = found.len();
    let key = |leaf: &str| format!("accounts.{name}.{leaf}");
    let base_url = check_base_url(&key("base_url"), raw.platform, raw.base_url, raw.insecure_http, found);
    if raw.api_key.is_none() {
        let ways = "is missing; write { file = \"…\" }, { env = \"…\" } or { credential = \"…\" }";
        found.push((key("api_key"), ways.into()));
    }
    let orders = check_orders(&key("orders"), raw.orders, found);
    let switch_method = raw.switch_method.map(|RawSwitch::DnsTxt| Method::DnsTxt);
    let discover =
        raw.discover.map(|raw| check_discover(&key("discover"), raw, switch_method.clone(), found));
    let domains = raw.domains.map(|raw| check_domains(&key("domains"), &raw, switch_method.clone(), found));
    let cname_suffix = raw.cname_suffix.as_deref().unwrap_or("dcv.digicert.com").parse();
    let cname_suffix = cname_suffix
        .map_err(|error: dcv_core::NameError| found.push((key("cname_suffix"), error.to_string())));
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
    let proxy = check_proxy(&format!("accounts.{name}"), raw.proxy, raw.proxy_password, found);
    let timeout = raw.timeout_seconds.unwrap_or(30);
    if !(1..=600).contains(&timeout) {
        found.push((key("timeout_seconds"), "is outside 1 to 600".into()));
    }
    if found.len() > before {
        return None;
    }
    let connection = Connection {
        base_url: base_url?,
        insecure_http: raw.insecure_http,
        api_key: raw.api_key?,
        rate,
        ca_file: raw.ca_file,
        proxy,
        timeout: Duration::from_secs(timeout),
    };
    Some(Account { connection, orders, discover, domains, cname_suffix: cname_suffix.ok()?, switch_method })
}

/// Where the account is: DigiCert's platform, or another address, over https but on this host.
fn check_base_url(
    key: &str,
    platform: Option<Platform>,
    base_url: Option<String>,
    insecure_http: bool,
    found: &mut Found,
) -> Option<Url> {
    let text = match (platform, base_url) {
        (Some(_), Some(_)) => {
            found.push((key.to_owned(), "stands beside platform; keep one".into()));
            return None;
        }
        (Some(Platform::Us) | None, None) => digicert_api::US.to_owned(),
        (Some(Platform::Eu), None) => digicert_api::EU.to_owned(),
        (None, Some(text)) => text,
    };
    let url = check_url(key, &text, found)?;
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(host)) => host == "localhost",
        None => false,
    };
    match (url.scheme(), insecure_http, loopback) {
        ("https", ..) | ("http", true, true) => {}
        ("http", false, true) => found.push((key.to_owned(), "plain http needs insecure_http = true".into())),
        _ => found.push((
            key.to_owned(),
            "must be https; plain http is accepted for a loopback address only".into(),
        )),
    }
    Some(url)
}

/// Orders by number, each with its scopes where they are given.
fn check_orders(key: &str, raw: Vec<RawOrder>, found: &mut Found) -> BTreeMap<u64, Vec<DomainName>> {
    let mut orders = BTreeMap::new();
    for order in raw {
        let mut scopes = Vec::new();
        for scope in &order.scopes {
            match DomainName::scope(scope) {
                Ok(scope) => scopes.push(scope),
                Err(error) => found.push((key.to_owned(), format!("order {}: {error}", order.id))),
            }
        }
        scopes.sort();
        scopes.dedup();
        if orders.insert(order.id, scopes).is_some() {
            found.push((key.to_owned(), format!("order {} stands here twice", order.id)));
        }
    }
    orders
}

/// Which prevalidated domains of an account are kept valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domains {
    /// Domains with these names.
    pub patterns: Patterns,
    /// How often the list of domains is read.
    pub every: Duration,
    /// In which last part of the time for which a proof may be used it is renewed.
    pub window_percent: u8,
    /// What domains by e-mail are changed to, if they may be.
    pub switch_method: Option<Method>,
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
    let patterns = check_patterns(key, &raw.only, &raw.except, found);
    let every = raw.every_seconds.unwrap_or(60);
    if !(5..=3600).contains(&every) {
        found.push((format!("{key}.every_seconds"), "is outside 5 to 3600".into()));
    }
    Discover { statuses, patterns, every: Duration::from_secs(every), switch_method }
}

/// Reads `100/5s`.
fn window(text: &str) -> Option<Window> {
    let (calls, per) = text.split_once('/')?;
    let calls = calls.trim().parse().ok().filter(|&calls| calls > 0)?;
    let seconds: u64 = per.trim().strip_suffix('s')?.parse().ok().filter(|per| (1..=86_400).contains(per))?;
    Some(Window { calls, per: Duration::from_secs(seconds) })
}

fn check_domains(key: &str, raw: &RawDomains, switch_method: Option<Method>, found: &mut Found) -> Domains {
    let every = raw.every_seconds.unwrap_or(3600);
    if !(5..=86_400).contains(&every) {
        found.push((format!("{key}.every_seconds"), "is outside 5 to 86400".into()));
    }
    let window_percent = raw.window_percent.unwrap_or(33);
    if !(5..=90).contains(&window_percent) {
        found.push((format!("{key}.window_percent"), "is outside 5 to 90".into()));
    }
    let patterns = check_patterns(key, &raw.only, &raw.except, found);
    Domains { patterns, every: Duration::from_secs(every), window_percent, switch_method }
}

fn check_patterns(key: &str, only: &[String], except: &[String], found: &mut Found) -> Patterns {
    let mut read = |leaf: &str, texts: &[String]| {
        let key = format!("{key}.{leaf}");
        texts.iter().filter_map(|text| check_pattern(&key, text, found)).collect()
    };
    let patterns = Patterns { only: read("only", only), except: read("except", except) };
    if let Some((only, except)) = patterns.conflict() {
        let what = format!(
            "{:?} can never match: {:?} in except takes all of it",
            only.to_string(),
            except.to_string()
        );
        found.push((format!("{key}.only"), what));
    }
    patterns
}

/// Reads a pattern over names.
pub(super) fn check_pattern(key: &str, text: &str, found: &mut Found) -> Option<Pattern> {
    text.parse().map_err(|error: dcv_core::NameError| found.push((key.to_owned(), error.to_string()))).ok()
}
