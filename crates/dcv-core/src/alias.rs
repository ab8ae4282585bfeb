//! The target of an alias as it is spelled: DNS holds `Abc.example` and `abc.example` equal, DigiCert's validator does not.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{DomainName, NameError};

/// A CNAME record's target whose first label keeps its capitals.
///
/// With `dns-cname-token` that label is the random value, and DigiCert's own library compares it letter for letter
/// (digicert/domain-control-validation, `CnameValidator`). Two targets are equal when it would take them for the same: first
/// labels alike to the letter, the rest as DNS compares names. Whether DNS holds them equal is for [`Self::name`] to say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AliasTarget {
    name: DomainName,
    /// The first label as it is spelled, where that is not in lower case.
    spelled: Option<Arc<str>>,
}

impl AliasTarget {
    /// A label, such as a random value, below a name.
    ///
    /// # Errors
    /// When the label is not one label or the result is too long.
    pub fn below(suffix: &DomainName, label: &str) -> Result<Self, NameError> {
        Ok(Self { name: suffix.child(label)?, spelled: capitals(label) })
    }

    /// The name as DNS compares it.
    #[must_use]
    pub const fn name(&self) -> &DomainName {
        &self.name
    }

    /// The first label as it is spelled.
    #[must_use]
    pub fn label(&self) -> &str {
        self.spelled.as_deref().unwrap_or_else(|| self.name.labels().next().unwrap_or_default())
    }

    /// Whether DNS holds the two equal and DigiCert does not.
    #[must_use]
    pub fn differs_in_capitals(&self, other: &Self) -> bool {
        self.name == other.name && self.spelled != other.spelled
    }
}

/// A label that is not in lower case. Others than ASCII labels are spelled as A-labels, which are.
fn capitals(label: &str) -> Option<Arc<str>> {
    (label.is_ascii() && label.bytes().any(|byte| byte.is_ascii_uppercase())).then(|| label.into())
}

impl From<DomainName> for AliasTarget {
    fn from(name: DomainName) -> Self {
        Self { name, spelled: None }
    }
}

impl FromStr for AliasTarget {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let name = text.parse()?;
        Ok(Self { name, spelled: text.trim().split('.').next().and_then(capitals) })
    }
}

impl TryFrom<String> for AliasTarget {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<AliasTarget> for String {
    fn from(target: AliasTarget) -> Self {
        target.to_string()
    }
}

/// Without a trailing dot.
impl fmt::Display for AliasTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.spelled, self.name.as_str().split_once('.')) {
            (None, _) => self.name.fmt(f),
            (Some(label), None) => f.write_str(label),
            (Some(label), Some((_, rest))) => write!(f, "{label}.{rest}"),
        }
    }
}

impl fmt::Debug for AliasTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(text: &str) -> AliasTarget {
        text.parse().unwrap()
    }

    /// The value's label is compared to the letter, everything behind it as a name.
    #[test]
    fn capitals_of_the_first_label_alone_tell_targets_apart() {
        let given = target("Q7m3.DCV.digicert.com.");
        assert_eq!(given.to_string(), "Q7m3.dcv.digicert.com");
        assert_eq!(given.label(), "Q7m3");
        assert_eq!(given, target("Q7m3.dcv.DigiCert.com"));
        assert_eq!(given.name().as_str(), "q7m3.dcv.digicert.com");
        let lowered = target("q7m3.dcv.digicert.com");
        assert_ne!(given, lowered);
        assert!(given.differs_in_capitals(&lowered) && lowered.differs_in_capitals(&given));
        assert!(!given.differs_in_capitals(&given.clone()));
        assert!(!given.differs_in_capitals(&target("Q7m4.dcv.digicert.com")));
        assert_eq!(AliasTarget::below(&"dcv.digicert.com".parse().unwrap(), "Q7m3").unwrap(), given);
        assert_eq!(target("BÜCHER.example"), target("xn--bcher-kva.example"));
    }

    proptest! {
        #[test]
        fn a_target_is_read_back_as_it_was_written(text in "[A-Za-z0-9]{1,20}(\\.[A-Za-z]{1,9}){0,3}") {
            if let Ok(target) = text.parse::<AliasTarget>() {
                prop_assert_eq!(target.to_string().parse::<AliasTarget>().unwrap(), target.clone());
                prop_assert_eq!(target.to_string().to_lowercase(), target.name().as_str());
            }
        }
    }
}
