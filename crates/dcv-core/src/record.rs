//! What may be written into DNS: a validation value at a validation name, and nothing else.
//!
//! [`Site`] is the guard beneath all providers. It can only be built for a [`Lookup`] (`_dnsauth.<scope>`, or the scope
//! itself where the operator wants that) or for the name to which a delegation led from there, and [`RecordData`] can
//! only hold a checked random value or a DigiCert validation target. So a record of any other name or type cannot be
//! spoken of at all.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{AliasTarget, DomainName, FILE_PATH, Label, Lookup, NameError};

/// Most delegations that are followed from `_dnsauth.<scope>`.
pub const MAX_CHAIN: usize = 8;

/// DigiCert's random value, fit to be published: 1 to 255 printable ASCII characters without white space, quotes or
/// backslashes (a single DNS character-string, RFC 1035 section 3.3, that needs no escaping anywhere).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RandomValue(Arc<str>);

impl RandomValue {
    /// Checks a value that the CA gave.
    ///
    /// # Errors
    /// Says what is wrong; the value itself is not repeated.
    pub fn new(text: impl Into<String>) -> Result<Self, ValueError> {
        let text = text.into();
        match text.len() {
            0 => return Err(ValueError::Empty),
            1..=255 => {}
            octets => return Err(ValueError::TooLong { octets }),
        }
        if let Some((at, _)) =
            text.char_indices().find(|&(_, c)| !c.is_ascii_graphic() || matches!(c, '"' | '\'' | '\\'))
        {
            return Err(ValueError::Character { at });
        }
        Ok(Self(text.into()))
    }

    /// The value as published: bare, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough of the value to recognise it in a log.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let head: String = self.0.chars().take(6).collect();
        format!("{head}…({})", self.0.len())
    }
}

impl fmt::Debug for RandomValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

impl TryFrom<String> for RandomValue {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        Self::new(text)
    }
}

impl From<RandomValue> for String {
    fn from(value: RandomValue) -> Self {
        value.as_str().to_owned()
    }
}

/// Why a random value cannot be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The CA gave no value.
    #[error("the random value is empty")]
    Empty,
    /// More than one DNS character-string.
    #[error("the random value has {octets} octets; at most 255 fit into one DNS string")]
    TooLong {
        /// Its length.
        octets: usize,
    },
    /// White space, a control or non-ASCII character, a quote or a backslash.
    #[error(
        "the random value has a character at position {at} that must not be published (white space, control, quote, backslash or non-ASCII)"
    )]
    Character {
        /// Byte position, from 0.
        at: usize,
    },
    /// The CA looks for a file that we do not write.
    #[error(
        "DigiCert looks for the file at another path than {FILE_PATH}, which is the only one that is written; change the method to dns-txt-token in CertCentral"
    )]
    AnotherFile,
}

/// A record's data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordData {
    /// A TXT record with the value as its only character-string.
    Txt(RandomValue),
    /// A CNAME record to DigiCert's validation host (method `dns-cname-token`), the value spelled as the CA gave it.
    Cname(AliasTarget),
}

impl RecordData {
    /// Whether the two cannot stand at one name (RFC 1034 section 3.6.2).
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        self != other && matches!((self, other), (Self::Cname(_), _) | (_, Self::Cname(_)))
    }

    /// Whether DNS holds the two equal: aliases may differ in capitals that only the CA tells apart.
    #[must_use]
    pub fn is_same_in_dns(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cname(one), Self::Cname(other)) => one.name() == other.name(),
            (Self::Txt(_), _) | (_, Self::Txt(_)) => self == other,
        }
    }

    /// Enough to recognise it in a log.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Txt(value) => value.fingerprint(),
            Self::Cname(target) => {
                format!("a CNAME to {}…", target.label().chars().take(6).collect::<String>())
            }
        }
    }

    /// The record type's mnemonic.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Txt(_) => "TXT",
            Self::Cname(_) => "CNAME",
        }
    }
}

impl fmt::Display for RecordData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Txt(value) => write!(f, "TXT \"{}\"", value.as_str()),
            Self::Cname(target) => write!(f, "CNAME {target}."),
        }
    }
}

/// A record's time to live in seconds; 1 s to one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl(u32);

impl Ttl {
    /// A time to live, or `None` outside 1 s to 86 400 s.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Option<Self> {
        if seconds >= 1 && seconds <= 86_400 { Some(Self(seconds)) } else { None }
    }

    /// In seconds.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.0
    }
}

impl Default for Ttl {
    /// One minute: DigiCert requires nothing, and a short one lets mistakes heal.
    fn default() -> Self {
        Self(60)
    }
}

