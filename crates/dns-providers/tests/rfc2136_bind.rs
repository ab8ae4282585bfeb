//! The kind `rfc2136` against a real BIND: the contract, and each refusal told as what it is.
#![cfg(feature = "rfc2136")]
#![allow(dead_code, reason = "each test uses a part of the servers")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

#[path = "support/bind.rs"]
mod bind;

use std::{net::UdpSocket, sync::Arc};

use dcv_core::{Change, DomainName, Guarded, Label, Lookup, RandomValue, RecordData, Site, Ttl};
use dns_providers::{
    Class, DnsProvider, Error, Fixed, RecordSet, Zone,
    contract::{Bench, Neighbour},
    kinds::rfc2136::{Algorithm, Rfc2136, Rfc2136Settings, Tsig},
};

use self::bind::{Bind, OTHER, SECRET, free_port};

fn provider(port: u16, key: &str, secret: &str) -> Rfc2136 {
    let tsig = Tsig {
        name: Some(key.to_owned()),
        algorithm: Some(Algorithm::HmacSha256),
        secret: Some(Arc::new(Fixed(secret.into())) as dns_providers::Secret),
        key_file: None,
    };
    Rfc2136::new("test", Rfc2136Settings { server: vec![format!("127.0.0.1:{port}")], tsig }).unwrap()
}

fn zone_of(name: &str) -> Zone {
    Zone { name: name.parse().unwrap(), id: None }
}

fn site(label: &str) -> Site {
    site_in(label, "dcv.test")
}

fn site_in(label: &str, zone: &str) -> Site {
    let scope: DomainName = format!("{label}.{zone}").parse().unwrap();
    Guarded::direct(&Lookup::dnsauth(scope), zone.parse().unwrap()).unwrap()
}

fn add(site: Site, value: &str) -> Change {
    Change::Add { site, data: RecordData::Txt(RandomValue::new(value).unwrap()), ttl: Ttl::default() }
}

fn bare(host: &str) -> Site {
    let lookup = Lookup { domain: format!("{host}.dcv.test").parse().unwrap(), label: Label::Bare };
    Guarded::direct(&lookup, "dcv.test".parse().unwrap()).unwrap()
}

async fn refusal(provider: &Rfc2136) -> Error {
    provider
        .apply(&zone_of("dcv.test"), &[add(site("www"), "v")])
        .await
        .expect_err("an update that must be refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn bind_keeps_the_contract() {
    let bind = Bind::start().await;
    let provider = Arc::new(provider(bind.port, "dcv-key", SECRET));
    Bench { below: None, provider, zone: zone_of("dcv.test"), neighbour: Arc::new(bind.neighbour()) }
        .run()
        .await;
}

/// An operator is told which of key, secret and clock to mend, and the secret is in no message.
#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_names_its_cause() {
    let bind = Bind::start().await;

    let error = refusal(&provider(bind.port, "dcv-key", OTHER)).await;
    assert_eq!((error.class(), error.label()), (Class::Setup, "tsig-badsig"), "{error}");
    assert!(error.to_string().contains("BADSIG"), "{error}");
    assert!(error.next_action().unwrap().contains("secret"), "{error:?}");
    assert!(!format!("{error:?}").contains(OTHER), "the secret leaked");

    let error = refusal(&provider(bind.port, "unknown-key", SECRET)).await;
    assert_eq!((error.class(), error.label()), (Class::Setup, "tsig-badkey"), "{error}");
    assert!(error.to_string().contains("BADKEY"), "{error}");

    let error = refusal(&provider(bind.port, "dcv-key", SECRET).with_clock(|| 1_000_000_000)).await;
    assert_eq!((error.class(), error.label()), (Class::Setup, "tsig-badtime"), "{error}");
    assert!(error.to_string().contains("BADTIME"), "{error}");

    let narrow = provider(bind.port, "narrow-key", SECRET);
    let error = refusal(&narrow).await;
    assert_eq!((error.class(), error.label()), (Class::Setup, "refused"), "{error}");
    narrow.apply(&zone_of("dcv.test"), &[add(site("only"), "v")]).await.expect("the granted name is written");

    assert!(error.to_string().contains("_dnsauth.www.dcv.test"), "the name is not told: {error}");
    // One name that is not granted refuses the whole message, and the server does not say which.
    let apex = Lookup { domain: "dcv.test".parse().unwrap(), label: Label::Bare };
    let apex = Guarded::direct(&apex, "dcv.test".parse().unwrap()).unwrap();
    let both = [add(site("only"), "w"), add(apex.clone(), "w")];
    let error = narrow.apply(&zone_of("dcv.test"), &both).await.expect_err("the apex is not granted");
    let hint = error.next_action().unwrap();
    assert!(hint.contains("grant narrow-key name dcv.test. TXT;"), "{hint}");
    assert!(hint.contains("grant narrow-key name _dnsauth.only.dcv.test. TXT;"), "{hint}");
    assert_eq!(narrow.read(&zone_of("dcv.test"), &site("only")).await.unwrap().txt, ["v"]);
    let error = narrow.apply(&zone_of("dcv.test"), &both[1..]).await.expect_err("the apex is not granted");
    assert!(!error.next_action().unwrap().contains("_dnsauth"), "only one name was asked for: {error:?}");
    narrow.apply(&zone_of("dcv.test"), &both[..1]).await.expect("alone the granted name is written");

    let elsewhere = zone_of("not-served.test");
    let dcv = provider(bind.port, "dcv-key", SECRET);
    let error = dcv.probe(&elsewhere).await.expect_err("the zone is not served");
    assert_eq!(error.class(), Class::Setup, "{error}");
    let error = dcv.read(&elsewhere, &site_in("www", "not-served.test")).await.expect_err("it is not served");
    assert!(error.next_action().unwrap().contains("query"), "the hint is of no use: {error:?}");
    // BIND refuses the look that precedes an addition already; a removal is sent without one and meets NOTAUTH.
    let data = RecordData::Txt(RandomValue::new("v").unwrap());
    let remove = Change::Remove { site: site_in("www", "not-served.test"), data };
    let error = dcv.apply(&elsewhere, &[remove]).await.expect_err("the zone is not served");
    assert_eq!((error.class(), error.label()), (Class::Setup, "notauth"), "{error}");
}

