//! Domain names as DNS compares them: A-labels, lower case, no trailing dot.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest name in presentation form without its trailing dot (RFC 1035 section 2.3.4, RFC 1123 section 2.1).
const MAX_NAME: usize = 253;
/// Longest label (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// A domain name in its canonical form: lower case, internationalised labels as A-labels (RFC 5890), no trailing dot,
/// at most 253 octets in labels of at most 63.
///
/// Labels hold letters, digits, hyphens and underscores; a leading underscore marks names such as `_dnsauth` that
/// never are host names. Two names are equal exactly when DNS holds them equal. A clone shares the text: one name stands in
/// many facts of an order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// Reads the domain at which control is proven from a name on a certificate: a leading `*.` is stripped
    /// (a wildcard is proven at the name below it, TLS BR 3.2.2.4.7), a trailing dot too.
    ///
    /// # Errors
    /// Says what is wrong with the name; underscores are refused, since no certificate name holds one (TLS BR 7.1.4.2.1).
    pub fn scope(text: &str) -> Result<Self, NameError> {
        let trimmed = text.trim();
        let name: Self = trimmed.strip_prefix("*.").unwrap_or(trimmed).parse()?;
        if name.0.contains('_') {
            return Err(NameError::new(text, "a certificate name holds no underscore"));
        }
        Ok(name)
    }

    /// The name as text, without a trailing dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text of others names this domain, however they spell it: capitals, a trailing dot, U-labels. Names from outside
    /// are compared so, never as texts.
    #[must_use]
    pub fn is_named_by(&self, text: &str) -> bool {
        text.parse::<Self>().is_ok_and(|name| name == *self)
    }

    /// The name with U-labels (RFC 5890), for whoever knows it by no other.
    #[must_use]
    pub fn to_unicode(&self) -> String {
        idna::domain_to_unicode(&self.0).0
    }

    /// Labels from the leftmost to the top-level domain.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// The name without its leftmost label; `None` for a top-level domain.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, rest)| Self(rest.into()))
    }

    /// Whether this name is `zone` or lies below it, compared label by label.
    #[must_use]
    pub fn is_within(&self, zone: &Self) -> bool {
        self.0.strip_suffix(&*zone.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// What belongs to the closest of these zones that hold this name: the longest suffix wins.
    pub fn closest<'z, T>(&self, zones: impl IntoIterator<Item = (&'z Self, T)>) -> Option<T> {
        let holding = zones.into_iter().filter(|(zone, _)| self.is_within(zone));
        holding.max_by_key(|(zone, _)| zone.0.len()).map(|(_, belonging)| belonging)
    }

    /// This name with one label put before it.
    ///
    /// # Errors
    /// When the label is not one label or the result is too long.
    pub fn child(&self, label: &str) -> Result<Self, NameError> {
        if label.contains('.') {
            return Err(NameError::new(label, "one label was expected"));
        }
        format!("{label}.{}", self.0).parse()
    }
}

impl FromStr for DomainName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why| Err(NameError::new(text, why));
        let trimmed = text.trim();
        let bare = trimmed.strip_suffix('.').unwrap_or(trimmed);
        if bare.is_empty() {
            return refuse("the name is empty");
        }
        // Conversion of a long hostile text costs more than it is worth; four bytes a character is UTF-8's most.
        if bare.len() > 4 * MAX_NAME {
            return refuse("the name is longer than 253 octets");
        }
        let mut labels = Vec::new();
        for label in bare.split('.') {
            labels.push(ascii_label(label).map_err(|why| NameError::new(text, why))?);
        }
        let name = labels.join(".");
        if name.len() > MAX_NAME {
            return refuse("the name is longer than 253 octets");
        }
        if labels.last().is_some_and(|tld| tld.bytes().all(|b| b.is_ascii_digit())) {
            return refuse("an IP address or a number is not a domain name");
        }
        Ok(Self(name.into()))
    }
}

