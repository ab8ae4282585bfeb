//! Azure DNS, by Azure Resource Manager.
//!
//! Each record set has an ETag. A set is created with `If-None-Match: *` and replaced or deleted with `If-Match`, so that a
//! set which somebody else has written since it was read is refused (412), and planned again from a fresh read
//! (<https://learn.microsoft.com/rest/api/dns/record-sets/create-or-update>). There is one request a set, and none for many.
//!
//! Public zones alone: a private one (`privateDnsZones`) is another resource, which DigiCert does not see.

mod api;
mod credentials;
mod plan;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, Site};
use serde::Deserialize;

use self::{api::Api, plan::Held};
use crate::{
    DnsProvider, Error, Probe, Receipt, RecordSet, Secret, Zone,
    api::{ids::Ids, replan},
    kinds::Kind,
    policy::{Grant, Policy},
};

/// Changes of one call, each of which is a request: with the pace of two a second, and four zones at once, they end in time.
const AT_ONCE: usize = 20;

/// `[providers.<name>]` of kind `azure`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Deserialize<'de>")]
pub struct AzureSettings<S> {
    /// The subscription of the zones, by its id.
    pub subscription: String,
    /// The resource group of the zones. Without it, zones that have no id are looked for in the whole subscription.
    pub resource_group: Option<String>,
    /// The directory (tenant) by its id; not for a managed identity.
    pub tenant: Option<String>,
    /// The application by its id; of a managed identity one that the user assigned.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<S>,
    /// Or its certificate and RSA key, both in one PEM text.
    pub client_certificate: Option<S>,
    /// Or another identity provider's token, as a file that is renewed by others (workload identity).
    pub federated_token: Option<S>,
    /// Where a managed identity's tokens are, other than with a virtual machine: what App Service, Container Apps and the
    /// like have in `IDENTITY_ENDPOINT`.
    pub identity_endpoint: Option<String>,
    /// And what they have in `IDENTITY_HEADER`.
    pub identity_header: Option<S>,
    /// Which of Azure's clouds.
    #[serde(default)]
    pub cloud: Cloud,
    /// Most requests a second (default 2).
    pub requests_per_second: Option<f64>,
    /// Another address of Resource Manager, for a stand-in.
    pub endpoint: Option<String>,
    /// Another address of the login.
    pub login_endpoint: Option<String>,
}

/// A cloud, which is a set of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cloud {
    /// Azure.
    #[default]
    Public,
    /// Azure Government of the United States.
    UsGov,
    /// Azure in China, by 21Vianet.
    China,
}

impl Cloud {
    /// Resource Manager, which is also what tokens are for.
    const fn endpoint(self) -> &'static str {
        match self {
            Self::Public => "https://management.azure.com/",
            Self::UsGov => "https://management.usgovcloudapi.net/",
            Self::China => "https://management.chinacloudapi.cn/",
        }
    }

    const fn login(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com/",
            Self::UsGov => "https://login.microsoftonline.us/",
            Self::China => "https://login.partner.microsoftonline.cn/",
        }
    }
}

/// A subscription with DNS zones.
pub struct Azure {
    name: String,
    api: Api,
    ids: Ids,
}

impl std::fmt::Debug for Azure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Azure").field("name", &self.name).field("api", &self.api).finish_non_exhaustive()
    }
}

/// What stands at several names.
type Names = BTreeMap<DomainName, Held>;

impl Azure {
    /// A provider for the subscription; connects to nothing yet.
    ///
    /// # Errors
    /// When settings contradict each other, or would carry credentials in the clear.
    pub fn new(name: &str, settings: AzureSettings<Secret>) -> Result<Self, Error> {
        Ok(Self { name: name.to_owned(), api: Api::new(settings)?, ids: Ids::default() })
    }

    /// The zone's resource, which a resource group names without asking anybody.
    async fn id(&self, zone: &Zone) -> Result<String, Error> {
        match self.api.id_of(zone)? {
            Some(id) => Ok(id),
            None => self.ids.of(zone, self.api.find_zone(&zone.name)).await,
        }
    }

