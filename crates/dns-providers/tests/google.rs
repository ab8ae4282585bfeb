//! The kind `google` against a fake that keeps state, refuses what Google refuses, and that Google's own client understands.
#![cfg(feature = "google")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

#[path = "support/client.rs"]
mod client;
#[path = "support/google.rs"]
mod google;
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
    Class, DnsProvider, Fixed, Receipt, Secret, Zone,
    contract::{Bench, Neighbour as _},
    kinds::google::{Google, GoogleSettings},
};
use serde_json::{Value, json};

use self::google::{AUDIENCE, EMAIL, Fake, PROJECT, SUBJECT, ZONE};

/// A machine of Google's, the fake's for everything.
fn settings(uri: &str) -> GoogleSettings<Secret> {
    GoogleSettings {
        project: PROJECT.to_owned(),
        credentials: None,
        requests_per_second: Some(1000.0),
        endpoint: uri.to_owned(),
        metadata_endpoint: uri.to_owned(),
    }
}

fn with(uri: &str, credentials: &Value) -> GoogleSettings<Secret> {
    GoogleSettings { credentials: Some(Arc::new(Fixed(credentials.to_string().into()))), ..settings(uri) }
}

fn built(settings: GoogleSettings<Secret>) -> Google {
    Google::new("test", settings).unwrap()
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

/// A service account's key file, as Google gives it out, and its public half.
fn key_file(uri: &str) -> (Value, Vec<u8>) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = BASE64_STANDARD.encode(pair.as_der().unwrap().as_ref());
    let lines: Vec<String> =
        der.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    let file = json!({
        "type": "service_account", "project_id": PROJECT, "private_key_id": "k1", "private_key": pem, "client_email": EMAIL,
        "client_id": "1", "auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": format!("{uri}/token"),
    });
    (file, pair.public_key().as_ref().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn google_keeps_the_contract() {
    let (server, fake) = Fake::serve().await;
    let provider = Arc::new(built(settings(&server.uri())));
    Bench { below: None, provider, zone: zone(None), neighbour: Arc::new(fake) }.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_writers_lose_nothing() {
    let (server, _fake) = Fake::serve().await;
    let provider = || Arc::new(built(settings(&server.uri()))) as Arc<dyn DnsProvider>;
    hammer::eight_writers_lose_nothing(provider, &zone(None), &site("hammered"), 200).await;
}

/// Google's client finds what we wrote, with a token for the same key, writes beside it, is refused where what it deletes is
/// no longer there, and takes its own away.
#[tokio::test(flavor = "multi_thread")]
async fn googles_own_client_agrees_with_the_fake() {
    let (server, fake) = Fake::serve().await;
    let (file, public) = key_file(&server.uri());
    fake.world().public_key = public;
    let provider = built(with(&server.uri(), &file));
    provider.apply(&zone(None), &[add("shared", "ours")]).await.unwrap();
    fake.world().per_page = 1;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let run = async |step: &str| {
        let arguments = [&server.uri(), path.to_str().unwrap(), ZONE, "_dnsauth.shared.dcv.test.", step];
        client::python("google/client.py", &arguments).await
    };
    assert_eq!(run("add").await, r#"['"ours"', '"theirs"'] done"#);
    let mut held = provider.read(&zone(None), &site("shared")).await.unwrap().txt;
    held.sort();
    assert_eq!(held, ["ours", "theirs"]);
    assert_eq!(run("add-once-more").await, "refused: 409");
    assert_eq!(run("delete-what-was").await, "refused: 412");
    assert_eq!(run("delete-what-never-was").await, "refused: 404");
    assert_eq!(run("alias-beside").await, "refused: 400");
    provider.apply(&zone(None), &[remove("shared", "ours")]).await.unwrap();
    assert_eq!(run("remove").await, "[] done");
    assert_eq!(provider.read(&zone(None), &site("shared")).await.unwrap().txt, [""; 0]);
}

/// Each way to a token, against servers that refuse all but what they know.
#[tokio::test(flavor = "multi_thread")]
async fn every_credential_leads_to_a_token() {
    let (server, fake) = Fake::serve().await;
    let uri = server.uri();
    let ((file, public), (another, _)) = (key_file(&uri), key_file(&uri));
    fake.world().public_key = public;
    let folder = tempfile::tempdir().unwrap();
    let subject = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let plain = subject("plain", &format!("{SUBJECT}\n"));
    let wrong = subject("wrong", "wrong-secret");
    let object = subject("object", &json!({ "id_token": SUBJECT }).to_string());
    let workload = |source: Value, impersonates: bool| {
        let mut file = json!({
            "type": "external_account", "audience": AUDIENCE, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{uri}/token"), "credential_source": source,
        });
        if impersonates {
            file["service_account_impersonation_url"] =
                format!("{uri}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken").into();
        }
        file
    };
    let format = json!({ "type": "json", "subject_token_field_name": "id_token" });
    for (settings, good) in [
        (settings(&uri), true),
        (with(&uri, &file), true),
        (with(&uri, &another), false),
        (with(&uri, &workload(json!({ "file": plain }), false)), true),
        (with(&uri, &workload(json!({ "file": plain }), true)), true),
        (with(&uri, &workload(json!({ "file": object, "format": format }), true)), true),
        (with(&uri, &workload(json!({ "file": wrong }), false)), false),
    ] {
        let provider = built(settings);
        provider.check().unwrap();
        let probed = provider.probe(&zone(None)).await;
        assert_eq!(probed.is_ok(), good, "{probed:?}");
        if let Err(error) = probed {
            assert_eq!((error.class(), error.label()), (Class::Setup, "bad-credentials"), "{error}");
            let shown = format!("{error:?} {provider:?}");
            assert!(!shown.contains("wrong-secret") && !shown.contains("BEGIN"), "a secret leaked");
        }
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

/// Several pages of zones; two of one name; a private one of the same name; an id without the permission to list.
#[tokio::test(flavor = "multi_thread")]
async fn the_zone_is_the_one_that_was_meant() {
    let (server, fake) = Fake::serve().await;
    let probe = async |id: Option<&str>| {
        let probed = built(settings(&server.uri())).probe(&zone(id)).await;
        probed.map(|probe| probe.name_servers.len()).map_err(|error| error.label())
    };
    fake.world().per_page = 1;
    fake.world().add_zone("inside", "dcv.test", true);
    fake.world().zones.rotate_left(1);
    assert_eq!(probe(None).await, Ok(2), "the public one is on the second page");
    fake.world().add_zone("other", "other.test", false);
    assert_eq!(probe(Some(ZONE)).await, Ok(2));
    assert_eq!(probe(Some("other")).await, Err("wrong-zone"));
    assert_eq!(probe(Some("absent")).await, Err("no-such-zone"));
    assert_eq!(probe(Some("../x")).await, Err("bad-setting"));
    let missing = Zone { name: "absent.test".parse().unwrap(), id: None };
    let error = built(settings(&server.uri())).probe(&missing).await.unwrap_err();
    assert_eq!((error.class(), error.label()), (Class::Setup, "no-such-zone"), "{error}");
    let elsewhere = GoogleSettings { project: "another".to_owned(), ..settings(&server.uri()) };
    assert_eq!(built(elsewhere).probe(&zone(None)).await.unwrap_err().label(), "no-such-project");

    fake.world().add_zone("second", "dcv.test", false);
    let error = built(settings(&server.uri())).probe(&zone(None)).await.unwrap_err();
    assert!(error.to_string().contains(ZONE) && error.to_string().contains("second"), "{error}");
    fake.world().zones.retain(|zone| format!("{zone:?}").contains("private: true"));
    assert_eq!(probe(None).await, Err("private-zone"));

    fake.world().blind = true;
    fake.world().add_zone(ZONE, "dcv.test", false);
    assert_eq!(probe(Some(ZONE)).await, Ok(2));
    assert_eq!(probe(None).await, Err("denied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_on_the_way_is_told_apart() {
    let provider = |uri: &str| Arc::new(built(settings(uri))) as Arc<dyn DnsProvider>;
    trouble::is_told_apart(provider, &zone(Some(ZONE)), &site("www"), &add("www", "v")).await;
}

/// Somebody who writes between our reading and writing is overtaken by nobody.
#[tokio::test(flavor = "multi_thread")]
async fn what_changed_meanwhile_is_read_again() {
    let (server, fake) = Fake::serve().await;
    let provider = built(settings(&server.uri()));
    let written = |value: &str| Some((format!("{}.", site("www").owner()), format!("\"{value}\"")));
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

/// A thousand values are one listing and one change; what is as it should be costs no change.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_values_are_one_change() {
    let (server, fake) = Fake::serve().await;
    let provider = built(settings(&server.uri()));
    let changes: Vec<_> = (0..1000).map(|n| add(&format!("n{n}"), &format!("{n:032}"))).collect();
    fake.world().per_page = 500;
    let receipt = provider.apply(&zone(None), &changes).await.unwrap();
    let asked = |what: &str| fake.world().asked.iter().filter(|asked| *asked == what).count();
    assert_eq!((asked("GET rrsets"), asked("POST changes")), (1, 1));
    provider.apply(&zone(None), &changes).await.unwrap();
    assert_eq!((asked("GET rrsets"), asked("POST changes")), (4, 1), "three pages, and nothing to write");
    assert!(!provider.settled(&receipt).await.unwrap(), "a change that is pending is not distributed");
    assert!(provider.settled(&receipt).await.unwrap());
    assert!(provider.settled(&Receipt::default()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_is_full_is_told_as_such() {
    let (server, fake) = Fake::serve().await;
    let values: Vec<String> = (0..100).map(|n| format!("\"v{n}\"")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    fake.put(site("full").owner(), "TXT", 60, &values).await;
    let error =
        built(settings(&server.uri())).apply(&zone(None), &[add("full", "one-more")]).await.unwrap_err();
    assert_eq!((error.class(), error.label()), (Class::Blocked, "quota"), "{error}");
    assert!(error.to_string().contains("_dnsauth.full.dcv.test"), "{error}");
}
