//! What a vendor's refusal means: one table for all of them.
//!
//! The library hands on a status where there was one, and the vendor's words. The status counts first; words count where it
//! says little (400, 403, 409, 422) or there is none.

use std::time::Duration;

use dns_vendors::{Given, What};

use super::{NO_ZONE, vendor::Vendor};
use crate::{
    Class, Error, Extent,
    api::{replan::OVERTAKEN, throttle::THROTTLED as THROTTLED_LABEL},
};

/// A meaning: class, label, whose trouble it is, and what to do.
type Meaning = (Class, &'static str, Extent, &'static str);

/// Label of the error that says: the credentials are not taken.
pub(super) const BAD_KEY_LABEL: &str = "bad-key";

const BAD_KEY: Meaning = (
    Class::Setup,
    BAD_KEY_LABEL,
    Extent::Provider,
    "the credentials are not taken: check them, their rights, and from which addresses they may be used",
);
const DENIED: Meaning = (
    Class::Setup,
    "denied",
    Extent::Zone,
    "the credentials may not do this: check their rights for the zone (`dcv-agent policy`)",
);
const NO_SUCH_ZONE: Meaning =
    (Class::Setup, NO_ZONE, Extent::Zone, "check zones, and which zones the credentials may see");
const THROTTLED: Meaning = (
    Class::Later,
    THROTTLED_LABEL,
    Extent::Provider,
    "the vendor limits the account's requests; it is tried again",
);
const FAILED: Meaning =
    (Class::Later, "unavailable", Extent::Provider, "the vendor is in trouble; it is tried again");
const UNREACHABLE: Meaning = (
    Class::Later,
    "unreachable",
    Extent::Provider,
    "is the way to the vendor's API open, by a proxy (HTTPS_PROXY) perhaps?",
);
const CONFLICT: Meaning =
    (Class::Later, OVERTAKEN, Extent::Name, "something else changes the same records; it is tried again");
const COLLISION: Meaning = (
    Class::Blocked,
    "collision",
    Extent::Name,
    "a CNAME and another record cannot share a name: remove one, or delegate the name",
);
const BAD_TTL: Meaning =
    (Class::Setup, "bad-ttl", Extent::Zone, "the vendor takes other times to live: set records.ttl");
const REFUSED: Meaning = (
    Class::Blocked,
    "refused",
    Extent::Name,
    "the vendor's words tell why; delegate the name if it cannot be written",
);
const STRANGE: Meaning = (
    Class::Bug,
    "undecodable",
    Extent::Name,
    "the vendor's API has changed, or a proxy answers in its place",
);
const SETTING: Meaning =
    (Class::Setup, "bad-setting", Extent::Provider, "see docs/providers.md for its settings");
const NO_CLIENT: Meaning = (
    Class::Setup,
    "bad-setting",
    Extent::Provider,
    "is the system's list of certificate authorities installed?",
);
const REDIRECTED: Meaning = (
    Class::Setup,
    "redirected",
    Extent::Provider,
    "redirects are not followed, since they would carry credentials elsewhere; give the final address",
);
/// OVH's part of the library says one thing for a refused key, an unknown zone and an API that is down.
const ANYTHING: Meaning = (
    Class::Later,
    "unavailable",
    Extent::Zone,
    "check zones, the credentials and their rights, unless the vendor's API is down",
);