    async fn swap(&self, id: &str, zone: &Zone, changes: &[Change]) -> Result<(), Error> {
        let of_kind = |kind: &str| -> BTreeSet<&DomainName> {
            changes
                .iter()
                .filter(|change| change.data().kind() == kind)
                .map(|change| change.site().owner())
                .collect()
        };
        let held = self.api.held(id, zone, &of_kind("TXT"), &of_kind("CNAME")).await?;
        for step in plan::plan(&zone.name, &held, changes)? {
            self.api.write(id, &step).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Kind for Azure {
    type Settings<S> = AzureSettings<S>;

    const FACTS: &'static str = include_str!("azure/facts.toml");

    async fn build(name: &str, settings: AzureSettings<Secret>) -> Result<Self, Error> {
        Self::new(name, settings)
    }

    fn map_secrets<S, T>(settings: AzureSettings<S>, secret: impl Fn(S) -> T) -> AzureSettings<T> {
        AzureSettings {
            subscription: settings.subscription,
            resource_group: settings.resource_group,
            tenant: settings.tenant,
            client_id: settings.client_id,
            client_secret: settings.client_secret.map(&secret),
            client_certificate: settings.client_certificate.map(&secret),
            federated_token: settings.federated_token.map(&secret),
            identity_endpoint: settings.identity_endpoint,
            identity_header: settings.identity_header.map(&secret),
            cloud: settings.cloud,
            requests_per_second: settings.requests_per_second,
            endpoint: settings.endpoint,
            login_endpoint: settings.login_endpoint,
        }
    }

    fn secrets<S>(settings: &AzureSettings<S>) -> Vec<&S> {
        let AzureSettings { client_secret, client_certificate, federated_token, identity_header, .. } =
            settings;
        [client_secret, client_certificate, federated_token, identity_header].into_iter().flatten().collect()
    }

    fn policies<S>(settings: &AzureSettings<S>, grants: &[Grant]) -> Vec<Policy> {
        let group = settings.resource_group.as_deref().unwrap_or("<resource group>");
        let scope = |grant: &Grant| {
            grant
                .zone
                .id
                .clone()
                .unwrap_or_else(|| api::zone_id(&settings.subscription, group, &grant.zone.name))
        };
        let scopes: Vec<String> = grants.iter().map(scope).collect();
        let types: BTreeSet<&str> = grants.iter().flat_map(Grant::types).copied().collect();
        let on_sets = types.iter().flat_map(|kind| {
            ["read", "write", "delete"].map(|action| format!("Microsoft.Network/dnsZones/{kind}/{action}"))
        });
        let actions: Vec<String> =
            std::iter::once("Microsoft.Network/dnsZones/read".to_owned()).chain(on_sets).collect();
        let role = serde_json::json!({
            "Name": "dcv-agent", "IsCustom": true, "Description": "Publishes validation values of DigiCert.",
            "Actions": actions, "NotActions": [],
            "AssignableScopes": [format!("/subscriptions/{}", settings.subscription)],
        });
        let role = serde_json::to_string_pretty(&role).unwrap_or_default() + "\n";
        let assign = |scope: &String| {
            format!("az role assignment create --role dcv-agent --assignee <object id> --scope \"{scope}\"\n")
        };
        vec![
            Policy::new("Azure: custom role; az role definition create --role-definition role.json", role),
            Policy::new(
                "Azure: the role for these zones alone; a record set that stands already can be a scope as well (…/TXT/_dnsauth.www)",
                scopes.iter().map(assign).collect::<String>(),
            ),
        ]
    }
}

#[async_trait]
impl DnsProvider for Azure {
    fn check(&self) -> Result<(), Error> {
        self.api.check()
    }

    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        let id = self.id(zone).await?;
        // Whoever may change the records need not be allowed to see the zone.
        let records = self.api.set(&id, "TXT", "@").await;
        records.map_err(|error| self.ids.forget_if_gone(zone, error))?;
        let servers = self.api.name_servers(&id).await?;
        Ok(Probe::new(format!("{id} may be read")).served_by(servers))
    }

    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        let id = self.id(zone).await?;
        let owners = BTreeSet::from([site.owner()]);
        let held = self.api.held(&id, zone, &owners, &owners).await;
        let held = held.map_err(|error| self.ids.forget_if_gone(zone, error))?;
        held.into_values().next().unwrap_or_default().record_set(site.owner())
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        if changes.is_empty() {
            return Ok(Receipt::default());
        }
        zone.encloses(changes)?;
        let id = self.id(zone).await?;
        replan::until_written(&self.name, zone, |_| self.swap(&id, zone, changes))
            .await
            .map(|()| Receipt::default())
            .map_err(|error| self.ids.forget_if_gone(zone, error))
    }
}
