//! What kinds that speak to a vendor's API share. A room that some build has no use for has a cargo feature, which the
//! features of kinds name.

#[cfg(feature = "endpoint")]
pub(crate) mod endpoint;
#[cfg(feature = "http")]
pub(crate) mod http;
#[cfg(feature = "ids")]
pub(crate) mod ids;
#[cfg(feature = "replan")]
pub(crate) mod pause;
#[cfg(feature = "replan")]
pub(crate) mod replan;
#[cfg(feature = "text")]
pub(crate) mod text;
