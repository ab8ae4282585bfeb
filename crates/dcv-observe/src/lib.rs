//! Looking at DNS and web servers as the CA will: where a record or file goes, and who shows it.
//!
//! There are two layers. Below, `authority` asks the servers that hold a zone: it walks down from the root, keeps what it
//! learned for a while and validates signatures. Above, [`Observer`] turns answers into the words of [`dcv_core`]: where a
//! lookup leads, which vantage shows what was put up, what CAA says, what a person should see.
//!
//! The crate refuses to know how it is configured, what an order is, what was written and when, and DigiCert's API.
//! [`Settings`], the time ([`Clock`]), the operator's zones ([`dcv_core::Routing`]) and the way to name servers
//! ([`Network`]) come in; judgements (is that visible? where does this lead?) are the core's.
//!
//! ```no_run
//! use dcv_core::Lookup;
//! use dcv_observe::{Endpoint, Observer, Resolver, Settings};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = Settings::default();
//! settings.view.discovery = vec![Resolver { endpoints: vec!["192.0.2.1".parse::<Endpoint>()?] }];
//! let observer = Observer::new(&settings, jiff::Timestamp::now)?;
//!
//! let owner = Lookup::dnsauth("www.example.com".parse()?).name()?;
//! for sighting in observer.authorities(&owner).await {
//!     println!("{} shows {:?}", sighting.vantage, sighting.answer);
//! }
//! # Ok(())
//! # }
//! ```

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
    authority::shared::SharedSockets,
    error::{Cause, Error},
    network::{Connection, Network, Sockets},
    observer::{Observer, random_label},
    settings::{Endpoint, EndpointError, Resolver, Settings, View},
};

/// Tells the time of day. The wall clock is read by the caller only.
pub type Clock = fn() -> Timestamp;

/// How we name ourselves to web servers and resolvers over HTTPS.
const USER_AGENT: &str = concat!("dcv-agent/", env!("CARGO_PKG_VERSION"));
