//! `status`: what the state knows, without calling anybody; also beside a running daemon.

use std::path::Path;

use dcv_core::{Artifact, FILE_PATH, Reason};
use jiff::Unit;
use serde::Serialize;

use super::{
    args::Output,
    show::{self, Answer, Page},
};
use crate::{
    clock,
    error::chain,
    exit::{Exit, Failed},
    start::load,
    state::{Error, LastStatus, Location, State},
    subject::{Id, Subject},
    trouble::Trouble,
};

#[derive(Serialize)]
struct Listing {
    orders: Vec<LastStatus>,
    /// What is, or may be, up.
    held: Vec<Value>,
    /// What is in trouble for everybody, or was when the agent ended.
    troubles: Vec<Trouble>,
}

#[derive(Serialize)]
struct Value {
    #[serde(flatten)]
    subject: Subject,
    /// The record's name, or the host of the file.
    owner: String,
    /// The record's zone; null for a file.
    zone: Option<String>,
    applied: bool,
}

pub(super) async fn run(path: &Path, output: Output) -> Result<Answer, Failed> {
    let config = load(path)?;
    let listing = read(&config.state.location()).await.map_err(|error| Failed::setup(chain(&error)))?;
    let page = match output {
        Output::Json => Page::json(&listing)?,
        Output::Text => text(&listing),
    };
    Ok(Answer::new(page, Exit::Success))
}

async fn read(location: &Location) -> Result<Listing, Error> {
    let state = State::open_existing(location).await?;
    let orders = state.notes().await?;
    let held = state.held().await?.into_iter().map(|(subject, held)| Value {
        subject,
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
    let status = Listing { orders, held: held.collect(), troubles: state.troubles().await? };
    state.close().await;
    Ok(status)
}

/// The sentence; of work that has ended, how long it took as well.
fn detail(LastStatus { subject, reason, detail, at, begun, .. }: &LastStatus) -> String {
    let took = at.duration_since(*begun).round(Unit::Second).unwrap_or_default();
    let ended = *reason == Reason::Validated.code() && matches!(subject.id, Id::Order(_));
    match ended {
        true if took.is_zero() => format!("{detail} (took less than a second)"),
        true => format!("{detail} (took {took:#})"),
        false => detail.clone(),
    }
}

fn text(listing: &Listing) -> Page {
    let mut page = Page::default();
    let width = listing.orders.iter().map(|last| last.subject.to_string().len()).max().unwrap_or(0).max(5);
    page.line(&format!("{:width$}  {:22}  {:12}  {:20}  detail", "order", "reason", "slack", "since"));
    let now = clock::now();
    for last in &listing.orders {
        let slack = last.deadline.map_or_else(String::new, |deadline| show::until(deadline, now));
        page.line(&format!(
            "{:width$}  {:22}  {slack:12}  {:20.0}  {}",
            last.subject.to_string(),
            last.reason,
            last.at,
            detail(last)
        ));
    }
    for Trouble { of, since, detail } in &listing.troubles {
        page.line(&format!("in trouble since {since:.0}: {of}: {detail}"));
    }
    for value in &listing.held {
        let state = if value.applied { "published" } else { "intended" };
        let place = match &value.zone {
            Some(zone) => format!("{} in zone {zone}", value.owner),
            None => format!("http://{}{FILE_PATH}", value.owner),
        };
        page.line(&format!("{}  {state} at {place}", value.subject));
    }
    page
}
