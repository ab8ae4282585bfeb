//! Orders by `http-token`, as a user has them: files by the responder, and below the document roots of a real nginx.
//!
//! The file is long since each way of serving a file is followed from the order to the tidied-up web server.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use dcv_sandbox::ca::OrderSpec;
use serde_json::Value as Json;

use super::support::{
    Agent, BINARY, Bind, Finished, eventually, lab, read,
    scene::Scene,
    web::{FILE, Nginx, address, fetch, shown},
};

const SHOP: &str = "shop.dcv.test";
const WWW: &str = "www.dcv.test";

/// A CA that fetches the files of all names from `web`; from nowhere if there is none.
async fn fetching_from(web: Option<SocketAddr>) -> Scene {
    let scene = Scene::new(Bind::start(&[SHOP.to_owned(), WWW.to_owned()], "", false)).await;
    reach(&scene, web);
    scene
}

fn reach(scene: &Scene, web: Option<SocketAddr>) {
    let web = web.map(|address| ("dcv.test".to_owned(), address));
    scene.ca.alter_profile(|profile| profile.web = web.into_iter().collect());
}

fn order_by_file(scene: &Scene, names: &[&str]) -> u64 {
    scene.ca.place(OrderSpec::dv(names.iter().copied()).method("http-token"))
}

/// Configures orders, with these keys of `[http]` and the addresses from which the agent fetches.
fn configure(scene: &Scene, orders: &[u64], http: &str, web: &[SocketAddr]) {
    configure_account(scene, orders, "", http, web);
}

fn configure_account(scene: &Scene, orders: &[u64], account: &str, http: &str, web: &[SocketAddr]) {
    scene.configure(orders, account);
    let web: Vec<_> = web.iter().map(|address| format!("\"{address}\"")).collect();
    scene.agent.append(&format!("[verify.web]\n\"dcv.test\" = [{}]\n[http]\n{http}\n", web.join(", ")));
}

fn keep_a_ledger(agent: &Agent) {
    agent.append(&format!("[ledger]\nfolder = \"{}\"\n", agent.path("ledger").display()));
}

/// How many times the ledger tells of such a change.
fn changes(agent: &Agent, action: &str) -> usize {
    let ledger = read(&agent.path("ledger").join("ledger.jsonl"));
    let event = format!("\"action\":\"{action}\"");
    ledger.lines().filter(|line| line.contains(&event)).count()
}

/// Runs for a moment while something is in the way; returns the exit code and the report of an order.
fn once(scene: &Scene, order: u64) -> (i32, Json) {
    let run = scene.agent.run(&["--once", "--timeout", "4s", "--output", "json"]);
    (run.code, run.order(order))
}

fn listen(address: SocketAddr) -> String {
    format!("listen = \"{address}\"")
}

fn roots(roots: &[(&str, &str)], nginx: &Nginx) -> String {
    let each = roots.iter().map(|(host, root)| format!("\"{host}\" = \"{}\"", nginx.root(root).display()));
    format!("webroots = {{ {} }}", each.collect::<Vec<_>>().join(", "))
}

fn site(name: &str, root: &str) -> String {
    format!("server {{ listen LISTEN; server_name {name}; root ROOT/{root}; }}\n")
}

fn findings(report: &Json) -> Vec<&str> {
    let findings = report["files"][0]["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["code"].as_str().unwrap()).collect()
}

fn detail(report: &Json) -> &str {
    report["detail"].as_str().unwrap()
}

/// The responder shows the value on each name of an order, the CA finds it, and nothing is left; in as many calls as by
/// TXT.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_two_names_is_validated_by_the_responder() {
    let web = address();
    let scene = fetching_from(Some(web)).await;
    let order = order_by_file(&scene, &["dcv.test", WWW]);
    configure(&scene, &[order], &listen(web), &[web]);
    scene.validates(&[order]);
    assert_eq!(scene.calls(order), 3);
    assert_eq!(fetch(web, WWW), None, "the responder outlived the run");
    let serial = scene.bind.serial();
    scene.validates(&[order]);
    assert_eq!(scene.bind.serial(), serial);
}

