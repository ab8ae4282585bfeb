//! The kind `cloudflare` against a fake that keeps state and answers as the vendor documents: atomic batches, deletions
//! before additions, 81058 for a duplicate, 81044 for a record that has gone, 9109 and 10000 for the token.
#![cfg(feature = "cloudflare")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, Guarded, Label, Lookup, RandomValue, RecordData, Site, Ttl};
use dns_providers::{
    Class, DnsProvider, Fixed, RecordSet, Zone,
    contract::{Bench, Neighbour},
    kinds::cloudflare::{Cloudflare, CloudflareSettings},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

const TOKEN: &str = "token-of-the-test";
const ZONE: &str = "023e105f4ecef8ad9ca31a8372d0c353";

#[derive(Debug, Default)]
struct World {
    records: Vec<Value>,
    made: usize,
    batches: Vec<usize>,
    /// Zones besides the usual one: id, name, status.
    zones: Vec<(String, String, String)>,
    /// Ids that somebody else deletes right before the next batch.
    snatched: Vec<String>,
    /// The token may edit DNS but not read zones.
    blind: bool,
}

#[derive(Clone, Debug, Default)]
struct Fake(Arc<Mutex<World>>);

fn fail(status: u16, code: i64, message: &str) -> ResponseTemplate {
    let errors = json!([{ "code": code, "message": message }]);
    ResponseTemplate::new(status)
        .set_body_json(json!({ "success": false, "errors": errors, "messages": [], "result": null }))
}

fn ok(result: Value) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({ "success": true, "errors": [], "messages": [], "result": result }))
}

fn page(query: &HashMap<String, String>, all: Vec<Value>) -> ResponseTemplate {
    let number = |key: &str, default| query.get(key).map_or(default, |text| text.parse::<usize>().unwrap());
    let (page, per_page) = (number("page", 1), number("per_page", 100));
    ok(all.into_iter().skip((page - 1) * per_page).take(per_page).collect())
}

impl Respond for Fake {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut world = self.0.lock().unwrap();
        match request.headers.get("authorization").map(|value| value.to_str().unwrap()) {
            None => return fail(403, 10000, "Authentication error"),
            Some(value) if value != format!("Bearer {TOKEN}") => {
                return fail(403, 9109, "Invalid access token");
            }
            Some(_) => {}
        }
        let query: HashMap<String, String> = request.url.query_pairs().into_owned().collect();
        let path = request.url.path().trim_start_matches("/client/v4/").to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        let mut zones = vec![(ZONE.to_owned(), "dcv.test".to_owned(), "active".to_owned())];
        zones.extend(world.zones.clone());
        let shown = |zone: &(String, String, String)| json!({ "id": zone.0, "name": zone.1, "status": zone.2, "name_servers": ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"] });
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["zones"]) => page(
                &query,
                zones.iter().filter(|zone| query.get("name") == Some(&zone.1)).map(shown).collect(),
            ),
            ("GET", ["zones", _]) if world.blind => {
                fail(403, 9109, "Unauthorized to access requested resource")
            }
            ("GET" | "POST", ["zones", id, ..]) if !zones.iter().any(|zone| zone.0 == *id) => {
                fail(404, 7003, "Could not route to /zones, perhaps your object identifier is invalid?")
            }
            ("GET", ["zones", id]) => ok(shown(zones.iter().find(|zone| zone.0 == *id).unwrap())),
            ("GET", ["zones", _, "dns_records"]) => {
                let name = query.get("name.exact");
                let here = |record: &&Value| name.is_none_or(|name| record["name"] == *name);
                page(&query, world.records.iter().filter(here).cloned().collect())
            }
            ("POST", ["zones", _, "dns_records", "batch"]) => {
                world.batch(&serde_json::from_slice(&request.body).unwrap())
            }
            _ => fail(400, 7000, "No route for that URI"),
        }
    }
}

