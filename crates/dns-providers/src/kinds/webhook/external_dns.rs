//! External-dns's protocol for webhook providers, version 1: `GET /`, `GET` and `POST /records`, `POST /adjustendpoints`.
//!
//! An endpoint is a whole record set. What others have in it is sent back as it was read, with labels and what is specific to
//! the provider.

use std::collections::BTreeSet;

use dcv_core::{AliasTarget, Change, DomainName, RecordData};
use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::api::{Api, content_type};
use crate::{
    Class, Error, Extent, Probe, RecordSet, Zone,
    api::{replan::OVERTAKEN, text},
};

const MEDIA_TYPE: &str = "application/external.dns.webhook+json;version=1";
/// All records of all zones of the provider.
const MAX_RECORDS: usize = 64 * 1024 * 1024;

/// A record set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    #[serde(default)]
    dns_name: String,
    #[serde(default, deserialize_with = "or_none")]
    targets: Vec<String>,
    #[serde(default)]
    record_type: String,
    #[serde(default, rename = "recordTTL", skip_serializing_if = "is_zero")]
    record_ttl: i64,
    /// Set where several sets share name and type: weights, regions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    set_identifier: String,
    /// Labels and the like.
    #[serde(flatten)]
    rest: Map<String, Json>,
}

const fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Go writes an empty list as null.
fn or_none<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Which names the provider looks after.
#[derive(Debug, Default, Deserialize)]
struct Filter {
    #[serde(default, alias = "filters", deserialize_with = "or_none")]
    include: Vec<String>,
    #[serde(default, deserialize_with = "or_none")]
    exclude: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Changes {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    create: Vec<Endpoint>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    update_old: Vec<Endpoint>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    update_new: Vec<Endpoint>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    delete: Vec<Endpoint>,
}

impl Endpoint {
    fn is_at(&self, owner: &DomainName) -> bool {
        owner.is_named_by(&self.dns_name)
    }

    fn is_of(&self, data: &RecordData) -> bool {
        self.record_type == data.kind()
    }

    /// Whether it has that to the letter: the CA tells capitals of an alias apart.
    fn holds(&self, data: &RecordData) -> bool {
        let is_exactly = |target: &String| match data {
            RecordData::Txt(_) => is(target, data),
            RecordData::Cname(name) => target.parse::<AliasTarget>().is_ok_and(|standing| standing == *name),
        };
        self.is_of(data) && self.targets.iter().any(is_exactly)
    }

    /// Whether it has something that DNS holds equal.
    fn has(&self, data: &RecordData) -> bool {
        self.is_of(data) && self.targets.iter().any(|target| is(target, data))
    }

