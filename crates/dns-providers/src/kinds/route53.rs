//! Amazon Route 53.
//!
//! Route 53 replaces whole record sets. Each rewrite is therefore a compare-and-swap: one atomic batch deletes the
//! exact old set and creates the new one, so it fails when anybody has changed the set since it was read, and is then
//! planned again from a fresh read. UPSERT is never used: it would overwrite what somebody wrote in between.

mod account;
mod plan;
mod policy;
mod text;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use aws_config::{
    BehaviorVersion, Region, retry::RetryConfig, sts::AssumeRoleProvider, timeout::TimeoutConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};
use aws_sdk_route53::{Client, config::Builder};
use dcv_core::{Change, DomainName, Site};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use self::{account::Account, plan::Held};
use crate::{
    Class, DnsProvider, Error, Probe, Receipt, RecordSet, Secret, Zone,
    api::{endpoint, ids::Ids, replan, throttle::Throttle},
    kinds::Kind,
    policy::{Grant, Policy},
};

/// `[providers.<name>]` of kind `route53`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Deserialize<'de>")]
pub struct Route53Settings<S> {
    /// The region that signs requests; Route 53 itself is global.
    #[serde(default = "us_east_1")]
    pub region: String,
    /// Another endpoint, for a partition or a stand-in.
    pub endpoint: Option<String>,
    /// Fixed credentials; without them the standard chain is asked (environment, profile, web identity, container,
    /// instance).
    pub access_key_id: Option<S>,
    /// The other half of `access_key_id`.
    pub secret_access_key: Option<S>,
    /// With temporary credentials only.
    pub session_token: Option<S>,
    /// A role to assume with the credentials above, for a zone in another account.
    pub role_arn: Option<String>,
    /// What the role's trust policy may ask for.
    pub external_id: Option<String>,
    /// Most requests a second (default 2): AWS takes five from an account, whoever sends them.
    pub requests_per_second: Option<f64>,
}

fn us_east_1() -> String {
    "us-east-1".to_owned()
}

/// Requests a second. Route 53 takes five from one account, and other tools need some.
const PACE: f64 = 2.0;

/// An AWS account with hosted zones.
pub struct Route53 {
    name: String,
    account: Account,
    ids: Ids,
}

impl std::fmt::Debug for Route53 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route53").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Route53 {
    /// A provider with the settings' credentials; connects to nothing yet.
    ///
    /// # Errors
    /// When settings contradict each other or the endpoint would carry credentials in the clear.
    pub async fn new(name: &str, settings: Route53Settings<Secret>) -> Result<Self, Error> {
        let bad = |message: &str| Error::new(Class::Setup, "bad-setting", message);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(30))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(settings.region.clone()))
            .timeout_config(timeouts);
        match (settings.access_key_id, settings.secret_access_key, settings.session_token) {
            (Some(id), Some(key), token) => loader = loader.credentials_provider(Keys { id, key, token }),
            (None, None, None) => {}
            (_, _, _) => {
                return Err(bad(
                    "access_key_id and secret_access_key go together, and session_token with them",
                ));
            }
        }
        let throttle = Throttle::new(settings.requests_per_second, PACE)?;
        let shared = loader.load().await;
        // The account's own throttle must see every request, so the SDK repeats none itself.
        let mut config = Builder::from(&shared).retry_config(RetryConfig::disabled());
        if let Some(endpoint) = settings.endpoint {
            endpoint::check("endpoint", &endpoint)?;
            config = config.endpoint_url(endpoint);
        }
        match (settings.role_arn, settings.external_id) {
            (Some(role), external) => {
                let mut role = AssumeRoleProvider::builder(role).session_name("dcv-agent").configure(&shared);
                if let Some(external) = external {
                    role = role.external_id(external);
                }
                config = config.credentials_provider(role.build().await);
            }
            (None, Some(_)) => return Err(bad("external_id is of use with role_arn only")),
            (None, None) => {}
        }
        Ok(Self {
            name: name.to_owned(),
            account: Account::new(Client::from_conf(config.build()), throttle),
            ids: Ids::default(),
        })
    }

    async fn id(&self, zone: &Zone) -> Result<String, Error> {
        let Some(id) = &zone.id else {
            return self.ids.of(zone, self.account.find_zone(&zone.name)).await;
        };
        Ok(id.trim_start_matches("/hostedzone/").to_owned())
    }

    async fn swap(&self, id: &str, changes: &[Change], overtaken: u32) -> Result<Receipt, Error> {
        let owners = changes.iter().map(|change| change.site().owner().clone()).collect();
        // After a second conflict nothing is concluded from a listing's order any more: each name is asked for.
        let held = if overtaken < 2 {
            self.account.sweep(id, &owners).await?
        } else {
            self.account.each(id, &owners).await?
        };
        let mut receipt = Receipt::default();
        for batch in plan::batches(plan::plan(&held, changes)?) {
            receipt.change = Some(self.account.change(id, batch).await?);
        }
        Ok(receipt)
    }
}

