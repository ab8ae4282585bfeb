//! The kind `azure` against a fake that keeps state, refuses what Azure refuses, and that Microsoft's own client understands.
#![cfg(feature = "azure")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

#[path = "support/azure.rs"]
mod azure;
#[path = "support/client.rs"]
mod client;
#[path = "support/hammer.rs"]
mod hammer;
#[path = "support/trouble.rs"]
mod trouble;

use std::sync::Arc;

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use dcv_core::{Change, DomainName, Guarded, Lookup, RandomValue, RecordData, Site, Ttl};
use dns_providers::{
    Class, DnsProvider, Fixed, Secret, Zone,
    contract::{Bench, Neighbour as _},
    kinds::azure::{Azure, AzureSettings, Cloud},
};

use self::azure::{CLIENT, FEDERATED, Fake, IDENTITY_HEADER, SECRET, SUBSCRIPTION, TENANT};

fn secret(text: &str) -> Secret {
    Arc::new(Fixed(text.into()))
}

/// An application with a secret, the fake's for everything.
fn settings(uri: &str) -> AzureSettings<Secret> {
    AzureSettings {
        subscription: SUBSCRIPTION.to_owned(),
        resource_group: Some("rg-dns".to_owned()),
        tenant: Some(TENANT.to_owned()),
        client_id: Some(CLIENT.to_owned()),
        client_secret: Some(secret(SECRET)),
        client_certificate: None,
        federated_token: None,
        identity_endpoint: None,
        identity_header: None,
        cloud: Cloud::Public,
        requests_per_second: Some(1000.0),
        endpoint: Some(uri.to_owned()),
        login_endpoint: Some(uri.to_owned()),
    }
}

