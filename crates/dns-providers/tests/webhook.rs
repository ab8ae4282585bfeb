//! The kind `webhook`: both protocols against servers of the test's own that keep records and check each request, and
//! servers that are none.
#![cfg(feature = "webhook")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, Guarded, Lookup, RandomValue, RecordData, Site, Ttl};
use dns_providers::{
    Class, DnsProvider, Error, Fixed, Secret, Zone,
    contract::{Bench, Neighbour},
    kinds::webhook::{Protocol, Webhook, WebhookSettings},
};
use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt as _;
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{any, method, path},
};

const MEDIA_TYPE: &str = "application/external.dns.webhook+json;version=1";

fn webhook(protocol: Protocol, url: &str) -> Webhook {
    let settings = WebhookSettings {
        protocol,
        url: url.to_owned(),
        username: None,
        password: None,
        requests_per_second: Some(1000.0),
    };
    Webhook::new("test", settings).unwrap()
}

fn zone() -> Zone {
    Zone { name: "dcv.test".parse().unwrap(), id: None }
}

fn site(label: &str) -> Site {
    let lookup = Lookup::dnsauth(format!("{label}.dcv.test").parse().unwrap());
    Guarded::direct(&lookup, "dcv.test".parse().unwrap()).unwrap()
}

fn txt(value: &str) -> RecordData {
    RecordData::Txt(RandomValue::new(value).unwrap())
}

fn add(label: &str, value: &str) -> Change {
    Change::Add { site: site(label), data: txt(value), ttl: Ttl::default() }
}

/// A webhook provider of external-dns that keeps endpoints in memory, and refuses what the protocol does not allow.
#[derive(Debug, Default)]
struct Sidecar(Mutex<Vec<Json>>);

impl Sidecar {
    fn answer(&self, request: &Request) -> Result<ResponseTemplate, String> {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let read = |json: Json| ResponseTemplate::new(200).set_body_raw(json.to_string(), MEDIA_TYPE);
        let mut kept = self.0.lock().unwrap();
        let (verb, path) = (request.method.as_str(), request.url.path());
        let wanted = if verb == "GET" { "accept" } else { "content-type" };
        if header(wanted) != Some(MEDIA_TYPE) {
            return Err(format!("{wanted} is {:?}", header(wanted)));
        }
        match (verb, path) {
            ("GET", "/") => Ok(read(json!({ "include": ["dcv.test"], "exclude": ["not.dcv.test"] }))),
            // Go writes an empty list so.
            ("GET", "/records") if kept.is_empty() => Ok(read(Json::Null)),
            ("GET", "/records") => Ok(read(json!(*kept))),
            ("POST", "/adjustendpoints") => Ok(read(serde_json::from_slice(&request.body).unwrap())),
            ("POST", "/records") => {
                change(&mut kept, serde_json::from_slice(&request.body).unwrap())?;
                Ok(ResponseTemplate::new(204))
            }
            _ => Err(format!("there is no {verb} {path}")),
        }
    }
}

fn change(kept: &mut Vec<Json>, changes: BTreeMap<String, Vec<Json>>) -> Result<(), String> {
    if let Some(key) =
        changes.keys().find(|key| !["create", "updateOld", "updateNew", "delete"].contains(&key.as_str()))
    {
        return Err(format!("unknown list {key}"));
    }
    let list = |name: &str| changes.get(name).cloned().unwrap_or_default();
    let same =
        |a: &Json, b: &Json| ["dnsName", "recordType", "setIdentifier"].iter().all(|key| a[*key] == b[*key]);
    let mut after = kept.clone();
    if list("updateOld").len() != list("updateNew").len() {
        return Err("updateOld and updateNew are no pairs".to_owned());
    }
    for gone in list("delete").iter().chain(&list("updateOld")) {
        let at =
            after.iter().position(|one| one == gone).ok_or_else(|| format!("{gone} is not what is held"))?;
        after.remove(at);
    }
    for come in list("updateNew").into_iter().chain(list("create")) {
        if after.iter().any(|one| same(one, &come)) {
            return Err(format!("{come} is there already"));
        }
        if come["targets"].as_array().is_none_or(Vec::is_empty) {
            return Err(format!("{come} has no targets"));
        }
        after.push(come);
    }
    *kept = after;
    Ok(())
}

