//! Secrets with a mark run through everything at trace level; the mark must show up nowhere.

use dcv_sandbox::ca::{ApiKey, OrderSpec};

use super::support::{Bind, scene::Scene};

const MARKED_KEY: &str = "CANARY-7f3a-api-key";
/// Base64 of text that has the mark as well.
const MARKED_TSIG: &str = "Q0FOQVJZLTdmM2EtdHNpZy1zZWNyZXQtMDEyMzQ1Njc=";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_in_any_output() {
    let scene = Scene::with_ca(Bind::start(&["h1.dcv.test".to_owned()], "", false), |config| {
        config.keys = vec![ApiKey::full(MARKED_KEY)]
    })
    .await;
    let order = scene.ca.place(OrderSpec::dv(["h1.dcv.test"]));
    scene.configure(&[order], "");
    std::fs::write(scene.agent.path("api.key"), MARKED_KEY).unwrap();
    // BIND knows another secret, so the update is refused and the refusal reported: the path on which secrets leak.
    std::fs::write(scene.agent.path("tsig.key"), MARKED_TSIG).unwrap();
    let mut outputs = Vec::new();
    for arguments in
        [&["--once"][..], &["check"], &["plan", "--output", "json"], &["status"], &["explain", "100001"]]
    {
        for format in ["text", "json"] {
            let mut command = scene.agent.command(arguments);
            command.env("DCV_AGENT__AGENT__LOG__LEVEL", "trace").env("DCV_AGENT__AGENT__LOG__FORMAT", format);
            let output = command.output().unwrap();
            outputs.push(
                String::from_utf8_lossy(&output.stdout).into_owned()
                    + &String::from_utf8_lossy(&output.stderr),
            );
        }
    }
    assert!(outputs[0].contains("BADSIG"), "the path that was meant was not taken: {}", outputs[0]);
    assert!(
        outputs[0].contains("TRACE") || outputs[0].contains("DEBUG"),
        "nothing was logged at trace level"
    );
    for output in outputs {
        for mark in ["CANARY", MARKED_TSIG, "7f3a"] {
            let around = output
                .find(mark)
                .map(|at| output[at.saturating_sub(120)..].chars().take(200).collect::<String>());
            assert_eq!(around, None, "a secret was shown");
        }
    }
    let state = std::fs::read(scene.agent.path("state.db")).unwrap();
    assert!(!state.windows(6).any(|bytes| bytes == b"CANARY"), "a secret is in the state file");
}
