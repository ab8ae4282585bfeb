//! A world to try dcv-agent in: a simulator of DigiCert's API, and DNS servers, all in process and on loopback.
//!
//! - [`ca`]: the CertCentral Services API v2 as far as domain control validation goes, with every disputed point
//!   of the real service as a switch and with faults on request.
//! - [`dns`]: authoritative DNS servers that take TSIG-signed updates, and a secondary that lags behind.
//! - [`Sandbox`]: both, wired together.
//!
//! The crate shares no code with the clients it is there to test, so that a misread document cannot agree with
//! itself. It knows nothing of dcv-agent beyond the form of its configuration. Nothing here is safe to expose: keys
//! and values are made up, and the control routes ask for no credentials.
//!
//! ```
//! use dcv_sandbox::{Sandbox, SandboxConfig, ca::OrderSpec};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let sandbox = Sandbox::start(SandboxConfig::default()).await?;
//! let order = sandbox.ca.place(OrderSpec::dv(["www.example.com"]));
//! assert_eq!(sandbox.ca.order_status(order).as_deref(), Some("pending"));
//! assert_eq!(sandbox.ca.scopes(order), [("example.com".to_owned(), false)]);
//! sandbox.shutdown().await;
//! # Ok(())
//! # }
//! ```

pub mod ca;
mod clock;
pub mod dns;
mod sandbox;

pub use sandbox::{AgentFiles, Sandbox, SandboxConfig};