/// Who has no DNS at hand needs no provider: files are enough. Also for an order whose scopes are configured, so that its
/// method is not known at first.
#[tokio::test(flavor = "multi_thread")]
async fn files_need_no_dns_provider() {
    let web = address();
    let scene = fetching_from(Some(web)).await;
    let (order, scoped) = (order_by_file(&scene, &[WWW]), order_by_file(&scene, &[SHOP]));
    configure(&scene, &[order], &listen(web), &[web]);
    let path = scene.agent.path("config.toml");
    let text = read(&path);
    let (head, rest) = text.split_once("[providers.bind]").unwrap();
    let (_, tail) = rest.split_once("[verify]").unwrap();
    let orders = format!("orders = [{order}, {{ id = {scoped}, scopes = [\"{SHOP}\"] }}]");
    let head = head.replace(&format!("orders = [{order}]"), &orders);
    std::fs::write(&path, format!("{head}[verify]{tail}")).unwrap();
    assert_eq!(scene.agent.run(&["check"]).code, 0);
    scene.validates(&[order, scoped]);
}

/// A value that expires while the order is open is exchanged: whoever fetches finds the old one or the new one, never
/// nothing. By the responder and below a document root.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_value_is_exchanged_without_a_gap() {
    let nginx = Nginx::start(&["www"], &site(WWW, "www"));
    let web = address();
    let scene = fetching_from(None).await;
    scene.ca.alter_profile(|profile| profile.value_life = Duration::from_secs(8));
    let order = order_by_file(&scene, &[SHOP, WWW]);
    configure(&scene, &[order], &format!("{}\n{}", listen(web), roots(&[(WWW, "www")], &nginx)), &[web]);
    let path = scene.agent.path("config.toml");
    let pin = format!("[verify.web]\n\"{WWW}\" = [\"{}\"]\n", nginx.address());
    std::fs::write(&path, read(&path).replace("[verify.web]\n", &pin)).unwrap();
    let daemon = scene.agent.daemon();
    let both = || (shown(web, SHOP), shown(nginx.address(), WWW));
    eventually("both files are there", Duration::from_secs(15), || {
        let (one, other) = both();
        one.is_some() && other.is_some()
    });
    let first = scene.ca.value(order);
    let mut gaps = 0;
    eventually("both files are exchanged", Duration::from_secs(20), || {
        let (one, other) = both();
        gaps += usize::from(one.is_none()) + usize::from(other.is_none());
        one.is_some() && one == other && one != first
    });
    assert_eq!(gaps, 0, "a file was absent for a while");
    assert_eq!(shown(web, SHOP), scene.ca.value(order));
    assert!(scene.ca.cancel(order));
    assert_eq!(daemon.stop().0, 0);
    // The next run learns of the cancellation and tidies up.
    let last = scene.agent.run(&["--once", "--timeout", "20s"]);
    assert_eq!(last.code, 1, "a cancelled order needs a person: {last:?}");
    assert_eq!(fetch(nginx.address(), WWW).map(|(status, _)| status), Some(404));
    assert_eq!(scene.held(), [Json::Null; 0]);
}

/// What the responder showed before a restart it shows again at once; that is no second publication.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_shows_the_file_again() {
    let web = address();
    let scene = fetching_from(None).await;
    let order = order_by_file(&scene, &[WWW]);
    configure(&scene, &[order], &listen(web), &[web]);
    keep_a_ledger(&scene.agent);
    let daemon = scene.agent.daemon();
    eventually("the file is there", Duration::from_secs(15), || shown(web, WWW).is_some());
    let value = shown(web, WWW);
    eventually("the CA was asked", Duration::from_secs(15), || scene.checks() > 0);
    assert_eq!(daemon.stop().0, 0);
    assert_eq!(fetch(web, WWW), None);
    // Even while the CA cannot be reached.
    let working = scene.ca.base_url();
    let path = scene.agent.path("config.toml");
    let text = read(&path);
    std::fs::write(&path, text.replace(&working, "http://127.0.0.1:1/services/v2")).unwrap();
    let daemon = scene.agent.daemon();
    eventually("the file is there again", Duration::from_secs(15), || shown(web, WWW) == value);
    assert_eq!(daemon.stop().0, 0);
    std::fs::write(&path, text).unwrap();
    reach(&scene, Some(web));
    scene.validates(&[order]);
    assert_eq!((changes(&scene.agent, "add"), changes(&scene.agent, "remove")), (1, 1));
}