impl World {
    fn batch(&mut self, body: &Value) -> ResponseTemplate {
        let snatched = std::mem::take(&mut self.snatched);
        self.records.retain(|record| !snatched.iter().any(|id| record["id"] == **id));
        let list = |key: &str| body[key].as_array().cloned().unwrap_or_default();
        let (deletes, posts) = (list("deletes"), list("posts"));
        if deletes.len() + posts.len() > 200 {
            return fail(400, 81062, "too many operations in one batch");
        }
        // Work on a copy: the transaction succeeds or fails whole.
        let (mut records, mut made) = (self.records.clone(), self.made);
        for delete in &deletes {
            let before = records.len();
            records.retain(|record| record["id"] != delete["id"]);
            if records.len() == before {
                return fail(404, 81044, "Record does not exist.");
            }
        }
        for mut post in posts {
            if post["content"].as_str().is_none_or(str::is_empty)
                || post["type"].as_str().is_none()
                || post["name"].as_str().is_none()
            {
                return fail(400, 9000, "DNS record is invalid.");
            }
            if !post["ttl"].as_u64().is_some_and(|ttl| ttl == 1 || (60..=86_400).contains(&ttl)) {
                return fail(
                    400,
                    9021,
                    "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.",
                );
            }
            let same = |record: &&Value| record["name"] == post["name"] && record["type"] == post["type"];
            if records.iter().filter(same).any(|record| bare(&record["content"]) == bare(&post["content"])) {
                return fail(400, 81058, "An identical record already exists.");
            }
            let beside = |kinds: &[&str]| {
                let kind = |record: &Value| kinds.iter().any(|kind| record["type"] == *kind);
                records.iter().any(|record| record["name"] == post["name"] && kind(record))
            };
            if post["type"] == "CNAME" && beside(&["A", "AAAA", "CNAME"]) {
                return fail(400, 81053, "An A, AAAA, or CNAME record with that host already exists.");
            }
            // At the apex an alias is always flattened, and texts may stand beside it.
            if beside(&["CNAME"]) && post["name"] != "dcv.test" {
                return fail(400, 81054, "A CNAME record with that host already exists.");
            }
            made += 1;
            post["id"] = format!("record{made}").into();
            records.push(post);
        }
        self.batches.push(
            body["deletes"].as_array().map_or(0, Vec::len) + body["posts"].as_array().map_or(0, Vec::len),
        );
        (self.records, self.made) = (records, made);
        ok(json!({ "deletes": [], "patches": [], "puts": [], "posts": [] }))
    }

    fn put(&mut self, label: &str, kind: &str, content: &str) -> String {
        self.put_at(site(label).owner(), kind, 1, content)
    }

    fn put_at(&mut self, owner: &DomainName, kind: &str, ttl: u32, content: &str) -> String {
        self.made += 1;
        let id = format!("record{}", self.made);
        self.records.push(
            json!({ "id": id, "name": owner.as_str(), "type": kind, "content": content, "ttl": ttl, "proxied": false }),
        );
        id
    }
}

#[async_trait]
impl Neighbour for Fake {
    async fn put(&self, owner: &DomainName, kind: &str, ttl: u32, values: &[&str]) {
        let mut world = self.0.lock().unwrap();
        for value in values {
            world.put_at(owner, kind, ttl, value);
        }
    }

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let world = self.0.lock().unwrap();
        let here = world.records.iter().filter(|record| record["name"] == owner.as_str());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut lines: Vec<_> = here
            .map(|record| format!("{} {} {}", record["ttl"], text(&record["type"]), text(&record["content"])))
            .collect();
        lines.sort();
        lines
    }
}

fn bare(content: &Value) -> String {
    content.as_str().unwrap().trim_matches('"').to_owned()
}

async fn served() -> (MockServer, Fake) {
    let (server, fake) = (MockServer::start().await, Fake::default());
    Mock::given(any()).respond_with(fake.clone()).mount(&server).await;
    (server, fake)
}

