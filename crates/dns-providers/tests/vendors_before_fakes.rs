//! Vendors before their stand-ins: the contract, and what becomes of refusals and faults. The library's clients cannot be
//! led elsewhere, so each test runs in a process of its own whose way to the vendors ends at the stand-ins.
#![cfg(feature = "vendors")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

#[path = "support/fakes.rs"]
mod fakes;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use dcv_core::{Change, DomainName, Guarded, Lookup, RandomValue, RecordData, Site, Ttl};
use dns_providers::{
    Class, DnsProvider, Error, Fixed, Probe, Receipt, RecordSet, Secret, SecretSource, Settings, Zone,
    contract::{Bench, Neighbour},
    kinds::vendors::{
        self,
        vendor::{Proof, SetTtl, Vendor},
    },
};
use fakes::{Control, met_by};
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

const ZONE: &str = "vendor.test";
/// The time to live of what the suite's neighbour puts there.
const STANDING: u32 = 900;

/// A vendor with a stand-in, and settings that it takes.
fn settings(kind: &str) -> Json {
    match kind {
        "bluecat" => {
            json!({ "server_url": "https://bam.test", "username": "bam-user", "password": "bam-password",
                             "configuration": "main", "view": "external" })
        }
        "constellix" => json!({ "api_key": "cns-key", "secret_key": "cns-secret", "keep_ttl": STANDING }),
        "digitalocean" => json!({ "token": "do-token" }),
        "dnsmadeeasy" => json!({ "api_key": "dme-key", "secret_key": "dme-secret" }),
        "edgedns" => {
            json!({ "host": "akab-test.luna.akamaiapis.net", "client_token": "ct", "client_secret": "edge-secret",
                             "access_token": "at", "keep_ttl": STANDING })
        }
        "godaddy" => json!({ "api_key": "gd-key", "api_secret": "gd-secret", "keep_ttl": STANDING }),
        "infoblox" => {
            json!({ "base_url": "https://gm.test", "username": "nios-user", "password": "nios-password",
                              "view": "default" })
        }
        "ns1" => json!({ "api_key": "ns1-key" }),
        "ovh" => {
            json!({ "application_key": "ovh-app", "application_secret": "ovh-secret", "consumer_key": "ovh-consumer" })
        }
        _ => json!({ "username": "ultra-user", "password": "ultra-password" }),
    }
}

const FAKED: [&str; 10] = [
    "bluecat",
    "constellix",
    "digitalocean",
    "dnsmadeeasy",
    "edgedns",
    "godaddy",
    "infoblox",
    "ns1",
    "ovh",
    "ultradns",
];

async fn provider(kind: &str, settings: &Json) -> Arc<dyn DnsProvider> {
    let settings: Settings<String> = serde_json::from_value(json!({ kind: settings })).unwrap();
    let settings = settings.map_secrets(|secret| -> Secret { Arc::new(Fixed(secret.into())) });
    dns_providers::build(kind, settings).await.unwrap()
}

fn zone() -> Zone {
    Zone { name: ZONE.parse().unwrap(), id: None }
}

fn site(label: &str) -> Site {
    let lookup = Lookup::dnsauth(format!("{label}.{ZONE}").parse().unwrap());
    Guarded::direct(&lookup, ZONE.parse().unwrap()).unwrap()
}

fn add(label: &str, value: &str) -> Change {
    let data = RecordData::Txt(RandomValue::new(value).unwrap());
    Change::Add { site: site(label), data, ttl: Ttl::default() }
}

fn remove(label: &str, value: &str) -> Change {
    Change::Remove { site: site(label), data: RecordData::Txt(RandomValue::new(value).unwrap()) }
}

/// The provider with the stand-in's times to live, which the library does not list; and somebody else who edits the zone.
///
/// Where each value has a time to live of its own, ours is not compared with that of others.
#[derive(Debug)]
struct Seen {
    vendor: &'static Vendor,
    provider: Arc<dyn DnsProvider>,
    control: Control,
    others: Mutex<HashSet<(String, String)>>,
}

