//! What this agent put into DNS and onto web servers, written durably before that is done.
//!
//! After any crash the state lists everything that may be up. It decides nothing: it exists to tidy up, to tell
//! `status`, and to stay polite after a restart.

mod calls;
mod commit;
mod error;
mod health;
mod held;
mod key;
mod last_status;
mod line;
mod lock;
mod rounds;
mod schema;
mod store;
mod troubles;

pub use self::{
    error::Error, health::Trouble, held::Entry, last_status::LastStatus, lock::Lock, store::State,
};

#[cfg(test)]
mod tests;
