//! Why nothing was learned. Settings are named as an operator writes them, below `verify`.

use std::{error::Error as StdError, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use dcv_core::error::chain;
use hickory_proto::{ProtoError, op::ResponseCode};

/// A cause that is not ours.
pub type Cause = Arc<dyn StdError + Send + Sync>;

/// Why looking, or preparing to, failed.
///
/// Each error speaks for itself only; [`Error::describe`] makes the sentence for a person, with causes and remedy.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant says what it is; fields are what it names")]
pub enum Error {
    // Settings that cannot be used.
    #[error("verify.trust_anchor {}", path.display())]
    TrustAnchor { path: PathBuf, source: Cause },
    #[error("verify.ca_file {}", path.display())]
    CaFile { path: PathBuf, source: Cause },
    #[error("verify.proxy")]
    Proxy { source: Cause },
    #[error("verify.resolvers: \"system\" cannot be used")]
    SystemResolvers { source: Cause },
    #[error("verify.resolvers: {endpoint}")]
    Endpoint { endpoint: String, source: Cause },

    // One server.
    #[error("no answer over UDP and TCP")]
    Silent,
    #[error("cannot be reached")]
    Unreachable { source: Cause },
    #[error("cannot be reached: the connection was closed")]
    Closed,
    #[error("the answer cannot be used: {0}")]
    Garbled(String),
    #[error("{0}")]
    Refused(ResponseCode),
    #[error("{0}")]
    Unusable(String),

    // A resolver.
    #[error("no answer")]
    NoAnswer,
    #[error("{0}")]
    Lookup(String),
    #[error(transparent)]
    Https(Arc<reqwest::Error>),
    #[error("HTTP status {0}")]
    Status(reqwest::StatusCode),
    #[error("the answer is longer than a DNS message can be")]
    TooLong,
    #[error("the answer is not a DNS message")]
    NoMessage,
    #[error("the answer is for another question")]
    OtherQuestion,
    #[error("{}", each(.0))]
    Several(Vec<(String, Self)>),
    #[error("no resolver is configured")]
    NoResolver,

    // The walk from the root to a name.
    #[error(transparent)]
    Name(#[from] ProtoError),
    #[error("the root's name servers cannot be found")]
    Root { source: Box<Self> },
    #[error("no root name server has an address that this host can reach")]
    RootUnreachable,
    #[error("no name server of {apex} has an address that this host can reach")]
    NoServer { apex: String },
    #[error("{server} ({address}) neither serves {apex} nor refers towards {name}")]
    Lame { server: String, address: SocketAddr, apex: String, name: String },
    #[error("{server} ({address}), a name server of {apex}")]
    Server { server: String, address: SocketAddr, apex: String, source: Box<Self> },
    #[error("{server} ({address})")]
    Address { server: String, address: SocketAddr, source: Box<Self> },
    #[error("{name} lies in the zone {zone}, which is delegated to {}", servers.join(", "))]
    ZoneCut { name: String, zone: String, servers: Vec<String> },
    #[error("the delegation towards {name} is longer than {most} steps")]
    TooDeep { name: String, most: usize },
    #[error("no name server")]
    NoNameServer,
    #[error("{0}: SERVFAIL")]
    ServFail(String),
    #[error("more than {0} aliases")]
    TooManyAliases(usize),
    #[error("DNSSEC is broken: {0}")]
    Bogus(String),

    // Web servers.
    #[error("{host} has no address")]
    NoAddress { host: String },
    #[error("{host} has addresses of a family only that this host has not")]
    OtherFamily { host: String },
    #[error("{name} has no {family} address")]
    NoFamily { name: String, family: &'static str },
    #[error("the address of {name} cannot be found: {why}")]
    AddressUnknown { name: String, why: String },
    #[error("{url}")]
    Url { url: String, source: Cause },
    #[error("redirected to {url}")]
    Redirected { url: String, source: Box<Self> },
    #[error("it redirects absolutely, to {location}, which DigiCert's own library never follows")]
    AbsoluteRedirect { location: String },
    #[error("the certificate is for another name")]
    OtherName,
    #[error(
        "HTTP status {status} for {agent:?}, which another user agent does not get: let DigiCert's bot through"
    )]
    KeepsOut { status: reqwest::StatusCode, agent: &'static str },
    #[error("{host} has no IPv4 address, and DigiCert's own library asks no other")]
    NoIpv4 { host: String },
    #[error("it redirects to {location}, {why}")]
    ForbiddenRedirect { location: String, why: &'static str },
    #[error("HTTP status {0} without a location")]
    NoLocation(u16),
    #[error("HTTP status {0} with an unreadable location")]
    UnreadableLocation(u16),
    #[error("more than {0} redirects")]
    TooManyRedirects(usize),
    #[error("no connection within {0:?}")]
    SlowConnection(Duration),
    #[error("no connection: {0}")]
    NoConnection(String),
    #[error("no answer in time")]
    SlowAnswer,
    #[error("not finished within {0:?}")]
    Unfinished(Duration),
    #[error("{0}")]
    Web(String),
}

impl Error {
    /// What a person can do about it, where there is something.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TrustAnchor { .. } => Some("expected DNSKEY records as in a zone file"),
            Self::Root { .. } => Some("check verify.resolvers, or set verify.authorities"),
            Self::RootUnreachable => Some("check verify.resolvers"),
            _ => None,
        }
    }

    /// The sentence for a person: the message, its causes, and what to do.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = match self {
            // Its own message is the cause's.
            Self::Https(cause) => chain(cause),
            _ => self.to_string(),
        };
        if let Some(cause) = self.cause() {
            text.push_str(": ");
            text.push_str(&cause);
        }
        if let Some(hint) = self.hint() {
            text.push_str("; ");
            text.push_str(hint);
        }
        text
    }

    fn cause(&self) -> Option<String> {
        match self {
            Self::Root { source }
            | Self::Server { source, .. }
            | Self::Address { source, .. }
            | Self::Redirected { source, .. } => Some(source.describe()),
            Self::TrustAnchor { source, .. }
            | Self::CaFile { source, .. }
            | Self::Proxy { source }
            | Self::SystemResolvers { source }
            | Self::Endpoint { source, .. }
            | Self::Unreachable { source }
            | Self::Url { source, .. } => Some(chain(source)),
            _ => None,
        }
    }
}

