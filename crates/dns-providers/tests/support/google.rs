//! Google Cloud DNS, its token servers and its metadata server, as far as their documents tell: it keeps state, and refuses
//! what Google refuses.
//!
//! Sources: the v1 reference of `changes`, `managedZones` and `resourceRecordSets`; "Quotas and limits"; "Using OAuth 2.0 for
//! server to server applications"; AIP-4117 (external accounts); error bodies as they are quoted in public issues of
//! external-dns, octodns and terraform-provider-google (409 `alreadyExists`, 412 `conditionNotMet`).
#![expect(clippy::result_large_err, reason = "a refusal is an answer like another here")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use dcv_core::DomainName;
use dns_providers::contract::Neighbour;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

pub(crate) const PROJECT: &str = "my-project";
pub(crate) const ZONE: &str = "dcv-test";
pub(crate) const EMAIL: &str = "dcv@my-project.iam.gserviceaccount.com";
pub(crate) const SUBJECT: &str = "token-of-another-provider";
pub(crate) const AUDIENCE: &str =
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x";
const SCOPE: &str = "https://www.googleapis.com/auth/ndev.clouddns.readwrite";

#[derive(Clone, Debug, PartialEq)]
struct Set {
    ttl: u64,
    values: Vec<String>,
    routed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Zone {
    name: String,
    domain: String,
    private: bool,
    sets: BTreeMap<(String, String), Set>,
    /// How often each change has been asked for.
    changes: Vec<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) zones: Vec<Zone>,
    tokens: u64,
    /// Tokens up to this one have expired.
    pub(crate) expired: u64,
    /// The public key of the service account.
    pub(crate) public_key: Vec<u8>,
    /// Requests to the API: method, and the last part of the path.
    pub(crate) asked: Vec<String>,
    pub(crate) per_page: usize,
    /// The credentials may not list zones.
    pub(crate) blind: bool,
    /// What somebody else writes right before the next change: name, value.
    pub(crate) meanwhile: Option<(String, String)>,
    uri: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Fake(Arc<Mutex<World>>);

fn fail(status: u16, reason: &str, message: &str) -> ResponseTemplate {
    let errors = json!([{ "message": message, "domain": "global", "reason": reason }]);
    ResponseTemplate::new(status)
        .set_body_json(json!({ "error": { "code": status, "message": message, "errors": errors } }))
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

impl Fake {
    pub(crate) async fn serve() -> (MockServer, Self) {
        let (server, fake) = (MockServer::start().await, Self::default());
        {
            let mut world = fake.world();
            (world.uri, world.per_page) = (server.uri(), 100);
            world.add_zone(ZONE, "dcv.test", false);
        }
        Mock::given(any()).respond_with(fake.clone()).mount(&server).await;
        (server, fake)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

impl World {
    pub(crate) fn add_zone(&mut self, name: &str, domain: &str, private: bool) {
        let set = |kind: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            ((format!("{domain}."), kind.to_owned()), Set { ttl: 21_600, values, routed: false })
        };
        let soa = "ns-cloud-a1.googledomains.com. cloud-dns-hostmaster.google.com. 1 21600 3600 259200 300";
        let sets = [
            set("SOA", &[soa]),
            set("NS", &["ns-cloud-a1.googledomains.com.", "ns-cloud-a2.googledomains.com."]),
        ];
        self.zones.push(Zone {
            name: name.to_owned(),
            domain: format!("{domain}."),
            private,
            sets: sets.into(),
            changes: Vec::new(),
        });
    }

    fn grant(&mut self) -> Value {
        self.tokens += 1;
        json!({ "access_token": format!("token-{}", self.tokens), "expires_in": 3599, "token_type": "Bearer" })
    }

    fn is_valid(&self, bearer: &str) -> bool {
        let number = bearer.strip_prefix("Bearer token-").and_then(|number| number.parse::<u64>().ok());
        number.is_some_and(|number| number > self.expired && number <= self.tokens)
    }

    fn token(&mut self, body: &[u8]) -> ResponseTemplate {
        let text = format!("http://x/?{}", String::from_utf8_lossy(body));
        let form: HashMap<String, String> =
            reqwest::Url::parse(&text).unwrap().query_pairs().into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let refuse = |error: &str, description: &str| {
            ResponseTemplate::new(400)
                .set_body_json(json!({ "error": error, "error_description": description }))
        };
        let good = match field("grant_type") {
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => self.is_signed(field("assertion")),
            "urn:ietf:params:oauth:grant-type:token-exchange" => {
                field("audience") == AUDIENCE
                    && field("subject_token") == SUBJECT
                    && field("subject_token_type") == "urn:ietf:params:oauth:token-type:jwt"
                    && field("requested_token_type") == "urn:ietf:params:oauth:token-type:access_token"
                    && !field("scope").is_empty()
            }
            _ => return refuse("unsupported_grant_type", "Invalid grant_type"),
        };
        if !good {
            return refuse("invalid_grant", "Invalid JWT Signature.");
        }
        ok(self.grant())
    }

    /// Whether an assertion is one of the service account, as Google has it: RS256, for this token server and scope.
    fn is_signed(&self, token: &str) -> bool {
        use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
        use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
        let part = |nth: usize| -> Value {
            let bytes = BASE64.decode(token.split('.').nth(nth).unwrap_or_default()).unwrap_or_default();
            serde_json::from_slice(&bytes).unwrap_or_default()
        };
        let (header, claims) = (part(0), part(1));
        let Some((signed, signature)) = token.rsplit_once('.') else { return false };
        let signature = BASE64.decode(signature).unwrap_or_default();
        let span = claims["exp"].as_u64().zip(claims["iat"].as_u64()).map(|(exp, iat)| exp - iat);
        let right = header["alg"] == "RS256"
            && claims["iss"] == EMAIL
            // Google's own client makes it out to Google's, wherever it is sent.
            && (claims["aud"] == format!("{}/token", self.uri) || claims["aud"] == "https://oauth2.googleapis.com/token")
            && claims["scope"].as_str().is_some_and(|scope| scope.split(' ').any(|one| one == SCOPE))
            && span.is_some_and(|span| span <= 3600);
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key);
        right && key.verify(signed.as_bytes(), &signature).is_ok()
    }

    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().to_owned();
        let query: HashMap<String, String> = request.url.query_pairs().into_owned().collect();
        let header =
            |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if path.starts_with("/computeMetadata/") {
            let here = path == "/computeMetadata/v1/instance/service-accounts/default/token";
            let asked = header("metadata-flavor") == "Google";
            return if here && asked {
                ok(self.grant())
            } else {
                ResponseTemplate::new(403).set_body_string("Forbidden")
            };
        }
        if path == "/token" {
            return self.token(&request.body);
        }
        if !self.is_valid(header("authorization")) {
            return fail(401, "authError", "Invalid Credentials");
        }
        if path.ends_with(":generateAccessToken") {
            let Value::String(token) = self.grant()["access_token"].take() else { unreachable!() };
            return ok(json!({ "accessToken": token, "expireTime": "2030-01-01T00:00:00Z" }));
        }
        self.asked.push(format!("{} {}", request.method, path.rsplit('/').next().unwrap()));
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (request.method.as_str(), parts.as_slice()) {
            (_, ["dns", "v1", "projects", project, ..]) if *project != PROJECT => fail(
                404,
                "notFound",
                &format!("The 'parameters.project' resource named '{project}' does not exist."),
            ),
            ("GET", ["dns", "v1", "projects", _, "managedZones"]) if self.blind => {
                fail(403, "forbidden", "Forbidden")
            }
            ("GET", ["dns", "v1", "projects", _, "managedZones"]) => {
                let wanted = query.get("dnsName");
                let all = self
                    .zones
                    .iter()
                    .filter(|zone| wanted.is_none_or(|name| *name == zone.domain))
                    .map(Zone::show);
                self.page("managedZones", all.collect(), &query)
            }
            (method, ["dns", "v1", "projects", _, "managedZones", id, rest @ ..]) => {
                let Some(nth) = self.zones.iter().position(|zone| zone.name == *id) else {
                    return fail(
                        404,
                        "notFound",
                        &format!("The 'parameters.managedZone' resource named '{id}' does not exist."),
                    );
                };
                match (method, rest) {
                    ("GET", []) => ok(self.zones[nth].show()),
                    ("GET", ["rrsets"]) => {
                        let all = self.zones[nth].listed(query.get("name"), query.get("type"));
                        self.page("rrsets", all, &query)
                    }
                    ("POST", ["changes"]) => self.change(nth, &request.body),
                    ("GET", ["changes", change]) => self.zones[nth].asked_for(change),
                    _ => fail(404, "notFound", "Not Found"),
                }
            }
            _ => fail(404, "notFound", "Not Found"),
        }
    }

    fn page(&self, key: &str, all: Vec<Value>, query: &HashMap<String, String>) -> ResponseTemplate {
        let skip: usize = query.get("pageToken").map_or(0, |token| token.parse().unwrap());
        let size =
            query.get("maxResults").map_or(self.per_page, |most| self.per_page.min(most.parse().unwrap()));
        let more = all.len() > skip + size;
        let mut page = json!({ key: all.into_iter().skip(skip).take(size).collect::<Vec<_>>() });
        if more {
            page["nextPageToken"] = (skip + size).to_string().into();
        }
        ok(page)
    }

    fn change(&mut self, nth: usize, body: &[u8]) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let zone = &mut self.zones[nth];
        if let Some((name, value)) = self.meanwhile.take() {
            let fresh = || Set { ttl: 900, values: Vec::new(), routed: false };
            zone.sets.entry((name, "TXT".to_owned())).or_insert_with(fresh).values.push(value);
        }
        match zone.changed(&body) {
            Err(refused) => refused,
            Ok(sets) => {
                zone.sets = sets;
                zone.changes.push(0);
                ok(zone.shown_change(zone.changes.len() - 1, "pending"))
            }
        }
    }
}