/// A server that is down is the world's fault, not the configuration's.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_tried_again_later() {
    let error = refusal(&provider(free_port(), "dcv-key", SECRET)).await;
    assert_eq!(error.class(), Class::Later, "{error}");
}

/// A renewal of many names is one call, though no datagram holds it.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_values_go_in_one_call() {
    let bind = Bind::start().await;
    let (provider, zone) = (provider(bind.port, "dcv-key", SECRET), zone_of("dcv.test"));
    let value = |name: usize, n: usize| format!("{name}-{n}-{}", "x".repeat(40));
    let changes: Vec<_> = (0..50)
        .flat_map(|name| (0..10).map(move |n| add(site(&format!("many-{name}")), &value(name, n))))
        .collect();
    provider.apply(&zone, &changes).await.unwrap();
    for name in 0..50 {
        let held = provider.read(&zone, &site(&format!("many-{name}"))).await.unwrap();
        assert_eq!(held.txt.len(), 10, "values of many-{name} are lacking");
    }
}

/// A thousand values at a thousand names are at most three messages; each raises the zone's serial by one.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_values_are_three_messages_at_most() {
    let bind = Bind::start().await;
    let (provider, zone) = (provider(bind.port, "dcv-key", SECRET), zone_of("dcv.test"));
    let serial = async || {
        let port = bind.port.to_string();
        let asked = tokio::process::Command::new("dig")
            .args(["@127.0.0.1", "-p", &port, "+short", "dcv.test", "SOA"])
            .output()
            .await;
        let text = String::from_utf8(asked.unwrap().stdout).unwrap();
        text.split(' ').nth(2).unwrap().parse::<u32>().unwrap()
    };
    let before = serial().await;
    let name = |n: usize| site(&format!("a-host-of-an-usual-length-{n}"));
    let changes: Vec<_> = (0..1000).map(|n| add(name(n), &format!("{n:032}"))).collect();
    provider.apply(&zone, &changes).await.unwrap();
    let messages = serial().await - before;
    assert!((1..=3).contains(&messages), "{messages} messages");
    for n in [0, 500, 999] {
        assert_eq!(provider.read(&zone, &name(n)).await.unwrap().txt, [format!("{n:032}")]);
    }
    let gone: Vec<_> = (0..1000)
        .map(|n| Change::Remove {
            site: name(n),
            data: RecordData::Txt(RandomValue::new(format!("{n:032}")).unwrap()),
        })
        .collect();
    provider.apply(&zone, &gone).await.unwrap();
    let messages = serial().await - before - messages;
    assert!((1..=3).contains(&messages), "{messages} messages");
}

