//! The requests to PowerDNS's API v1 and what its errors mean.

use std::time::Duration;

use dcv_core::DomainName;
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode, Url,
    header::{HeaderMap, HeaderValue},
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    named,
    plan::{Abilities, Held, Patch, Set},
};
use crate::{
    Class, Error, Extent, Secret,
    api::{
        http,
        ids::NO_ZONE,
        pause::jittered,
        throttle::{THROTTLED, Throttle},
    },
};

/// A whole zone; one of 400,000 record sets takes 74 MB.
const MAX_ZONE: usize = 256 * 1024 * 1024;
/// How often a change is sent that the server fails at; a locked database is free again in less.
const TRIES: u32 = 6;
/// Label of the error that says: the server failed, which may pass.
const FAILED: &str = "server-error";

pub(super) struct Api {
    http: Client,
    /// `…/api/v1/servers/<id>`, without a slash at its end.
    server: Url,
    key: Secret,
    throttle: Throttle,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("server", &self.server.as_str()).finish_non_exhaustive()
    }
}

/// A zone in a listing.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) id: String,
    name: String,
    #[serde(default)]
    pub(super) kind: String,
}

/// A zone, with record sets of it.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) name: String,
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) serial: u64,
    #[serde(default, rename = "rrsets")]
    sets: Vec<Set>,
}

impl Seen {
    pub(super) fn at(&self, owner: &DomainName) -> Held {
        Held::of(self.sets.iter().filter(|set| set.is_at(owner)))
    }

    /// The zone's name servers, where its apex was asked for.
    pub(super) fn name_servers(&self) -> impl Iterator<Item = &str> {
        let apex = self.name.parse::<DomainName>().ok();
        let is_apex = move |set: &&Set| apex.as_ref().is_some_and(|apex| set.is_at(apex));
        self.sets.iter().filter(is_apex).flat_map(|set| set.served("NS"))
    }

    pub(super) fn is(&self, zone: &DomainName) -> bool {
        zone.is_named_by(&self.name)
    }
}

#[derive(Debug, Deserialize)]
struct Server {
    #[serde(default)]
    version: String,
}

#[derive(Debug, Deserialize)]
struct Complaint {
    error: String,
}

impl Api {
    pub(super) fn new(base: String, server: &str, key: Secret, throttle: Throttle) -> Result<Self, Error> {
        let (http, base) = http::client("base_url", base)?;
        let bad = |text: &str| Error::new(Class::Setup, "bad-setting", text);
        let mut url =
            Url::parse(&base).map_err(|error| bad("base_url is not an address").caused_by(error))?;
        if server.is_empty() || matches!(server, "." | "..") {
            return Err(bad("server_id is empty").hint("it is \"localhost\" with every PowerDNS server"));
        }
        url.path_segments_mut()
            .map_err(|()| bad("base_url is not an address"))?
            .pop_if_empty()
            .extend(["api", "v1", "servers", server]);
        Ok(Self { http, server: url, key, throttle })
    }

