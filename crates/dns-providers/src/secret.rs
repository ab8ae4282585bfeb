//! Secrets as providers see them.

use std::{fmt, sync::Arc};

use secrecy::SecretString;

/// Reads a secret when it is needed, so that a rotated file is picked up without a restart.
pub trait SecretSource: fmt::Debug + Send + Sync {
    /// The secret now.
    ///
    /// # Errors
    /// One sentence that names where the secret should have been, never the secret.
    fn secret(&self) -> Result<SecretString, String>;
}

/// A secret that is known already.
#[derive(Debug)]
pub struct Fixed(pub SecretString);

impl SecretSource for Fixed {
    fn secret(&self) -> Result<SecretString, String> {
        Ok(self.0.clone())
    }
}

/// A shared [`SecretSource`].
pub type Secret = Arc<dyn SecretSource>;
