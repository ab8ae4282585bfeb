//! Asking the servers that hold a zone, and nobody else about its names.

pub(crate) mod bogus;
mod budget;
pub(crate) mod dnssec;
pub(crate) mod exchange;
mod families;
pub(crate) mod https;
pub(crate) mod kept;
pub(crate) mod recursive;
mod resolved;
pub(crate) mod shared;
pub(crate) mod system;
pub(crate) mod walk;
pub(crate) mod zone_cut;