    fn ttl(&self) -> Option<u32> {
        u32::try_from(self.record_ttl).ok().filter(|ttl| *ttl > 0)
    }
}

fn is(target: &str, data: &RecordData) -> bool {
    match data {
        RecordData::Txt(value) => text::plain(target) == value.as_str(),
        RecordData::Cname(name) => {
            target.parse::<AliasTarget>().is_ok_and(|standing| standing.name() == name.name())
        }
    }
}

/// A value in the way of those beside it. With quotes if there are none, as external-dns writes its own.
fn written(data: &RecordData, beside: &[String]) -> String {
    match data {
        RecordData::Txt(value) if beside.iter().any(|target| !target.starts_with('"')) => {
            value.as_str().to_owned()
        }
        RecordData::Txt(value) => text::quoted(value.as_str()),
        RecordData::Cname(target) => target.to_string(),
    }
}

pub(super) async fn probe(api: &Api, zone: &Zone) -> Result<Probe, Error> {
    let filter: Filter = ask(api, "").await?;
    let name = zone.name.as_str();
    let below = |filter: &String| {
        let domain = filter.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
        name == domain || name.ends_with(&format!(".{domain}")) || domain.ends_with(&format!(".{name}"))
    };
    let outside = !filter.include.is_empty() && !filter.include.iter().any(below);
    if outside || filter.exclude.iter().any(|filter| filter.trim_matches('.').eq_ignore_ascii_case(name)) {
        return Err(Error::new(
            Class::Setup,
            "no-such-zone",
            format!("the webhook does not look after {name}"),
        )
        .of(Extent::Zone)
        .hint("check zones against the webhook's domain filter"));
    }
    let records = records(api).await?.len();
    Ok(Probe::new(format!("the webhook looks after {name} and lists {records} record sets in all")))
}

pub(super) async fn read(api: &Api, owner: &DomainName) -> Result<RecordSet, Error> {
    let records = records(api).await?;
    let here =
        |kind: &'static str| records.iter().filter(move |one| one.is_at(owner) && one.record_type == kind);
    let alias = here("CNAME").next();
    Ok(RecordSet {
        txt: here("TXT").flat_map(|one| &one.targets).map(|target| text::plain(target)).collect(),
        cname: alias.and_then(|one| one.targets.first()?.trim_end_matches('.').parse().ok()),
        ttl: here("TXT").chain(alias).find_map(Endpoint::ttl),
    })
}

/// Reads, writes and reads again.
pub(super) async fn write(api: &Api, changes: &[Change]) -> Result<(), Error> {
    let mut planned = plan(&records(api).await?, changes)?;
    if planned.create.is_empty() && planned.update_new.is_empty() && planned.delete.is_empty() {
        return Ok(());
    }
    planned.create = adjusted(api, planned.create).await?;
    planned.update_new = adjusted(api, planned.update_new).await?;
    let names: BTreeSet<&str> = changes.iter().map(|change| change.site().owner().as_str()).collect();
    let what = crate::provider::listed(names.into_iter().map(str::to_owned));
    let request =
        api.request(Method::POST, "records")?.header(CONTENT_TYPE, MEDIA_TYPE).body(json(&planned)?);
    let answer = api.send(request, &what).await?;
    // "204: Changes were accepted." A server that answers everything says 200.
    if answer.status() != StatusCode::NO_CONTENT {
        return Err(strange(answer.status(), "changes"));
    }
    confirm(&records(api).await?, changes)
}

/// What was told has to be listed, or somebody was faster, or nobody did it.
fn confirm(records: &[Endpoint], changes: &[Change]) -> Result<(), Error> {
    for (at, change) in changes.iter().enumerate() {
        let (owner, data) = (change.site().owner(), change.data());
        let later = changes.iter().skip(at + 1);
        if later.clone().any(|other| (other.site().owner(), other.data()) == (owner, data)) {
            continue;
        }
        let mut here = records.iter().filter(|one| one.is_at(owner));
        let met = match change {
            Change::Add { .. } => here.any(|one| one.holds(data)),
            Change::Remove { .. } => !here.any(|one| one.has(data)),
        };
        if !met {
            let text = format!("the webhook accepted a change at {owner}, and its list does not show it");
            return Err(Error::new(Class::Later, OVERTAKEN, text).hint(
                "something else writes the same records, or the webhook does nothing; its log tells more",
            ));
        }
    }
    Ok(())
}

/// What the provider makes of new sets before they are sent: some change the time to live, or add what is specific to them.
async fn adjusted(api: &Api, endpoints: Vec<Endpoint>) -> Result<Vec<Endpoint>, Error> {
    if endpoints.is_empty() {
        return Ok(endpoints);
    }
    let request = api
        .request(Method::POST, "adjustendpoints")?
        .header(CONTENT_TYPE, MEDIA_TYPE)
        .header(ACCEPT, MEDIA_TYPE)
        .body(json(&endpoints)?);
    let answer: Option<Vec<Endpoint>> = understood(api, api.send(request, "new record sets").await?).await?;
    let answer = answer.unwrap_or_default();
    if answer.len() < endpoints.len() {
        let missing = endpoints.iter().find(|one| !answer.iter().any(|other| other.dns_name == one.dns_name));
        let name = missing.map_or("a name", |one| one.dns_name.as_str());
        return Err(Error::new(
            Class::Blocked,
            "refused",
            format!("the webhook leaves out a record set at {name}"),
        )
        .hint("its provider does not support this type, or filters the name"));
    }
    Ok(answer)
}

async fn records(api: &Api) -> Result<Vec<Endpoint>, Error> {
    Ok(ask::<Option<Vec<Endpoint>>>(api, "records").await?.unwrap_or_default())
}

async fn ask<T: serde::de::DeserializeOwned>(api: &Api, path: &str) -> Result<T, Error> {
    let request = api.request(Method::GET, path)?.header(ACCEPT, MEDIA_TYPE);
    let what = if path.is_empty() { "its domain filter" } else { "its records" };
    understood(api, api.send(request, what).await?).await
}

async fn understood<T: serde::de::DeserializeOwned>(api: &Api, answer: Response) -> Result<T, Error> {
    let status = answer.status();
    if status != StatusCode::OK || content_type(&answer).as_deref() != Some(MEDIA_TYPE) {
        return Err(strange(status, "a question"));
    }
    let body = api.body(answer, "the webhook", MAX_RECORDS).await?;
    serde_json::from_slice(&body).map_err(|error| strange(status, "a question").caused_by(error))
}

fn strange(status: StatusCode, what: &str) -> Error {
    let text = format!("the server answers {what} with {status}, not as a webhook of external-dns does");
    Error::new(Class::Setup, "wrong-protocol", text).hint(format!(
        "check url; answers have the content type {MEDIA_TYPE}, accepted changes the status 204"
    ))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| {
        Error::new(Class::Bug, "encoding", "a request could not be written").caused_by(error)
    })
}

