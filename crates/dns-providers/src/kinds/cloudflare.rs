//! Cloudflare.
//!
//! Cloudflare keeps each value as a record of its own, with an id. Values are found by name, type and content in a
//! fresh listing before every change, never by a remembered id, and a batch is one database transaction: when one of
//! its deletions or additions was overtaken by somebody else, the whole batch fails and is planned again.

mod api;

use std::collections::BTreeSet;

use async_trait::async_trait;
use dcv_core::{Change, DomainName, RecordData, Site};
use serde::Deserialize;

use self::api::{Api, Batch, Post, Record};
use crate::{
    Class, DnsProvider, Error, Probe, Receipt, RecordSet, Secret, Zone,
    api::{ids::Ids, replan, throttle::Throttle},
    kinds::Kind,
    policy::{Grant, Policy},
};

/// The smallest time to live outside the Enterprise plan.
const MIN_TTL: u32 = 60;
/// Stands for "automatic", which is served as five minutes.
const AUTOMATIC: u32 = 1;
/// Most operations of a batch on the Free plan.
const BATCH: usize = 200;
/// Requests a second.
const PACE: f64 = 4.0;
/// Of so many names each is asked for; of more the zone is listed.
const FEW: usize = 8;

/// `[providers.<name>]` of kind `cloudflare`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Deserialize<'de>")]
pub struct CloudflareSettings<S> {
    /// An API token (not the global key) that may edit the zone's DNS.
    pub api_token: S,
    /// Another API address, for a stand-in.
    #[serde(default = "production")]
    pub base_url: String,
    /// Most requests a second (default 4): Cloudflare takes 1200 in five minutes from a user.
    pub requests_per_second: Option<f64>,
}

fn production() -> String {
    "https://api.cloudflare.com/client/v4/".to_owned()
}

/// A Cloudflare account, as far as its token reaches.
pub struct Cloudflare {
    name: String,
    api: Api,
    ids: Ids,
}

impl std::fmt::Debug for Cloudflare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloudflare").field("name", &self.name).field("api", &self.api).finish_non_exhaustive()
    }
}

impl Cloudflare {
    /// A provider with the settings' token; connects to nothing yet.
    ///
    /// # Errors
    /// When the address cannot be used or would carry the token in the clear.
    pub fn new(name: &str, settings: CloudflareSettings<Secret>) -> Result<Self, Error> {
        let throttle = Throttle::new(settings.requests_per_second, PACE)?;
        let api = Api::new(settings.base_url, settings.api_token, throttle)?;
        Ok(Self { name: name.to_owned(), api, ids: Ids::default() })
    }

    /// The zone's id. One that the operator gave is compared with its name once, for a record written under another
    /// zone's id would be created below that zone: `_dnsauth.example.com.example.org`.
    async fn id(&self, zone: &Zone) -> Result<String, Error> {
        let find = async {
            let Some(id) = &zone.id else { return self.api.find_zone(&zone.name).await };
            self.api.check_zone(id, &zone.name).await?;
            Ok(id.clone())
        };
        self.ids.of(zone, find).await
    }