    /// The key as a header.
    pub(super) fn key(&self) -> Result<HeaderValue, Error> {
        let setup = |message: String| Error::new(Class::Setup, "bad-key", message).of(Extent::Provider);
        let secret = self.key.secret().map_err(setup)?;
        let mut value = HeaderValue::from_str(secret.expose_secret().trim())
            .map_err(|_| setup("the API key has characters that no header may have".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The zone of that name.
    pub(super) async fn find_zone(&self, zone: &DomainName) -> Result<Found, Error> {
        let mut url = self.at(&["zones"])?;
        url.query_pairs_mut().append_pair("zone", &format!("{zone}."));
        let zones: Vec<Found> = self.ask(url, zone.as_str()).await?;
        // Where the filter is not known every zone is listed.
        let named = |found: &Found| found.name.trim_end_matches('.').eq_ignore_ascii_case(zone.as_str());
        zones.into_iter().find(named).ok_or_else(|| no_zone(zone.as_str()))
    }

    /// The zone, with its record sets or with those at one name only.
    pub(super) async fn zone(&self, id: &str, owner: Option<&DomainName>) -> Result<Seen, Error> {
        let mut url = self.at(&["zones", id])?;
        if let Some(owner) = owner {
            url.query_pairs_mut().append_pair("rrset_name", &format!("{owner}."));
        }
        self.ask(url, owner.map_or(id, DomainName::as_str)).await
    }

    /// What the server can do. Asked each time, since it may have been upgraded meanwhile.
    pub(super) async fn abilities(&self) -> Result<Abilities, Error> {
        let server: Server = self.ask(self.server.clone(), "the server's version").await?;
        Ok(abilities(&server.version))
    }

    /// Makes the changes in one transaction. Answers with the zone's serial before them, where the server tells it.
    pub(super) async fn patch(&self, id: &str, patches: &[Patch]) -> Result<Option<u64>, Error> {
        let url = self.at(&["zones", id])?;
        let body = serde_json::json!({ "rrsets": patches });
        let mut attempt = 1;
        loop {
            let request = self.http.request(Method::PATCH, url.clone()).json(&body);
            match self.send(request, &named(patches)).await {
                // Every change may be repeated.
                Err(error) if error.label() == FAILED && attempt < TRIES => {
                    tokio::time::sleep(jittered(Duration::from_millis(100), attempt)).await;
                    attempt += 1;
                }
                sent => return sent.map(|answer| old_serial(answer.headers())),
            }
        }
    }

    fn at(&self, path: &[&str]) -> Result<Url, Error> {
        let mut url = self.server.clone();
        url.path_segments_mut()
            .map_err(|()| Error::new(Class::Bug, "encoding", "an address of the API could not be built"))?
            .extend(path);
        Ok(url)
    }

    async fn ask<T: DeserializeOwned>(&self, url: Url, what: &str) -> Result<T, Error> {
        let answer = self.send(self.http.get(url), what).await?;
        let status = answer.status();
        let body = http::body(answer, what, MAX_ZONE, |error| self.unreachable(error)).await?;
        serde_json::from_slice(&body).map_err(|error| {
            let text = format!("the answer about {what} ({status}) is not that of a PowerDNS API");
            Error::new(Class::Setup, "not-powerdns", text)
                .of(Extent::Provider)
                .hint("base_url is the server's web server, without /api/v1")
                .caused_by(error)
        })
    }

    async fn send(&self, request: RequestBuilder, what: &str) -> Result<Response, Error> {
        self.throttle.run(self.send_now(request, what)).await
    }

    async fn send_now(&self, request: RequestBuilder, what: &str) -> Result<Response, Error> {
        let answer =
            request.header("X-API-Key", self.key()?).send().await.map_err(|error| self.unreachable(error))?;
        let (status, wait) = (answer.status(), http::retry_after(answer.headers()));
        if status.is_success() {
            return Ok(answer);
        }
        let body = http::body(answer, what, http::MAX_BODY, |error| self.unreachable(error)).await?;
        let said = serde_json::from_slice::<Complaint>(&body).map(|complaint| complaint.error);
        Err(explain(status, said.ok().as_deref(), what).after(wait))
    }

    fn unreachable(&self, error: reqwest::Error) -> Error {
        let host = self.server.host_str().unwrap_or_default();
        Error::new(Class::Later, "unreachable", format!("the PowerDNS API at {host} does not answer"))
            .of(Extent::Provider)
            .hint("check base_url, that the server runs with api=yes, and its webserver-allow-from")
            .caused_by(error)
    }
}

/// `EXTEND` and `PRUNE` came with 4.9.12 and 5.0.2, what is disabled at one name with 5.0.0. A version that cannot be read is
/// taken for an old one, whose ways every server knows.
fn abilities(version: &str) -> Abilities {
    let mut numbers = version.split(['.', '-', '~', '+']).map_while(|part| part.parse::<u32>().ok());
    let (major, minor, patch) = (numbers.next(), numbers.next(), numbers.next());
    let version = (major.unwrap_or(0), minor.unwrap_or(0), patch.unwrap_or(0));
    let of_four = version.0 == 4 && version.1 == 9 && version.2 >= 12;
    Abilities {
        shows_single_names: version >= (5, 0, 0),
        takes_single_values: of_four || version >= (5, 0, 2),
    }
}

fn old_serial(headers: &HeaderMap) -> Option<u64> {
    headers.get("X-PDNS-Old-Serial")?.to_str().ok()?.parse().ok()
}

fn no_zone(what: &str) -> Error {
    Error::new(Class::Setup, NO_ZONE, format!("the PowerDNS server has no zone for {what}"))
        .of(Extent::Zone)
        .hint("check zones and server_id against `pdnsutil list-all-zones`")
}

fn explain(status: StatusCode, said: Option<&str>, what: &str) -> Error {
    let shown: String = said.unwrap_or_default().chars().take(300).collect();
    let text = format!("PowerDNS refuses {what}: {status} {shown}").trim_end().to_owned();
    let says = |part: &str| shown.to_ascii_lowercase().contains(part);
    let class = |class, label: &'static str| Error::new(class, label, text.clone());
    let all = |kind, label: &'static str| class(kind, label).of(Extent::Provider);
    match status {
        StatusCode::UNAUTHORIZED => all(Class::Setup, "bad-key")
            .hint("the key differs from the server's api-key, or this host is not in its webserver-allow-from"),
        StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED => all(Class::Setup, "denied")
            .hint("the API is read-only, or something before the server refuses the request"),
        StatusCode::NOT_FOUND => no_zone(what),
        _ if says("could not find domain") => no_zone(what),
        // Whatever the database says in the way of a change passes, and comes as 422 from some versions.
        _ if says("locked") || says("transaction") || says("deadlock") => all(Class::Later, FAILED)
            .hint("the server's database is busy; the server's log tells more"),
        StatusCode::UNPROCESSABLE_ENTITY if says("conflicts with") => class(Class::Blocked, "collision")
            .hint("a CNAME and another record cannot share a name: remove one, or delegate the name"),
        StatusCode::UNPROCESSABLE_ENTITY => class(Class::Bug, "refused"),
        StatusCode::TOO_MANY_REQUESTS => all(Class::Later, THROTTLED),
        _ if status.is_server_error() => all(Class::Later, FAILED)
            .hint("the server's log tells why; \"database is locked\" passes, a database that is read-only does not"),
        _ if status.is_redirection() => all(Class::Setup, "redirected")
            .hint("redirects are not followed, since they would carry the key elsewhere; give the final address"),
        _ => class(Class::Bug, "refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that is taken for a newer one would refuse every change.
    #[test]
    fn versions_are_told_apart() {
        for (version, names, values) in [
            ("4.7.3", false, false),
            ("4.9.11", false, false),
            ("4.9.12", false, true),
            ("4.10.0", false, false),
            ("5.0.1", true, false),
            ("5.0.2", true, true),
            ("5.1.0-alpha1", true, true),
            ("5.0.2~deb13", true, true),
            ("6.0.0", true, true),
            ("0.0.4711.0.master.g1234", false, false),
            ("", false, false),
        ] {
            let wanted = Abilities { shows_single_names: names, takes_single_values: values };
            assert_eq!(abilities(version), wanted, "{version}");
        }
    }

    /// "database is locked" passes by itself, whichever status it comes with; a conflict needs a person.
    #[test]
    fn refusals_are_told_apart() {
        for (status, said, class) in [
            (500, None, Class::Later),
            (422, Some("Database error: unable to start transaction: database is locked"), Class::Later),
            (422, Some("RRset a. IN TXT: Conflicts with pre-existing RRset"), Class::Blocked),
            (422, Some("Could not find domain 'a.'"), Class::Setup),
            (422, Some("Record a./TXT 'x': Parsing record content"), Class::Bug),
            (401, None, Class::Setup),
            (404, None, Class::Setup),
            (301, None, Class::Setup),
        ] {
            let error = explain(StatusCode::from_u16(status).unwrap(), said, "a.example.com");
            assert_eq!(error.class(), class, "{status} {said:?}: {error}");
            assert!(error.to_string().contains("a.example.com"), "{error}");
        }
    }
}
