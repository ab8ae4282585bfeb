//! A real PowerDNS for tests, and an administrator who edits its zone by the API with curl.

use std::{
    net::{TcpListener, UdpSocket},
    process::{Child, Command, Stdio},
    time::Duration,
};

use async_trait::async_trait;
use dcv_core::DomainName;
use dns_providers::contract::Neighbour;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::time::Instant;

/// The server's `api-key`.
pub(crate) const KEY: &str = "hush-hush";

/// A `pdns_server` of the test's own with an SQLite database; ends with it.
pub(crate) struct Server {
    child: Child,
    dir: TempDir,
    pub(crate) port: u16,
    pub(crate) api: u16,
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
pub(crate) fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, api, path) = (free_port(), free_port(), dir.path().display());
        let config = format!(
            "launch=gsqlite3\ngsqlite3-database={path}/pdns.db\nlocal-address=127.0.0.1\nlocal-port={port}\n\
             socket-dir={path}\nguardian=no\ndaemon=no\napi=yes\napi-key={KEY}\nwebserver=yes\n\
             webserver-address=127.0.0.1\nwebserver-port={api}\nwebserver-allow-from=127.0.0.0/8\n\
             zone-cache-refresh-interval=0\ndisable-axfr=no\nallow-axfr-ips=127.0.0.0/8\n\
             dnsupdate=yes\nallow-dnsupdate-from=127.0.0.0/8\n"
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
        let deadline = Instant::now() + Duration::from_secs(30);
        while !server.neighbour().is_served().await || server.dig("dcv.test", "SOA").is_empty() {
            let log = || std::fs::read_to_string(server.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "pdns_server did not answer\n{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    pub(crate) fn neighbour(&self) -> Administrator {
        Administrator {
            zone: format!("http://127.0.0.1:{}/api/v1/servers/localhost/zones/dcv.test.", self.api),
        }
    }

    /// Lets these keys, name and secret, update the zone by RFC 2136.
    pub(crate) fn allow_updates(&self, keys: &[(&str, &str)]) {
        let config = format!("--config-dir={}", self.dir.path().display());
        let pdnsutil = |arguments: &[&str]| {
            run(Command::new("pdnsutil").arg(&config).args(arguments), "pdns-server");
        };
        for (name, secret) in keys {
            pdnsutil(&["import-tsig-key", name, "hmac-sha256", secret]);
        }
        let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
        pdnsutil(&[&["set-meta", "dcv.test", "TSIG-ALLOW-DNSUPDATE"], names.as_slice()].concat());
    }

    /// What DNS answers, a line a value.
    pub(crate) fn dig(&self, name: &str, kind: &str) -> Vec<String> {
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
pub(crate) struct Administrator {
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

    async fn is_served(&self) -> bool {
        let mut curl = tokio::process::Command::new("curl");
        let asked = curl.args(["-sf", "-o", "/dev/null", "-H", &format!("X-API-Key: {KEY}"), &self.zone]);
        asked
            .status()
            .await
            .expect("`curl` is needed for this test: install the Debian package curl")
            .success()
    }

    pub(crate) async fn patch(&self, set: Json) {
        let body = json!({ "rrsets": [set] }).to_string();
        self.curl(&["-X", "PATCH", "-d", &body], &self.zone).await;
    }

    /// The sets at a name, as the API shows them.
    pub(crate) async fn sets(&self, owner: &str) -> Vec<Json> {
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
