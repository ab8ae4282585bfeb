//! Azure DNS behind Resource Manager, as far as its documents tell: it keeps state, and refuses what Azure refuses.
//!
//! Sources: the REST reference of record sets (ETag, `If-Match`, `If-None-Match`), "Azure DNS: zones and records" (apex, CNAME
//! beside others, character-strings), "Azure subscription limits" (20 records a set), and error bodies as they are quoted in
//! public issues of external-dns, azure-cli and azure-docs.
//!
//! One file, since who reads what the fake refuses wants to see all of it.
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

pub(crate) const SUBSCRIPTION: &str = "0b1f6471-1bf0-4dda-aec3-cb9272f09590";
pub(crate) const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
pub(crate) const CLIENT: &str = "f9d4cbe8-0e8b-4f0a-9d0b-2a3c00000001";
pub(crate) const SECRET: &str = "secret-of-the~application";
pub(crate) const FEDERATED: &str = "token-of-another-provider";
pub(crate) const IDENTITY_HEADER: &str = "header-of-the-app";

#[derive(Clone, Debug)]
struct Set {
    etag: u64,
    properties: Value,
}

#[derive(Clone, Debug)]
pub(crate) struct Zone {
    group: String,
    name: String,
    private: bool,
    /// By type and relative name.
    sets: BTreeMap<(String, String), Set>,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) zones: Vec<Zone>,
    etags: u64,
    tokens: u64,
    /// Tokens up to this one have expired.
    pub(crate) expired: u64,
    /// Public keys that the application has registered, by the thumbprint of their certificate.
    pub(crate) certificates: HashMap<String, Vec<u8>>,
    /// Requests by method, tokens left out.
    pub(crate) asked: Vec<String>,
    /// Entries of a page.
    pub(crate) per_page: usize,
    /// The token may change records, not see zones.
    pub(crate) blind: bool,
    /// What is written right before the next PUT or DELETE, by somebody else: type, name, text.
    pub(crate) meanwhile: Option<(String, String)>,
    uri: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Fake(Arc<Mutex<World>>);

fn arm(status: u16, code: &str, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "error": { "code": code, "message": message } }))
}

fn dns(status: u16, code: &str, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "code": code, "message": message }))
}