fn built(settings: AzureSettings<Secret>) -> Azure {
    Azure::new("test", settings).unwrap()
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
async fn azure_keeps_the_contract() {
    let (server, fake) = Fake::serve().await;
    let provider = Arc::new(built(settings(&server.uri())));
    Bench { below: None, provider, zone: zone(None), neighbour: Arc::new(fake.clone()) }.run().await;
    // What else belongs to a set is others', too.
    assert!(fake.everything(&"host.dcv.test".parse().unwrap()).await.contains(&"metadata".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_writers_lose_nothing() {
    let (server, _fake) = Fake::serve().await;
    let provider = || Arc::new(built(settings(&server.uri()))) as Arc<dyn DnsProvider>;
    hammer::eight_writers_lose_nothing(provider, &zone(None), &site("hammered"), 200).await;
}

/// Microsoft's client finds what we wrote, writes beside it, is refused where its ETag is old, and takes its own away.
#[tokio::test(flavor = "multi_thread")]
async fn microsofts_own_client_agrees_with_the_fake() {
    let (server, fake) = Fake::serve().await;
    let provider = built(settings(&server.uri()));
    provider.apply(&zone(None), &[add("shared", "ours")]).await.unwrap();
    fake.world().per_page = 1;
    let run = async |step: &str| {
        client::python(
            "azure/client.py",
            &[&server.uri(), SUBSCRIPTION, "rg-dns", "dcv.test", "_dnsauth.shared", step],
        )
        .await
    };
    assert_eq!(run("add").await, "['ours', 'theirs']");
    let mut held = provider.read(&zone(None), &site("shared")).await.unwrap().txt;
    held.sort();
    assert_eq!(held, ["ours", "theirs"]);
    assert_eq!(run("add-with-an-old-etag").await, "refused: 412");
    assert_eq!(run("create-once-more").await, "refused: 412");
    assert_eq!(run("alias-beside").await, "refused: 409");
    provider.apply(&zone(None), &[remove("shared", "ours")]).await.unwrap();
    assert_eq!(run("remove").await, "[]");
    assert_eq!(provider.read(&zone(None), &site("shared")).await.unwrap().txt, [""; 0]);
}

/// Each way to a token, against a login that refuses all but what it knows.
#[tokio::test(flavor = "multi_thread")]
async fn every_credential_leads_to_a_token() {
    let (server, fake) = Fake::serve().await;
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let certificate = b"der of a certificate";
    let print = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let print = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(print);
    fake.world().certificates.insert(print, key.public_key().as_ref().to_vec());
    let block = |kind: &str, der: &[u8]| {
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", BASE64_STANDARD.encode(der))
    };
    let pem = |certificate: &[u8]| {
        block("CERTIFICATE", certificate) + &block("PRIVATE KEY", key.as_der().unwrap().as_ref())
    };
    let base = || AzureSettings { client_secret: None, ..settings(&server.uri()) };
    let machine = |path: &str| Some(format!("{}{path}", server.uri()));
    let alone = || AzureSettings { tenant: None, client_id: None, ..base() };
    for (settings, good) in [
        (settings(&server.uri()), true),
        (AzureSettings { client_secret: Some(secret("wrong-secret")), ..base() }, false),
        (
            AzureSettings {
                tenant: Some("another".to_owned()),
                client_secret: Some(secret(SECRET)),
                ..base()
            },
            false,
        ),
        (AzureSettings { client_certificate: Some(secret(&pem(certificate))), ..base() }, true),
        (AzureSettings { client_certificate: Some(secret(&pem(b"another"))), ..base() }, false),
        (AzureSettings { federated_token: Some(secret(&format!("{FEDERATED}\n"))), ..base() }, true),
        (AzureSettings { federated_token: Some(secret("wrong-secret")), ..base() }, false),
        (AzureSettings { identity_endpoint: machine("/metadata/identity/oauth2/token"), ..alone() }, true),
        (
            AzureSettings {
                identity_endpoint: machine("/msi/token"),
                identity_header: Some(secret(IDENTITY_HEADER)),
                ..alone()
            },
            true,
        ),
        (
            AzureSettings {
                identity_endpoint: machine("/msi/token"),
                identity_header: Some(secret("wrong-secret")),
                ..alone()
            },
            false,
        ),
    ] {
        let shown = format!("{settings:?}");
        let provider = built(settings);
        provider.check().unwrap();
        let probed = provider.probe(&zone(None)).await;
        assert_eq!(probed.is_ok(), good, "{shown}: {probed:?}");
        if let Err(error) = probed {
            assert_eq!((error.class(), error.label()), (Class::Setup, "bad-credentials"), "{error}");
            assert!(error.next_action().is_some());
            assert!(!format!("{error:?} {provider:?} {shown}").contains("wrong-secret"), "a secret leaked");
        }
    }
}

/// A login that fails is told as what it is, and no part of an answer that may hold a token is repeated.
#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_the_login_is_told_apart() {
    let json = |text: &str| wiremock::ResponseTemplate::new(200).set_body_string(text);
    let status = wiremock::ResponseTemplate::new;
    for (answer, class, label) in [
        (status(500), Class::Later, "server-error"),
        (status(429).insert_header("retry-after", "7"), Class::Later, "throttled"),
        (status(302).insert_header("location", "http://127.0.0.1:9/"), Class::Setup, "redirected"),
        (status(400), Class::Setup, "bad-credentials"),
        (json("<html>secret-text</html>"), Class::Bug, "unexpected-answer"),
        (json(r#"{ "access_token": "secret-text" }"#), Class::Bug, "unexpected-answer"),
        (json(r#"{ "access_token": "", "expires_in": 60 }"#), Class::Bug, "unexpected-answer"),
        (json(r#"{ "access_token": "secret-text", "expires_in": "soon" }"#), Class::Bug, "unexpected-answer"),
        (json(&" ".repeat(10 << 20)), Class::Bug, "oversized"),
    ] {
        let server = wiremock::MockServer::start().await;
        wiremock::Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&server).await;
        let error = built(settings(&server.uri())).read(&zone(None), &site("www")).await.unwrap_err();
        assert_eq!((error.class(), error.label()), (class, label), "{error}");
        assert!(!format!("{error:?}").contains("secret-text"), "{error:?}");
    }
}

/// A token that runs out in the middle of things costs one more request, and no work.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_is_replaced() {
    let (server, fake) = Fake::serve().await;
    let provider = built(settings(&server.uri()));
    provider.apply(&zone(None), &[add("www", "one")]).await.unwrap();
    fake.world().expired = 1;
    provider.apply(&zone(None), &[add("www", "two")]).await.unwrap();
    assert_eq!(provider.read(&zone(None), &site("www")).await.unwrap().txt, ["one", "two"]);
    fake.world().expired = u64::MAX;
    let error = provider.read(&zone(None), &site("www")).await.unwrap_err();
    assert_eq!((error.class(), error.label()), (Class::Setup, "bad-credentials"), "{error}");
}

/// Several pages of zones, of which one is the zone; two of one name; a private one of the same name.
#[tokio::test(flavor = "multi_thread")]
async fn the_zone_is_the_one_that_was_meant() {
    let (server, fake) = Fake::serve().await;
    fake.world().per_page = 2;
    for n in 0..3 {
        fake.world().zones.insert(0, fake_zone(&format!("other{n}.test")));
    }
    fake.world().add_zone("rg-private", "dcv.test", true);
    let everywhere = || AzureSettings { resource_group: None, ..settings(&server.uri()) };
    let label = async |settings, id: Option<&str>| {
        built(settings)
            .probe(&zone(id))
            .await
            .map(|probe| probe.name_servers.len())
            .map_err(|error| error.label())
    };
    assert_eq!(label(everywhere(), None).await, Ok(2), "it is on the second page, and served by two");
    let id = |kind: &str, group: &str, name: &str| {
        format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Network/{kind}/{name}"
        )
    };
    assert_eq!(label(everywhere(), Some(&id("dnsZones", "rg-dns", "dcv.test"))).await, Ok(2));
    assert_eq!(label(everywhere(), Some(&id("dnsZones", "rg-dns", "other1.test"))).await, Err("wrong-zone"));
    assert_eq!(
        label(everywhere(), Some(&id("privateDnsZones", "rg-private", "dcv.test"))).await,
        Err("private-zone")
    );
    assert_eq!(
        label(everywhere(), Some(&id("dnsZones", "rg-private", "dcv.test"))).await,
        Err("no-such-zone")
    );
    let elsewhere = AzureSettings { resource_group: Some("rg-none".to_owned()), ..settings(&server.uri()) };
    assert_eq!(label(elsewhere, None).await, Err("no-such-zone"));
    let another = AzureSettings { subscription: "another".to_owned(), ..settings(&server.uri()) };
    assert_eq!(label(another, None).await, Err("no-such-subscription"));

    fake.world().add_zone("rg-second", "dcv.test", false);
    let error = built(everywhere()).probe(&zone(None)).await.unwrap_err();
    assert!(error.to_string().contains("rg-dns") && error.to_string().contains("rg-second"), "{error}");
    let missing = Zone { name: "absent.test".parse().unwrap(), id: None };
    let error = built(everywhere()).probe(&missing).await.unwrap_err();
    assert_eq!((error.class(), error.label()), (Class::Setup, "no-such-zone"), "{error}");

    // Whoever may change records need not see zones, where the resource group is told.
    fake.world().blind = true;
    assert_eq!(label(settings(&server.uri()), None).await, Ok(0));
    assert_eq!(label(everywhere(), None).await, Err("denied"));
}

fn fake_zone(name: &str) -> azure::Zone {
    let mut world = azure::World::default();
    world.add_zone("rg-dns", name, false);
    world.zones.remove(0)
}

/// A listing is led elsewhere by nobody: the token would go with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_goes_on_elsewhere_is_not_followed() {
    let server = wiremock::MockServer::start().await;
    let page = serde_json::json!({ "value": [], "nextLink": "http://127.0.0.1:9/steal", "access_token": "t", "expires_in": 60 });
    let answer = wiremock::ResponseTemplate::new(200).set_body_json(page);
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&server).await;
    let provider = built(AzureSettings { resource_group: None, ..settings(&server.uri()) });
    let error = provider.probe(&zone(None)).await.unwrap_err();
    assert!(error.to_string().contains("goes on at another place"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_on_the_way_is_told_apart() {
    let provider = |uri: &str| Arc::new(built(settings(uri))) as Arc<dyn DnsProvider>;
    trouble::is_told_apart(provider, &zone(None), &site("www"), &add("www", "v")).await;
}

/// Somebody who writes between our reading and writing is overtaken by nobody.
#[tokio::test(flavor = "multi_thread")]
async fn what_changed_meanwhile_is_read_again() {
    let (server, fake) = Fake::serve().await;
    let provider = built(settings(&server.uri()));
    let written = |value: &str| Some(("_dnsauth.www".to_owned(), value.to_owned()));
    for (change, value) in
        [(add("www", "ours"), "created"), (add("www", "more"), "replaced"), (remove("www", "more"), "kept")]
    {
        fake.world().meanwhile = written(value);
        provider.apply(&zone(None), &[change]).await.unwrap();
    }
    let mut held = provider.read(&zone(None), &site("www")).await.unwrap().txt;
    held.sort();
    assert_eq!(held, ["created", "kept", "ours", "replaced"]);
}

/// Of many names the sets are listed, not asked for one by one; what is as it should be costs no write.
#[tokio::test(flavor = "multi_thread")]
async fn many_names_are_read_in_few_requests() {
    let (server, fake) = Fake::serve().await;
    let provider = built(settings(&server.uri()));
    let changes: Vec<_> = (0..50).map(|n| add(&format!("n{n}"), "value")).collect();
    fake.world().per_page = 30;
    provider.apply(&zone(None), &changes).await.unwrap();
    let asked = |method: &str| fake.world().asked.iter().filter(|asked| *asked == method).count();
    assert_eq!((asked("GET"), asked("PUT")), (1, 50));
    provider.apply(&zone(None), &changes).await.unwrap();
    assert_eq!((asked("GET"), asked("PUT")), (3, 50), "two pages, and nothing to write");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_is_full_is_told_as_such() {
    let (server, _fake) = Fake::serve().await;
    let provider = built(settings(&server.uri()));
    let changes: Vec<_> = (0..20).map(|n| add("full", &format!("value-{n}"))).collect();
    provider.apply(&zone(None), &changes).await.unwrap();
    let error = provider.apply(&zone(None), &[add("full", "one-more")]).await.unwrap_err();
    assert_eq!((error.class(), error.label()), (Class::Blocked, "quota"), "{error}");
    assert!(error.to_string().contains("_dnsauth.full.dcv.test would have 21 values"), "{error}");
}
