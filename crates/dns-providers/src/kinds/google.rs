//! Google Cloud DNS.
//!
//! A change names what it deletes and what it adds, and is applied whole or not at all; a deletion has to be the record set
//! as it stands, time to live and every value (<https://cloud.google.com/dns/docs/reference/rest/v1/changes>). So each
//! rewrite deletes the exact old set and adds the new one: it fails when anybody has changed the set since it was read
//! (409, 412), and is then planned again from a fresh read.

mod api;
mod credentials;
mod plan;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, Site};
use serde::Deserialize;

use self::{
    api::{Api, is_id},
    plan::Held,
};
use crate::{
    Class, DnsProvider, Error, Probe, Receipt, RecordSet, Secret, Zone,
    api::{ids::Ids, replan},
    kinds::Kind,
    policy::{Grant, Policy},
};

/// `[providers.<name>]` of kind `google`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Deserialize<'de>")]
pub struct GoogleSettings<S> {
    /// The project of the managed zones, by its id.
    pub project: String,
    /// A service account's key, or the configuration of a workload identity federation, as the JSON that Google gives out.
    /// Without it the metadata server of the machine is asked (Compute Engine, GKE, Cloud Run).
    pub credentials: Option<S>,
    /// Most requests a second (default 5).
    pub requests_per_second: Option<f64>,
    /// Another address of the API, for a stand-in.
    #[serde(default = "production")]
    pub endpoint: String,
    /// Another address of the metadata server.
    #[serde(default = "metadata_server")]
    pub metadata_endpoint: String,
}

fn production() -> String {
    "https://dns.googleapis.com/".to_owned()
}

fn metadata_server() -> String {
    "http://metadata.google.internal/".to_owned()
}

/// A Google Cloud project with managed zones.
pub struct Google {
    name: String,
    api: Api,
    ids: Ids,
}

impl std::fmt::Debug for Google {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Google").field("name", &self.name).field("api", &self.api).finish_non_exhaustive()
    }
}

/// What stands at several names.
type Names = BTreeMap<DomainName, Held>;

impl Google {
    /// A provider for the project; connects to nothing yet.
    ///
    /// # Errors
    /// When a setting cannot be used, or would carry credentials in the clear.
    pub fn new(name: &str, settings: GoogleSettings<Secret>) -> Result<Self, Error> {
        Ok(Self { name: name.to_owned(), api: Api::new(settings)?, ids: Ids::default() })
    }

    /// The managed zone's name or number, which is not the domain.
    async fn id(&self, zone: &Zone) -> Result<String, Error> {
        let Some(id) = &zone.id else { return self.ids.of(zone, self.api.find_zone(&zone.name)).await };
        if is_id(id) {
            return Ok(id.clone());
        }
        Err(Error::new(Class::Setup, "bad-setting", format!("{id:?} cannot be a managed zone's name"))
            .hint("it is the zone's name in Cloud DNS, such as \"example-com\"; `gcloud dns managed-zones list` shows it"))
    }

    async fn swap(&self, id: &str, changes: &[Change]) -> Result<Receipt, Error> {
        let owners: BTreeSet<&DomainName> = changes.iter().map(|change| change.site().owner()).collect();
        let held = self.api.held(id, &owners).await?;
        let mut receipt = Receipt::default();
        for batch in plan::batches(plan::plan(&held, changes)?) {
            receipt.change = Some(self.api.change(id, &batch).await?);
        }
        Ok(receipt)
    }
}

#[async_trait]
impl Kind for Google {
    type Settings<S> = GoogleSettings<S>;

    const FACTS: &'static str = include_str!("google/facts.toml");

    async fn build(name: &str, settings: GoogleSettings<Secret>) -> Result<Self, Error> {
        Self::new(name, settings)
    }

    fn map_secrets<S, T>(settings: GoogleSettings<S>, secret: impl Fn(S) -> T) -> GoogleSettings<T> {
        GoogleSettings {
            project: settings.project,
            credentials: settings.credentials.map(secret),
            requests_per_second: settings.requests_per_second,
            endpoint: settings.endpoint,
            metadata_endpoint: settings.metadata_endpoint,
        }
    }

    fn secrets<S>(settings: &GoogleSettings<S>) -> Vec<&S> {
        settings.credentials.iter().collect()
    }

    fn policies<S>(settings: &GoogleSettings<S>, grants: &[Grant]) -> Vec<Policy> {
        let project = &settings.project;
        let without_id = grants.iter().any(|grant| grant.zone.id.is_none());
        let role = "title: dcv-agent\nstage: GA\nincludedPermissions:\n- dns.changes.create\n- dns.changes.get\n\
             - dns.resourceRecordSets.create\n- dns.resourceRecordSets.delete\n- dns.resourceRecordSets.list\n";
        let binding = |grant: &Grant| {
            let zone = grant.zone.id.as_deref().unwrap_or("<name of the managed zone>");
            format!(
                "gcloud dns managed-zones set-iam-policy {zone} --project={project} --policy-file=policy.json    # {}\n",
                grant.zone.name
            )
        };
        let mut bindings: String = grants.iter().map(binding).collect();
        if without_id {
            bindings += &format!(
                "# Zones are listed in the project: dns.managedZones.list in a role of its own, for the project\n\
                 gcloud projects add-iam-policy-binding {project} --role=projects/{project}/roles/<that role> --member=serviceAccount:<e-mail>\n"
            );
        }
        let policy = serde_json::json!({ "bindings": [{
            "role": format!("projects/{project}/roles/dcvAgent"), "members": ["serviceAccount:<e-mail>"],
        }] });
        let policy = serde_json::to_string_pretty(&policy).unwrap_or_default() + "\n";
        vec![
            Policy::new(
                format!(
                    "Google: custom role; gcloud iam roles create dcvAgent --project={project} --file=role.yaml"
                ),
                role,
            ),
            Policy::new(
                "Google: policy.json, who has the role on a zone (add what is there: get-iam-policy)",
                policy,
            ),
            Policy::new("Google: these zones alone; neither names nor types can be limited", bindings),
        ]
    }
}

#[async_trait]
impl DnsProvider for Google {
    fn check(&self) -> Result<(), Error> {
        self.api.check()
    }

    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        let id = self.id(zone).await?;
        let apex =
            self.api.at(&id, &zone.name).await.map_err(|error| self.ids.forget_if_gone(zone, error))?;
        if !apex.is_apex {
            let text = format!("the managed zone {id} is not {}", zone.name);
            return Err(Error::new(Class::Setup, "wrong-zone", text)
                .of(crate::Extent::Zone)
                .hint("compare the zone's id with `gcloud dns managed-zones list`"));
        }
        let detail = format!("managed zone {id} holds {}, and its records may be read", zone.name);
        Ok(Probe::new(detail).served_by(&apex.name_servers))
    }

    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        let id = self.id(zone).await?;
        let held =
            self.api.at(&id, site.owner()).await.map_err(|error| self.ids.forget_if_gone(zone, error))?;
        held.record_set(site.owner())
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        if changes.is_empty() {
            return Ok(Receipt::default());
        }
        zone.encloses(changes)?;
        let id = self.id(zone).await?;
        replan::until_written(&self.name, zone, |_| self.swap(&id, changes))
            .await
            .map_err(|error| self.ids.forget_if_gone(zone, error))
    }

    async fn settled(&self, receipt: &Receipt) -> Result<bool, Error> {
        match &receipt.change {
            Some(change) => self.api.is_done(change).await,
            None => Ok(true),
        }
    }
}