impl Fake {
    pub(crate) async fn serve() -> (MockServer, Self) {
        let (server, fake) = (MockServer::start().await, Self::default());
        {
            let mut world = fake.world();
            (world.uri, world.per_page) = (server.uri(), 100);
            world.add_zone("rg-dns", "dcv.test", false);
        }
        Mock::given(any()).respond_with(fake.clone()).mount(&server).await;
        (server, fake)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

impl World {
    pub(crate) fn add_zone(&mut self, group: &str, name: &str, private: bool) {
        let sets = BTreeMap::new();
        self.zones.push(Zone { group: group.to_owned(), name: name.to_owned(), private, sets });
    }

    fn etag(&mut self) -> u64 {
        self.etags += 1;
        self.etags
    }

    fn token(&mut self, request: &Request, form: &HashMap<String, String>) -> ResponseTemplate {
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let refuse = |error: &str, description: &str| {
            ResponseTemplate::new(401).set_body_json(
                json!({ "error": error, "error_description": description, "error_codes": [7_000_215] }),
            )
        };
        if request.url.path() != format!("/{TENANT}/oauth2/v2.0/token") {
            return ResponseTemplate::new(400).set_body_json(json!({ "error": "invalid_request", "error_description": "AADSTS90002: Tenant 'x' not found." }));
        }
        if field("grant_type") != "client_credentials"
            || field("scope") != "https://management.azure.com/.default"
        {
            return refuse(
                "invalid_scope",
                "AADSTS70011: The provided value for the input parameter 'scope' is not valid.",
            );
        }
        if field("client_id") != CLIENT {
            return refuse(
                "unauthorized_client",
                "AADSTS700016: Application with identifier 'x' was not found in the directory.",
            );
        }
        let assertion =
            field("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let proven = match (field("client_secret"), field("client_assertion")) {
            (SECRET, "") => true,
            ("", FEDERATED) => assertion,
            ("", token) if token.contains('.') => assertion && self.is_signed(token),
            _ => false,
        };
        if !proven {
            return refuse("invalid_client", "AADSTS7000215: Invalid client secret provided.");
        }
        self.grant()
    }

    fn grant(&mut self) -> ResponseTemplate {
        self.tokens += 1;
        let token = format!("token-{}", self.tokens);
        ResponseTemplate::new(200)
            .set_body_json(json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" }))
    }

    /// As App Service says it: until when, not for how long.
    fn grant_until(&mut self) -> ResponseTemplate {
        self.tokens += 1;
        let token = format!("token-{}", self.tokens);
        let until = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 3600;
        ResponseTemplate::new(200).set_body_json(
            json!({ "access_token": token, "expires_on": until.to_string(), "token_type": "Bearer" }),
        )
    }

    /// Whether an assertion is one of the application's certificate, as Entra has it: PS256, `x5t#S256`, for this login.
    fn is_signed(&self, token: &str) -> bool {
        use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
        use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
        let part = |nth: usize| -> Value {
            let bytes = BASE64.decode(token.split('.').nth(nth).unwrap_or_default()).unwrap_or_default();
            serde_json::from_slice(&bytes).unwrap_or_default()
        };
        let (header, claims) = (part(0), part(1));
        let Some(key) = header["x5t#S256"].as_str().and_then(|print| self.certificates.get(print)) else {
            return false;
        };
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = BASE64.decode(signature).unwrap_or_default();
        let right = header["alg"] == "PS256"
            && claims["iss"] == CLIENT
            && claims["sub"] == CLIENT
            && claims["aud"] == format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token")
            && claims["exp"].as_u64() > claims["nbf"].as_u64()
            && claims["jti"].is_string();
        right
            && UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key)
                .verify(signed.as_bytes(), &signature)
                .is_ok()
    }

    fn is_valid(&self, bearer: &str) -> bool {
        let number = bearer.strip_prefix("Bearer token-").and_then(|number| number.parse::<u64>().ok());
        number.is_some_and(|number| number > self.expired && number <= self.tokens)
    }

    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().to_owned();
        let query: HashMap<String, String> = request.url.query_pairs().into_owned().collect();
        let header = |name: &str| {
            request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        if path == "/metadata/identity/oauth2/token" || path == "/msi/token" {
            let asked = if path == "/msi/token" {
                header("x-identity-header") == IDENTITY_HEADER
            } else {
                header("metadata") == "true"
            };
            let resource =
                query.get("resource").is_some_and(|resource| resource == "https://management.azure.com/");
            if !asked || !resource || !query.contains_key("api-version") {
                return ResponseTemplate::new(400).set_body_json(json!({ "error": "invalid_request", "error_description": "Required metadata header not specified" }));
            }
            if path == "/msi/token" {
                return self.grant_until();
            }
            return self.grant();
        }
        if path.ends_with("/token") {
            let form = url_decoded(&request.body);
            return self.token(request, &form);
        }
        self.asked.push(request.method.to_string());
        let bearer = header("authorization");
        if !self.is_valid(&bearer) {
            return arm(
                401,
                "ExpiredAuthenticationToken",
                "The access token expiry UTC time is earlier than current UTC time.",
            );
        }
        if !query.contains_key("api-version") {
            return arm(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            );
        }
        let parts: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        let lower: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        match (request.method.as_str(), lower.as_slice()) {
            (_, ["subscriptions", subscription, ..]) if *subscription != SUBSCRIPTION => {
                arm(404, "SubscriptionNotFound", "The subscription 'x' could not be found.")
            }
            ("GET", ["subscriptions", _, "providers", "microsoft.network", "dnszones"]) if self.blind => {
                denied("dnszones/read")
            }
            ("GET", ["subscriptions", _, "providers", "microsoft.network", "dnszones"]) => {
                let shown = self.zones.iter().filter(|zone| !zone.private).map(Zone::show).collect();
                self.page(shown, &path, &query)
            }
            (_, ["subscriptions", _, "resourcegroups", group, ..])
                if !self.zones.iter().any(|zone| zone.group == *group) =>
            {
                arm(404, "ResourceGroupNotFound", &format!("Resource group '{group}' could not be found."))
            }
            (
                method,
                [
                    "subscriptions",
                    _,
                    "resourcegroups",
                    group,
                    "providers",
                    "microsoft.network",
                    "dnszones",
                    zone,
                    rest @ ..,
                ],
            ) => {
                let found = self
                    .zones
                    .iter()
                    .position(|known| known.group == *group && known.name == *zone && !known.private);
                match (found, rest) {
                    (None, []) => arm(
                        404,
                        "ResourceNotFound",
                        &format!("The Resource 'Microsoft.Network/dnszones/{zone}' was not found."),
                    ),
                    (None, _) => arm(
                        404,
                        "ParentResourceNotFound",
                        "Failed to perform 'read' on resource(s) of type 'dnszones/TXT', because the parent resource could not be found.",
                    ),
                    (Some(_), []) if self.blind => denied("dnszones/read"),
                    (Some(nth), []) => ResponseTemplate::new(200).set_body_json(self.zones[nth].show()),
                    (Some(nth), [kind]) if method == "GET" => {
                        let all = self.zones[nth].listed(&kind.to_uppercase());
                        self.page(all, &path, &query)
                    }
                    (Some(nth), [kind, name]) => {
                        let key = (kind.to_uppercase(), (*name).to_owned());
                        let conditions = (header("if-match"), header("if-none-match"));
                        self.record_set(nth, method, key, &conditions, &request.body)
                    }
                    _ => arm(404, "InvalidResourceType", "The resource type could not be found."),
                }
            }
            _ => arm(404, "InvalidResourceType", "The resource type could not be found."),
        }
    }

    fn page(&self, all: Vec<Value>, path: &str, query: &HashMap<String, String>) -> ResponseTemplate {
        let skip: usize = query.get("$skipToken").map_or(0, |skip| skip.parse().unwrap());
        let more = all.len() > skip + self.per_page;
        let mut page = json!({ "value": all.into_iter().skip(skip).take(self.per_page).collect::<Vec<_>>() });
        if more {
            page["nextLink"] =
                format!("{}{path}?api-version=2018-05-01&$skipToken={}", self.uri, skip + self.per_page)
                    .into();
        }
        ResponseTemplate::new(200).set_body_json(page)
    }

    fn record_set(
        &mut self,
        zone: usize,
        method: &str,
        key: (String, String),
        (matching, none_matching): &(String, String),
        body: &[u8],
    ) -> ResponseTemplate {
        if method != "GET"
            && let Some((name, text)) = self.meanwhile.take()
        {
            let etag = self.etag();
            let set = self.zones[zone]
                .sets
                .entry(("TXT".to_owned(), name))
                .or_insert_with(|| Set { etag, properties: json!({ "TTL": 900, "TXTRecords": [] }) });
            set.etag = etag;
            set.properties["TXTRecords"].as_array_mut().unwrap().push(json!({ "value": [text] }));
        }
        let etag = self.etag();
        let zone = &mut self.zones[zone];
        if !["A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"].contains(&key.0.as_str()) {
            return arm(400, "BadRequest", "The record type is not known.");
        }
        let standing = zone.sets.get(&key).map(|set| set.etag);
        let wanted = (!matching.is_empty() && matching != "*").then(|| matching.clone());
        let unmet = wanted.is_some_and(|etag| standing.is_none_or(|standing| standing.to_string() != etag));
        match method {
            "GET" => match zone.shown(&key) {
                Some(set) => ResponseTemplate::new(200).set_body_json(set),
                None => dns(
                    404,
                    "NotFound",
                    &format!(
                        "The resource record '{}' does not exist in resource group '{}'.",
                        key.1, zone.group
                    ),
                ),
            },
            _ if unmet => dns(
                412,
                "PreconditionFailed",
                "The condition '\"etag\"' in the If-Match header was not satisfied.",
            ),
            "PUT" if none_matching == "*" && standing.is_some() => dns(
                412,
                "PreconditionFailed",
                &format!("The Record set {} exists already and hence cannot be created again.", key.1),
            ),
            "PUT" => {
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                let mut properties = body["properties"].clone();
                if let Err(refused) = zone.refuse(&key, &properties) {
                    return refused;
                }
                properties["provisioningState"] = "Succeeded".into();
                properties["fqdn"] = format!("{}.{}.", key.1, zone.name).into();
                zone.sets.insert(key.clone(), Set { etag, properties });
                let status = if standing.is_some() { 200 } else { 201 };
                ResponseTemplate::new(status).set_body_json(zone.shown(&key))
            }
            "DELETE" if key.1 == "@" && matches!(key.0.as_str(), "SOA" | "NS") => {
                dns(400, "BadRequest", "The record set cannot be deleted because it is required.")
            }
            "DELETE" => match zone.sets.remove(&key) {
                Some(_) => ResponseTemplate::new(200),
                None => ResponseTemplate::new(204),
            },
            _ => arm(405, "MethodNotAllowed", "The method is not allowed."),
        }
    }
}

fn denied(action: &str) -> ResponseTemplate {
    arm(
        403,
        "AuthorizationFailed",
        &format!(
            "The client 'x' does not have authorization to perform action 'Microsoft.Network/{action}' over scope '/subscriptions/x'."
        ),
    )
}

fn url_decoded(body: &[u8]) -> HashMap<String, String> {
    let text = format!("http://x/?{}", String::from_utf8_lossy(body));
    reqwest::Url::parse(&text).unwrap().query_pairs().into_owned().collect()
}

impl Zone {
    fn id(&self) -> String {
        format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/{}/providers/Microsoft.Network/dnszones/{}",
            self.group, self.name
        )
    }

    fn show(&self) -> Value {
        json!({
            "id": self.id(), "name": self.name, "type": "Microsoft.Network/dnszones", "location": "global", "etag": "zone",
            "properties": { "nameServers": ["ns1-01.azure-dns.com.", "ns2-01.azure-dns.net."], "zoneType": "Public",
                "maxNumberOfRecordSets": 10_000, "numberOfRecordSets": self.sets.len() },
        })
    }

    fn shown(&self, key: &(String, String)) -> Option<Value> {
        let set = self.sets.get(key)?;
        Some(json!({
            "id": format!("{}/{}/{}", self.id(), key.0, key.1), "name": key.1, "type": format!("Microsoft.Network/dnszones/{}", key.0),
            "etag": set.etag.to_string(), "properties": set.properties,
        }))
    }

    fn listed(&self, kind: &str) -> Vec<Value> {
        self.sets.keys().filter(|key| key.0 == kind).filter_map(|key| self.shown(key)).collect()
    }

    /// What Azure does not take.
    fn refuse(&self, key: &(String, String), properties: &Value) -> Result<(), ResponseTemplate> {
        let bad = |message: &str| Err(dns(400, "BadRequest", message));
        if !properties["TTL"].as_u64().is_some_and(|ttl| (1..=2_147_483_647).contains(&ttl)) {
            return bad("The value of TTL is not valid. TTL must be between 1 and 2147483647.");
        }
        let beside = |alias: bool| {
            self.sets
                .keys()
                .any(|(kind, name)| *name == key.1 && *kind != key.0 && (kind == "CNAME") == alias)
        };
        match key.0.as_str() {
            "CNAME" => {
                if key.1 == "@" {
                    return bad("A CNAME record set cannot be created at the zone apex.");
                }
                if beside(false) {
                    return Err(dns(
                        409,
                        "Conflict",
                        "The CNAME record could not be created because another record with the same name already exists in this zone.",
                    ));
                }
                if !properties["CNAMERecord"]["cname"].is_string()
                    && properties["targetResource"]["id"].is_null()
                {
                    return bad("The record set has no CNAME record.");
                }
            }
            kind => {
                if beside(true) {
                    return Err(dns(
                        409,
                        "Conflict",
                        "The record could not be created because a CNAME record with the same name already exists in this zone.",
                    ));
                }
                if kind == "TXT" {
                    return refuse_texts(properties);
                }
            }
        }
        Ok(())
    }
}

fn refuse_texts(properties: &Value) -> Result<(), ResponseTemplate> {
    let bad = |message: &str| Err(dns(400, "BadRequest", message));
    let records = properties["TXTRecords"].as_array().cloned().unwrap_or_default();
    if records.is_empty() {
        return bad("The record set has no records.");
    }
    if records.len() > 20 {
        return bad("The request was invalid.");
    }
    for record in &records {
        let strings: Vec<&str> =
            record["value"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if strings.is_empty() || strings.iter().any(|string| string.len() > 255) {
            return bad("The value of the TXT record is not valid: each string may have 255 characters.");
        }
        if records.iter().filter(|other| other == &record).count() > 1 {
            return bad("The record set has duplicate records.");
        }
    }
    Ok(())
}

impl Respond for Fake {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.world().answer(request)
    }
}

/// Character-strings of a zone file's TXT data, without their quotes and escapes.
fn strings(value: &str) -> Vec<String> {
    let (mut strings, mut current) = (Vec::new(), None::<String>);
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, &mut current) {
            ('"', None) => current = Some(String::new()),
            ('"', Some(_)) => strings.extend(current.take()),
            ('\\', Some(string)) => string.extend(chars.next()),
            (c, Some(string)) => string.push(c),
            (_, None) => {}
        }
    }
    strings
}