/// A reload keeps what the responder shows, without a gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_goes_on_showing_the_file() {
    let web = address();
    let scene = fetching_from(None).await;
    let order = order_by_file(&scene, &[WWW]);
    configure(&scene, &[order], &listen(web), &[web]);
    let daemon = scene.agent.daemon();
    eventually("the file is there", Duration::from_secs(15), || shown(web, WWW).is_some());
    let second = order_by_file(&scene, &[SHOP]);
    configure(&scene, &[order, second], &listen(web), &[web]);
    daemon.signal("HUP");
    let mut gaps = 0;
    eventually("the second order's file is there", Duration::from_secs(15), || {
        gaps += usize::from(shown(web, WWW).is_none());
        shown(web, SHOP).is_some()
    });
    assert_eq!(gaps, 0);
    // An order that is taken out of the configuration takes its file along.
    configure(&scene, &[order], &listen(web), &[web]);
    daemon.signal("HUP");
    eventually("its file is gone", Duration::from_secs(15), || shown(web, SHOP).is_none());
    assert!(shown(web, WWW).is_some());
    assert_eq!(daemon.stop().0, 0);
}

/// A host has one file: two orders for it wait for one another, and both are done.
#[tokio::test(flavor = "multi_thread")]
async fn two_orders_for_one_host_take_turns() {
    let web = address();
    let scene = fetching_from(Some(web)).await;
    let orders = [order_by_file(&scene, &[WWW]), order_by_file(&scene, &[WWW])];
    configure(&scene, &orders, &listen(web), &[web]);
    scene.validates(&orders);
}

/// Two document roots, and one that two hosts share, as one order and as two; the roots are afterwards as they were.
#[tokio::test(flavor = "multi_thread")]
async fn files_below_document_roots_of_nginx() {
    let sites = [
        site(WWW, "www"),
        site(SHOP, "shop"),
        site("a.dcv.test", "shared"),
        site("b.dcv.test", "shared"),
        site("c.dcv.test", "shared"),
    ];
    let nginx = Nginx::start(&["www", "shop", "shared"], &sites.concat());
    let scene = fetching_from(Some(nginx.address())).await;
    let orders = [
        order_by_file(&scene, &[WWW, SHOP]),
        order_by_file(&scene, &["a.dcv.test", "b.dcv.test"]),
        order_by_file(&scene, &["b.dcv.test"]),
        order_by_file(&scene, &["c.dcv.test"]),
    ];
    let map = [
        (WWW, "www"),
        (SHOP, "shop"),
        ("a.dcv.test", "shared"),
        ("b.dcv.test", "shared"),
        ("c.dcv.test", "shared"),
    ];
    configure(&scene, &orders, &roots(&map, &nginx), &[nginx.address()]);
    scene.validates(&orders);
    for root in ["www", "shop", "shared"] {
        assert!(nginx.is_as_before(root), "something was left below {root}");
    }
}

/// Somebody else's file stays as it is, and the order says why it waits, and for whom.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_file_is_left_alone() {
    let nginx = Nginx::start(&["www"], &site(WWW, "www"));
    let scene = fetching_from(Some(nginx.address())).await;
    let order = order_by_file(&scene, &[WWW]);
    configure(&scene, &[order], &roots(&[(WWW, "www")], &nginx), &[nginx.address()]);
    let file = nginx.root("www").join(&FILE[1..]);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "somebody-elses").unwrap();
    let (code, report) = once(&scene, order);
    assert_eq!((code, &report["reason"]), (1, &"order-refused".into()), "{report}");
    let said = detail(&report);
    assert!(said.contains("holds something that is not ours; it was left alone"), "{said}");
    assert!(said.contains(&file.display().to_string()) && said.contains("remove the file"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "somebody-elses");
    assert_eq!(scene.checks(), 0);
    std::fs::remove_file(&file).unwrap();
    scene.validates(&[order]);
    assert!(!file.exists());
}

