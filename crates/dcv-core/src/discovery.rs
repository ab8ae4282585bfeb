//! Which orders of an account are taken up: by patterns over the names on their certificates.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::{CertName, DomainName, NameError};

/// A pattern over names: `example.com` is that name alone, `*.example.com` every name below it, at any depth, and
/// `*.example.com` itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Pattern {
    /// That name alone.
    Exactly(DomainName),
    /// Every name below that one, and its wildcard.
    Below(DomainName),
}

impl Pattern {
    /// Whether the pattern covers a name on a certificate.
    #[must_use]
    pub fn covers(&self, name: &CertName) -> bool {
        match self {
            Self::Exactly(exactly) => !name.wildcard && name.name == *exactly,
            Self::Below(below) => name.name.is_within(below) && (name.wildcard || name.name != *below),
        }
    }

    /// Whether every name that `other` covers is covered by this one.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exactly(a), Self::Exactly(b)) => a == b,
            (Self::Exactly(_), Self::Below(_)) => false,
            (Self::Below(below), Self::Exactly(name)) => name.is_within(below) && name != below,
            (Self::Below(a), Self::Below(b)) => b.is_within(a),
        }
    }

    /// The domain that the pattern speaks of.
    #[must_use]
    pub const fn domain(&self) -> &DomainName {
        match self {
            Self::Exactly(domain) | Self::Below(domain) => domain,
        }
    }
}

impl FromStr for Pattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let name = DomainName::scope(text)?;
        Ok(if text.trim().starts_with("*.") { Self::Below(name) } else { Self::Exactly(name) })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(name) => write!(f, "{name}"),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

/// Which names are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    /// Every name has to be covered by one of these; by default every name is.
    pub only: Vec<Pattern>,
    /// No name may be covered by one of these.
    pub except: Vec<Pattern>,
}

impl Patterns {
    /// Whether an order with these names is taken up.
    ///
    /// # Errors
    /// The reason why not, in one sentence.
    pub fn admit(&self, names: &[CertName]) -> Result<(), String> {
        for name in names {
            let shown = if name.wildcard { format!("*.{}", name.name) } else { name.name.to_string() };
            if let Some(except) = self.except.iter().find(|pattern| pattern.covers(name)) {
                return Err(format!("{shown} is excepted by {:?}", except.to_string()));
            }
            if !self.only.is_empty() && !self.only.iter().any(|pattern| pattern.covers(name)) {
                return Err(format!("{shown} is covered by no pattern of `only`"));
            }
        }
        Ok(())
    }

    /// Whether everything is admitted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.only.is_empty() && self.except.is_empty()
    }

    /// A pattern of `only` that can never admit anything, since one of `except` takes all of it.
    #[must_use]
    pub fn conflict(&self) -> Option<(&Pattern, &Pattern)> {
        self.only.iter().find_map(|only| {
            self.except.iter().find(|except| except.includes(only)).map(|except| (only, except))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(only: &[&str], except: &[&str]) -> Patterns {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Patterns { only: read(only), except: read(except) }
    }

    fn names(texts: &[&str]) -> Vec<CertName> {
        let name = |text: &&str| CertName {
            name: DomainName::scope(text).unwrap(),
            wildcard: text.starts_with("*."),
        };
        texts.iter().map(name).collect()
    }

    #[test]
    fn every_name_has_to_be_admitted() {
        type Case = (&'static [&'static str], &'static [&'static str], &'static [&'static str], bool);
        let cases: &[Case] = &[
            (&[], &[], &["www.example.com", "example.org"], true),
            (&["*.example.com"], &[], &["www.example.com", "a.b.example.com", "*.example.com"], true),
            (&["*.example.com"], &[], &["example.com"], false),
            (&["example.com"], &[], &["example.com"], true),
            (&["example.com"], &[], &["*.example.com"], false),
            (&["*.example.com"], &[], &["www.example.com", "www.example.org"], false),
            (&["*.example.com"], &[], &["www.badexample.com"], false),
            (&["*.Example.COM"], &[], &["www.example.com"], true),
            (&[], &["*.internal.example.com"], &["www.example.com"], true),
            (&[], &["*.internal.example.com"], &["www.example.com", "x.internal.example.com"], false),
            (&["*.example.com"], &["secret.example.com"], &["secret.example.com"], false),
            (&["*.example.com"], &[], &[], true),
        ];
        for (only, except, order, admitted) in cases {
            let answer = patterns(only, except).admit(&names(order));
            assert_eq!(answer.is_ok(), *admitted, "only {only:?}, except {except:?}, {order:?}: {answer:?}");
        }
    }

    #[test]
    fn a_pattern_that_is_excepted_as_a_whole_is_a_conflict() {
        for (only, except, conflict) in [
            (&["*.example.com"][..], &["*.example.com"][..], true),
            (&["*.a.example.com"], &["*.example.com"], true),
            (&["a.example.com"], &["*.example.com"], true),
            (&["example.com"], &["*.example.com"], false),
            (&["*.example.com"], &["*.a.example.com"], false),
            (&["*.example.com"], &["a.example.com"], false),
            (&[], &["*.example.com"], false),
        ] {
            assert_eq!(patterns(only, except).conflict().is_some(), conflict, "{only:?} {except:?}");
        }
    }
}
