//! What the servers are told at start.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hickory_proto::rr::{Name, TSigner, rdata::tsig::TsigAlgorithm as Mac};

/// Settings of a [`DnsServer`](super::DnsServer).
#[derive(Clone, Debug)]
pub struct DnsConfig {
    /// The zones to serve. A zone below another one is a zone cut, though no delegation is made for it.
    pub zones: Vec<ZoneSpec>,
    /// The key that updates must be signed with; without one every update is refused.
    pub tsig: Option<TsigKey>,
    /// What the key may change.
    pub policy: UpdatePolicy,
    /// `Some` also starts a secondary that shows each change this much later.
    pub lag: Option<Duration>,
    /// Address of the primary; port 0 has the system choose. The secondary is at the next port, or at another chosen one.
    pub listen: SocketAddr,
}

impl Default for DnsConfig {
    /// No zones, no key, no secondary, on 127.0.0.1.
    fn default() -> Self {
        Self {
            zones: Vec::new(),
            tsig: None,
            policy: UpdatePolicy::ValidationOnly,
            lag: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }
}

/// One zone and what is in it at start. SOA, NS and the name servers' addresses are generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneSpec {
    /// Apex, such as `example.com`.
    pub name: String,
    /// `(owner, type, ttl, rdata)` with absolute owners. A TXT rdata that does not begin with a quote is the value itself.
    pub records: Vec<(String, String, u32, String)>,
}

impl ZoneSpec {
    /// An empty zone.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), records: Vec::new() }
    }

    /// Adds a record, for example `("_dnsauth.example.com", "CNAME", 60, "example.net.")`.
    #[must_use]
    pub fn record(
        mut self,
        owner: impl Into<String>,
        kind: impl Into<String>,
        ttl: u32,
        rdata: impl Into<String>,
    ) -> Self {
        self.records.push((owner.into(), kind.into(), ttl, rdata.into()));
        self
    }
}

/// What the holder of the key may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdatePolicy {
    /// Only TXT and CNAME at names whose first label is `_dnsauth`: the rights an operator should give the agent.
    #[default]
    ValidationOnly,
    /// Everything in the zone.
    Any,
}

/// A shared secret for signing updates. Its `Debug` leaves the secret out.
#[derive(Clone, PartialEq, Eq)]
pub struct TsigKey {
    /// Name of the key, a domain name.
    pub name: String,
    /// The hash.
    pub algorithm: TsigAlgorithm,
    /// The secret in base64, as `tsig-keygen` prints it.
    pub secret_base64: String,
}

impl std::fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TsigKey")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl TsigKey {
    /// Seconds that the client's clock may be off, as RFC 8945 recommends.
    const FUDGE: u16 = 300;

    pub(super) fn signer(&self) -> io::Result<TSigner> {
        let secret = STANDARD
            .decode(&self.secret_base64)
            .map_err(|error| invalid(format!("secret of key {}: {error}", self.name)))?;
        TSigner::new(secret, self.algorithm.into(), absolute(&self.name)?, Self::FUDGE)
            .map_err(|error| invalid(format!("key {}: {error}", self.name)))
    }
}

/// Hashes for signing, by the names of RFC 8945.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`
    #[default]
    HmacSha256,
    /// `hmac-sha384`
    HmacSha384,
    /// `hmac-sha512`
    HmacSha512,
}

impl TsigAlgorithm {
    /// The name used in zone configuration and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }
}

impl From<TsigAlgorithm> for Mac {
    fn from(algorithm: TsigAlgorithm) -> Self {
        match algorithm {
            TsigAlgorithm::HmacSha256 => Self::HmacSha256,
            TsigAlgorithm::HmacSha384 => Self::HmacSha384,
            TsigAlgorithm::HmacSha512 => Self::HmacSha512,
        }
    }
}

/// Reads a name as absolute, with or without the final dot.
pub(super) fn absolute(text: &str) -> io::Result<Name> {
    let mut name = Name::from_ascii(text).map_err(|error| invalid(format!("name {text}: {error}")))?;
    name.set_fqdn(true);
    Ok(name)
}

pub(super) fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