/// What stops a file from being written is told with the place and what to do, and mended by doing so.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_root_that_cannot_be_used_is_named() {
    let nginx = Nginx::start(&["www"], &site(WWW, "www"));
    let scene = fetching_from(Some(nginx.address())).await;
    let order = order_by_file(&scene, &[WWW]);
    configure(&scene, &[order], &roots(&[(WWW, "www")], &nginx), &[nginx.address()]);
    let root = nginx.root("www");
    let aside = nginx.root("aside");
    std::fs::rename(&root, &aside).unwrap();
    let (code, report) = once(&scene, order);
    assert_eq!(code, 1, "{report}");
    assert!(detail(&report).contains(&format!("the document root {} does not exist", root.display())));
    std::fs::rename(&aside, &root).unwrap();
    let elsewhere = nginx.root("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join(".well-known")).unwrap();
    let (code, report) = once(&scene, order);
    assert_eq!(code, 1, "{report}");
    assert!(detail(&report).contains("is a symbolic link, which is not followed"), "{report}");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    std::fs::remove_file(root.join(".well-known")).unwrap();
    scene.validates(&[order]);
}

/// A web server that passes the path on to the responder, and one that redirects to another name of the base domain.
#[tokio::test(flavor = "multi_thread")]
async fn nginx_passes_the_path_on_or_redirects() {
    let responder = address();
    let passes = format!(
        "server {{ listen LISTEN; server_name {WWW}; root ROOT/www;\n\
         location = {FILE} {{ proxy_pass http://{responder}; proxy_set_header Host $host; }} }}\n"
    );
    let redirects = format!(
        "server {{ listen LISTEN; server_name {SHOP}; return 301 http://files.dcv.test$request_uri; }}\n"
    );
    let nginx = Nginx::start(&["www", "files"], &(passes + &redirects + &site("files.dcv.test", "files")));
    let scene = fetching_from(Some(nginx.address())).await;
    let order = order_by_file(&scene, &[WWW, SHOP]);
    let http =
        format!("{}\nhosts = [\"{WWW}\"]\n{}", listen(responder), roots(&[("*.dcv.test", "files")], &nginx));
    configure(&scene, &[order], &http, &[nginx.address()]);
    // DigiCert's own library follows no such redirect: it is told, and held back until the operator knows better.
    let (code, report) = once(&scene, order);
    assert_eq!((code, report["reason"].as_str()), (75, Some("propagating")), "{report}");
    assert!(detail(&report).contains("redirects absolutely, to http://files.dcv.test/"), "{report}");
    let explained = &scene.json(&["explain", &order.to_string()])[0];
    let all: Vec<_> = explained["files"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|file| file["findings"].as_array().unwrap())
        .collect();
    assert!(all.iter().any(|finding| finding["code"] == "file-redirected"), "{explained}");
    let config = scene.agent.path("config.toml");
    std::fs::write(&config, read(&config).replace("[verify]\n", "[verify]\nweb_as = \"http\"\n")).unwrap();
    scene.validates(&[order]);
    assert_eq!((shown(nginx.address(), "files.dcv.test"), shown(nginx.address(), WWW)), (None, None));
}

