//! What can go wrong, and what to do about it.

use std::error::Error as StdError;
use std::time::Duration;

use crate::answer::Answer;
use crate::key::KeyError;

/// Codes of a 400 that no repetition cures: the order's method, or our request, is wrong.
const MISCONFIGURED: [&str; 3] = ["invalid_dns_method", "invalid_dcv_method", "bad_request_format"];

/// A failed call. The message is its own only; the cause, if any, is the [source](StdError::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key source failed; nothing was sent.
    #[error("the API key cannot be read")]
    KeyUnreadable {
        /// What the key source said.
        source: KeyError,
    },
    /// The key source gave something that cannot be a key; nothing was sent.
    #[error("the API key is unusable: {problem}")]
    KeyMalformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The CA does not accept the key: 401, or a code with `invalid_key` in whatever status.
    #[error("the CA refused the API key: {answer}")]
    KeyRefused {
        /// What the CA said.
        answer: Answer,
    },
    /// The key is good but may not do this.
    #[error("the API key lacks a permission: {answer}")]
    MissingPermission {
        /// What the CA said.
        answer: Answer,
    },
    /// The key is good, and this call is forbidden for a reason of its own (any other 403 of the CA's).
    #[error("the CA forbids this call: {answer}")]
    Forbidden {
        /// What the CA said.
        answer: Answer,
    },
    /// Something between us and the CA refused: a refusal that is not the CA's error document.
    #[error("a filter or proxy answered, not DigiCert: {answer}")]
    Gateway {
        /// What it said.
        answer: Answer,
        /// How long to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// No such order or domain in this account, or no such endpoint at this address.
    #[error("not found: {answer}")]
    NotFound {
        /// What the CA said.
        answer: Answer,
    },
    /// Repeating will not help: the order's method does not fit, or the request is wrong.
    #[error("the order or the request is not as it must be: {answer}")]
    Misconfigured {
        /// What the CA said.
        answer: Answer,
    },
    /// The CA will not do it, as things are now; typically the order is not in a state for it.
    #[error("the CA declined: {answer}")]
    Declined {
        /// What the CA said.
        answer: Answer,
    },
    /// Too many requests. The client slows down by itself.
    #[error("the CA asks for fewer requests: {answer}")]
    Throttled {
        /// What the CA said.
        answer: Answer,
        /// How long to wait, if the CA said so.
        retry_after: Option<Duration>,
    },
    /// The service is in trouble (5xx, 406, 408).
    #[error("the CA cannot answer now: {answer}")]
    Unavailable {
        /// What the CA said.
        answer: Answer,
        /// How long to wait, if the CA said so.
        retry_after: Option<Duration>,
    },
    /// Nothing was sent: the service, or the way to it, has failed several times in a row, and one call tries for all.
    #[error("not sent, as DigiCert has failed several times in a row, at last so: {said}")]
    Held {
        /// How it failed.
        said: String,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// No connection: name resolution, route, proxy, firewall or TLS.
    #[error("no connection to the CA")]
    Connect {
        /// What the transport said.
        source: reqwest::Error,
    },
    /// The configured proxy refuses a way to the CA.
    #[error("the proxy lets nothing through to the CA: {said}")]
    ProxyRefused {
        /// Its status.
        said: String,
    },
    /// No complete answer in time.
    #[error("the CA did not answer in time")]
    Timeout {
        /// What the transport said.
        source: reqwest::Error,
    },
    /// The connection broke, or its encoding did, before the answer was complete.
    #[error("the CA's answer broke off")]
    Broken {
        /// What the transport said.
        source: reqwest::Error,
    },
    /// A redirect. None is followed: the key goes to the configured address only.
    #[error("the address redirects (HTTP {status}) to {host}; redirects are not followed")]
    Redirected {
        /// The status, 3xx.
        status: u16,
        /// Where it points.
        host: String,
    },
    /// The answer is longer than we are willing to read.
    #[error("the CA's answer (HTTP {status}) is longer than {limit} bytes")]
    TooLarge {
        /// The status of the answer.
        status: u16,
        /// The limit, in bytes after decompression.
        limit: usize,
    },
    /// A success whose body we do not understand.
    #[error("the CA's answer (HTTP {status}) makes no sense to us: {problem}; it begins: {excerpt:?}")]
    Undecodable {
        /// The status of the answer.
        status: u16,
        /// What is wrong with it.
        problem: &'static str,
        /// Its beginning, without control characters.
        excerpt: String,
        /// What the JSON reader said.
        source: Option<serde_json::Error>,
    },
    /// The client cannot be built from these settings.
    #[error("{problem}")]
    Setup {
        /// What is wrong.
        problem: String,
        /// The cause, if it is another's.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
}

/// What kind of reaction an [`Error`] calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The whole account stands still until somebody provides a good key.
    KeyTrouble,
    /// This call is not allowed with this key; others may be.
    MissingPermission,
    /// Something in between refused, not the CA: later. It says nothing of the key or the order.
    Gateway,
    /// This order (or address) does not exist; others may.
    NotFound,
    /// Not as things are now: read the order again, then decide.
    NotYet,
    /// This order needs a person.
    Misconfigured,
    /// Later; the client already slows down.
    Throttled,
    /// Later, with growing pauses.
    Transient,
    /// An answer outside our model: slow retry, and a bug report.
    Undecodable,
    /// Settings are wrong.
    Setup,
}

impl Error {
    /// Sorts what the CA said: by its code first, which was seen in more than one status, then by the status.
    pub(crate) fn declined(answer: Answer, retry_after: Option<Duration>) -> Self {
        match answer.status() {
            _ if answer.is("request_limit_exceeded") => Self::Throttled { answer, retry_after },
            _ if answer.is_about_the_key() => Self::KeyRefused { answer },
            _ if answer.says("missing_permission") => Self::MissingPermission { answer },
            429 => Self::Throttled { answer, retry_after },
            // 406: public clients saw it come and go like a 5xx.
            406 | 408 | 425 | 500.. => Self::Unavailable { answer, retry_after },
            // A web application firewall stands before the API, and proxies before us.
            _ if answer.is_of_a_gateway() => Self::Gateway { answer, retry_after },
            401 => Self::KeyRefused { answer },
            _ if answer.is("not_found") => Self::NotFound { answer },
            _ if MISCONFIGURED.iter().any(|code| answer.is(code)) => Self::Misconfigured { answer },
            403 => Self::Forbidden { answer },
            404 | 410 => Self::NotFound { answer },
            405 | 407 | 411 | 415 => Self::Misconfigured { answer },
            _ => Self::Declined { answer },
        }
    }

    pub(crate) fn transport(source: reqwest::Error) -> Self {
        let source = source.without_url();
        if source.is_timeout() {
            // Also a connection that could not be made in time.
            Self::Timeout { source }
        } else if source.is_connect() {
            Self::Connect { source }
        } else if source.is_builder() {
            Self::Setup { problem: "the request cannot be built".to_owned(), source: Some(source.into()) }
        } else {
            Self::Broken { source }
        }
    }

    pub(crate) fn setup(problem: impl Into<String>) -> Self {
        Self::Setup { problem: problem.into(), source: None }
    }

    /// What kind of reaction is called for.
    pub fn class(&self) -> Class {
        match self {
            Self::KeyUnreadable { source } if is_local_trouble(source.as_ref()) => Class::Transient,
            Self::KeyUnreadable { .. } | Self::KeyMalformed { .. } | Self::KeyRefused { .. } => {
                Class::KeyTrouble
            }
            Self::MissingPermission { .. } | Self::Forbidden { .. } => Class::MissingPermission,
            Self::Gateway { .. } | Self::ProxyRefused { .. } => Class::Gateway,
            Self::NotFound { .. } => Class::NotFound,
            Self::Declined { .. } => Class::NotYet,
            Self::Misconfigured { .. } => Class::Misconfigured,
            Self::Throttled { .. } => Class::Throttled,
            Self::Unavailable { .. }
            | Self::Held { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. } => Class::Transient,
            Self::TooLarge { .. } | Self::Undecodable { .. } => Class::Undecodable,
            Self::Redirected { .. } | Self::Setup { .. } => Class::Setup,
        }
    }

    /// A stable word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::KeyUnreadable { .. } => "key_unreadable",
            Self::KeyMalformed { .. } => "key_malformed",
            Self::KeyRefused { .. } => "key_refused",
            Self::MissingPermission { .. } => "missing_permission",
            Self::Forbidden { .. } => "forbidden",
            Self::Gateway { .. } => "gateway",
            Self::NotFound { .. } => "not_found",
            Self::Misconfigured { .. } => "misconfigured",
            Self::Declined { .. } => "declined",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::Held { .. } => "held",
            Self::Connect { .. } => "connect",
            Self::ProxyRefused { .. } => "proxy_refused",
            Self::Timeout { .. } => "timeout",
            Self::Broken { .. } => "broken",
            Self::Redirected { .. } => "redirected",
            Self::TooLarge { .. } => "too_large",
            Self::Undecodable { .. } => "undecodable",
            Self::Setup { .. } => "setup",
        }
    }

    /// What the CA said, where it said no.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::KeyRefused { answer }
            | Self::MissingPermission { answer }
            | Self::Forbidden { answer }
            | Self::Gateway { answer, .. }
            | Self::NotFound { answer }
            | Self::Misconfigured { answer }
            | Self::Declined { answer }
            | Self::Throttled { answer, .. }
            | Self::Unavailable { answer, .. } => Some(answer),
            Self::KeyUnreadable { .. }
            | Self::KeyMalformed { .. }
            | Self::Held { .. }
            | Self::Connect { .. }
            | Self::ProxyRefused { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::Redirected { .. }
            | Self::TooLarge { .. }
            | Self::Undecodable { .. }
            | Self::Setup { .. } => None,
        }
    }

    /// The CA's code, if it gave one.
    pub fn code(&self) -> Option<&str> {
        self.answer().and_then(Answer::code)
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Redirected { status, .. }
            | Self::TooLarge { status, .. }
            | Self::Undecodable { status, .. } => Some(*status),
            other => other.answer().map(Answer::status),
        }
    }

    /// How long the CA asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. }
            | Self::Unavailable { retry_after, .. }
            | Self::Gateway { retry_after, .. } => *retry_after,
            Self::Held { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    /// The next action for a person, where a person can do something.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::KeyUnreadable { .. } => {
                "check that the file or variable with the key exists and may be read"
            }
            Self::KeyMalformed { .. } => "put the bare API key, and nothing else, where it is read from",
            Self::KeyRefused { .. } => {
                "make a new key in CertCentral (Automation > API Keys) and check that the platform (US or EU) is \
                 the account's"
            }
            Self::MissingPermission { .. } => {
                "the key needs the restriction \"Orders\", or \"Orders, Domains, Organizations\" where domains are \
                 validated (\"View Only\" is not enough), and a user who may see the division"
            }
            Self::Forbidden { .. } => {
                "see whether the key's user may do this, and may see the division, in CertCentral; the key itself is \
                 good"
            }
            Self::ProxyRefused { .. } => "have the proxy let this host through; for 407 check its password",
            Self::Gateway { .. } => {
                "look at what stands between this host and DigiCert: proxy, firewall, the filter before DigiCert's API; \
                 and check the base URL, the US platform's is https://www.digicert.com/services/v2"
            }
            Self::NotFound { answer }
                if answer.is("not_found") && answer.code() != Some("not_found|route") =>
            {
                "check the order number, or the domain's, and that it belongs to this account"
            }
            Self::NotFound { .. } => {
                "check the base URL; the US platform's is https://www.digicert.com/services/v2"
            }
            Self::Misconfigured { answer }
                if answer.is("invalid_dns_method") || answer.is("invalid_dcv_method") =>
            {
                "set the DCV method of the order or domain in CertCentral to DNS TXT, DNS CNAME or HTTP"
            }
            Self::Misconfigured { .. } => {
                "check the base URL and any proxy in between; report it if both are right"
            }
            Self::Declined { .. } => "look at the state and DCV method of the order or domain in CertCentral",
            Self::Connect { .. } => {
                "look at the cause: name resolution, proxy, firewall, or a private CA that must be trusted"
            }
            Self::Redirected { .. } => {
                "check the base URL; a portal or proxy may have answered instead of the CA"
            }
            Self::TooLarge { .. } | Self::Undecodable { .. } => {
                "check that the base URL leads to the CA and not to a portal or proxy; else report it"
            }
            Self::Throttled { .. } => {
                "see whether something else uses the same API key; lower the configured rate"
            }
            Self::Held { .. }
            | Self::Unavailable { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::Setup { .. } => return None,
        })
    }
}

/// This host has no file descriptor or memory left, or its disk fails: that says nothing about the key.
fn is_local_trouble(error: &(dyn StdError + 'static)) -> bool {
    // EINTR, EIO, EAGAIN, ENOMEM, ENFILE, EMFILE, ESTALE; as Linux numbers them.
    const LOCAL: [i32; 7] = [4, 5, 11, 12, 23, 24, 116];
    let mut error = Some(error);
    while let Some(cause) = error {
        let code = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
        if code.is_some_and(|code| LOCAL.contains(&code)) {
            return true;
        }
        error = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects an account from being held for its key while the host is short of file descriptors.
    #[test]
    fn a_host_in_trouble_is_not_a_wrong_key() {
        for (code, class) in [
            (24, Class::Transient),
            (23, Class::Transient),
            (5, Class::Transient),
            (2, Class::KeyTrouble),
            (13, Class::KeyTrouble),
        ] {
            let source = std::io::Error::from_raw_os_error(code).into();
            assert_eq!(Error::KeyUnreadable { source }.class(), class, "errno {code}");
        }
    }
}
