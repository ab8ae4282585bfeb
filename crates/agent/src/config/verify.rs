//! The settings for looking at DNS, and for judging what is seen there.

use std::{collections::BTreeMap, net::SocketAddr, ops::RangeInclusive};

use dcv_core::{Dnssec, DomainName, Quorum, VerdictPolicy, WebAs};
use dcv_observe::{Endpoint, Resolver, Settings, View};

use super::{
    found::Found,
    proxy::{Proxy, check_proxy},
    raw::{RawDnssec, RawQuorum, RawResolver, RawVerify, RawWebAs},
};

/// How DNS is looked at, and what counts as visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// Whom to ask, but for the proxy.
    pub looking: Settings,
    /// The proxy to resolvers over HTTPS.
    pub proxy: Option<Proxy>,
    /// What is made of the answers.
    pub verdict: VerdictPolicy,
}

impl Default for Verify {
    /// What holds where no configuration says otherwise.
    fn default() -> Self {
        Self::check(RawVerify::default(), &mut Found::new())
    }
}

impl Verify {
    /// Whom to ask, and through which proxy.
    ///
    /// # Errors
    /// When the proxy's password cannot be read.
    pub fn settings(&self) -> Result<Settings, String> {
        let proxy = self.proxy.as_ref().map(Proxy::url).transpose()?;
        Ok(Settings { proxy, ..self.looking.clone() })
    }

    pub(super) fn check(raw: RawVerify, found: &mut Found) -> Self {
        let resolvers = raw.resolvers.unwrap_or_else(|| vec![RawResolver::One("system".into())]);
        let resolvers = check_resolvers("verify.resolvers", &resolvers, found);
        let discovery = raw.discovery_resolvers.map_or_else(
            || resolvers.clone(),
            |raw| check_resolvers("verify.discovery_resolvers", &raw, found),
        );
        let view = View { resolvers, discovery };
        let mut zones = BTreeMap::new();
        for (domain, raw) in raw.zones {
            let key = format!("verify.zones.{domain}");
            let mut own = |leaf: &str, raw: Option<Vec<RawResolver>>| {
                raw.map(|raw| check_resolvers(&format!("{key}.{leaf}"), &raw, found))
            };
            let resolvers = own("resolvers", raw.resolvers);
            let discovery = own("discovery_resolvers", raw.discovery_resolvers);
            let view = View {
                discovery: discovery.or_else(|| resolvers.clone()).unwrap_or_else(|| view.discovery.clone()),
                resolvers: resolvers.unwrap_or_else(|| view.resolvers.clone()),
            };
            match domain.parse::<DomainName>() {
                Ok(name) => drop(zones.insert(name, view)),
                Err(error) => found.push((key, error.to_string())),
            }
        }
        let quorum = match raw.quorum {
            Some(RawQuorum::All) | None => Quorum::All,
            Some(RawQuorum::Mpic) => Quorum::Mpic,
        };
        let dnssec = match raw.dnssec {
            Some(RawDnssec::Enforce) | None => Dnssec::Enforce,
            Some(RawDnssec::Warn) => Dnssec::Warn,
            Some(RawDnssec::Off) => Dnssec::Off,
        };
        let web_as = match raw.web_as {
            Some(RawWebAs::Strict) | None => WebAs::Strict,
            Some(RawWebAs::Library) => WebAs::Library,
            Some(RawWebAs::Http) => WebAs::Http,
        };
        let tolerate_failed = raw.tolerate_failed.unwrap_or(0);
        let verdict = VerdictPolicy { quorum, tolerate_failed, dnssec, web_as };
        let looking = Settings {
            view,
            zones,
            authorities: check_servers("verify.authorities", raw.authorities, found),
            web: check_servers("verify.web", raw.web, found),
            web_tls: check_servers("verify.web_tls", raw.web_tls, found),
            max_qps: max_qps(raw.max_qps, found),
            validate: dnssec != Dnssec::Off,
            trust_anchor: raw.trust_anchor,
            resolv_conf: Settings::default().resolv_conf,
            proxy: None,
            ca_file: raw.ca_file,
        };
        let proxy = check_proxy("verify", raw.proxy, raw.proxy_password, found);
        Self { looking, proxy, verdict }
    }
}

/// As many as strangers are sent at the least, and no more than a machine can send.
const QPS: RangeInclusive<u32> = 5..=100_000;

fn max_qps(raw: Option<u32>, found: &mut Found) -> u32 {
    let max_qps = raw.unwrap_or_else(|| Settings::default().max_qps);
    if !QPS.contains(&max_qps) {
        found.push((
            "verify.max_qps".to_owned(),
            format!("{max_qps} is not from {} to {}", QPS.start(), QPS.end()),
        ));
    }
    max_qps
}

/// The text of a URL without the user and password that may stand in it, whether it has a scheme or not.
fn without_user(text: &str) -> String {
    let Some((before, host)) = text.rsplit_once('@') else { return text.to_owned() };
    let is_scheme = |(scheme, _): &(&str, &str)| scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    let scheme = before.split_once("://").filter(is_scheme);
    let scheme = scheme.map_or_else(String::new, |(scheme, _)| format!("{scheme}://"));
    format!("{scheme}…@{host}")
}

fn check_servers(
    table: &str,
    raw: BTreeMap<String, Vec<String>>,
    found: &mut Found,
) -> BTreeMap<DomainName, Vec<SocketAddr>> {
    let mut authorities = BTreeMap::new();
    for (domain, servers) in raw {
        let key = || format!("{table}.{domain}");
        let mut addresses = Vec::new();
        for text in &servers {
            match text.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => found.push((key(), format!("{text:?} is not address:port"))),
            }
        }
        if servers.is_empty() {
            found.push((key(), "names no server".into()));
        }
        match domain.parse::<DomainName>() {
            Ok(name) => drop(authorities.insert(name, addresses)),
            Err(error) => found.push((key(), error.to_string())),
        }
    }
    authorities
}

fn check_resolvers(key: &str, raw: &[RawResolver], found: &mut Found) -> Vec<Resolver> {
    let mut resolvers = Vec::new();
    for resolver in raw {
        let texts = match resolver {
            RawResolver::One(text) => std::slice::from_ref(text),
            RawResolver::Several(texts) => texts.as_slice(),
        };
        let mut endpoints = Vec::new();
        for text in texts {
            match text.parse::<Endpoint>() {
                Ok(endpoint) => endpoints.push(endpoint),
                Err(error) => found.push((key.to_owned(), format!("{:?} {error}", without_user(text)))),
            }
        }
        if texts.is_empty() {
            found.push((key.to_owned(), "holds an empty list of ways to a resolver".into()));
        }
        resolvers.push(Resolver { endpoints });
    }
    resolvers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A resolver's address that is not understood is told without the password in it.
    #[test]
    fn no_password_of_a_resolvers_address_is_told() {
        for (text, told) in [
            ("https://user:hunter2@dns.example/dns-query", "https://…@dns.example/dns-query"),
            ("htps://user:hunter2@dns.example", "htps://…@dns.example"),
            ("user:hunter2@dns.example", "…@dns.example"),
            ("user:hunter2@dns@dns.example", "…@dns.example"),
            ("user:p://hunter2@dns.example", "…@dns.example"),
            ("192.0.2.300", "192.0.2.300"),
        ] {
            assert_eq!(without_user(text), told);
        }
    }
}