impl Zone {
    fn show(&self) -> Value {
        json!({
            "kind": "dns#managedZone", "id": "7100000000000000001", "name": self.name, "dnsName": self.domain, "description": "",
            "creationTime": "2026-01-01T00:00:00.000Z", "visibility": if self.private { "private" } else { "public" },
            "nameServers": ["ns-cloud-a1.googledomains.com.", "ns-cloud-a2.googledomains.com."],
        })
    }

    fn listed(&self, name: Option<&String>, kind: Option<&String>) -> Vec<Value> {
        let here = |key: &(String, String)| {
            name.is_none_or(|name| *name == key.0) && kind.is_none_or(|kind| *kind == key.1)
        };
        let sets = self.sets.iter().filter(|(key, _)| here(key));
        sets.map(|((name, kind), set)| {
            let mut shown = json!({ "kind": "dns#resourceRecordSet", "name": name, "type": kind, "ttl": set.ttl, "rrdatas": set.values });
            if set.routed {
                shown["routingPolicy"] = json!({ "wrr": { "items": [] } });
            }
            shown
        })
        .collect()
    }

    fn shown_change(&self, nth: usize, status: &str) -> Value {
        json!({ "kind": "dns#change", "id": nth.to_string(), "startTime": "2026-01-01T00:00:00.000Z", "status": status, "additions": [], "deletions": [] })
    }

