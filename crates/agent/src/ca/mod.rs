//! DigiCert: the accounts, and what turns its answers into facts.

mod account;
mod call;
mod call_log;
mod connection;
mod dates;
mod domain;
mod order;
mod shared_rate;

pub use self::{
    account::{Account, Hold},
    call::Call,
    connection::{client_at, connect},
    domain::valid_until,
    order::{admit, cert_name},
};
