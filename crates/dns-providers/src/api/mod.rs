//! What kinds that speak to a vendor's API share.

pub(crate) mod endpoint;
pub(crate) mod pause;
