//! The requests to Azure Resource Manager and what its errors mean.

use std::collections::BTreeSet;

use dcv_core::DomainName;
use reqwest::{
    Client, RequestBuilder, Url,
    header::{HeaderValue, IF_MATCH, IF_NONE_MATCH},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    AzureSettings, Names, credentials,
    plan::{Held, Set, Step, relative, writable},
    refusal::{DENIED, NO_SET, explain},
};
use crate::{
    Class, Error, Extent, Secret, Zone,
    api::{http, ids::NO_ZONE, oauth::Tokens, throttle::Throttle},
};

const VERSION: &str = "2018-05-01";
/// Azure DNS takes 500 reads and 500 writes in five minutes from a subscription, whoever sends them.
const PACE: f64 = 2.0;
/// Of so many names each is asked for; of more the zone's sets of the type are listed.
const FEW: usize = 8;
/// More pages are a listing that does not end: a zone has 10,000 sets, a page a hundred.
const PAGES: usize = 200;
/// Values of a set that Azure takes, unless support has raised it.
const VALUES: usize = 20;

pub(super) struct Api {
    http: Client,
    /// With a slash at its end.
    base: String,
    subscription: String,
    resource_group: Option<String>,
    tokens: Tokens,
    throttle: Throttle,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("base", &self.base)
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Page<T> {
    value: Vec<T>,
    #[serde(default, rename = "nextLink")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    properties: Properties,
}

#[derive(Default, Deserialize)]
struct Properties {
    #[serde(default, rename = "nameServers")]
    name_servers: Vec<String>,
}

/// A zone as Resource Manager knows it.
pub(super) fn zone_id(subscription: &str, group: &str, zone: &DomainName) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/dnsZones/{zone}"
    )
}

fn bad(text: impl Into<String>) -> Error {
    Error::new(Class::Setup, "bad-setting", text)
}

/// Whether it can be a part of a path.
fn is_part(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')');
    !text.is_empty() && text.chars().all(fits) && !matches!(text, "." | "..")
}

impl Api {
    pub(super) fn new(settings: AzureSettings<Secret>) -> Result<Self, Error> {
        if !is_part(&settings.subscription) {
            return Err(bad("subscription is not a subscription's id").hint("`az account show` shows it"));
        }
        if settings.resource_group.as_ref().is_some_and(|group| !is_part(group)) {
            return Err(bad("resource_group is not a resource group's name"));
        }
        let cloud = settings.cloud;
        let (http, base) = http::client(
            "endpoint",
            settings.endpoint.clone().unwrap_or_else(|| cloud.endpoint().to_owned()),
        )?;
        let throttle = Throttle::new(settings.requests_per_second, PACE)?;
        let (subscription, resource_group) = (settings.subscription.clone(), settings.resource_group.clone());
        Ok(Self {
            http,
            base,
            subscription,
            resource_group,
            tokens: credentials::tokens(settings)?,
            throttle,
        })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.tokens.check()
    }

    /// The zone's resource, as far as the settings tell it.
    pub(super) fn id_of(&self, zone: &Zone) -> Result<Option<String>, Error> {
        match (&zone.id, &self.resource_group) {
            (Some(id), _) => check_id(id, &zone.name).map(|()| Some(id.clone())),
            (None, Some(group)) => Ok(Some(zone_id(&self.subscription, group, &zone.name))),
            (None, None) => Ok(None),
        }
    }

