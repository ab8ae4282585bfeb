//! A typed, tolerant client of the DigiCert CertCentral Services API v2, for domain control validation.
//!
//! It asks for the random value of an order or a domain, has the CA check it, and reads orders and domains and
//! what they have to prove. It keeps the account's rate limits exactly, however many calls are waiting, and it sorts every failure by the
//! reaction it calls for ([`Error::class`]). Where the documentation contradicts itself, both readings work.
//!
//! It refuses to know about DNS, settings files, the environment, retries and the wall clock: it publishes
//! nothing, decides nothing and repeats nothing.
//!
//! ```no_run
//! use digicert_api::{CheckOutcome, Client, OrderId, US};
//! use secrecy::SecretString;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder(US.parse()?).key(SecretString::from("the API key")).build()?;
//!
//! let order = OrderId::new(112_233);
//! let value = client.random_value(order).await?;
//! println!("publish {:?} until {:?}", value.value, value.expires);
//!
//! match client.check_dcv(order).await?.outcome {
//!     CheckOutcome::Validated => println!("done"),
//!     CheckOutcome::NotYet { reason } => println!("not yet: {reason}"),
//! }
//! # Ok(())
//! # }
//! ```

mod answer;
mod builder;
mod call;
mod changes;
mod client;
mod dcv;
mod domain;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod governor;
mod ids;
mod key;
mod list;
mod memory;
mod method;
mod order;
mod paging;
mod proxy;
mod rolling;
mod shared;
mod status;
mod survey;
mod user;
mod value;
mod wire;

pub use answer::Answer;
pub use builder::ClientBuilder;
pub use changes::StatusChange;
pub use client::Client;
pub use dcv::{Check, CheckOutcome, NameStatus, OrderValidation, ScopeValidation};
pub use domain::{
    Domain, DomainCheck, DomainExpiry, DomainFilter, DomainSummary, DomainValidation, DomainValue,
    WrittenTime,
};
pub use error::{Class, Error};
pub use governor::GovernorLoad;
pub use ids::{DomainId, OrderId};
pub use key::{KeyError, KeySource, check_key};
pub use list::{OrderFilter, OrderPage, OrderSummary};
pub use memory::CallMemory;
pub use method::DcvMethod;
pub use order::{Order, OrderRequest, is_tls};
pub use rolling::{Window, WindowUse};
pub use shared::{Closed, Places, SharedRate};
pub use status::OrderStatus;
pub use survey::{Reading, Surprise, Survey};
pub use user::User;
pub use value::OrderValue;

/// The base URL of the US platform, where most accounts live.
pub const US: &str = "https://www.digicert.com/services/v2";
/// The base URL of the European platform; its console shows "CertCentral Europe".
pub const EU: &str = "https://certcentral.digicert.eu/services/v2";
