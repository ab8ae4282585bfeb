//! Bad input: one clear message, the documented exit code, and no change anywhere.
//!
//! The file is long since every bad input stands here, beside the sentence that it is answered with.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use dcv_sandbox::ca::{ApiKey, ExpirationDate, Fault, FaultKind, OrderSpec};

use super::support::{Agent, BINARY, Bind, Finished, TSIG, eventually, scene::Scene};

const HOST: &str = "h1.dcv.test";

/// One order for the host, with everything right so far.
async fn one_order() -> (Scene, u64) {
    let scene = Scene::new(Bind::start(&[HOST.to_owned()], "gone CNAME nowhere.invalid.", false)).await;
    let order = scene.ca.place(OrderSpec::dv([HOST]));
    scene.configure(&[order], "timeout_seconds = 2");
    (scene, order)
}

/// Runs once, and sees that the zone did not change and that this is what is said.
fn expect(scene: &Scene, code: i32, message: &str) {
    let serial = scene.bind.serial();
    let run = scene.agent.run(&["--once", "--timeout", "6s"]);
    assert_eq!(scene.bind.serial(), serial, "the zone was changed: {run:?}");
    assert_eq!(run.code, code, "{run:?}");
    let said = format!("{}{}", run.out, run.err);
    assert!(said.contains(message), "{message:?} is not in {said}");
    assert!(!said.contains(TSIG) && !said.contains("sandbox-key"), "a secret was shown: {said}");
}

#[test]
fn every_mistake_in_a_configuration_is_named_at_once_with_its_line() {
    let agent = Agent::new();
    let text = "[agent]\nstate = \"mysql://x\"\nlisten = \"here\"\n[accounts.main]\napi_kye = { file = \"k\" }\nplatform = \"mars\"\n\
                orders = [1, 1, { id = 2, scopes = [\"a..b\"] }]\n[providers.one]\nkind = \"rfc2136\"\nzones = [\"example.com\"]\nserver = \"192.0.2.1:53\"\n\
                tsig = { name = \"k.\", secret = { env = \"X\", file = \"y\" } }\n[providers.two]\nkind = \"rfc2136\"\nzones = [\"Example.com\"]\nserver = \"192.0.2.2:53\"\n\
                tsig = { name = \"k.\", secrte = { env = \"X\" } }\n[records]\nttl = 0\n";
    std::fs::write(agent.path("config.toml"), text).unwrap();
    let run = agent.run(&["check"]);
    assert_eq!(run.code, 78, "{run:?}");
    for expected in [
        "config.toml:2: agent.state",
        "config.toml:3: agent.listen",
        "config.toml:5: accounts.main.api_kye: unknown key; did you mean \"api_key\"?",
        "config.toml:6: accounts.main.platform",
        "order 1 stands here twice",
        "a..b",
        "did you mean \"secret\"?",
        "records.ttl",
    ] {
        assert!(run.err.contains(expected), "{expected:?} is not in {}", run.err);
    }
}

