//! At which of DigiCert's two names a TXT record goes, and another suffix of CNAME targets.

use dcv_sandbox::ca::{OrderSpec, TxtNames};
use serde_json::Value as Json;

use super::support::{Bind, scene::Scene};

const APEX: &str = "dcv.test";
const HOST: &str = "h1.dcv.test";
/// What others have at the apex: SPF, a text of two strings, one in mixed case, one with a quote inside.
const OTHERS: &str = "@ TXT \"v=spf1 include:_spf.example.net ~all\"\n@ TXT \"two \" \"strings\"\n@ TXT \"MixedCase=Yes\"\n@ TXT \"a \\\"quoted\\\" word\"\n@ MX 10 ns1";

/// A zone that takes updates at these names only, and one order by TXT for a name, with a CA that looks at these.
async fn one_order(granted: &[&str], records: &str, name: &str, looks_at: TxtNames) -> (Scene, u64) {
    let granted: Vec<_> = granted.iter().map(|&name| name.to_owned()).collect();
    let bind = Bind::granting(&granted, records, false);
    let scene = Scene::with_ca(bind, |config| config.profile.txt_names = looks_at).await;
    let order = scene.ca.place(OrderSpec::dv([name]));
    (scene, order)
}

/// Configures the zone with this choice, and this one for all zones.
fn configure(scene: &Scene, order: u64, of_zone: &str, of_all: &str) {
    scene.configure(&[order], "");
    let zone = match of_zone {
        "" => "{ name = \"dcv.test\" }".to_owned(),
        owner => format!("{{ name = \"dcv.test\", owner = \"{owner}\" }}"),
    };
    scene.agent.edit("zones = [\"dcv.test\"]", &format!("zones = [{zone}]"));
    if !of_all.is_empty() {
        scene.agent.append(&format!("[records]\nowner = \"{of_all}\"\n"));
    }
}

/// A run that is ended before the CA sees anything.
fn publishes(scene: &Scene, order: u64) -> String {
    scene.blind_the_ca();
    let run = scene.agent.run(&["--once", "--timeout", "3s"]);
    assert_eq!(run.code, 75, "{run:?}");
    assert!(run.out.contains("waiting-for-ca"), "{run:?}");
    scene.let_the_ca_see();
    format!("\"{}\"", scene.ca.value(order).unwrap())
}

fn explain(scene: &Scene, order: u64) -> Json {
    scene.json(&["explain", &order.to_string()])[0].clone()
}

fn planned(scene: &Scene) -> Vec<String> {
    let plan = scene.json(&["plan"]);
    let changes = plan[0]["changes"].as_array().unwrap().iter();
    changes.map(|change| change["owner"].as_str().unwrap().to_owned()).collect()
}

fn findings(report: &Json) -> Vec<&str> {
    let scopes = report["scopes"].as_array().unwrap().iter();
    let findings = scopes.flat_map(|scope| scope["findings"].as_array().unwrap());
    // What stands above the pinned zone is not to be seen here.
    let codes = findings.map(|finding| finding["code"].as_str().unwrap());
    codes.filter(|code| !matches!(*code, "caa-unknown" | "dnssec-unknown")).collect()
}

/// Both names are published, seen and tidied, whichever the CA looks at; what others have at the apex survives byte for
/// byte.
#[tokio::test(flavor = "multi_thread")]
async fn both_names_are_published_and_tidied() {
    for looks_at in [TxtNames::Dnsauth, TxtNames::Bare] {
        let (scene, order) = one_order(&[APEX, "_dnsauth.dcv.test"], OTHERS, APEX, looks_at).await;
        configure(&scene, order, "both", "");
        let before = scene.bind.at(APEX, "TXT");
        assert_eq!(before.len(), 4, "{before:?}");
        assert_eq!(planned(&scene), ["_dnsauth.dcv.test", APEX]);

        let value = publishes(&scene, order);
        assert_eq!(scene.bind.at("_dnsauth.dcv.test", "TXT"), [value.as_str()]);
        let mut with_ours = before.clone();
        with_ours.push(value);
        with_ours.sort();
        assert_eq!(scene.bind.at(APEX, "TXT"), with_ours);
        assert_eq!(scene.held().len(), 2);

        let report = explain(&scene, order);
        let owners: Vec<_> = report["scopes"].as_array().unwrap().iter().collect();
        assert_eq!(owners.len(), 2, "{report}");
        for scope in owners {
            assert_eq!(scope["verdict"]["verdict"], "visible", "{report}");
        }
        assert_eq!(findings(&report), [""; 0], "{report}");

        scene.validates(&[order]);
        assert_eq!(scene.bind.at(APEX, "TXT"), before);
        assert_eq!(scene.bind.at("_dnsauth.dcv.test", "TXT"), [""; 0]);
        assert_eq!(scene.bind.at(APEX, "MX"), ["10 ns1.dcv.test."]);
    }
}