impl Seen {
    fn lines(&self, owner: &DomainName) -> Vec<(u32, String)> {
        let parse =
            |line: &String| line.split_once(' ').map(|(ttl, rest)| (ttl.parse().unwrap(), rest.to_owned()));
        self.control.everything(self.vendor.kind, owner.as_str()).iter().filter_map(parse).collect()
    }
}

#[async_trait]
impl DnsProvider for Seen {
    fn at_once(&self) -> usize {
        self.provider.at_once()
    }

    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        self.provider.probe(zone).await
    }

    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        let mut set = self.provider.read(zone, site).await?;
        if self.vendor.lists_ttl {
            return Ok(set);
        }
        let kind = if set.cname.is_some() { "CNAME " } else { "TXT " };
        let lines = self.lines(site.owner()).into_iter();
        set.ttl = lines.filter(|(_, rest)| rest.starts_with(kind)).map(|(ttl, _)| ttl).max();
        if set.ttl == Some(self.vendor.min_ttl) {
            // What was asked for was smaller than the vendor takes.
            set.ttl = Some(Ttl::default().as_secs());
        }
        Ok(set)
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        self.provider.apply(zone, changes).await
    }
}

#[async_trait]
impl Neighbour for Seen {
    async fn put(&self, owner: &DomainName, kind: &str, ttl: u32, values: &[&str]) {
        for value in values {
            self.others.lock().unwrap().insert((owner.to_string(), format!("{kind} {value}")));
        }
        self.control.put(self.vendor.kind, owner.as_str(), kind, ttl, values);
    }

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let others = self.others.lock().unwrap();
        let is_others = |rest: &str| others.contains(&(owner.to_string(), rest.to_owned()));
        let lines = self.lines(owner);
        let shown = |(ttl, rest): &(u32, String)| {
            let own = self.vendor.set_ttl == SetTtl::OfEach && rest.starts_with("TXT ") && !is_others(rest);
            let beside = lines.iter().any(|(_, other)| other.starts_with("TXT ") && is_others(other));
            format!("{} {rest}", if own && beside { STANDING } else { *ttl })
        };
        let mut lines: Vec<String> = lines.iter().map(shown).collect();
        lines.sort();
        lines
    }
}

async fn contract(kind: &'static str, control: Control) {
    control.zone(kind, ZONE);
    let vendor = vendors::find(kind).unwrap();
    let provider = provider(kind, &settings(kind)).await;
    let seen = Arc::new(Seen { vendor, provider, control, others: Mutex::default() });
    let bench = Bench {
        provider: Arc::clone(&seen) as Arc<dyn DnsProvider>,
        zone: zone(),
        neighbour: seen,
        below: None,
    };
    match vendor.set_ttl {
        SetTtl::Replaced => bench.run_where_ttls_are_given().await,
        _ => bench.run().await,
    }
}

macro_rules! contracts {
    ($($test:ident: $kind:literal,)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                if let Some(control) = met_by(stringify!($test)) {
                    contract($kind, control).await;
                }
            }
        )+
    };
}

contracts! {
    bluecat_keeps_the_contract: "bluecat",
    constellix_keeps_the_contract: "constellix",
    digitalocean_keeps_the_contract: "digitalocean",
    dnsmadeeasy_keeps_the_contract: "dnsmadeeasy",
    edgedns_keeps_the_contract: "edgedns",
    godaddy_keeps_the_contract: "godaddy",
    infoblox_keeps_the_contract: "infoblox",
    ns1_keeps_the_contract: "ns1",
    ovh_keeps_the_contract: "ovh",
    ultradns_keeps_the_contract: "ultradns",
}

/// A line of a person's log: no secret in it, no line break, and what it is about.
fn is_one_clear_line(kind: &str, error: &Error) {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 600, "{kind}: {text}");
    assert!(error.next_action().is_some(), "{kind}: no hint: {text}");
    for (_, value) in settings(kind).as_object().unwrap() {
        if let Some(value) =
            value.as_str().filter(|value| value.contains("secret") || value.contains("password"))
        {
            assert!(!text.contains(value), "{kind} shows a secret: {text}");
        }
    }
}