/// One label in lower-case ASCII. The strict IDNA profile refuses underscores, so it is asked about
/// internationalised labels only; the others are checked here.
fn ascii_label(label: &str) -> Result<String, &'static str> {
    if label.is_empty() {
        return Err("a label is empty (two dots in a row)");
    }
    let ascii = if label.is_ascii() {
        label.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii_strict(label).map_err(|_| "a label is not a valid internationalised label")?
    };
    if ascii.len() > MAX_LABEL {
        return Err("a label is longer than 63 octets");
    }
    if ascii == "*" {
        return Err("a wildcard is not allowed here");
    }
    if !ascii.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err("a label may hold letters, digits, hyphens and underscores only");
    }
    if ascii.starts_with('-') || ascii.ends_with('-') {
        return Err("a label may not begin or end with a hyphen");
    }
    Ok(ascii)
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for DomainName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for DomainName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DomainName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<DomainName> for String {
    fn from(name: DomainName) -> Self {
        name.as_str().to_owned()
    }
}

/// Why a text is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a domain name: {why}")]
pub struct NameError {
    text: String,
    why: &'static str,
}

impl NameError {
    fn new(text: &str, why: &'static str) -> Self {
        // Bounded: the text may come from a hostile answer.
        Self { text: text.chars().take(80).collect(), why }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn names_that_dns_holds_equal_are_equal() {
        assert_eq!(name("Example.COM."), name("example.com"));
        assert_eq!(name("bücher.example").as_str(), "xn--bcher-kva.example");
        assert_eq!(name("BÜCHER.example"), name("xn--bcher-kva.example"));
        assert_eq!(name("  example.com "), name("example.com"));
        for text in ["bücher.example", "BÜCHER.Example.", "XN--BCHER-KVA.example"] {
            assert!(name("xn--bcher-kva.example").is_named_by(text), "{text}");
        }
        assert!(!name("xn--bcher-kva.example").is_named_by("bucher.example"));
        assert!(!name("example.com").is_named_by("\\052.example.com"));
        assert_eq!(name("xn--bcher-kva.example").to_unicode(), "bücher.example");
        assert_eq!(name("_dnsauth.example.com").to_unicode(), "_dnsauth.example.com");
    }

    #[test]
    fn a_wildcard_is_proven_at_the_name_below_it() {
        assert_eq!(DomainName::scope("*.Example.com.").unwrap(), name("example.com"));
        assert!(DomainName::scope("*.*.example.com").is_err());
        assert!(DomainName::scope("a.*.example.com").is_err());
        assert!(DomainName::scope("*").is_err());
        assert!(DomainName::scope("_dnsauth.example.com").is_err());
    }

    #[test]
    fn limits_of_rfc_1035_hold_at_the_edge() {
        let label = "a".repeat(63);
        assert!(label.parse::<DomainName>().is_ok());
        assert!(format!("{label}a.example").parse::<DomainName>().is_err());
        let longest = [label.as_str(), &label, &label, &"b".repeat(61)].join(".");
        assert_eq!(longest.len(), 253);
        assert!(longest.parse::<DomainName>().is_ok());
        assert!(format!("{longest}b").parse::<DomainName>().is_err());
        assert!(name(&longest).child("_dnsauth").is_err());
    }

    #[test]
    fn bad_names_are_refused_with_a_reason() {
        for (text, why) in [
            ("", "empty"),
            (".", "empty"),
            ("a..b", "two dots"),
            ("ex ample.com", "letters"),
            ("-a.com", "hyphen"),
            ("a-.com", "hyphen"),
            ("a\u{0}.com", "letters"),
            ("*.a.com", "wildcard"),
            ("192.0.2.1", "IP address"),
            ("a/b.com", "letters"),
        ] {
            let error = text.parse::<DomainName>().unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_longest_zone_that_holds_a_name_is_the_closest() {
        let zones = [name("com"), name("b.example.com"), name("example.com"), name("ample.com")];
        let closest = |text| name(text).closest(zones.iter().zip(0..));
        assert_eq!(closest("a.example.com"), Some(2));
        assert_eq!(closest("b.example.com"), Some(1));
        assert_eq!(closest("example.org"), None);
    }

    #[test]
    fn within_compares_whole_labels() {
        assert!(name("a.example.com").is_within(&name("example.com")));
        assert!(name("example.com").is_within(&name("example.com")));
        assert!(!name("badexample.com").is_within(&name("example.com")));
        assert!(!name("com").is_within(&name("example.com")));
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_is_idempotent(text in "\\PC{0,300}") {
            if let Ok(name) = text.parse::<DomainName>() {
                prop_assert!(name.as_str().len() <= MAX_NAME);
                prop_assert_eq!(name.as_str().parse::<DomainName>().unwrap(), name);
            }
        }
    }
}
