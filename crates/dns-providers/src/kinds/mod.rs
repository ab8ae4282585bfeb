//! Which kinds there are: one line each.

#[cfg(feature = "cloudflare")]
pub mod cloudflare;
#[cfg(feature = "rfc2136")]
pub mod rfc2136;
#[cfg(feature = "route53")]
pub mod route53;

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
    Rfc2136(rfc2136::Rfc2136Settings<S>),
    /// Amazon Route 53.
    #[cfg(feature = "route53")]
    Route53(route53::Route53Settings<S>),
    /// Cloudflare.
    #[cfg(feature = "cloudflare")]
    Cloudflare(cloudflare::CloudflareSettings<S>),
    /// Never there: a build without any kind has no settings.
    #[cfg(not(any(feature = "rfc2136", feature = "route53", feature = "cloudflare")))]
    #[serde(skip)]
    Nothing {
        /// Of which there is no value.
        never: std::convert::Infallible,
        /// The secrets that it would have.
        secrets: std::marker::PhantomData<S>,
    },
}

/// Builds the provider that the settings describe. Connects to nothing yet.
///
/// # Errors
/// When a setting cannot be used.
#[cfg_attr(
    not(any(feature = "rfc2136", feature = "route53", feature = "cloudflare")),
    expect(unused_variables, unreachable_code, reason = "a build without any kind has nothing to do")
)]
pub async fn build(name: &str, settings: Settings<Secret>) -> Result<Arc<dyn DnsProvider>, Error> {
    Ok(match settings {
        #[cfg(feature = "rfc2136")]
        Settings::Rfc2136(settings) => Arc::new(rfc2136::Rfc2136::new(name, settings)?),
        #[cfg(feature = "route53")]
        Settings::Route53(settings) => Arc::new(route53::Route53::new(name, settings).await?),
        #[cfg(feature = "cloudflare")]
        Settings::Cloudflare(settings) => Arc::new(cloudflare::Cloudflare::new(name, settings)?),
        #[cfg(not(any(feature = "rfc2136", feature = "route53", feature = "cloudflare")))]
        Settings::Nothing { never, .. } => match never {},
    })
}

impl<S> Settings<S> {
    /// The same settings with other secrets: references become sources.
    #[cfg_attr(
        not(any(feature = "rfc2136", feature = "route53", feature = "cloudflare")),
        expect(unused_variables, reason = "a build without any kind has nothing to do")
    )]
    pub fn map_secrets<T>(self, secret: impl Fn(S) -> T) -> Settings<T> {
        match self {
            #[cfg(feature = "rfc2136")]
            Self::Rfc2136(settings) => Settings::Rfc2136(settings.map_secrets(secret)),
            #[cfg(feature = "route53")]
            Self::Route53(settings) => Settings::Route53(settings.map_secrets(secret)),
            #[cfg(feature = "cloudflare")]
            Self::Cloudflare(settings) => Settings::Cloudflare(settings.map_secrets(secret)),
            #[cfg(not(any(feature = "rfc2136", feature = "route53", feature = "cloudflare")))]
            Self::Nothing { never, .. } => match never {},
        }
    }

    /// Every secret, for a check that all of them can be read.
    pub fn secrets(&self) -> Vec<&S> {
        match self {
            #[cfg(feature = "rfc2136")]
            Self::Rfc2136(settings) => settings.secrets(),
            #[cfg(feature = "route53")]
            Self::Route53(settings) => settings.secrets(),
            #[cfg(feature = "cloudflare")]
            Self::Cloudflare(settings) => settings.secrets(),
            #[cfg(not(any(feature = "rfc2136", feature = "route53", feature = "cloudflare")))]
            Self::Nothing { never, .. } => match *never {},
        }
    }
}