    /// The one zone of that name in the subscription. A resource group may have one, so several may.
    pub(super) async fn find_zone(&self, zone: &DomainName) -> Result<String, Error> {
        let path = format!("/subscriptions/{}/providers/Microsoft.Network/dnszones", self.subscription);
        let mut found = Vec::new();
        self.list(&path, zone.as_str(), |one: Found| {
            if zone.is_named_by(&one.name) && check_id(&one.id, zone).is_ok() {
                found.push(one.id);
            }
        })
        .await?;
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(Error::new(Class::Setup, NO_ZONE, format!("the subscription has no public DNS zone {zone}"))
                .of(Extent::Zone)
                .hint("check subscription; without the permission to list zones set resource_group or the zone's id")),
            several => {
                let text = format!("the subscription has several zones {zone}: {}", several.join(" and "));
                Err(Error::new(Class::Setup, "ambiguous-zone", text)
                    .of(Extent::Zone)
                    .hint("set the zone's id to the one whose name servers the parent zone delegates to, or set resource_group"))
            }
        }
    }

    /// The zone's name servers; none where the credentials may not see the zone itself.
    pub(super) async fn name_servers(&self, id: &str) -> Result<Vec<String>, Error> {
        let request = self.http.get(self.at(id, &[])?);
        match self.ask::<Shown>(request, id).await {
            Ok(shown) => Ok(shown.properties.name_servers),
            Err(error) if error.label() == DENIED => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// One record set, if it is there.
    pub(super) async fn set(&self, id: &str, kind: &str, name: &str) -> Result<Option<Set>, Error> {
        let request = self.http.get(self.at(id, &[kind, name])?);
        match self.ask(request, &format!("{name} {kind} in {id}")).await {
            Ok(set) => Ok(Some(set)),
            Err(error) if error.label() == NO_SET => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The TXT sets and the aliases at these names.
    pub(super) async fn held(
        &self,
        id: &str,
        zone: &Zone,
        texts: &BTreeSet<&DomainName>,
        aliases: &BTreeSet<&DomainName>,
    ) -> Result<Names, Error> {
        let mut names: Names =
            texts.union(aliases).map(|owner| ((*owner).clone(), Held::default())).collect();
        for (kind, owners) in [("TXT", texts), ("CNAME", aliases)] {
            let mut note = |owner: &DomainName, set| {
                let held = names.entry(owner.clone()).or_default();
                *(if kind == "TXT" { &mut held.txt } else { &mut held.cname }) = Some(set);
            };
            if owners.len() <= FEW {
                for owner in owners {
                    if let Some(set) = self.set(id, kind, &relative(owner, &zone.name)).await? {
                        note(owner, set);
                    }
                }
                continue;
            }
            let by_name: std::collections::HashMap<String, &DomainName> =
                owners.iter().map(|owner| (relative(owner, &zone.name), *owner)).collect();
            self.list(&format!("{id}/{kind}"), id, |set: Set| {
                if let Some(owner) = by_name.get(&set.name.to_ascii_lowercase()) {
                    note(owner, set);
                }
            })
            .await?;
        }
        Ok(names)
    }

    /// Writes one set, or deletes it, only if it is what was read.
    pub(super) async fn write(&self, id: &str, step: &Step) -> Result<(), Error> {
        let url = self.at(id, &[step.kind, &step.name])?;
        let what = format!("{} {}", step.owner, step.kind);
        let request = match &step.properties {
            Some(properties) => self.http.put(url).json(&json!({ "properties": writable(properties) })),
            None => self.http.delete(url),
        };
        let request = match &step.etag {
            Some(etag) => request.header(IF_MATCH, header(etag)?),
            None => request.header(IF_NONE_MATCH, "*"),
        };
        let written = self.throttle.run(self.send(request, &what)).await;
        written.map(drop).map_err(|error| {
            // Azure calls it a bad request; the number is what tells.
            if error.label() == "refused" && step.values() > VALUES {
                let text =
                    format!("{} would have {} values, and Azure takes {VALUES}", step.owner, step.values());
                return Error::new(Class::Blocked, "quota", text)
                    .hint("remove values that nobody needs, or have Azure's support raise the limit")
                    .caused_by(error);
            }
            error
        })
    }

    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        what: &str,
        mut note: impl FnMut(T),
    ) -> Result<(), Error> {
        let mut url = self.at(path, &[])?;
        for _ in 0..PAGES {
            let page: Page<T> = self.ask(self.http.get(url), what).await?;
            page.value.into_iter().for_each(&mut note);
            let Some(next) = page.next.filter(|next| !next.is_empty()) else { return Ok(()) };
            // The token goes to no other place than the one it is for.
            url = Url::parse(&next).ok().filter(|next| next.as_str().starts_with(&self.base)).ok_or_else(
                || {
                    Error::new(
                        Class::Bug,
                        "unexpected-answer",
                        format!("the listing of {what} goes on at another place"),
                    )
                    .of(Extent::Provider)
                },
            )?;
        }
        Err(Error::new(Class::Bug, "endless-paging", format!("the listing of {what} does not end")))
    }

    fn at(&self, path: &str, more: &[&str]) -> Result<Url, Error> {
        let wrong = || Error::new(Class::Bug, "encoding", "an address of the API could not be built");
        let mut url =
            Url::parse(&self.base).map_err(|error| bad("endpoint is not an address").caused_by(error))?;
        let parts = path.split('/').filter(|part| !part.is_empty()).chain(more.iter().copied());
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(parts);
        url.query_pairs_mut().append_pair("api-version", VERSION);
        Ok(url)
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder, what: &str) -> Result<T, Error> {
        let body = self.throttle.run(self.send(request, what)).await?;
        serde_json::from_slice(&body).map_err(|error| {
            Error::new(
                Class::Bug,
                "unexpected-answer",
                format!("the answer about {what} is not that of Azure DNS"),
            )
            .of(Extent::Provider)
            .hint("a proxy or something else may answer in its place; check endpoint")
            .caused_by(error)
        })
    }

    /// Sends it with a token, and explains what is refused.
    async fn send(&self, request: RequestBuilder, what: &str) -> Result<Vec<u8>, Error> {
        let lost = |error: reqwest::Error| {
            Error::new(Class::Later, "unreachable", "Azure Resource Manager does not answer")
                .of(Extent::Provider)
                .hint("check that https to it is open, and the proxy settings")
                .caused_by(error)
        };
        let answer = self.tokens.exchange(request, what, lost).await?;
        match answer.status.is_success() {
            true => Ok(answer.body),
            false => Err(explain(answer.status, answer.wait, &answer.body, what)),
        }
    }
}

fn header(etag: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(etag).map_err(|_| {
        Error::new(Class::Bug, "unexpected-answer", "an ETag has characters that no header may have")
    })
}

/// Whether an id that the operator gave, or Azure, is that of a public zone of that name: a record written under another
/// zone's id would be created there.
fn check_id(id: &str, zone: &DomainName) -> Result<(), Error> {
    let parts: Vec<&str> = id.trim_start_matches('/').split('/').collect();
    let fixed = |at: usize, word: &str| parts.get(at).is_some_and(|part| part.eq_ignore_ascii_case(word));
    let is_of_network = parts.len() == 8
        && parts.iter().all(|part| is_part(part))
        && fixed(0, "subscriptions")
        && fixed(2, "resourceGroups")
        && fixed(4, "providers")
        && fixed(5, "Microsoft.Network");
    let wrong = |label, text: String| Error::new(Class::Setup, label, text).of(Extent::Zone);
    if is_of_network && fixed(6, "privateDnsZones") {
        return Err(wrong("private-zone", format!("{id} is a private zone, which DigiCert does not see"))
            .hint("name the public zone (…/dnsZones/…)"));
    }
    if !is_of_network || !fixed(6, "dnsZones") {
        return Err(wrong("bad-setting", format!("{id:?} cannot be the id of a DNS zone"))
            .hint("copy the Resource ID from the zone's Properties: /subscriptions/…/providers/Microsoft.Network/dnsZones/…"));
    }
    match parts.last() {
        Some(name) if zone.is_named_by(name) => Ok(()),
        Some(_) | None => {
            Err(wrong("wrong-zone", format!("{id} is not {zone}"))
                .hint("leave the zone's id out, or correct it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_that_of_the_public_zone_and_of_no_other() {
        let zone: DomainName = "example.com".parse().unwrap();
        let id = zone_id("0b1f", "rg-dns", &zone);
        assert!(check_id(&id, &zone).is_ok() && check_id(&id.to_lowercase(), &zone).is_ok());
        for (wrong, label) in [
            (id.replace("dnsZones", "privateDnsZones"), "private-zone"),
            (zone_id("0b1f", "rg-dns", &"example.net".parse().unwrap()), "wrong-zone"),
            (format!("{id}/TXT/@"), "bad-setting"),
            (id.replace("rg-dns", ".."), "bad-setting"),
            (id.replace("rg-dns", "a?b"), "bad-setting"),
            ("example.com".to_owned(), "bad-setting"),
            (String::new(), "bad-setting"),
        ] {
            assert_eq!(check_id(&wrong, &zone).unwrap_err().label(), label, "{wrong}");
        }
    }
}
