//! A careful operator's first contact with an account: what is asked only reads, what would be done is said, and what is
//! reported has no value of anybody's.

use std::time::Duration;

use dcv_sandbox::ca::{DomainSpec, Endpoint, Fault, FaultKind, IdTypes, OrderSpec};
use serde_json::Value as Json;

use super::support::{Bind, eventually, scene::Scene};

const DISCOVER: &str = "discover = { only = [\"*.dcv.test\"], every_seconds = 5 }";

/// Calls that may change something at DigiCert.
const WRITES: [Endpoint; 6] = [
    Endpoint::DcvRandomValue,
    Endpoint::CheckDcv,
    Endpoint::DcvMethod,
    Endpoint::SubmitDomain,
    Endpoint::NewDomainValue,
    Endpoint::CheckDomain,
];

fn writes(scene: &Scene) -> u64 {
    WRITES.iter().map(|&endpoint| scene.ca.stats().calls_of(endpoint)).sum()
}

/// The daemon that watches says what it would do, does none of it, and tells what came of the order without it.
#[tokio::test(flavor = "multi_thread")]
async fn one_who_watches_changes_nothing() {
    let hosts = ["h1.dcv.test".to_owned(), "h2.dcv.test".to_owned()];
    let scene = Scene::new(Bind::start(&hosts, "_dnsauth.h1 TXT \"somebody-elses-value\"", false)).await;
    let order = scene.ca.place(OrderSpec::dv([hosts[0].as_str()]));
    let named = scene.ca.place(OrderSpec::dv([hosts[1].as_str()]));
    scene.ca.place_domain(DomainSpec::new("h3.dcv.test"));
    scene.configure(&[named], &format!("{DISCOVER}\ndomains = {{ only = [\"*.dcv.test\"] }}"));
    scene.agent.edit("listen = \"\"", "listen = \"\"\nmode = \"watch\"");
    scene.agent.append(&format!("[ledger]\nfolder = \"{}\"\n", scene.agent.path("ledger").display()));
    let before = scene.bind.transfer();

    // A call that fails for now is made again, also by a run that ends.
    scene.ca.fault(Fault::always(FaultKind::Http503).at(Endpoint::OrderValidation).times(2));
    let once = scene.agent.run(&["--once", "--timeout", "30s", "--output", "json"]);
    let would = "watching only: the agent would fetch the random value, put it up at _dnsauth.h1.dcv.test";
    assert!(once.order(order)["detail"].as_str().unwrap().starts_with(would), "{once:?}");
    assert!(once.order(named)["detail"].as_str().unwrap().starts_with("watching only"), "{once:?}");

    let read = scene.calls(order);
    let daemon = scene.agent.daemon();
    let told = |order: u64| {
        let status = scene.json(&["status"]);
        let found =
            status["orders"].as_array().unwrap().iter().find(|entry| entry["order"] == order).cloned();
        found.map_or_else(String::new, |entry| format!("{}: {}", entry["reason"], entry["detail"]))
    };
    eventually("it is said what would be done", Duration::from_secs(20), || {
        scene.calls(order) > read && told(order).contains(would) && told(named).contains("watching only")
    });
    assert!(scene.ca.cancel(order));
    eventually("it is told what came of it", Duration::from_secs(20), || {
        told(order).contains("it came to this without the agent, which would have: fetch the random value")
    });
    assert_eq!(daemon.stop().0, 0);
    assert_eq!((writes(&scene), scene.bind.transfer()), (0, before));
    assert!(scene.held().is_empty() && !scene.agent.path("ledger").exists());
}

/// Answers that are as they are known to be give no warning; words, kinds and fields that are not are named with what follows.
/// The report holds none of the values.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compared_with_what_is_known() {
    let scene = Scene::new(Bind::start(&["secret-host.dcv.test".to_owned()], "", false)).await;
    let order = scene.ca.place(OrderSpec::ov(["secret-host.dcv.test"]));
    scene.ca.place(OrderSpec::dv(["other-host.dcv.test"]).status("issued"));
    scene.ca.place_domain(DomainSpec::new("secret-host.dcv.test").validated());
    scene.configure(&[order], "domains = {}");
    let value = scene.ca.value(order);
    let report = scene.agent.path("report.json");
    let survey =
        || scene.agent.run(&["doctor", "--api", "--report", report.to_str().unwrap(), "--output", "json"]);
    let warned = |run: &super::support::Finished| -> Vec<String> {
        let checks = run.json();
        let bad = checks.as_array().unwrap().iter();
        bad.filter(|check| check["check"] == "answer" && check["result"] != "pass")
            .map(|check| check["detail"].as_str().unwrap().to_owned())
            .collect()
    };
    for ids in [IdTypes::Documented, IdTypes::Strings, IdTypes::Numbers] {
        scene.ca.alter_profile(|profile| profile.id_types = ids);
        let run = survey();
        assert_eq!(warned(&run), [""; 0], "{ids:?}: {run:?}");
        let answers = run.out.matches("\"check\": \"answer\"").count();
        assert_eq!(answers, 7, "{run:?}");
    }
    assert_eq!(writes(&scene), 0);

    let text = std::fs::read_to_string(&report).unwrap();
    let shape: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(shape["calls"].as_array().unwrap().len(), 7, "{text}");
    let own = ["secret-host", "other-host", "dcv.test", "sandbox-key", "Example Org", &order.to_string()];
    for canary in own.into_iter().chain(value.as_deref()) {
        assert!(!text.contains(canary), "{canary} is in {text}");
    }
    assert!(text.contains("\\\"pending\\\""), "the words of the API are kept: {text}");

    scene.ca.place(OrderSpec::dv(["third.dcv.test"]).status("quantum_pending").product_type("quantum_ssl"));
    let run = survey();
    let warned = warned(&run);
    assert!(
        warned.iter().any(|what| what.contains("orders[].status: the word \"quantum_pending\" is not known")),
        "{warned:?}"
    );
    std::fs::write(scene.agent.path("api.key"), "wrong").unwrap();
    let refused = survey();
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(!std::fs::read_to_string(&report).unwrap().contains("wrong"));
}
