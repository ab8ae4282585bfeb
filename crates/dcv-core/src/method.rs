//! The methods of proving control, as data: what stands where, and for how long. The rules of `decide` know no method
//! by name.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    AliasTarget, Artifact, CertName, DNSAUTH, DomainName, Label, Lookup, RandomValue, RecordData, Target,
};

/// How control is proven (DigiCert, DCV methods).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Method {
    /// `dns-txt-token`: the random value in a TXT record.
    DnsTxt,
    /// `dns-cname-token`: an alias whose target begins with the random value.
    DnsCname,
    /// `http-token`: the random value in a file of each name's web server.
    Http,
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
            Self::Http => "http-token",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for Method {
    fn from(text: &str) -> Self {
        match text {
            "dns-txt-token" => Self::DnsTxt,
            "dns-cname-token" => Self::DnsCname,
            "http-token" => Self::Http,
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

/// What a method wants: where the CA looks, what it looks for, and how long that has to stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodSpec {
    /// Where the CA looks from each domain, in its order. One of them is enough for it.
    pub labels: Vec<Label>,
    /// What it looks for.
    pub form: Form,
    /// How long that stays.
    pub life: Life,
}

/// What stands at the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A TXT record; several may stand side by side.
    Txt {
        /// The text, in which `{value}` stands for the random value.
        text: Cow<'static, str>,
    },
    /// A CNAME record to `<value>.<suffix>`; a name has one, and nothing beside it.
    Cname {
        /// DigiCert's validation host, `dcv.digicert.com` (change log of 2025-10-28).
        suffix: DomainName,
    },
    /// A file with the value; a host has one.
    File,
}

/// How long what was put up stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Until control is proven.
    UntilProven,
    /// For as long as the order or domain is tended: the CA looks again whenever it likes (TLS BR 3.2.2.4.22).
    Standing,
}

impl MethodSpec {
    /// The TXT method of DigiCert.
    #[must_use]
    pub fn txt() -> Self {
        Self {
            labels: vec![Label::Under(DNSAUTH.into()), Label::Bare],
            form: Form::Txt { text: "{value}".into() },
            life: Life::UntilProven,
        }
    }

    /// The CNAME method of DigiCert, with this suffix of targets.
    #[must_use]
    pub fn cname(suffix: DomainName) -> Self {
        let labels = vec![Label::Under(DNSAUTH.into())];
        Self { labels, form: Form::Cname { suffix }, life: Life::UntilProven }
    }

    /// The HTTP method of DigiCert.
    #[must_use]
    pub fn file() -> Self {
        Self { labels: vec![Label::File], form: Form::File, life: Life::UntilProven }
    }

    /// What to put up at a place for a value.
    ///
    /// # Errors
    /// One sentence, when the value does not fit.
    pub fn artifact(&self, target: &Target, value: &RandomValue) -> Result<Artifact, String> {
        match target {
            Target::Record(site) => {
                self.record(value).map(|data| Artifact::Record { site: site.clone(), data })
            }
            Target::File(host) => Ok(Artifact::File { host: host.clone(), value: value.clone() }),
        }
    }

    /// The record for a value.
    ///
    /// # Errors
    /// One sentence, when the value does not fit into a record of this form.
    pub fn record(&self, value: &RandomValue) -> Result<RecordData, String> {
        match &self.form {
            Form::Txt { text } => RandomValue::new(text.replace("{value}", value.as_str()))
                .map(RecordData::Txt)
                .map_err(|error| format!("the value does not fit into the record's text: {error}")),
            Form::Cname { suffix } => AliasTarget::below(suffix, value.as_str())
                .map(RecordData::Cname)
                .map_err(|error| format!("the value cannot be a label of a CNAME target: {error}")),
            Form::File => Err("the method wants a file, not a record".to_owned()),
        }
    }

    /// Whether a name can hold one record of this form only, so that orders wait for one another.
    #[must_use]
    pub const fn is_exclusive(&self) -> bool {
        matches!(self.form, Form::Cname { .. } | Form::File)
    }
}

/// At which of a method's names the operator wants records of a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// Below the domain, at `_dnsauth`.
    #[default]
    Dnsauth,
    /// At the domain itself.
    Bare,
    /// At both.
    Both,
}

/// The methods that can be carried out, each with its proof, and the operator's choice among its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Methods {
    specs: Vec<(Method, MethodSpec)>,
    owners: BTreeMap<DomainName, Owner>,
}

impl Methods {
    /// These methods.
    #[must_use]
    pub const fn new(specs: Vec<(Method, MethodSpec)>) -> Self {
        Self { specs, owners: BTreeMap::new() }
    }

    /// DigiCert's methods with a random value, with this suffix of CNAME targets.
    #[must_use]
    pub fn digicert(suffix: DomainName) -> Self {
        Self::new(vec![
            (Method::DnsTxt, MethodSpec::txt()),
            (Method::DnsCname, MethodSpec::cname(suffix)),
            (Method::Http, MethodSpec::file()),
        ])
    }

    /// The same, with the operator's choice at and below these zones.
    #[must_use]
    pub fn with_owners(self, owners: BTreeMap<DomainName, Owner>) -> Self {
        Self { owners, ..self }
    }

    /// What a method wants; `None` where it cannot be carried out.
    #[must_use]
    pub fn spec(&self, method: &Method) -> Option<&MethodSpec> {
        self.specs.iter().find(|(known, _)| known == method).map(|(_, spec)| spec)
    }