/// The whole way over HTTPS: DigiCert's library asks it first, so that a page there without the value is in the way of a file at
/// port 80, and a file there is enough for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_over_https_is_in_the_way_of_a_file() {
    let made = rcgen::generate_simple_self_signed([WWW.to_owned()]).unwrap();
    let tls = address();
    let over_tls = |then: &str| {
        format!(
            "server {{ listen {tls} ssl; ssl_certificate ROOT/tls/cert.pem; ssl_certificate_key ROOT/tls/key.pem;\n\
             server_name {WWW}; {then} }}\n"
        )
    };
    let nginx = Nginx::with_files(
        &["www", "tls"],
        &[("tls/cert.pem", &made.cert.pem()), ("tls/key.pem", &made.signing_key.serialize_pem())],
        &(site(WWW, "www") + &over_tls("location / { return 200 welcome; }")),
    );
    let scene = fetching_from(Some(nginx.address())).await;
    scene.ca.alter_profile(|profile| {
        profile.web_tls = [(WWW.to_owned(), tls)].into();
    });
    let order = order_by_file(&scene, &[WWW]);
    configure(&scene, &[order], &roots(&[(WWW, "www")], &nginx), &[nginx.address()]);
    scene.agent.append(&format!("[verify.web_tls]\n\"{WWW}\" = [\"{tls}\"]\n"));
    let (code, report) = once(&scene, order);
    assert_eq!((code, report["reason"].as_str()), (75, Some("propagating")), "{report}");
    assert!(detail(&report).contains(&format!("{WWW} ({tls}) as DigiCert's library looks")), "{report}");
    let explained = &scene.json(&["explain", &order.to_string()])[0];
    assert!(findings(explained).contains(&"file-over-https"), "{explained}");
    nginx.reconfigure(&(site(WWW, "www") + &over_tls("root ROOT/www;")));
    scene.validates(&[order]);
}

/// DigiCert may come over either family, so it is not asked before both show the file; the sentence names the address
/// that does not.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_does_not_show_the_file_holds_the_question_back() {
    let web = address();
    // The same port of ::1, where nobody listens yet.
    let six = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, web.port()));
    let scene = fetching_from(Some(web)).await;
    let order = order_by_file(&scene, &[WWW]);
    configure(&scene, &[order], &listen(web), &[web, six]);
    let (code, report) = once(&scene, order);
    assert_eq!((code, &report["reason"]), (75, &"propagating".into()), "{report}");
    let said = detail(&report);
    assert!(said.contains(&format!("({six}): no connection: Connection refused")), "{said}");
    assert!(!said.contains(&web.to_string()), "{said}");
    assert_eq!(scene.checks(), 0);
    // Without the agent no address shows it, and the report says so.
    let report = &scene.json(&["explain", &order.to_string()])[0];
    let codes: Vec<_> = findings(report).into_iter().filter(|&code| code != "caa-unknown").collect();
    assert_eq!(codes, ["file-unreachable"; 2], "{report}");
    assert!(report["action"].as_str().unwrap().starts_with("start the agent"), "{report}");

    // A proxy on ::1 that leads to the responder.
    let passes = format!(
        "server {{ listen LISTEN; listen {six}; location / {{ proxy_pass http://{web}; proxy_set_header Host $host; }} }}"
    );
    let _nginx = Nginx::start(&[], &passes);
    scene.validates(&[order]);
}

/// While the CA does not find a file that everybody sees, the file stays, and the CA's words are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_blind_for_a_while_is_waited_for() {
    let nginx = Nginx::start(&["www"], &site(WWW, "www"));
    let scene = fetching_from(None).await;
    let order = order_by_file(&scene, &[WWW]);
    configure(&scene, &[order], &roots(&[(WWW, "www")], &nginx), &[nginx.address()]);
    let (code, report) = once(&scene, order);
    assert_eq!((code, &report["reason"]), (75, &"waiting-for-ca".into()), "{report}");
    assert!(detail(&report).contains("file_random_value_not_found"), "{report}");
    assert_eq!(shown(nginx.address(), WWW), scene.ca.value(order));
    reach(&scene, Some(nginx.address()));
    scene.validates(&[order]);
    assert!(!nginx.root("www").join(&FILE[1..]).exists());
}

