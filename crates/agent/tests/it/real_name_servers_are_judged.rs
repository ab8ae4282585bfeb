//! The agent in a small Internet of real name servers, from a signed root down: what it sees, says, and leaves unasked.

use serde_json::Value as Json;

use std::time::Duration;

use super::support::{
    eventually,
    lab::{DEAD, LAGGING, PRIMARY, PRIMARY_ASIDE, SECONDARY, VALUE},
    lab_scene::LabScene,
    read,
};

fn explain(scene: &LabScene, domain: &str) -> Scope {
    let run = scene.run(&["explain", "--domain", domain, "--output", "json"]);
    let report: Json = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{domain}: {run:?}"));
    Scope { code: run.code, json: report[0]["scopes"][0].clone() }
}

/// Questions about validation names that the resolver was asked.
fn asked_of_the_resolver(scene: &LabScene, below: &str) -> Vec<String> {
    let questions = scene.lab.resolver_queries().into_iter().map(|(name, _)| name);
    questions.filter(|name| name.starts_with("_dnsauth.") && name.contains(below)).collect()
}

/// One scope of a report.
struct Scope {
    code: i32,
    json: Json,
}

impl Scope {
    fn finding(&self, code: &str) -> Option<&Json> {
        self.json["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code)
    }

    fn codes(&self) -> Vec<&str> {
        self.json["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["code"].as_str().unwrap())
            .collect()
    }

    fn servers(&self) -> &[Json] {
        self.json["survey"]["zone"]["servers"].as_array().map_or(&[], Vec::as_slice)
    }
}

/// DNSSEC: three zones that are well, five that are broken each in another way, and what a person is told to mend.
#[test]
fn dnssec_is_judged_and_its_breakage_is_named() {
    let scene = LabScene::new();
    for (zone, state, told) in [
        ("signed.test", "secure", None),
        ("nsec3.test", "secure", None),
        ("dcv.test", "insecure", None),
        ("oldalgo.test", "insecure", None),
        ("soon.test", "secure", Some(("signature-expires-soon", "expires at"))),
        ("expired.test", "bogus", Some(("dnssec-bogus", "expired at"))),
        ("wrongds.test", "bogus", Some(("dnssec-bogus", "matches none of the zone's keys"))),
        ("nokey.test", "bogus", Some(("dnssec-bogus", "has no DNSKEY"))),
        ("nonsec.test", "secure", Some(("caa-unknown", "carries no proof"))),
    ] {
        let scope = explain(&scene, &format!("www.{zone}"));
        let security = &scope.servers()[0]["security"];
        assert_eq!(security["state"], state, "{zone}: {}", scope.json);
        match told {
            None => assert!(
                !scope.codes().iter().any(|code| code.starts_with("dnssec")),
                "{zone}: {:?}",
                scope.codes()
            ),
            Some((code, words)) => {
                let finding = scope.finding(code).unwrap_or_else(|| panic!("{zone}: {:?}", scope.codes()));
                assert!(finding["what"].as_str().unwrap().contains(words), "{zone}: {finding}");
            }
        }
        assert_eq!(scope.code, i32::from(state == "bogus"), "{zone}: {:?}", scope.codes());
    }
}

/// CAA that cannot be read may cost the certificate: that is something to do, not nothing.
#[test]
fn unreadable_caa_is_something_to_do() {
    let scene = LabScene::new();
    let run = scene.run(&["explain", "--domain", "www.nonsec.test", "--output", "json"]);
    let report: Json = serde_json::from_str(&run.out).unwrap();
    let action = report[0]["action"].as_str().unwrap();
    assert!(action.contains("answer for CAA"), "{report}");
    let finding = &report[0]["scopes"][0]["findings"][0];
    assert!(
        finding["what"].as_str().unwrap().contains("may not issue for www.nonsec.test, although"),
        "{finding}"
    );
}

/// A chain of trust may break where the alias stands, however sound the zone is to which it leads.
#[test]
fn the_way_to_a_delegated_record_has_to_validate_too() {
    let scene = LabScene::new();
    for (scope, trusted) in
        [("alias.signed.test", true), ("alias.expired.test", false), ("good.dn.signed.test", true)]
    {
        let seen = explain(&scene, scope);
        assert_eq!(seen.json["survey"]["zone"]["apex"], "dcv.test", "{scope}: {}", seen.json);
        assert_eq!(seen.finding("dnssec-bogus").is_none(), trusted, "{scope}: {}", seen.json);
    }
}

/// Lame, dead, stale and differing name servers.
#[test]
fn sick_name_servers_are_told_apart() {
    let scene = LabScene::new();
    let lame = explain(&scene, "www.lame.test");
    for (code, words) in [
        ("lame-server", SECONDARY.to_string()),
        ("server-unreachable", DEAD.to_string()),
        ("delegation-differs", "only at the parent".to_owned()),
    ] {
        let finding = lame.finding(code).unwrap_or_else(|| panic!("{code}: {:?}", lame.codes()));
        assert!(finding["what"].as_str().unwrap().contains(&words), "{finding}");
    }
    assert_eq!(
        lame.servers().len(),
        4,
        "every server of either name server set is asked: {:?}",
        lame.servers()
    );
    assert_eq!(lame.code, 1);

    let stale = explain(&scene, "www.stale.test");
    let finding = stale.finding("stale-secondary").unwrap();
    assert!(finding["what"].as_str().unwrap().contains(&LAGGING.to_string()), "{finding}");
}

#[test]
fn caa_is_read_as_rfc_8659_says() {
    let scene = LabScene::new();
    for (name, expected, code) in [
        ("caa.test", "open", None),
        ("allowed.caa.test", "allowed", None),
        ("deep.below.allowed.caa.test", "allowed", None),
        ("other.caa.test", "forbidden", Some("caa-forbids")),
        ("none.caa.test", "forbidden", Some("caa-forbids")),
        ("wild.caa.test", "allowed", None),
        ("*.wild.caa.test", "forbidden", Some("caa-forbids")),
        ("critical.caa.test", "forbidden", Some("caa-forbids")),
        ("account.caa.test", "allowed", Some("caa-parameters")),
    ] {
        let scope = explain(&scene, name);
        assert_eq!(
            scope.json["survey"]["caa"][0][1]["caa"], expected,
            "{name}: {}",
            scope.json["survey"]["caa"]
        );
        for known in ["caa-forbids", "caa-parameters"] {
            assert_eq!(scope.finding(known).is_some(), code == Some(known), "{name}: {:?}", scope.codes());
        }
    }
}

#[test]
fn delegations_are_followed_and_their_dangers_named() {
    let scene = LabScene::new();
    for (scope, code, words) in [
        ("loop.deleg.test", "bad-delegation", "circle"),
        ("long.deleg.test", "bad-delegation", "longer than 8"),
        ("nowhere.deleg.test", "bad-delegation", "no name server there answers"),
        ("dangling.deleg.test", "takeover-risk", "gone.test, which does not exist"),
        ("x.wild.deleg.test", "wildcard-alias", "wildcard"),
        ("dn.deleg.test", "dname", "DNAME"),
    ] {
        let seen = explain(&scene, scope);
        let finding = seen.finding(code).unwrap_or_else(|| panic!("{scope}: {}", seen.json));
        assert!(finding["what"].as_str().unwrap().contains(words), "{scope}: {finding}");
    }
    let good = explain(&scene, "good.deleg.test");
    assert_eq!(good.json["survey"]["delegation"]["chain"], serde_json::json!(["good.dcv.test"]));
    assert_eq!(good.json["survey"]["zone"]["apex"], "dcv.test", "the servers of the target's zone count");
    assert_eq!(good.json["provider"], "bind");
    assert_eq!(good.code, 0, "{:?}", good.codes());
}

#[test]
fn common_mistakes_are_found() {
    let scene = LabScene::new();
    for (scope, code) in [
        ("doubled.mistakes.test", "doubled-zone"),
        ("quoted.mistakes.test", "value-mangled"),
        ("dotted.mistakes.test", "value-mangled"),
        ("split.mistakes.test", "value-mangled"),
        ("high.mistakes.test", "label-too-high"),
        ("low.mistakes.test", "label-too-low"),
    ] {
        let seen = explain(&scene, scope);
        assert!(seen.finding(code).is_some(), "{scope}: {}", seen.json);
    }
    let right = explain(&scene, "www.signed.test");
    assert_eq!(right.servers()[0]["answer"]["txt"], serde_json::json!([VALUE]));
    assert_eq!(right.codes(), [""; 0], "{}", right.json);
}

/// A name server whose address cannot be found is one that does not answer, not one that is not there.
#[test]
fn a_name_server_without_an_address_counts() {
    let scene = LabScene::new();
    let seen = explain(&scene, "www.halfdead.test");
    let finding = seen.finding("server-unreachable").unwrap_or_else(|| panic!("{}", seen.json));
    assert!(finding["what"].as_str().unwrap().contains("ns.dead.test"), "{finding}");
    assert_eq!(seen.code, 1);
}

/// A server may serve a signed zone and an unsigned one below it, and then never refers from one to the other.
#[test]
fn an_unsigned_zone_on_its_signed_parents_server_is_no_breakage() {
    let scene = LabScene::new();
    for (scope, apex) in [("y.plain.signed.test", "plain.signed.test"), ("x.plain.signed.test", "dcv.test")] {
        let seen = explain(&scene, scope);
        assert_eq!(seen.json["survey"]["zone"]["apex"], apex, "{scope}: {}", seen.json);
        assert!(seen.finding("dnssec-bogus").is_none(), "{scope}: {}", seen.json);
        assert!(seen.finding("caa-unknown").is_none(), "{scope}: {}", seen.json);
    }
}

/// A delegated name: the alias is not at every name server of its own zone yet, so the record is not there for everybody,
/// however well it is served where the alias leads; and no resolver is asked.
#[test]
fn an_alias_that_lags_is_a_record_that_lags() {
    let mut scene = LabScene::new();
    scene.order("stale.test", &[PRIMARY], "alias.stale.test");
    let run = scene.run(&["--once", "--timeout", "7s"]);
    assert_eq!(run.code, 75, "{run:?}");
    assert!(run.out.contains("propagating") && run.out.contains(&LAGGING.to_string()), "{run:?}");
    assert_eq!(scene.lab.dig(PRIMARY, "_dnsauth.alias.stale.test", "CNAME"), ["alias.dcv.test."]);
    assert!(!scene.lab.dig(LAGGING, "alias.dcv.test", "TXT").is_empty(), "the value is everywhere by now");
    assert_eq!(asked_of_the_resolver(&scene, "alias"), [""; 0]);
}

/// An order over a secondary that lags: while it lags, no question about the owner name reaches a resolver; once every
/// authority has the value the resolver sees it at once, since nothing had been denied to it.
#[test]
fn no_resolver_is_asked_before_the_authorities_agree() {
    let mut scene = LabScene::new();
    let order = scene.order("dcv.test", &[PRIMARY, SECONDARY, LAGGING], "quiet.dcv.test");
    let early = scene.run(&["--once", "--timeout", "1s"]);
    assert_eq!(early.code, 75, "the secondary polls every two seconds at the earliest: {early:?}");
    assert!(early.out.contains("propagating"), "{early:?}");
    assert!(early.out.contains(&LAGGING.ip().to_string()), "the server that lags is named: {early:?}");
    assert_eq!(asked_of_the_resolver(&scene, "quiet"), [""; 0]);

    let late = scene.run(&["--once", "--timeout", "30s"]);
    assert_eq!(late.code, 0, "{late:?}");
    assert_eq!(
        asked_of_the_resolver(&scene, "quiet"),
        ["_dnsauth.quiet.dcv.test."],
        "asked once, at the end"
    );
    let explained = scene.run(&["explain", &order.to_string(), "--output", "json"]);
    assert_eq!(explained.code, 0, "{explained:?}");
}

/// A signed zone with dynamic updates: enforced validation lets a good chain through, and stops the check at a bad one.
#[test]
fn a_bogus_zone_stops_the_check_and_says_so() {
    let mut scene = LabScene::new();
    scene.order("signed.test", &[PRIMARY], "bogus.signed.test,fine.signed.test");
    let right = std::fs::read_to_string(scene.path("config.toml")).unwrap();
    // The key of another root: nothing validates below it.
    let foreign = scene.path("foreign.key");
    let anchor = std::fs::read_to_string(scene.lab.trust_anchor()).unwrap();
    let swapped: String = anchor.lines().map(|line| swap_key(line) + "\n").collect();
    std::fs::write(&foreign, swapped).unwrap();
    let wrong =
        right.replace(&scene.lab.trust_anchor().display().to_string(), &foreign.display().to_string());
    assert_ne!(wrong, right);
    std::fs::write(scene.path("config.toml"), wrong).unwrap();
    let blocked = scene.run(&["--once", "--timeout", "20s", "--output", "json"]);
    assert_eq!(blocked.code, 1, "{blocked:?}");
    let summary: Json = serde_json::from_str(&blocked.out).unwrap();
    assert_eq!(summary["orders"][0]["reason"], "dnssec-bogus", "{summary}");

    std::fs::write(scene.path("config.toml"), right).unwrap();
    let validated = scene.run(&["--once", "--timeout", "30s"]);
    assert_eq!(validated.code, 0, "{validated:?}");
}

/// A DNSKEY line with two characters of its key exchanged: a well-formed key that nobody has.
fn swap_key(line: &str) -> String {
    let mut parts: Vec<&str> = line.split_whitespace().collect();
    let key = parts.pop().unwrap_or_default();
    let middle = key.len() / 2;
    let changed: String = key
        .char_indices()
        .map(|(at, c)| if at == middle { if c == 'A' { 'B' } else { 'A' } } else { c })
        .collect();
    parts.push(&changed);
    parts.join(" ")
}

/// A zone cut between the configured zone and the validation name hides whatever is written into the parent, whether the
/// child zone's servers answer or not, and also where the authorities are configured: nothing is written, and the child zone is
/// named.
#[test]
fn a_record_below_a_zone_cut_is_not_written_into_the_parent() {
    let mut scene = LabScene::new();
    let pinned = format!("authorities = {{ \"dcv.test\" = [\"{PRIMARY}\"] }}");
    for (zone, name, verify, child, servers) in [
        ("signed.test", "y.plain.signed.test", None, "plain.signed.test", "ns1.plain.signed.test"),
        ("dcv.test", "www.cut.dcv.test", None, "cut.dcv.test", "ns3.dcv.test"),
        ("dcv.test", "app.dcv.test", None, "_dnsauth.app.dcv.test", "ns3.dcv.test"),
        ("dcv.test", "www.cut.dcv.test", Some(pinned.as_str()), "cut.dcv.test", "ns3.dcv.test"),
    ] {
        scene.order(zone, &[PRIMARY], name);
        if let Some(verify) = verify {
            scene.look_by(verify, PRIMARY);
        }
        let run = scene.run(&["--once", "--timeout", "20s", "--output", "json"]);
        assert_eq!(run.code, 1, "{name}: {run:?}");
        let summary: Json = serde_json::from_str(&run.out).unwrap();
        let order = &summary["orders"][0];
        assert_eq!(order["reason"], "no-provider", "{name}: {summary}");
        let detail = order["detail"].as_str().unwrap();
        let told = format!("lies in the zone {child} (name servers {servers})");
        assert!(detail.contains(&told) && detail.contains(zone), "{name}: {detail}");

        let probe = scene.run(&["doctor", "--write", "--at", name, "--output", "json"]);
        assert_ne!(probe.code, 0, "{name}: {probe:?}");
        let checks: Json = serde_json::from_str(&probe.out).unwrap();
        let checks = checks.as_array().unwrap();
        let cut =
            checks.iter().find(|check| check["check"] == "zone cut").unwrap_or_else(|| panic!("{checks:?}"));
        assert!(cut["detail"].as_str().unwrap().contains(&told), "{cut}");
        assert!(checks.iter().all(|check| check["check"] != "write"), "a probe was written: {checks:?}");
    }
    let seen = explain(&scene, "y.plain.signed.test");
    assert!(seen.finding("zone-cut").is_some(), "{}", seen.json);
}

/// A DNAME on the way: DigiCert's own library refuses such an answer, so nothing is published where it would not look on.
#[test]
fn a_dname_on_the_way_is_refused() {
    let mut scene = LabScene::new();
    scene.order("signed.test", &[PRIMARY], "good.dn.signed.test");
    let run = scene.run(&["--once", "--timeout", "20s", "--output", "json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let summary: Json = serde_json::from_str(&run.out).unwrap();
    assert_eq!(summary["orders"][0]["reason"], "bad-delegation", "{summary}");
    let detail = summary["orders"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("DNAME") && detail.contains("owner = \"bare\""), "{detail}");
}

/// An empty resolv.conf, as hosts have it while they boot, is waited out: the exit says that another try may help, and the next
/// run reads what the file says then.
#[test]
fn resolvers_that_are_not_there_yet_are_waited_for() {
    let mut scene = LabScene::new();
    scene.order("dcv.test", &[PRIMARY], "boot.dcv.test");
    scene.look_by("resolvers = [\"system\"]", PRIMARY);
    let right = scene.lab.resolv_conf("");
    let early = scene.run(&["--once", "--timeout", "2s"]);
    assert_eq!(early.code, 75, "{early:?}");
    assert!(early.out.contains("names no server"), "{early:?}");
    scene.lab.resolv_conf(&right);
    let late = scene.run(&["--once", "--timeout", "30s"]);
    assert_eq!(late.code, 0, "{late:?}");
}

/// Split horizon: other resolvers at and below one domain, and the usual ones elsewhere.
#[test]
fn a_domain_may_have_resolvers_of_its_own() {
    let mut scene = LabScene::new();
    let resolver = scene.lab.resolver();
    let own = "[verify.zones.\"signed.test\"]\nresolvers = []\n";
    scene.look_by(
        &format!("resolvers = [\"{resolver}\"]\n{own}discovery_resolvers = [\"{resolver}\"]"),
        PRIMARY,
    );
    let asked = |domain: &str| explain(&scene, domain).json["survey"]["resolvers"].as_array().unwrap().len();
    assert_eq!(asked("www.nsec3.test"), 1);
    assert_eq!(asked("www.signed.test"), 0, "the domain's own setting does not count");
}

/// `doctor` is well in a well world; with --write it measures the way to every name server and leaves nothing.
#[test]
fn doctor_writes_a_probe_measures_it_and_takes_it_away() {
    let mut scene = LabScene::new();
    scene.order("dcv.test", &[PRIMARY, SECONDARY, LAGGING], "any.dcv.test");
    let harmless = scene.run(&["doctor", "--output", "json"]);
    assert_eq!(harmless.code, 0, "{harmless:?}");
    let checks: Json = serde_json::from_str(&harmless.out).unwrap();
    let subjects: Vec<_> =
        checks.as_array().unwrap().iter().map(|check| check["subject"].as_str().unwrap()).collect();
    for subject in
        ["account main", "provider bind", "zone dcv.test", "zone signed.test", "resolver 127.0.0.53:53"]
    {
        assert!(subjects.contains(&subject), "{subject} is not checked: {subjects:?}");
    }

    let written = scene.run(&["doctor", "--write", "--at", "probe.dcv.test", "--output", "json"]);
    assert_eq!(written.code, 0, "{written:?}");
    let checks: Json = serde_json::from_str(&written.out).unwrap();
    let propagation =
        checks.as_array().unwrap().iter().find(|check| check["check"] == "propagation").unwrap();
    assert!(
        propagation["detail"].as_str().unwrap().contains("at all 3 name server addresses"),
        "{propagation}"
    );
    assert_eq!(scene.lab.dig(PRIMARY, "_dnsauth.probe.dcv.test", "TXT"), [""; 0], "the probe was left");

    // A wrong key: told as a setting, with the fix; everything else is still checked.
    std::fs::write(scene.path("api.key"), "another-key\n").unwrap();
    let refused = scene.run(&["doctor", "--output", "json"]);
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.out.contains("zone dcv.test"), "{refused:?}");
}

/// A host that reaches no name server: the way that works is found, the diagnosis is clear, and orders are validated
/// through resolvers alone, over TLS where HTTPS is not given, and over HTTPS through a proxy.
#[test]
fn where_port_53_is_closed_resolvers_take_over() {
    let mut scene = LabScene::new();
    scene.order("dcv.test", &[PRIMARY_ASIDE], "closed.dcv.test");
    let certificate = scene.lab.certificate();
    let trust = format!("ca_file = \"{}\"", certificate.display());
    let several = "[[\"127.0.0.53\", \"tls://127.0.0.53#dns.lab.test\", \"https://127.0.0.53/dns-query\"]]";
    scene.look_by(&format!("resolvers = {several}\n{trust}"), PRIMARY_ASIDE);
    scene.lab.close_port_53();

    let explained = explain(&scene, "www.signed.test");
    assert_eq!(explained.json["survey"]["path"], "resolvers", "{}", explained.json);
    assert!(explained.finding("port-53-blocked").is_some(), "{}", explained.json);
    assert_eq!(explained.json["survey"]["resolvers"][0]["answer"]["txt"], serde_json::json!([VALUE]));

    let https = "[\"https://127.0.0.53/dns-query\"]";
    let mut proxy = Proxy::start(&scene);
    scene.look_by(&format!("resolvers = {https}\n{trust}\nproxy = \"http://127.0.0.1:3128\""), PRIMARY_ASIDE);
    // The resolver may have asked the secondary that lags, and then repeats its denial for a minute.
    let run = scene.run(&["--once", "--timeout", "150s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(proxy.connections() > 0, "the proxy was passed by");
}

/// A plain CONNECT proxy inside the lab.
struct Proxy {
    child: std::process::Child,
    log: std::path::PathBuf,
}

impl Proxy {
    fn start(scene: &LabScene) -> Self {
        let log = scene.path("proxy.log");
        let script = r#"
import socket, sys, threading
def pump(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass
def serve(client):
    head = b""
    while b"\r\n\r\n" not in head: head += client.recv(4096)
    host, port = head.split()[1].decode().rsplit(":", 1)
    print("CONNECT", host, port, flush=True)
    upstream = socket.create_connection((host, int(port)))
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    threading.Thread(target=pump, args=(client, upstream), daemon=True).start()
    pump(upstream, client)
listener = socket.create_server(("127.0.0.1", 3128))
print("ready", flush=True)
while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;
        let output = std::fs::File::create(&log).unwrap();
        let child = scene.lab.command("python3").args(["-c", script]).stdout(output).spawn().unwrap();
        eventually("the proxy listens", Duration::from_secs(10), || read(&log).contains("ready"));
        Self { child, log }
    }

    fn connections(&mut self) -> usize {
        read(&self.log).matches("CONNECT 127.0.0.53 443").count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Files are fetched from port 80 of every address that DNS names, of both families and behind an alias; a name without an
/// address is told as such.
#[test]
fn files_are_fetched_where_dns_leads() {
    let mut scene = LabScene::new();
    let order = scene.order_by_file(&["web.dcv.test", "shop.dcv.test"]);
    scene.append("[http]\nlisten = \"127.0.0.1:80\"\n");
    let run = scene.run(&["--once", "--timeout", "4s"]);
    assert_eq!(run.code, 75, "{run:?}");
    for name in ["web", "shop"] {
        let expected = format!("{name}.dcv.test ([::1]:80): no connection");
        assert!(run.out.contains(&expected), "{expected:?} is not in {}", run.out);
    }
    let path = scene.path("config.toml");
    std::fs::write(&path, read(&path).replace("listen = \"127.0.0.1:80\"", "listen = \"[::]:80\"")).unwrap();
    let run = scene.run(&["--once", "--timeout", "30s"]);
    assert_eq!(run.code, 0, "order {order}: {run:?}");

    scene.order_by_file(&["nowhere.dcv.test"]);
    scene.append("[http]\nlisten = \"[::]:80\"\n");
    let run = scene.run(&["--once", "--timeout", "4s"]);
    assert!(run.code == 75 && run.out.contains("nowhere.dcv.test has no address"), "{run:?}");
}

/// `docs/output.md` names every field that comes out.
#[test]
fn every_field_of_the_output_is_documented() {
    let mut scene = LabScene::new();
    let order = scene.order("dcv.test", &[PRIMARY], "*.fields.dcv.test");
    let page = include_str!("../../../../docs/output.md");
    for arguments in [
        vec!["explain", "--domain", "dangling.deleg.test"],
        vec!["explain", "--domain", "high.mistakes.test"],
        vec!["explain", "--domain", "www.lame.test"],
        vec!["explain", &order.to_string()],
        vec!["doctor"],
        vec!["--once"],
    ] {
        let run = scene.run(&[&arguments[..], &["--output", "json"]].concat());
        let json: Json = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{arguments:?}: {run:?}"));
        let mut fields = std::collections::BTreeSet::new();
        keys(&json, &mut fields);
        for field in fields {
            assert!(
                page.contains(&format!("`{field}`")),
                "{arguments:?}: `{field}` is not in docs/output.md"
            );
        }
    }
}

fn keys<'a>(json: &'a Json, found: &mut std::collections::BTreeSet<&'a str>) {
    match json {
        Json::Object(map) => {
            for (key, value) in map {
                found.insert(key);
                keys(value, found);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}
