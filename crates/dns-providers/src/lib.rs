//! Publishes and retracts DNS validation values.
//!
//! The crate knows how each vendor's DNS is changed, and refuses to know when or why: it is handed
//! [`Change`](dcv_core::Change)s, whose type can name nothing but a validation record. [`DnsProvider`] states the
//! contract, [`contract`] is the suite that every kind passes, [`build`] makes a provider from its settings, and [`kinds`] says which
//! kinds there are.

#[cfg(feature = "api")]
mod api;
pub mod contract;
pub mod kinds;
pub mod policy;
mod provider;
mod secret;
pub mod truce;

pub use kinds::{FACTS, KINDS, NATIVE, Settings, build, instead_of};
pub use provider::{Class, DnsProvider, Error, Extent, Probe, Receipt, RecordSet, Zone};
pub use secret::{Fixed, Secret, SecretSource};