    /// Done when it is asked for the second time.
    fn asked_for(&mut self, change: &str) -> ResponseTemplate {
        let Some(asked) = change.parse::<usize>().ok().and_then(|nth| self.changes.get_mut(nth)) else {
            return fail(
                404,
                "notFound",
                &format!("The 'parameters.changeId' resource named '{change}' does not exist."),
            );
        };
        *asked += 1;
        let status = if *asked > 1 { "done" } else { "pending" };
        ok(self.shown_change(change.parse().unwrap(), status))
    }

    /// The sets after a change, which comes to pass as a whole or not at all.
    fn changed(&self, body: &Value) -> Result<BTreeMap<(String, String), Set>, ResponseTemplate> {
        let list = |key: &str| body[key].as_array().cloned().unwrap_or_default();
        let (deletions, additions) = (list("deletions"), list("additions"));
        let octets: usize = additions
            .iter()
            .chain(&deletions)
            .flat_map(|set| parse(set).1.values)
            .map(|value| value.len())
            .sum();
        if additions.len() > 1000 || deletions.len() > 1000 || octets > 100_000 {
            return Err(fail(413, "quotaExceeded", "The value for 'entity.change' is too large"));
        }
        let mut sets = self.sets.clone();
        for (nth, deletion) in deletions.iter().enumerate() {
            let (key, set) = parse(deletion);
            match sets.get(&key) {
                None => {
                    let text = format!(
                        "The 'entity.change.deletions[{nth}]' resource named '{} ({})' does not exist.",
                        key.0, key.1
                    );
                    return Err(fail(404, "notFound", &text));
                }
                Some(standing) if !standing.is(&set) => {
                    return Err(fail(
                        412,
                        "conditionNotMet",
                        &format!("Precondition not met for 'entity.change.deletions[{nth}]'"),
                    ));
                }
                Some(_) => drop(sets.remove(&key)),
            }
        }
        for (nth, addition) in additions.iter().enumerate() {
            let (key, set) = parse(addition);
            let of = format!("entity.change.additions[{nth}]");
            if let Some(refused) = set.refuse(&key, &self.domain, &of) {
                return Err(refused);
            }
            if sets.insert(key.clone(), set).is_some() {
                return Err(fail(
                    409,
                    "alreadyExists",
                    &format!("The resource '{of}' named '{} ({})' already exists", key.0, key.1),
                ));
            }
        }
        // An alias is alone at its name, once all is done.
        for (nth, addition) in additions.iter().enumerate() {
            let (key, _) = parse(addition);
            let at = sets.keys().filter(|other| other.0 == key.0).count();
            if at > 1 && sets.contains_key(&(key.0.clone(), "CNAME".to_owned())) {
                let text = format!(
                    "The resource record set 'entity.change.additions[{nth}]' is invalid because the DNS name '{}' has a resource record set of type 'CNAME'.",
                    key.0
                );
                return Err(fail(400, "cnameResourceRecordSetConflict", &text));
            }
        }
        if !sets.contains_key(&(self.domain.clone(), "SOA".to_owned())) {
            return Err(fail(
                400,
                "invalidZoneApex",
                "The resource record set of type 'SOA' may not be deleted.",
            ));
        }
        Ok(sets)
    }
}