/// The bare name alone, by the choice for all zones: the key for DNS needs no right at `_dnsauth`.
#[tokio::test(flavor = "multi_thread")]
async fn the_bare_name_alone() {
    let (scene, order) = one_order(&[APEX], OTHERS, APEX, TxtNames::Bare).await;
    configure(&scene, order, "", "bare");
    let before = scene.bind.at(APEX, "TXT");
    assert_eq!(planned(&scene), [APEX]);
    let value = publishes(&scene, order);
    assert!(scene.bind.at(APEX, "TXT").contains(&value));
    let report = explain(&scene, order);
    assert_eq!(report["scopes"][0]["survey"]["owner"], APEX, "{report}");
    assert_eq!(report["scopes"][0]["verdict"]["verdict"], "visible", "{report}");
    assert_eq!(findings(&report), [""; 0], "{report}");
    scene.validates(&[order]);
    assert_eq!(scene.bind.at(APEX, "TXT"), before);
}

/// The zone's own choice goes before the one for all.
#[tokio::test(flavor = "multi_thread")]
async fn the_zones_own_choice_wins() {
    let (scene, order) = one_order(&["_dnsauth.h1.dcv.test"], "", HOST, TxtNames::Both).await;
    configure(&scene, order, "dnsauth", "bare");
    assert_eq!(planned(&scene), ["_dnsauth.h1.dcv.test"]);
    scene.validates(&[order]);
}

/// No record can stand beside an alias: under "bare" a person has to choose, and is told what; under "both" the other name
/// is enough, and nobody is bothered.
#[tokio::test(flavor = "multi_thread")]
async fn an_alias_at_the_bare_name() {
    for (alias, own) in [
        ("h1 CNAME web.dcv.test.\nweb A 192.0.2.1", true),
        ("*.dcv.test. CNAME web.dcv.test.\nweb A 192.0.2.1", false),
    ] {
        let granted = [HOST, "_dnsauth.h1.dcv.test", "web.dcv.test"];
        let (scene, order) = one_order(&granted, alias, HOST, TxtNames::Both).await;
        configure(&scene, order, "bare", "");
        let serial = scene.bind.serial();
        let run = scene.agent.run(&["--once", "--timeout", "10s", "--output", "json"]);
        assert_eq!(run.code, 1, "{run:?}");
        let summary: Json = serde_json::from_str(&run.out).unwrap();
        assert_eq!(summary["orders"][0]["reason"], "foreign-cname", "{summary}");
        assert_eq!(
            summary["orders"][0]["detail"],
            "h1.dcv.test is an alias for web.dcv.test: no record can stand beside an alias; set owner = \"dnsauth\" for its zone"
        );
        let report = explain(&scene, order);
        assert!(report["action"].as_str().unwrap().contains("owner = \"dnsauth\""), "{report}");
        assert_eq!(scene.bind.serial(), serial);

        configure(&scene, order, "both", "");
        if !own {
            // The host lives by the wildcard's alias, which a record below it would end as well.
            let run = scene.agent.run(&["--once", "--timeout", "10s"]);
            assert!(run.code == 1 && run.out.contains("wildcard-host"), "{run:?}");
            assert_eq!(scene.bind.serial(), serial);
            continue;
        }
        assert_eq!(planned(&scene), ["_dnsauth.h1.dcv.test"]);
        let value = publishes(&scene, order);
        assert_eq!(scene.bind.at("_dnsauth.h1.dcv.test", "TXT"), [value]);
        let report = explain(&scene, order);
        assert_eq!(report["action"], "nothing: the agent goes on by itself when it runs", "{report}");
        assert_eq!(findings(&report), [""; 0], "{report}");
        scene.validates(&[order]);
        let left = scene.bind.at("_dnsauth.h1.dcv.test", "TXT");
        assert!(!left.iter().any(|record| record.starts_with('"')), "{left:?}");
    }
}

/// An account whose aliases lie below another host: published, found, and taken for its own by nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn another_suffix_of_cname_targets() {
    let scene = Scene::with_ca(Bind::start(&[HOST.to_owned()], "", false), |config| {
        config.profile.cname_suffix = "validation.example.net".to_owned();
    })
    .await;
    scene.blind_the_ca();
    let order = scene.ca.place(OrderSpec::dv([HOST]).method("dns-cname-token"));
    let suffix = "cname_suffix = \"Validation.example.net.\"";
    scene.configure(&[order], suffix);
    assert_eq!(scene.agent.run(&["--once", "--timeout", "3s"]).code, 75);
    let target = format!("{}.validation.example.net.", scene.ca.value(order).unwrap());
    assert_eq!(scene.bind.alias(HOST), Some(target));
    scene.let_the_ca_see();
    let run = scene.agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(scene.bind.alias(HOST), None);
}
