//! Where the API key comes from.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::Arc;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;

/// Why a key could not be had. Its text is shown to people, so it must not contain the key.
pub type KeyError = Box<dyn StdError + Send + Sync>;

/// A place that holds the API key, such as a file or a variable.
///
/// The key is asked for late, before every call, so that a replaced key is used without a restart. The source
/// may keep it, provided that it forgets it when told that it was [refused](KeySource::refused).
pub trait KeySource: Send + Sync + Debug {
    /// The key, with or without surrounding white space. Called in async code: no slow I/O here.
    ///
    /// # Errors
    /// Whatever keeps the key from being read; the call is not made then.
    fn key(&self) -> Result<SecretString, KeyError>;

    /// The CA refused the key; the client asks for it once more and tries again if it has changed.
    fn refused(&self) {}
}

impl KeySource for SecretString {
    fn key(&self) -> Result<SecretString, KeyError> {
        Ok(self.clone())
    }
}

impl<T: KeySource + ?Sized> KeySource for Arc<T> {
    fn key(&self) -> Result<SecretString, KeyError> {
        (**self).key()
    }

    fn refused(&self) {
        (**self).refused();
    }
}

/// Sees that a key can be had and may be one. Nothing is called.
///
/// # Errors
/// As a call with it would fail before it is sent.
pub fn check_key(source: &dyn KeySource) -> Result<(), Error> {
    Key::from_source(source).map(drop)
}

/// A key fit to be sent.
#[derive(Debug)]
pub(crate) struct Key {
    secret: SecretString,
    pub(crate) header: HeaderValue,
}

impl Key {
    pub(crate) fn from_source(source: &dyn KeySource) -> Result<Self, Error> {
        let raw = source.key().map_err(|source| Error::KeyUnreadable { source })?;
        let text = raw.expose_secret().trim();
        if text.is_empty() {
            return Err(Error::KeyMalformed { problem: "it is empty" });
        }
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Error::KeyMalformed {
                problem: "it contains white space or characters that no key has; is it the right file?",
            });
        }
        let mut header = HeaderValue::from_str(text)
            .map_err(|_| Error::KeyMalformed { problem: "it cannot be sent in a header" })?;
        header.set_sensitive(true);
        Ok(Self { secret: SecretString::from(text), header })
    }

    /// A copy, to be compared with later ones.
    pub(crate) fn secret(&self) -> SecretString {
        self.secret.clone()
    }

    /// The bare key, to be looked for in what we are about to show.
    pub(crate) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<Key, Error> {
        Key::from_source(&SecretString::from(text))
    }

    /// Protects the operator with an editor: the newline at the end of the file is no part of the key.
    #[test]
    fn surrounding_white_space_is_trimmed() {
        assert_eq!(key(" ABC-123\r\n").expect("key").expose(), "ABC-123");
    }

    /// Protects against a wrong file: what cannot be a key is refused, and not shown.
    #[test]
    fn what_cannot_be_a_key_is_refused_without_showing_it() {
        for text in ["", " \n", "CANARY CANARY", "CANARY\nCANARY", "CANARYé", "CANARY\0"] {
            let error = key(text).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("CANARY"));
        }
    }

    /// Protects the key: the header prints as sensitive, the key not at all.
    #[test]
    fn a_key_does_not_print() {
        assert!(!format!("{:?}", key("CANARY").expect("key")).contains("CANARY"));
    }
}
