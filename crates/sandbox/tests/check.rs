//! The check against real DNS servers, and the life of an order that follows from it.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use std::time::{Duration, Instant};

use dcv_sandbox::{
    AgentFiles, Sandbox, SandboxConfig,
    ca::{
        CheckMiss, CnameMatch, Endpoint, OrderSpec, Organisation, OwnPolling, Profile, Scope, TxtMatch,
        TxtNames,
    },
    dns::{DnsConfig, ZoneSpec},
};
use reqwest::Method;
use serde_json::json;
use support::{Client, code, until};

async fn sandbox(profile: Profile, lag: Option<Duration>, zones: &[ZoneSpec]) -> (Sandbox, Client) {
    let mut config = SandboxConfig::default();
    config.ca.profile = profile;
    config.ca.rate = Vec::new();
    config.dns = DnsConfig { lag, ..config.dns };
    config.dns.zones.extend_from_slice(zones);
    let sandbox = Sandbox::start(config).await.unwrap();
    let client = Client::new(&sandbox.ca);
    (sandbox, client)
}

#[tokio::test]
async fn the_value_must_be_at_every_address() {
    const LAG: Duration = Duration::from_millis(500);
    let (sandbox, client) = sandbox(Profile::default(), Some(LAG), &[]).await;
    let order = sandbox.ca.place(OrderSpec::dv(["www.example.com", "example.org"]));
    let value = client.value(order).await.0;
    let (status, body) = client.check(order).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["order_status"], &body["dcv_status"], &body["dns_name_validations"]),
        (
            &json!("pending"),
            &json!("pending"),
            &json!([
                { "dns_name": "www.example.com", "status": "unapproved" },
                { "dns_name": "example.org", "status": "unapproved" },
            ])
        )
    );

    let start = Instant::now();
    sandbox.dns.add_txt("_dnsauth.example.com", &value).await.unwrap();
    until("the first scope is approved", async || {
        client.check(order).await.1["dns_name_validations"][0]["status"] == "approved"
    })
    .await;
    assert!(start.elapsed() >= LAG, "the secondary did not have it before");
    assert_eq!(sandbox.ca.order_status(order).as_deref(), Some("pending"));

    sandbox.dns.add_txt("_dnsauth.example.org", &value).await.unwrap();
    until("issued", async || client.check(order).await.1["order_status"] == "issued").await;
    let (_, body) = client.get(&format!("/order/certificate/{order}/validation")).await;
    assert_eq!(body["dns_name_validations"][1]["status"], "approved");
    let (_, body) = client.check(order).await;
    assert_eq!((&body["dcv_status"], &body["order_status"]), (&json!("valid"), &json!("issued")));
    assert!(sandbox.ca.stats().dns_questions > 4);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_miss_has_several_forms() {
    let (sandbox, client) = sandbox(Profile::default(), None, &[]).await;
    let order = sandbox.ca.place(OrderSpec::dv(["example.com"]));
    let cname = sandbox.ca.place(OrderSpec::dv(["example.com"]).method("dns-cname-token"));
    let http = sandbox.ca.place(OrderSpec::dv(["example.com"]).method("http-token"));
    client.value(order).await;
    sandbox.ca.alter_profile(|profile| profile.check_miss = CheckMiss::Pending);
    assert_eq!(client.check(order).await.1["dns_name_validations"][0]["status"], "pending");
    sandbox.ca.alter_profile(|profile| profile.check_miss = CheckMiss::InvalidDnsTxt);
    let (status, body) = client.check(order).await;
    assert_eq!((status.as_u16(), code(&body)), (400, "invalid_dns_txt"));
    let (status, body) = client.check(cname).await;
    assert_eq!(status, 400);
    assert_ne!(code(&body), "invalid_dns_txt");
    assert_eq!(code(&client.check(http).await.1), "file_random_value_not_found");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn where_and_how_a_text_matches() {
    let (sandbox, client) =
        sandbox(Profile { txt_names: TxtNames::Dnsauth, ..Profile::default() }, None, &[]).await;
    let place = async || {
        let order = sandbox.ca.place(OrderSpec::dv(["www.example.com"]).scope(Scope::Fqdn));
        let value = client.value(order).await.0;
        (order, value)
    };
    let is_issued = async |order: u64| client.check(order).await.1["order_status"] == "issued";

    let (order, value) = place().await;
    sandbox.dns.add_txt("www.example.com", &format!("digicert={value}")).await.unwrap();
    assert!(!is_issued(order).await, "the bare name is not looked at");
    sandbox.ca.alter_profile(|profile| {
        profile.txt_names = TxtNames::Bare;
        profile.txt_match = TxtMatch::Equals;
    });
    assert!(!is_issued(order).await, "the text only contains the value");
    sandbox.ca.alter_profile(|profile| profile.txt_match = TxtMatch::Contains);
    assert!(is_issued(order).await);

    // Upper case is another value.
    let (order, value) = place().await;
    sandbox.dns.add_txt("www.example.com", &value.to_uppercase()).await.unwrap();
    assert!(!is_issued(order).await);
    sandbox.shutdown().await;
}

/// What DigiCert's published library does: a value in two strings is none, and a target is compared letter for letter.
#[tokio::test]
async fn records_are_compared_as_the_library_compares_them() {
    const VALUE: &str = "Ab3Cd5Ef7Gh9Ij1Kl3Mn5Op7Qr9St1Uv";
    let (one, two) = VALUE.split_at(16);
    let alias = |label: &str, target: &str| (format!("_dnsauth.{label}.lib.test"), target.to_owned());
    let mut zone = ZoneSpec::new("lib.test")
        .record("split.lib.test", "TXT", 60, format!("\"{one}\" \"{two}\""))
        .record("longer.lib.test", "TXT", 60, format!("\"beside\" \"in={VALUE};\""))
        .record("bare.lib.test", "CNAME", 60, format!("{VALUE}.dcv.digicert.com."));
    for (owner, target) in [
        alias("right", &format!("{VALUE}.DCV.digicert.com.")),
        alias("lowered", &format!("{}.dcv.digicert.com.", VALUE.to_lowercase())),
        alias("suffix", &format!("x.{VALUE}.elsewhere.test.")),
    ] {
        zone = zone.record(&owner, "CNAME", 60, &target);
    }
    let profile = Profile { value_literal: Some(VALUE.to_owned()), ..Profile::default() };
    let (sandbox, client) = sandbox(profile, Some(Duration::from_millis(1)), &[zone]).await;
    for (name, method, by_target, by_library) in [
        ("split", "dns-txt-token", false, false),
        ("longer", "dns-txt-token", true, true),
        ("right", "dns-cname-token", true, true),
        ("lowered", "dns-cname-token", false, false),
        ("suffix", "dns-cname-token", false, true),
        ("bare", "dns-cname-token", false, true),
    ] {
        let name = format!("{name}.lib.test");
        let order = sandbox.ca.place(OrderSpec::dv([name.as_str()]).scope(Scope::Fqdn).method(method));
        client.value(order).await;
        for (cname_match, found) in [(CnameMatch::Target, by_target), (CnameMatch::Contains, by_library)] {
            sandbox.ca.alter_profile(|profile| profile.cname_match = cname_match);
            let issued = client.check(order).await.1["order_status"] == "issued";
            assert_eq!(issued, found, "{name}, {cname_match:?}");
        }
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn an_expired_value_does_not_count_except_in_its_grace() {
    let (sandbox, client) = sandbox(Profile::default(), None, &[]).await;
    let order = sandbox.ca.place(OrderSpec::dv(["example.com"]));
    let value = client.value(order).await.0;
    sandbox.dns.add_txt("_dnsauth.example.com", &value).await.unwrap();
    sandbox.ca.expire_value(order);
    assert_eq!(client.check(order).await.1["order_status"], "pending");
    sandbox.ca.alter_profile(|profile| profile.value_grace = Duration::from_secs(3600));
    assert_eq!(client.check(order).await.1["order_status"], "issued");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn aliases_lead_into_other_zones_and_loops_end() {
    let zones = [
        ZoneSpec::new("corp.test").record("_dnsauth.corp.test", "CNAME", 60, "a.hop.test."),
        ZoneSpec::new("hop.test").record("a.hop.test", "CNAME", 60, "b.hop.test.").record(
            "b.hop.test",
            "CNAME",
            60,
            "corp.dcv.test.",
        ),
        ZoneSpec::new("dcv.test"),
        ZoneSpec::new("loop.test").record("_dnsauth.loop.test", "CNAME", 60, "_dnsauth.pool.test."),
        ZoneSpec::new("pool.test").record("_dnsauth.pool.test", "CNAME", 60, "_dnsauth.loop.test."),
        ZoneSpec::new("lost.test").record("_dnsauth.lost.test", "CNAME", 60, "x.nowhere.invalid."),
    ];
    let (sandbox, client) = sandbox(Profile::default(), Some(Duration::from_millis(1)), &zones).await;
    let order = sandbox.ca.place(OrderSpec::dv(["www.corp.test"]));
    let value = client.value(order).await.0;
    assert_eq!(client.check(order).await.1["order_status"], "pending");
    sandbox.dns.add_txt("corp.dcv.test", &value).await.unwrap();
    until("issued", async || client.check(order).await.1["order_status"] == "issued").await;

    let order = sandbox.ca.place(OrderSpec::dv(["loop.test", "lost.test"]));
    client.value(order).await;
    assert_eq!(client.check(order).await.1["order_status"], "pending");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn cname_orders_want_an_alias_under_the_suffix() {
    let (sandbox, client) = sandbox(
        Profile { value_literal: Some("abc123".to_owned()), ..Profile::default() },
        None,
        &[
            ZoneSpec::new("good.test").record("_dnsauth.good.test", "CNAME", 60, "abc123.DCV.digicert.com."),
            ZoneSpec::new("capitals.test").record(
                "_dnsauth.capitals.test",
                "CNAME",
                60,
                "ABC123.dcv.digicert.com.",
            ),
            ZoneSpec::new("bad.test").record("_dnsauth.bad.test", "CNAME", 60, "abc123.dcv.example."),
        ],
    )
    .await;
    for (name, status) in [
        ("good.test", "issued"),
        ("capitals.test", "pending"),
        ("bad.test", "pending"),
        ("example.com", "pending"),
    ] {
        let order = sandbox.ca.place(OrderSpec::dv([name]).method("dns-cname-token"));
        client.value(order).await;
        assert_eq!(client.check(order).await.1["order_status"], status, "{name}");
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn large_answers_are_fetched_over_tcp() {
    let (sandbox, client) = sandbox(Profile::default(), None, &[]).await;
    for n in 0..60 {
        sandbox.dns.add_txt("_dnsauth.example.com", &format!("{n:0>120}")).await.unwrap();
    }
    let order = sandbox.ca.place(OrderSpec::dv(["example.com"]));
    let value = client.value(order).await.0;
    sandbox.dns.add_txt("_dnsauth.example.com", &value).await.unwrap();
    assert_eq!(client.check(order).await.1["order_status"], "issued");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn blind_and_dead_perspectives_fail_the_check_unless_tolerated() {
    let mut config = SandboxConfig::default();
    // A port that was free a moment ago: nobody answers there.
    let dead = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    config.dns.lag = Some(Duration::ZERO);
    config.ca.profile.dns_timeout = Duration::from_millis(300);
    let dns = dcv_sandbox::dns::DnsServer::start(config.dns.clone()).await.unwrap();
    let mut addresses = dns.addresses();
    config.ca.authorities.insert("example.com".to_owned(), [addresses.clone(), vec![dead]].concat());
    let ca = dcv_sandbox::ca::CaSimulator::start(config.ca).await.unwrap();
    let client = Client::new(&ca);
    let order = ca.place(OrderSpec::dv(["example.com"]));
    let value = client.value(order).await.0;
    dns.add_txt("_dnsauth.example.com", &value).await.unwrap();
    until("the primary has it", async || dns.txt("_dnsauth.example.com").await.contains(&value)).await;
    assert_eq!(client.check(order).await.1["order_status"], "pending");
    ca.alter_profile(|profile| {
        profile.tolerated_misses = 1;
        profile.blind = vec![addresses.remove(0)];
    });
    assert_eq!(client.check(order).await.1["order_status"], "pending");
    ca.alter_profile(|profile| profile.blind.clear());
    until("issued", async || client.check(order).await.1["order_status"] == "issued").await;
    ca.shutdown().await;
    dns.shutdown().await;
}

#[tokio::test]
async fn a_subset_is_checked_under_either_spelling() {
    let (sandbox, client) = sandbox(Profile::default(), None, &[]).await;
    for spelling in ["dns_names_validations", "dns_name_validations"] {
        let order = sandbox.ca.place(OrderSpec::dv(["a.example.com", "b.example.org"]));
        let value = client.value(order).await.0;
        sandbox.dns.add_txt("_dnsauth.example.com", &value).await.unwrap();
        sandbox.dns.add_txt("_dnsauth.example.org", &value).await.unwrap();
        let path = format!("/order/certificate/{order}/check-dcv");
        let (_, body) = client.call(Method::PUT, &path, Some(json!({ spelling: ["B.example.org"] }))).await;
        assert_eq!(
            body["dns_name_validations"],
            json!([{ "dns_name": "b.example.org", "status": "approved" }])
        );
        assert_eq!(sandbox.ca.scopes(order)[0], ("example.com".to_owned(), false));
        assert_eq!(client.check(order).await.1["order_status"], "issued");
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn organisations_and_processing_delay_the_issue() {
    let profile = Profile { processing: Duration::from_millis(400), ..Profile::default() };
    let (sandbox, client) = sandbox(profile, None, &[]).await;
    let order = sandbox.ca.place(OrderSpec::ov(["example.com"]));
    let value = client.value(order).await.0;
    sandbox.dns.add_txt("_dnsauth.example.com", &value).await.unwrap();
    let (_, body) = client.check(order).await;
    assert_eq!((&body["dcv_status"], &body["order_status"]), (&json!("valid"), &json!("pending")));
    sandbox.ca.validate_organisation(order);
    assert_eq!(sandbox.ca.order_status(order).as_deref(), Some("processing"));
    until("issued", async || sandbox.ca.order_status(order).as_deref() == Some("issued")).await;

    sandbox.ca.alter_profile(|profile| {
        profile.organisation = Organisation::IssueAtOnce;
        profile.processing = Duration::ZERO;
    });
    // Another domain: that of the first order is proven, for every order of the account.
    let order = sandbox.ca.place(OrderSpec::ev(["example.org"]));
    let value = client.value(order).await.0;
    sandbox.dns.add_txt("_dnsauth.example.org", &value).await.unwrap();
    assert_eq!(client.check(order).await.1["order_status"], "issued");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_ca_polls_by_itself_when_told() {
    let (sandbox, client) = sandbox(Profile::default(), None, &[]).await;
    let order = sandbox.ca.place(OrderSpec::dv(["example.com"]));
    let value = client.value(order).await.0;
    sandbox.dns.add_txt("_dnsauth.example.com", &value).await.unwrap();
    // A simulated minute takes 60 ms.
    sandbox.ca.alter_profile(|profile| profile.own_polling = OwnPolling::On { speed: 1000.0 });
    until("issued", async || sandbox.ca.order_status(order).as_deref() == Some("issued")).await;
    assert_eq!(sandbox.ca.stats().calls_of(Endpoint::CheckDcv), 0);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_agent_is_told_where_everything_is() {
    let (sandbox, _) = sandbox(Profile::default(), Some(Duration::ZERO), &[]).await;
    let dir = std::env::temp_dir().join(format!("dcv-sandbox-{}", sandbox.ca.address().port()));
    std::fs::create_dir(&dir).unwrap();
    let files = AgentFiles::in_dir(&dir);
    sandbox.write_secrets(&files).unwrap();
    assert_eq!(std::fs::read_to_string(&files.api_key).unwrap(), "sandbox-key");
    let config = sandbox.agent_config(&files, &[7, 8]);
    std::fs::remove_dir_all(&dir).unwrap();
    for line in [
        format!("base_url = \"{}\"", sandbox.ca.base_url()),
        format!("server = \"{}\"", sandbox.dns.primary()),
        format!(
            "\"example.com\" = [\"{}\", \"{}\"]",
            sandbox.dns.primary(),
            sandbox.dns.secondary().unwrap()
        ),
        "orders = [7, 8]".to_owned(),
        "zones = [\"example.com\", \"example.org\"]".to_owned(),
    ] {
        assert!(config.lines().any(|found| found == line), "{line} is missing from:\n{config}");
    }
    assert!(!config.contains("sandbox-key") && !config.contains("c2Fu"), "no secret in the configuration");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    let (sandbox, client) = sandbox(Profile::default(), Some(Duration::from_secs(3600)), &[]).await;
    for n in 0..60 {
        sandbox.dns.add_txt("_dnsauth.example.com", &format!("{n:0>120}")).await.unwrap();
    }
    let order = sandbox.ca.place(OrderSpec::dv(["example.com"]));
    client.value(order).await;
    client.check(order).await;
    let (ca, dns) = (sandbox.ca.address(), sandbox.dns.addresses());
    sandbox.shutdown().await;
    drop(client);
    until("every task has ended", async || tasks.num_alive_tasks() == before).await;
    for address in dns.into_iter().chain([ca]) {
        // Another test may have been given the port in the meantime, but not for long.
        until("the port is free", async || tokio::net::TcpListener::bind(address).await.is_ok()).await;
    }
}

#[tokio::test]
async fn dropping_ends_the_tasks_too() {
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    let (sandbox, client) = sandbox(Profile::default(), Some(Duration::from_secs(3600)), &[]).await;
    client.get("/user/me").await;
    drop((sandbox, client));
    until("every task has ended", async || tasks.num_alive_tasks() == before).await;
}