/// SIGKILL at spread instants, with the responder and with a document root: the next run ends clean, and nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn kills_leave_nothing_behind() {
    const KILLS: u64 = 10;
    let responder = address();
    let passes = format!(
        "server {{ listen LISTEN; server_name {WWW};\n\
         location / {{ proxy_pass http://{responder}; proxy_set_header Host $host; }} }}\n"
    );
    let nginx = Nginx::start(&["shop"], &(passes + &site(SHOP, "shop")));
    let scene = fetching_from(Some(nginx.address())).await;
    let http = format!("{}\nhosts = [\"{WWW}\"]\n{}", listen(responder), roots(&[(SHOP, "shop")], &nginx));
    let mut orders = Vec::new();
    for n in 0..KILLS {
        orders.push(order_by_file(&scene, &[WWW, SHOP]));
        configure(&scene, &orders[orders.len().saturating_sub(3)..], &http, &[nginx.address()]);
        let mut child = scene
            .agent
            .command(&["--once"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Spread over start-up, publishing, looking, asking and tidying.
        let instant = Instant::now() + Duration::from_millis(40 * n);
        eventually("the instant of the kill", Duration::from_secs(5), || Instant::now() >= instant);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    configure(&scene, &orders, &http, &[nginx.address()]);
    scene.validates(&orders);
    let folder = nginx.root("shop").join(FILE[1..].trim_end_matches("/fileauth.txt"));
    let left = std::fs::read_dir(&folder).map_or(0, Iterator::count);
    assert_eq!(left, 0, "something was left in {}", folder.display());
}

/// A file proves no wildcard: nothing is published, and the sentence says what to do. An order that was found is listed
/// and left alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_cannot_be_proven_by_a_file() {
    let web = address();
    let scene = fetching_from(Some(web)).await;
    let order = order_by_file(&scene, &[WWW, "*.dcv.test"]);
    configure(&scene, &[order], &listen(web), &[web]);
    let (code, report) = once(&scene, order);
    assert_eq!((code, &report["reason"]), (1, &"method-unsupported".into()), "{report}");
    let expected =
        "the wildcard of dcv.test cannot be proven by a file; change the DCV method to dns-txt-token";
    assert_eq!(detail(&report), expected);
    let explained = scene.agent.run(&["explain", &order.to_string()]);
    assert_eq!(explained.code, 1, "{explained:?}");
    assert!(explained.out.contains(expected), "{explained:?}");
    assert_eq!((scene.checks(), scene.held()), (0, Vec::new()));

    configure_account(&scene, &[], "discover = { only = [\"*.dcv.test\"] }", &listen(web), &[web]);
    let (code, report) = once(&scene, order);
    assert_eq!((code, &report["reason"]), (0, &"not-taken-up".into()), "{report}");
    assert_eq!(detail(&report), expected);
}

/// A host to which no way is configured: a named order needs a person, one that was found is listed and left alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_a_way_is_told() {
    let web = address();
    let scene = fetching_from(Some(web)).await;
    let order = order_by_file(&scene, &[WWW, SHOP]);
    let http = format!("{}\nhosts = [\"{WWW}\"]", listen(web));
    configure(&scene, &[order], &http, &[web]);
    let (code, report) = once(&scene, order);
    assert_eq!((code, &report["reason"]), (1, &"no-provider".into()), "{report}");
    assert!(detail(&report).contains("is configured for shop.dcv.test; add it to [http]"), "{report}");
    assert_eq!((scene.checks(), scene.held()), (0, Vec::new()));
    configure_account(&scene, &[], "discover = { only = [\"*.dcv.test\"] }", &http, &[web]);
    let other = order_by_file(&scene, &[WWW]);
    let (code, report) = once(&scene, order);
    assert_eq!((code, &report["reason"]), (0, &"not-taken-up".into()), "{report}");
    assert!(scene.issued(other));
}

