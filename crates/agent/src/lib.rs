//! The agent: arranges what the other crates know into passes over orders and domains.
//!
//! Data travels one way: [`config`] and [`discover`] make the [`subjects`]; the facts of each go through
//! [`dcv_core::decide`]; a [`pass`] carries one step out through [`publish`], [`dcv_observe`] or the [`ca`]; what it learned
//! goes back into the facts. [`engine`] holds each subject once; [`daemon`] and [`once`] run it, the commands in [`cli`]
//! stand above. The rooms stand on floors, and use those below only: `tests/it/floors.rs` holds them to that.

pub mod board;
pub mod ca;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod daemon;
pub mod death;
pub mod discover;
pub mod engine;
pub mod error;
pub mod exit;
pub mod files;
pub mod forecast;
pub mod http;
pub mod ledger;
mod listener;
pub mod once;
pub mod pass;
pub mod process;
pub mod publish;
pub mod replica;
pub mod start;
pub mod state;
pub mod subject;
pub mod subjects;
pub mod telemetry;
pub mod trouble;
