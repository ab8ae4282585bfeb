//! A server that takes changes over HTTP: by lego's `httpreq`, or as a webhook provider of external-dns.
//!
//! `httpreq` can only be told: one value a request, success by status. External-dns's protocol lists every record and takes
//! whole sets, so what it was told is looked at again.

mod api;
mod external_dns;
mod httpreq;

use async_trait::async_trait;
use dcv_core::{Change, Site};
use serde::Deserialize;
use tokio::sync::Mutex;

use self::{api::Api, httpreq::Form};
use crate::{
    Class, DnsProvider, Error, Probe, Receipt, RecordSet, Secret, Zone,
    api::{replan, throttle::Throttle},
    kinds::Kind,
    policy::{Grant, Policy, needs},
};

/// Requests a second. Behind the server is a vendor with a limit of its own.
const PACE: f64 = 10.0;

/// `[providers.<name>]` of kind `webhook`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Deserialize<'de>")]
pub struct WebhookSettings<S> {
    /// What the server speaks.
    pub protocol: Protocol,
    /// Its address: https, or http for this machine.
    pub url: String,
    /// Name for HTTP's basic authentication.
    pub username: Option<String>,
    /// The password that goes with it.
    pub password: Option<S>,
    /// Most requests a second (default 10).
    pub requests_per_second: Option<f64>,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// lego's `httpreq`: name and value.
    Httpreq,
    /// The same with `HTTPREQ_MODE=RAW`: domain, token and key authorization.
    HttpreqRaw,
    /// A webhook provider of external-dns, version 1.
    ExternalDns,
}

/// A server that takes changes over HTTP.
pub struct Webhook {
    name: String,
    api: Api,
    protocol: Protocol,
    /// Whole sets are read and written: changes of ours take turns.
    turn: Mutex<()>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .field("protocol", &self.protocol)
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// A provider for the server; connects to nothing yet.
    ///
    /// # Errors
    /// When a setting cannot be used, or the address would carry values and password in the clear.
    pub fn new(name: &str, settings: WebhookSettings<Secret>) -> Result<Self, Error> {
        let login = match (settings.username, settings.password) {
            (Some(name), Some(password)) => Some((name, password)),
            (None, None) => None,
            (_, _) => {
                return Err(Error::new(Class::Setup, "bad-setting", "username and password go together"));
            }
        };
        let api = Api::new(settings.url, login, Throttle::new(settings.requests_per_second, PACE)?)?;
        Ok(Self { name: name.to_owned(), api, protocol: settings.protocol, turn: Mutex::default() })
    }

    /// How a value is told, where it can only be told.
    const fn form(&self) -> Option<Form> {
        match self.protocol {
            Protocol::Httpreq => Some(Form::Value),
            Protocol::HttpreqRaw => Some(Form::Raw),
            Protocol::ExternalDns => None,
        }
    }
}

#[async_trait]
impl Kind for Webhook {
    type Settings<S> = WebhookSettings<S>;

    const FACTS: &'static str = include_str!("webhook/facts.toml");
    const LISTS_TTL: bool = false;

    async fn build(name: &str, settings: WebhookSettings<Secret>) -> Result<Self, Error> {
        Self::new(name, settings)
    }

    fn map_secrets<S, T>(settings: WebhookSettings<S>, secret: impl Fn(S) -> T) -> WebhookSettings<T> {
        WebhookSettings {
            protocol: settings.protocol,
            url: settings.url,
            username: settings.username,
            password: settings.password.map(secret),
            requests_per_second: settings.requests_per_second,
        }
    }

    fn secrets<S>(settings: &WebhookSettings<S>) -> Vec<&S> {
        settings.password.iter().collect()
    }

    fn policies<S>(_: &WebhookSettings<S>, grants: &[Grant]) -> Vec<Policy> {
        vec![Policy::new("What the server's own credential has to be allowed", needs(grants))]
    }
}

#[async_trait]
impl DnsProvider for Webhook {
    fn check(&self) -> Result<(), Error> {
        self.api.password().map(drop)
    }

    fn at_once(&self) -> usize {
        // One request a value, each of which may take half a minute.
        if self.form().is_some() { 1 } else { usize::MAX }
    }

    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        match self.form() {
            Some(_) => httpreq::probe(&self.api).await,
            None => external_dns::probe(&self.api, zone).await,
        }
    }

    async fn read(&self, _: &Zone, site: &Site) -> Result<RecordSet, Error> {
        match self.form() {
            Some(_) => Err(Error::new(Class::Blocked, "unreadable", "httpreq cannot be asked what is there")
                .hint("look at DNS, as the agent does before it asks DigiCert")),
            None => external_dns::read(&self.api, site.owner()).await,
        }
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        zone.encloses(changes)?;
        if changes.is_empty() {
            return Ok(Receipt::default());
        }
        let _turn = self.turn.lock().await;
        match self.form() {
            Some(form) => httpreq::apply(&self.api, form, changes).await?,
            None => {
                replan::until_written(&self.name, zone, |_| external_dns::write(&self.api, changes)).await?;
            }
        }
        Ok(Receipt::default())
    }
}
