//! The key that signs updates: from the settings, or from a key file as BIND writes it.

use base64::Engine as _;
use hickory_proto::rr::{Name, TSigner, rdata::tsig::TsigAlgorithm};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::{Class, Error, Extent, Secret};

/// The clock difference that servers accept (RFC 8945 section 10 recommends 300 s).
const FUDGE: u16 = 300;

/// A TSIG key: `key_file`, or `name` and `secret`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Deserialize<'de>")]
pub struct Tsig<S> {
    /// Its name, as the server knows it; which one, where a key file holds several.
    pub name: Option<String>,
    /// Its algorithm; a key file has its own.
    pub algorithm: Option<Algorithm>,
    /// The shared secret in base64, as `tsig-keygen` prints it.
    pub secret: Option<S>,
    /// A key file as `tsig-keygen` writes it: `key "name" { algorithm …; secret "…"; };`.
    pub key_file: Option<S>,
}

impl<S> Tsig<S> {
    pub(super) fn map<T>(self, secret: impl Fn(S) -> T) -> Tsig<T> {
        Tsig {
            name: self.name,
            algorithm: self.algorithm,
            secret: self.secret.map(&secret),
            key_file: self.key_file.map(secret),
        }
    }

    pub(super) fn secrets(&self) -> Vec<&S> {
        self.secret.iter().chain(&self.key_file).collect()
    }
}

/// The algorithms that are still secure; HMAC-MD5 and HMAC-SHA1 are not offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// The default of every server.
    #[default]
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// HMAC-SHA384.
    #[serde(rename = "hmac-sha384")]
    HmacSha384,
    /// HMAC-SHA512.
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
}

impl Algorithm {
    fn named(text: &str) -> Option<Self> {
        match text.trim_end_matches('.').to_ascii_lowercase().as_str() {
            "hmac-sha256" => Some(Self::HmacSha256),
            "hmac-sha384" => Some(Self::HmacSha384),
            "hmac-sha512" => Some(Self::HmacSha512),
            _ => None,
        }
    }
}

/// Where the key is.
pub(super) enum Key {
    Given { name: Name, algorithm: Algorithm, secret: Secret },
    InFile { name: Option<Name>, file: Secret },
}

/// A key that was read.
struct Read {
    name: Name,
    algorithm: Algorithm,
    secret: SecretString,
}

impl Key {
    pub(super) fn new(settings: Tsig<Secret>) -> Result<Self, Error> {
        let bad = |text: &str| Error::new(Class::Setup, "bad-setting", text);
        let Tsig { name, algorithm, secret, key_file } = settings;
        let name = name.as_deref().map(parse_name).transpose()?;
        match (name, secret, key_file) {
            (name, None, Some(file)) if algorithm.is_none() => Ok(Self::InFile { name, file }),
            (Some(name), Some(secret), None) => {
                Ok(Self::Given { name, algorithm: algorithm.unwrap_or_default(), secret })
            }
            (None, Some(_), None) => {
                Err(bad("tsig.name is missing").hint("it is the key's name on the server"))
            }
            (_, None, Some(_)) => Err(bad("tsig.algorithm stands in the key file; leave it out")),
            (_, _, _) => Err(bad("tsig needs either secret, with name, or key_file")),
        }
    }

    /// What messages call it.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Given { name, .. } | Self::InFile { name: Some(name), .. } => shown(name),
            Self::InFile { name: None, .. } => {
                self.read().map_or_else(|_| "of the key file".to_owned(), |read| shown(&read.name))
            }
        }
    }

    pub(super) fn signer(&self) -> Result<TSigner, Error> {
        let Read { name, algorithm, secret } = self.read()?;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(secret.expose_secret().trim())
            // The decoder's error repeats a byte of the secret, so it is not kept as the cause.
            .map_err(|_| {
                setup("the TSIG secret is not base64")
                    .hint("use the text between the quotes of `secret` in the server's key file, or the file itself as key_file")
            })?;
        let algorithm = match algorithm {
            Algorithm::HmacSha256 => TsigAlgorithm::HmacSha256,
            Algorithm::HmacSha384 => TsigAlgorithm::HmacSha384,
            Algorithm::HmacSha512 => TsigAlgorithm::HmacSha512,
        };
        TSigner::new(bytes, algorithm, name, FUDGE)
            .map_err(|error| setup("the TSIG key cannot be used").caused_by(error))
    }

    fn read(&self) -> Result<Read, Error> {
        match self {
            Self::Given { name, algorithm, secret } => Ok(Read {
                name: name.clone(),
                algorithm: *algorithm,
                secret: secret.secret().map_err(setup)?,
            }),
            Self::InFile { name, file } => {
                let text = file.secret().map_err(setup)?;
                parse(text.expose_secret(), name.as_ref())
            }
        }
    }
}

/// As servers' configurations have it.
fn shown(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_owned()
}

fn setup(text: impl Into<String>) -> Error {
    Error::new(Class::Setup, "tsig-secret", text).of(Extent::Provider)
}

fn parse_name(text: &str) -> Result<Name, Error> {
    let name = Name::from_ascii(text).map(|mut name| {
        name.set_fqdn(true);
        name
    });
    name.map_err(|error| {
        Error::new(Class::Setup, "bad-setting", format!("tsig.name {text:?} is not a name")).caused_by(error)
    })
}

