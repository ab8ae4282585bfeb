//! The requests to Cloudflare's API v4 and what its errors mean.
//!
//! Endpoints are described with the vendor's crate and sent with our own client: the crate's reads error codes into 16
//! bits, which DNS codes exceed, shows no response headers, and fails a whole listing over one unknown record type.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cloudflare::framework::{
    Environment,
    auth::Credentials,
    endpoint::{Method, RequestBody, serialize_query, spec::EndpointSpec},
    response::ApiResult,
};
use dcv_core::{AliasTarget, DomainName, RecordData};
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::{
    Class, Error, Extent, Secret,
    api::{
        http,
        ids::NO_ZONE,
        replan::OVERTAKEN,
        text,
        throttle::{THROTTLED, Throttle},
    },
    provider::listed,
};

const PER_PAGE: u32 = 100;
/// Of a whole zone: such a page is some 600 kB.
const PER_BIG_PAGE: u32 = 1000;
/// More pages than this are a listing that does not end.
const PAGES: u32 = 50;

pub(super) struct Api {
    http: Client,
    environment: Environment,
    base: String,
    token: Secret,
    throttle: Throttle,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("base", &self.base).finish_non_exhaustive()
    }
}

/// A DNS record, as far as it is of interest.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    content: String,
    #[serde(default)]
    pub(super) ttl: u32,
    #[serde(default)]
    proxied: Option<bool>,
    #[serde(default)]
    settings: Option<RecordSettings>,
}

#[derive(Clone, Debug, Deserialize)]
struct RecordSettings {
    #[serde(default)]
    flatten_cname: Option<bool>,
}

impl Record {
    pub(super) fn is_txt(&self) -> bool {
        self.kind == "TXT"
    }

    pub(super) fn is_cname(&self) -> bool {
        self.kind == "CNAME"
    }

    /// Whether DNS shows an alias: Cloudflare answers with addresses in place of one that is proxied, set to be
    /// flattened, or at the zone's apex.
    pub(super) fn is_alias(&self, zone: &DomainName) -> bool {
        let flattened = self.settings.as_ref().and_then(|settings| settings.flatten_cname);
        let apex = zone.is_named_by(&self.name);
        self.is_cname() && !apex && self.proxied != Some(true) && flattened != Some(true)
    }

    /// The text, which is answered as it was sent: with or without quotes, in one or several strings.
    pub(super) fn text(&self) -> String {
        text::plain(&self.content)
    }

    /// The alias's target, where it is one and a name.
    pub(super) fn target(&self) -> Option<AliasTarget> {
        self.content.parse().ok().filter(|_| self.is_cname())
    }

    /// The target, or what stands in its place, for a sentence.
    pub(super) fn target_text(&self) -> &str {
        self.content.trim_end_matches('.')
    }

    /// Whether it is what DNS takes for this data: an alias may differ in capitals.
    pub(super) fn is_same_in_dns(&self, data: &RecordData) -> bool {
        self.holds(data) || self.target().is_some_and(|target| RecordData::Cname(target).is_same_in_dns(data))
    }

    pub(super) fn holds(&self, data: &RecordData) -> bool {
        match data {
            RecordData::Txt(value) => self.is_txt() && self.text() == value.as_str(),
            RecordData::Cname(target) => self.target().as_ref() == Some(target),
        }
    }
}

/// A record to be made.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) name: DomainName,
    pub(super) data: RecordData,
    pub(super) ttl: u32,
}

/// One transaction: ids to delete, then records to create.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) deletes: Vec<String>,
    pub(super) posts: Vec<Post>,
}

#[derive(Debug, Deserialize)]
struct ZoneInfo {
    id: String,
    name: String,
    #[serde(default)]
    status: String,
    /// Those that the registrar has to name.
    #[serde(default)]
    name_servers: Vec<String>,
}

/// The crate's marker trait is foreign to `Vec`.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct List<T>(Vec<T>);

impl<T: serde::de::DeserializeOwned + std::fmt::Debug> ApiResult for List<T> {}
impl ApiResult for ZoneInfo {}

/// An answer of no interest beyond its success.
#[derive(Debug, Deserialize)]
struct Done {}

impl ApiResult for Done {}

#[derive(Debug, Deserialize)]
struct Envelope<T> {
    success: bool,
    #[serde(default = "Option::default")]
    result: Option<T>,
    #[serde(default)]
    errors: Vec<Complaint>,
}

#[derive(Debug, Deserialize)]
struct Complaint {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    error_chain: Vec<Self>,
}

#[derive(Debug, Serialize)]
struct Page {
    #[serde(rename = "name.exact", skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(rename = "name", skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    page: u32,
    per_page: u32,
}

struct FindRecords<'a>(&'a str, Page);

