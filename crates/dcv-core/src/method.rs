//! The methods of proving control, as data: what stands where. The rules of `decide` know no method by name.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{DomainName, RandomValue, RecordData};

/// How control is proven (DigiCert, DCV methods).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Method {
    /// `dns-txt-token`: the random value in a TXT record.
    DnsTxt,
    /// `dns-cname-token`: an alias whose target begins with the random value.
    DnsCname,
    /// Every other method.
    Other(String),
}

impl Method {
    /// DigiCert's spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::DnsTxt => "dns-txt-token",
            Self::DnsCname => "dns-cname-token",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for Method {
    fn from(text: &str) -> Self {
        match text {
            "dns-txt-token" => Self::DnsTxt,
            "dns-cname-token" => Self::DnsCname,
            other => Self::Other(other.chars().take(64).collect()),
        }
    }
}

impl From<String> for Method {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.as_str().to_owned()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a method wants at the owner name of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A TXT record with the value; several values may stand side by side.
    Txt,
    /// A CNAME record to `<value>.<suffix>`; a name has one, and nothing beside it.
    Cname {
        /// DigiCert's validation host, `dcv.digicert.com` (change log of 2025-10-28).
        suffix: DomainName,
    },
}

impl Proof {
    /// The record for a value.
    ///
    /// # Errors
    /// One sentence, when the value does not fit into a record of this form.
    pub fn record(&self, value: &RandomValue) -> Result<RecordData, String> {
        match self {
            Self::Txt => Ok(RecordData::Txt(value.clone())),
            Self::Cname { suffix } => suffix
                .child(value.as_str())
                .map(RecordData::Cname)
                .map_err(|error| format!("the value cannot be a label of a CNAME target: {error}")),
        }
    }

    /// Whether a name can hold one record of this form only, so that orders wait for one another.
    #[must_use]
    pub const fn is_exclusive(&self) -> bool {
        matches!(self, Self::Cname { .. })
    }
}

/// The methods that can be carried out, each with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Methods(Vec<(Method, Proof)>);

impl Methods {
    /// These methods.
    #[must_use]
    pub const fn new(methods: Vec<(Method, Proof)>) -> Self {
        Self(methods)
    }

    /// DigiCert's DNS methods, with this suffix of CNAME targets.
    #[must_use]
    pub fn digicert(suffix: DomainName) -> Self {
        Self(vec![(Method::DnsTxt, Proof::Txt), (Method::DnsCname, Proof::Cname { suffix })])
    }

    /// What a method wants; `None` where it cannot be carried out.
    #[must_use]
    pub fn proof(&self, method: &Method) -> Option<&Proof> {
        self.0.iter().find(|(known, _)| known == method).map(|(_, proof)| proof)
    }

    /// Whether an alias to this target is one of DigiCert's CNAME method, of whatever order.
    #[must_use]
    pub fn owns(&self, target: &DomainName) -> bool {
        self.0.iter().any(|(_, proof)| {
            matches!(proof, Proof::Cname { suffix } if target.is_within(suffix) && target != suffix)
        })
    }
}

impl Default for Methods {
    fn default() -> Self {
        match "dcv.digicert.com".parse() {
            Ok(suffix) => Self::digicert(suffix),
            Err(_) => Self(vec![(Method::DnsTxt, Proof::Txt)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_of_each_method() {
        let value = RandomValue::new("q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls").unwrap();
        let methods = Methods::default();
        let record = |method: &str| {
            methods.proof(&method.into()).map(|proof| proof.record(&value).unwrap().to_string())
        };
        assert_eq!(record("dns-txt-token").as_deref(), Some("TXT \"q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls\""));
        let target = "CNAME q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls.dcv.digicert.com.";
        assert_eq!(record("dns-cname-token").as_deref(), Some(target));
        assert_eq!(record("email"), None);
        assert!(methods.owns(&"anything.dcv.digicert.com".parse().unwrap()));
        assert!(!methods.owns(&"dcv.digicert.com".parse().unwrap()));
        assert!(!methods.owns(&"x.dcv.example.com".parse().unwrap()));
    }

    #[test]
    fn a_value_that_is_no_label_is_no_cname() {
        let long = RandomValue::new("a".repeat(64)).unwrap();
        let methods = Methods::default();
        assert!(methods.proof(&Method::DnsCname).unwrap().record(&long).is_err());
        let dotted = RandomValue::new("a.b").unwrap();
        assert!(methods.proof(&Method::DnsCname).unwrap().record(&dotted).is_err());
    }
}
