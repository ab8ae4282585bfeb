//! The settings for looking at DNS.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use dcv_core::{Dnssec, DomainName, Quorum};
use url::Url;

use super::{
    Found, check_url,
    raw::{RawDnssec, RawQuorum, RawResolver, RawVerify},
};

/// How DNS is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// Whom to ask, where nothing else is said.
    pub view: View,
    /// Whom to ask at and below certain domains.
    pub zones: BTreeMap<DomainName, View>,
    /// Authoritative servers instead of discovered ones, by the domain at and below which they hold.
    pub authorities: BTreeMap<DomainName, Vec<SocketAddr>>,
    /// Web servers instead of those that DNS names, by the domain at and below which they hold.
    pub web: BTreeMap<DomainName, Vec<SocketAddr>>,
    /// Authorities that may fail to answer.
    pub tolerate_failed: usize,
    /// How many have to show a value.
    pub quorum: Quorum,
    /// What is made of broken signatures.
    pub dnssec: Dnssec,
    /// DNSKEY records of a private root, instead of IANA's.
    pub trust_anchor: Option<PathBuf>,
    /// A proxy for resolvers over HTTPS.
    pub proxy: Option<Url>,
    /// The certificates that are trusted for resolvers over TLS and HTTPS, PEM; the host's otherwise.
    pub ca_file: Option<PathBuf>,
}

/// Recursive resolvers, by what they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// They are asked about a value once every authority shows it.
    pub resolvers: Vec<Resolver>,
    /// They are asked for name servers and their addresses, never about a validation name.
    pub discovery: Vec<Resolver>,
}

/// A recursive resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// The ways to it; a later one is taken when an earlier one fails.
    pub ways: Vec<Way>,
}

/// A way to a resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// What the host uses.
    System,
    /// Datagrams, and connections for long answers.
    Udp(SocketAddr),
    /// Connections only.
    Tcp(SocketAddr),
    /// DNS over TLS (RFC 7858).
    Tls(SocketAddr, String),
    /// DNS over HTTPS (RFC 8484).
    Https(Url),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Udp(address) => write!(f, "{address}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Tls(address, name) => write!(f, "tls://{address}#{name}"),
            Self::Https(url) => write!(f, "{url}"),
        }
    }
}

impl Default for Verify {
    /// What holds where no configuration says otherwise.
    fn default() -> Self {
        Self::check(RawVerify::default(), &mut Found::new())
    }
}

impl Verify {
    /// Whether the name servers of a domain are configured, not discovered.
    #[must_use]
    pub fn is_pinned(&self, name: &DomainName) -> bool {
        self.authorities.keys().any(|domain| name.is_within(domain))
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
        Self {
            view,
            zones,
            authorities: check_servers("verify.authorities", raw.authorities, found),
            web: check_servers("verify.web", raw.web, found),
            tolerate_failed: raw.tolerate_failed.unwrap_or(0),
            quorum,
            dnssec,
            trust_anchor: raw.trust_anchor,
            proxy: raw.proxy.and_then(|text| check_url("verify.proxy", &text, found)),
            ca_file: raw.ca_file,
        }
    }
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
        let mut ways = Vec::new();
        for text in texts {
            match way(text) {
                Some(way) => ways.push(way),
                None => found.push((
                    key.to_owned(),
                    format!(
                        "{text:?} is none of \"system\", \"192.0.2.1\", \"192.0.2.1:5353\", \"tcp://192.0.2.1\", \"tls://192.0.2.1#dns.example\", \"https://dns.example/dns-query\""
                    ),
                )),
            }
        }
        if texts.is_empty() {
            found.push((key.to_owned(), "holds an empty list of ways to a resolver".into()));
        }
        resolvers.push(Resolver { ways });
    }
    resolvers
}

fn way(text: &str) -> Option<Way> {
    if text == "system" {
        return Some(Way::System);
    }
    if text.starts_with("https://") {
        return Url::parse(text).ok().map(Way::Https);
    }
    if let Some(rest) = text.strip_prefix("tls://") {
        let (place, name) = rest.split_once('#').unwrap_or((rest, ""));
        let address = address(place, 853)?;
        let name = if name.is_empty() { address.ip().to_string() } else { name.to_owned() };
        return Some(Way::Tls(address, name));
    }
    if let Some(place) = text.strip_prefix("tcp://") {
        return address(place, 53).map(Way::Tcp);
    }
    address(text.strip_prefix("udp://").unwrap_or(text), 53).map(Way::Udp)
}

/// `192.0.2.1`, `192.0.2.1:53`, `2001:db8::1` or `[2001:db8::1]:53`.
fn address(text: &str, port: u16) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().or_else(|| bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_as_people_write_them() {
        for (text, expected) in [
            ("system", "system"),
            ("192.0.2.1", "192.0.2.1:53"),
            ("192.0.2.1:5353", "192.0.2.1:5353"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
            ("udp://192.0.2.1", "192.0.2.1:53"),
            ("tcp://192.0.2.1", "tcp://192.0.2.1:53"),
            ("tls://192.0.2.1", "tls://192.0.2.1:853#192.0.2.1"),
            ("tls://[2001:db8::1]#dns.example", "tls://[2001:db8::1]:853#dns.example"),
            ("https://dns.example/dns-query", "https://dns.example/dns-query"),
        ] {
            assert_eq!(way(text).map(|way| way.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "dns.example",
            "http://dns.example/dns-query",
            "tls://dns.example",
            "192.0.2.1:x",
            "quic://192.0.2.1",
        ] {
            assert_eq!(way(text), None, "{text}");
        }
    }
}
