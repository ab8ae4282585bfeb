//! From the configuration to a client.

use digicert_api::{Client, ClientBuilder};
use url::Url;

use super::{Account, call_log::CallLog, shared_rate::OfFleet};
use crate::{
    clock,
    config::{Connection, read_regular},
    error::chain,
    state::State,
};

/// Longest file of CA certificates that is read; a whole system's bundle has a quarter of a million bytes.
const MAX_CERTIFICATES: u64 = 4 * 1024 * 1024;

/// An account with its client, which knows the calls of earlier processes. Nothing is called yet.
///
/// # Errors
/// One sentence: a setting that cannot be used, or a state that cannot be read.
pub async fn connect(name: &str, connection: &Connection, state: &State) -> Result<Account, String> {
    let longest_window = connection.rate.iter().map(|window| window.per).max().unwrap_or_default();
    let mut builder = builder(connection)?;
    let account = name.to_owned();
    builder = match state.fleet() {
        // The state of an agent that runs is its own; whoever looks beside it makes a few calls.
        Some(_) if state.is_read_only() => builder,
        Some(fleet) => builder.shared_rate(OfFleet { fleet, account, longest_window }),
        None => {
            let history = state.called(name, clock::now()).await.map_err(|error| chain(&error))?;
            match state.is_read_only() {
                true => builder.history(history),
                false => {
                    builder.history(history).memory(CallLog { state: state.clone(), account, longest_window })
                }
            }
        }
    };
    let client = builder.build().map_err(|error| chain(&error))?;
    Ok(Account::new(name, connection.clone(), client))
}

/// A client with this account's key at another address, for finding out where the key belongs.
///
/// # Errors
/// One sentence: a setting that cannot be used.
pub fn client_at(account: &Account, base_url: Url) -> Result<Client, String> {
    let connection = Connection { base_url, ..account.connection().clone() };
    builder(&connection)?.build().map_err(|error| chain(&error))
}

fn builder(connection: &Connection) -> Result<ClientBuilder, String> {
    let mut builder = Client::builder(connection.base_url.clone())
        .key(connection.api_key.clone())
        .rate(connection.rate.clone())
        .user_agent(concat!("dcv-agent/", env!("CARGO_PKG_VERSION")))
        .allow_http_on_loopback(connection.insecure_http)
        .timeout(connection.timeout);
    if let Some(path) = &connection.ca_file {
        let pem = read_regular(path, MAX_CERTIFICATES)
            .map_err(|error| format!("ca_file {}: {error}", path.display()))?;
        builder = builder.ca_file_pem(pem);
    }
    if let Some(proxy) = &connection.proxy {
        builder = builder.proxy(proxy.url()?);
    }
    Ok(builder)
}