/// A server ignores an addition beside a CNAME without a word; the call must not report success.
#[tokio::test(flavor = "multi_thread")]
async fn a_cname_in_the_way_is_reported() {
    let bind = Bind::start().await;
    let (provider, zone) = (provider(bind.port, "dcv-key", SECRET), zone_of("dcv.test"));
    let error = provider.apply(&zone, &[add(site("alias"), "v")]).await.expect_err("a CNAME stands there");
    assert_eq!(error.class(), Class::Blocked, "{error}");
    assert!(provider.read(&zone, &site("alias")).await.unwrap().cname.is_some());
}

/// Between the look and the update somebody makes the name an alias: the server would ignore the text and report
/// success.
#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_appears_at_the_last_moment_is_reported() {
    let bind = Bind::start().await;
    let (neighbour, late) = (bind.neighbour(), bare("late"));
    let between = UdpSocket::bind("127.0.0.1:0").unwrap();
    between.set_nonblocking(true).unwrap();
    let between = tokio::net::UdpSocket::from_std(between).unwrap();
    let (port, server) = (between.local_addr().unwrap().port(), bind.port);
    let owner = late.owner().clone();
    let relay = tokio::spawn(async move {
        let mut datagram = [0; 4096];
        let mut made = false;
        loop {
            let (size, client) = between.recv_from(&mut datagram).await.unwrap();
            // Opcode 5 is an update (RFC 2136 section 2.2).
            if !made && (datagram[2] >> 3) & 0xf == 5 {
                neighbour.put(&owner, "CNAME", 60, &["elsewhere.example."]).await;
                made = true;
            }
            let onward = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            onward.send_to(&datagram[..size], ("127.0.0.1", server)).await.unwrap();
            let size = onward.recv(&mut datagram).await.unwrap();
            between.send_to(&datagram[..size], client).await.unwrap();
        }
    });
    let provider = provider(port, "dcv-key", SECRET);
    let error =
        provider.apply(&zone_of("dcv.test"), &[add(late, "v")]).await.expect_err("a text was ignored");
    relay.abort();
    assert_eq!((error.class(), error.label()), (Class::Blocked, "collision"), "{error}");
}

/// A wildcard answers for a name without standing there: its alias is in nobody's way, and its time to live is not the
/// name's.
#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_is_not_what_stands_at_a_name() {
    let bind = Bind::start().await;
    let (provider, zone, neighbour) =
        (provider(bind.port, "dcv-key", SECRET), zone_of("dcv.test"), bind.neighbour());
    for site in [site("one.cdn"), bare("two.cdn"), site("one.stars"), bare("two.stars")] {
        assert_eq!(provider.read(&zone, &site).await.unwrap(), RecordSet::default(), "{site}");
        provider.apply(&zone, &[add(site.clone(), "v")]).await.unwrap();
        assert_eq!(neighbour.everything(site.owner()).await, ["60 TXT \"v\""], "{site}");
        let data = RecordData::Txt(RandomValue::new("v").unwrap());
        provider.apply(&zone, &[Change::Remove { site: site.clone(), data }]).await.unwrap();
        assert!(neighbour.everything(site.owner()).await.is_empty(), "{site}");
    }
    // Of two names that look alike one has its record itself.
    let (own, none) = (site("own.stars"), site("none.stars"));
    neighbour.put(own.owner(), "TXT", 900, &["star"]).await;
    provider.apply(&zone, &[add(own.clone(), "v"), add(none.clone(), "v")]).await.unwrap();
    assert_eq!(neighbour.everything(own.owner()).await, ["900 TXT \"star\"", "900 TXT \"v\""]);
    assert_eq!(neighbour.everything(none.owner()).await, ["60 TXT \"v\""]);
    let aliased = bare("aliased.cdn");
    neighbour.put(aliased.owner(), "CNAME", 300, &["elsewhere.example."]).await;
    let error = provider.apply(&zone, &[add(aliased, "v")]).await.expect_err("this alias does stand there");
    assert_eq!(error.class(), Class::Blocked, "{error}");
}

