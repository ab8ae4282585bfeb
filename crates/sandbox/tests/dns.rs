//! The DNS servers, seen through `dig` and `nsupdate`, which know nothing of hickory.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use std::{
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use dcv_sandbox::dns::{DnsConfig, DnsServer, TsigAlgorithm, TsigKey, UpdatePolicy, ZoneSpec};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RecordType, TSigner, rdata::tsig::TsigError},
};
use support::until;

const SECRET: &str = "c2FuZGJveC1zZWNyZXQtc2FuZGJveC1zZWNyZXQtMDE=";
const OWNER: &str = "_dnsauth.example.com";

fn key(algorithm: TsigAlgorithm) -> TsigKey {
    TsigKey { name: "agent.".to_owned(), algorithm, secret_base64: SECRET.to_owned() }
}

async fn server(policy: UpdatePolicy, lag: Option<Duration>) -> DnsServer {
    serve(TsigAlgorithm::HmacSha256, policy, lag).await
}

async fn serve(algorithm: TsigAlgorithm, policy: UpdatePolicy, lag: Option<Duration>) -> DnsServer {
    let zone = ZoneSpec::new("example.com").record("www.example.com", "A", 300, "192.0.2.1").record(
        OWNER,
        "TXT",
        300,
        "somebody else's",
    );
    let other = ZoneSpec::new("example.net").record("_dnsauth.example.net", "CNAME", 60, "x.example.net.");
    let tsig = Some(key(algorithm));
    DnsServer::start(DnsConfig { zones: vec![zone, other], tsig, policy, lag, ..DnsConfig::default() })
        .await
        .unwrap()
}

