//! The contract of a provider.

use std::{error::Error as StdError, fmt, time::Duration};

use async_trait::async_trait;
use dcv_core::{AliasTarget, Change, DomainName, RecordData, Site};

/// A zone as configured: its name, and the provider's own id where the operator gave one, which spares the permission
/// to list zones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Zone {
    /// The zone's apex.
    pub name: DomainName,
    /// The provider's id for it.
    pub id: Option<String>,
}

impl Zone {
    /// Refuses changes that lie outside the zone, before anything is sent. What a provider does first.
    ///
    /// # Errors
    /// With the first name that lies outside.
    pub fn encloses(&self, changes: &[Change]) -> Result<(), Error> {
        match changes.iter().map(|change| change.site().owner()).find(|owner| !owner.is_within(&self.name)) {
            Some(stray) => {
                Err(Error::new(Class::Bug, "outside-zone", format!("{stray} lies outside {}", self.name)))
            }
            None => Ok(()),
        }
    }
}

/// Names for a sentence: the first few of many, each once.
#[allow(dead_code, reason = "a build without any kind has no sentences")]
pub(crate) fn listed(names: impl IntoIterator<Item = String>) -> String {
    const SHOWN: usize = 4;
    let names: std::collections::BTreeSet<String> = names.into_iter().collect();
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What a read-only look at a zone told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// One sentence for a person: how the zone was found.
    pub detail: String,
    /// The name servers that the provider has for the zone, which the parent zone should name; none where it does not tell.
    pub name_servers: Vec<DomainName>,
}

impl Probe {
    /// A zone that was found in this way.
    #[must_use]
    pub fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), name_servers: Vec::new() }
    }

    /// With the zone's name servers, as the provider spells them; what is no name is left out.
    #[must_use]
    pub fn served_by<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().filter_map(|name| name.as_ref().trim_end_matches('.').parse().ok());
        self.name_servers = names.collect();
        self
    }
}

/// The values of one type family that a provider holds at one owner name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordSet {
    /// TXT texts, each joined from its character-strings, ours and others'.
    pub txt: Vec<String>,
    /// The alias, should the name be one as DNS shows it, spelled as the provider has it.
    pub cname: Option<AliasTarget>,
    /// Time to live in seconds, where there is a record and the provider can tell it.
    pub ttl: Option<u32>,
}

impl RecordSet {
    /// Whether the value is among them.
    #[must_use]
    pub fn holds(&self, data: &RecordData) -> bool {
        match data {
            RecordData::Txt(value) => self.txt.iter().any(|text| text == value.as_str()),
            RecordData::Cname(target) => self.cname.as_ref() == Some(target),
        }
    }
}

/// What [`DnsProvider::apply`] leaves behind to ask the provider about its own synchronisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's id of the change; `None` where it has no such thing or nothing had to change.
    pub change: Option<String>,
}

/// Publishing at one DNS account or server.
///
/// # Which values survive
/// All that the call does not name. A name may hold values of other orders, of other tools and of other people; they,
/// their time to live and every other record type come through `apply` unchanged. Where a vendor's API replaces whole
/// record sets, the write carries a precondition (the exact old set, an ETag) and is repeated from a fresh read when
/// the precondition fails, so two writers at one name both survive.
///
/// # Repeated calls
/// Adding a value that is there and removing one that is not are successes and change nothing. Any call may be
/// repeated after any failure.
///
/// # Capitals
/// An alias is written as its target is spelled, and one that stands there in other capitals is replaced: the CA tells
/// them apart. What is removed is what DNS holds equal, for a vendor may have changed its capitals.
///
/// # Batches
/// Changes of one call belong to one zone and are sent in as few requests as the vendor's limits allow. A call that
/// fails may have applied part of its batch, never part of a change.
///
/// # Cancellation
/// A dropped call leaves each owner name with its old or its new set, nothing between.
///
/// # Secrets
/// Neither `Debug` nor any error shows a credential.
#[async_trait]
pub trait DnsProvider: fmt::Debug + Send + Sync {
    /// Whether the secrets can be what they should, as far as that can be told without asking anybody.
    ///
    /// # Errors
    /// A secret that cannot be read, or cannot be one.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Whether the zone could be edited with these credentials, as far as reading tells. Changes nothing.
    async fn probe(&self, zone: &Zone) -> Result<Probe, Error>;

