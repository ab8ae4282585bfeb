//! What kinds that speak to a vendor's API share. A room that some build has no use for has a cargo feature, which the
//! features of kinds name.

pub(crate) mod endpoint;
#[cfg(feature = "http")]
pub(crate) mod http;
pub(crate) mod ids;
pub(crate) mod pause;
pub(crate) mod replan;
#[cfg(feature = "text")]
pub(crate) mod text;
