//! `check`: the configuration and its secrets, offline.

use std::path::Path;

use dns_providers::SecretSource as _;
use serde::Serialize;

use super::{
    args::Output,
    show::{Answer, Page},
};
use crate::{
    exit::{Exit, Failed},
    start::load,
};

#[derive(Serialize)]
struct Summary {
    accounts: usize,
    orders: usize,
    providers: usize,
    zones: usize,
}

pub(super) fn run(path: &Path, output: Output) -> Result<Answer, Failed> {
    let config = load(path)?;
    let keys = config
        .accounts
        .iter()
        .map(|(name, account)| (format!("accounts.{name}.api_key"), &account.connection.api_key));
    let secrets = config.providers.iter().flat_map(|(name, provider)| {
        provider.settings.secrets().into_iter().map(move |secret| (format!("providers.{name}"), secret))
    });
    let unreadable: Vec<String> = keys
        .chain(secrets)
        .filter_map(|(key, secret)| {
            secret.secret().err().map(|error| format!("{}: {key}: {error}", path.display()))
        })
        .collect();
    if !unreadable.is_empty() {
        return Err(Failed::setup(unreadable.join("\n")));
    }
    let summary = Summary {
        accounts: config.accounts.len(),
        orders: config.accounts.values().map(|account| account.orders.len()).sum(),
        providers: config.providers.len(),
        zones: config.providers.values().map(|provider| provider.zones.len()).sum(),
    };
    let page = match output {
        Output::Json => Page::json(&summary)?,
        Output::Text => {
            let Summary { accounts, orders, providers, zones } = summary;
            let mut page = Page::default();
            page.line(&format!(
                "{}: ok ({accounts} accounts, {orders} orders, {providers} providers, {zones} zones)",
                path.display()
            ));
            page
        }
    };
    Ok(Answer::new(page, Exit::Success))
}