#[async_trait]
impl Kind for Route53 {
    type Settings<S> = Route53Settings<S>;

    const FACTS: &'static str = include_str!("route53/facts.toml");

    async fn build(name: &str, settings: Route53Settings<Secret>) -> Result<Self, Error> {
        Self::new(name, settings).await
    }

    fn map_secrets<S, T>(settings: Route53Settings<S>, secret: impl Fn(S) -> T) -> Route53Settings<T> {
        Route53Settings {
            region: settings.region,
            endpoint: settings.endpoint,
            access_key_id: settings.access_key_id.map(&secret),
            secret_access_key: settings.secret_access_key.map(&secret),
            session_token: settings.session_token.map(&secret),
            role_arn: settings.role_arn,
            external_id: settings.external_id,
            requests_per_second: settings.requests_per_second,
        }
    }

    fn secrets<S>(settings: &Route53Settings<S>) -> Vec<&S> {
        [&settings.access_key_id, &settings.secret_access_key, &settings.session_token]
            .into_iter()
            .flatten()
            .collect()
    }

    fn policies<S>(settings: &Route53Settings<S>, grants: &[Grant]) -> Vec<Policy> {
        policy::policies(settings, grants)
    }
}

#[async_trait]
impl DnsProvider for Route53 {
    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        let id = self.id(zone).await?;
        let held =
            self.account.at(&id, &zone.name).await.map_err(|error| self.ids.forget_if_gone(zone, error))?;
        if !held.is_apex {
            return Err(Error::new(
                Class::Setup,
                "wrong-zone",
                format!("the hosted zone {id} is not {}", zone.name),
            )
            .hint("compare the zone's id with the console's list of hosted zones"));
        }
        Ok(Probe::new(format!("hosted zone {id} holds {}", zone.name)).served_by(&held.name_servers))
    }

    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        let id = self.id(zone).await?;
        let held =
            self.account.at(&id, site.owner()).await.map_err(|error| self.ids.forget_if_gone(zone, error))?;
        held.record_set(site.owner())
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        if changes.is_empty() {
            return Ok(Receipt::default());
        }
        zone.encloses(changes)?;
        let id = self.id(zone).await?;
        replan::until_written(&self.name, zone, |overtaken| self.swap(&id, changes, overtaken))
            .await
            .map_err(|error| self.ids.forget_if_gone(zone, error))
    }

    async fn settled(&self, receipt: &Receipt) -> Result<bool, Error> {
        match &receipt.change {
            Some(change) => self.account.in_sync(change).await,
            None => Ok(true),
        }
    }
}

/// What is held at several names.
type Names = BTreeMap<DomainName, Held>;

/// Credentials by reference, read again when the SDK's cache of 15 minutes runs out.
#[derive(Debug)]
struct Keys {
    id: Secret,
    key: Secret,
    token: Option<Secret>,
}

impl Keys {
    fn load(&self) -> provider::Result {
        let text = |secret: &Secret| -> Result<String, CredentialsError> {
            let secret = secret.secret().map_err(CredentialsError::invalid_configuration)?;
            Ok(secret.expose_secret().trim().to_owned())
        };
        let token = self.token.as_ref().map(text).transpose()?;
        Ok(Credentials::new(text(&self.id)?, text(&self.key)?, token, None, "dcv-agent settings"))
    }
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.load())
    }
}
