//! Files for DigiCert's method `http-token`: the random value is shown over HTTP instead of in DNS.
//!
//! DigiCert reads one file, at [`FILE_PATH`](dcv_core::FILE_PATH), on every name of the order. Two ways to show it: a [`Responder`] that answers
//! by itself, where the agent is reached on port 80 or a web server passes the path on to it, and a [`Webroot`], where a
//! web server serves a folder that the agent may write to. Nothing here takes a path from the CA: there is one file
//! name, and it is a constant.

mod error;
mod responder;
mod store;
mod webroot;

pub use self::{
    error::Error,
    responder::Responder,
    store::{FileStore, Route, Routes},
    webroot::Webroot,
};
