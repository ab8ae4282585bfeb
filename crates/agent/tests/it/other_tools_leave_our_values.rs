//! What `policy --ignore` prints keeps another tool from deleting what the agent has put up; tried with the real octoDNS.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use dcv_sandbox::ca::OrderSpec;

use crate::support::{Bind, TSIG, eventually, scene::Scene};

/// octoDNS with a description of `dcv.test` in which there is none of ours.
pub(crate) struct Octodns {
    folder: PathBuf,
}

impl Octodns {
    pub(crate) fn at(folder: &Path, bind: &Bind, truce: &str) -> Self {
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
    pub(crate) fn sync(&self, arguments: &[&str]) -> String {
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
