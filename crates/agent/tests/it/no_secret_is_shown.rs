//! Secrets with a mark run through everything at trace level; the mark must show up nowhere.

use dcv_sandbox::ca::{ApiKey, OrderSpec};

use super::support::{Agent, Bind, scene::Scene};

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

const MARK: &str = "CANARY7f3a";
const INLINE: &str = "a secret is not written here; use { file = … }, { env = … } or { credential = … }";

/// A secret that stands where only its name should is not repeated, wherever that is; and its place is told.
#[test]
fn a_misplaced_secret_is_not_repeated() {
    let agent = Agent::new();
    let dir = agent.folder().display().to_string();
    agent.configure("http://127.0.0.1:1/services/v2", &["127.0.0.1:1".parse().unwrap()], "1", "");
    let good = std::fs::read_to_string(agent.path("config.toml")).unwrap();
    let key = format!("api_key = {{ file = \"{dir}/api.key\" }}");
    let tsig = format!("{{ file = \"{dir}/tsig.key\" }}");
    let inline = |place: &str| format!("{place}: {INLINE}");
    let cloudflare = "\n[providers.cf]\nkind = \"cloudflare\"\nzones = [\"a.test\"]\napi_token = ";
    let end = "\"dcv.test\" = [\"127.0.0.1:1\"]\n";
    for (from, to, expected) in [
        (key.as_str(), "api_key = \"CANARY7f3a\"".to_owned(), inline("config.toml:7: accounts.main.api_key")),
        (&key, "api_key = [\"CANARY7f3a\"]".to_owned(), inline("config.toml:7: accounts.main.api_key")),
        (&key, "api_key = { CANARY7f3a = 1 }".to_owned(), inline("config.toml:7: accounts.main.api_key")),
        (&key, "api_key = { env = \"CANARY7f3a\" }".to_owned(), "that env names is not set".to_owned()),
        (&key, "api_key = { file = \"CANARY7f3a\" }".to_owned(), "the file that is named there".to_owned()),
        (&key, "api_key = { credential = \"CANARY7f3a\" }".to_owned(), "/etc/dcv-agent".to_owned()),
        (&key, "api_key = { credential = \"x/CANARY7f3a\" }".to_owned(), "without a folder".to_owned()),
        (&key, "api_key = CANARY7f3a".to_owned(), "config.toml:7: is not TOML: ".to_owned()),
        (&key, "api_key = \"CANARY7f3a".to_owned(), "config.toml:7: is not TOML: ".to_owned()),
        (&key, "api_key = 'CANARY7f3a' 'x'".to_owned(), "config.toml:7: is not TOML: ".to_owned()),
        (&key, format!("{key}\nCANARY7f3a\n"), "config.toml:8: is not TOML: ".to_owned()),
        (&key, format!("{key}\n{key} # CANARY7f3a\n"), "config.toml:8: is not TOML: ".to_owned()),
        (&tsig, "\"CANARY7f3a\"".to_owned(), inline("providers.bind.tsig.secret")),
        (&tsig, "{ env = \"CANARY7f3a\" }".to_owned(), "that env names is not set".to_owned()),
        (&tsig, format!("{tsig}, algorithm = \"CANARY7f3a\""), "providers.bind.tsig.algorithm: ".to_owned()),
        (
            "tsig = {",
            "tsig = \"CANARY7f3a\" # {".to_owned(),
            "providers.bind.tsig: invalid type: string".to_owned(),
        ),
        (end, format!("{end}{cloudflare}\"CANARY7f3a\"\n"), inline("providers.cf.api_token")),
        (&key, format!("{key}\nproxy = \"CANARY7f3a\""), "accounts.main.proxy".to_owned()),
        ("http://127.0.0.1:1/", "http://me:CANARY7f3a@127.0.0.1:1/".to_owned(), String::new()),
        ("/services/v2", "/services/v2?key=CANARY7f3a".to_owned(), String::new()),
        (&key, format!("{key}\nproxy = \"http://me:CANARY7f3a@127.0.0.1:1\""), String::new()),
        (&key, format!("{key}\nproxy = \"socks9://me:CANARY7f3a@127.0.0.1:1\""), String::new()),
    ] {
        assert!(good.contains(from), "{from}");
        std::fs::write(agent.path("config.toml"), good.replacen(from, &to, 1)).unwrap();
        let check = agent.run(&["check"]);
        let check = check.out + &check.err;
        assert!(check.contains(&expected), "{to}: {expected:?} is not in {check}");
        let mut once = agent.command(&["--once", "--timeout", "2s"]);
        once.env("DCV_AGENT__AGENT__LOG__LEVEL", "trace");
        let once = once.output().unwrap();
        let once =
            String::from_utf8_lossy(&once.stdout).into_owned() + &String::from_utf8_lossy(&once.stderr);
        for said in [check, once] {
            assert!(!said.contains(MARK), "{to}: a secret was shown: {said}");
        }
    }
    std::fs::write(agent.path("config.toml"), good).unwrap();
    let mut command = agent.command(&["check"]);
    let output = command.env("DCV_AGENT__ACCOUNTS__MAIN__API_KEY", MARK).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(INLINE) && !said.contains(MARK), "{said}");
}
