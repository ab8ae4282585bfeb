//! PowerDNS Authoritative Server, by its HTTP API.
//!
//! The API replaces whole record sets; from 4.9.12 and 5.0.2 on it also adds and removes single values (`EXTEND`, `PRUNE`).
//! Asked about one name it hides what is disabled there, before 5.0 (issue 11473), and who then replaced the set would
//! delete it; so the whole zone is read of those. Either way a name is read first, since a set has one time to live and an alias stands alone, and read again after: what
//! somebody else replaced in between is written once more. One change at a time leaves a provider: with the SQLite backend
//! those that meet are refused ("database is locked").

mod api;
mod plan;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, Site};
use serde::Deserialize;
use tokio::sync::Mutex;

use self::{
    api::{Api, Found},
    plan::{Abilities, Held, Patch},
};
use crate::{
    Class, DnsProvider, Error, Extent, Probe, Receipt, RecordSet, Secret, Zone,
    api::{
        ids::Ids,
        replan::{self, OVERTAKEN},
        throttle::Throttle,
    },
    kinds::Kind,
    policy::{Grant, Policy},
    provider::listed,
};

/// Record sets of one request. It is one transaction of the server's database.
const BATCH: usize = 500;

/// Requests a second. The server is the operator's own; its database has other work.
const PACE: f64 = 50.0;

/// `[providers.<name>]` of kind `powerdns`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Deserialize<'de>")]
pub struct PowerDnsSettings<S> {
    /// Where the server's API is, `http://127.0.0.1:8081` for one on this machine.
    pub base_url: String,
    /// The server's `api-key`.
    pub api_key: S,
    /// The server behind the API; others than `localhost` are found behind a proxy of several.
    #[serde(default = "localhost")]
    pub server_id: String,
    /// Most requests a second (default 50).
    pub requests_per_second: Option<f64>,
}

fn localhost() -> String {
    "localhost".to_owned()
}

/// A PowerDNS server.
pub struct PowerDns {
    name: String,
    api: Api,
    ids: Ids,
    /// Held from the reading to the reading again, so that two batches of ours never meet.
    turn: Mutex<()>,
}

impl std::fmt::Debug for PowerDns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PowerDns").field("name", &self.name).field("api", &self.api).finish_non_exhaustive()
    }
}

/// What stands at several names.
type Names = BTreeMap<DomainName, Held>;

impl PowerDns {
    /// A provider for the server; connects to nothing yet.
    ///
    /// # Errors
    /// When the address cannot be used or would carry the key in the clear.
    pub fn new(name: &str, settings: PowerDnsSettings<Secret>) -> Result<Self, Error> {
        let api = Api::new(
            settings.base_url,
            &settings.server_id,
            settings.api_key,
            Throttle::new(settings.requests_per_second, PACE)?,
        )?;
        Ok(Self { name: name.to_owned(), api, ids: Ids::default(), turn: Mutex::default() })
    }

    async fn id(&self, zone: &Zone) -> Result<String, Error> {
        if let Some(id) = &zone.id {
            return Ok(id.clone());
        }
        let find = async {
            let Found { id, kind, .. } = self.api.find_zone(&zone.name).await?;
            refuse_copy(zone, &kind)?;
            Ok(id)
        };
        self.ids.of(zone, find).await
    }

    async fn held(
        &self,
        id: &str,
        owners: &BTreeSet<&DomainName>,
        abilities: Abilities,
    ) -> Result<(Names, u64), Error> {
        let mut held = Names::new();
        let mut serial = 0;
        if abilities.shows_single_names {
            for owner in owners {
                let seen = self.api.zone(id, Some(owner)).await?;
                serial = seen.serial;
                held.insert((*owner).clone(), seen.at(owner));
            }
        } else {
            let seen = self.api.zone(id, None).await?;
            serial = seen.serial;
            held.extend(owners.iter().map(|owner| ((*owner).clone(), seen.at(owner))));
        }
        Ok((held, serial))
    }