/// An address that cannot be had stops everything before it starts, with a sentence that helps.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_cannot_be_had_is_told_before_anything_is_done() {
    let scene = fetching_from(None).await;
    let order = order_by_file(&scene, &[WWW]);
    let taken = std::net::TcpListener::bind(address()).unwrap();
    let web = taken.local_addr().unwrap();
    configure(&scene, &[order], &listen(web), &[web]);
    for arguments in [&["--once"][..], &[]] {
        let run = scene.agent.run(arguments);
        assert_eq!(run.code, 78, "{run:?}");
        let said = format!("http.listen {web}: ");
        assert!(run.err.contains(&said) && run.err.contains("another program listens there"), "{run:?}");
    }
    // Looking needs no port.
    assert_eq!(scene.agent.run(&["plan"]).code, 0);

    // A network of its own, in which ports below 1024 are privileged, and an agent without the privilege.
    configure(&scene, &[order], "listen = \"0.0.0.0:80\"", &[web]);
    let mut run = lab::privileged("unshare");
    run.args(["--net", "setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]);
    let run = Finished::from(
        run.arg(BINARY).arg("--config").arg(scene.agent.path("config.toml")).arg("--once").output().unwrap(),
    );
    assert_eq!(run.code, 78, "{run:?}");
    assert!(
        run.err.contains("http.listen 0.0.0.0:80: ") && run.err.contains("CAP_NET_BIND_SERVICE"),
        "{run:?}"
    );
    assert_eq!(scene.checks(), 0);
}

/// `plan`, `explain` and `status` tell of files as of records: what would be written, what is shown where, what is held.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_files() {
    let nginx = Nginx::start(&["www"], &site(WWW, "www"));
    let web = nginx.address();
    let scene = fetching_from(None).await;
    let order = order_by_file(&scene, &[WWW]);
    configure(&scene, &[order], &roots(&[(WWW, "www")], &nginx), &[web]);
    let id = order.to_string();

    let planned = scene.agent.run(&["plan"]);
    assert_eq!(planned.code, 0, "{planned:?}");
    assert!(planned.out.contains(&format!("add FILE {WWW}\n")), "{planned:?}");
    let change = &scene.json(&["plan"])[0]["changes"][0];
    assert_eq!(*change, serde_json::json!({ "action": "add", "kind": "FILE", "owner": WWW, "zone": null }));

    let before = scene.json(&["explain", &id]);
    let file = &before[0]["files"][0];
    assert_eq!(file["url"], format!("http://{WWW}{FILE}"), "{before}");
    assert_eq!(file["way"], format!("the document root {}", nginx.root("www").display()));
    assert_eq!(file["verdict"]["verdict"], "lagging", "{before}");
    assert_eq!(file["sightings"][0]["vantage"]["kind"], "web");
    assert_eq!(before[0]["because"]["reason"], "unpublished", "{before}");
    assert_eq!(before[0]["scopes"].as_array().unwrap().len(), 0);

    assert_eq!(once(&scene, order).0, 75);
    let after = scene.json(&["explain", &id]);
    let file = &after[0]["files"][0];
    assert_eq!(file["verdict"]["verdict"], "visible", "{after}");
    assert_eq!(file["sightings"][0]["answer"]["file"], scene.ca.value(order).unwrap(), "{after}");
    let told = scene.agent.run(&["explain", &id]).out;
    for expected in [format!("http://{WWW}{FILE}"), web.to_string(), "visible at every address".to_owned()] {
        assert!(told.contains(&expected), "{expected:?} is not in {told}");
    }

    // The web server goes on serving another file.
    let file = nginx.root("www").join(&FILE[1..]);
    std::fs::write(&file, "from a cache").unwrap();
    let differs = &scene.json(&["explain", &id])[0];
    assert!(findings(differs).contains(&"file-differs"), "{differs}");
    let action = differs["action"].as_str().unwrap();
    assert!(action.contains(&format!("serve {}", nginx.root("www").display())), "{differs}");

    let held = &scene.held()[0];
    assert_eq!((&held["owner"], &held["zone"]), (&WWW.into(), &Json::Null), "{held}");
    let status = scene.agent.run(&["status"]).out;
    assert!(status.contains(&format!("published at http://{WWW}{FILE}")), "{status}");
}