/// Whose key it is not, hears so at once, and nothing is written.
#[tokio::test]
async fn a_wrong_key_is_told_as_one() {
    let Some(control) = met_by("a_wrong_key_is_told_as_one") else { return };
    for kind in FAKED {
        control.zone(kind, ZONE);
        let mut wrong = settings(kind);
        for setting in vendors::find(kind).unwrap().settings.iter().filter(|setting| setting.secret) {
            wrong[setting.name] = json!("canary-secret");
        }
        let error = provider(kind, &wrong).await.apply(&zone(), &[add("wrong", "v")]).await.unwrap_err();
        is_one_clear_line(kind, &error);
        assert!(!error.to_string().contains("canary"), "{kind}: {error}");
        // What OVH's part of the library makes of every failure says nothing of the key.
        let wanted = if kind == "ovh" { (Class::Later, "unavailable") } else { (Class::Setup, "bad-key") };
        let is = (error.class(), error.label());
        assert!(is == wanted || is == (Class::Setup, "denied"), "{kind}: {is:?} {error}");
    }
}

/// What fails once is tried again by whoever asked, and no harm is done in between: what others have stays, and the value is
/// there once.
#[tokio::test]
async fn faults_pass_and_do_no_harm() {
    let Some(control) = met_by("faults_pass_and_do_no_harm") else { return };
    let faults = [
        ("500", json!([500, "{\"message\":\"oops\"}", {}]), Class::Later),
        ("garbage", json!("garbage"), Class::Bug),
        ("cut", json!("cut"), Class::Later),
        ("lost", json!("lost"), Class::Later),
    ];
    for kind in FAKED {
        control.zone(kind, ZONE);
        for (label, fault, class) in &faults {
            let owner = format!("_dnsauth.{label}.{ZONE}");
            control.put(kind, &owner, "TXT", 3600, &["\"theirs\""]);
            let provider = provider(kind, &settings(kind)).await;
            for after in 0..12 {
                control.fault(kind, fault, 1, after);
                if let Err(error) = provider.apply(&zone(), &[add(label, "ours")]).await {
                    is_one_clear_line(kind, &error);
                    let is = error.class();
                    assert!(
                        is == *class || is == Class::Later || is == Class::Bug,
                        "{kind} {label}: {is:?} {error}"
                    );
                    provider.apply(&zone(), &[add(label, "ours")]).await.unwrap_or_else(|error| {
                        panic!("{kind} does not recover from {label} after {after}: {error}")
                    });
                }
                control.fault(kind, fault, 0, 0);
                let held = control.everything(kind, &owner);
                let values: Vec<&str> =
                    held.iter().filter_map(|line| line.split_once(" TXT ").map(|(_, data)| data)).collect();
                let mut sorted = values.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, ["\"ours\"", "\"theirs\""], "{kind} {label} after {after}");
                provider.apply(&zone(), &[remove(label, "ours")]).await.unwrap();
                assert!(control.everything(kind, &owner).iter().any(|line| line.ends_with("\"theirs\"")));
            }
        }
    }
}

/// A vendor that throttles is asked a few times, waited for as the library does, and then left alone: whoever comes meanwhile hears
/// it from us. How long it wants to be left alone is known where the vendor says it to a client of our own; the library drops it.
#[tokio::test]
async fn a_throttle_is_told_and_the_vendor_left_alone() {
    let Some(control) = met_by("a_throttle_is_told_and_the_vendor_left_alone") else { return };
    let mut kinds = JoinSet::new();
    for kind in FAKED {
        kinds.spawn(async move {
            for (label, headers) in [("told", json!({ "retry-after": "1" })), ("untold", json!({}))] {
                throttled(kind, label, &headers, control).await;
            }
        });
    }
    while let Some(done) = kinds.join_next().await {
        done.unwrap();
    }
}

