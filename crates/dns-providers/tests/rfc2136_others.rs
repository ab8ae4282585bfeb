//! The kind `rfc2136` against other servers than BIND: each implementation has its own idea of an update.
#![cfg(feature = "rfc2136")]
#![allow(dead_code, reason = "each test uses a part of the servers")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

#[path = "support/bind.rs"]
mod bind;
#[path = "support/powerdns.rs"]
mod server;

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use dcv_core::{Change, RandomValue, RecordData, Ttl};
use dns_providers::{
    Class, Fixed, Settings, Zone,
    contract::{Bench, Neighbour as _},
    kinds::rfc2136::{Algorithm, Rfc2136, Rfc2136Settings, Tsig},
    policy::Grant,
};
use tempfile::TempDir;
use tokio::time::Instant;

use self::{
    bind::{Administrator, OTHER, SECRET, free_port},
    server::Server,
};

fn bench(port: u16) -> Bench {
    let tsig = Tsig {
        name: Some("dcv-key".to_owned()),
        algorithm: Some(Algorithm::HmacSha256),
        secret: Some(Arc::new(Fixed(SECRET.into())) as dns_providers::Secret),
        key_file: None,
    };
    let settings = Rfc2136Settings { server: vec![format!("127.0.0.1:{port}")], tsig };
    let provider = Arc::new(Rfc2136::new("test", settings).unwrap());
    let zone = Zone { name: "dcv.test".parse().unwrap(), id: None };
    Bench { provider, zone, neighbour: Arc::new(Administrator { port }), below: None }
}

/// A `knotd` of the test's own; ends with it.
struct Knot {
    child: Child,
    dir: TempDir,
    port: u16,
}

impl Drop for Knot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Knot {
    /// With a key for TXT and CNAME, and one for all.
    async fn start() -> Self {
        let acl =
            "acl:\n  - id: ours\n    key: dcv-key\n    action: update\n    update-type: [ TXT, CNAME ]\n";
        Self::with(acl, "ours").await
    }

    /// With this section `acl:`, of which the entry with this id is the zone's.
    async fn with(acl: &str, id: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, path) = (free_port(), dir.path().display());
        let config = format!(
            r#"server:
  rundir: "{path}"
  listen: [ 127.0.0.1@{port} ]
database:
  storage: "{path}"
log:
  - target: stderr
    any: info
key:
  - id: dcv-key
    algorithm: hmac-sha256
    secret: "{SECRET}"
  - id: other-key
    algorithm: hmac-sha256
    secret: "{OTHER}"
{acl}  - id: theirs
    key: other-key
    action: update
  - id: look
    address: 127.0.0.1
    action: transfer
zone:
  - domain: dcv.test
    storage: "{path}"
    file: dcv.test.zone
    acl: [ {id}, theirs, look ]
    zonefile-sync: -1
    journal-content: all
"#
        );
        let zone = "$TTL 60\n@ IN SOA ns.dcv.test. host.dcv.test. 1 60 60 3600 5\n@ IN NS ns.dcv.test.\nns IN A 127.0.0.1\n";
        std::fs::write(dir.path().join("knot.conf"), config).unwrap();
        std::fs::write(dir.path().join("dcv.test.zone"), zone).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("knotd")
            .arg("-c")
            .arg(dir.path().join("knot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("`knotd` is needed for this test: install the Debian package knot");
        let knot = Self { child, dir, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        while (Administrator { port }).everything(&"dcv.test".parse().unwrap()).await.is_empty() {
            let log = || std::fs::read_to_string(knot.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "knotd did not answer\n{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        knot
    }
}

/// Knot 3.2 keeps names in records in lower case, from a zone file as well as from an update.
#[tokio::test(flavor = "multi_thread")]
async fn knot_keeps_the_contract_but_for_capitals() {
    let knot = Knot::start().await;
    bench(knot.port).run_where_capitals_are_lost().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn powerdns_keeps_the_contract_by_updates_too() {
    let server = Server::start().await;
    server.allow_updates(&[("dcv-key", SECRET), ("other-key", OTHER)]);
    bench(server.port).run().await;
}

/// What `policy` prints for Knot is taken by Knot: it allows what is named and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn knot_takes_the_policy_that_is_printed() {
    let settings =
        r#"{ "rfc2136": { "server": "192.0.2.53:53", "tsig": { "name": "dcv-key", "secret": "" } } }"#;
    let zone = Zone { name: "dcv.test".parse().unwrap(), id: None };
    let names = vec!["_dnsauth.www.dcv.test".parse().unwrap(), "dcv.test".parse().unwrap()];
    let grant = Grant { zone: zone.clone(), names, further: None, aliases: false };
    let policies = serde_json::from_str::<Settings<String>>(settings).unwrap().policies(&[grant]);
    let text = &policies.iter().find(|policy| policy.title.starts_with("Knot")).unwrap().text;
    let knot = Knot::with(text, "dcv-agent-dcv-test").await;
    let bench = bench(knot.port);
    let add = |site| Change::Add {
        site,
        data: RecordData::Txt(RandomValue::new("v").unwrap()),
        ttl: Ttl::default(),
    };
    for site in [bench.site("www"), bench.bare(None)] {
        bench.provider.apply(&zone, &[add(site)]).await.expect("it is granted");
    }
    for site in [bench.site("other"), bench.bare(Some("www"))] {
        let error = bench.provider.apply(&zone, &[add(site)]).await.expect_err("it is not granted");
        assert_eq!(error.class(), Class::Setup, "{error}");
    }
}