    /// Where a scope is proven, which covers these names of a certificate.
    #[must_use]
    pub fn lookups(&self, spec: &MethodSpec, scope: &DomainName, names: &[CertName]) -> Vec<Lookup> {
        let lookup =
            |domain: &DomainName, label: &Label| Lookup { domain: domain.clone(), label: label.clone() };
        if spec.form == Form::File {
            // A file proves the one name it is fetched from (TLS BR 3.2.2.4.18); a wildcard is proven by none.
            let hosts = names.iter().filter(|name| !name.wildcard).map(|name| &name.name);
            let hosts: Vec<_> = if names.is_empty() { vec![scope] } else { hosts.collect() };
            return hosts.into_iter().map(|host| lookup(host, &Label::File)).collect();
        }
        let chosen = self.owner(scope);
        let wanted = |label: &&Label| match chosen {
            Owner::Dnsauth => **label != Label::Bare,
            Owner::Bare => **label == Label::Bare,
            Owner::Both => true,
        };
        let labels: Vec<_> = spec.labels.iter().filter(wanted).collect();
        // A method that knows no such name keeps to its own.
        let labels = if labels.is_empty() { spec.labels.iter().collect() } else { labels };
        labels.into_iter().map(|label| lookup(scope, label)).collect()
    }

    fn owner(&self, scope: &DomainName) -> Owner {
        scope.closest(&self.owners).copied().unwrap_or_default()
    }

    /// Below which names the aliases of the CNAME method lead, of whatever order.
    #[must_use]
    pub fn cname_suffixes(&self) -> Vec<DomainName> {
        let suffix = |spec: &MethodSpec| match &spec.form {
            Form::Cname { suffix } => Some(suffix.clone()),
            Form::Txt { .. } | Form::File => None,
        };
        self.specs.iter().filter_map(|(_, spec)| suffix(spec)).collect()
    }
}

impl Default for Methods {
    fn default() -> Self {
        match "dcv.digicert.com".parse() {
            Ok(suffix) => Self::digicert(suffix),
            Err(_) => {
                Self::new(vec![(Method::DnsTxt, MethodSpec::txt()), (Method::Http, MethodSpec::file())])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn the_record_of_each_method() {
        let value = RandomValue::new("q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls").unwrap();
        let methods = Methods::default();
        let record =
            |method: &str| methods.spec(&method.into()).map(|spec| spec.record(&value).unwrap().to_string());
        assert_eq!(record("dns-txt-token").as_deref(), Some("TXT \"q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls\""));
        let target = "CNAME q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls.dcv.digicert.com.";
        assert_eq!(record("dns-cname-token").as_deref(), Some(target));
        assert_eq!(record("email"), None);
        let target = Target::File(name("www.example.com"));
        let file = methods.spec(&Method::Http).unwrap().artifact(&target, &value).unwrap();
        assert_eq!(file, Artifact::File { host: name("www.example.com"), value });
        assert_eq!(methods.cname_suffixes(), [name("dcv.digicert.com")]);
    }

    #[test]
    fn a_value_that_is_no_label_is_no_cname() {
        let long = RandomValue::new("a".repeat(64)).unwrap();
        let methods = Methods::default();
        assert!(methods.spec(&Method::DnsCname).unwrap().record(&long).is_err());
        let dotted = RandomValue::new("a.b").unwrap();
        assert!(methods.spec(&Method::DnsCname).unwrap().record(&dotted).is_err());
    }

    /// The operator chooses the name by zone; a method that the CA looks for at one name only keeps to it.
    #[test]
    fn where_each_method_is_looked_for() {
        let owners = [
            (name("example.com"), Owner::Both),
            (name("bare.example.com"), Owner::Bare),
            (name("example.org"), Owner::Dnsauth),
        ];
        let methods = Methods::default().with_owners(owners.into());
        let cert = |text: &str| CertName {
            name: DomainName::scope(text).unwrap(),
            wildcard: text.starts_with("*."),
        };
        let lookups = |method: Method, scope: &str, names: &[&str]| {
            let names: Vec<_> = names.iter().map(|text| cert(text)).collect();
            let lookups = methods.lookups(methods.spec(&method).unwrap(), &name(scope), &names);
            lookups.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        use Method::{DnsCname, DnsTxt, Http};
        assert_eq!(lookups(DnsTxt, "example.net", &[]), ["_dnsauth.example.net"]);
        assert_eq!(lookups(DnsTxt, "www.example.com", &[]), ["_dnsauth.www.example.com", "www.example.com"]);
        assert_eq!(lookups(DnsTxt, "a.bare.example.com", &[]), ["a.bare.example.com"]);
        assert_eq!(lookups(DnsTxt, "example.org", &["www.example.org"]), ["_dnsauth.example.org"]);
        assert_eq!(lookups(DnsCname, "bare.example.com", &[]), ["_dnsauth.bare.example.com"]);
        assert_eq!(lookups(Http, "example.com", &[]), ["http://example.com"]);
        let names = ["example.com", "www.example.com", "*.example.com"];
        assert_eq!(lookups(Http, "example.com", &names), ["http://example.com", "http://www.example.com"]);
        assert!(lookups(Http, "example.com", &["*.example.com"]).is_empty());
    }
}
