//! What the agents put into DNS and onto web servers, written durably before that is done: by one agent in SQLite, by replicas
//! that share a fleet's work in PostgreSQL.
//!
//! After any crash the state lists everything that may be up. It decides nothing: it exists to tidy up, to tell
//! `status`, to stay polite after a restart, and to say which replica works on what.

mod access;
mod calls;
mod commit;
mod copy;
mod entry;
mod error;
mod health;
mod held;
mod key;
mod last_status;
mod line;
mod location;
mod postgres;
mod rounds;
mod sqlite;
mod statement;
mod store;
mod troubles;

pub use self::{
    copy::Copied,
    entry::Entry,
    error::Error,
    health::Trouble,
    last_status::LastStatus,
    location::{Location, Shared},
    postgres::{Address, Beat, Claimed, Fleet, Turn},
    sqlite::Lock,
    store::State,
};

#[cfg(test)]
mod tests;