/// The settings for looking at DNS and for finding orders.
#[test]
fn mistakes_in_looking_and_finding_are_named() {
    let agent = Agent::new();
    let write = |account: &str, verify: &str| {
        agent.configure("http://127.0.0.1:1/services/v2", &["127.0.0.1:1".parse().unwrap()], "", account);
        let path = agent.path("config.toml");
        let text = std::fs::read_to_string(&path).unwrap().replace("resolvers = []", verify);
        std::fs::write(path, text).unwrap();
    };
    for (account, verify, expected) in [
        ("", "resolvers = [\"quic://192.0.2.1\"]", "verify.resolvers: \"quic://192.0.2.1\" is none of"),
        ("", "resolvers = [[]]", "empty list of ways"),
        ("", "resolvers = [1]", "verify.resolvers"),
        ("", "quorum = \"most\"", "verify.quorum"),
        ("", "dnssec = \"yes\"", "verify.dnssec"),
        ("", "proxy = \"not a url\"", "verify.proxy"),
        ("discover = { only = [\"*.a.test\"], except = [\"*.test\"] }", "", "can never match"),
        ("discover = { only = [\"a..b\"] }", "", "accounts.main.discover.only"),
        ("discover = { statuses = [\"issued\"] }", "", "no state in which there is work"),
        ("discover = { every_seconds = 1 }", "", "is outside 5 to 3600"),
        ("discover = { olny = [] }", "", "did you mean \"only\"?"),
    ] {
        write(account, verify);
        let run = agent.run(&["check"]);
        assert_eq!(run.code, 78, "{account} {verify}: {run:?}");
        assert!(run.err.contains(expected), "{expected:?} is not in {}", run.err);
    }
    // What the settings point to is read before anything is done.
    for (verify, expected) in [
        ("trust_anchor = \"/nowhere/root.key\"", "verify.trust_anchor /nowhere/root.key"),
        (
            "resolvers = [\"tls://192.0.2.1\"]\nca_file = \"/nowhere/ca.pem\"",
            "verify.ca_file /nowhere/ca.pem",
        ),
    ] {
        write("", verify);
        let run = agent.run(&["--once"]);
        assert_eq!(run.code, 78, "{verify}: {run:?}");
        assert!(run.err.contains(expected), "{expected:?} is not in {}", run.err);
    }
}

/// The settings for files, bare names and other CNAME targets: each mistake is named with its line and what was expected.
#[test]
fn mistakes_in_files_and_names_are_named() {
    let agent = Agent::new();
    let path = agent.path("config.toml");
    let write = |from: &str, to: &str, more: &str| {
        agent.configure("http://127.0.0.1:1/services/v2", &["127.0.0.1:1".parse().unwrap()], "", "");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in {text}");
        std::fs::write(&path, text.replacen(from, to, 1) + more).unwrap();
    };
    let zones = "zones = [\"dcv.test\"]";
    let listen = "[http]\nlisten = \"127.0.0.1:80\"\n";
    let after = |more: &str| listen.to_owned() + more;
    // What is replaced by what, what is added, the line on which the mistake is, and what is said of it.
    for (from, to, more, line, expected) in [
        (
            "",
            "",
            "[http]\nlisten = \"here\"\n",
            "listen = \"here",
            "http.listen: \"here\" is not address:port",
        ),
        (
            "",
            "",
            "[http]\nlisten = \"0.0.0.0\"\n",
            "listen = \"0",
            "http.listen: \"0.0.0.0\" is not address:port",
        ),
        ("", "", "[http]\nlisten = 80\n", "listen = 80", "http.listen: \"80\" is not address:port"),
        ("", "", "[http]\nhosts = [\"a.test\"]\n", "hosts", "http.hosts: needs http.listen"),
        ("", "", &after("hosts = [\"www..test\"]\n"), "hosts", "http.hosts: \"www..test\""),
        ("", "", &after("hosts = \"a.test\"\n"), "hosts", "http.hosts: invalid type: string"),
        (
            "",
            "",
            "[http.webroots]\n\"a.test\" = \"var\"\n",
            "\"a.test",
            "http.webroots.a.test: is not an absolute path",
        ),
        ("", "", "[http.webroots]\n\"*.*.test\" = \"/var\"\n", "\"*.*", "http.webroots.*.*.test"),
        (
            "",
            "",
            "[http]\nwebrots = {}\n",
            "webrots",
            "http.webrots: unknown key; did you mean \"webroots\"?",
        ),
        ("listen = \"\"", "listen = \"127.0.0.1:80\"", listen, "", "http.listen: is agent.listen as well"),
        (
            zones,
            "zones = [{ name = \"dcv.test\", owner = \"apex\" }]",
            "",
            "zones",
            "`dnsauth`, `bare`, `both`",
        ),
        ("", "", "[records]\nowner = \"apex\"\n", "owner", "records.owner: unknown variant `apex`"),
        (
            "",
            "",
            "[verify.web]\n\"a.test\" = [\"192.0.2.1\"]\n",
            "\"a.test",
            "verify.web.a.test: \"192.0.2.1\" is not address:port",
        ),
        ("", "", "[verify.web]\n\"a.test\" = []\n", "\"a.test", "verify.web.a.test: names no server"),
        (
            "",
            "",
            "[verify.web]\n\"a..test\" = [\"192.0.2.1:80\"]\n",
            "\"a..test",
            "verify.web.a..test: \"a..test\"",
        ),
        (
            "insecure_http = true",
            "cname_suffix = \"https://dcv\"",
            "",
            "cname_suffix",
            "accounts.main.cname_suffix: \"https://dcv\"",
        ),
    ] {
        write(from, to, more);
        let run = agent.run(&["check"]);
        assert_eq!(run.code, 78, "{to} {more}: {run:?}");
        assert!(run.err.contains(expected), "{expected:?} is not in {}", run.err);
        let text = std::fs::read_to_string(&path).unwrap();
        let at = text.lines().position(|text| !line.is_empty() && text.starts_with(line));
        let place = at.map_or_else(String::new, |at| format!("config.toml:{}: ", at + 1));
        assert!(run.err.contains(&place), "{place:?} is not in {}", run.err);
    }
    // Without a provider there have to be files.
    std::fs::write(&path, "[accounts.main]\napi_key = { env = \"X\" }\norders = [1]\n").unwrap();
    let run = agent.run(&["check"]);
    assert!(run.err.contains("or [http] for http-token"), "{run:?}");
}