/// A cause that is not ours.
pub(crate) fn cause(error: impl StdError + Send + Sync + 'static) -> Cause {
    Arc::new(error)
}

fn each(errors: &[(String, Error)]) -> String {
    errors.iter().map(|(who, error)| format!("{who}: {}", error.describe())).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_holds_the_causes_and_ends_with_what_to_do() {
        let silent = ("192.0.2.1:53".to_owned(), Error::NoAnswer);
        let root = Error::Root { source: Box::new(Error::Several(vec![silent])) };
        assert_eq!(root.to_string(), "the root's name servers cannot be found");
        assert_eq!(
            root.describe(),
            "the root's name servers cannot be found: 192.0.2.1:53: no answer; check verify.resolvers, or set verify.authorities"
        );
        let source = cause(std::io::Error::other("there is no key"));
        let anchor = Error::TrustAnchor { path: "/etc/root.key".into(), source };
        assert_eq!(
            anchor.describe(),
            "verify.trust_anchor /etc/root.key: there is no key; expected DNSKEY records as in a zone file"
        );
    }

    #[test]
    fn a_cause_of_others_is_said_once() {
        let refused = cause(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        let address = SocketAddr::from(([192, 0, 2, 53], 53));
        let source = Box::new(Error::Unreachable { source: refused });
        let error = Error::Server { server: "ns.example".into(), address, apex: ".".to_owned(), source };
        assert_eq!(
            error.describe(),
            "ns.example (192.0.2.53:53), a name server of .: cannot be reached: connection refused"
        );
    }
}
