//! `check`: the configuration, its secrets, and what a run would build of them, offline.

use std::{path::Path, sync::Arc};

use dns_providers::{Secret, SecretSource as _};
use serde::Serialize;

use super::{
    manner::Output,
    show::{Answer, Page, WARN, counted, paint},
};
use crate::{
    config::{Config, Warning},
    context::Context,
    error::chain,
    exit::{Exit, Failed},
    start::load,
    state::State,
};

#[derive(Serialize)]
struct Summary {
    accounts: usize,
    orders: usize,
    providers: usize,
    zones: usize,
    /// What is allowed and hardly meant.
    warnings: Vec<Warning>,
}

pub(super) async fn run(path: &Path, output: Output) -> Result<Answer, Failed> {
    let config = load(path)?;
    let unreadable: Vec<String> = config
        .secrets()
        .filter_map(|(key, secret)| {
            secret.secret().err().map(|error| format!("{}: {key}: {error}", path.display()))
        })
        .collect();
    if !unreadable.is_empty() {
        return Err(Failed::setup(unreadable.join("\n")));
    }
    let unfit = unfit(&config).await;
    if !unfit.is_empty() {
        let lines = unfit.iter().map(|what| format!("{}: {what}", path.display()));
        return Err(Failed::setup(lines.collect::<Vec<_>>().join("\n")));
    }
    let summary = Summary {
        accounts: config.accounts.len(),
        orders: config.accounts.values().map(|account| account.orders.len()).sum(),
        providers: config.providers.len(),
        zones: config.providers.values().map(|provider| provider.zones.len()).sum(),
        warnings: config.warnings(),
    };
    let page = match output {
        Output::Json => Page::json(&summary)?,
        Output::Text => {
            let Summary { accounts, orders, providers, zones, warnings } = summary;
            let counts = [
                counted(accounts, "account"),
                counted(orders, "order"),
                counted(providers, "provider"),
                counted(zones, "zone"),
            ];
            let mut page = Page::default();
            for warning in warnings {
                page.line(&format!("{} {warning}", paint(WARN, "warning:")));
            }
            page.line(&format!("{}: ok ({})", path.display(), counts.join(", ")));
            page
        }
    };
    Ok(Answer::new(page, Exit::Success))
}

/// What a run would refuse with 78 before it asked anybody: keys and secrets that cannot be such, and settings that no client can
/// be built from.
async fn unfit(config: &Config) -> Vec<String> {
    let mut unfit = Vec::new();
    for (name, account) in &config.accounts {
        if let Err(error) = digicert_api::check_key(&account.connection.api_key) {
            unfit.push(format!("accounts.{name}.api_key: {}", chain(&error)));
        }
    }
    for (name, provider) in &config.providers {
        let settings = provider.settings.clone().map_secrets(|reference| -> Secret { Arc::new(reference) });
        // What cannot be built is told below.
        let Ok(built) = dns_providers::build(name, settings).await else { continue };
        if let Err(error) = built.check() {
            let hint = error.next_action().map(|hint| format!(" ({hint})")).unwrap_or_default();
            unfit.push(format!("providers.{name}: {error}{hint}"));
        }
    }
    let built = match State::in_memory().await {
        Ok(state) => Context::build(config.clone(), state, None).await.map(drop),
        Err(error) => Err(error.into_failed()),
    };
    unfit.extend(built.err().map(|failed| failed.message));
    unfit
}