    async fn replace(&self, id: &str, changes: &[Change]) -> Result<(), Error> {
        let owners: BTreeSet<&DomainName> = changes.iter().map(|change| change.site().owner()).collect();
        let mut steps = Vec::new();
        let mut listed =
            if owners.len() > FEW { Some(self.api.all_records(id, &owners).await?) } else { None };
        for owner in owners {
            let held = match &mut listed {
                Some(listed) => listed.remove(owner).unwrap_or_default(),
                None => self.api.records(id, owner).await?,
            };
            let here = changes.iter().filter(|change| change.site().owner() == owner);
            steps.push(plan(owner, held, here)?);
        }
        for batch in batches(steps) {
            self.api.send(id, &batch).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Kind for Cloudflare {
    type Settings<S> = CloudflareSettings<S>;

    const FACTS: &'static str = include_str!("cloudflare/facts.toml");

    async fn build(name: &str, settings: CloudflareSettings<Secret>) -> Result<Self, Error> {
        Self::new(name, settings)
    }

    fn map_secrets<S, T>(settings: CloudflareSettings<S>, secret: impl Fn(S) -> T) -> CloudflareSettings<T> {
        CloudflareSettings {
            api_token: secret(settings.api_token),
            base_url: settings.base_url,
            requests_per_second: settings.requests_per_second,
        }
    }

    fn secrets<S>(settings: &CloudflareSettings<S>) -> Vec<&S> {
        vec![&settings.api_token]
    }

    fn policies<S>(_: &CloudflareSettings<S>, grants: &[Grant]) -> Vec<Policy> {
        let with_id = grants.iter().all(|grant| grant.zone.id.is_some());
        let read = if with_id {
            ""
        } else {
            "             Zone / Zone / Read      (not needed where each zone has its id)\n"
        };
        let zones: String = grants
            .iter()
            .map(|grant| format!("  Resources    Include / Specific zone / {}\n", grant.zone.name))
            .collect();
        vec![Policy::new(
            "Cloudflare: My Profile, API Tokens, Create Custom Token; neither names nor types can be limited",
            format!("  Permissions  Zone / DNS / Edit\n{read}{zones}  Client IP    the agent's addresses\n"),
        )]
    }
}

#[async_trait]
impl DnsProvider for Cloudflare {
    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        let id = self.id(zone).await?;
        self.api.records(&id, &zone.name).await.map_err(|error| self.ids.forget_if_gone(zone, error))?;
        let servers = self.api.name_servers(&id, &zone.name).await?;
        let detail = format!("zone {id} holds {}, and the token may read its records", zone.name);
        Ok(Probe::new(detail).served_by(servers))
    }

    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        let id = self.id(zone).await?;
        let held = self
            .api
            .records(&id, site.owner())
            .await
            .map_err(|error| self.ids.forget_if_gone(zone, error))?;
        let alias = held.iter().find(|record| record.is_alias(&zone.name));
        let ttl = held.iter().find(|record| record.is_txt()).or(alias).map(|record| record.ttl);
        Ok(RecordSet {
            txt: held.iter().filter(|record| record.is_txt()).map(Record::text).collect(),
            cname: alias.and_then(Record::target),
            ttl: ttl.map(|ttl| if ttl == AUTOMATIC { 300 } else { ttl }),
        })
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        if changes.is_empty() {
            return Ok(Receipt::default());
        }
        zone.encloses(changes)?;
        let id = self.id(zone).await?;
        replan::until_written(&self.name, zone, |_| self.replace(&id, changes))
            .await
            .map(|()| Receipt::default())
            .map_err(|error| self.ids.forget_if_gone(zone, error))
    }
}

/// What has to happen at one name.
fn plan<'a>(
    owner: &DomainName,
    held: Vec<Record>,
    changes: impl Iterator<Item = &'a Change>,
) -> Result<Batch, Error> {
    // A set has one time to live (RFC 2181 section 5.2); the one that stands there stays.
    let standing = held.iter().find(|record| record.is_txt()).map(|record| record.ttl);
    let mut batch = Batch::default();
    let mut left = held;
    for change in changes {
        match change {
            Change::Remove { data, .. } => {
                batch.posts.retain(|post| post.data != *data);
                for gone in left.extract_if(.., |record| record.is_same_in_dns(data)) {
                    batch.deletes.push(gone.id);
                }
            }
            Change::Add { data, ttl, .. } => {
                if left.iter().any(|record| record.holds(data))
                    || batch.posts.iter().any(|post| post.data == *data)
                {
                    continue;
                }
                // An alias that is ours but for its capitals makes room.
                let misspelled =
                    |record: &mut Record| matches!(data, RecordData::Cname(_)) && record.is_same_in_dns(data);
                batch.deletes.extend(left.extract_if(.., misspelled).map(|record| record.id));
                let ttl = match data {
                    // Whether a text may stand beside an alias is Cloudflare's to say: it may where the alias is
                    // flattened, which a setting of the zone decides, too.
                    RecordData::Txt(_) => standing.unwrap_or_else(|| ttl.as_secs().max(MIN_TTL)),
                    RecordData::Cname(_) => {
                        refuse_collision(owner, &left, &batch.posts)?;
                        ttl.as_secs().max(MIN_TTL)
                    }
                };
                batch.posts.push(Post { name: owner.clone(), data: data.clone(), ttl });
            }
        }
    }
    Ok(batch)
}

/// An alias is alone at its name.
fn refuse_collision(owner: &DomainName, held: &[Record], posts: &[Post]) -> Result<(), Error> {
    let standing = match (held.first(), posts) {
        (None, []) => return Ok(()),
        (Some(record), _) if record.is_cname() => format!("a CNAME to {}", record.target_text()),
        (Some(record), _) => format!("a {} record", record.kind),
        (None, _) => "another record".to_owned(),
    };
    Err(Error::new(
        Class::Blocked,
        "collision",
        format!("{standing} stands at {owner}; a CNAME cannot stand beside it"),
    )
    .hint("remove it, or delegate the name to a zone that the agent may write"))
}

/// As few batches as the limit allows; a name is divided only when it alone exceeds it.
fn batches(steps: Vec<Batch>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for step in steps.into_iter().flat_map(Batch::pieces) {
        match batches.last_mut() {
            Some(last) if last.len() + step.len() <= BATCH => {
                last.deletes.extend(step.deletes);
                last.posts.extend(step.posts);
            }
            Some(_) | None => batches.push(step),
        }
    }
    batches
}

impl Batch {
    fn len(&self) -> usize {
        self.deletes.len() + self.posts.len()
    }

    fn pieces(self) -> Vec<Self> {
        if self.len() == 0 {
            return Vec::new();
        }
        if self.len() <= BATCH {
            return vec![self];
        }
        let deletes =
            self.deletes.chunks(BATCH).map(|part| Self { deletes: part.to_vec(), posts: Vec::new() });
        let posts = self.posts.chunks(BATCH).map(|part| Self { deletes: Vec::new(), posts: part.to_vec() });
        deletes.chain(posts).collect()
    }
}

#[cfg(test)]
mod tests {
    use dcv_core::RandomValue;

    use super::*;

    fn step(deletes: usize, posts: usize) -> Batch {
        let post = Post {
            name: "_dnsauth.example.com".parse().unwrap(),
            data: RecordData::Txt(RandomValue::new("v").unwrap()),
            ttl: 60,
        };
        Batch { deletes: vec!["id".to_owned(); deletes], posts: vec![post; posts] }
    }

    #[test]
    fn batches_stay_within_the_free_plan() {
        let sizes = |steps| batches(steps).iter().map(Batch::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec![step(0, 0)]), [0; 0], "nothing to do is no request");
        assert_eq!(sizes(vec![step(1, 1); 100]), [200]);
        assert_eq!(sizes(vec![step(1, 2); 100]), [198, 102], "a name is not divided needlessly");
        assert_eq!(sizes(vec![step(0, 450)]), [200, 200, 50]);
    }
}
