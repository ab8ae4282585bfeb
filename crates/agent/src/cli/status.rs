//! `status`: what the state knows, without calling anybody; also beside a running daemon.

use std::path::Path;

use dcv_core::{Artifact, FILE_PATH};
use serde::Serialize;

use super::{args::Output, fail, load, show};
use crate::{
    clock,
    context::chain,
    exit::Exit,
    state::{Error, LastStatus, State},
    subjects::Subject,
};

#[derive(Serialize)]
struct Listing {
    orders: Vec<LastStatus>,
    /// What is, or may be, up.
    held: Vec<Value>,
}

#[derive(Serialize)]
struct Value {
    #[serde(flatten)]
    order: Subject,
    /// The record's name, or the host of the file.
    owner: String,
    /// The record's zone; null for a file.
    zone: Option<String>,
    applied: bool,
}

pub(super) async fn run(path: &Path, output: Output) -> Exit {
    let config = match load(path) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match read(&config.state).await {
        Ok(status) => {
            match output {
                Output::Json => show::json(&status),
                Output::Text => text(&status),
            }
            Exit::Success
        }
        Err(error) => fail(Exit::Setup, &format!("{} (the agent writes it at its first run)", chain(&error))),
    }
}

async fn read(path: &Path) -> Result<Listing, Error> {
    let state = State::open_existing(path).await?;
    let orders = state.notes().await?;
    let held = state.held().await?.into_iter().map(|(order, held)| Value {
        order,
        owner: match &held.artifact {
            Artifact::Record { site, .. } => site.owner().to_string(),
            Artifact::File { host, .. } => host.to_string(),
        },
        zone: match &held.artifact {
            Artifact::Record { site, .. } => Some(site.zone().to_string()),
            Artifact::File { .. } => None,
        },
        applied: held.applied.is_some(),
    });
    let status = Listing { orders, held: held.collect() };
    state.close().await;
    Ok(status)
}

fn text(status: &Listing) {
    let width = status.orders.iter().map(|note| note.order.to_string().len()).max().unwrap_or(0).max(5);
    show::line(&format!("{:width$}  {:22}  {:12}  {:20}  detail", "order", "reason", "slack", "since"));
    let now = clock::now();
    for note in &status.orders {
        let slack = note.deadline.map_or_else(String::new, |deadline| show::until(deadline, now));
        show::line(&format!(
            "{:width$}  {:22}  {slack:12}  {:20.0}  {}",
            note.order.to_string(),
            note.reason,
            note.at,
            note.detail
        ));
    }
    for value in &status.held {
        let state = if value.applied { "published" } else { "intended" };
        let place = match &value.zone {
            Some(zone) => format!("{} in zone {zone}", value.owner),
            None => format!("http://{}{FILE_PATH}", value.owner),
        };
        show::line(&format!("{}  {state} at {place}", value.order));
    }
}
