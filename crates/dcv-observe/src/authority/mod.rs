//! Asking the servers that hold a zone, and nobody else about its names.

pub(crate) mod dnssec;
pub(crate) mod exchange;
pub(crate) mod https;
pub(crate) mod kept;
pub(crate) mod recursive;
pub(crate) mod walk;
