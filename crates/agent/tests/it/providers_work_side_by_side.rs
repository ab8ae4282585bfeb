//! Providers of different kinds in one configuration, each with real DNS behind it, and what a bad one does to the others.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use dcv_sandbox::ca::OrderSpec;

use super::support::{
    Bind, TSIG, dig, eventually, free_port,
    powerdns::{KEY, PowerDns},
    scene::Scene,
};

/// What a script for lego's provider exec does, and a server for its httpreq: nsupdate.
const SCRIPT: &str = r#"#!/bin/sh
set -eu
case $1 in present) verb="update add $2 60" ;; cleanup) verb="update delete $2" ;; esac
printf 'server 127.0.0.1 %s\nzone %s.\n%s TXT "%s"\nsend\n' "$PORT" "$ZONE" "$verb" "$3" | nsupdate -y "hmac-sha256:dcv-key:$KEY"
"#;
const SERVER: &str = r#"import http.server, json, os, subprocess, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        done = subprocess.run([sys.argv[2], self.path[1:], body["fqdn"], body["value"]])
        self.send_response(200 if done.returncode == 0 else 500)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

/// A process that ends with the test.
struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// BIND with three zones, PowerDNS with one, and an agent that changes each in another way.
async fn four_kinds() -> (Scene, PowerDns, Beside, Vec<u64>) {
    let (bind, pdns) = (Bind::serving(&["script.test", "hook.test"]), PowerDns::serving("pdns.test"));
    let (here, there) = (bind.primary(), pdns.address);
    let zones = [("script.test", here), ("hook.test", here), ("pdns.test", there)];
    let scene = Scene::with_ca(bind, |config| {
        config.authorities.extend(zones.map(|(zone, server)| (zone.to_owned(), vec![server])));
    })
    .await;
    let order = |zone: &str| scene.ca.place(OrderSpec::dv([format!("www.{zone}")]));
    let orders: Vec<u64> = ["dcv.test", "script.test", "hook.test", "pdns.test"].map(order).to_vec();
    let script = script(&scene, "dns", SCRIPT);
    std::fs::write(scene.agent.path("pdns.key"), KEY).unwrap();
    let port = free_port();
    let hook = Command::new("python3")
        .args(["-c", SERVER, &port.to_string(), &script])
        .envs([("PORT", here.port().to_string()), ("ZONE", "hook.test".to_owned()), ("KEY", TSIG.to_owned())])
        .stdin(Stdio::null())
        .spawn()
        .expect("python3 is missing");
    eventually("the webhook listens", Duration::from_secs(20), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    scene.configure(&orders, "");
    for (zone, server) in zones {
        scene.agent.append(&format!("\"{zone}\" = [\"{server}\"]\n"));
    }
    let folder = scene.agent.folder().display();
    scene.agent.append(&format!(
        "[providers.pdns]\nkind = \"powerdns\"\nzones = [\"pdns.test\"]\nbase_url = \"http://127.0.0.1:{}\"\napi_key = {{ file = \"{folder}/pdns.key\" }}\n\
         [providers.script]\nkind = \"exec\"\nmode = \"lego-exec\"\nzones = [\"script.test\"]\ncommand = [\"{script}\"]\n\
         env = {{ PORT = \"{}\", ZONE = \"script.test\" }}\nsecrets = {{ KEY = {{ file = \"{folder}/tsig.key\" }} }}\n\
         [providers.hook]\nkind = \"webhook\"\nprotocol = \"httpreq\"\nzones = [\"hook.test\"]\nurl = \"http://127.0.0.1:{port}\"\n",
        pdns.api,
        here.port(),
    ));
    (scene, pdns, Beside(hook), orders)
}

fn script(scene: &Scene, name: &str, text: &str) -> String {
    let path = scene.agent.path(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn texts(server: SocketAddr, zone: &str) -> Vec<String> {
    dig(server, &format!("_dnsauth.www.{zone}"), "TXT")
}

/// Orders in zones of four kinds of provider are validated by one run, and nothing is left behind anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn four_kinds_of_provider_in_one_run() {
    let (scene, pdns, _hook, orders) = four_kinds().await;
    let run = scene.agent.run(&["check"]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(orders.iter().all(|order| scene.issued(*order)), "{run:?}");
    let here = scene.bind.primary();
    for (server, zone) in
        [(here, "dcv.test"), (here, "script.test"), (here, "hook.test"), (pdns.address, "pdns.test")]
    {
        assert_eq!(texts(server, zone), [""; 0], "a value was left in {zone}");
    }
    assert!(scene.held().is_empty());
}

/// A script that hangs, and a server that is down, keep their own orders from being done, and nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_provider_harms_only_its_own_zones() {
    let (scene, _pdns, hook, orders) = four_kinds().await;
    script(&scene, "dns", "#!/bin/sh\nsleep 86499\n");
    drop(hook);
    let run = scene.agent.run(&["--once", "--timeout", "15s", "--output", "json"]);
    assert_eq!(run.code, 75, "{run:?}");
    let done: Vec<bool> = orders.iter().map(|order| scene.issued(*order)).collect();
    assert_eq!(done, [true, false, false, true], "{run:?}");
    // What became of the script goes with the agent.
    eventually("the script is ended", Duration::from_secs(20), || {
        let mut lines = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
        !lines.any(|line| line == b"sleep\x0086499\x00")
    });
    let told = scene.agent.run(&["doctor", "--output", "json"]);
    assert!(told.out.contains("does not answer"), "{told:?}");
    assert!(
        told.out.contains("cannot be asked about the zone"),
        "what a script cannot do is not said: {told:?}"
    );
}

/// The contract is examined against a real server, at names below a random label, and nothing stays.
#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_examined_on_demand() {
    let (scene, pdns, _hook, _) = four_kinds().await;
    for (provider, zone) in [("bind", "dcv.test"), ("pdns", "pdns.test")] {
        let before = scene.bind.transfer();
        let run =
            scene.agent.run(&["conformance", "--provider", provider, "--zone", zone, "--output", "json"]);
        assert_eq!(run.code, 0, "{run:?}");
        let report = run.json();
        let checks = report["checks"].as_array().unwrap();
        assert!(checks.len() >= 12 && checks.iter().all(|check| check["kept"] == true), "{report}");
        assert!(report["label"].as_str().unwrap().starts_with("dcv-agent-"), "{report}");
        assert_eq!(scene.bind.transfer(), before, "something was left behind");
    }
    assert_eq!(dig(pdns.address, "_dnsauth.twice.pdns.test", "TXT"), [""; 0]);
    for (arguments, code, words) in [
        (["hook", "hook.test"], 1, "cannot be asked what is there"),
        (
            ["absent", "dcv.test"],
            78,
            "no provider \"absent\" is configured; there are: bind, hook, pdns, script",
        ),
        (["bind", "pdns.test"], 78, "bind serves no zone pdns.test; it serves dcv.test"),
    ] {
        let run = scene.agent.run(&["conformance", "--provider", arguments[0], "--zone", arguments[1]]);
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.err.contains(words), "{run:?}");
    }
}

