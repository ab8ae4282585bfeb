//! What an operator types and is told: names of commands, slips that are recognised, errors as JSON, warnings.

use std::os::unix::fs::PermissionsExt as _;

use dcv_sandbox::ca::OrderSpec;
use serde_json::{Value as Json, json};

use crate::support::{Agent, Bind, Finished, scene::Scene};

fn offline() -> Agent {
    let agent = Agent::new();
    agent.configure("http://127.0.0.1:1/services/v2", &["127.0.0.1:1".parse().unwrap()], "1", "");
    agent
}

/// Whoever looks before the first run is told so, and a script gets an empty list; neither is an error.
#[test]
fn before_the_first_run_there_is_nothing_and_no_error() {
    let agent = offline();
    let text = agent.run(&["status"]);
    assert_eq!((text.code, text.err.as_str()), (0, ""), "{text:?}");
    assert!(text.out.contains("nothing has run yet"), "{text:?}");
    let listing = agent.run(&["status", "--output", "json"]);
    assert_eq!(listing.json(), json!({ "orders": [], "held": [], "troubles": [] }));
    assert!(!agent.path("state.db").exists(), "looking makes no state");
}

#[test]
fn a_domain_where_an_order_belongs_is_recognised() {
    let agent = offline();
    for command in [&["explain", "www.example.com"][..], &["ledger", "show", "www.example.com"]] {
        let run = agent.run(command);
        assert_eq!(run.code, 64, "{run:?}");
        assert!(run.err.contains("--domain www.example.com"), "{run:?}");
    }
    let run = agent.run(&["explain", "12x"]);
    assert!(run.err.contains("an order is a number") && !run.err.contains("--domain 12x"), "{run:?}");
}

/// A reader of JSON gets JSON, whatever goes wrong: the command line, the configuration, the work.
#[test]
fn an_error_is_json_where_json_was_asked_for() {
    let agent = offline();
    let told = |run: &Finished| {
        let error = run.json();
        assert_eq!((&error["version"], &error["error"]["exit"]), (&json!(1), &json!(run.code)), "{run:?}");
        assert!(!error["error"]["messages"].as_array().unwrap().is_empty(), "{run:?}");
        error["error"]["messages"].to_string()
    };
    for usage in
        [&["--output", "json", "bogus"][..], &["-ojson", "explain"], &["explain", "x", "--output=json"]]
    {
        let run = agent.run(usage);
        assert_eq!(run.code, 64, "{run:?}");
        told(&run);
    }
    agent.edit("orders = [1]", "orders = [1, 1]");
    let run = agent.run(&["check", "--output", "json"]);
    assert_eq!(run.code, 78);
    assert!(told(&run).contains("order 1 stands here twice"), "{run:?}");
    assert!(run.err.contains("order 1 stands here twice"), "people read standard error: {run:?}");
}

/// `run` and `daemon` name what happens without a command.
#[test]
fn the_default_command_has_names() {
    let agent = offline();
    let expected = agent.run(&["--once", "--timeout", "1s", "--output", "json"]);
    assert_eq!(expected.json()["orders"].as_array().map(Vec::len), Some(1), "{expected:?}");
    for named in [&["run", "--once", "--timeout", "1s"][..], &["--once", "--timeout", "1s", "daemon"]] {
        let run = agent.run(&[named, &["--output", "json"]].concat());
        assert_eq!((run.code, run.json()["exit"].clone()), (expected.code, json!(expected.code)), "{run:?}");
    }
    assert_eq!(agent.run(&["--once", "status"]).code, 64);
}