/// What leads from what is listed to what is wanted.
fn plan(records: &[Endpoint], changes: &[Change]) -> Result<Changes, Error> {
    let owners: BTreeSet<&DomainName> = changes.iter().map(|change| change.site().owner()).collect();
    let mut planned = Changes::default();
    for owner in owners {
        let old: Vec<&Endpoint> = records.iter().filter(|one| one.is_at(owner)).collect();
        let mut new: Vec<Endpoint> = old.iter().copied().cloned().collect();
        for change in changes.iter().filter(|change| change.site().owner() == owner) {
            apply(&mut new, owner, change)?;
        }
        for set in &new {
            match old
                .iter()
                .find(|one| one.record_type == set.record_type && one.set_identifier == set.set_identifier)
            {
                Some(one) if *one == set => {}
                Some(one) => {
                    planned.update_old.push((*one).clone());
                    planned.update_new.push(set.clone());
                }
                None => planned.create.push(set.clone()),
            }
        }
        let stays = |one: &Endpoint| {
            new.iter()
                .any(|set| set.record_type == one.record_type && set.set_identifier == one.set_identifier)
        };
        planned.delete.extend(old.into_iter().filter(|one| !stays(one)).cloned());
    }
    Ok(planned)
}

fn apply(sets: &mut Vec<Endpoint>, owner: &DomainName, change: &Change) -> Result<(), Error> {
    let data = change.data();
    if sets.iter().any(|set| set.is_of(data) && !set.set_identifier.is_empty()) {
        let text =
            format!("a record set with a routing policy stands at {owner}; it is not a plain list of values");
        return Err(Error::new(Class::Blocked, "routed", text).hint("delegate the name to another zone"));
    }
    match change {
        Change::Remove { .. } => {
            for set in sets.iter_mut().filter(|set| set.is_of(data)) {
                set.targets.retain(|target| !is(target, data));
            }
            sets.retain(|set| !set.targets.is_empty());
        }
        Change::Add { ttl, .. } => {
            if sets.iter().any(|set| set.holds(data)) {
                return Ok(());
            }
            // An alias in other capitals makes room.
            if matches!(data, RecordData::Cname(_)) {
                sets.retain(|set| !set.has(data));
            }
            refuse_collision(sets, owner, data)?;
            match sets.iter_mut().find(|set| set.is_of(data)) {
                Some(set) => {
                    let target = written(data, &set.targets);
                    set.targets.push(target);
                }
                None => sets.push(Endpoint {
                    dns_name: owner.to_string(),
                    targets: vec![written(data, &[])],
                    record_type: data.kind().to_owned(),
                    record_ttl: ttl.as_secs().into(),
                    set_identifier: String::new(),
                    rest: Map::new(),
                }),
            }
        }
    }
    Ok(())
}

/// An alias is alone at its name.
fn refuse_collision(sets: &[Endpoint], owner: &DomainName, data: &RecordData) -> Result<(), Error> {
    let alias = matches!(data, RecordData::Cname(_));
    let Some(set) = sets.iter().find(|set| alias || set.record_type == "CNAME") else { return Ok(()) };
    let text =
        format!("a {} record stands at {owner}; a {} cannot stand beside it", set.record_type, data.kind());
    Err(Error::new(Class::Blocked, "collision", text)
        .hint("remove it, or delegate the name to a zone that the agent may write"))
}

#[cfg(test)]
mod tests {
    use dcv_core::{Guarded, Lookup, RandomValue, Ttl};

    use super::*;

    fn add(value: &str) -> Change {
        let lookup = Lookup::dnsauth("www.example.com".parse().unwrap());
        let site = Guarded::direct(&lookup, "example.com".parse().unwrap()).unwrap();
        Change::Add { site, data: RecordData::Txt(RandomValue::new(value).unwrap()), ttl: Ttl::default() }
    }

    /// Labels, what is specific to a provider, and fields that came later come back as they were.
    #[test]
    fn what_is_not_understood_is_sent_back() {
        let theirs = serde_json::json!([{ "dnsName": "_dnsauth.www.example.com", "recordType": "TXT", "recordTTL": 900,
            "targets": ["plain"], "labels": { "owner": "them" }, "providerSpecific": [{ "name": "a", "value": "b" }],
            "later": 1 }]);
        let records: Vec<Endpoint> = serde_json::from_value(theirs.clone()).unwrap();
        let planned = serde_json::to_value(plan(&records, &[add("ours")]).unwrap()).unwrap();
        assert_eq!(planned["updateOld"], theirs);
        let mut new = theirs[0].clone();
        // In the way of the value beside it.
        new["targets"] = serde_json::json!(["plain", "ours"]);
        assert_eq!(planned["updateNew"], serde_json::json!([new]));
        assert_eq!(planned.as_object().unwrap().len(), 2, "{planned}");
    }
}