impl EndpointSpec for FindRecords<'_> {
    type JsonResponse = List<Record>;
    type ResponseType = ();

    fn method(&self) -> Method {
        Method::GET
    }

    fn path(&self) -> String {
        format!("zones/{}/dns_records", self.0)
    }

    fn query(&self) -> Option<String> {
        serialize_query(&self.1)
    }
}

struct FindZones(Page);

impl EndpointSpec for FindZones {
    type JsonResponse = List<ZoneInfo>;
    type ResponseType = ();

    fn method(&self) -> Method {
        Method::GET
    }

    fn path(&self) -> String {
        "zones".to_owned()
    }

    fn query(&self) -> Option<String> {
        serialize_query(&self.0)
    }
}

struct ShowZone<'a>(&'a str);

impl EndpointSpec for ShowZone<'_> {
    type JsonResponse = ZoneInfo;
    type ResponseType = ();

    fn method(&self) -> Method {
        Method::GET
    }

    fn path(&self) -> String {
        format!("zones/{}", self.0)
    }
}

struct SendBatch<'a>(&'a str, &'a Batch);

impl EndpointSpec for SendBatch<'_> {
    type JsonResponse = Done;
    type ResponseType = ();

    fn method(&self) -> Method {
        Method::POST
    }

    fn path(&self) -> String {
        format!("zones/{}/dns_records/batch", self.0)
    }

    fn body(&self) -> Option<RequestBody<'_>> {
        let deletes: Vec<_> = self.1.deletes.iter().map(|id| serde_json::json!({ "id": id })).collect();
        let posts: Vec<_> = self.1.posts.iter().map(post_body).collect();
        Some(RequestBody::Json(serde_json::json!({ "deletes": deletes, "posts": posts }).to_string()))
    }
}

/// How a name may be spelled in Cloudflare's lists, which compare texts: an internationalised zone is known by its U-labels.
fn spellings(name: &DomainName) -> Vec<String> {
    let mut spellings = vec![name.to_string(), name.to_unicode()];
    spellings.dedup();
    spellings
}

fn post_body(post: &Post) -> serde_json::Value {
    // Unquoted TXT content is accepted but draws a warning in the dashboard.
    let content = match &post.data {
        RecordData::Txt(value) => text::quoted(value.as_str()),
        RecordData::Cname(target) => target.to_string(),
    };
    let mut body = serde_json::json!({
        "type": post.data.kind(), "name": post.name.as_str(), "content": content, "ttl": post.ttl,
    });
    if matches!(post.data, RecordData::Cname(_)) {
        // A proxied one would be answered with addresses instead of the alias.
        body["proxied"] = false.into();
    }
    body
}

impl Api {
    pub(super) fn new(base: String, token: Secret, throttle: Throttle) -> Result<Self, Error> {
        let (http, base) = http::client("base_url", base)?;
        Ok(Self { http, environment: Environment::Custom(base.clone()), base, token, throttle })
    }

    /// The id of the one zone of that name that the token reaches.
    pub(super) async fn find_zone(&self, zone: &DomainName) -> Result<String, Error> {
        let mut found: Vec<ZoneInfo> = Vec::new();
        for spelling in spellings(zone) {
            for page in 1..=PAGES {
                let page = Page { record: None, zone: Some(spelling.clone()), page, per_page: 50 };
                let List(zones) = self.call(&FindZones(page), zone.as_str()).await?;
                let last = zones.len() < 50;
                for one in zones.into_iter().filter(|one| zone.is_named_by(&one.name)) {
                    if found.iter().all(|known| known.id != one.id) {
                        found.push(one);
                    }
                }
                if last {
                    break;
                }
            }
        }
        let active: Vec<_> = found.iter().filter(|one| one.status == "active").collect();
        match (active.as_slice(), found.as_slice()) {
            ([one], _) => Ok(one.id.clone()),
            ([], []) => Err(Error::new(Class::Setup, NO_ZONE, format!("the token reaches no zone {zone}"))
                .hint("add the zone to the token's zone resources, with the permission Zone:Zone:Read, or set the zone's id")),
            ([], [one, ..]) => Err(Error::new(Class::Setup, "zone-inactive", format!("the zone {zone} is {}", one.status))
                .hint("Cloudflare serves it once its registrar delegates to Cloudflare's name servers")),
            (several, _) => {
                let ids: Vec<_> = several.iter().map(|one| one.id.as_str()).collect();
                Err(Error::new(Class::Setup, "ambiguous-zone", format!("the token reaches several zones {zone}: {}", ids.join(" and ")))
                    .hint("set the zone's id"))
            }
        }
    }