fn quoted(record: &Value) -> String {
    let escaped = |string: &Value| {
        format!("\"{}\"", string.as_str().unwrap().replace('\\', "\\\\").replace('"', "\\\""))
    };
    record["value"].as_array().unwrap().iter().map(escaped).collect::<Vec<_>>().join(" ")
}

fn relative(owner: &DomainName, zone: &str) -> String {
    let label = owner.as_str().strip_suffix(zone).unwrap().trim_end_matches('.');
    if label.is_empty() { "@".to_owned() } else { label.to_owned() }
}

#[async_trait]
impl Neighbour for Fake {
    async fn put(&self, owner: &DomainName, kind: &str, ttl: u32, values: &[&str]) {
        let mut world = self.world();
        let etag = world.etag();
        let properties = match kind {
            "TXT" => {
                let records: Vec<_> = values.iter().map(|value| json!({ "value": strings(value) })).collect();
                json!({ "TTL": ttl, "TXTRecords": records, "metadata": { "owner": "neighbour" } })
            }
            "CNAME" => json!({ "TTL": ttl, "CNAMERecord": { "cname": values[0].trim_end_matches('.') } }),
            _ => json!({ "TTL": ttl, "others": values }),
        };
        let zone = &mut world.zones[0];
        let key = (kind.to_owned(), relative(owner, &zone.name));
        zone.sets.insert(key, Set { etag, properties });
    }

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let world = self.world();
        let zone = &world.zones[0];
        let name = relative(owner, &zone.name);
        let mut lines = Vec::new();
        for ((kind, _), set) in zone.sets.iter().filter(|((_, at), _)| *at == name) {
            let properties = &set.properties;
            let values: Vec<String> = match kind.as_str() {
                "TXT" => properties["TXTRecords"].as_array().unwrap().iter().map(quoted).collect(),
                "CNAME" => vec![format!(
                    "{}.",
                    properties["CNAMERecord"]["cname"].as_str().unwrap().trim_end_matches('.')
                )],
                _ => properties["others"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|value| value.as_str().unwrap().to_owned())
                    .collect(),
            };
            lines.extend(values.iter().map(|value| format!("{} {kind} {value}", properties["TTL"])));
            if kind == "TXT" && properties["metadata"]["owner"] == "neighbour" {
                // What others have written into the set besides its values.
                lines.push("metadata".to_owned());
            }
        }
        lines.sort();
        lines
    }
}
