//! Which kinds there are: one line each.

use std::sync::Arc;

use secrecy::SecretString;
use serde::Deserialize;

use crate::{DnsProvider, Error};

/// Reads a secret when it is needed, so that a rotated file is picked up without a restart.
pub trait SecretSource: std::fmt::Debug + Send + Sync {
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

/// A provider's settings, its secrets of type `S`: a reference while the file is read, a source when it is built.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", bound = "S: Deserialize<'de>")]
#[non_exhaustive]
pub enum Settings<S> {
    /// Dynamic update (RFC 2136) with TSIG.
    #[cfg(feature = "rfc2136")]
    Rfc2136(crate::rfc2136::Rfc2136Settings<S>),
    /// Amazon Route 53.
    #[cfg(feature = "route53")]
    Route53(crate::route53::Route53Settings<S>),
    /// Cloudflare.
    #[cfg(feature = "cloudflare")]
    Cloudflare(crate::cloudflare::CloudflareSettings<S>),
}

/// Builds the provider that the settings describe. Connects to nothing yet.
///
/// # Errors
/// When a setting cannot be used.
pub async fn build(name: &str, settings: Settings<Secret>) -> Result<Arc<dyn DnsProvider>, Error> {
    Ok(match settings {
        #[cfg(feature = "rfc2136")]
        Settings::Rfc2136(settings) => Arc::new(crate::rfc2136::Rfc2136::new(name, settings)?),
        #[cfg(feature = "route53")]
        Settings::Route53(settings) => Arc::new(crate::route53::Route53::new(name, settings).await?),
        #[cfg(feature = "cloudflare")]
        Settings::Cloudflare(settings) => Arc::new(crate::cloudflare::Cloudflare::new(name, settings)?),
    })
}
