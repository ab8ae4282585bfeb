//! Publishes and retracts DNS validation values.
//!
//! The crate knows how each vendor's DNS is changed, and refuses to know when or why: it is handed
//! [`Change`](dcv_core::Change)s, whose type can name nothing but a validation record. [`DnsProvider`] states the
//! contract, [`contract`] is the suite that every kind passes, [`build`] makes a provider from its settings.

#[cfg(any(feature = "route53", feature = "cloudflare"))]
mod api;
pub mod contract;
pub mod kinds;
mod provider;

pub use kinds::{Fixed, Secret, SecretSource, Settings, build};
#[cfg(any(feature = "rfc2136", feature = "route53", feature = "cloudflare"))]
use provider::listed;
pub use provider::{Class, DnsProvider, Error, Probe, Receipt, RecordSet, Zone};
