//! Where the CA looks: a name that it asks, or a file that it fetches.

use std::{borrow::Cow, fmt};

use serde::{Serialize, Serializer};

use crate::{DomainName, NameError};

/// The label under which DigiCert looks first (digicert/domain-control-validation, `DcvConfiguration`).
pub const DNSAUTH: &str = "_dnsauth";

/// The path at which the CA fetches the file of a host (DigiCert, HTTP practical demonstration).
pub const FILE_PATH: &str = "/.well-known/pki-validation/fileauth.txt";

/// `_dnsauth.<scope>`, the name that DigiCert asks first.
///
/// # Errors
/// When the result would be longer than a name may be.
pub fn dnsauth_owner(scope: &DomainName) -> Result<DomainName, NameError> {
    scope.child(DNSAUTH)
}

/// How the CA comes from a domain to what it looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// A record at a name below the domain, such as `_dnsauth`. The label begins with an underscore, so that it never is
    /// the name of a host.
    Under(Cow<'static, str>),
    /// A record at the domain itself.
    Bare,
    /// A file on the domain's web server.
    File,
}

/// One thing that the CA looks at to find a domain proven.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lookup {
    /// The domain of which control is proven: a scope, or for a file each name of the certificate by itself.
    pub domain: DomainName,
    /// Where the CA goes from there.
    pub label: Label,
}

impl Lookup {
    /// `_dnsauth.<domain>`, where the CA looks first for a record.
    #[must_use]
    pub fn dnsauth(domain: DomainName) -> Self {
        Self { domain, label: Label::Under(DNSAUTH.into()) }
    }

    /// The name that the CA asks.
    ///
    /// # Errors
    /// When the label makes it longer than a name may be.
    pub fn name(&self) -> Result<DomainName, NameError> {
        match &self.label {
            Label::Under(label) => self.domain.child(label),
            Label::Bare | Label::File => Ok(self.domain.clone()),
        }
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Label::Under(label) => write!(f, "{label}.{}", self.domain),
            Label::Bare => self.domain.fmt(f),
            Label::File => write!(f, "http://{}", self.domain),
        }
    }
}

impl Serialize for Lookup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn lookups_read_as_the_names_that_are_asked() {
        let lookup = |label| Lookup { domain: name("example.com"), label };
        assert_eq!(lookup(Label::Under("_dnsauth".into())).to_string(), "_dnsauth.example.com");
        assert_eq!(lookup(Label::Under("_dnsauth".into())).name().unwrap(), name("_dnsauth.example.com"));
        assert_eq!(lookup(Label::Bare).to_string(), "example.com");
        assert_eq!(lookup(Label::File).to_string(), "http://example.com");
    }
}