/// A set as a client writes it; 64-bit numbers may be texts.
fn parse(set: &Value) -> ((String, String), Set) {
    let text = |key: &str| set[key].as_str().unwrap_or_default().to_owned();
    let ttl = set["ttl"].as_u64().or_else(|| set["ttl"].as_str()?.parse().ok()).unwrap_or_default();
    let values = set["rrdatas"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    ((text("name"), text("type")), Set { ttl, values, routed: false })
}

impl Set {
    /// The order of values says nothing.
    fn is(&self, other: &Self) -> bool {
        let sorted = |set: &Self| {
            let mut values = set.values.clone();
            values.sort();
            values
        };
        self.ttl == other.ttl && sorted(self) == sorted(other)
    }

    fn refuse(&self, key: &(String, String), domain: &str, of: &str) -> Option<ResponseTemplate> {
        let invalid = |what: &str| Some(fail(400, "invalid", &format!("Invalid value for '{of}.{what}'")));
        if !key.0.ends_with(domain) || !key.0.ends_with('.') {
            return invalid("name");
        }
        if self.values.is_empty() {
            return invalid("rrdata");
        }
        if self.values.len() > 100 {
            return Some(fail(413, "quotaExceeded", "The quota for 'resourceRecordsPerRrset' is exceeded"));
        }
        let quoted = |value: &String| value.starts_with('"') && value.ends_with('"') && value.len() <= 4096;
        let bad = match key.1.as_str() {
            "TXT" => !self.values.iter().all(quoted),
            "CNAME" => self.values.len() != 1 || !self.values[0].ends_with('.') || key.0 == domain,
            _ => false,
        };
        if bad { invalid("rrdata[0]") } else { None }
    }
}

impl Respond for Fake {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.world().answer(request)
    }
}

#[async_trait]
impl Neighbour for Fake {
    async fn put(&self, owner: &DomainName, kind: &str, ttl: u32, values: &[&str]) {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let set = Set { ttl: ttl.into(), values, routed: false };
        self.world().zones[0].sets.insert((format!("{owner}."), kind.to_owned()), set);
    }

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let world = self.world();
        let here =
            world.zones[0].sets.iter().filter(|(key, _)| key.0 == format!("{owner}.") && key.1 != "SOA");
        let mut lines: Vec<String> = here
            .flat_map(|((_, kind), set)| {
                set.values.iter().map(move |value| format!("{} {kind} {value}", set.ttl))
            })
            .collect();
        lines.sort();
        lines
    }
}
