//! What is allowed and hardly meant.

use std::fmt;

use serde::Serialize;

use super::{Config, SecretRef};

/// Something that is allowed and hardly meant. It keeps nobody from running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The key that it is about.
    pub key: String,
    /// What is odd.
    pub what: String,
    /// What mends it.
    pub fix: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.what, self.fix)
    }
}

impl Config {
    /// What is allowed in it and hardly meant. Secret files are looked at, and not read.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let idle = self.accounts.iter().filter(|(_, account)| {
            account.orders.is_empty() && account.discover.is_none() && account.domains.is_none()
        });
        let idle = idle.map(|(name, _)| Warning {
            key: format!("accounts.{name}"),
            what: "has no orders, no discover and no domains, so nothing is done for it".to_owned(),
            fix: "name orders, or write discover = {} for every order whose names lie in your zones"
                .to_owned(),
        });
        let exposed = self.secrets().filter_map(|(key, secret)| {
            let fix = "take the right away (chmod o=)".to_owned();
            Some(Warning { key, what: secret.exposed()?, fix })
        });
        let open = self.state.is_open_to_strangers().then(|| Warning {
            key: "agent.state".to_owned(),
            what: "connects without checking whom it talks to, so that a stranger on the way could read and change it"
                .to_owned(),
            fix: "leave out sslmode, or write sslmode=verify-full, with sslrootcert=PATH for a CA of your own".to_owned(),
        });
        idle.chain(exposed).chain(open).collect()
    }

    /// The secrets that accounts, providers and the state refer to, each with its key.
    pub fn secrets(&self) -> impl Iterator<Item = (String, &SecretRef)> {
        let keys = self
            .accounts
            .iter()
            .map(|(name, account)| (format!("accounts.{name}.api_key"), &account.connection.api_key));
        let of_providers = self.providers.iter().flat_map(|(name, provider)| {
            let secrets = provider.settings.secrets().into_iter();
            secrets.map(move |secret| (format!("providers.{name}"), secret))
        });
        let of_state = self.state.password().map(|password| ("agent.state_password".to_owned(), password));
        keys.chain(of_providers).chain(of_state)
    }
}