/// Where a validation record goes: a zone and an owner name in it.
///
/// Built only by [`Guarded`], so that every site is a validation name; it is written out, and never read back unchecked:
///
/// ```compile_fail,E0277
/// fn read_back<T: serde::de::DeserializeOwned>() {}
/// read_back::<dcv_core::Site>();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Site {
    zone: DomainName,
    owner: DomainName,
}

impl Site {
    /// The zone that holds the owner name.
    #[must_use]
    pub const fn zone(&self) -> &DomainName {
        &self.zone
    }

    /// The owner name of the record.
    #[must_use]
    pub const fn owner(&self) -> &DomainName {
        &self.owner
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.owner.fmt(f)
    }
}

/// The only way to a [`Site`].
#[derive(Debug)]
pub struct Guarded;

impl Guarded {
    /// The site for a lookup when nothing is delegated.
    ///
    /// # Errors
    /// When the owner name is too long or lies outside the zone, or the lookup is not one of DNS.
    pub fn direct(lookup: &Lookup, zone: DomainName) -> Result<Site, RecordError> {
        Self::in_zone(Self::start(lookup)?, zone)
    }

    /// The site to which a chain of CNAME records leads from a lookup; `chain` holds their targets in order and the last
    /// one is the owner name.
    ///
    /// # Errors
    /// When the chain is empty, longer than 8, comes back to itself, ends outside `zone`, or ends at the zone's apex,
    /// where a record would stand beside SPF and the like; and when it begins at a bare name, whose alias was made for
    /// something else than validation.
    pub fn delegated(lookup: &Lookup, chain: &[DomainName], zone: DomainName) -> Result<Site, RecordError> {
        let start = Self::start(lookup)?;
        if lookup.label == Label::Bare {
            return Err(RecordError::BareAlias { owner: start });
        }
        let Some(owner) = chain.last() else { return Err(RecordError::EmptyChain) };
        if chain.len() > MAX_CHAIN {
            return Err(RecordError::ChainTooLong { owner: start });
        }
        for (at, target) in chain.iter().enumerate() {
            if *target == start || chain[..at].contains(target) {
                return Err(RecordError::ChainLoop { owner: start });
            }
        }
        if *owner == zone {
            return Err(RecordError::Apex { zone });
        }
        Self::in_zone(owner.clone(), zone)
    }

    /// A site read back from the state, which only ever records sites that were built by the two functions above.
    ///
    /// # Errors
    /// When the owner lies outside the zone: such an entry was not written by us.
    pub fn recorded(owner: DomainName, zone: DomainName) -> Result<Site, RecordError> {
        Self::in_zone(owner, zone)
    }

    fn start(lookup: &Lookup) -> Result<DomainName, RecordError> {
        match &lookup.label {
            Label::Under(label) if label.starts_with('_') => Ok(lookup.name()?),
            Label::Bare => Ok(lookup.domain.clone()),
            Label::Under(_) | Label::File => Err(RecordError::NoRecord { lookup: lookup.clone() }),
        }
    }

    fn in_zone(owner: DomainName, zone: DomainName) -> Result<Site, RecordError> {
        if !owner.is_within(&zone) {
            return Err(RecordError::OutsideZone { owner, zone });
        }
        Ok(Site { zone, owner })
    }
}

/// Why a name may not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// `_dnsauth.<scope>` is not a legal name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The owner does not belong to the zone.
    #[error("{owner} lies outside the zone {zone}")]
    OutsideZone {
        /// The name.
        owner: DomainName,
        /// The zone.
        zone: DomainName,
    },
    /// The CA looks for no validation record there.
    #[error("{lookup} is no place for a validation record")]
    NoRecord {
        /// Where.
        lookup: Lookup,
    },
    /// An alias at the domain itself.
    #[error(
        "{owner} is an alias, and no record can stand beside it; set owner = \"dnsauth\" for its zone, or validate the domain above it"
    )]
    BareAlias {
        /// The name.
        owner: DomainName,
    },
    /// A delegation without targets.
    #[error("the delegation has no target")]
    EmptyChain,
    /// More than 8 CNAME records in a row.
    #[error("{owner} is delegated through more than {MAX_CHAIN} CNAME records")]
    ChainTooLong {
        /// Where the chain begins.
        owner: DomainName,
    },
    /// A CNAME chain that returns to a name it has passed.
    #[error("the CNAME chain from {owner} runs in a circle")]
    ChainLoop {
        /// Where the chain begins.
        owner: DomainName,
    },
    /// A delegation to a zone's apex.
    #[error(
        "a delegation to the apex of {zone} is refused: other TXT records live there; point it at a name below"
    )]
    Apex {
        /// The zone.
        zone: DomainName,
    },
}

