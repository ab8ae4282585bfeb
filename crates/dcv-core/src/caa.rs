//! Whether CAA records let DigiCert issue (RFC 8659), judged from the relevant record set.

use std::fmt;

use serde::Serialize;

use crate::DomainName;

/// The issuer names that stand for DigiCert and its brands (DigiCert, DNS CAA resource record check; CCADB).
const DIGICERT: &[&str] = &[
    "digicert.com",
    "digicert.ne.jp",
    "cybertrust.ne.jp",
    "symantec.com",
    "thawte.com",
    "geotrust.com",
    "rapidssl.com",
    "quovadisglobal.com",
    "digitalcertvalidation.com",
];

/// Property tags whose meaning is known; an unknown one that is critical forbids everything (RFC 8659 section 4.5).
const KNOWN_TAGS: &[&str] =
    &["issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"];

/// Most issuers that a sentence names.
const NAMED: usize = 5;

/// A name on a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CertName {
    /// The name, without `*.`.
    pub name: DomainName,
    /// Whether the certificate names `*.<name>`: then `issuewild` counts.
    pub wildcard: bool,
}

impl fmt::Display for CertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.wildcard { "*." } else { "" };
        write!(f, "{star}{}", self.name)
    }
}

/// One CAA record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaaRecord {
    /// An issuer that does not know the tag must not issue.
    pub critical: bool,
    /// The property's tag.
    pub tag: String,
    /// The property's value.
    pub value: String,
}

/// Whether DigiCert may issue for a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "caa")]
pub enum Caa {
    /// No CAA record from the name up to its top-level domain: everybody may.
    Open,
    /// The records let DigiCert issue.
    Allowed {
        /// The name that has them.
        at: DomainName,
        /// Parameters of the property that allows it, which only DigiCert can judge: `accounturi`,
        /// `validationmethods` (RFC 8657), `account`.
        parameters: Vec<String>,
    },
    /// The records forbid it.
    Forbidden {
        /// The name that has them.
        at: DomainName,
        /// Which record does.
        why: String,
    },
    /// The records could not be read; a CA may not issue then (TLS BR 3.2.2.8).
    Unknown {
        /// Why.
        why: String,
    },
}

impl Caa {
    /// Judges the relevant record set, found at `at`.
    #[must_use]
    pub fn judge(at: &DomainName, records: &[CaaRecord], wildcard: bool) -> Self {
        let forbidden = |why| Self::Forbidden { at: at.clone(), why };
        let tagged =
            |tag: &str| records.iter().filter(|record| record.tag.eq_ignore_ascii_case(tag)).collect();
        let unknown = records.iter().find(|record| {
            record.critical && !KNOWN_TAGS.iter().any(|tag| record.tag.eq_ignore_ascii_case(tag))
        });
        if let Some(record) = unknown {
            return forbidden(format!(
                "the critical property {:?} is not known to CAs",
                bounded(&record.tag)
            ));
        }
        let mut tag = "issue";
        let mut properties: Vec<&CaaRecord> = tagged(tag);
        if wildcard {
            let wild: Vec<_> = tagged("issuewild");
            if !wild.is_empty() {
                (tag, properties) = ("issuewild", wild);
            }
        }
        if properties.is_empty() {
            return Self::Allowed { at: at.clone(), parameters: Vec::new() };
        }
        let issuers: Vec<_> = properties.iter().map(|record| issuer(&record.value)).collect();
        let ours = issuers.iter().filter(|(name, _)| is_digicert(name));
        // Several properties may allow it; the one with the fewest conditions is the widest.
        if let Some((_, parameters)) = ours.min_by_key(|(_, parameters)| parameters.len()) {
            return Self::Allowed { at: at.clone(), parameters: parameters.clone() };
        }
        let mut named: Vec<String> = issuers
            .iter()
            .filter(|(name, _)| !name.is_empty())
            .take(NAMED)
            .map(|(name, _)| bounded(name))
            .collect();
        named.dedup();
        forbidden(match named.as_slice() {
            [] => format!("its {tag} property lets nobody issue"),
            named => format!("its {tag} properties name only {}", named.join(", ")),
        })
    }
}