/// Runs `nsupdate` and returns what it complains about, nothing on success.
fn nsupdate(to: SocketAddr, key: Option<&TsigKey>, flags: &[&str], commands: &str) -> String {
    let key = key.map_or_else(String::new, |key| {
        format!("key {}:{} {}\n", key.algorithm.as_str(), key.name, key.secret_base64)
    });
    let script = format!("server {} {}\n{key}{commands}\nsend\n", to.ip(), to.port());
    let mut child = Command::new("nsupdate")
        .args(["-t", "5"])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() { String::new() } else { String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// The lines of `dig +short`, sorted.
fn dig(at: SocketAddr, flags: &[&str], owner: &str, kind: &str) -> Vec<String> {
    let output = Command::new("dig")
        .args(["+norecurse", "+time=2", "+tries=1", &format!("@{}", at.ip()), "-p", &at.port().to_string()])
        .args(if flags.is_empty() { &["+short"] } else { flags })
        .args([owner, kind])
        .output()
        .unwrap();
    let mut lines: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .filter(|line| !line.is_empty())
        .collect();
    lines.sort();
    lines
}

fn add(value: &str) -> String {
    format!("zone example.com\nupdate add {OWNER} 60 TXT \"{value}\"")
}

fn serial(at: SocketAddr) -> String {
    dig(at, &[], "example.com", "SOA")[0].split(' ').nth(2).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_are_answered_over_udp_and_tcp() {
    let dns = server(UpdatePolicy::ValidationOnly, None).await;
    let at = dns.primary();
    for transport in ["+notcp", "+tcp"] {
        assert_eq!(dig(at, &["+short", transport], "www.example.com", "A"), ["192.0.2.1"]);
        assert_eq!(dig(at, &["+short", transport], OWNER, "TXT"), ["\"somebody else's\""]);
    }
    assert_eq!(dig(at, &[], "example.com", "NS"), ["ns1.example.com."]);
    assert!(dig(at, &["+comments"], "nowhere.example.com", "TXT").join("\n").contains("NXDOMAIN"));
    assert!(dig(at, &["+comments"], "www.example.com", "TXT").join("\n").contains("NOERROR"));
    assert!(dig(at, &["+comments"], "elsewhere.test", "TXT").join("\n").contains("REFUSED"));
    assert_eq!((dns.secondary(), dns.addresses()), (None, vec![at]));
    dns.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_updates_are_applied_for_every_hash() {
    for algorithm in [TsigAlgorithm::HmacSha256, TsigAlgorithm::HmacSha384, TsigAlgorithm::HmacSha512] {
        let dns = serve(algorithm, UpdatePolicy::ValidationOnly, None).await;
        let key = key(algorithm);
        assert_eq!(nsupdate(dns.primary(), Some(&key), &[], &add("udp")), "");
        assert_eq!(nsupdate(dns.primary(), Some(&key), &["-v"], &add("tcp")), "");
        assert_eq!(dns.txt(OWNER).await, ["somebody else's", "udp", "tcp"]);
        assert_eq!(dns.updates(), 2);
        dns.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_value_survives_the_removal_of_another() {
    let dns = server(UpdatePolicy::ValidationOnly, None).await;
    let at = dns.primary();
    let key = key(TsigAlgorithm::HmacSha256);
    let before = serial(at);
    assert_eq!(nsupdate(at, Some(&key), &[], &add("ours")), "");
    assert_eq!(nsupdate(at, Some(&key), &[], &add("ours")), "", "adding twice is no error");
    assert_eq!(dig(at, &[], OWNER, "TXT"), ["\"ours\"", "\"somebody else's\""]);
    assert_ne!(serial(at), before);

    let remove = format!("zone example.com\nupdate delete {OWNER} TXT \"ours\"");
    assert_eq!(nsupdate(at, Some(&key), &[], &remove), "");
    assert_eq!(nsupdate(at, Some(&key), &[], &remove), "", "removing twice is no error");
    assert_eq!(dig(at, &[], OWNER, "TXT"), ["\"somebody else's\""]);

    // An owner whose last value goes is gone, not empty.
    dns.remove_txt(OWNER, "somebody else's").await.unwrap();
    assert!(dig(at, &["+comments"], OWNER, "TXT").join("\n").contains("NXDOMAIN"));
    dns.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prerequisites_are_checked_before_anything_changes() {
    let dns = server(UpdatePolicy::ValidationOnly, None).await;
    let (at, key) = (dns.primary(), key(TsigAlgorithm::HmacSha256));
    let with = |prerequisite: &str| {
        let commands = format!("zone example.com\n{prerequisite}\nupdate add {OWNER} 60 TXT new");
        nsupdate(at, Some(&key), &[], &commands)
    };
    assert!(with(&format!("prereq nxrrset {OWNER} TXT")).contains("YXRRSET"));
    assert!(with(&format!("prereq nxdomain {OWNER}")).contains("YXDOMAIN"));
    assert!(with("prereq yxdomain nowhere.example.com").contains("NXDOMAIN"));
    assert!(with(&format!("prereq yxrrset {OWNER} CNAME")).contains("NXRRSET"));
    assert!(with(&format!("prereq yxrrset {OWNER} TXT other")).contains("NXRRSET"));
    assert_eq!(dns.txt(OWNER).await, ["somebody else's"]);
    assert_eq!(with(&format!("prereq yxrrset {OWNER} TXT \"somebody else's\"")), "");
    assert_eq!(dns.txt(OWNER).await.len(), 2);
    dns.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_turned_away() {
    let dns = server(UpdatePolicy::Any, None).await;
    let at = dns.primary();
    let good = key(TsigAlgorithm::HmacSha256);
    let wrong =
        TsigKey { secret_base64: "d3Jvbmctc2VjcmV0LXdyb25nLXNlY3JldC13cm9uZyE=".to_owned(), ..good.clone() };
    let unknown = TsigKey { name: "unknown.".to_owned(), ..good.clone() };
    for flags in [[].as_slice(), &["-v"]] {
        assert!(nsupdate(at, None, flags, &add("x")).contains("REFUSED"));
        let refusal = nsupdate(at, Some(&wrong), flags, &add("x"));
        assert!(refusal.contains("BADSIG"), "{refusal}");
        let refusal = nsupdate(at, Some(&unknown), flags, &add("x"));
        assert!(refusal.contains("BADKEY"), "{refusal}");
        let refusal = nsupdate(at, Some(&key(TsigAlgorithm::HmacSha512)), flags, &add("x"));
        assert!(refusal.contains("BADKEY"), "{refusal}");
    }
    assert_eq!((dns.txt(OWNER).await.len(), dns.updates()), (1, 0));
    dns.shutdown().await;
}

#[tokio::test]
async fn a_clock_that_is_far_off_is_bad_time() {
    let dns = server(UpdatePolicy::Any, None).await;
    let signer = TSigner::new(
        b"sandbox-secret-sandbox-secret-01".to_vec(),
        hickory_proto::rr::rdata::tsig::TsigAlgorithm::HmacSha256,
        Name::from_ascii("agent.").unwrap(),
        300,
    )
    .unwrap();
    let mut update = Message::new(7, MessageType::Query, OpCode::Update);
    update.add_query(Query::query(Name::from_ascii("example.com.").unwrap(), RecordType::SOA));
    update.finalize(&signer, 1_000_000_000).unwrap();

    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&update.to_vec().unwrap(), dns.primary()).await.unwrap();
    let mut reply = [0; 1232];
    let length = tokio::time::timeout(support::DEADLINE, socket.recv(&mut reply)).await.unwrap().unwrap();
    let reply = Message::from_vec(&reply[..length]).unwrap();
    assert_eq!(reply.response_code, ResponseCode::NotAuth);
    assert_eq!(reply.signature().unwrap().data.error, Some(TsigError::BadTime));
    assert_eq!(dns.updates(), 0);
    dns.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_whole_zones_take_updates() {
    let dns = server(UpdatePolicy::Any, None).await;
    let key = key(TsigAlgorithm::HmacSha256);
    for zone in ["sub.example.com", "example.org"] {
        let commands = format!("zone {zone}\nupdate add _dnsauth.{zone} 60 TXT x");
        let refusal = nsupdate(dns.primary(), Some(&key), &[], &commands);
        assert!(refusal.contains("NOTAUTH"), "{zone}: {refusal}");
        // The refusal itself is signed: nsupdate would complain about the signature otherwise.
        assert!(!refusal.contains("TSIG") && !refusal.contains("tsig"), "{refusal}");
    }
    let outside = "zone example.com\nupdate add _dnsauth.example.org 60 TXT x";
    assert!(nsupdate(dns.primary(), Some(&key), &[], outside).contains("NOTZONE"));
    dns.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_bounds_names_and_types() {
    let dns = server(UpdatePolicy::ValidationOnly, None).await;
    let key = key(TsigAlgorithm::HmacSha256);
    let update =
        |commands: &str| nsupdate(dns.primary(), Some(&key), &[], &format!("zone example.com\n{commands}"));
    for refused in [
        "update add www.example.com 60 TXT x",
        "update add example.com 60 TXT x",
        "update add _dnsauth.example.com 60 HINFO a b",
        "update delete _dnsauth.example.com",
        "update delete www.example.com A",
        // One record out of bounds spoils the message.
        "update add _dnsauth.a.example.com 60 TXT fine\nupdate add www.example.com 60 TXT x",
    ] {
        let refusal = update(refused);
        assert!(refusal.contains("REFUSED"), "{refused}: {refusal}");
    }
    assert_eq!(dns.txt("_dnsauth.a.example.com").await, [""; 0]);
    assert_eq!(update("update add _DNSAUTH.a.example.com 60 TXT fine"), "");
    assert_eq!(update("update add _dnsauth.b.example.com 60 CNAME v.dcv.digicert.com."), "");
    assert_eq!(dns.txt("_dnsauth.a.example.com").await, ["fine"]);
    assert_eq!(dns.cname("_dnsauth.b.example.com").await.as_deref(), Some("v.dcv.digicert.com."));
    dns.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_and_data_never_meet() {
    let dns = server(UpdatePolicy::Any, None).await;
    let key = key(TsigAlgorithm::HmacSha256);
    let beside = "zone example.net\nupdate add _dnsauth.example.net 60 TXT x";
    assert_eq!(nsupdate(dns.primary(), Some(&key), &[], beside), "", "RFC 2136 ignores it in silence");
    assert_eq!(dns.txt("_dnsauth.example.net").await, [""; 0]);
    let replace = "zone example.net\nupdate add _dnsauth.example.net 60 CNAME y.example.net.";
    assert_eq!(nsupdate(dns.primary(), Some(&key), &[], replace), "");
    assert_eq!(dns.cname("_dnsauth.example.net").await.as_deref(), Some("y.example.net."));
    dns.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secondary_follows_after_its_lag() {
    const LAG: Duration = Duration::from_millis(700);
    let dns = server(UpdatePolicy::ValidationOnly, Some(LAG)).await;
    let secondary = dns.secondary().unwrap();
    assert_eq!(dig(secondary, &[], OWNER, "TXT"), ["\"somebody else's\""]);

    let start = Instant::now();
    assert_eq!(nsupdate(dns.primary(), Some(&key(TsigAlgorithm::HmacSha256)), &[], &add("ours")), "");
    dns.add_txt(OWNER, "third").await.unwrap();
    assert_eq!(dns.txt(OWNER).await, ["somebody else's", "ours", "third"]);
    until("the secondary shows both", async || dig(secondary, &[], OWNER, "TXT").len() == 3).await;
    assert!(start.elapsed() >= LAG);
    assert_eq!(serial(secondary), serial(dns.primary()));

    let refusal = nsupdate(secondary, Some(&key(TsigAlgorithm::HmacSha256)), &[], &add("x"));
    assert!(!refusal.is_empty(), "a secondary takes no updates");
    dns.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_long_values_come_over_tcp() {
    let dns = server(UpdatePolicy::ValidationOnly, None).await;
    let long = "v".repeat(600);
    dns.add_txt(OWNER, &long).await.unwrap();
    for n in 0..30 {
        dns.add_txt(OWNER, &format!("{n:0>100}")).await.unwrap();
    }
    assert!(dns.txt(OWNER).await.contains(&long));
    assert_eq!(dig(dns.primary(), &[], OWNER, "TXT").len(), 32);
    dns.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_frees_the_port() {
    let dns = server(UpdatePolicy::ValidationOnly, Some(Duration::from_secs(3600))).await;
    let addresses = dns.addresses();
    dns.add_txt(OWNER, "waiting").await.unwrap();
    dns.shutdown().await;
    for address in addresses {
        // Another test may have been given the port in the meantime, but not for long.
        until("the port is free", async || tokio::net::UdpSocket::bind(address).await.is_ok()).await;
    }
}

#[tokio::test]
async fn nonsense_is_reported_at_start() {
    let start = |zone: ZoneSpec| DnsServer::start(DnsConfig { zones: vec![zone], ..DnsConfig::default() });
    for zone in [
        ZoneSpec::new("bad..name"),
        ZoneSpec::new("example.com").record("example.org", "TXT", 1, "outside"),
        ZoneSpec::new("example.com").record("a.example.com", "NONSENSE", 1, "x"),
        ZoneSpec::new("example.com").record("a.example.com", "A", 1, "not an address"),
    ] {
        let error = start(zone.clone()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{zone:?}");
    }
}
