//! What an operator gave for a vendor's settings.

use std::{collections::BTreeMap, fmt};

use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{Error, What};

/// Values by the names of settings, secrets among them. Its `Debug` shows the names alone.
#[derive(Clone, Default)]
pub struct Given(BTreeMap<String, SecretString>);

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Given {
    /// The same with one value more.
    #[must_use]
    pub fn with(mut self, name: &str, value: SecretString) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// Whether two hold the same values.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let texts = |given: &Self| -> Vec<(String, String)> {
            given.0.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect()
        };
        texts(self) == texts(other)
    }

    /// A text without any of the values in it that are long enough to be told from ordinary words, plain or as they are
    /// written in an address.
    #[must_use]
    pub fn without_values<'a>(&self, names: impl Iterator<Item = &'a str>, text: &str) -> String {
        const SHORTEST: usize = 4;
        let mut text = text.to_owned();
        for value in names.filter_map(|name| self.0.get(name)).map(|value| value.expose_secret()) {
            if value.len() < SHORTEST {
                continue;
            }
            text = text.replace(value, "[secret]");
            text = text.replace(&in_address(value), "[secret]");
        }
        text
    }

    /// The value of that name.
    ///
    /// # Errors
    /// That it is missing.
    pub fn required(&self, name: &str) -> Result<&str, Error> {
        self.optional(name).ok_or_else(|| Error::new(What::Setting, format!("{name} is missing")))
    }

    /// The value of that name, if it is given and not empty.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.expose_secret()).filter(|value| !value.is_empty())
    }

    pub(crate) fn owned(&self, name: &str) -> Result<String, Error> {
        self.required(name).map(str::to_owned)
    }

    pub(crate) fn owned_if_any(&self, name: &str) -> Option<String> {
        self.optional(name).map(str::to_owned)
    }

    /// `true` or `false`, the latter where nothing is given.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.optional(name) {
            Some("true") => Ok(true),
            Some("false") | None => Ok(false),
            Some(_) => Err(Error::new(What::Setting, format!("{name} is neither true nor false"))),
        }
    }
}

/// As form encoding writes it, which is how keys stand in the addresses of some vendors.
fn in_address(value: &str) -> String {
    let mut written = String::new();
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                written.push(char::from(byte))
            }
            b' ' => written.push('+'),
            other => written.push_str(&format!("%{other:02X}")),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vendor may send back what it was sent, also in an address.
    #[test]
    fn values_are_taken_out_of_texts() {
        let given = Given::default()
            .with("api_key", "k3y/with+signs".into())
            .with("region", "eu".into())
            .with("password", "abc".into());
        let text = "no such key k3y/with+signs in https://api.example/?key=k3y%2Fwith%2Bsigns&region=eu";
        let names = ["api_key", "password", "absent"];
        assert_eq!(
            given.without_values(names.into_iter(), text),
            "no such key [secret] in https://api.example/?key=[secret]&region=eu"
        );
        assert_eq!(format!("{given:?}"), r#"{"api_key", "password", "region"}"#);
    }

    #[test]
    fn values_are_compared() {
        let one = Given::default().with("a", "1".into());
        assert!(one.is_same(&one.clone()));
        assert!(!one.is_same(&one.clone().with("a", "2".into())));
        assert!(!one.is_same(&one.clone().with("b", "1".into())));
    }
}
