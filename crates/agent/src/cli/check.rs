//! `check`: the configuration and its secrets, offline.

use std::path::Path;

use dns_providers::SecretSource as _;
use serde::Serialize;

use super::{args::Output, fail, load, show};
use crate::exit::Exit;

#[derive(Serialize)]
struct Summary {
    accounts: usize,
    orders: usize,
    providers: usize,
    zones: usize,
}

pub(super) fn run(path: &Path, output: Output) -> Exit {
    let config = match load(path) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let keys =
        config.accounts.iter().map(|(name, account)| (format!("accounts.{name}.api_key"), &account.api_key));
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
        return fail(Exit::Setup, &unreadable.join("\n"));
    }
    let summary = Summary {
        accounts: config.accounts.len(),
        orders: config.accounts.values().map(|account| account.orders.len()).sum(),
        providers: config.providers.len(),
        zones: config.providers.values().map(|provider| provider.zones.len()).sum(),
    };
    match output {
        Output::Json => show::json(&summary),
        Output::Text => {
            let Summary { accounts, orders, providers, zones } = summary;
            show::line(&format!(
                "{}: ok ({accounts} accounts, {orders} orders, {providers} providers, {zones} zones)",
                path.display()
            ));
        }
    }
    Exit::Success
}
