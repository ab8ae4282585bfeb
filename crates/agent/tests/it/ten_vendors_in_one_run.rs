//! Ten vendors in one configuration, each behind its stand-in, whose zones real DNS serves.

use dcv_sandbox::ca::OrderSpec;

use super::support::{Bind, Finished, TSIG, dig, fakes::Fakes, scene::Scene};

/// A kind, settings that its stand-in takes, and the secrets that go into files.
type Account = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const VENDORS: [Account; 10] = [
    (
        "bluecat",
        "server_url = \"https://bam.test\"\nusername = \"bam-user\"\nconfiguration = \"main\"\nview = \"external\"",
        &[("password", "bam-password")],
    ),
    ("constellix", "api_key = \"cns-key\"\nkeep_ttl = 900", &[("secret_key", "cns-secret")]),
    ("digitalocean", "", &[("token", "do-token")]),
    ("dnsmadeeasy", "api_key = \"dme-key\"", &[("secret_key", "dme-secret")]),
    (
        "edgedns",
        "host = \"akab-test.luna.akamaiapis.net\"\nkeep_ttl = 900",
        &[("client_token", "ct"), ("client_secret", "edge-secret"), ("access_token", "at")],
    ),
    ("godaddy", "api_key = \"gd-key\"\nkeep_ttl = 900", &[("api_secret", "gd-secret")]),
    (
        "infoblox",
        "base_url = \"https://gm.test\"\nusername = \"nios-user\"\nview = \"default\"",
        &[("password", "nios-password")],
    ),
    ("ns1", "", &[("api_key", "ns1-key")]),
    (
        "ovh",
        "application_key = \"ovh-app\"",
        &[("application_secret", "ovh-secret"), ("consumer_key", "ovh-consumer")],
    ),
    ("ultradns", "username = \"ultra-user\"", &[("password", "ultra-password")]),
];

/// What others have at the names: quotes and backslashes, more than one string, UTF-8.
const THEIRS: [&str; 3] = [
    r#""say \"quoted\" and \\ back""#,
    r#""xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" "beyond""#,
    r#""gr\195\188\195\159e""#,
];

fn owner(kind: &str) -> String {
    format!("_dnsauth.www.{kind}.test")
}

/// One run over ten vendors: all orders are validated, every value of ours is gone again, and what others have is there as it
/// was, in the vendor's account and in DNS.
#[tokio::test(flavor = "multi_thread")]
async fn ten_vendors_are_written_and_tidied_in_one_run() {
    let zones = VENDORS.map(|(kind, ..)| format!("{kind}.test"));
    let bind = Bind::serving(&zones.each_ref().map(String::as_str));
    let server = bind.primary();
    let fakes = Fakes::start(&["--dns", &server.to_string(), "--tsig", &format!("dcv-key:{TSIG}")]);
    let scene = Scene::with_ca(bind, |config| {
        config.authorities.extend(zones.iter().map(|zone| (zone.clone(), vec![server])));
    })
    .await;
    let orders = zones.each_ref().map(|zone| scene.ca.place(OrderSpec::dv([format!("www.{zone}")])));
    scene.configure(&orders, "");
    for zone in &zones {
        scene.agent.append(&format!("\"{zone}\" = [\"{server}\"]\n"));
    }
    for (order, (kind, ..)) in orders.iter().zip(VENDORS) {
        let scopes = scene.ca.scopes(*order);
        assert_eq!(format!("_dnsauth.{}", scopes[0].0), owner(kind), "ours goes elsewhere than theirs");
    }
    let folder = scene.agent.folder().display().to_string();
    for (kind, words, secrets) in VENDORS {
        fakes.control.zone(kind, &format!("{kind}.test"));
        fakes.control.put(kind, &owner(kind), "TXT", 900, &THEIRS);
        let mut provider =
            format!("[providers.{kind}]\nkind = \"{kind}\"\nzones = [\"{kind}.test\"]\n{words}\n");
        for (key, secret) in secrets {
            std::fs::write(scene.agent.path(&format!("{kind}.{key}")), secret).unwrap();
            provider += &format!("{key} = {{ file = \"{folder}/{kind}.{key}\" }}\n");
        }
        scene.agent.append(&provider);
    }
    let in_accounts = || VENDORS.map(|(kind, ..)| fakes.control.everything(kind, &owner(kind)));
    let in_dns = || {
        VENDORS.map(|(kind, ..)| {
            let mut texts = dig(server, &owner(kind), "TXT");
            texts.sort();
            texts
        })
    };
    let (accounts, dns) = (in_accounts(), in_dns());
    assert!(dns.iter().all(|texts| texts.len() == THEIRS.len()), "{dns:?}");

    let run = |arguments: &[&str]| {
        Finished::from(scene.agent.command(arguments).envs(fakes.environment()).output().unwrap())
    };
    let check = run(&["check"]);
    assert_eq!(check.code, 0, "{check:?}");
    let doctor = run(&["doctor"]);
    assert!(
        VENDORS.iter().all(|(kind, ..)| doctor.out.contains(&format!("lists {kind}.test"))),
        "{doctor:?}"
    );
    let once = run(&["--once", "--timeout", "120s"]);
    assert_eq!(once.code, 0, "{once:?}");
    for (order, zone) in orders.iter().zip(&zones) {
        assert!(scene.issued(*order), "{zone}: {once:?}");
    }
    assert_eq!(in_accounts(), accounts, "what others have is not as it was");
    assert_eq!(in_dns(), dns, "DNS does not show what it showed");
    assert!(scene.held().is_empty());
    let policy = run(&["policy", "ovh"]);
    assert!(policy.out.contains("/domain/zone/") && policy.out.contains("_dnsauth"), "{policy:?}");
    for kind in ["ns1", "dnsmadeeasy"] {
        let zone = format!("{kind}.test");
        let examined = run(&["conformance", "--provider", kind, "--zone", &zone]);
        assert_eq!(examined.code, 0, "{examined:?}");
    }
    for secret in VENDORS.iter().flat_map(|(.., secrets)| *secrets).map(|(_, secret)| *secret) {
        assert!(
            secret.len() < 4 || !(once.err.clone() + &once.out + &doctor.out).contains(secret),
            "{secret} is shown"
        );
    }
}