#[test]
fn two_providers_for_one_zone_are_refused() {
    let agent = Agent::new();
    agent.configure("http://127.0.0.1:1/services/v2", &["127.0.0.1:1".parse().unwrap()], "1", "");
    let path = agent.path("config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let second = "[providers.other]\nkind = \"rfc2136\"\nzones = [\"DCV.test.\"]\nserver = \"127.0.0.1:1\"\ntsig = { name = \"k.\", secret = { env = \"X\" } }\n";
    std::fs::write(&path, text + second).unwrap();
    let run = agent.run(&["check"]);
    assert_eq!(run.code, 78);
    assert!(run.err.contains("dcv.test is claimed by bind as well"), "{}", run.err);
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let agent = Agent::new();
    let missing = agent.run(&["--once"]);
    assert_eq!(missing.code, 78);
    assert!(missing.err.contains("config.toml: cannot be read: No such file"), "{}", missing.err);
    std::fs::write(agent.path("config.toml"), "[agent\n").unwrap();
    let malformed = agent.run(&["--once"]);
    assert_eq!(malformed.code, 78);
    assert!(malformed.err.contains("config.toml:1: is not TOML: "), "{}", malformed.err);
    assert_eq!(agent.run(&["--no-such-flag"]).code, 64);
    assert_eq!(agent.run(&["explain"]).code, 64);
    assert_eq!(agent.run(&["explain", "--domain", "a..b"]).code, 64);
    std::fs::remove_file(agent.path("config.toml")).unwrap();
    let nowhere = agent.run(&["explain", "--domain", "dcv.test"]);
    assert_eq!(nowhere.code, 78, "a configuration that was asked for is not there: {nowhere:?}");
    assert_eq!(agent.run(&["--help"]).code, 0);
}

/// What a run would end with 78 for before it asks anybody, `check` says offline; and it makes nothing.
#[test]
fn check_refuses_what_a_run_would() {
    let agent = Agent::new();
    agent.configure("http://127.0.0.1:1/services/v2", &["127.0.0.1:1".parse().unwrap()], "1", "");
    let good = std::fs::read_to_string(agent.path("config.toml")).unwrap();
    let good_run = agent.run(&["check"]);
    assert_eq!(good_run.code, 0, "{good_run:?}");
    for (from, to, expected) in [
        ("http://127.0.0.1:1/", "http://me:word@127.0.0.1:1/", "must not contain a user name or password"),
        ("/services/v2", "/services/v2?a=b", "must not contain a query"),
        ("127.0.0.1:1\"\ntsig", "nowhere\"\ntsig", "is not address:port"),
        ("resolvers = []", "trust_anchor = \"/nowhere/root.key\"", "verify.trust_anchor /nowhere/root.key"),
    ] {
        assert!(good.contains(from), "{from:?} is not in {good}");
        std::fs::write(agent.path("config.toml"), good.replacen(from, to, 1)).unwrap();
        let run = agent.run(&["check"]);
        assert_eq!(run.code, 78, "{to}: {run:?}");
        assert!(run.err.contains(expected), "{expected:?} is not in {run:?}");
    }
    std::fs::write(agent.path("config.toml"), good).unwrap();
    for (file, text, expected) in [
        ("api.key", "\u{feff}sandbox-key", "accounts.main.api_key: the API key is unusable"),
        ("tsig.key", "not base64!", "providers.bind: the TSIG secret is not base64"),
    ] {
        let before = std::fs::read(agent.path(file)).unwrap();
        std::fs::write(agent.path(file), text).unwrap();
        let run = agent.run(&["check"]);
        assert_eq!(run.code, 78, "{file}: {run:?}");
        assert!(run.err.contains(expected), "{expected:?} is not in {run:?}");
        std::fs::write(agent.path(file), before).unwrap();
    }
    assert!(!agent.path("state.db").exists(), "check makes nothing");
}

/// A reload that is asked for while the agent begins is one; by itself the signal would end the process.
#[test]
fn a_reload_in_the_first_moment_does_not_end_the_agent() {
    let agent = Agent::new();
    agent.configure("http://127.0.0.1:1/services/v2", &["127.0.0.1:1".parse().unwrap()], "1", "");
    // A configuration that takes a while to read, so that the signal comes before that is done.
    std::fs::create_dir(agent.path("conf.d")).unwrap();
    let long = format!("# {}\n", "x".repeat(80)).repeat(25_000);
    for n in 0..5 {
        std::fs::write(agent.path(&format!("conf.d/{n}.toml")), &long).unwrap();
    }
    let daemon = agent.daemon();
    eventually("the agent listens for it", Duration::from_secs(10), || daemon.catches_hangup());
    assert!(!agent.path("state.db").exists(), "the agent has begun already");
    daemon.signal("HUP");
    eventually("it is reloaded", Duration::from_secs(60), || agent.log().contains("configuration reloaded"));
    assert_eq!(daemon.stop().0, 0);
}

/// A daemon without any key would be *active (running)* and do nothing; with one of two it has work.
#[test]
fn a_daemon_that_can_read_none_of_its_keys_does_not_begin() {
    let agent = Agent::new();
    agent.configure("http://127.0.0.1:1/services/v2", &["127.0.0.1:1".parse().unwrap()], "1", "");
    let key = agent.path("api.key");
    std::fs::rename(&key, agent.path("elsewhere")).unwrap();
    let refused = agent.run(&[]);
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.err.contains("accounts.main.api_key: secret file "), "{refused:?}");
    assert!(!agent.path("state.db").exists());
    std::fs::rename(agent.path("elsewhere"), &key).unwrap();
    let second =
        "\n[accounts.other]\nplatform = \"eu\"\napi_key = { env = \"NOT_SET_ANYWHERE\" }\norders = []\n";
    agent.append(second);
    let daemon = agent.daemon();
    eventually("the daemon works", Duration::from_secs(20), || agent.log().contains("looking after orders"));
    assert_eq!(daemon.stop().0, 0);
}

