//! The configuration: read from file, drop-ins and environment, checked once, then impossible to get wrong.

mod account;
mod found;
mod http;
mod load;
mod proxy;
mod raw;
mod regular;
mod secret;
mod settings;
mod state;
mod unknown;
mod verify;
mod warnings;

pub(crate) use self::regular::read as read_regular;
pub use self::{
    account::{Account, Connection, Discover, Domains},
    http::Http,
    load::{Problem, Problems, load},
    proxy::Proxy,
    raw::{Acting, LogFormat},
    secret::SecretRef,
    settings::{Config, Ledger, Provider},
    state::{Database, StateAt},
    verify::Verify,
    warnings::Warning,
};
