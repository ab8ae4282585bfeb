//! Looking at DNS and web servers as the CA will: where a record or file goes, and who shows it.

mod authority;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod network;
mod observer;
mod settings;

use jiff::Timestamp;

pub use self::{
    network::{Connection, Network, Sockets},
    observer::{Observer, random_label},
    settings::{Endpoint, EndpointError, Resolver, Settings, View},
};

/// Tells the time of day. The wall clock is read by the caller only.
pub type Clock = fn() -> Timestamp;

/// An error with its causes, each of which speaks for itself only.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
