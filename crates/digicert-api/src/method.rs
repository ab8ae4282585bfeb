//! The ways to prove control of a domain.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A DCV method. Methods that we do not know are kept as they came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DcvMethod {
    /// `email`: a person confirms a message.
    Email,
    /// `dns-txt-token`: the random value in a TXT record.
    DnsTxt,
    /// `dns-cname-token`: the random value as the first label of a CNAME's target.
    DnsCname,
    /// `http-token`: the random value in a file at a fixed place.
    Http,
    /// `http-token-dynamic`: the same in a file whose name the CA chooses; OV and EV only.
    HttpDynamic,
    /// Anything else.
    Unknown(String),
}

impl DcvMethod {
    const KNOWN: [(Self, &str); 5] = [
        (Self::Email, "email"),
        (Self::DnsTxt, "dns-txt-token"),
        (Self::DnsCname, "dns-cname-token"),
        (Self::Http, "http-token"),
        (Self::HttpDynamic, "http-token-dynamic"),
    ];

    /// The CA's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unknown(text) => text,
            known => Self::KNOWN.iter().find(|(method, _)| method == known).map_or("", |(_, text)| text),
        }
    }
}

impl FromStr for DcvMethod {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let text = text.trim();
        let known = Self::KNOWN.into_iter().find(|(_, known)| text.eq_ignore_ascii_case(known));
        Ok(known.map_or_else(|| Self::Unknown(text.to_owned()), |(method, _)| method))
    }
}

impl From<&str> for DcvMethod {
    fn from(text: &str) -> Self {
        let Ok(method) = text.parse();
        method
    }
}

impl fmt::Display for DcvMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
