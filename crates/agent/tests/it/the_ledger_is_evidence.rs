//! The evidence of real runs: complete, verifiable beside the agent, free of secrets, and no change of it goes unnoticed.

use std::{path::PathBuf, time::Duration};

use dcv_sandbox::ca::{Endpoint, OrderSpec};
use serde_json::Value;

use super::support::{BINARY, Bind, TSIG, eventually, read, scene::Scene};

const HOST: &str = "h1.dcv.test";

/// One order for the host, and a ledger.
async fn one_order() -> (Scene, u64) {
    let scene = Scene::new(Bind::start(&[HOST.to_owned()], "", false)).await;
    let order = scene.ca.place(OrderSpec::dv([HOST]));
    configure(&scene, &[order], "");
    (scene, order)
}

/// Configures orders, and a ledger with these settings.
fn configure(scene: &Scene, orders: &[u64], settings: &str) {
    scene.configure(orders, "");
    let folder = scene.agent.path("ledger");
    scene.agent.append(&format!("[ledger]\nfolder = \"{}\"\n{settings}\n", folder.display()));
}

fn file(scene: &Scene) -> PathBuf {
    scene.agent.path("ledger/ledger.jsonl")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_its_whole_story_and_a_changed_byte_is_named() {
    let (scene, order) = one_order().await;
    let run = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(run.code, 0, "{run:?}");
    let value = scene.ca.value(order).unwrap();

    let verified = scene.agent.run(&["ledger", "verify", "--output", "json"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let verified = verified.json();
    assert_eq!(
        (&verified["orders"], &verified["break"], &verified["notes"]),
        (&1.into(), &Value::Null, &Value::Array(vec![]))
    );

    let story = scene.agent.run(&["ledger", "show", &order.to_string(), "--output", "json"]);
    assert_eq!(story.code, 0, "{story:?}");
    let story = story.json();
    let lines = story["lines"].as_array().unwrap();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["value-requested", "change-applied", "asked", "answered", "change-applied"]);
    let [requested, added, asked, answered, removed] = lines.as_slice() else { unreachable!() };
    assert_eq!(requested["value"], value.as_str());
    let owner = format!("_dnsauth.{HOST}");
    for (change, action) in [(added, "add"), (removed, "remove")] {
        assert_eq!((&change["action"], &change["owner"]), (&action.into(), &owner.as_str().into()));
        assert_eq!((&change["provider"], &change["zone"]), (&"bind".into(), &"dcv.test".into()));
    }
    assert_eq!((&asked["value"], &asked["scopes"][0]), (&value.as_str().into(), &HOST.into()));
    let sighting = &asked["sightings"][0];
    assert_eq!(sighting["address"], scene.bind.primary().to_string().as_str());
    assert_eq!(
        (&sighting["kind"], &sighting["answer"]["txt"][0]),
        (&"authority".into(), &value.as_str().into())
    );
    assert_eq!((&answered["validated"], &answered["said"]), (&true.into(), &"validated".into()));

    let text = scene.agent.run(&["ledger", "show", &order.to_string()]);
    assert!(text.out.contains("is asked to check") && text.out.contains("remove"), "{}", text.out);
    assert_eq!(scene.agent.run(&["ledger", "show", "1"]).code, 1);

    // Also without a configuration, as an auditor with a copy of the folder would.
    let folder = scene.agent.path("ledger");
    let mut auditor = std::process::Command::new(BINARY);
    auditor.args(["--config", "/nowhere", "ledger", "verify", "--folder"]).arg(&folder);
    assert!(auditor.status().unwrap().success());

    let whole = std::fs::read(file(&scene)).unwrap();
    let secretless = String::from_utf8(whole.clone()).unwrap();
    assert!(!secretless.contains("sandbox-key") && !secretless.contains(TSIG), "a secret is in the ledger");

    // Line 4 is the one that tells what was seen.
    let at = secretless.match_indices('\n').nth(2).unwrap().0 + 60;
    let mut changed = whole.clone();
    changed[at] ^= 1;
    std::fs::write(file(&scene), &changed).unwrap();
    let broken = scene.agent.run(&["ledger", "verify"]);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(broken.out.contains("ledger.jsonl:4"), "{broken:?}");
    // The agent goes on, and what it writes does not cover the change.
    assert_eq!(scene.agent.run(&["--once"]).code, 0);
    assert!(scene.agent.run(&["ledger", "verify"]).out.contains("ledger.jsonl:4"));
}

/// A daemon, a one-shot run beside it, a kill: one chain.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_and_a_kill_share_one_chain() {
    let (scene, _) = one_order().await;
    {
        let _killed_when_dropped = scene.agent.daemon();
        eventually("the daemon is on record", Duration::from_secs(20), || {
            read(&file(&scene)).contains("\"mode\":\"daemon\"")
        });
        for _ in 0..3 {
            // Another state, and so another agent, with the same ledger.
            let other = scene.agent.path("other.db");
            scene.agent.edit("state.db", "other.db");
            assert_eq!(scene.agent.run(&["--once", "--timeout", "60s"]).code, 0);
            scene.agent.edit("other.db", "state.db");
            assert!(other.exists());
            assert_eq!(scene.agent.run(&["ledger", "verify"]).code, 0);
        }
    }
    let daemon = scene.agent.daemon();
    eventually("the second daemon is on record", Duration::from_secs(20), || {
        read(&file(&scene)).matches("\"mode\":\"daemon\"").count() == 2
    });
    assert_eq!(daemon.stop().0, 0);
    let text = read(&file(&scene));
    assert!(text.lines().last().unwrap().contains("\"event\":\"stopped\""), "{text}");
    let verified = scene.agent.run(&["ledger", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

/// A ledger that cannot be written stops the run before the CA is asked where it is required, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_required_ledger_stops_validation() {
    let (scene, order) = one_order().await;
    std::fs::write(scene.agent.path("ledger"), "a file in the way").unwrap();
    configure(&scene, &[order], "required = true");
    let run = scene.agent.run(&["--once", "--timeout", "20s"]);
    assert_eq!(run.code, 78, "{run:?}");
    assert!(run.err.contains("ledger.required"), "{run:?}");
    assert_eq!(scene.ca.stats().total, 0);

    configure(&scene, &[order], "");
    let run = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.err.matches("the ledger in").count(), 1, "it is said once: {}", run.err);
    assert_eq!(scene.agent.run(&["ledger", "verify"]).code, 78);
}

/// A required ledger that fails later holds back the one call that it is the evidence for.
#[tokio::test(flavor = "multi_thread")]
async fn the_ca_is_not_asked_to_check_what_is_not_on_record() {
    let (scene, order) = one_order().await;
    configure(&scene, &[], "required = true");
    let daemon = scene.agent.daemon();
    eventually("the daemon is on record", Duration::from_secs(20), || {
        read(&file(&scene)).contains("\"mode\":\"daemon\"")
    });
    std::fs::rename(scene.agent.path("ledger"), scene.agent.path("aside")).unwrap();
    std::fs::write(scene.agent.path("ledger"), "a file in the way").unwrap();
    configure(&scene, &[order], "required = true");
    daemon.signal("HUP");
    eventually("the order waits for its ledger", Duration::from_secs(20), || {
        scene.agent.log().contains("ledger.required forbids")
    });
    assert_eq!(scene.bind.txt(HOST).len(), 1, "the value is published all the same");
    let calls = scene.ca.stats().order(order).calls;
    assert!(!calls.contains_key(&Endpoint::CheckDcv), "the CA was asked: {calls:?}");
    assert_eq!(daemon.stop().0, 0);

    // With the folder back the chain goes on; the next run finishes.
    std::fs::remove_file(scene.agent.path("ledger")).unwrap();
    std::fs::rename(scene.agent.path("aside"), scene.agent.path("ledger")).unwrap();
    assert_eq!(scene.agent.run(&["--once", "--timeout", "60s"]).code, 0);
    assert_eq!(scene.agent.run(&["ledger", "verify"]).code, 0);
}