/// Words, in lower case, and what they mean. The first that are found count.
const WORDS: &[(&[&str], Meaning)] = &[
    (&["not found or not accessible"], ANYTHING),
    (&["rate limit", "rate exceeded", "too many", "throttl", "quota"], THROTTLED),
    // Of GoDaddy, whose key is right and whose account may not use this part of the API.
    (&["not allowed access"], DENIED),
    (&["already exists", "duplicate"], CONFLICT),
    (&["cname"], COLLISION),
    (
        &[
            "zone not found",
            "domain not found",
            "zone found",
            "domain found",
            "no such zone",
            "no such domain",
            "unknown zone",
            "unknown domain",
            "zone does not exist",
            "domain does not exist",
        ],
        NO_SUCH_ZONE,
    ),
    (
        &[
            "unauthori",
            "not authori",
            "unauthenti",
            "authenticat",
            "invalid_grant",
            "invalid token",
            "api key",
            "access denied",
            "accessdenied",
            "signature",
            "credential",
            "login",
            "password",
        ],
        BAD_KEY,
    ),
    (&["forbidden", "permission", "not allowed", "not permitted"], DENIED),
    (&["not found"], NO_SUCH_ZONE),
    (
        &["temporar", "unavailable", "try again", "timed out", "timeout", "internal error", "server error"],
        FAILED,
    ),
];

/// The error for what a vendor answered about `what`, without any secret that was given.
pub(super) fn explain(vendor: &Vendor, what: &str, given: &Given, error: &dns_vendors::Error) -> Error {
    let said = given.without_values(vendor.secrets(), error.text());
    let told = told(vendor, what, error.what(), &said);
    let throttled = told.label() == THROTTLED_LABEL;
    let a_while = || Duration::from_secs(vendor.pause.into());
    let pause = || throttled.then(|| wait_in_words(&said).unwrap_or_else(a_while));
    told.after(error.retry_after().or_else(pause))
}

/// When the vendor wants to be asked again, where it says so in its words: `Retry after: 21 seconds`.
fn wait_in_words(said: &str) -> Option<Duration> {
    let said = said.to_ascii_lowercase();
    let mut words = said.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.by_ref().find(|word| *word == "after")?;
    let number = words.next()?.parse().ok()?;
    words.next().filter(|unit| unit.starts_with('s')).map(|_| Duration::from_secs(number))
}

fn told(vendor: &Vendor, what: &str, answered: What, said: &str) -> Error {
    let (class, label, extent, hint) = meaning(answered, said);
    let status = match answered {
        What::Unauthorized => "HTTP 401".to_owned(),
        What::NotFound => "no such thing".to_owned(),
        What::Status(status) => format!("HTTP {status}"),
        _ => String::new(),
    };
    let why =
        [status.as_str(), said].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    let verb = match answered {
        What::Unreachable => "cannot be reached for",
        What::Unreadable => "answers what cannot be read about",
        What::Setting | What::NoClient => "cannot be used with",
        _ => "refuses",
    };
    Error::new(class, label, format!("{} {verb} {what}: {why}", vendor.title)).of(extent).hint(hint)
}

fn meaning(answered: What, said: &str) -> Meaning {
    match answered {
        What::Setting => SETTING,
        What::NoClient => NO_CLIENT,
        What::Unauthorized | What::Status(401 | 407) => BAD_KEY,
        What::NotFound | What::Status(404 | 410) => NO_SUCH_ZONE,
        What::Unreachable => UNREACHABLE,
        What::Unreadable => STRANGE,
        What::Unsupported => REFUSED,
        What::Status(408 | 425) => FAILED,
        What::Status(429) => THROTTLED,
        What::Status(500..) => FAILED,
        What::Status(300..=399) => REDIRECTED,
        What::Status(403) => by_words(said).unwrap_or(DENIED),
        What::Status(409 | 412) => by_words(said).unwrap_or(CONFLICT),
        What::Status(_) => by_words(said).unwrap_or(REFUSED),
        What::Said => by_words(said).unwrap_or((Class::Bug, "refused", Extent::Name, REFUSED.3)),
    }
}

