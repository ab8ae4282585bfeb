//! `state copy`: a fleet is moved from one store to the other.

use std::{path::PathBuf, sync::Arc};

use dns_providers::Secret;

use super::{
    args,
    manner::Output,
    show::{Answer, Page},
};
use crate::{
    config::SecretRef,
    error::chain,
    exit::{Exit, Failed},
    state::{Copied, Location, Lock, Shared, State},
};

pub(super) async fn run(what: args::State, output: Output) -> Result<Answer, Failed> {
    let args::State::Copy { from, to, password_file } = what;
    let (source, target) =
        (location("FROM", &from, password_file.as_ref())?, location("TO", &to, password_file.as_ref())?);
    // An agent that works on one of them would go on with what is in the other no more.
    let _locks = (lock(&source)?, lock(&target)?);
    let failed = |error: crate::state::Error| error.into_failed();
    let source = State::open_existing(&source).await.map_err(failed)?;
    let target = State::open(&target).await.map_err(failed)?;
    for state in [&source, &target] {
        if let Some(fleet) = state.fleet()
            && fleet.replicas().await.map_err(failed)? > 0
        {
            return Err(Failed::setup(format!("agents work on {}; stop them first", state.at())));
        }
    }
    let copied = source.copy_to(&target).await.map_err(failed)?;
    let (from, to) = (source.at().to_owned(), target.at().to_owned());
    source.close().await;
    target.close().await;
    let page = match output {
        Output::Json => Page::json(&copied)?,
        Output::Text => told(copied, &from, &to),
    };
    Ok(Answer::new(page, Exit::Success))
}

fn told(Copied { held, orders }: Copied, from: &str, to: &str) -> Page {
    let mut page = Page::default();
    page.line(&format!("copied from {from} to {to}:"));
    page.line(&format!("  records and files that may be up: {held}"));
    page.line(&format!("  orders and domains of which something is known: {orders}"));
    page.line("set agent.state to the new one before the agent is started");
    page
}

fn location(name: &str, text: &str, password: Option<&PathBuf>) -> Result<Location, Failed> {
    let wrong = |what: String| Failed::usage(format!("{name} {what}"));
    match text.split_once("://") {
        Some(("sqlite", path)) if !path.is_empty() => Ok(Location::File(path.into())),
        Some(("postgres" | "postgresql", _)) => Ok(Location::Shared(Shared {
            address: text.parse().map_err(wrong)?,
            password: password.map(|path| -> Secret { Arc::new(SecretRef::of_file(path.clone())) }),
            takeover: std::time::Duration::from_secs(15),
        })),
        _ => Err(wrong(
            "is not of the form sqlite:///path/to/state.db or postgres://user@host/database".into(),
        )),
    }
}

fn lock(location: &Location) -> Result<Option<Lock>, Failed> {
    match location {
        Location::File(path) if path.exists() => Lock::take(path)
            .map(Some)
            .map_err(|error| Failed::setup(format!("{}; stop it first", chain(&error)))),
        _ => Ok(None),
    }
}