impl Respond for Sidecar {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.answer(request).unwrap_or_else(|why| ResponseTemplate::new(500).set_body_string(why))
    }
}

async fn sidecar() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(Sidecar::default()).mount(&server).await;
    server
}

/// Another client of the same webhook, by curl.
#[derive(Debug)]
struct Controller(String);

impl Controller {
    async fn curl(&self, path: &str, body: Option<Json>) -> Json {
        let mut curl = tokio::process::Command::new("curl");
        curl.args(["-sS", "--fail-with-body", "-H", &format!("Accept: {MEDIA_TYPE}")]);
        curl.args(["-H", &format!("Content-Type: {MEDIA_TYPE}"), &format!("{}{path}", self.0)]);
        if body.is_some() {
            curl.args(["--data-binary", "@-"]);
        }
        curl.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child =
            curl.spawn().expect("`curl` is needed for this test: install the Debian package curl");
        let text = body.map(|body| body.to_string()).unwrap_or_default();
        child.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{path}: {said}");
        if said.is_empty() { Json::Null } else { serde_json::from_str(&said).unwrap() }
    }
}

#[async_trait]
impl Neighbour for Controller {
    async fn put(&self, owner: &DomainName, kind: &str, ttl: u32, values: &[&str]) {
        let endpoint = json!({ "dnsName": owner.as_str(), "recordType": kind, "recordTTL": ttl, "targets": values,
            "labels": { "owner": "them" } });
        self.curl("/records", Some(json!({ "create": [endpoint] }))).await;
    }

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let records = self.curl("/records", None).await;
        let here = records.as_array().into_iter().flatten().filter(|one| one["dnsName"] == owner.as_str());
        let lines = here.flat_map(|one| {
            let line = |target: &Json| {
                format!(
                    "{} {} {}",
                    one["recordTTL"],
                    one["recordType"].as_str().unwrap(),
                    target.as_str().unwrap()
                )
            };
            one["targets"].as_array().unwrap().iter().map(line).collect::<Vec<_>>()
        });
        let mut lines: Vec<_> = lines.collect();
        lines.sort();
        lines
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_external_dns_keeps_the_contract() {
    let server = sidecar().await;
    let provider = Arc::new(webhook(Protocol::ExternalDns, &server.uri()));
    let bench = Bench { below: None, provider, zone: zone(), neighbour: Arc::new(Controller(server.uri())) };
    bench.run().await;
}

async fn refusal(provider: &Webhook) -> Error {
    provider.apply(&zone(), &[add("www", "v")]).await.expect_err("a server that is none")
}

/// A server that answers 200 to everything publishes nothing: negotiation, the status of a change and the list afterwards
/// find it.
#[tokio::test]
async fn what_is_no_webhook_of_external_dns_is_told() {
    let server = MockServer::start().await;
    let provider = webhook(Protocol::ExternalDns, &server.uri());
    for answer in [
        ResponseTemplate::new(200),
        ResponseTemplate::new(200).set_body_raw("[]", "application/json"),
        ResponseTemplate::new(200).set_body_raw("<html>", MEDIA_TYPE),
        ResponseTemplate::new(204),
        ResponseTemplate::new(404),
    ] {
        server.reset().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let error = refusal(&provider).await;
        assert_eq!((error.class(), error.label()), (Class::Setup, "wrong-protocol"), "{error}");
        assert!(provider.probe(&zone()).await.is_err());
    }
    // It lists well, and says 200 to a change.
    server.reset().await;
    let listed = || ResponseTemplate::new(200).set_body_raw("[]", MEDIA_TYPE);
    let echo = |request: &Request| ResponseTemplate::new(200).set_body_raw(request.body.clone(), MEDIA_TYPE);
    Mock::given(method("GET")).respond_with(listed()).mount(&server).await;
    Mock::given(method("POST")).respond_with(echo).mount(&server).await;
    let error = refusal(&provider).await;
    assert_eq!((error.class(), error.label()), (Class::Setup, "wrong-protocol"), "{error}");
    // It accepts a change and does nothing.
    server.reset().await;
    Mock::given(method("GET")).respond_with(listed()).mount(&server).await;
    Mock::given(path("/adjustendpoints")).respond_with(echo).mount(&server).await;
    Mock::given(path("/records")).respond_with(ResponseTemplate::new(204)).mount(&server).await;
    let error = refusal(&provider).await;
    assert_eq!((error.class(), error.label()), (Class::Later, "changed-meanwhile"), "{error}");
    assert!(error.to_string().contains("_dnsauth.www.dcv.test"), "{error}");
}

/// A zone that the webhook filters out is found before a value waits for it.
#[tokio::test]
async fn a_zone_outside_the_domain_filter_is_told() {
    let server = sidecar().await;
    let provider = webhook(Protocol::ExternalDns, &server.uri());
    assert!(provider.probe(&zone()).await.is_ok());
    for other in ["example.com", "not.dcv.test"] {
        let other = Zone { name: other.parse().unwrap(), id: None };
        let error = provider.probe(&other).await.expect_err("the webhook does not serve it");
        assert_eq!((error.class(), error.label()), (Class::Setup, "no-such-zone"), "{error}");
    }
}

/// A set that belongs to a routing policy is no list of values.
#[tokio::test]
async fn a_routed_set_is_left_alone() {
    let server = sidecar().await;
    let controller = Controller(server.uri());
    let weighted = json!({ "dnsName": "_dnsauth.www.dcv.test", "recordType": "TXT", "recordTTL": 60,
        "targets": ["\"a\""], "setIdentifier": "blue" });
    controller.curl("/records", Some(json!({ "create": [weighted] }))).await;
    let error = refusal(&webhook(Protocol::ExternalDns, &server.uri())).await;
    assert_eq!((error.class(), error.label()), (Class::Blocked, "routed"), "{error}");
}

/// A server of httpreq that keeps values, and checks name and password.
#[derive(Debug, Default)]
struct Httpreq(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Respond for Httpreq {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: BTreeMap<String, String> = serde_json::from_slice(&request.body).unwrap_or_default();
        let keys: Vec<&str> = body.keys().map(String::as_str).collect();
        // user:hush-hush
        if request.headers.get("authorization").is_none_or(|given| given != "Basic dXNlcjpodXNoLWh1c2g=") {
            return ResponseTemplate::new(401);
        }
        let (name, value) = match keys.as_slice() {
            ["fqdn", "value"] => (&body["fqdn"], &body["value"]),
            ["domain", "keyAuth", "token"] => (&body["domain"], &body["keyAuth"]),
            _ => return ResponseTemplate::new(404),
        };
        let mut kept = self.0.lock().unwrap();
        let values = kept.entry(name.trim_end_matches('.').to_owned()).or_default();
        match request.url.path() {
            "/dns/present" if name.ends_with('.') => {
                if !values.contains(value) {
                    values.push(value.clone());
                }
                ResponseTemplate::new(200)
            }
            "/dns/cleanup" => {
                values.retain(|other| other != value);
                ResponseTemplate::new(204)
            }
            _ => ResponseTemplate::new(404),
        }
    }
}

#[derive(Debug)]
struct Keeper(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

#[async_trait]
impl Neighbour for Keeper {
    async fn put(&self, owner: &DomainName, _: &str, _: u32, values: &[&str]) {
        let values = values.iter().map(|value| (*value).to_owned());
        self.0.lock().unwrap().entry(owner.to_string()).or_default().extend(values);
    }

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let kept = self.0.lock().unwrap();
        let values = kept.get(owner.as_str()).into_iter().flatten();
        values.map(|value| format!("60 TXT \"{value}\"")).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_httpreq_keeps_what_it_can() {
    for protocol in [Protocol::Httpreq, Protocol::HttpreqRaw] {
        let server = MockServer::start().await;
        let httpreq = Httpreq::default();
        let neighbour = Arc::new(Keeper(Arc::clone(&httpreq.0)));
        Mock::given(any()).respond_with(httpreq).mount(&server).await;
        let settings = |password: &str| WebhookSettings {
            protocol,
            url: format!("{}/dns", server.uri()),
            username: Some("user".to_owned()),
            password: Some(Arc::new(Fixed(password.into())) as Secret),
            requests_per_second: Some(1000.0),
        };
        let provider = Arc::new(Webhook::new("test", settings("hush-hush")).unwrap());
        let alias = Change::Add {
            site: site("alias"),
            data: RecordData::Cname("x.dcv.digicert.com".parse().unwrap()),
            ttl: Ttl::default(),
        };
        let error = provider.apply(&zone(), &[alias]).await.expect_err("httpreq has no aliases");
        assert_eq!((error.class(), error.label()), (Class::Blocked, "text-only"), "{error}");
        assert_eq!(provider.read(&zone(), &site("x")).await.expect_err("no question").label(), "unreadable");
        Bench { below: None, provider, zone: zone(), neighbour }.run_told().await;
        let wrong = Webhook::new("test", settings("wrong-word")).unwrap();
        let error = refusal(&wrong).await;
        assert_eq!((error.class(), error.label()), (Class::Setup, "denied"), "{error}");
        assert!(!format!("{error:?} {wrong:?}").contains("wrong-word"), "the password leaked: {error:?}");
    }
}

/// What meets an operator between the settings and the server.
#[tokio::test]
async fn each_refusal_of_httpreq_names_its_cause() {
    let server = MockServer::start().await;
    let provider = webhook(Protocol::Httpreq, &server.uri());
    for (answer, class, label) in [
        (
            ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:1/"),
            Class::Setup,
            "redirected",
        ),
        (
            ResponseTemplate::new(200).set_body_raw("<html>hello", "text/html; charset=utf-8"),
            Class::Setup,
            "wrong-protocol",
        ),
        (ResponseTemplate::new(404), Class::Setup, "wrong-protocol"),
        (ResponseTemplate::new(422).set_body_string("no such zone"), Class::Blocked, "refused"),
        (ResponseTemplate::new(429).insert_header("retry-after", "7"), Class::Later, "throttled"),
        (ResponseTemplate::new(503), Class::Later, "server-error"),
        (ResponseTemplate::new(500).set_body_bytes(vec![b'x'; 5 << 20]), Class::Bug, "oversized"),
    ] {
        server.reset().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let error = refusal(&provider).await;
        assert_eq!((error.class(), error.label()), (class, label), "{error}");
        if label == "refused" {
            assert!(error.to_string().contains("no such zone"), "the server's words are lost: {error}");
        }
        if label == "throttled" {
            assert_eq!(error.retry_after().unwrap().as_secs(), 7);
        }
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "a refusal is not repeated at once");
    // It says 200 to anything, which the protocol cannot tell from a success; a probe can.
    server.reset().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let error = provider.probe(&zone()).await.expect_err("it answers just anything");
    assert_eq!((error.class(), error.label()), (Class::Setup, "answers-everything"), "{error}");
    drop(server);
    assert_eq!(refusal(&webhook(Protocol::Httpreq, "http://127.0.0.1:1")).await.class(), Class::Later);
}

/// Values and passwords do not travel in the clear, nor half a login.
#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let base = || WebhookSettings::<Secret> {
        requests_per_second: None,
        protocol: Protocol::Httpreq,
        url: "http://127.0.0.1:1".to_owned(),
        username: None,
        password: None,
    };
    for settings in [
        WebhookSettings { url: "http://dns.example/".to_owned(), ..base() },
        WebhookSettings { url: "https://user:word@dns.example/".to_owned(), ..base() },
        WebhookSettings { url: String::new(), ..base() },
        WebhookSettings { username: Some("user".to_owned()), ..base() },
    ] {
        assert_eq!(Webhook::new("test", settings).expect_err("it cannot be meant").class(), Class::Setup);
    }
}
