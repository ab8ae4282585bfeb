//! The headers of an answer: which are known, and which are news.

use http::HeaderMap;

use super::Surprise;

/// What web servers and the filter before DigiCert's API send, and what HTTP itself needs (RFC 9110). Nothing is read of them
/// but `date`, `location` and `retry-after`.
const KNOWN: &[&str] = &[
    "access-control-allow-origin",
    "age",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "etag",
    "expires",
    "keep-alive",
    "last-modified",
    "location",
    "pragma",
    "referrer-policy",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "via",
    "x-cdn",
    "x-content-type-options",
    "x-frame-options",
    "x-iinfo",
    "x-xss-protection",
];
/// Names that are told of one answer.
const MOST: usize = 20;

/// Each header that is not known, by its name; what it says is nobody else's.
pub(super) fn surprises(headers: &HeaderMap) -> Vec<Surprise> {
    let names = headers.keys().map(|name| name.as_str()).filter(|name| !KNOWN.contains(name));
    let surprise = |name: &str| {
        // What speaks of limits may be obeyed one day.
        let limits = name.contains("limit");
        let follows = if limits { "the configured rate counts, not what it says" } else { "it is not read" };
        let name: String = name.chars().take(60).collect();
        Surprise {
            path: format!("header {name}"),
            what: "not known".to_owned(),
            follows: follows.to_owned(),
            matters: limits,
        }
    };
    names.take(MOST).map(surprise).collect()
}
