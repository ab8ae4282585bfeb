//! What kinds that speak to a vendor's API share. A room that some build has no use for has a cargo feature, which the
//! features of kinds name.

#[cfg(feature = "endpoint")]
pub(crate) mod endpoint;
#[cfg(feature = "http")]
pub(crate) mod http;
#[cfg(feature = "ids")]
pub(crate) mod ids;
#[cfg(feature = "jwt")]
pub(crate) mod jwt;
#[cfg(feature = "oauth")]
pub(crate) mod oauth;
#[cfg(feature = "replan")]
pub(crate) mod pause;
#[cfg(feature = "replan")]
pub(crate) mod replan;
#[cfg(feature = "text")]
pub(crate) mod text;
#[cfg(feature = "throttle")]
pub(crate) mod throttle;