    /// Whether an id that the operator gave belongs to the name. A token without Zone:Read cannot tell, and passes.
    pub(super) async fn check_zone(&self, id: &str, zone: &DomainName) -> Result<(), Error> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::new(Class::Setup, "bad-setting", format!("{id:?} cannot be a zone's id"))
                .hint("copy the Zone ID from the zone's overview page"));
        }
        match self.call(&ShowZone(id), zone.as_str()).await {
            Ok(shown) if zone.is_named_by(&shown.name) => Ok(()),
            Ok(shown) => Err(Error::new(
                Class::Setup,
                "wrong-zone",
                format!("the zone {id} is {}, not {zone}", shown.name),
            )
            .hint("copy the Zone ID from the zone's overview page")),
            Err(error) if error.label() == DENIED => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The zone's name servers; none where the token may not read zones.
    pub(super) async fn name_servers(&self, id: &str, zone: &DomainName) -> Result<Vec<String>, Error> {
        match self.call(&ShowZone(id), zone.as_str()).await {
            Ok(shown) => Ok(shown.name_servers),
            Err(error) if error.label() == DENIED => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Every record at the name.
    pub(super) async fn records(&self, zone: &str, owner: &DomainName) -> Result<Vec<Record>, Error> {
        let mut records: Vec<Record> = Vec::new();
        for spelling in spellings(owner) {
            for record in self.records_spelled(zone, owner, spelling).await? {
                if records.iter().all(|known| known.id != record.id) {
                    records.push(record);
                }
            }
        }
        Ok(records)
    }

    /// Every record at each of these names, by a listing of the zone.
    pub(super) async fn all_records(
        &self,
        zone: &str,
        owners: &BTreeSet<&DomainName>,
    ) -> Result<BTreeMap<DomainName, Vec<Record>>, Error> {
        let mut at: BTreeMap<DomainName, Vec<Record>> = BTreeMap::new();
        for page in 1..=PAGES {
            let page = Page { record: None, zone: None, page, per_page: PER_BIG_PAGE };
            let List(part) = self.call(&FindRecords(zone, page), zone).await?;
            let last = part.is_empty() || u32::try_from(part.len()).is_ok_and(|len| len < PER_BIG_PAGE);
            for record in part {
                // Internationalised names may come as Unicode.
                if let Ok(name) = record.name.parse::<DomainName>()
                    && owners.contains(&name)
                {
                    at.entry(name).or_default().push(record);
                }
            }
            if last {
                return Ok(at);
            }
        }
        Err(Error::new(Class::Bug, "endless-paging", format!("the listing of zone {zone} does not end")))
    }

    async fn records_spelled(
        &self,
        zone: &str,
        owner: &DomainName,
        spelling: String,
    ) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        for page in 1..=PAGES {
            let page = Page { record: Some(spelling.clone()), zone: None, page, per_page: PER_PAGE };
            let List(part) = self.call(&FindRecords(zone, page), owner.as_str()).await?;
            let last = part.is_empty() || u32::try_from(part.len()).is_ok_and(|len| len < PER_PAGE);
            records.extend(part.into_iter().filter(|record| owner.is_named_by(&record.name)));
            if last {
                return Ok(records);
            }
        }
        Err(Error::new(Class::Bug, "endless-paging", format!("the listing of {owner} does not end")))
    }

    /// Sends one transaction.
    pub(super) async fn send(&self, zone: &str, batch: &Batch) -> Result<(), Error> {
        let names = listed(batch.posts.iter().map(|post| post.name.to_string()));
        let what = if names.is_empty() { format!("deletions in zone {zone}") } else { names };
        self.call(&SendBatch(zone, batch), &what).await.map(|Done {}| ())
    }

    async fn call<E: EndpointSpec>(&self, endpoint: &E, what: &str) -> Result<E::JsonResponse, Error> {
        self.throttle.run(self.ask(endpoint, what)).await
    }

    async fn ask<E: EndpointSpec>(&self, endpoint: &E, what: &str) -> Result<E::JsonResponse, Error> {
        let mut request =
            self.http.request(endpoint.method(), endpoint.url(&self.environment)).headers(self.headers()?);
        if let Some(RequestBody::Json(body)) = endpoint.body() {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let lost = |error: reqwest::Error| {
            Error::new(Class::Later, "unreachable", "Cloudflare's API does not answer")
                .of(Extent::Provider)
                .hint("check that https to it is open, and the proxy settings")
                .caused_by(error)
        };
        let response = request.send().await.map_err(lost)?;
        let (status, wait) = (response.status(), http::retry_after(response.headers()));
        let body = http::body(response, what, http::MAX_BODY, lost).await?;
        if status.is_success() {
            let strange = || {
                Error::new(
                    Class::Bug,
                    "unexpected-answer",
                    format!("the answer about {what} ({status}) is not Cloudflare's"),
                )
            };
            let envelope: Envelope<E::JsonResponse> =
                serde_json::from_slice(&body).map_err(|error| strange().caused_by(error))?;
            return match envelope {
                Envelope { success: true, result: Some(result), .. } => Ok(result),
                Envelope { success: true, result: None, .. } => Err(strange()),
                Envelope { errors, .. } => Err(explain(status, &errors, wait, what)),
            };
        }
        let envelope = serde_json::from_slice::<Envelope<serde_json::Value>>(&body);
        let errors = envelope.map(|envelope| envelope.errors).unwrap_or_default();
        if errors.is_empty() && is_of_a_gateway(status, &body) {
            return Err(gateway(status, what).after(wait));
        }
        Err(explain(status, &errors, wait, what))
    }

    fn headers(&self) -> Result<HeaderMap, Error> {
        let setup = |message: String| Error::new(Class::Setup, "token", message).of(Extent::Provider);
        let secret = self.token.secret().map_err(setup)?;
        let credentials = Credentials::UserAuthToken { token: secret.expose_secret().trim().to_owned() };
        let mut headers = HeaderMap::new();
        for (name, value) in credentials.headers() {
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| setup("the API token has characters that no token has".to_owned()))?;
            value.set_sensitive(true);
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| {
                Error::new(Class::Bug, "encoding", "the vendor's crate names no header").caused_by(error)
            })?;
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

/// Label of the error that says: the token may not do this.
const DENIED: &str = "denied";

/// Whether a refusal that is not the API's is somebody else's. One without a body may be Cloudflare's own.
fn is_of_a_gateway(status: StatusCode, body: &[u8]) -> bool {
    let by_status =
        status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::UNAUTHORIZED && body.is_empty();
    status.is_client_error() && !by_status
}

/// It says nothing of the token, so the token is not what is to be mended.
fn gateway(status: StatusCode, what: &str) -> Error {
    Error::new(
        Class::Later,
        "gateway",
        format!("a filter or proxy answered about {what}, not Cloudflare's API: {status}"),
    )
    .of(Extent::Provider)
    .hint("look at what stands between this host and Cloudflare's API: proxy, firewall; and check base_url")
}

fn explain(status: StatusCode, errors: &[Complaint], wait: Option<Duration>, what: &str) -> Error {
    let all: Vec<&Complaint> =
        errors.iter().flat_map(|error| std::iter::once(error).chain(&error.error_chain)).collect();
    let said: Vec<String> =
        all.iter().map(|error| format!("{} (code {})", error.message, error.code)).collect();
    let said: String = said.join("; ").chars().take(400).collect();
    let text = format!("Cloudflare refuses {what}: {status} {said}").trim_end().to_owned();
    let any = |codes: &[i64]| all.iter().any(|error| codes.contains(&error.code));
    // Before the status, which differs for one code: these come as 400, 403 or 404, inside or outside a batch. A token
    // that is refused is refused whatever else is said, so it comes first.
    if any(&[1000, 6003, 6111, 9106]) {
        return bad_token(text);
    }
    // Said of a token that is invalid, and of one that may not do this alike.
    if any(&[10_000, 9109]) {
        return denied(text);
    }
    if any(&[81057, 81058, 81044]) {
        return Error::new(Class::Later, OVERTAKEN, text)
            .hint("something else writes the same records; see who");
    }
    if any(&[81053, 81054]) {
        return Error::new(Class::Blocked, "collision", text)
            .hint("a CNAME and another record cannot share a name: remove one, or delegate the name");
    }
    if any(&[81045]) {
        return Error::new(Class::Blocked, "quota", text)
            .hint("the zone's plan allows no more records; remove some");
    }
    if any(&[7000, 7003, 1001]) {
        return Error::new(Class::Setup, NO_ZONE, text).of(Extent::Zone).hint("check the zone's id");
    }
    match status {
        StatusCode::UNAUTHORIZED => bad_token(text),
        StatusCode::TOO_MANY_REQUESTS => {
            Error::new(Class::Later, THROTTLED, text).of(Extent::Provider).after(wait)
        }
        StatusCode::FORBIDDEN => denied(text),
        // A record to delete that has gone; a zone that has gone says 7003.
        StatusCode::NOT_FOUND => Error::new(Class::Later, OVERTAKEN, text),
        _ if status.is_server_error() => {
            Error::new(Class::Later, "server-error", text).of(Extent::Provider).after(wait)
        }
        _ => Error::new(Class::Bug, "refused", text),
    }
}

fn bad_token(text: String) -> Error {
    Error::new(Class::Setup, "bad-token", text)
        .of(Extent::Provider)
        .hint("the API token is mistyped, revoked or expired; it is no global API key")
}

fn denied(text: String) -> Error {
    Error::new(Class::Setup, DENIED, text)
        .of(Extent::Zone)
        .hint("the token is invalid, lacks the permission Zone:DNS:Edit, or its zone resources do not include this zone")
}
