//! The kind `powerdns` against a real server, and refusals that it does not give at will played by a fake.
#![cfg(feature = "powerdns")]
#![allow(dead_code, reason = "each test uses a part of the servers")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

#[path = "support/powerdns.rs"]
mod server;

use std::sync::Arc;

use dcv_core::{Change, DomainName, Guarded, Lookup, RandomValue, RecordData, Site, Ttl};
use dns_providers::{
    Class, DnsProvider, Error, Fixed, Secret, Zone,
    contract::Bench,
    kinds::powerdns::{PowerDns, PowerDnsSettings},
};
use serde_json::{Value as Json, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, method, path},
};

use self::server::{KEY, Server, free_port};

fn provider(base_url: &str, key: &str, server_id: &str) -> PowerDns {
    let settings = PowerDnsSettings {
        requests_per_second: Some(1000.0),
        base_url: base_url.to_owned(),
        api_key: Arc::new(Fixed(key.into())) as Secret,
        server_id: server_id.to_owned(),
    };
    PowerDns::new("test", settings).unwrap()
}

fn of(server: &Server, key: &str) -> PowerDns {
    provider(&format!("http://127.0.0.1:{}", server.api), key, "localhost")
}

fn zone(name: &str) -> Zone {
    Zone { name: name.parse().unwrap(), id: None }
}

fn site(label: &str) -> Site {
    let scope: DomainName = format!("{label}.dcv.test").parse().unwrap();
    Guarded::direct(&Lookup::dnsauth(scope), "dcv.test".parse().unwrap()).unwrap()
}

fn txt(value: &str) -> RecordData {
    RecordData::Txt(RandomValue::new(value).unwrap())
}

