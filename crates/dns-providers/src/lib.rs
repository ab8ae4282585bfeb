//! Publishes and retracts DNS validation values.
//!
//! The crate knows how each vendor's DNS is changed, and refuses to know when or why: it is handed
//! [`Change`](dcv_core::Change)s, whose type can name nothing but a validation record. [`DnsProvider`] states the
//! contract, [`contract`] is the suite that every kind passes, [`build`] makes a provider from its settings.

#[cfg(feature = "cloudflare")]
pub mod cloudflare;
pub mod contract;
#[cfg(any(feature = "route53", feature = "cloudflare"))]
mod endpoint;
#[cfg(any(feature = "route53", feature = "cloudflare"))]
mod pause;
mod provider;
mod registry;
#[cfg(feature = "rfc2136")]
pub mod rfc2136;
#[cfg(feature = "route53")]
pub mod route53;

#[cfg(any(feature = "rfc2136", feature = "route53", feature = "cloudflare"))]
use provider::listed;
pub use provider::{Class, DnsProvider, Error, Probe, Receipt, RecordSet, Zone};
pub use registry::{Fixed, Secret, SecretSource, Settings, build};