/// One change to DNS. A batch of them is one provider call; every other value at the owner name survives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Have the value there; already there is success.
    Add {
        /// Where.
        site: Site,
        /// What.
        data: RecordData,
        /// Time to live, should the record set not exist yet.
        ttl: Ttl,
    },
    /// Have the value gone; already gone is success.
    Remove {
        /// Where.
        site: Site,
        /// What.
        data: RecordData,
    },
}

impl Change {
    /// Where the change is made.
    #[must_use]
    pub const fn site(&self) -> &Site {
        match self {
            Self::Add { site, .. } | Self::Remove { site, .. } => site,
        }
    }

    /// The value that comes or goes.
    #[must_use]
    pub const fn data(&self) -> &RecordData {
        match self {
            Self::Add { data, .. } | Self::Remove { data, .. } => data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DNSAUTH;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    fn lookup(domain: &str) -> Lookup {
        Lookup { domain: name(domain), label: Label::Under(DNSAUTH.into()) }
    }

    #[test]
    fn values_that_dns_would_mangle_are_refused() {
        for bad in ["", "a b", "a\"b", "a\\b", "a'b", "a\tb", "a\nb", "a\u{7f}", "ä", &"x".repeat(256)] {
            assert!(RandomValue::new(bad).is_err(), "{bad:?}");
        }
        assert!(RandomValue::new("x".repeat(255)).is_ok());
        assert!(RandomValue::new("q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls").is_ok());
    }

    #[test]
    fn a_value_shows_only_its_head_in_logs() {
        let value = RandomValue::new("q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls").unwrap();
        assert_eq!(format!("{value:?}"), "q7m3xk…(32)");
    }

    #[test]
    fn a_direct_site_is_always_the_validation_label() {
        let site = Guarded::direct(&lookup("www.example.com"), name("example.com")).unwrap();
        assert_eq!(site.owner().as_str(), "_dnsauth.www.example.com");
        assert!(matches!(
            Guarded::direct(&lookup("example.org"), name("example.com")),
            Err(RecordError::OutsideZone { .. })
        ));
        for label in [Label::File, Label::Under("www".into())] {
            let lookup = Lookup { domain: name("example.com"), label };
            assert!(matches!(
                Guarded::direct(&lookup, name("example.com")),
                Err(RecordError::NoRecord { .. })
            ));
        }
    }

    /// The bare name is written where the operator chose it, the apex of a zone included; an alias there was made for
    /// something else.
    #[test]
    fn a_bare_name_is_a_site_and_its_alias_is_none() {
        let bare = Lookup { domain: name("example.com"), label: Label::Bare };
        let site = Guarded::direct(&bare, name("example.com")).unwrap();
        assert_eq!((site.owner(), site.zone()), (&name("example.com"), &name("example.com")));
        assert!(matches!(
            Guarded::delegated(&bare, &[name("cdn.example.net")], name("example.net")),
            Err(RecordError::BareAlias { .. })
        ));
    }

    #[test]
    fn delegation_is_bounded_and_never_reaches_an_apex() {
        let scope = lookup("example.com");
        let zone = name("dcv.example.net");
        let site = Guarded::delegated(&scope, &[name("a.dcv.example.net")], zone.clone()).unwrap();
        assert_eq!(site.owner(), &name("a.dcv.example.net"));
        assert!(matches!(
            Guarded::delegated(&scope, std::slice::from_ref(&zone), zone.clone()),
            Err(RecordError::Apex { .. })
        ));
        let round = [name("x.dcv.example.net"), name("y.dcv.example.net"), name("x.dcv.example.net")];
        assert!(matches!(
            Guarded::delegated(&scope, &round, zone.clone()),
            Err(RecordError::ChainLoop { .. })
        ));
        let back = [name("_dnsauth.example.com")];
        assert!(matches!(
            Guarded::delegated(&scope, &back, name("example.com")),
            Err(RecordError::ChainLoop { .. })
        ));
        let long: Vec<_> = (0..9).map(|i| name(&format!("h{i}.dcv.example.net"))).collect();
        assert!(matches!(
            Guarded::delegated(&scope, &long, zone.clone()),
            Err(RecordError::ChainTooLong { .. })
        ));
        assert!(matches!(Guarded::delegated(&scope, &[], zone), Err(RecordError::EmptyChain)));
    }
}
