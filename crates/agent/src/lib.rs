//! The agent: arranges what the other crates know into passes over orders.
//!
//! Data travels one way: [`config`] makes a [`roster`]; each order's facts go through [`dcv_core::decide`]; [`pass`]
//! carries one step out through [`publish`], [`dcv_observe`] or the CA's client; what it learned goes back into the facts.
//! [`engine`] keeps one slot per order; the commands in [`cli`] run it as a daemon or once.

pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod discover;
pub mod engine;
pub mod exit;
pub mod files;
pub mod forecast;
pub mod http;
pub mod ledger;
pub mod pass;
pub mod publish;
pub mod state;
pub mod subjects;
pub mod telemetry;