/// What is allowed and hardly meant is said, with what mends it, and keeps nobody from running.
#[test]
fn what_is_hardly_meant_is_warned_about() {
    let agent = offline();
    let warnings = || {
        let run = agent.run(&["check", "--output", "json"]);
        assert_eq!(run.code, 0, "{run:?}");
        run.json()["warnings"].as_array().unwrap().clone()
    };
    assert_eq!(warnings(), [Json::Null; 0]);
    let text = agent.run(&["check"]).out;
    assert!(text.contains("(1 account, 1 order, 1 provider, 1 zone)"), "{text}");

    agent.edit("orders = [1]", "orders = []");
    let idle = warnings();
    assert_eq!((idle.len(), &idle[0]["key"]), (1, &json!("accounts.main")), "{idle:?}");
    let run = agent.run(&["--once", "--timeout", "0s"]);
    assert!(run.err.contains("accounts.main: has no orders, no discover"), "{run:?}");
    agent.edit("orders = []", "orders = [1]");

    let key = agent.path("api.key");
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&key, 0o644);
    mode(agent.folder(), 0o700);
    assert_eq!(warnings(), [Json::Null; 0], "what lies in a closed folder is not exposed");
    mode(agent.folder(), 0o755);
    let exposed = warnings();
    assert_eq!((exposed.len(), &exposed[0]["key"]), (1, &json!("accounts.main.api_key")), "{exposed:?}");
    assert!(exposed[0]["what"].as_str().unwrap().contains("0644"), "{exposed:?}");
    mode(&key, 0o640);
    assert_eq!(warnings(), [Json::Null; 0], "a group may read it");

    let file = format!("sqlite://{}/state.db", agent.folder().display());
    agent.edit(&file, "postgres://dcv@db.example.com/dcv");
    assert_eq!(warnings(), [Json::Null; 0]);
    agent.edit(
        "example.com/dcv\"",
        "example.com/dcv?sslmode=require\"\nstate_password = { env = \"NO_SUCH_PASSWORD\" }",
    );
    let run = agent.run(&["check"]);
    assert!(run.code == 78 && run.err.contains("agent.state_password"), "{run:?}");
    agent.edit("{ env = \"NO_SUCH_PASSWORD\" }", &format!("{{ file = \"{}\" }}", key.display()));
    let open = warnings();
    assert_eq!((open.len(), &open[0]["key"]), (1, &json!("agent.state")), "{open:?}");
}

/// What is no state, or a password where none belongs, is told by its key, and the password is not repeated.
#[test]
fn a_state_that_cannot_be_meant_is_refused() {
    for (state, more, told) in [
        ("mysql://dcv@db/dcv", "", "agent.state"),
        ("postgres://dcv:hunter2@db/dcv", "", "agent.state_password"),
        ("postgres://dcv@db/dcv?sslmod=require", "", "sslmod"),
        ("postgres://dcv@db/dcv", "takeover_seconds = 1", "agent.takeover_seconds"),
        ("sqlite:///tmp/state.db", "takeover_seconds = 15", "agent.takeover_seconds"),
        ("sqlite:///tmp/state.db", "state_password = { env = \"X\" }", "agent.state_password"),
    ] {
        let agent = offline();
        let file = format!("\"sqlite://{}/state.db\"", agent.folder().display());
        agent.edit(&file, &format!("\"{state}\"\n{more}"));
        let run = agent.run(&["check"]);
        assert!(run.code == 78 && run.err.contains(told) && !run.err.contains("hunter2"), "{state}: {run:?}");
        assert!(run.err.contains("config.toml"), "{state}: {run:?}");
    }
}

/// The advice for an order that DigiCert does not know is something to do, and no echo of the error.
#[tokio::test(flavor = "multi_thread")]
async fn what_to_do_about_an_unknown_order_is_no_echo() {
    let scene = Scene::new(Bind::open("")).await;
    scene.configure(&[], "");
    let reports = scene.json(&["explain", "999"]);
    let (action, detail) = (&reports[0]["action"], &reports[0]["because"]["detail"]);
    assert_eq!(reports[0]["because"]["reason"], "order-refused");
    assert!(action.as_str().unwrap().contains("CertCentral") && action != detail, "{reports}");
    assert!(detail.as_str().unwrap().starts_with("reading the order: "), "{reports}");
}

/// An administrator's key works, and is more than it needs.
#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_key_is_warned_about() {
    let scene = Scene::new(Bind::open("")).await;
    scene.configure(&[], "discover = {}");
    let key = || {
        let checks = scene.json(&["doctor"]);
        let key = checks.as_array().unwrap().iter().find(|check| check["check"] == "key").unwrap().clone();
        (key["result"].clone(), key["fix"].to_string())
    };
    assert_eq!(key().0, "pass");
    scene.ca.alter_profile(|profile| profile.role = "Administrator".to_owned());
    let (result, fix) = key();
    assert_eq!(result, "warn");
    assert!(fix.contains("service user"), "{fix}");
}

/// A probe is no order: neither the ledger counts it, nor is one that was refused left in the state.
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_no_order() {
    let scene = Scene::new(Bind::open("")).await;
    let order = scene.ca.place(OrderSpec::dv(["www.dcv.test"]));
    scene.configure(&[order], "");
    let ledger = scene.agent.path("ledger");
    scene.agent.append(&format!("[ledger]\nfolder = \"{}\"\n", ledger.display()));
    scene.validates(&[order]);
    let probe = scene.agent.run(&["doctor", "--write"]);
    assert!(probe.out.contains("the probe was removed"), "{probe:?}");
    assert_eq!(scene.json(&["ledger", "verify"])["orders"], 1);

    std::fs::write(scene.agent.path("tsig.key"), "d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3I=").unwrap();
    let refused = scene.agent.run(&["doctor", "--write"]);
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.out.contains("nothing was written"), "{refused:?}");
    assert_eq!(scene.held(), [Json::Null; 0]);
}