async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

fn provider(server: &MockServer, token: &str) -> Cloudflare {
    let base_url = format!("{}/client/v4", server.uri());
    Cloudflare::new(
        "test",
        CloudflareSettings {
            api_token: Arc::new(Fixed(token.into())) as _,
            base_url,
            requests_per_second: Some(1000.0),
        },
    )
    .unwrap()
}

fn zone(id: Option<&str>) -> Zone {
    Zone { name: "dcv.test".parse().unwrap(), id: id.map(str::to_owned) }
}

fn site(label: &str) -> Site {
    let scope: DomainName = format!("{label}.dcv.test").parse().unwrap();
    Guarded::direct(&Lookup::dnsauth(scope), "dcv.test".parse().unwrap()).unwrap()
}

fn text(value: &str) -> RecordData {
    RecordData::Txt(RandomValue::new(value).unwrap())
}

fn add(label: &str, value: &str) -> Change {
    Change::Add { site: site(label), data: text(value), ttl: Ttl::default() }
}

fn remove(label: &str, value: &str) -> Change {
    Change::Remove { site: site(label), data: text(value) }
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudflare_keeps_the_contract() {
    let (server, fake) = served().await;
    fake.put(&zone(None).name, "NS", 86_400, &["one.ns.cloudflare.com", "two.ns.cloudflare.com"]).await;
    Bench {
        below: None,
        provider: Arc::new(provider(&server, TOKEN)),
        zone: zone(None),
        neighbour: Arc::new(fake),
    }
    .run()
    .await;
}

/// The operator is told that the token is to be mended, and the token is in no message.
#[tokio::test]
async fn a_bad_token_is_a_matter_of_setup() {
    let (server, _fake) = served().await;
    let provider = provider(&server, "wrong-token");
    let error = provider.probe(&zone(None)).await.unwrap_err();
    assert_eq!(error.class(), Class::Setup, "{error}");
    assert!(error.next_action().unwrap().contains("Zone:DNS:Edit"));
    assert!(!format!("{error:?} {provider:?}").contains("wrong-token"), "the token leaked");
}

/// Cloudflare says it in one status and another; a page in between says nothing of the token.
#[tokio::test]
async fn codes_tell_more_than_statuses() {
    for status in [200, 400, 403, 404, 500] {
        for code in [10000, 9109, 9106] {
            let server = answering(fail(status, code, "Authentication error")).await;
            let error = provider(&server, TOKEN).read(&zone(None), &site("www")).await.unwrap_err();
            assert_eq!(error.class(), Class::Setup, "{status} {code}: {error}");
            assert!(error.next_action().unwrap().contains("token"), "{error}");
        }
    }
    for status in [400, 401, 403, 404, 407] {
        for body in ["<html>Access denied</html>", "{}", r#"{"success":false,"errors":[]}"#] {
            let server = answering(ResponseTemplate::new(status).set_body_string(body)).await;
            let error = provider(&server, TOKEN).read(&zone(None), &site("www")).await.unwrap_err();
            assert_eq!((error.class(), error.label()), (Class::Later, "gateway"), "{status} {body}: {error}");
            assert!(error.to_string().contains("a filter or proxy answered"), "{error}");
            assert!(!error.next_action().unwrap().contains("token"), "{error}");
        }
    }
}

/// A wrong id would create `_dnsauth.www.dcv.test.other.test` in somebody else's zone.
#[tokio::test]
async fn the_zone_is_the_one_that_was_meant() {
    let (server, fake) = served().await;
    let label = async |id: Option<&str>| {
        provider(&server, TOKEN).probe(&zone(id)).await.map_err(|error| error.label())
    };
    fake.0.lock().unwrap().zones.push(("0the1".to_owned(), "other.test".to_owned(), "active".to_owned()));
    assert!(label(Some(ZONE)).await.is_ok());
    assert_eq!(label(Some("0the1")).await, Err("wrong-zone"));
    assert_eq!(label(Some("f00")).await, Err("no-such-zone"));
    assert_eq!(label(Some("../x")).await, Err("bad-setting"));

    let named = |name: &str| Zone { name: name.parse().unwrap(), id: None };
    let error = provider(&server, TOKEN).probe(&named("absent.test")).await.unwrap_err();
    assert_eq!((error.class(), error.label()), (Class::Setup, "no-such-zone"), "{error}");

    fake.0.lock().unwrap().zones.push(("1111".to_owned(), "new.test".to_owned(), "pending".to_owned()));
    let error = provider(&server, TOKEN).probe(&named("new.test")).await.unwrap_err();
    assert_eq!((error.class(), error.label()), (Class::Setup, "zone-inactive"), "{error}");

    fake.0.lock().unwrap().zones.push(("2222".to_owned(), "dcv.test".to_owned(), "active".to_owned()));
    let error = provider(&server, TOKEN).probe(&zone(None)).await.unwrap_err();
    assert!(error.to_string().contains(ZONE) && error.to_string().contains("2222"), "{error}");
}

/// With the id in the settings a token for DNS alone is enough.
/// Cloudflare knows an internationalised zone by its Unicode name only, and may tell records by either.
#[tokio::test]
async fn an_internationalised_zone_is_found_by_its_unicode_name() {
    let (server, fake) = served().await;
    let active = |id: &str, name: &str| (id.to_owned(), name.to_owned(), "active".to_owned());
    fake.0.lock().unwrap().zones.push(active("1dn", "bücher.example"));
    let name: DomainName = "xn--bcher-kva.example".parse().unwrap();
    let site = Guarded::direct(&Lookup::dnsauth(name.clone()), name.clone()).unwrap();
    let theirs = json!({ "id": "x", "type": "TXT", "name": "_dnsauth.bücher.example", "content": "\"theirs\"", "ttl": 300 });
    fake.0.lock().unwrap().records.push(theirs);
    for id in [None, Some("1dn".to_owned())] {
        let (provider, zone) = (provider(&server, TOKEN), Zone { name: name.clone(), id });
        provider.probe(&zone).await.unwrap();
        let data = text("ours");
        let add = Change::Add { site: site.clone(), data: data.clone(), ttl: Ttl::default() };
        provider.apply(&zone, &[add]).await.unwrap();
        let mut held = provider.read(&zone, &site).await.unwrap().txt;
        held.sort();
        assert_eq!(held, ["ours", "theirs"]);
        provider.apply(&zone, &[Change::Remove { site: site.clone(), data }]).await.unwrap();
        assert_eq!(provider.read(&zone, &site).await.unwrap().txt, ["theirs"]);
    }
}

#[tokio::test]
async fn a_token_that_cannot_read_zones_works_with_an_id() {
    let (server, fake) = served().await;
    fake.0.lock().unwrap().blind = true;
    provider(&server, TOKEN).apply(&zone(Some(ZONE)), &[add("www", "v")]).await.unwrap();
    let servers =
        async || provider(&server, TOKEN).probe(&zone(Some(ZONE))).await.unwrap().name_servers.len();
    assert_eq!(servers().await, 0, "it may not see them");
    fake.0.lock().unwrap().blind = false;
    assert_eq!(servers().await, 2);
}

/// The agent comes back when Cloudflare says so, and calls trouble on the way by its name.
#[tokio::test]
async fn trouble_on_the_way_is_told_apart() {
    let throttled = answering(fail(429, 971, "Please wait").insert_header("retry-after", "17")).await;
    let error = provider(&throttled, TOKEN).read(&zone(None), &site("www")).await.unwrap_err();
    assert_eq!(
        (error.class(), error.retry_after()),
        (Class::Later, Some(Duration::from_secs(17))),
        "{error}"
    );

    let broken = answering(ResponseTemplate::new(500).set_body_string("<html>oops</html>")).await;
    let error = provider(&broken, TOKEN).read(&zone(None), &site("www")).await.unwrap_err();
    assert_eq!(error.class(), Class::Later, "{error}");

    for garbage in ["<html>hello</html>", "{}", r#"{"success":true,"result":null}"#, ""] {
        let server = answering(ResponseTemplate::new(200).set_body_string(garbage)).await;
        let error = provider(&server, TOKEN).read(&zone(None), &site("www")).await.unwrap_err();
        assert_eq!(error.class(), Class::Bug, "{garbage}: {error}");
    }

    let endless = answering(ResponseTemplate::new(200).set_body_string(" ".repeat(5 << 20))).await;
    let error = provider(&endless, TOKEN).read(&zone(None), &site("www")).await.unwrap_err();
    assert_eq!(error.label(), "oversized", "{error}");

    let elsewhere =
        answering(ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:9/")).await;
    let error = provider(&elsewhere, TOKEN).read(&zone(None), &site("www")).await.unwrap_err();
    assert_eq!(error.label(), "refused", "a redirect was followed with the token: {error}");
}

/// A value on the second page is found, so it is neither added twice nor overlooked when it is to go.
#[tokio::test]
async fn listings_are_read_to_the_end() {
    let (server, fake) = served().await;
    for n in 0..150 {
        fake.0.lock().unwrap().put("www", "TXT", &format!("\"value-{n}\""));
    }
    let provider = provider(&server, TOKEN);
    assert_eq!(provider.read(&zone(None), &site("www")).await.unwrap().txt.len(), 150);
    provider.apply(&zone(None), &[add("www", "value-149"), remove("www", "value-148")]).await.unwrap();
    assert_eq!(provider.read(&zone(None), &site("www")).await.unwrap().txt.len(), 149);
}

/// Values written without quotes by other tools are the same values, and an "automatic" set stays automatic.
#[tokio::test]
async fn bare_values_and_automatic_ttls_are_understood() {
    let (server, fake) = served().await;
    fake.0.lock().unwrap().put("www", "TXT", "bare");
    let provider = provider(&server, TOKEN);
    provider.apply(&zone(None), &[add("www", "bare"), add("www", "ours")]).await.unwrap();
    let held = provider.read(&zone(None), &site("www")).await.unwrap();
    assert_eq!((held.txt.len(), held.ttl), (2, Some(300)));
    assert!(fake.0.lock().unwrap().records.iter().all(|record| record["ttl"] == 1));
}

/// A batch fails whole when one of its deletions has already happened; the rest must still come to pass.
#[tokio::test]
async fn a_deletion_that_was_overtaken_is_no_failure() {
    let (server, fake) = served().await;
    let gone = fake.0.lock().unwrap().put("www", "TXT", "\"old\"");
    fake.0.lock().unwrap().snatched.push(gone);
    let provider = provider(&server, TOKEN);
    provider.apply(&zone(None), &[remove("www", "old"), add("www", "new")]).await.unwrap();
    assert_eq!(provider.read(&zone(None), &site("www")).await.unwrap().txt, ["new"]);
}

#[tokio::test]
async fn large_batches_are_divided_and_idle_ones_not_sent() {
    let (server, fake) = served().await;
    let provider = provider(&server, TOKEN);
    let changes: Vec<_> = (0..250).map(|n| add("www", &format!("value-{n}"))).collect();
    provider.apply(&zone(None), &changes).await.unwrap();
    provider.apply(&zone(None), &changes).await.unwrap();
    assert_eq!(fake.0.lock().unwrap().batches, [200, 50]);
}

/// A thousand values at a thousand names are five batches, and one listing instead of a thousand.
#[tokio::test]
async fn a_thousand_values_are_five_batches() {
    let (server, fake) = served().await;
    fake.0.lock().unwrap().put("n7", "TXT", "\"somebody-elses\"");
    let provider = provider(&server, TOKEN);
    let changes: Vec<_> = (0..1000).map(|n| add(&format!("n{n}"), &format!("{n:032}"))).collect();
    provider.apply(&zone(Some(ZONE)), &changes).await.unwrap();
    assert_eq!(fake.0.lock().unwrap().batches, [200; 5]);
    let asked = server.received_requests().await.unwrap();
    let listings = asked.iter().filter(|asked| asked.url.path().ends_with("/dns_records")).count();
    assert_eq!(listings, 1);
    let mut held = provider.read(&zone(Some(ZONE)), &site("n7")).await.unwrap().txt;
    held.sort();
    assert_eq!(held, [format!("{:032}", 7), "somebody-elses".to_owned()]);
    let gone: Vec<_> = (0..1000).map(|n| remove(&format!("n{n}"), &format!("{n:032}"))).collect();
    provider.apply(&zone(Some(ZONE)), &gone).await.unwrap();
    let world = fake.0.lock().unwrap();
    assert_eq!((world.batches.len(), world.records.len()), (10, 1), "two pages are read, and others stay");
}

/// At the apex Cloudflare flattens an alias: DNS shows its addresses, and a text may stand beside it.
#[tokio::test]
async fn a_flattened_alias_does_not_bar_a_text() {
    let (server, fake) = served().await;
    let (provider, zone) = (provider(&server, TOKEN), zone(None));
    let bare = |domain: &str| {
        let lookup = Lookup { domain: domain.parse().unwrap(), label: Label::Bare };
        Guarded::direct(&lookup, "dcv.test".parse().unwrap()).unwrap()
    };
    let apex = bare("dcv.test");
    fake.put(apex.owner(), "CNAME", 300, &["site.pages.example"]).await;
    assert_eq!(
        provider.read(&zone, &apex).await.unwrap(),
        RecordSet::default(),
        "DNS never shows this alias"
    );
    let addition = Change::Add { site: apex.clone(), data: text("v"), ttl: Ttl::default() };
    provider.apply(&zone, &[addition]).await.unwrap();
    let held = provider.read(&zone, &apex).await.unwrap();
    assert_eq!((held.txt, held.cname, held.ttl), (vec!["v".to_owned()], None, Some(60)));
    provider.apply(&zone, &[Change::Remove { site: apex.clone(), data: text("v") }]).await.unwrap();
    assert_eq!(fake.everything(apex.owner()).await, ["300 CNAME site.pages.example"]);

    // Below it Cloudflare decides; one that DNS does show is an alias.
    for (host, key, value, shown) in [
        ("plain", "proxied", json!(false), true),
        ("orange", "proxied", json!(true), false),
        ("flat", "settings", json!({ "flatten_cname": true }), false),
        ("round", "settings", json!({}), true),
    ] {
        let site = bare(&format!("{host}.dcv.test"));
        fake.put(site.owner(), "CNAME", 300, &["site.pages.example"]).await;
        fake.0.lock().unwrap().records.last_mut().unwrap()[key] = value;
        assert_eq!(provider.read(&zone, &site).await.unwrap().cname.is_some(), shown, "{host}");
        let addition = Change::Add { site: site.clone(), data: text("v"), ttl: Ttl::default() };
        let error = provider.apply(&zone, &[addition]).await.unwrap_err();
        assert_eq!((error.class(), error.label()), (Class::Blocked, "collision"), "{error}");
        assert!(error.to_string().contains(site.owner().as_str()), "{error}");
    }
}

/// A CNAME is somebody's decision: it is reported, not replaced.
#[tokio::test]
async fn a_cname_in_the_way_is_reported() {
    let (server, fake) = served().await;
    fake.0.lock().unwrap().put("alias", "CNAME", "elsewhere.example");
    let error = provider(&server, TOKEN).apply(&zone(None), &[add("alias", "v")]).await.unwrap_err();
    assert_eq!(error.class(), Class::Blocked, "{error}");
}