/// The file that `tsig-keygen` wrote is the key, its algorithm included; the server is spoken to over IPv6, and those
/// before it that are down are passed over.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_and_several_servers() {
    let bind = Bind::start().await;
    let file = format!(
        "key \"other-key\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{OTHER}\";\n}};\n\
         key \"strong-key\" {{\n\talgorithm hmac-sha512;\n\tsecret \"{OTHER}\";\n}};\n"
    );
    let of = |name: &str, server: Vec<String>| {
        let file = Arc::new(Fixed(file.clone().into())) as dns_providers::Secret;
        let tsig = Tsig { name: Some(name.to_owned()), algorithm: None, secret: None, key_file: Some(file) };
        Rfc2136::new("test", Rfc2136Settings { server, tsig }).unwrap()
    };
    let servers = vec![
        format!("127.0.0.1:{}", free_port()),
        format!("no-such-host.invalid:{}", bind.port),
        format!("[::1]:{}", bind.port),
    ];
    for (key, label) in [("other-key", "one"), ("strong-key", "two")] {
        let provider = of(key, servers.clone());
        assert!(provider.check().is_ok());
        provider.apply(&zone_of("dcv.test"), &[add(site(label), "v")]).await.unwrap();
        assert_eq!(bind.neighbour().everything(site(label).owner()).await, ["60 TXT \"v\""], "{key}");
        let probe = provider.probe(&zone_of("dcv.test")).await.unwrap();
        assert_eq!(probe.name_servers, ["ns.dcv.test".parse().unwrap()]);
        let told = probe.detail;
        assert!(told.starts_with("[::1]:"), "who answered is told: {told}");
    }
    // A refusal is an answer: the others are not asked for another.
    let here = format!("127.0.0.1:{}", bind.port);
    let error = refusal(&provider(bind.port, "unknown-key", SECRET)).await;
    assert!(error.to_string().starts_with(&here), "{error}");
    let down = of("other-key", servers[..2].to_vec());
    assert_eq!(refusal(&down).await.class(), Class::Later);
}

/// Half a key, or a key twice.
#[test]
fn a_key_is_given_in_one_way() {
    let secret = || Some(Arc::new(Fixed(SECRET.into())) as dns_providers::Secret);
    let name = || Some("dcv-key".to_owned());
    for (tsig, words) in [
        (Tsig { name: name(), algorithm: None, secret: None, key_file: None }, "either secret"),
        (Tsig { name: name(), algorithm: None, secret: secret(), key_file: secret() }, "either secret"),
        (Tsig { name: None, algorithm: None, secret: secret(), key_file: None }, "tsig.name is missing"),
        (
            Tsig { name: None, algorithm: Some(Algorithm::HmacSha512), secret: None, key_file: secret() },
            "stands in the key file",
        ),
        (
            Tsig { name: Some("a..b".to_owned()), algorithm: None, secret: secret(), key_file: None },
            "is not a name",
        ),
    ] {
        let settings = Rfc2136Settings { server: vec!["127.0.0.1:53".to_owned()], tsig };
        let error = Rfc2136::new("test", settings).expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// Eight agents at one name, each with two hundred values of its own that come and go: nothing of anybody is lost, and
/// nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn eight_writers_at_one_name_lose_nothing() {
    let bind = Bind::start().await;
    bind.neighbour().put(site("crowd").owner(), "TXT", 900, &["theirs"]).await;
    let writers = (0..8).map(|writer| {
        let provider = provider(bind.port, "dcv-key", SECRET);
        tokio::spawn(async move {
            let zone = zone_of("dcv.test");
            let value = |round: usize| format!("{writer}-{round}");
            for round in 0..200 {
                let mut changes = vec![add(site("crowd"), &value(round))];
                if round > 0 {
                    let data = RecordData::Txt(RandomValue::new(value(round - 1)).unwrap());
                    changes.push(Change::Remove { site: site("crowd"), data });
                }
                provider.apply(&zone, &changes).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let mut wanted: Vec<_> = (0..8).map(|writer| format!("900 TXT \"{writer}-199\"")).collect();
    wanted.push("900 TXT \"theirs\"".to_owned());
    assert_eq!(bind.neighbour().everything(site("crowd").owner()).await, wanted);
}