    async fn write(&self, id: &str, zone: &Zone, changes: &[Change]) -> Result<(), Error> {
        let owners: BTreeSet<&DomainName> = changes.iter().map(|change| change.site().owner()).collect();
        let abilities = self.api.abilities().await?;
        let (held, serial) = self.held(id, &owners, abilities).await?;
        let patches = plan::plan(&held, changes, abilities)?;
        if patches.is_empty() {
            return Ok(());
        }
        let replaces = patches.iter().any(Patch::replaces);
        for (nth, batch) in patches.chunks(BATCH).enumerate() {
            let before = self.api.patch(id, batch).await?;
            if nth == 0 && replaces && before.is_some_and(|before| before != serial) {
                tracing::warn!(
                    provider = %self.name, zone = %zone.name,
                    "somebody else changed the zone between reading and writing; this server replaces whole record sets, \
                     so a value that was written at the same names just then may be gone (4.9.12 and 5.0.2 can do better)"
                );
            }
        }
        let (now, _) = self.held(id, &owners, abilities).await?;
        plan::lacking(&now, changes).map_or(Ok(()), |name| {
            let text = format!("somebody else wrote at {name} at the same time");
            Err(Error::new(Class::Later, OVERTAKEN, text)
                .hint("something else writes the same records; see who"))
        })
    }
}

/// A zone that this server transfers from another one is overwritten with the next transfer.
fn refuse_copy(zone: &Zone, kind: &str) -> Result<(), Error> {
    if ["slave", "secondary", "consumer"].iter().any(|copy| kind.eq_ignore_ascii_case(copy)) {
        let text = format!("the server holds {} as a copy only ({kind})", zone.name);
        return Err(Error::new(Class::Setup, "secondary", text)
            .of(Extent::Zone)
            .hint("point base_url at the zone's primary server"));
    }
    Ok(())
}

#[async_trait]
impl Kind for PowerDns {
    type Settings<S> = PowerDnsSettings<S>;

    const FACTS: &'static str = include_str!("powerdns/facts.toml");

    async fn build(name: &str, settings: PowerDnsSettings<Secret>) -> Result<Self, Error> {
        Self::new(name, settings)
    }

    fn map_secrets<S, T>(settings: PowerDnsSettings<S>, secret: impl Fn(S) -> T) -> PowerDnsSettings<T> {
        PowerDnsSettings {
            base_url: settings.base_url,
            api_key: secret(settings.api_key),
            server_id: settings.server_id,
            requests_per_second: settings.requests_per_second,
        }
    }

    fn secrets<S>(settings: &PowerDnsSettings<S>) -> Vec<&S> {
        vec![&settings.api_key]
    }

    fn policies<S>(_: &PowerDnsSettings<S>, grants: &[Grant]) -> Vec<Policy> {
        let zones: String = grants
            .iter()
            .map(|grant| {
                format!("pdnsutil set-meta {} API-RECTIFY 1        # for a signed zone\n", grant.zone.name)
            })
            .collect();
        vec![
            Policy::new(
                "PowerDNS: pdns.conf; the key may change every zone, so let nobody else reach it",
                "api=yes\napi-key=…\nwebserver=yes\nwebserver-address=127.0.0.1\nwebserver-allow-from=127.0.0.1\n",
            ),
            Policy::new("PowerDNS: zones", zones),
        ]
    }
}

#[async_trait]
impl DnsProvider for PowerDns {
    fn check(&self) -> Result<(), Error> {
        self.api.key().map(drop)
    }

    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        let id = self.id(zone).await?;
        let seen = self.api.zone(&id, Some(&zone.name)).await;
        let seen = seen.map_err(|error| self.ids.forget_if_gone(zone, error))?;
        refuse_copy(zone, &seen.kind)?;
        if !seen.is(&zone.name) {
            let text = format!("the zone with the id {id} is {}, not {}", seen.name, zone.name);
            return Err(Error::new(Class::Setup, "wrong-zone", text)
                .of(Extent::Zone)
                .hint("leave the zone's id out"));
        }
        let abilities = self.api.abilities().await?;
        let way = if abilities.takes_single_values { "single values" } else { "whole record sets" };
        let detail = format!("the server holds {} and takes {way}", zone.name);
        Ok(Probe::new(detail).served_by(seen.name_servers()))
    }

    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        let id = self.id(zone).await?;
        let abilities = self.api.abilities().await?;
        let read = self.held(&id, &BTreeSet::from([site.owner()]), abilities).await;
        let (held, _) = read.map_err(|error| self.ids.forget_if_gone(zone, error))?;
        Ok(held.into_values().next().unwrap_or_default().record_set())
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        if changes.is_empty() {
            return Ok(Receipt::default());
        }
        zone.encloses(changes)?;
        let id = self.id(zone).await?;
        let _turn = self.turn.lock().await;
        replan::until_written(&self.name, zone, |_| self.write(&id, zone, changes))
            .await
            .map(|()| Receipt::default())
            .map_err(|error| self.ids.forget_if_gone(zone, error))
    }
}

/// Names for a sentence about patches.
fn named(patches: &[Patch]) -> String {
    listed(patches.iter().map(|patch| patch.name().trim_end_matches('.').to_owned()))
}
