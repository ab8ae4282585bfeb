//! Whom to ask, as checked data. Reading it from a file is somebody else's work.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use dcv_core::DomainName;
use url::Url;

/// Where hosts name their resolvers (resolv.conf(5)).
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// A tenth of what a name server answers on one processor; what goes beyond it goes over a connection.
const MAX_QPS: u32 = 10_000;

/// How DNS and web servers are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whom to ask, where nothing else is said.
    pub view: View,
    /// Whom to ask at and below certain domains.
    pub zones: BTreeMap<DomainName, View>,
    /// Authoritative servers instead of discovered ones, by the domain at and below which they hold.
    pub authorities: BTreeMap<DomainName, Vec<SocketAddr>>,
    /// Web servers instead of those that DNS names, by the domain at and below which they hold.
    pub web: BTreeMap<DomainName, Vec<SocketAddr>>,
    /// What answers for HTTPS of hosts whose web servers are configured; port 443 of those that stand for port 80, where nothing
    /// is said.
    pub web_tls: BTreeMap<DomainName, Vec<SocketAddr>>,
    /// Datagrams a second that an authoritative server may be sent which is configured or on this host.
    pub max_qps: u32,
    /// Whether signatures are asked for and validated.
    pub validate: bool,
    /// DNSKEY records of a private root, instead of IANA's.
    pub trust_anchor: Option<PathBuf>,
    /// Where the host names its resolvers, `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
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
    /// Where it is asked; a later endpoint is taken when an earlier one fails.
    pub endpoints: Vec<Endpoint>,
}

/// Where and how a resolver is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// What the host uses.
    System,
    /// Datagrams, and connections for long answers.
    Udp(SocketAddr),
    /// Connections only.
    Tcp(SocketAddr),
    /// DNS over TLS (RFC 7858), with the name that its certificate is for.
    Tls(SocketAddr, String),
    /// DNS over HTTPS (RFC 8484).
    Https(Url),
}

/// A text that names no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is none of \"system\", \"192.0.2.1\", \"192.0.2.1:5353\", \"tcp://192.0.2.1\", \"tls://192.0.2.1#dns.example\", \"https://dns.example/dns-query\""
)]
pub struct EndpointError;

impl Default for Settings {
    /// The host's own resolvers, and whatever DNS names.
    fn default() -> Self {
        let system = vec![Resolver { endpoints: vec![Endpoint::System] }];
        Self {
            view: View { resolvers: system.clone(), discovery: system },
            zones: BTreeMap::new(),
            authorities: BTreeMap::new(),
            web: BTreeMap::new(),
            web_tls: BTreeMap::new(),
            max_qps: MAX_QPS,
            validate: true,
            trust_anchor: None,
            resolv_conf: RESOLV_CONF.into(),
            proxy: None,
            ca_file: None,
        }
    }
}

impl Settings {
    /// Whether the name servers of a domain are configured, not discovered.
    #[must_use]
    pub fn is_pinned(&self, name: &DomainName) -> bool {
        self.authorities.keys().any(|domain| name.is_within(domain))
    }
}

/// Name servers of our own, which may be asked faster than those of strangers.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    configured: BTreeSet<SocketAddr>,
    pub(crate) per_second: u32,
}

impl Own {
    pub(crate) fn of(settings: &Settings) -> Self {
        let configured = settings.authorities.values().flatten().copied().collect();
        Self { configured, per_second: settings.max_qps }
    }

    pub(crate) fn includes(&self, server: SocketAddr) -> bool {
        server.ip().is_loopback() || self.configured.contains(&server)
    }
}

impl fmt::Display for Endpoint {
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

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        endpoint(text).ok_or(EndpointError)
    }
}

fn endpoint(text: &str) -> Option<Endpoint> {
    if text == "system" {
        return Some(Endpoint::System);
    }
    if text.starts_with("https://") {
        return Url::parse(text).ok().map(Endpoint::Https);
    }
    if let Some(rest) = text.strip_prefix("tls://") {
        let (server, name) = rest.split_once('#').unwrap_or((rest, ""));
        let address = address(server, 853)?;
        let name = if name.is_empty() { address.ip().to_string() } else { name.to_owned() };
        return Some(Endpoint::Tls(address, name));
    }
    if let Some(server) = text.strip_prefix("tcp://") {
        return address(server, 53).map(Endpoint::Tcp);
    }
    address(text.strip_prefix("udp://").unwrap_or(text), 53).map(Endpoint::Udp)
}

/// `192.0.2.1`, `192.0.2.1:53`, `2001:db8::1` or `[2001:db8::1]:53`.
fn address(text: &str, port: u16) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().or_else(|| bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only servers that the operator named, and those of this very host, may be asked faster than strangers.
    #[test]
    fn whose_servers_are_ours() {
        let configured: SocketAddr = "192.0.2.1:53".parse().unwrap();
        let authorities = [("example.com".parse().unwrap(), vec![configured])].into();
        let own = Own::of(&Settings { authorities, ..Settings::default() });
        for (server, expected) in [
            ("192.0.2.1:53", true),
            ("192.0.2.1:5353", false),
            ("192.0.2.2:53", false),
            ("127.0.0.1:53", true),
            ("[::1]:53", true),
            ("[2001:db8::1]:53", false),
        ] {
            assert_eq!(own.includes(server.parse().unwrap()), expected, "{server}");
        }
    }

    #[test]
    fn endpoints_as_people_write_them() {
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
            let endpoint = text.parse::<Endpoint>();
            assert_eq!(endpoint.map(|endpoint| endpoint.to_string()).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "dns.example",
            "http://dns.example/dns-query",
            "tls://dns.example",
            "192.0.2.1:x",
            "quic://192.0.2.1",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError), "{text}");
        }
    }
}