/// What of a throttle is told, and how often the vendor is asked.
async fn throttled(kind: &'static str, label: &str, headers: &Json, control: Control) {
    control.zone(kind, ZONE);
    let owner = format!("_dnsauth.{label}.{ZONE}");
    control.put(kind, &owner, "TXT", 3600, &["\"theirs\""]);
    let before = control.everything(kind, &owner);
    let provider = provider(kind, &settings(kind)).await;
    let limited = json!([429, "{\"message\":\"Too Many Requests\"}", headers]);
    control.fault(kind, &limited, 1000, 0);
    let asked = control.count(kind);
    let error = provider.apply(&zone(), &[add(label, "v")]).await.unwrap_err();
    is_one_clear_line(kind, &error);
    let wanted = if kind == "ovh" { "unavailable" } else { "throttled" };
    assert_eq!((error.class(), error.label()), (Class::Later, wanted), "{kind} {label}: {error}");
    // The first request, or its four attempts; UltraDNS logs in before.
    let asked = control.count(kind) - asked;
    assert!((1..=8).contains(&asked), "{kind} {label} was asked {asked} times");
    if kind != "ovh" {
        let own_client = kind == "ultradns" && label == "told";
        let pause = if own_client { 1 } else { vendors::find(kind).unwrap().pause.into() };
        assert_eq!(error.retry_after(), Some(Duration::from_secs(pause)), "{kind} {label}");
        if !own_client {
            let asked = control.count(kind);
            let error = provider.read(&zone(), &site(label)).await.unwrap_err();
            is_one_clear_line(kind, &error);
            assert_eq!((error.class(), error.label()), (Class::Later, "throttled"), "{kind}: {error}");
            assert!(error.retry_after().is_some(), "{kind} does not say for how long");
            assert_eq!(control.count(kind), asked, "{kind} is asked although it throttled a moment ago");
        }
    }
    control.fault(kind, &limited, 0, 0);
    assert_eq!(control.everything(kind, &owner), before, "{kind} {label}: what others have was touched");
    // As after the pause.
    let provider = self::provider(kind, &settings(kind)).await;
    provider.apply(&zone(), &[add(label, "v")]).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    assert_eq!(control.everything(kind, &owner).len(), 2, "{kind} {label}");
}