/// The issuer's domain, empty where there is none or it is malformed, and the parameters (RFC 8659 section 4.2).
fn issuer(value: &str) -> (String, Vec<String>) {
    let mut parts = value.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let name = name.parse::<DomainName>().map_or_else(|_| String::new(), |name| name.to_string());
    (name, parts.filter(|part| !part.is_empty()).take(16).map(bounded).collect())
}

fn is_digicert(name: &str) -> bool {
    DIGICERT.contains(&name) || name.ends_with(".digitalcertvalidation.com")
}

/// Records are somebody else's text; a sentence repeats only so much of it.
fn bounded(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at() -> DomainName {
        "example.com".parse().unwrap()
    }

    fn record(text: &str) -> CaaRecord {
        let mut parts = text.splitn(3, ' ');
        let critical = parts.next() == Some("128");
        CaaRecord {
            critical,
            tag: parts.next().unwrap().into(),
            value: parts.next().unwrap_or_default().into(),
        }
    }

    #[test]
    fn the_table_of_rfc_8659() {
        let cases: &[(&[&str], bool, &str)] = &[
            (&["0 issue digicert.com"], false, "allowed"),
            (&["0 issue digicert.com"], true, "allowed"),
            (&["0 issue DigiCert.com."], false, "allowed"),
            (&["0 ISSUE digicert.com"], false, "allowed"),
            (&["0 issue letsencrypt.org", "0 issue thawte.com"], false, "allowed"),
            (&["0 issue letsencrypt.org"], false, "only letsencrypt.org"),
            (&["0 issue ;"], false, "nobody"),
            (&["0 issue "], false, "nobody"),
            (&["0 issue ;", "0 issue digicert.com"], false, "allowed"),
            (&["0 issue %%%%%"], false, "nobody"),
            (&["0 issue notdigicert.com"], false, "only notdigicert.com"),
            (&["0 issue a.digitalcertvalidation.com"], false, "allowed"),
            (&["0 iodef mailto:a@example.com"], false, "allowed"),
            (&["0 issuewild ;"], false, "allowed"),
            (&["0 issuewild ;"], true, "nobody"),
            (&["0 issue digicert.com", "0 issuewild ;"], true, "nobody"),
            (&["0 issue ;", "0 issuewild digicert.com"], true, "allowed"),
            (&["0 issue ;", "0 issuewild digicert.com"], false, "nobody"),
            (&["128 tbs x", "0 issue digicert.com"], false, "critical"),
            (&["0 tbs x", "0 issue digicert.com"], false, "allowed"),
            (&["128 issue digicert.com"], false, "allowed"),
        ];
        for (records, wildcard, expected) in cases {
            let records: Vec<_> = records.iter().map(|text| record(text)).collect();
            let told = match Caa::judge(&at(), &records, *wildcard) {
                Caa::Allowed { .. } => "allowed".to_owned(),
                Caa::Forbidden { why, .. } => why,
                other => panic!("{other:?}"),
            };
            assert!(told.contains(expected), "{records:?}, wildcard {wildcard}: {told}");
        }
    }

    #[test]
    fn parameters_are_reported_and_the_widest_property_counts() {
        let bound = record("0 issue digicert.com; account=abc ; validationmethods=dns-01;");
        let allowed = |parameters: &[&str]| Caa::Allowed {
            at: at(),
            parameters: parameters.iter().map(|&p| p.to_owned()).collect(),
        };
        assert_eq!(
            Caa::judge(&at(), std::slice::from_ref(&bound), false),
            allowed(&["account=abc", "validationmethods=dns-01"])
        );
        assert_eq!(Caa::judge(&at(), &[bound, record("0 issue digicert.com")], false), allowed(&[]));
    }

    proptest! {
        #[test]
        fn hostile_records_never_panic_and_stay_short(tag in "\\PC{0,300}", value in "\\PC{0,2000}", critical: bool) {
            let record = CaaRecord { critical, tag, value };
            if let Caa::Forbidden { why, .. } = Caa::judge(&at(), &vec![record; 20], true) {
                prop_assert!(why.chars().count() < 1000);
            }
        }
    }
}
