//! The requests to the Cloud DNS API v1 and what its errors mean.

use std::collections::BTreeSet;

use dcv_core::DomainName;
use reqwest::{Client, Method, Url};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    GoogleSettings, Names, credentials,
    plan::{Edits, Held, Set},
    refusal::explain,
};
use crate::{
    Class, Error, Extent, Secret,
    api::{http, ids::NO_ZONE, oauth::Tokens, throttle::Throttle},
    provider::listed,
};

/// The project's quota is shared by its users and tools.
const PACE: f64 = 5.0;
/// Of so many names each is asked for; of more the zone is listed.
const FEW: usize = 8;
/// Sets of a page; with more the answer might not end within its bounds.
const PER_PAGE: &str = "500";
/// More pages are a listing that does not end; a zone may have 10,000 sets.
const PAGES: usize = 200;

pub(super) struct Api {
    http: Client,
    /// `…/dns/v1/projects/<project>`, without a slash at its end.
    project: Url,
    tokens: Tokens,
    throttle: Throttle,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("project", &self.project.as_str()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct ZonePage {
    #[serde(default, rename = "managedZones")]
    zones: Vec<Found>,
    #[serde(rename = "nextPageToken")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    name: String,
    #[serde(rename = "dnsName")]
    domain: String,
    /// "public" where it is not said.
    #[serde(default)]
    visibility: String,
}

#[derive(Deserialize)]
struct SetPage {
    rrsets: Vec<Set>,
    #[serde(rename = "nextPageToken")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Changed {
    id: String,
    #[serde(default)]
    status: String,
}

/// Whether it can be the id of a project, a zone or a change: a part of an address.
pub(super) fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    !text.is_empty() && text.bytes().all(fits) && !matches!(text, "." | "..")
}

impl Api {
    pub(super) fn new(settings: GoogleSettings<Secret>) -> Result<Self, Error> {
        let bad = |text: &str| Error::new(Class::Setup, "bad-setting", text);
        let (http, base) = http::client("endpoint", settings.endpoint)?;
        let mut project =
            Url::parse(&base).map_err(|error| bad("endpoint is not an address").caused_by(error))?;
        if !is_id(&settings.project) {
            return Err(bad("project is not a project's id").hint("`gcloud projects list` shows it"));
        }
        project.path_segments_mut().map_err(|()| bad("endpoint is not an address"))?.pop_if_empty().extend([
            "dns",
            "v1",
            "projects",
            &settings.project,
        ]);
        let tokens = credentials::tokens(settings.credentials, settings.metadata_endpoint)?;
        let throttle = Throttle::new(settings.requests_per_second, PACE)?;
        Ok(Self { http, project, tokens, throttle })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.tokens.check()
    }

    /// The managed zone of that domain that the public sees.
    pub(super) async fn find_zone(&self, zone: &DomainName) -> Result<String, Error> {
        let (mut found, mut next): (Vec<Found>, _) = (Vec::new(), None);
        for _ in 0..PAGES {
            let mut url = self.at_path(&["managedZones"])?;
            url.query_pairs_mut().append_pair("dnsName", &format!("{zone}."));
            next_page(&mut url, next.as_deref());
            let page: ZonePage = self.call(Method::GET, url, None, zone.as_str()).await?;
            found.extend(page.zones.into_iter().filter(|one| zone.is_named_by(&one.domain)));
            next = page.next.filter(|token| !token.is_empty());
            if next.is_none() {
                return one_of(zone, &found);
            }
        }
        Err(endless(zone.as_str()))
    }

    /// What stands at one name.
    pub(super) async fn at(&self, id: &str, owner: &DomainName) -> Result<Held, Error> {
        let mut held = Held::default();
        self.list(id, Some(owner), |set| {
            if owner.is_named_by(&set.name) {
                held.note(set);
            }
        })
        .await?;
        Ok(held)
    }

    /// What stands at each name, in few requests.
    pub(super) async fn held(&self, id: &str, owners: &BTreeSet<&DomainName>) -> Result<Names, Error> {
        let mut names = Names::new();
        if owners.len() <= FEW {
            for owner in owners {
                names.insert((*owner).clone(), self.at(id, owner).await?);
            }
            return Ok(names);
        }
        names.extend(owners.iter().map(|owner| ((*owner).clone(), Held::default())));
        self.list(id, None, |set| {
            let named = set.name.trim_end_matches('.').parse::<DomainName>().ok();
            if let Some(held) = named.and_then(|name| names.get_mut(&name)) {
                held.note(set);
            }
        })
        .await?;
        Ok(names)
    }

    async fn list(
        &self,
        id: &str,
        owner: Option<&DomainName>,
        mut note: impl FnMut(Set),
    ) -> Result<(), Error> {
        let what = owner.map_or(id, DomainName::as_str);
        let mut next = None;
        for _ in 0..PAGES {
            let mut url = self.at_path(&["managedZones", id, "rrsets"])?;
            url.query_pairs_mut().append_pair("maxResults", PER_PAGE);
            if let Some(owner) = owner {
                url.query_pairs_mut().append_pair("name", &format!("{owner}."));
            }
            next_page(&mut url, next.as_deref());
            let page: SetPage = self.call(Method::GET, url, None, what).await?;
            page.rrsets.into_iter().for_each(&mut note);
            next = page.next.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(());
            }
        }
        Err(endless(what))
    }