/// A throttle that passes within the library's patience is not heard of.
#[tokio::test]
async fn a_throttle_that_passes_is_waited_out() {
    let Some(control) = met_by("a_throttle_that_passes_is_waited_out") else { return };
    for kind in ["digitalocean", "dnsmadeeasy", "ns1"] {
        control.zone(kind, ZONE);
        let provider = provider(kind, &settings(kind)).await;
        control.fault(kind, &json!([429, "{}", { "retry-after": "1" }]), 1, 0);
        provider
            .apply(&zone(), &[add("passing", "v")])
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

/// A vendor may hold thousands of zones, of which ours is not on the first page of a listing; and another of the same name, in a
/// view or under another name, which is not touched. The zone is told from both without asking more often.
#[tokio::test]
async fn many_zones_and_two_of_one_name_are_told_apart() {
    let Some(control) = met_by("many_zones_and_two_of_one_name_are_told_apart") else { return };
    for kind in FAKED {
        let owner = format!("_dnsauth.paged.{ZONE}");
        let has_namesake = ["bluecat", "infoblox", "ns1"].contains(&kind);
        control.other_zones(kind, 2600);
        if has_namesake {
            control.zone_in(kind, "internal", ZONE);
            control.put_in(kind, "internal", &owner, "\"theirs\"");
            let told = vendors::find(kind).unwrap().namesakes;
            assert!(!told.starts_with("there is one"), "{kind} may have two, and its row says: {told}");
            // Only the other one is there: ours is not taken for it.
            let provider = provider(kind, &settings(kind)).await;
            let error = provider.apply(&zone(), &[add("paged", "ours")]).await.unwrap_err();
            is_one_clear_line(kind, &error);
            assert_eq!(control.everything_in(kind, "internal", &owner), ["3600 TXT \"theirs\""], "{kind}");
        }
        control.zone(kind, ZONE);
        let provider = provider(kind, &settings(kind)).await;
        let asked = control.count(kind);
        provider.probe(&zone()).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        provider
            .apply(&zone(), &[add("paged", "ours")])
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        let asked = control.count(kind) - asked;
        assert!(asked < 25, "{kind} was asked {asked} times, as if zones were paged through");
        let held = control.everything(kind, &owner);
        assert!(held.len() == 1 && held[0].ends_with("TXT \"ours\""), "{kind}: {held:?}");
        provider
            .apply(&zone(), &[remove("paged", "ours")])
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(control.everything(kind, &owner).is_empty(), "{kind}");
        if has_namesake {
            assert_eq!(control.everything_in(kind, "internal", &owner), ["3600 TXT \"theirs\""], "{kind}");
        }
    }
}

/// More records than a page has, and ours the last of them: it is found, so that it is neither added twice nor left behind.
#[tokio::test]
async fn a_value_among_many_records_is_found() {
    let Some(control) = met_by("a_value_among_many_records_is_found") else { return };
    for kind in FAKED {
        control.zone(kind, ZONE);
        for number in 0..300 {
            control.put(kind, &format!("many-{number}.{ZONE}"), "TXT", 3600, &["\"theirs\""]);
        }
        let provider = provider(kind, &settings(kind)).await;
        for _ in 0..2 {
            provider
                .apply(&zone(), &[add("late", "ours")])
                .await
                .unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
        let owner = format!("_dnsauth.late.{ZONE}");
        assert_eq!(control.everything(kind, &owner).len(), 1, "{kind}");
        provider
            .apply(&zone(), &[remove("late", "ours")])
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(control.everything(kind, &owner).is_empty(), "{kind}");
    }
}

/// Whether a time to live is listed is what the row says; where it is, it is the vendor's.
#[tokio::test]
async fn a_time_to_live_is_listed_where_the_row_says_so() {
    let Some(control) = met_by("a_time_to_live_is_listed_where_the_row_says_so") else { return };
    for kind in FAKED {
        control.zone(kind, ZONE);
        control.put(kind, &format!("_dnsauth.listed.{ZONE}"), "TXT", STANDING, &["\"theirs\""]);
        let provider = provider(kind, &settings(kind)).await;
        let listed = provider.read(&zone(), &site("listed")).await.unwrap().ttl;
        assert_eq!(listed, vendors::find(kind).unwrap().lists_ttl.then_some(STANDING), "{kind}");
    }
}

/// A session that ends is begun anew, and nobody hears of it.
#[tokio::test]
async fn a_session_that_ends_is_begun_anew() {
    let Some(control) = met_by("a_session_that_ends_is_begun_anew") else { return };
    for kind in ["bluecat", "ultradns"] {
        control.zone(kind, ZONE);
        let provider = provider(kind, &settings(kind)).await;
        provider.apply(&zone(), &[add("session", "one")]).await.unwrap();
        control.expire(kind);
        provider
            .apply(&zone(), &[add("session", "two")])
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        control.expire(kind);
        let held =
            provider.read(&zone(), &site("session")).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(held.txt.len(), 2, "{kind}: {held:?}");
    }
}

/// A secret that can be changed.
#[derive(Debug)]
struct Rotated(Mutex<&'static str>);

impl SecretSource for Rotated {
    fn secret(&self) -> Result<SecretString, String> {
        Ok((*self.0.lock().unwrap()).into())
    }
}

/// A secret that was changed is used from the next batch on, without a restart.
#[tokio::test]
async fn a_secret_that_changed_is_used() {
    let Some(control) = met_by("a_secret_that_changed_is_used") else { return };
    control.zone("ns1", ZONE);
    let secret = Arc::new(Rotated(Mutex::new("ns1-key")));
    let settings: Settings<String> = serde_json::from_value(json!({ "ns1": { "api_key": "" } })).unwrap();
    let settings = settings.map_secrets(|_| -> Secret { Arc::clone(&secret) as Secret });
    let provider = dns_providers::build("ns1", settings).await.unwrap();
    provider.apply(&zone(), &[add("rotated", "one")]).await.unwrap();
    *secret.0.lock().unwrap() = "revoked";
    let error = provider.apply(&zone(), &[add("rotated", "two")]).await.unwrap_err();
    assert_eq!((error.class(), error.label()), (Class::Setup, "bad-key"), "{error}");
    *secret.0.lock().unwrap() = "ns1-key";
    provider.apply(&zone(), &[add("rotated", "two")]).await.unwrap();
}

/// A zone that is not the account's is told by the look before anything is written.
#[tokio::test]
async fn a_zone_that_is_not_there_is_told() {
    let Some(control) = met_by("a_zone_that_is_not_there_is_told") else { return };
    for kind in FAKED {
        control.zone(kind, ZONE);
        let provider = provider(kind, &settings(kind)).await;
        provider.probe(&zone()).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let other = Zone { name: "other.test".parse().unwrap(), id: None };
        match provider.probe(&other).await {
            // Infoblox's part of the library never asks for a zone.
            Ok(_) => assert_eq!(kind, "infoblox"),
            Err(error) => {
                is_one_clear_line(kind, &error);
                let wanted = if kind == "ovh" { Class::Later } else { Class::Setup };
                assert_eq!(error.class(), wanted, "{kind}: {error}");
                assert!(error.to_string().contains("other.test"), "{kind}: {error}");
            }
        }
    }
}

/// Texts of others, whatever is in them, and their time to live come through our coming and going.
#[tokio::test]
async fn odd_texts_of_others_survive() {
    let Some(control) = met_by("odd_texts_of_others_survive") else { return };
    let long = "x".repeat(255);
    let odd = [
        r#""say \"quoted\" and \\ back""#.to_owned(),
        format!("\"{long}\" \"{}\"", "y".repeat(100)),
        r#""gr\195\188\195\159e""#.to_owned(),
        r#""a;b,c 'd' <e> &amp; %41 {f}""#.to_owned(),
    ];
    for kind in FAKED {
        control.zone(kind, ZONE);
        let owner = format!("_dnsauth.odd.{ZONE}");
        for value in &odd {
            control.put(kind, &owner, "TXT", STANDING, &[value.as_str()]);
        }
        let before = control.everything(kind, &owner);
        let provider = provider(kind, &settings(kind)).await;
        provider
            .apply(&zone(), &[add("odd", "ours")])
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        let with_ours = control.everything(kind, &owner);
        assert!(
            before.iter().all(|line| with_ours.contains(line)),
            "{kind}: {before:?} became {with_ours:?}"
        );
        assert_eq!(with_ours.len(), before.len() + 1, "{kind}");
        provider
            .apply(&zone(), &[remove("odd", "ours")])
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(control.everything(kind, &owner), before, "{kind}");
    }
}

/// A stand-in that only our client understands proves nothing: each agrees with a client that somebody else wrote.
#[test]
fn others_agree_with_the_fakes() {
    let fakes = fakes::Fakes::start(&[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fakes/agree.py");
    let run = std::process::Command::new("python3")
        .args(["-B", script, &fakes.control.port().to_string()])
        .args(FAKED)
        .envs(fakes.environment())
        .output()
        .expect("python3 is missing");
    let (out, error) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "deploy/setup.sh installs the clients: {out}{error}");
    // What the page of providers says of each is what was seen here.
    for line in out.lines() {
        let Some((kind, client)) = line.split_once(' ') else { continue };
        let Proof::CrossChecked(told) = vendors::find(kind).unwrap().proof else {
            panic!("{kind} is cross-checked")
        };
        assert_eq!(told, client, "{kind}");
    }
    assert_eq!(out.lines().count(), FAKED.len(), "{out}");
}