/// The key of a file of `key` statements. What the file holds is in no message.
fn parse(text: &str, wanted: Option<&Name>) -> Result<Read, Error> {
    let strange = || {
        setup("the key file is not one that BIND writes")
            .hint("it holds: key \"name\" { algorithm hmac-sha256; secret \"…\"; };")
    };
    let mut keys = Vec::new();
    let mut tokens = tokens(text).into_iter();
    while let Some(word) = tokens.next() {
        match word.as_str() {
            ";" => continue,
            "key" => {}
            _ => return Err(strange()),
        }
        let name = tokens.next().ok_or_else(strange)?;
        // A name that cannot be one is not repeated: it may be the secret.
        let mut name = Name::from_ascii(&name).map_err(|_| strange())?;
        name.set_fqdn(true);
        if tokens.next().as_deref() != Some("{") {
            return Err(strange());
        }
        let (mut algorithm, mut secret) = (None, None);
        loop {
            match tokens.next().ok_or_else(strange)?.as_str() {
                "}" => break,
                ";" => {}
                "algorithm" => algorithm = tokens.next(),
                "secret" => secret = tokens.next(),
                _ => return Err(strange()),
            }
        }
        let (Some(algorithm), Some(secret)) = (algorithm, secret) else { return Err(strange()) };
        keys.push((name, algorithm, secret));
    }
    let mut found = keys.into_iter().filter(|(name, ..)| wanted.is_none_or(|wanted| wanted == name));
    let Some((name, algorithm, secret)) = found.next() else {
        return Err(match wanted {
            Some(name) => setup(format!("the key file has no key {name}")),
            None => strange(),
        });
    };
    if found.next().is_some() {
        return Err(setup("the key file holds several keys").hint("say which: tsig.name"));
    }
    let algorithm = Algorithm::named(&algorithm).ok_or_else(|| {
        setup("the key file's algorithm is none of hmac-sha256, hmac-sha384 and hmac-sha512")
            .hint("make a new key: tsig-keygen -a hmac-sha256 dcv-key")
    })?;
    Ok(Read { name, algorithm, secret: secret.into() })
}

/// Words, texts in quotes, and the signs of named.conf's grammar; comments in its three forms are left out.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let line = |text: &str| text.find('\n').unwrap_or(text.len());
        let taken = match first {
            c if c.is_whitespace() => c.len_utf8(),
            '#' => line(rest),
            '/' if rest.starts_with("//") => line(rest),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '{' | '}' | ';' => {
                tokens.push(first.to_string());
                1
            }
            '"' => {
                let inner = rest.get(1..).unwrap_or_default();
                let end = inner.find('"').unwrap_or(inner.len());
                tokens.push(inner.get(..end).unwrap_or_default().to_owned());
                (end + 2).min(rest.len())
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"');
                let end = rest.find(ends).unwrap_or(rest.len());
                tokens.push(rest.get(..end).unwrap_or_default().to_owned());
                end
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "key \"dcv-key\" {\n\talgorithm hmac-sha512;\n\tsecret \"c2VjcmV0\";\n};\n";

    fn read(text: &str, name: Option<&str>) -> Result<(String, Algorithm), Error> {
        let name = name.map(|name| parse_name(name).unwrap());
        parse(text, name.as_ref()).map(|read| {
            assert_eq!(read.secret.expose_secret(), "c2VjcmV0");
            (read.name.to_ascii(), read.algorithm)
        })
    }

    /// Files as tsig-keygen, ddns-confgen and people write them.
    #[test]
    fn key_files_are_read_as_bind_reads_them() {
        let key = ("dcv-key.".to_owned(), Algorithm::HmacSha512);
        for text in [
            FILE,
            "# made by hand\n/* two\nlines */ key dcv-key. { secret c2VjcmV0; algorithm HMAC-SHA512; }; // end",
            "key \"dcv-key\"{algorithm hmac-sha512;secret \"c2VjcmV0\";};",
        ] {
            assert_eq!(read(text, None).unwrap(), key, "{text}");
        }
        let two = format!("{FILE}{}", FILE.replace("dcv-key", "other").replace("512", "256"));
        assert_eq!(read(&two, Some("other")).unwrap(), ("other.".to_owned(), Algorithm::HmacSha256));
        assert!(read(&two, None).unwrap_err().to_string().contains("several keys"));
        assert!(read(FILE, Some("absent")).unwrap_err().to_string().contains("no key absent"));
    }

    /// A file that is none is told without a word of it: it holds a secret.
    #[test]
    fn what_is_no_key_file_is_not_repeated() {
        for text in [
            "c2VjcmV0",
            "",
            "key",
            "key \"dcv-key\" { algorithm hmac-sha256; }",
            "key \"dcv-key\" { secret \"c2VjcmV0\"; ",
            "key \"c2VjcmV0",
            "secret \"c2VjcmV0\";",
            "key \"k\" { algorithm hmac-md5; secret \"c2VjcmV0\"; };",
            "key k /* c2VjcmV0",
        ] {
            let error = parse(text, None).map(drop).expect_err(text);
            assert_eq!(error.class(), Class::Setup);
            assert!(!format!("{error:?}").contains("c2VjcmV0"), "{error:?}");
        }
    }
}