    /// Makes one change. Answers with what [`Api::is_done`] is asked with.
    pub(super) async fn change(&self, id: &str, edits: &Edits) -> Result<String, Error> {
        let sets = edits.additions.iter().chain(&edits.deletions);
        let names = listed(sets.map(|set| set.name.trim_end_matches('.').to_owned()));
        let url = self.at_path(&["managedZones", id, "changes"])?;
        let body = serde_json::to_value(edits).map_err(|error| {
            Error::new(Class::Bug, "encoding", "a change could not be written as JSON").caused_by(error)
        })?;
        let changed: Changed = self.call(Method::POST, url, Some(&body), &names).await?;
        Ok(format!("{id}/{}", changed.id))
    }

    /// Whether all of Google's servers have the change.
    pub(super) async fn is_done(&self, change: &str) -> Result<bool, Error> {
        let parts = change.split_once('/').filter(|(zone, change)| is_id(zone) && is_id(change));
        let Some((zone, change)) = parts else {
            return Err(Error::new(Class::Bug, "no-change-id", "Cloud DNS named no change"));
        };
        // Changes go first; it is asked again.
        if self.throttle.is_busy() {
            return Ok(false);
        }
        let url = self.at_path(&["managedZones", zone, "changes", change])?;
        let changed: Changed = self.call(Method::GET, url, None, change).await?;
        Ok(changed.status == "done")
    }

    fn at_path(&self, path: &[&str]) -> Result<Url, Error> {
        let mut url = self.project.clone();
        url.path_segments_mut()
            .map_err(|()| Error::new(Class::Bug, "encoding", "an address of the API could not be built"))?
            .extend(path);
        Ok(url)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<&serde_json::Value>,
        what: &str,
    ) -> Result<T, Error> {
        let answer = self.throttle.run(self.send(&method, &url, body, what)).await?;
        serde_json::from_slice(&answer).map_err(|error| {
            Error::new(
                Class::Bug,
                "unexpected-answer",
                format!("the answer about {what} is not that of Cloud DNS"),
            )
            .of(Extent::Provider)
            .hint("a proxy or something else may answer in its place; check endpoint")
            .caused_by(error)
        })
    }

    /// Sends it with a token, and explains what is refused.
    async fn send(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&serde_json::Value>,
        what: &str,
    ) -> Result<Vec<u8>, Error> {
        let lost = |error: reqwest::Error| {
            Error::new(Class::Later, "unreachable", "Google's DNS API does not answer")
                .of(Extent::Provider)
                .hint("check that https to it is open, and the proxy settings")
                .caused_by(error)
        };
        let mut request = self.http.request(method.clone(), url.clone());
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = self.tokens.exchange(request, what, lost).await?;
        match answer.status.is_success() {
            true => Ok(answer.body),
            false => Err(explain(answer.status, answer.wait, &answer.body, what)),
        }
    }
}

fn next_page(url: &mut Url, token: Option<&str>) {
    if let Some(token) = token {
        url.query_pairs_mut().append_pair("pageToken", token);
    }
}

fn endless(what: &str) -> Error {
    Error::new(Class::Bug, "endless-paging", format!("the listing of {what} does not end"))
}

/// A private zone is invisible to a CA.
fn one_of(zone: &DomainName, found: &[Found]) -> Result<String, Error> {
    let public: Vec<_> = found.iter().filter(|one| !one.visibility.eq_ignore_ascii_case("private")).collect();
    match public.as_slice() {
        [one] if is_id(&one.name) => Ok(one.name.clone()),
        [_] => {
            Err(Error::new(Class::Bug, "unexpected-answer", "a managed zone has a name that cannot be one"))
        }
        [] if found.is_empty() => {
            Err(Error::new(Class::Setup, NO_ZONE, format!("the project has no managed zone for {zone}"))
                .of(Extent::Zone)
                .hint("check project, and the zone's name with `gcloud dns managed-zones list`"))
        }
        [] => Err(Error::new(
            Class::Setup,
            "private-zone",
            format!("the project has a private zone {zone} only, which DigiCert does not see"),
        )
        .of(Extent::Zone)
        .hint("make a public zone of that name, or name the project that has it")),
        several => {
            let names: Vec<_> = several.iter().map(|one| one.name.as_str()).collect();
            let text = format!("the project has several public zones {zone}: {}", names.join(" and "));
            Err(Error::new(Class::Setup, "ambiguous-zone", text)
                .of(Extent::Zone)
                .hint("set the zone's id to the one whose name servers the parent zone delegates to"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_part_of_an_address() {
        assert!(["example-com", "1234567", "example.com:project"].iter().all(|id| is_id(id)));
        assert!(["", ".", "..", "a/b", "a b", "ä"].iter().all(|id| !is_id(id)));
    }
}
