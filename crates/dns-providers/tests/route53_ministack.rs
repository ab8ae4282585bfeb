//! The kind `route53` against ministack, whose batches are atomic and whose changes are PENDING before INSYNC.
//! It checks no signatures and throttles nobody: refused credentials are played by a fake at the end.
#![cfg(feature = "route53")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_route53::{
    Client,
    config::{BehaviorVersion, Builder, Credentials, Region},
    types::{
        Change as Edit, ChangeAction, ChangeBatch, HostedZoneConfig, ResourceRecord, ResourceRecordSet,
        RrType, Vpc, VpcRegion,
    },
};
use dcv_core::{Change, DomainName, Guarded, Label, Lookup, RandomValue, RecordData, Site, Ttl};
use dns_providers::{
    Class, DnsProvider, Fixed, Secret, Zone,
    contract::{Bench, Neighbour},
    kinds::route53::{Route53, Route53Settings},
};
use tokio::time::Instant;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, method},
};

#[path = "support/hammer.rs"]
mod hammer;

/// A `ministack` of the test's own; ends with it.
struct Ministack {
    child: Child,
    url: String,
    client: Client,
}

impl Drop for Ministack {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Ministack {
    async fn start() -> Self {
        let port = free_port();
        let child = Command::new("ministack")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("IOT_MTLS_PORT", free_port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`ministack` is needed for this test: pip install ministack");
        let url = format!("http://127.0.0.1:{port}");
        let config = Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIATEST", "secret", None, None, "test"))
            .endpoint_url(&url)
            .build();
        let stack = Self { child, url, client: Client::from_conf(config) };
        let deadline = Instant::now() + Duration::from_secs(30);
        while stack.client.list_hosted_zones().send().await.is_err() {
            assert!(Instant::now() < deadline, "ministack did not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stack
    }

    async fn zone(&self, name: &str, reference: &str) -> String {
        let made =
            self.client.create_hosted_zone().name(name).caller_reference(reference).send().await.unwrap();
        made.hosted_zone.unwrap().id.trim_start_matches("/hostedzone/").to_owned()
    }
}

/// Another tool with an account of the same stand-in.
#[derive(Debug)]
struct Console {
    client: Client,
    zone: String,
}

#[async_trait]
impl Neighbour for Console {
    async fn put(&self, owner: &DomainName, kind: &str, ttl: u32, values: &[&str]) {
        let set = values.iter().fold(
            ResourceRecordSet::builder().name(format!("{owner}.")).r#type(kind.into()).ttl(ttl.into()),
            |set, value| set.resource_records(ResourceRecord::builder().value(*value).build().unwrap()),
        );
        put(&self.client, &self.zone, set.build().unwrap()).await;
    }

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let listed = self.client.list_resource_record_sets().hosted_zone_id(&self.zone).send().await.unwrap();
        assert!(!listed.is_truncated, "the suite leaves more than one page behind");
        let here = listed.resource_record_sets().iter().filter(|set| set.name == format!("{owner}."));
        let mut lines: Vec<_> = here
            .flat_map(|set| {
                let line = |record: &ResourceRecord| {
                    format!("{} {} {}", set.ttl.unwrap_or_default(), set.r#type, record.value)
                };
                set.resource_records().iter().map(line)
            })
            .collect();
        lines.sort();
        lines
    }
}

async fn put(client: &Client, zone: &str, set: ResourceRecordSet) {
    let edit = Edit::builder().action(ChangeAction::Create).resource_record_set(set).build().unwrap();
    let batch = ChangeBatch::builder().changes(edit).build().unwrap();
    client.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await.unwrap();
}

async fn provider(url: &str) -> Route53 {
    paced(url, Some(1000.0)).await
}

async fn paced(url: &str, requests_per_second: Option<f64>) -> Route53 {
    let secret = |text: &str| Some(Arc::new(Fixed(text.into())) as Secret);
    let settings = Route53Settings {
        region: "us-east-1".to_owned(),
        endpoint: Some(url.to_owned()),
        access_key_id: secret("AKIATEST"),
        secret_access_key: secret("hush-hush"),
        session_token: None,
        role_arn: None,
        external_id: None,
        requests_per_second,
    };
    Route53::new("test", settings).await.unwrap()
}

fn zone(name: &str, id: Option<&str>) -> Zone {
    Zone { name: name.parse().unwrap(), id: id.map(str::to_owned) }
}

fn site(label: &str) -> Site {
    let scope: DomainName = format!("{label}.dcv.test").parse().unwrap();
    Guarded::direct(&Lookup::dnsauth(scope), "dcv.test".parse().unwrap()).unwrap()
}

fn add(label: &str, value: &str) -> Change {
    Change::Add {
        site: site(label),
        data: RecordData::Txt(RandomValue::new(value).unwrap()),
        ttl: Ttl::default(),
    }
}

fn set(label: &str, kind: RrType, values: &[&str]) -> ResourceRecordSet {
    let mut set =
        ResourceRecordSet::builder().name(format!("{}.", site(label).owner())).r#type(kind).ttl(900);
    for value in values {
        set = set.resource_records(ResourceRecord::builder().value(*value).build().unwrap());
    }
    set.build().unwrap()
}

/// The stand-in answers some hundred requests a second, and of eight writers at one set one goes through at a time.
#[tokio::test(flavor = "multi_thread")]
async fn eight_writers_lose_nothing() {
    let stack = Ministack::start().await;
    let id = stack.zone("dcv.test", "hammered").await;
    let zone = Zone { name: "dcv.test".parse().unwrap(), id: Some(id) };
    let lookup = Lookup::dnsauth("hammered.dcv.test".parse().unwrap());
    let site = Guarded::direct(&lookup, zone.name.clone()).unwrap();
    let one = provider(&stack.url).await;
    let mut providers = vec![Arc::new(one) as Arc<dyn DnsProvider>];
    for _ in 0..8 {
        providers.push(Arc::new(provider(&stack.url).await));
    }
    let next = std::sync::Mutex::new(providers);
    let provider = || next.lock().unwrap().pop().unwrap();
    hammer::eight_writers_lose_nothing(provider, &zone, &site, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn route_53_keeps_the_contract() {
    let stack = Ministack::start().await;
    let id = stack.zone("dcv.test", "contract").await;
    let console = Console { client: stack.client.clone(), zone: id };
    let there = console.everything(&"dcv.test".parse().unwrap()).await;
    assert!(
        there.iter().any(|line| line.contains(" SOA ")),
        "the apex lacks what a hosted zone has: {there:?}"
    );
    let provider = Arc::new(provider(&stack.url).await);
    Bench { below: None, provider, zone: zone("dcv.test", None), neighbour: Arc::new(console) }.run().await;
}

/// What another tool wrote is read whole and rewritten letter for letter; a CNAME in the way is told, not overwritten.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_records_stay_as_they_were() {
    let stack = Ministack::start().await;
    let id = stack.zone("dcv.test", "foreign").await;
    let (provider, zone) = (provider(&stack.url).await, zone("dcv.test", Some(&id)));
    let foreign = [r#""\101 b" "c""#, r#""say \"x\"""#];
    put(&stack.client, &id, set("www", RrType::Txt, &foreign)).await;
    put(&stack.client, &id, set("alias", RrType::Cname, &["elsewhere.example."])).await;

    let mut held = provider.read(&zone, &site("www")).await.unwrap();
    held.txt.sort();
    assert_eq!(held.txt, ["A bc", "say \"x\""]);

    provider.apply(&zone, &[add("www", "ours")]).await.unwrap();
    let listed = stack.client.list_resource_record_sets().hosted_zone_id(&id).send().await.unwrap();
    let sets = listed.resource_record_sets;
    let www = sets.iter().find(|one| one.name.starts_with("_dnsauth.www")).unwrap();
    let mut values: Vec<_> = www.resource_records().iter().map(ResourceRecord::value).collect();
    values.sort_unstable();
    assert_eq!(values, [r#""\101 b" "c""#, r#""ours""#, r#""say \"x\"""#]);
    assert_eq!(www.ttl, Some(900));

    let error = provider.apply(&zone, &[add("alias", "v")]).await.expect_err("a CNAME stands there");
    assert_eq!(error.class(), Class::Blocked, "{error}");
}

/// `settled` follows the provider's own word, and a call that changed nothing has nothing to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_pending_before_it_is_in_sync() {
    let stack = Ministack::start().await;
    let id = stack.zone("dcv.test", "pending").await;
    let (provider, zone) = (provider(&stack.url).await, zone("dcv.test", Some(&id)));
    let receipt = provider.apply(&zone, &[add("www", "v")]).await.unwrap();
    assert!(receipt.change.is_some());
    assert!(!provider.settled(&receipt).await.unwrap(), "PENDING was taken for INSYNC");
    assert!(provider.settled(&receipt).await.unwrap());
    let receipt = provider.apply(&zone, &[add("www", "v")]).await.unwrap();
    assert_eq!(receipt.change, None, "nothing had to change, yet a request was sent");
    assert!(provider.settled(&receipt).await.unwrap());
}

/// The wrong zone is never written: unknown and foreign ids, private and ambiguous names are refused with a hint.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_one_public_zone_is_found() {
    let stack = Ministack::start().await;
    let provider = provider(&stack.url).await;

    let error = provider.probe(&zone("dcv.test", Some("Z0000000000"))).await.expect_err("no such id");
    assert_eq!((error.class(), error.label()), (Class::Setup, "no-such-zone"), "{error}");
    let error = provider.probe(&zone("dcv.test", None)).await.expect_err("no such name");
    assert_eq!((error.class(), error.label()), (Class::Setup, "no-such-zone"), "{error}");
    assert!(error.next_action().is_some());

    let vpc = Vpc::builder().vpc_region(VpcRegion::UsEast1).vpc_id("vpc-1").build();
    let config = HostedZoneConfig::builder().private_zone(true).build();
    let private = stack.client.create_hosted_zone().name("dcv.test").caller_reference("private");
    private.hosted_zone_config(config).vpc(vpc).send().await.unwrap();
    let error = provider.probe(&zone("dcv.test", None)).await.expect_err("a private zone only");
    assert_eq!(error.label(), "no-such-zone", "{error}");

    let other = stack.zone("other.test", "other").await;
    let error = provider.probe(&zone("dcv.test", Some(&other))).await.expect_err("the id of another zone");
    assert_eq!((error.class(), error.label()), (Class::Setup, "wrong-zone"), "{error}");

    let one = stack.zone("dcv.test", "one").await;
    let probe = provider.probe(&zone("dcv.test", None)).await.unwrap();
    assert!(probe.detail.contains(&one) && probe.name_servers.len() == 4, "{probe:?}");

    let two = stack.zone("dcv.test", "two").await;
    let fresh = self::provider(&stack.url).await;
    let error = fresh.probe(&zone("dcv.test", None)).await.expect_err("two public zones");
    assert_eq!((error.class(), error.label()), (Class::Setup, "ambiguous-zone"), "{error}");
    assert!(error.to_string().contains(&one) && error.to_string().contains(&two), "{error}");
}

/// The documented refusals, which no stand-in makes, become the right class with the lacking action named.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_what_is_lacking() {
    let cases = [
        ("AccessDenied", 403, Class::Setup, "route53:ListResourceRecordSets"),
        ("InvalidClientTokenId", 403, Class::Setup, "access_key_id"),
        ("SignatureDoesNotMatch", 403, Class::Setup, "secret_access_key"),
        ("ExpiredToken", 403, Class::Setup, "session token"),
    ];
    for (code, status, class, hint) in cases {
        let server = MockServer::start().await;
        let body = format!(
            r#"<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>"#
        );
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status).set_body_string(body))
            .mount(&server)
            .await;
        let error = provider(&server.uri())
            .await
            .read(&zone("dcv.test", Some("Z1")), &site("www"))
            .await
            .unwrap_err();
        assert_eq!(error.class(), class, "{code}: {error}");
        assert!(error.next_action().unwrap().contains(hint), "{code}: {error:?}");
        assert!(!format!("{error:?}").contains("hush-hush"), "the secret leaked");
    }
}

/// A policy's condition is about the whole request, and AWS does not say which name fails it.
#[tokio::test(flavor = "multi_thread")]
async fn a_denied_change_names_its_records() {
    let server = MockServer::start().await;
    let denied = r#"<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>"#;
    let listing = ResponseTemplate::new(200).set_body_string(EMPTY);
    Mock::given(method("GET")).respond_with(listing).mount(&server).await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(403).set_body_string(denied))
        .mount(&server)
        .await;
    let apex = Lookup { domain: "dcv.test".parse().unwrap(), label: Label::Bare };
    let apex = Guarded::direct(&apex, "dcv.test".parse().unwrap()).unwrap();
    let data = RecordData::Txt(RandomValue::new("v").unwrap());
    let bare = Change::Add { site: apex, data, ttl: Ttl::default() };
    let provider = provider(&server.uri()).await;
    let zone = zone("dcv.test", Some("Z1"));
    let error = provider.apply(&zone, &[add("www", "v"), bare.clone()]).await.unwrap_err();
    assert_eq!((error.class(), error.label()), (Class::Setup, "access-denied"), "{error}");
    let hint = error.next_action().unwrap();
    assert!(
        hint.contains("NormalizedRecordNames _dnsauth.www.dcv.test, dcv.test; RecordTypes TXT"),
        "{hint}"
    );
    let error = provider.apply(&zone, &[bare]).await.unwrap_err();
    assert!(error.next_action().unwrap().contains("NormalizedRecordNames dcv.test;"), "{error:?}");
}

/// Throttling is met with patience, within a bound.
#[tokio::test(flavor = "multi_thread")]
async fn throttling_is_waited_out() {
    let server = MockServer::start().await;
    let throttled = r#"<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>r</RequestId></ErrorResponse>"#;
    let empty = r#"<?xml version="1.0"?><ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ResourceRecordSets/><IsTruncated>false</IsTruncated><MaxItems>20</MaxItems></ListResourceRecordSetsResponse>"#;
    let twice = ResponseTemplate::new(400).set_body_string(throttled);
    Mock::given(any()).respond_with(twice).up_to_n_times(2).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_string(empty)).mount(&server).await;
    let held = provider(&server.uri()).await.read(&zone("dcv.test", Some("Z1")), &site("www")).await.unwrap();
    assert!(held.txt.is_empty());
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

const EMPTY: &str = r#"<?xml version="1.0"?><ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ResourceRecordSets/><IsTruncated>false</IsTruncated><MaxItems>20</MaxItems></ListResourceRecordSetsResponse>"#;

/// Two requests a second leave an account, however many of its zones are asked about at the same time: AWS takes five, and
/// other tools need some.
#[tokio::test(flavor = "multi_thread")]
async fn zones_of_an_account_share_two_requests_a_second() {
    let server = MockServer::start().await;
    let times = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&times);
    let answer = move |_: &wiremock::Request| {
        noted.lock().unwrap().push(Instant::now());
        ResponseTemplate::new(200).set_body_string(EMPTY)
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let provider = Arc::new(paced(&server.uri(), None).await);
    let mut readers = tokio::task::JoinSet::new();
    for n in 0..6 {
        let provider = Arc::clone(&provider);
        readers.spawn(async move {
            let (zone, id) = (format!("zone{n}.test"), format!("Z{n}"));
            let scope: DomainName = zone.parse().unwrap();
            let site = Guarded::direct(&Lookup::dnsauth(scope.clone()), scope).unwrap();
            provider.read(&self::zone(&zone, Some(&id)), &site).await.unwrap();
        });
    }
    while let Some(read) = readers.join_next().await {
        read.unwrap();
    }
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 6);
    for first in times.iter() {
        let within =
            times.iter().filter(|at| *at >= first && **at < *first + Duration::from_millis(950)).count();
        assert!(within <= 2, "{within} requests in a second: {times:?}");
    }
}

/// Where the account is told how long to wait it asks nobody meanwhile, and says so to the caller.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_asked_for_is_kept() {
    let server = MockServer::start().await;
    let throttled = r#"<?xml version="1.0"?><ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"#;
    let answer = ResponseTemplate::new(400).insert_header("retry-after", "40").set_body_string(throttled);
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let provider = provider(&server.uri()).await;
    for _ in 0..3 {
        let error = provider.read(&zone("dcv.test", Some("Z1")), &site("www")).await.unwrap_err();
        assert_eq!((error.class(), error.label()), (Class::Later, "throttled"), "{error}");
        assert!(error.retry_after().is_some_and(|wait| wait > Duration::from_secs(30)), "{error:?}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

/// Half a key pair, a role's external id without a role and a plain-text endpoint are caught before any request.
#[tokio::test]
async fn contradictory_settings_are_refused() {
    let secret = || Some(Arc::new(Fixed("x".into())) as Secret);
    let plain = |endpoint: Option<&str>| Route53Settings {
        region: "us-east-1".to_owned(),
        endpoint: endpoint.map(str::to_owned),
        access_key_id: secret(),
        secret_access_key: secret(),
        session_token: None,
        role_arn: None,
        external_id: None,
        requests_per_second: None,
    };
    let half = Route53Settings { secret_access_key: None, ..plain(None) };
    let roleless = Route53Settings { external_id: Some("id".to_owned()), ..plain(None) };
    for settings in [half, roleless, plain(Some("http://route53.example.com"))] {
        assert_eq!(Route53::new("test", settings).await.unwrap_err().class(), Class::Setup);
    }
}