/// A pipe, a device, a folder or a disk image in place of a file is refused, not waited for and not read.
#[test]
fn only_regular_files_of_a_sane_size_are_read() {
    let agent = Agent::new();
    let (pipe, huge) = (agent.path("pipe"), agent.path("huge"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::File::create(&huge).unwrap().set_len(1 << 30).unwrap();
    agent.configure("http://127.0.0.1:1/services/v2", &["127.0.0.1:1".parse().unwrap()], "1", "");
    let good = std::fs::read_to_string(agent.path("config.toml")).unwrap();
    let begun = Instant::now();
    for (path, expected) in [
        (pipe.as_path(), "where a regular file is expected"),
        (huge.as_path(), "it has 1073741824 bytes"),
        (agent.folder(), "where a regular file is expected"),
        (Path::new("/dev/zero"), "where a regular file is expected"),
    ] {
        let key = agent.path("api.key").display().to_string();
        std::fs::write(agent.path("config.toml"), good.replace(&key, &path.display().to_string())).unwrap();
        for arguments in [&["check"][..], &["--once", "--timeout", "6s"]] {
            let run = agent.run(arguments);
            assert_eq!(run.code, 78, "{arguments:?}: {run:?}");
            let said = run.out + &run.err;
            assert!(said.contains(expected) && said.contains(&path.display().to_string()), "{said}");
        }
        let mut command = Command::new(BINARY);
        let run = Finished::from(command.arg("--config").arg(path).arg("check").output().unwrap());
        assert_eq!(run.code, 78, "{run:?}");
        assert!(run.err.contains(&format!("{}: cannot be read: ", path.display())), "{run:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// What a configuration says neither steers the terminal nor fills it.
#[test]
fn what_a_configuration_says_is_escaped_and_cut() {
    let agent = Agent::new();
    let long = "x".repeat(200_000);
    let text = format!(
        "[agent]\nlisten = \"\\u001B[31m\\u0007{long}\"\n\"\\u001B]0;{long}\" = 1\n\
         [accounts.\"a\\nroot: forged\\u001B[2J\"]\norders = [1, \"{long}\"]\n"
    );
    std::fs::write(agent.path("config.toml"), text).unwrap();
    let run = agent.run(&["check"]);
    assert_eq!(run.code, 78, "{run:?}");
    assert!(run.err.len() < 8000, "{} bytes are said", run.err.len());
    assert!(run.err.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", run.err);
    assert!(run.err.lines().all(|line| line.starts_with("dcv-agent: ")), "{}", run.err);
    assert!(run.err.contains("more characters"), "{}", run.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ca_refuses() {
    let (scene, order) = one_order().await;
    let order = order.to_string();
    scene.agent.edit(&order, "999999");
    expect(&scene, 1, "not_found|order");
    scene.agent.edit("999999", &order);

    std::fs::write(scene.agent.path("api.key"), "wrong").unwrap();
    expect(&scene, 78, "API key");
    std::fs::write(scene.agent.path("api.key"), "").unwrap();
    expect(&scene, 78, "is empty");
    std::fs::write(scene.agent.path("api.key"), "sandbox-key").unwrap();

    scene.ca.set_keys(vec![ApiKey::view_only("sandbox-key")]);
    // That is one call's trouble each time, and says nothing of other orders.
    expect(&scene, 1, "permission");
    scene.ca.set_keys(vec![ApiKey::full("sandbox-key")]);

    let by_email = scene.ca.place(OrderSpec::dv([HOST]).method("email"));
    scene.agent.edit(&format!("[{order}]"), &format!("[{by_email}]"));
    expect(&scene, 1, "method-unsupported");
    // With its scopes configured the order is not read first, and the refusal leads to the same answer.
    scene.agent.edit(&format!("[{by_email}]"), &format!("[{{ id = {by_email}, scopes = [\"{HOST}\"] }}]"));
    expect(&scene, 1, "method-unsupported");
}

/// A wrong key is found out by one call for all orders, and is told once.
#[tokio::test(flavor = "multi_thread")]
async fn bad_input_of_a_key_costs_one_call_and_one_line() {
    let hosts: Vec<String> = (0..50).map(|n| format!("h{n}.dcv.test")).collect();
    let scene = Scene::new(Bind::start(&hosts, "", false)).await;
    let orders: Vec<u64> = hosts.iter().map(|host| scene.ca.place(OrderSpec::dv([host.as_str()]))).collect();
    scene.configure(&orders, "timeout_seconds = 2");
    std::fs::write(scene.agent.path("api.key"), "wrong").unwrap();
    let run = scene.agent.run(&["--once", "--timeout", "20s"]);
    assert_eq!(run.code, 78, "{run:?}");
    let calls = scene.ca.stats().bad_key;
    assert!((1..=3).contains(&calls), "{calls} calls");
    let lines = format!("{}{}", run.out, run.err).lines().filter(|line| line.contains("ERROR")).count();
    assert_eq!(lines, 1, "{run:?}");
    std::fs::write(scene.agent.path("api.key"), "sandbox-key").unwrap();
    scene.validates(&orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_server_refuses() {
    let (scene, order) = one_order().await;
    std::fs::write(scene.agent.path("tsig.key"), "d3Jvbmctc2VjcmV0LXdyb25nLXNlY3JldC0wMDAwMDA=").unwrap();
    expect(&scene, 78, "BADSIG");
    std::fs::write(scene.agent.path("tsig.key"), "not base64!").unwrap();
    expect(&scene, 78, "not base64");
    std::fs::write(scene.agent.path("tsig.key"), TSIG).unwrap();

    scene.agent.edit("name = \"dcv-key.\"", "name = \"other-key.\"");
    expect(&scene, 78, "BADKEY");
    scene.agent.edit("name = \"other-key.\"", "name = \"dcv-key.\"");

    // The order's second name is not granted to the key.
    let other = scene.ca.place(OrderSpec::dv(["h2.dcv.test"]));
    scene.agent.edit(&format!("[{}]", order), &format!("[{other}]"));
    expect(&scene, 78, "REFUSED");
    let elsewhere = scene.ca.place(OrderSpec::dv(["h1.example.net"]));
    scene.agent.edit(&format!("[{other}]"), &format!("[{elsewhere}]"));
    // The intent to publish the other one is rightly remembered; this is another agent's story.
    std::fs::remove_file(scene.agent.path("state.db")).unwrap();
    scene.agent.edit("\"dcv.test\" = ", "\"example.net\" = ");
    scene.agent.edit("zones = [\"dcv.test\"]", "zones = [\"example.net\"]");
    expect(&scene, 75, "example.net");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_server_that_is_down_is_waited_for() {
    let (scene, _) = one_order().await;
    scene.agent.edit(&format!("server = \"{}\"", scene.bind.primary()), "server = \"127.0.0.1:1\"");
    expect(&scene, 75, "does not answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_answers_of_the_ca_change_nothing() {
    let (scene, _) = one_order().await;
    for (kind, code, message) in [
        (FaultKind::GarbageJson, 70, "makes no sense"),
        (FaultKind::Http502, 75, "502"),
        (FaultKind::CutConnection, 75, "broke off"),
        (FaultKind::silence(Duration::from_secs(120)), 75, "in time"),
        (FaultKind::HugeBody { bytes: 50 << 20 }, 70, "longer than"),
    ] {
        scene.ca.clear_faults();
        scene.ca.fault(Fault::always(kind));
        expect(&scene, code, message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_values_are_not_published() {
    let (scene, _) = one_order().await;
    for value in ["two words", "quo\"ted", "back\\slash", "bell\u{7}", &"x".repeat(300), "ünicode"] {
        scene.ca.alter_profile(|profile| profile.value_literal = Some(value.to_owned()));
        expect(&scene, 70, "random value");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_dates_neither_stop_nor_hurry_anything() {
    let (scene, _) = one_order().await;
    scene.ca.alter_profile(|profile| {
        profile.expiration_date = ExpirationDate::Literal("2001-01-01T00:00:00Z".into())
    });
    expect(&scene, 75, "value-expired");
    let calls = scene.ca.stats().total;
    assert!(calls < 12, "{calls} calls within six seconds for a value that stays expired");
    for date in [
        ExpirationDate::Absent,
        ExpirationDate::Literal("9999-12-31T23:59:59Z".into()),
        ExpirationDate::Literal("soon".into()),
    ] {
        let order = scene.ca.place(OrderSpec::dv([HOST]));
        scene.agent.edit("orders = [", &format!("orders = [{order}]\n# ["));
        scene.ca.alter_profile(|profile| profile.expiration_date = date.clone());
        let run = scene.agent.run(&["--once", "--timeout", "20s"]);
        assert_eq!(run.code, 0, "{date:?}: {run:?}");
        scene.agent.edit(&format!("orders = [{order}]\n# ["), "orders = [");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_that_cannot_be_used_stops_everything_before_it_starts() {
    let (scene, _) = one_order().await;
    let state = scene.agent.path("state.db");
    std::fs::write(&state, "this is no database, and long enough to be looked at as one".repeat(100))
        .unwrap();
    expect(&scene, 78, "state.db");
    std::fs::remove_file(&state).unwrap();

    std::fs::create_dir(&state).unwrap();
    expect(&scene, 78, "state.db");
    std::fs::remove_dir(&state).unwrap();

    // SQLite keeps `user_version` at offset 60 of the file (SQLite file format, section 1.3).
    assert_eq!(scene.agent.run(&["--once", "--timeout", "20s"]).code, 0);
    let mut bytes = std::fs::read(&state).unwrap();
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    std::fs::write(&state, &bytes).unwrap();
    let calls = scene.ca.stats().total;
    expect(&scene, 78, "format 99");
    assert_eq!(std::fs::read(&state).unwrap(), bytes, "a newer state file was touched");

    // A folder cannot be made below a file.
    scene.agent.edit("state.db", "config.toml/state.db");
    expect(&scene, 78, "config.toml");
    assert_eq!(scene.ca.stats().total, calls, "the CA was called without a state file");
}

/// On a fresh machine nobody has made the folder of the state: it is made, for the agent alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_folder_of_the_state_is_made_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let (scene, _) = one_order().await;
    let missing = scene.agent.run(&["status"]);
    assert!(missing.code == 0 && missing.out.contains("nothing has run yet"), "{missing:?}");
    scene.agent.edit("state.db", "no/such/folder/state.db");
    assert_eq!(scene.agent.run(&["--once", "--timeout", "20s"]).code, 0);
    let folder = scene.agent.path("no/such/folder");
    assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(scene.agent.run(&["status"]).code, 0);
}

/// Two agents at one state would reach twice the CA's rate: the second daemon is refused, a one-shot run says who does the
/// work, and neither calls anybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_at_one_state_does_nothing() {
    let (scene, _) = one_order().await;
    let daemon = scene.agent.daemon();
    eventually("the daemon works", Duration::from_secs(20), || scene.agent.path("state.db.lock").exists());
    let once = scene.agent.run(&["--once", "--timeout", "20s"]);
    assert_eq!((once.code, once.out.as_str()), (75, ""), "{once:?}");
    assert!(once.err.contains("another dcv-agent (process "), "{once:?}");
    let second = scene.agent.run(&[]);
    assert_eq!(second.code, 78, "{second:?}");
    assert!(second.err.contains("end that one first"), "{second:?}");
    assert_eq!(daemon.stop().0, 0);
    assert_eq!(scene.agent.run(&["--once", "--timeout", "20s"]).code, 0, "the lock goes with the process");
}

/// A foreign CNAME at the validation name that leads nowhere is refused and explained.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_cname_is_refused_and_explained() {
    let scene =
        Scene::new(Bind::start(&[HOST.to_owned()], "_dnsauth.h1 CNAME nowhere.example.invalid.", false))
            .await;
    let order = scene.ca.place(OrderSpec::dv([HOST]));
    scene.configure(&[order], "");
    let serial = scene.bind.serial();
    let run = scene.agent.run(&["--once", "--timeout", "20s"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("foreign-cname") && run.out.contains("nowhere.example.invalid"), "{}", run.out);
    let explained = scene.agent.run(&["explain", &order.to_string()]);
    assert_eq!(explained.code, 1);
    assert!(explained.out.contains("foreign-cname"), "{}", explained.out);
    assert_eq!(scene.bind.serial(), serial);
}

/// A delegation into a configured zone is followed.
#[tokio::test(flavor = "multi_thread")]
async fn a_delegating_cname_is_followed() {
    let scene = Scene::new(Bind::start(
        &["target".to_owned() + ".dcv.test"],
        "_dnsauth.h1 CNAME _dnsauth.target",
        false,
    ))
    .await;
    let order = scene.ca.place(OrderSpec::dv([HOST]));
    scene.configure(&[order], "");
    let planned = scene.agent.run(&["plan"]);
    assert!(planned.out.contains("add TXT _dnsauth.target.dcv.test"), "{planned:?}");
    let run = scene.agent.run(&["--once", "--timeout", "20s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(scene.bind.txt("target.dcv.test"), [""; 0]);
}