fn by_words(said: &str) -> Option<Meaning> {
    let said = said.to_ascii_lowercase();
    if said.split(|c: char| !c.is_alphanumeric()).any(|word| word == "ttl") {
        return Some(BAD_TTL);
    }
    WORDS.iter().find(|(words, _)| words.iter().any(|word| said.contains(word))).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library drops `Retry-After`, and hands the words on. What is left is for how long a vendor is left alone at all.
    #[test]
    fn a_vendor_that_throttles_is_left_alone_for_as_long_as_it_says_or_a_while() {
        let vendor = Vendor { pause: 60, ..Vendor::USUAL };
        let limit = |said: &str, told: Option<u64>| {
            let error = dns_vendors::Error::new(What::Status(429), said).after(told.map(Duration::from_secs));
            explain(&vendor, "a listing", &Given::default(), &error).retry_after().map(|wait| wait.as_secs())
        };
        assert_eq!(limit("Too Many Requests", None), Some(60));
        assert_eq!(limit("Too Many Requests", Some(7)), Some(7));
        let quota = r#"{"detail":"You have exhausted your API Request Quota. Retry after: 21 seconds."}"#;
        assert_eq!(limit(quota, None), Some(21));
        assert_eq!(limit("submit the request after 49s", None), Some(60), "49s is no number");
        assert_eq!(limit("after 9 requests", None), Some(60));
        let down = dns_vendors::Error::new(What::Status(500), "retry after 5 seconds");
        assert_eq!(explain(&vendor, "a listing", &Given::default(), &down).retry_after(), None);
    }

    /// What is answered, and what becomes of it: a wrong key pauses the provider, a vendor in trouble is waited for, and what
    /// is wrong with one name holds no other.
    #[test]
    fn refusals_are_told_apart() {
        for (answered, said, class, label, extent) in [
            (What::Unauthorized, "", Class::Setup, "bad-key", Extent::Provider),
            (What::Status(403), "", Class::Setup, "denied", Extent::Zone),
            (What::Status(403), "Rate limit reached", Class::Later, "throttled", Extent::Provider),
            (What::Status(400), r#"{"error":"invalid_grant"}"#, Class::Setup, "bad-key", Extent::Provider),
            (What::Status(400), "TTL must be at least 600", Class::Setup, "bad-ttl", Extent::Zone),
            (What::Status(400), "throttled", Class::Later, "throttled", Extent::Provider),
            (
                What::Status(400),
                r#"{"error":["Rate limit exceeded"]}"#,
                Class::Later,
                "throttled",
                Extent::Provider,
            ),
            (
                What::Status(403),
                "Authenticated user is not allowed access",
                Class::Setup,
                "denied",
                Extent::Zone,
            ),
            (What::Status(400), "strange", Class::Blocked, "refused", Extent::Name),
            (What::Status(409), "", Class::Later, OVERTAKEN, Extent::Name),
            (What::Status(409), "CNAME and other data", Class::Blocked, "collision", Extent::Name),
            (What::NotFound, "", Class::Setup, NO_ZONE, Extent::Zone),
            (What::Said, "Constellix domain example.com not found", Class::Setup, NO_ZONE, Extent::Zone),
            (What::Said, "No Bluecat zone found for a", Class::Setup, NO_ZONE, Extent::Zone),
            (What::Status(403), "API key not found", Class::Setup, "bad-key", Extent::Provider),
            (What::Said, "Zone a not found or not accessible", Class::Later, "unavailable", Extent::Zone),
            (What::Said, "strange", Class::Bug, "refused", Extent::Name),
            (What::Status(429), "", Class::Later, "throttled", Extent::Provider),
            (What::Status(502), "", Class::Later, "unavailable", Extent::Provider),
            (What::Unreachable, "", Class::Later, "unreachable", Extent::Provider),
            (What::Unreadable, "", Class::Bug, "undecodable", Extent::Name),
            (What::Status(302), "", Class::Setup, "redirected", Extent::Provider),
        ] {
            let error = told(&Vendor::USUAL, "a change at _dnsauth.example.com", answered, said);
            assert_eq!(
                (error.class(), error.label(), error.extent()),
                (class, label, extent),
                "{answered:?} {said}"
            );
            assert!(
                error.to_string().contains("_dnsauth.example.com") && error.to_string().contains(said),
                "{error}"
            );
        }
    }
}
