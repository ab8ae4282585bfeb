//! What `policy --ignore` prints keeps another tool from deleting what the agent has put up; tried with the real octoDNS.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use dcv_sandbox::ca::OrderSpec;

use super::{
    strangers_at_the_pages::ask,
    support::{Bind, TSIG, eventually, scene::Scene, web},
};

/// octoDNS with a description of `dcv.test` in which there is none of ours.
struct Octodns {
    folder: PathBuf,
}

impl Octodns {
    fn at(folder: &Path, bind: &Bind, truce: &str) -> Self {
        let folder = folder.join("octodns");
        std::fs::create_dir_all(folder.join("zones")).unwrap();
        let zone = "? ''\n: - type: NS\n    value: ns1.dcv.test.\nns1:\n  type: A\n  value: 127.0.0.1\n";
        std::fs::write(folder.join("zones/dcv.test.yaml"), zone).unwrap();
        let config = format!(
            "providers:\n  described:\n    class: octodns.provider.yaml.YamlProvider\n    directory: {zones}\n    default_ttl: 300\n    \
             enforce_order: false\n  server:\n    class: octodns_bind.Rfc2136Provider\n    host: 127.0.0.1\n    port: {port}\n    \
             key_name: dcv-key\n    key_secret: {TSIG}\n    key_algorithm: hmac-sha256\n\
             zones:\n  dcv.test.:\n    sources: [described]\n    targets: [server]\n{truce}",
            zones = folder.join("zones").display(),
            port = bind.primary().port(),
        );
        std::fs::write(folder.join("config.yaml"), config).unwrap();
        Self { folder }
    }

    /// What it plans, or with `--doit` has done.
    fn sync(&self, arguments: &[&str]) -> String {
        let ran = Command::new("octodns-sync")
            .arg("--config-file")
            .arg(self.folder.join("config.yaml"))
            .args(arguments)
            .output()
            .expect("octodns-sync is needed for this test: deploy/setup.sh installs octodns from PyPI");
        let said =
            format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "octoDNS fails: {said}");
        said
    }
}

/// Without the words that are printed octoDNS would delete the value; with them it does not, whether it plans or does.
#[tokio::test(flavor = "multi_thread")]
async fn octodns_leaves_our_values_alone() {
    let scene = Scene::with_blind_ca(Bind::open("")).await;
    let order = scene.ca.place(OrderSpec::dv(["www.dcv.test"]));
    scene.configure_entries(&format!("{{ id = {order}, scopes = [\"www.dcv.test\"] }}"), "");
    let daemon = scene.agent.daemon();
    eventually("the value is up", Duration::from_secs(30), || scene.bind.txt("www.dcv.test").len() == 1);
    let ours = scene.bind.txt("www.dcv.test");

    let alone = Octodns::at(scene.agent.folder(), &scene.bind, "");
    let planned = alone.sync(&[]);
    assert!(
        planned.contains("Delete") && planned.contains("_dnsauth.www"),
        "octoDNS plans nothing: {planned}"
    );

    for (account, known) in [("", "'_dnsauth.www'"), ("discover = {}", "'/^_dnsauth")] {
        scene.configure_entries(&format!("{{ id = {order}, scopes = [\"www.dcv.test\"] }}"), account);
        let printed = scene.json(&["policy", "--ignore", "octodns"]);
        let [text] = printed.as_array().unwrap().as_slice() else { panic!("{printed}") };
        let truce = text["text"].as_str().unwrap();
        assert!(truce.contains(known), "{truce}");
        let told = Octodns::at(scene.agent.folder(), &scene.bind, truce);
        for arguments in [&[][..], &["--doit", "--force"]] {
            let planned = told.sync(arguments);
            assert!(!planned.contains("_dnsauth"), "octoDNS is not kept from our value: {planned}");
        }
        assert_eq!(scene.bind.txt("www.dcv.test"), ours);
    }
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_is_for_the_tool_that_is_named() {
    let scene = Scene::new(Bind::open("")).await;
    scene.configure_entries("{ id = 1, scopes = [\"www.dcv.test\"] }", "");
    for (tool, words) in [
        ("dnscontrol", "IGNORE(\"_dnsauth.www\", \"TXT\")"),
        ("terraform", "nothing to do"),
        ("external-dns", "--exclude-domains=_dnsauth.www.dcv.test"),
    ] {
        let run = scene.agent.run(&["policy", "bind", "--ignore", tool]);
        assert!(run.code == 0 && run.out.contains(words), "{run:?}");
    }
    for (arguments, code, words) in [
        (&["policy"][..], 64, "PROVIDER"),
        (&["policy", "--ignore", "ansible"], 64, "octodns, dnscontrol, terraform, external-dns"),
        (&["policy", "absent", "--ignore", "octodns"], 78, "there are: bind"),
    ] {
        let run = scene.agent.run(arguments);
        assert!(run.code == code && run.err.contains(words), "{run:?}");
    }
}

/// octoDNS deletes the value whenever it is up: the agent puts it up again each time, counts, and from the third time on tells
/// how far apart it happens and what stops it, once in the log. Time runs thirty times as fast, since DNS is looked at anew
/// before each check only.
#[tokio::test(flavor = "multi_thread")]
async fn what_octodns_deletes_is_put_up_again_and_told() {
    let scene = Scene::with_blind_ca(Bind::open("")).await;
    let order = scene.ca.place(OrderSpec::dv(["www.dcv.test"]));
    let address = web::address();
    scene.configure(&[order], "");
    scene.agent.edit("listen = \"\"", &format!("listen = \"{address}\""));
    let _daemon = scene.agent.daemon_in_fast_motion();
    let deletes = Octodns::at(scene.agent.folder(), &scene.bind, "");
    let page = |path: &str| {
        let asked = ask(address, &format!("GET /{path} HTTP/1.1\r\nHost: {address}\r\n\r\n"));
        asked.map(|(_, body)| body).unwrap_or_default()
    };
    for time in 1..=3 {
        eventually("the value is up, and the CA is asked", Duration::from_secs(60), || {
            scene.bind.txt("www.dcv.test").len() == 1 && scene.checks() >= time
        });
        deletes.sync(&["--doit", "--force"]);
        assert_eq!(scene.bind.txt("www.dcv.test"), [""; 0], "octoDNS has deleted nothing");
        eventually("it is noticed", Duration::from_secs(60), || {
            page("metrics").contains(&format!("dcv_agent_drifts_total{{account=\"main\"}} {time}"))
        });
    }
    eventually("it is up again", Duration::from_secs(60), || scene.bind.txt("www.dcv.test").len() == 1);
    let told = |text: &str| {
        text.contains("taken away 3 times, about every ") && text.contains("policy --ignore octodns")
    };
    eventually("the status tells it", Duration::from_secs(60), || told(&page("status")));
    let warned = scene.agent.log().lines().filter(|line| line.contains("WARN") && told(line)).count();
    assert_eq!(warned, 1, "it is told once in the log: {}", scene.agent.log());
    eventually("the state tells it", Duration::from_secs(60), || told(&scene.agent.run(&["status"]).out));
    let explained = scene.agent.run(&["explain", &order.to_string()]);
    assert!(told(&explained.out), "{explained:?}");
}
