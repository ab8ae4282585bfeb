//! `status`: what the state knows, without calling anybody; also beside a running daemon.

use std::path::Path;

use dcv_core::{Artifact, FILE_PATH, Reason};
use jiff::Unit;
use serde::Serialize;

use super::{
    manner::Output,
    show::{self, Answer, Page},
    table,
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

#[derive(Default, Serialize)]
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
        Output::Json => Page::json(&listing.unwrap_or_default())?,
        Output::Text => listing.map_or_else(nothing_yet, |listing| text(&listing)),
    };
    Ok(Answer::new(page, Exit::Success))
}

/// None before the agent has run for the first time.
async fn read(location: &Location) -> Result<Option<Listing>, Error> {
    let state = match State::open_existing(location).await {
        Ok(state) => state,
        Err(Error::Missing { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
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
    Ok(Some(status))
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

fn nothing_yet() -> Page {
    let mut page = Page::default();
    page.line("nothing has run yet; `dcv-agent --once` or the daemon begins");
    page
}

fn text(listing: &Listing) -> Page {
    let mut page = Page::default();
    let now = clock::now();
    let rows = listing.orders.iter().map(|last| {
        [
            last.subject.to_string(),
            last.at.strftime("%F %R").to_string(),
            format!("{}{}: {}", last.reason, show::slack(last.deadline, now), detail(last)),
        ]
    });
    page.line(&table::table(table::width(), ["order", "since (UTC)", "status"], rows));
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