/// What `policy` prints is what a server needs to be told: with it an order is validated, and beyond it nothing can be written.
#[tokio::test(flavor = "multi_thread")]
async fn the_policy_allows_what_is_needed_and_no_more() {
    let configured = |scene: &Scene, order: u64| {
        scene.configure_entries(&format!("{{ id = {order}, scopes = [\"www.dcv.test\"] }}"), "");
    };
    // What is printed does not depend on any server.
    let scene = Scene::new(Bind::serving(&[])).await;
    configured(&scene, 1);
    let printed = scene.json(&["policy", "bind"]);
    let bind = printed[0]["text"].as_str().unwrap();
    assert!(bind.contains("grant dcv-key name _dnsauth.www.dcv.test. TXT;"), "{bind}");
    let statement =
        bind.split_once("zone \"dcv.test\" {").unwrap().1.trim().trim_end_matches("};").to_owned();

    let scene = Scene::new(Bind::with_policy(&statement)).await;
    let order = scene.ca.place(OrderSpec::dv(["www.dcv.test"]));
    configured(&scene, order);
    let run = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(run.code, 0, "{run:?}");
    let other = scene.agent.run(&["doctor", "--write", "--at", "other.dcv.test"]);
    assert!(other.out.contains("REFUSED"), "more was allowed than is needed: {other:?}");

    // Names that only DigiCert knows are allowed by pattern, and it is said what that opens.
    scene.configure(&[order], "discover = {}");
    let run = scene.agent.run(&["policy", "bind", "--cname"]);
    assert!(run.out.contains("grant dcv-key wildcard *.dcv.test. TXT CNAME;"), "{run:?}");
    assert!(
        run.out.contains("update-type: [ TXT, CNAME ]") && run.out.contains("not known beforehand"),
        "{run:?}"
    );
    let run = scene.agent.run(&["policy", "absent"]);
    assert_eq!(run.code, 78, "{run:?}");
    assert!(run.err.contains("no provider \"absent\" is configured; there are: bind"), "{run:?}");
}
