//! What proves control: the targets to which lookups lead, and what is put up there.

use std::fmt;

use serde::Serialize;

use crate::{DomainName, FILE_PATH, RandomValue, RecordData, Site};

/// Where something can be put up so that the CA finds it at a lookup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A record in a zone.
    Record(Site),
    /// The file of a host; only the agent's configuration knows the path to it.
    File(DomainName),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(site) => site.fmt(f),
            Self::File(host) => write!(f, "http://{host}{FILE_PATH}"),
        }
    }
}

/// Something put up for the CA to find, at its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Artifact {
    /// A record.
    Record {
        /// Where.
        site: Site,
        /// What.
        data: RecordData,
    },
    /// A file that holds the random value and nothing else.
    File {
        /// Whose.
        host: DomainName,
        /// What.
        value: RandomValue,
    },
}

impl Artifact {
    /// Where it stands.
    #[must_use]
    pub fn target(&self) -> Target {
        match self {
            Self::Record { site, .. } => Target::Record(site.clone()),
            Self::File { host, .. } => Target::File(host.clone()),
        }
    }

    /// The owner name of the record, or the host of the file.
    #[must_use]
    pub const fn owner(&self) -> &DomainName {
        match self {
            Self::Record { site, .. } => site.owner(),
            Self::File { host, .. } => host,
        }
    }

    /// The zone of the record; a file has none.
    #[must_use]
    pub const fn zone(&self) -> Option<&DomainName> {
        match self {
            Self::Record { site, .. } => Some(site.zone()),
            Self::File { .. } => None,
        }
    }

    /// What is there to be read, wherever it stands.
    #[must_use]
    pub fn content(&self) -> String {
        match self {
            Self::Record { data, .. } => data.to_string(),
            Self::File { value, .. } => value.as_str().to_owned(),
        }
    }

    /// Whether the two cannot stand side by side: an alias is alone at its name, and a host has one file.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        self.owner() == other.owner() && self.clashes_with(other)
    }

    /// Whether the two cannot stand in one slot, which holds an alias or texts, or one file.
    #[must_use]
    pub fn clashes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Record { data, .. }, Self::Record { data: other, .. }) => data.excludes(other),
            (Self::File { value, .. }, Self::File { value: other, .. }) => value != other,
            (Self::Record { .. }, Self::File { .. }) | (Self::File { .. }, Self::Record { .. }) => false,
        }
    }

    /// Whether it holds this random value.
    #[must_use]
    pub fn carries(&self, value: &RandomValue) -> bool {
        match self {
            Self::Record { data: RecordData::Txt(text), .. } => text.as_str().contains(value.as_str()),
            // A name has one alias, and DNS tells no capitals apart.
            Self::Record { data: RecordData::Cname(target), .. } => {
                target.label().eq_ignore_ascii_case(value.as_str())
            }
            Self::File { value: held, .. } => held == value,
        }
    }

    /// Enough of what stands there to recognise it in a log.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Record { data, .. } => data.fingerprint(),
            Self::File { value, .. } => value.fingerprint(),
        }
    }
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { site, data } => write!(f, "{site} {data}"),
            Self::File { value, .. } => write!(f, "{} {:?}", self.target(), value.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guarded, Label, Lookup};

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    fn file(host: &str, value: &str) -> Artifact {
        Artifact::File { host: name(host), value: RandomValue::new(value).unwrap() }
    }

    fn record(label: Label, data: RecordData) -> Artifact {
        let lookup = Lookup { domain: name("example.com"), label };
        Artifact::Record { site: Guarded::direct(&lookup, name("example.com")).unwrap(), data }
    }

    #[test]
    fn what_cannot_stand_side_by_side() {
        let txt = |value: &str| RecordData::Txt(RandomValue::new(value).unwrap());
        let alias = |target: &str| RecordData::Cname(target.parse().unwrap());
        let under = || Label::Under("_dnsauth".into());
        let cases = [
            (file("example.com", "a"), file("example.com", "b"), true),
            (file("example.com", "a"), file("example.com", "a"), false),
            (file("example.com", "a"), file("www.example.com", "b"), false),
            (file("example.com", "a"), record(Label::Bare, txt("b")), false),
            (record(under(), txt("a")), record(under(), txt("b")), false),
            (record(under(), txt("a")), record(under(), alias("b.example")), true),
            (record(under(), alias("a.example")), record(under(), alias("b.example")), true),
            (record(under(), alias("a.example")), record(under(), alias("A.example")), true),
            (record(Label::Bare, alias("a.example")), record(under(), txt("b")), false),
        ];
        for (one, other, excluded) in cases {
            assert_eq!(one.excludes(&other), excluded, "{one} beside {other}");
            assert_eq!(other.excludes(&one), excluded, "{other} beside {one}");
        }
    }
}
