//! The kind `powerdns` against a real server, and refusals that it does not give at will played by a fake.
#![cfg(feature = "powerdns")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

use std::{
    net::{TcpListener, UdpSocket},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, Guarded, Lookup, RandomValue, RecordData, Site, Ttl};
use dns_providers::{
    Class, DnsProvider, Error, Fixed, Secret, Zone,
    contract::{Bench, Neighbour},
    kinds::powerdns::{PowerDns, PowerDnsSettings},
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::time::Instant;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, method, path},
};

const KEY: &str = "hush-hush";

/// A `pdns_server` of the test's own with an SQLite database; ends with it.
struct Server {
    child: Child,
    dir: TempDir,
    port: u16,
    api: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the database needs; part of the Debian package.
const SCHEMA: &str = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql";

/// A port that is free for both transports at this moment.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, api, path) = (free_port(), free_port(), dir.path().display());
        let config = format!(
            "launch=gsqlite3\ngsqlite3-database={path}/pdns.db\nlocal-address=127.0.0.1\nlocal-port={port}\n\
             socket-dir={path}\nguardian=no\ndaemon=no\napi=yes\napi-key={KEY}\nwebserver=yes\n\
             webserver-address=127.0.0.1\nwebserver-port={api}\nwebserver-allow-from=127.0.0.0/8\n\
             zone-cache-refresh-interval=0\ndisable-axfr=no\nallow-axfr-ips=127.0.0.0/8\n"
        );
        std::fs::write(dir.path().join("pdns.conf"), config).unwrap();
        let schema = std::fs::File::open(SCHEMA).expect(
            "PowerDNS's schema is needed for this test: install the Debian package pdns-backend-sqlite3",
        );
        run(Command::new("sqlite3").arg(dir.path().join("pdns.db")).stdin(schema), "sqlite3");
        for zone in ["dcv.test", "other.test"] {
            let mut command = Command::new("pdnsutil");
            command.arg(format!("--config-dir={path}")).args(["create-zone", zone, &format!("ns1.{zone}")]);
            run(&mut command, "pdns-server");
        }
        let mut secondary = Command::new("pdnsutil");
        secondary.arg(format!("--config-dir={path}")).args([
            "create-secondary-zone",
            "copy.test",
            "127.0.0.1",
        ]);
        run(&mut secondary, "pdns-server");
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("pdns_server")
            .arg(format!("--config-dir={path}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("`pdns_server` is needed for this test: install the Debian package pdns-server");
        let server = Self { child, dir, port, api };
        let provider = server.provider(KEY);
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = provider.probe(&zone("dcv.test")).await {
            let log = || std::fs::read_to_string(server.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "pdns_server did not answer: {error}\n{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    fn provider(&self, key: &str) -> PowerDns {
        provider(&format!("http://127.0.0.1:{}", self.api), key, "localhost")
    }

    fn neighbour(&self) -> Administrator {
        Administrator {
            zone: format!("http://127.0.0.1:{}/api/v1/servers/localhost/zones/dcv.test.", self.api),
        }
    }

    /// What DNS answers, a line a value.
    fn dig(&self, name: &str, kind: &str) -> Vec<String> {
        let output = Command::new("dig")
            .args(["@127.0.0.1", "-p", &self.port.to_string(), "+short", name, kind])
            .output()
            .expect("`dig` is needed for this test: install the Debian package bind9-dnsutils");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

fn run(command: &mut Command, package: &str) {
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{command:?}: {error}; install the Debian package {package}");
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Whoever edits the zone by the API too.
#[derive(Debug)]
struct Administrator {
    zone: String,
}

impl Administrator {
    async fn curl(&self, arguments: &[&str], url: &str) -> Json {
        let output = tokio::process::Command::new("curl")
            .args(["-sS", "--fail-with-body", "-H", &format!("X-API-Key: {KEY}")])
            .args(arguments)
            .arg(url)
            .output()
            .await
            .expect("`curl` is needed for this test: install the Debian package curl");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{url}: {text}");
        if text.is_empty() { Json::Null } else { serde_json::from_str(&text).unwrap() }
    }

    async fn patch(&self, set: Json) {
        let body = json!({ "rrsets": [set] }).to_string();
        self.curl(&["-X", "PATCH", "-d", &body], &self.zone).await;
    }

    /// The sets at a name, as the API shows them.
    async fn sets(&self, owner: &str) -> Vec<Json> {
        let zone = self.curl(&[], &self.zone).await;
        let sets = zone["rrsets"].as_array().unwrap();
        sets.iter().filter(|set| set["name"] == format!("{owner}.")).cloned().collect()
    }
}

#[async_trait]
impl Neighbour for Administrator {
    async fn put(&self, owner: &DomainName, kind: &str, ttl: u32, values: &[&str]) {
        let records: Vec<_> =
            values.iter().map(|value| json!({ "content": value, "disabled": false })).collect();
        let name = format!("{owner}.");
        self.patch(
            json!({ "name": name, "type": kind, "ttl": ttl, "changetype": "REPLACE", "records": records }),
        )
        .await;
    }

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let mut lines = Vec::new();
        for set in self.sets(owner.as_str()).await {
            for record in set["records"].as_array().unwrap() {
                let mut data = record["content"].as_str().unwrap().to_owned();
                if set["type"] == "SOA" {
                    // Without the serial, which every change raises.
                    let mut words: Vec<_> = data.split(' ').collect();
                    words.remove(2);
                    data = words.join(" ");
                }
                lines.push(format!("{} {} {data}", set["ttl"], set["type"].as_str().unwrap()));
            }
        }
        lines.sort();
        lines
    }
}

fn provider(base_url: &str, key: &str, server_id: &str) -> PowerDns {
    let settings = PowerDnsSettings {
        base_url: base_url.to_owned(),
        api_key: Arc::new(Fixed(key.into())) as Secret,
        server_id: server_id.to_owned(),
    };
    PowerDns::new("test", settings).unwrap()
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
        provider: Arc::new(server.provider(KEY)),
        zone: zone("dcv.test"),
        neighbour: Arc::new(server.neighbour()),
    };
    bench.run().await;
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
    let (provider, admin) = (server.provider(KEY), server.neighbour());
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
    let provider = Arc::new(server.provider(KEY));
    // A provider of its own is another process as far as turns are concerned.
    let others: Vec<_> = (0..3).map(|_| Arc::new(server.provider(KEY))).collect();
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
    let reader = server.provider(KEY);
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
    let error = refusal(&server.provider("wrong-key"), &zone("dcv.test")).await;
    assert_eq!((error.class(), error.label()), (Class::Setup, "bad-key"), "{error}");
    assert!(!format!("{error:?}").contains("wrong-key"), "the key leaked: {error:?}");
    let right = server.provider(KEY);
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
        .respond_with(answer(json!([{ "id": "dcv.test.", "kind": "Native" }])))
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
