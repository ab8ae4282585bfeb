//! Several accounts of one kind of provider in one configuration, and a zone that an account has while DNS delegates it
//! elsewhere.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use serde_json::{Value, json};

use super::support::{Bind, lab::PRIMARY, lab_scene::LabScene, scene::Scene};

/// Who asked for what: token and path.
type Asked = Arc<Mutex<BTreeSet<(String, String)>>>;

/// Two accounts of Cloudflare's, as its API shows them: each token reaches one zone, and knows nothing of the other.
async fn answer(State(asked): State<Asked>, uri: Uri, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    let token = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
    let path = uri.path().trim_start_matches("/client/v4/").to_owned();
    asked.lock().unwrap().insert((token.clone(), path.clone()));
    let (id, name) = match token.as_str() {
        "token-of-one" => ("one", "dcv.test"),
        "token-of-two" => ("two", "example.test"),
        _ => {
            return (
                StatusCode::FORBIDDEN,
                Json(
                    json!({ "success": false, "errors": [{ "code": 9109, "message": "Invalid access token" }] }),
                ),
            );
        }
    };
    let servers = ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"];
    let zone = json!({ "id": id, "name": name, "status": "active", "name_servers": servers });
    let is_asked_for = uri.query().is_none_or(|query| query.contains(&format!("name={name}")));
    let result = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["zones"] if is_asked_for => json!([zone]),
        ["zones"] => json!([]),
        ["zones", asked] if *asked == id => zone,
        ["zones", asked, "dns_records"] if *asked == id => json!([]),
        _ => {
            return (
                StatusCode::NOT_FOUND,
                Json(json!({ "success": false, "errors": [{ "code": 7003, "message": "Could not route" }] })),
            );
        }
    };
    (StatusCode::OK, Json(json!({ "success": true, "errors": [], "messages": [], "result": result })))
}

/// Each account's token goes to its own zones only.
#[tokio::test(flavor = "multi_thread")]
async fn each_account_serves_its_own_zones() {
    let asked = Asked::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(answer).with_state(Arc::clone(&asked));
    tokio::spawn(async move { axum::serve(listener, app).await });

    let scene = Scene::new(Bind::open("")).await;
    scene.configure(&[], "");
    let server = scene.bind.primary();
    let account = |name: &str, zone: &str| {
        let secret = scene.agent.path(name);
        std::fs::write(&secret, format!("token-of-{name}")).unwrap();
        format!(
            "[providers.{name}]\nkind = \"cloudflare\"\nzones = [\"{zone}\"]\nbase_url = \"http://{address}/client/v4/\"\n\
             api_token = {{ file = \"{}\" }}\nrequests_per_second = 100\n",
            secret.display()
        )
    };
    scene.agent.edit(
        "[providers.bind]\nkind = \"rfc2136\"\nzones = [\"dcv.test\"]",
        "[providers.bind]\nkind = \"rfc2136\"\nzones = [\"other.test\"]",
    );
    scene.agent.edit(
        "[verify.authorities]\n",
        &format!(
            "[verify.authorities]\n\"example.test\" = [\"{server}\"]\n\"other.test\" = [\"{server}\"]\n"
        ),
    );
    scene.agent.append(&(account("one", "dcv.test") + &account("two", "example.test")));

    let checks = scene.json(&["doctor"]);
    let of = |subject: &str, check: &str| {
        let all = checks.as_array().unwrap().iter();
        let found = all.filter(|found| found["subject"] == subject && found["check"] == check);
        found.map(|found| format!("{} {}", found["result"], found["detail"])).collect::<Vec<_>>().join("; ")
    };
    for (name, zone, id) in [("one", "dcv.test", "one"), ("two", "example.test", "two")] {
        let found = of(&format!("provider {name}"), "zone found");
        assert!(
            found.starts_with("\"pass\"") && found.contains(&format!("zone {id} holds {zone}")),
            "{found}"
        );
    }
    let asked = asked.lock().unwrap();
    assert!(asked.iter().any(|(token, _)| token == "token-of-two"));
    for (token, path) in asked.iter().filter(|(_, path)| path.starts_with("zones/")) {
        let own = path.trim_start_matches("zones/").split('/').next().unwrap();
        assert_eq!(*token, format!("token-of-{own}"), "a token went to another account's zone: {path}");
    }
}

/// Cloudflare's API inside the lab, with a zone that it would have at these name servers.
struct Account(Child);

impl Account {
    fn start(scene: &LabScene, servers: &str) -> Self {
        let script = r#"
import http.server, json, sys
zone = {"id": "one", "name": "caa.test", "status": "active", "name_servers": sys.argv[1].split(",")}
class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split("?")[0]
        result = zone if path.endswith("/one") else [] if path.endswith("/dns_records") else [zone]
        body = json.dumps({"success": True, "errors": [], "messages": [], "result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer.allow_reuse_address = True
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), Api)
print("ready", flush=True)
server.serve_forever()
"#;
        let mut python = scene.lab.command("python3");
        let child = python.args(["-c", script, servers]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut account = Self(child.unwrap());
        let mut told = String::new();
        BufReader::new(account.0.stdout.take().unwrap()).read_line(&mut told).unwrap();
        assert_eq!(told.trim(), "ready");
        account
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A zone that an account has while the parent zone delegates it to others: what is written there is seen by nobody, and both
/// sets of name servers are named. Where it is delegated to the account's own, nothing is said.
#[test]
fn a_zone_that_is_delegated_elsewhere_is_told() {
    let mut scene = LabScene::new();
    scene.order("dcv.test", &[PRIMARY], "any.dcv.test");
    std::fs::write(scene.path("one"), "token-of-one").unwrap();
    scene.append(&format!(
        "[providers.one]\nkind = \"cloudflare\"\nzones = [\"caa.test\"]\nbase_url = \"http://127.0.0.1:8443/client/v4/\"\n\
         api_token = {{ file = \"{}\" }}\n",
        scene.path("one").display()
    ));
    let told = |servers: &str| {
        let _account = Account::start(&scene, servers);
        let run = scene.run(&["doctor", "--output", "json"]);
        let checks: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run:?}"));
        let all = checks.as_array().unwrap().clone();
        let found = all.into_iter().find(|check| check["check"] == "served-elsewhere");
        found.map(|check| format!("{} {}: {}", check["result"], check["subject"], check["detail"]))
    };
    let elsewhere = told("ada.ns.cloudflare.com,bob.ns.cloudflare.com").unwrap_or_default();
    let both = "it has caa.test at ada.ns.cloudflare.com, bob.ns.cloudflare.com, and DNS delegates it to ns1.caa.test";
    assert!(elsewhere.starts_with("\"fail\" \"zone caa.test\"") && elsewhere.contains(both), "{elsewhere}");
    assert_eq!(told("ns1.caa.test"), None);
}