fn add(site: Site, value: &str) -> Change {
    Change::Add { site, data: txt(value), ttl: Ttl::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn powerdns_keeps_the_contract() {
    let server = Server::start().await;
    let bench = Bench {
        below: None,
        provider: Arc::new(of(&server, KEY)),
        zone: zone("dcv.test"),
        neighbour: Arc::new(server.neighbour()),
    };
    bench.run().await;
    assert_eq!(bench.provider.probe(&bench.zone).await.unwrap().name_servers.len(), 1, "the zone has one");
    // The same with the zone's id given, which spares the listing.
    let named = Zone { id: Some("dcv.test.".to_owned()), ..zone("dcv.test") };
    bench.provider.apply(&named, &[add(site("by-id"), "v")]).await.unwrap();
    assert_eq!(
        server.dig("_dnsauth.by-id.dcv.test", "TXT"),
        ["\"v\""],
        "DNS does not answer what was written"
    );
}

/// Values that are switched off, and the comments of whoever looks after the name, come through a change of ours.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_disabled_and_what_is_remarked_stays() {
    let server = Server::start().await;
    let (provider, admin) = (of(&server, KEY), server.neighbour());
    let name = "_dnsauth.kept.dcv.test";
    let set = json!({ "name": format!("{name}."), "type": "TXT", "ttl": 900, "changetype": "REPLACE",
        "records": [{ "content": "\"on\"", "disabled": false }, { "content": "\"off\"", "disabled": true }],
        "comments": [{ "content": "ask me first", "account": "ops" }] });
    admin.patch(set).await;
    let before = admin.sets(name).await;
    provider.apply(&zone("dcv.test"), &[add(site("kept"), "ours")]).await.unwrap();
    let with = admin.sets(name).await;
    assert_eq!(with[0]["records"].as_array().unwrap().len(), 3, "{with:?}");
    assert_eq!((&with[0]["comments"], &with[0]["ttl"]), (&before[0]["comments"], &json!(900)), "{with:?}");
    let read = provider.read(&zone("dcv.test"), &site("kept")).await.unwrap();
    assert_eq!(read.txt.len(), 2, "what is switched off is not held: {read:?}");
    let remove = Change::Remove { site: site("kept"), data: txt("ours") };
    provider.apply(&zone("dcv.test"), &[remove]).await.unwrap();
    assert_eq!(admin.sets(name).await, before);
}

/// With the SQLite backend writers that meet are answered 500, most of them; other tools write beside us all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_waited_out() {
    let server = Server::start().await;
    let provider = Arc::new(of(&server, KEY));
    // A provider of its own is another process as far as turns are concerned.
    let others: Vec<_> = (0..3).map(|_| Arc::new(of(&server, KEY))).collect();
    let mut writers = Vec::new();
    for (writer, provider) in others.into_iter().chain([provider]).enumerate() {
        writers.push(tokio::spawn(async move {
            for round in 0..5 {
                // Again upon an error, as the agent does it.
                let change = [add(site(&format!("busy-{writer}-{round}")), "v")];
                let mut tries = 0;
                while let Err(error) = provider.apply(&zone("dcv.test"), &change).await {
                    assert_eq!(error.class(), Class::Later, "a busy database is the world's fault: {error}");
                    tries += 1;
                    assert!(tries < 20, "never written: {error}");
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let reader = of(&server, KEY);
    for (writer, round) in (0..4).flat_map(|writer| (0..5).map(move |round| (writer, round))) {
        let site = site(&format!("busy-{writer}-{round}"));
        assert_eq!(reader.read(&zone("dcv.test"), &site).await.unwrap().txt, ["v"], "{site}");
    }
}

async fn refusal(provider: &PowerDns, zone: &Zone) -> Error {
    provider.probe(zone).await.expect_err("this cannot be probed")
}

/// What an operator may get wrong, each told as what it is; the key is in no message.
#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_names_its_cause() {
    let server = Server::start().await;
    let error = refusal(&of(&server, "wrong-key"), &zone("dcv.test")).await;
    assert_eq!((error.class(), error.label()), (Class::Setup, "bad-key"), "{error}");
    assert!(!format!("{error:?}").contains("wrong-key"), "the key leaked: {error:?}");
    let right = of(&server, KEY);
    for (zone, label) in [
        (zone("absent.test"), "no-such-zone"),
        (Zone { id: Some("absent.test.".to_owned()), ..zone("dcv.test") }, "no-such-zone"),
        (Zone { id: Some("other.test.".to_owned()), ..zone("dcv.test") }, "wrong-zone"),
        (zone("copy.test"), "secondary"),
    ] {
        let error = refusal(&right, &zone).await;
        assert_eq!((error.class(), error.label()), (Class::Setup, label), "{zone:?}: {error}");
        assert!(error.next_action().is_some(), "{error}");
    }
    let elsewhere = provider(&format!("http://127.0.0.1:{}", server.api), KEY, "no-such-server");
    assert_eq!(refusal(&elsewhere, &zone("dcv.test")).await.class(), Class::Setup);
    let down = provider(&format!("http://127.0.0.1:{}", free_port()), KEY, "localhost");
    assert_eq!(
        refusal(&down, &zone("dcv.test")).await.class(),
        Class::Later,
        "a server that is down comes back"
    );
}

/// A page instead of the API, and a redirect that would carry the key elsewhere.
#[tokio::test]
async fn what_is_no_powerdns_is_told() {
    let fake = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_string("<html>")).mount(&fake).await;
    let error = refusal(&provider(&fake.uri(), KEY, "localhost"), &zone("dcv.test")).await;
    assert_eq!((error.class(), error.label()), (Class::Setup, "not-powerdns"), "{error}");
    fake.reset().await;
    let away = ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:1/");
    Mock::given(any()).respond_with(away).mount(&fake).await;
    let error = refusal(&provider(&fake.uri(), KEY, "localhost"), &zone("dcv.test")).await;
    assert_eq!((error.class(), error.label()), (Class::Setup, "redirected"), "{error}");
    assert_eq!(fake.received_requests().await.unwrap().len(), 1, "the redirect was followed");
}

/// A server of 5.0.2 or later is asked for single values, so that nothing that others write meanwhile is replaced.
#[tokio::test]
async fn newer_servers_are_asked_for_single_values() {
    let fake = MockServer::start().await;
    let server = "/api/v1/servers/localhost";
    let answer = |json: Json| ResponseTemplate::new(200).set_body_json(json);
    Mock::given(method("GET"))
        .and(path(server))
        .respond_with(answer(json!({ "version": "5.0.2" })))
        .mount(&fake)
        .await;
    Mock::given(method("GET"))
        .and(path(format!("{server}/zones")))
        .respond_with(answer(json!([{ "id": "dcv.test.", "name": "dcv.test.", "kind": "Native" }])))
        .mount(&fake)
        .await;
    let set = |values: &[&str]| {
        let records: Vec<_> = values
            .iter()
            .map(|value| json!({ "content": format!("\"{value}\""), "disabled": false }))
            .collect();
        json!({ "name": "dcv.test.", "kind": "Native", "serial": 1, "rrsets": [
            { "name": "_dnsauth.www.dcv.test.", "type": "TXT", "ttl": 900, "records": records }] })
    };
    let zone_path = format!("{server}/zones/dcv.test.");
    Mock::given(method("GET"))
        .and(path(&zone_path))
        .respond_with(answer(set(&["theirs"])))
        .up_to_n_times(1)
        .mount(&fake)
        .await;
    Mock::given(method("GET"))
        .and(path(&zone_path))
        .respond_with(answer(set(&["theirs", "ours"])))
        .mount(&fake)
        .await;
    Mock::given(method("PATCH")).respond_with(ResponseTemplate::new(204)).mount(&fake).await;
    let provider = provider(&fake.uri(), KEY, "localhost");
    provider.apply(&zone("dcv.test"), &[add(site("www"), "ours")]).await.unwrap();
    let requests = fake.received_requests().await.unwrap();
    let patch = requests.iter().find(|request| request.method.as_str() == "PATCH").unwrap();
    assert_eq!(patch.headers["x-api-key"], KEY);
    let sent: Json = serde_json::from_slice(&patch.body).unwrap();
    assert_eq!(
        sent,
        json!({ "rrsets": [{ "name": "_dnsauth.www.dcv.test.", "type": "TXT", "changetype": "EXTEND", "ttl": 900,
            "records": [{ "content": "\"ours\"", "disabled": false }] }] })
    );
}
