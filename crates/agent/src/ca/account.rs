//! An account: its client, and its trouble, shared by all its orders and domains.

use std::sync::{Mutex, PoisonError};

use dcv_core::{Failure, FailureClass};
use digicert_api::{Class, Client, Error};
use dns_providers::SecretSource as _;
use jiff::{SignedDuration, Timestamp, Unit};
use secrecy::{ExposeSecret as _, SecretString};
use tracing::{error, info, warn};

use crate::{clock, config::Connection, error::chain, trouble::Trouble};

/// A DigiCert account.
#[derive(Debug)]
pub struct Account {
    name: String,
    connection: Connection,
    /// The client; its rate governor lives as long as this account.
    pub client: Client,
    hold: Mutex<Option<Hold>>,
    /// Since when DigiCert fails for everybody, and how.
    down: Mutex<Option<Outage>>,
}

#[derive(Debug)]
struct Outage {
    since: Timestamp,
    detail: String,
}

/// Why an account's calls are held back, and until when.
#[derive(Clone, Debug)]
pub struct Hold {
    /// When the next call may be tried.
    pub until: Timestamp,
    /// What the CA said.
    pub detail: String,
    /// The key that was refused: another one is tried at once.
    key: Option<SecretString>,
    /// When the trouble began.
    since: Timestamp,
}

impl Hold {
    /// What becomes of a call that is held back.
    #[must_use]
    pub fn failure(self, now: Timestamp) -> Failure {
        let retry_after = Some(self.until.duration_since(now));
        Failure { retry_after, ..Failure::new(FailureClass::Setup, self.detail) }
    }
}

impl Account {
    pub(super) fn new(name: &str, connection: Connection, client: Client) -> Self {
        Self { name: name.to_owned(), connection, client, hold: Mutex::default(), down: Mutex::default() }
    }

    /// How it is connected.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The trouble that holds back all calls now.
    pub fn held(&self, now: Timestamp) -> Option<Hold> {
        let hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let another_key = || !same(hold.key.as_ref(), self.connection.api_key.secret().ok().as_ref());
        (hold.until > now && !another_key()).then_some(hold)
    }

    /// What holds back all calls, or makes them fail, as it is told.
    #[must_use]
    pub fn hindrance(&self) -> Option<Trouble> {
        let of = format!("account {}", self.name);
        let hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Hold { since, detail, .. }) = &*hold {
            return Some(Trouble { of, since: *since, detail: detail.clone() });
        }
        let down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.as_ref().map(|Outage { since, detail }| Trouble { of, since: *since, detail: detail.clone() })
    }

    /// A call went through, or was refused for a reason of its own. The end of a trouble is said once.
    pub fn release(&self) {
        let held = self.hold.lock().unwrap_or_else(PoisonError::into_inner).take().map(|hold| hold.since);
        let down = self.down.lock().unwrap_or_else(PoisonError::into_inner).take().map(|down| down.since);
        if let Some(since) = [held, down].into_iter().flatten().min() {
            let lasted = clock::now().duration_since(since).round(Unit::Second).unwrap_or_default();
            info!(account = %self.name, "account {}: DigiCert answers again, after {lasted:#}", self.name);
        }
    }

    /// A sentence about a call that failed. A refused key holds back the whole account for a while, and is said once, not
    /// for each order; a call that this key may not make says nothing of the others.
    pub fn trouble(&self, error: &Error, retry: SignedDuration, now: Timestamp) -> String {
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let detail = format!("{}{hint}", chain(error));
        let of_account = matches!(error.class(), Class::KeyTrouble | Class::Setup);
        if !of_account {
            self.weigh(error, &detail, now);
            return detail;
        }
        let detail = format!("account {}: {detail}", self.name);
        if self.hold(now.saturating_add(retry).unwrap_or(Timestamp::MAX), detail.clone(), now) {
            error!(account = %self.name, "account {}: {detail}", self.name);
        }
        detail
    }

    /// What a call's own trouble says of the account: that DigiCert fails for everybody, which is said once; or that it
    /// answers, which ends that.
    fn weigh(&self, error: &Error, detail: &str, now: Timestamp) {
        match error.class() {
            Class::Transient | Class::Gateway | Class::Throttled => {
                let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
                if matches!(error, Error::Held { .. }) && down.is_none() {
                    *down = Some(Outage { since: now, detail: detail.to_owned() });
                    warn!(account = %self.name, "account {}: {detail}; one call tries for all", self.name);
                }
            }
            _ => self.release(),
        }
    }

    /// Holds back all calls; returns whether this is news.
    fn hold(&self, until: Timestamp, detail: String, now: Timestamp) -> bool {
        let mut held = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.connection.api_key.secret().ok();
        // One trouble is told once, however its words change; another key that is no good either is another one.
        let news = held.as_ref().is_none_or(|before| !same(before.key.as_ref(), key.as_ref()));
        let since = held.as_ref().map_or(now, |before| before.since);
        *held = Some(Hold { until, detail, key, since });
        news
    }
}

fn same(a: Option<&SecretString>, b: Option<&SecretString>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.expose_secret() == b.expose_secret(),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
