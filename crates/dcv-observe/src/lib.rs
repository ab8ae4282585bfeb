//! Looking at DNS and web servers as the CA will: where a record or file goes, and who shows it.

mod authority;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod network;
mod observer;
mod settings;

use jiff::Timestamp;

pub use self::{
    error::{Cause, Error},
    network::{Connection, Network, Sockets},
    observer::{Observer, random_label},
    settings::{Endpoint, EndpointError, Resolver, Settings, View},
};

/// Tells the time of day. The wall clock is read by the caller only.
pub type Clock = fn() -> Timestamp;

/// How we name ourselves to web servers and resolvers over HTTPS.
const USER_AGENT: &str = concat!("dcv-agent/", env!("CARGO_PKG_VERSION"));