/// The ledger tells of files as of records, and `docs/output.md` names every field that comes out.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_files_and_which_fields_there_are() {
    let web = address();
    let scene = fetching_from(None).await;
    let order = order_by_file(&scene, &[WWW]);
    configure(&scene, &[order], &listen(web), &[web]);
    keep_a_ledger(&scene.agent);
    let id = order.to_string();
    let mut documents = vec![scene.json(&["plan"])];
    documents.push(once(&scene, order).1);
    documents.extend([&["explain", &id][..], &["status"]].map(|arguments| scene.json(arguments)));
    reach(&scene, Some(web));
    scene.validates(&[order]);
    documents.push(scene.json(&["ledger", "show", &id]));

    let value = scene.ca.value(order).unwrap();
    let told = scene.agent.run(&["ledger", "show", &id]).out;
    for expected in [
        format!("add {WWW} FILE \"{value}\" by http"),
        format!("http://{WWW}  web {WWW} {web}  file {value}"),
        format!("remove {WWW} FILE \"{value}\" by http"),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not in {told}");
    }
    assert_eq!(scene.agent.run(&["ledger", "verify"]).code, 0);

    let page = include_str!("../../../../docs/output.md");
    let mut fields = std::collections::BTreeSet::new();
    documents.iter().for_each(|document| keys(document, &mut fields));
    for field in fields {
        assert!(page.contains(&format!("`{field}`")), "`{field}` is not in docs/output.md");
    }
}

fn keys<'a>(json: &'a Json, found: &mut std::collections::BTreeSet<&'a str>) {
    match json {
        Json::Object(map) => map.iter().for_each(|(key, value)| {
            found.insert(key);
            keys(value, found);
        }),
        Json::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

/// A certificate with as many names as DigiCert takes is fetched name by name, and done in time.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_very_many_names() {
    let web = address();
    let scene = fetching_from(Some(web)).await;
    let names: Vec<_> = (0..250).map(|n| format!("n{n}.dcv.test")).collect();
    let order = order_by_file(&scene, &names.iter().map(String::as_str).collect::<Vec<_>>());
    // Both addresses lead to the responder, which holds fewer connections than that at once.
    let again = address();
    let passes = format!(
        "server {{ listen {again}; location / {{ proxy_pass http://{web}; proxy_set_header Host $host; }} }}"
    );
    let _nginx = Nginx::start(&[], &(passes + "server { listen LISTEN; }"));
    configure(&scene, &[order], &listen(web), &[web, again]);
    let start = Instant::now();
    scene.validates(&[order]);
    assert!(start.elapsed() < Duration::from_secs(30), "it took {:?}", start.elapsed());
}

/// Orders by files, TXT and CNAME in one run.
#[tokio::test(flavor = "multi_thread")]
async fn every_method_in_one_run() {
    let web = address();
    let scene = fetching_from(Some(web)).await;
    let orders = [
        order_by_file(&scene, &[WWW, SHOP]),
        scene.ca.place(OrderSpec::dv([WWW])),
        scene.ca.place(OrderSpec::dv([SHOP]).method("dns-cname-token")),
    ];
    configure(&scene, &orders, &listen(web), &[web]);
    scene.validates(&orders);
    assert_eq!((scene.bind.txt(WWW).len(), scene.bind.alias(SHOP)), (0, None));
}

/// `doctor` looks at what an order by file would need, and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_looks_at_document_roots_and_the_port() {
    let scene = Scene::new(Bind::start(&[], "", false)).await;
    let (root, gone) = (scene.agent.path("root"), scene.agent.path("gone"));
    std::fs::create_dir(&root).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    scene.configure(&[], "domains = {}");
    let text = read(&scene.agent.path("config.toml"));
    let http = format!(
        "[http]\nlisten = \"{}\"\nwebroots = {{ \"www.dcv.test\" = \"{}\", \"dcv.test\" = \"{}\" }}\n",
        taken.local_addr().unwrap(),
        root.display(),
        gone.display()
    );
    std::fs::write(scene.agent.path("config.toml"), text + &http).unwrap();
    let run = scene.agent.run(&["doctor", "--output", "json"]);
    let checks: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let result = |subject: &str, check: &str| {
        let mut all = checks.as_array().unwrap().iter();
        let found = all.find(|c| c["subject"].as_str().unwrap().contains(subject) && c["check"] == check);
        found.unwrap_or_else(|| panic!("{subject} {check} is not in {checks}"))["result"].clone()
    };
    assert_eq!(result(&root.display().to_string(), "write"), "pass");
    assert_eq!(result(&gone.display().to_string(), "write"), "fail");
    assert_eq!(result("responder", "port"), "warn");
    assert_eq!(result("account main", "domains"), "pass");
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0, "something was written");
    assert_eq!(run.code, 1, "{run:?}");
}
