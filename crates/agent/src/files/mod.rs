//! Files for DigiCert's method `http-token`: the random value is shown over HTTP instead of in DNS.
//!
//! DigiCert reads one file, at [`PATH`], on every name of the order. A [`Responder`] answers by
//! itself, where the agent is reached on port 80 or a web server passes the path on to it. Nothing here takes a path from the CA: there is one file
//! name, and it is a constant.

mod responder;

pub use responder::Responder;

/// The path that DigiCert reads (`http://<fqdn>/.well-known/pki-validation/fileauth.txt`).
pub const PATH: &str = "/.well-known/pki-validation/fileauth.txt";
