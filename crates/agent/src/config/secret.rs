//! Secrets by reference: where one is, never what it is.

use std::path::PathBuf;

use digicert_api::{KeyError, KeySource};
use dns_providers::SecretSource;
use secrecy::SecretString;
use serde::Deserialize;

/// Longest secret that is read; a key or a token is far shorter, a wrong path may be a disk image.
const MAX_SECRET: u64 = 64 * 1024;

/// `{ env = "NAME" }` or `{ file = "PATH" }`. Read each time it is needed, so a rotated file needs no restart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    /// A variable of the environment.
    pub env: Option<String>,
    /// A file; white space at its end is dropped.
    pub file: Option<PathBuf>,
}

impl SecretRef {
    /// Says what is wrong with the reference itself; whether it leads anywhere is told by [`SecretSource::secret`].
    pub(super) fn problem(&self) -> Option<&'static str> {
        match (&self.env, &self.file) {
            (Some(_), None) | (None, Some(_)) => None,
            (Some(_), Some(_)) => Some("gives both env and file; keep one"),
            (None, None) => Some("gives neither; write { file = \"…\" } or { env = \"…\" }"),
        }
    }
}

impl SecretSource for SecretRef {
    fn secret(&self) -> Result<SecretString, String> {
        let text = match (&self.env, &self.file) {
            (Some(name), _) => variable(name)?,
            (None, Some(path)) => {
                let size = std::fs::metadata(path)
                    .map_err(|error| format!("secret file {}: {error}", path.display()))?
                    .len();
                if size > MAX_SECRET {
                    return Err(format!(
                        "secret file {} has {size} bytes; a secret is shorter",
                        path.display()
                    ));
                }
                std::fs::read_to_string(path)
                    .map_err(|error| format!("secret file {}: {error}", path.display()))?
            }
            (None, None) => return Err("the secret is not given".to_owned()),
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("the secret in {} is empty", self.place()));
        }
        Ok(SecretString::from(text))
    }
}

impl SecretRef {
    fn place(&self) -> String {
        match (&self.env, &self.file) {
            (Some(name), _) => format!("${name}"),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => "no place".to_owned(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the configuration reads the environment")]
fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("the environment variable {name} is not set, or not text"))
}

impl KeySource for SecretRef {
    fn key(&self) -> Result<SecretString, KeyError> {
        self.secret().map_err(Into::into)
    }
}