    /// What the provider holds at the site itself now; not through a cache, and not what a wildcard lends the name.
    ///
    /// A provider that can only be told (a script, a webhook) answers with an error labelled `unreadable`; callers go by
    /// what DNS shows then.
    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error>;

    /// Most changes that a caller hands over at once, so that each call ends within a minute: a provider that runs a
    /// program for each value cannot do a hundred in that time, and a call that is given up begins anew.
    fn at_once(&self) -> usize {
        usize::MAX
    }

    /// Applies a batch.
    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error>;

    /// Whether the provider holds the change as distributed to all its servers; `true` where it cannot tell. Asked
    /// sparingly.
    async fn settled(&self, _receipt: &Receipt) -> Result<bool, Error> {
        Ok(true)
    }
}

/// How an error is to be dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The world is in the way: try again.
    Later,
    /// This name needs a person: another record type stands there.
    Blocked,
    /// Settings or credentials are wrong.
    Setup,
    /// An answer outside our model.
    Bug,
}

/// Whose trouble an error is: for what else the same call need not be made now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// It says nothing of other names.
    #[default]
    Name,
    /// The zone's: every change of it would fail alike.
    Zone,
    /// The provider's: its server, or the way to it, or the credentials.
    Provider,
}

/// Why a provider could not do what was asked.
#[derive(Debug)]
pub struct Error {
    class: Class,
    extent: Extent,
    label: &'static str,
    message: String,
    hint: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with its class, a stable label for metrics, and one sentence.
    #[must_use]
    pub fn new(class: Class, label: &'static str, message: impl Into<String>) -> Self {
        Self {
            class,
            extent: Extent::Name,
            label,
            message: message.into(),
            hint: None,
            retry_after: None,
            source: None,
        }
    }

    /// Says whose trouble it is.
    #[must_use]
    pub const fn of(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }

    /// Adds what a person can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds when the provider wants to be asked again.
    #[must_use]
    pub const fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// How to deal with it.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// Whose trouble it is.
    #[must_use]
    pub const fn extent(&self) -> Extent {
        self.extent
    }

    /// A stable label for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        self.label
    }

    /// What a person can do about it.
    #[must_use]
    pub fn next_action(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// When the provider wants to be asked again.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use dcv_core::{Guarded, Lookup, RandomValue};

    use super::*;

    fn removal(scope: &str, zone: &str) -> Change {
        let name = |text: &str| text.parse::<DomainName>().unwrap();
        let site = Guarded::direct(&Lookup::dnsauth(name(scope)), name(zone)).unwrap();
        Change::Remove { site, data: RecordData::Txt(RandomValue::new("value").unwrap()) }
    }

    /// What counts is the owner name: not the zone that the site was found in, nor how the names are spelt.
    #[test]
    fn a_zone_encloses_its_names_and_no_others() {
        let zone = Zone { name: "example.com".parse().unwrap(), id: None };
        let inside = [removal("example.com", "example.com"), removal("a.b.example.com", "b.example.com")];
        assert!(zone.encloses(&inside).is_ok());
        assert!(zone.encloses(&[]).is_ok());
        for stray in ["example.net", "notexample.com", "example.com.example.net", "com.example"] {
            let changes = [&inside[..], &[removal(stray, stray)]].concat();
            let error = zone.encloses(&changes).unwrap_err();
            assert_eq!((error.class(), error.label()), (Class::Bug, "outside-zone"), "{stray}");
            assert_eq!(error.to_string(), format!("_dnsauth.{stray} lies outside example.com"));
        }
    }
}
