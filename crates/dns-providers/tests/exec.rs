//! The kind `exec`: each mode with a real command behind it, and commands that misbehave. The file is long because each way
//! to misbehave is a script of its own.
#![cfg(feature = "exec")]
#![allow(dead_code, reason = "each test uses a part of the servers")]
#![expect(clippy::unwrap_used, reason = "the functions around the tests belong to them")]

#[path = "support/bind.rs"]
mod bind;
#[path = "support/powerdns.rs"]
mod server;

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use dcv_core::{Change, Guarded, Lookup, RandomValue, RecordData, Site, Ttl};
use dns_providers::{
    Class, DnsProvider, Error, Fixed, Secret, Zone,
    contract::{Bench, Neighbour as _},
    kinds::exec::{Exec, ExecSettings, Mode},
};
use tempfile::TempDir;
use tokio::time::Instant;

use self::{
    bind::{Bind, OTHER, SECRET},
    server::{KEY, Server},
};

/// Far longer than anything here takes, and far shorter than what the commands that misbehave would like.
const SOON: Duration = Duration::from_secs(20);

fn settings(mode: Mode, command: &[&str]) -> ExecSettings<Secret> {
    ExecSettings {
        mode,
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        cleanup: Vec::new(),
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        timeout_seconds: 20,
        at_once: None,
        acme_sh: None,
        accounts_file: None,
    }
}

fn exec(settings: ExecSettings<Secret>) -> Exec {
    Exec::new("test", settings).unwrap()
}

fn secret(text: &str) -> Secret {
    Arc::new(Fixed(text.into()))
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exec").join(name).display().to_string()
}

/// The settings for a fixture that speaks to that server, its key as a secret of this name.
fn before(bind: &Bind, mode: Mode, name: &str, key: &str) -> ExecSettings<Secret> {
    let mut settings = settings(mode, &[&fixture(name)]);
    settings.env = BTreeMap::from([
        ("SERVER".to_owned(), "127.0.0.1".to_owned()),
        ("PORT".to_owned(), bind.port.to_string()),
    ]);
    settings.secrets = BTreeMap::from([(key.to_owned(), secret(&format!("hmac-sha256:other-key:{OTHER}")))]);
    settings
}

fn zone() -> Zone {
    Zone { name: "dcv.test".parse().unwrap(), id: None }
}

fn site(label: &str) -> Site {
    let lookup = Lookup::dnsauth(format!("{label}.dcv.test").parse().unwrap());
    Guarded::direct(&lookup, "dcv.test".parse().unwrap()).unwrap()
}

fn add(label: &str, value: &str) -> Change {
    Change::Add {
        site: site(label),
        data: RecordData::Txt(RandomValue::new(value).unwrap()),
        ttl: Ttl::default(),
    }
}

fn bench(bind: &Bind, provider: Exec) -> Bench {
    Bench { below: None, provider: Arc::new(provider), zone: zone(), neighbour: Arc::new(bind.neighbour()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_ones_own_keeps_the_contract() {
    let bind = Bind::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = before(&bind, Mode::Native, "native.py", "KEY");
    settings.env.insert("LOCK".to_owned(), folder.path().join("lock").display().to_string());
    let provider = exec(settings);
    let receipt = provider.apply(&zone(), &[add("receipt", "v")]).await.unwrap();
    assert!(receipt.change.is_some(), "the command's receipt is passed on");
    assert!(provider.settled(&receipt).await.unwrap());
    bench(&bind, provider).run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_for_lego_keeps_what_it_can() {
    let bind = Bind::start().await;
    bench(&bind, exec(before(&bind, Mode::LegoExec, "lego.sh", "KEY"))).run_told().await;
    // The raw arguments lead to the same record.
    let raw = exec(before(&bind, Mode::LegoExecRaw, "lego.sh", "KEY"));
    raw.apply(&zone(), &[add("raw", "v")]).await.unwrap();
    assert_eq!(bind.neighbour().everything(site("raw").owner()).await, ["60 TXT \"v\""]);
    let data = RecordData::Txt(RandomValue::new("v").unwrap());
    raw.apply(&zone(), &[Change::Remove { site: site("raw"), data }]).await.unwrap();
    assert!(bind.neighbour().everything(site("raw").owner()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_of_certbot_keep_what_they_can() {
    let bind = Bind::start().await;
    let mut settings = before(&bind, Mode::CertbotHook, "certbot.sh", "KEY");
    settings.cleanup = vec![fixture("certbot.sh")];
    bench(&bind, exec(settings)).run_told().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dnsapi_script_keeps_what_it_can() {
    let bind = Bind::start().await;
    bench(&bind, exec(before(&bind, Mode::AcmeSh, "dns_ours.sh", "OURS_Key"))).run_told().await;
}

/// What a dnsapi script was given once it finds again where there is a file for it, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn a_dnsapi_script_has_an_accounts_file() {
    let bind = Bind::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.conf");
    let mut settings = before(&bind, Mode::AcmeSh, "dns_ours.sh", "OURS_Key");
    settings.accounts_file = Some(file.display().to_string());
    exec(settings.clone()).apply(&zone(), &[add("kept", "one")]).await.unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "others may read credentials");
    settings.secrets.clear();
    exec(settings.clone()).apply(&zone(), &[add("kept", "two")]).await.unwrap();
    assert_eq!(bind.neighbour().everything(site("kept").owner()).await.len(), 2);
    settings.accounts_file = None;
    let error = exec(settings).apply(&zone(), &[add("kept", "three")]).await.expect_err("it has no key");
    assert!(error.to_string().contains("OURS_Key is not set"), "the script's own words are lost: {error}");
}

/// lexicon's own command with a vendor's options; it finds zones by the server at that port.
fn lexicon(port: u16, options: &[&str], secrets: [(&str, String); 1]) -> Exec {
    let path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join("lexicon"))
        .find(|path| path.is_file())
        .expect("`lexicon` is needed for this test: deploy/setup.sh installs dns-lexicon from PyPI");
    let mut settings = settings(Mode::Lexicon, &[&[path.to_str().unwrap()], options].concat());
    settings.env = BTreeMap::from([
        ("DNS_PORT".to_owned(), port.to_string()),
        ("PYTHONPATH".to_owned(), fixture("lexicon")),
    ]);
    settings.secrets = secrets.map(|(name, text)| (name.to_owned(), secret(&text))).into();
    settings.timeout_seconds = 50;
    exec(settings)
}

/// lexicon adds and removes single values, and its listing is read.
#[tokio::test(flavor = "multi_thread")]
async fn lexicon_adds_and_removes_single_values() {
    let server = Server::start().await;
    let url = format!("http://127.0.0.1:{}", server.api);
    let key = [("LEXICON_POWERDNS_AUTH_TOKEN", KEY.to_owned())];
    let provider = lexicon(server.port, &["powerdns", "--pdns-server", &url], key);
    let neighbour = server.neighbour();
    assert!(provider.probe(&zone()).await.unwrap().detail.contains("lists dcv.test"));
    neighbour.put(site("lex").owner(), "TXT", 900, &["\"theirs\""]).await;
    for _ in 0..2 {
        provider.apply(&zone(), &[add("lex", "ours")]).await.unwrap();
    }
    let mut read = provider.read(&zone(), &site("lex")).await.unwrap();
    read.txt.sort();
    assert_eq!((read.txt, read.ttl), (vec!["ours".to_owned(), "theirs".to_owned()], Some(900)));
    for _ in 0..2 {
        let data = RecordData::Txt(RandomValue::new("ours").unwrap());
        provider.apply(&zone(), &[Change::Remove { site: site("lex"), data }]).await.unwrap();
    }
    assert_eq!(neighbour.everything(site("lex").owner()).await, ["900 TXT \"theirs\""]);
}

/// lexicon 3.25 prints success where the server refuses; what it says it did is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_success_of_lexicon_that_is_none_is_found() {
    let bind = Bind::start().await;
    let key = [("LEXICON_DDNS_AUTH_TOKEN", format!("hmac-sha256:narrow-key:{SECRET}"))];
    let provider = lexicon(bind.port, &["ddns", "--ddns-server", "127.0.0.1"], key);
    let error =
        provider.apply(&zone(), &[add("refused", "v")]).await.expect_err("the key may not write there");
    assert_eq!((error.class(), error.label()), (Class::Later, "not-done"), "{error}");
    assert!(error.to_string().contains("_dnsauth.refused.dcv.test"), "{error}");
}

/// The schema that people write their commands by describes what is really sent, and every answer that is understood.
#[tokio::test]
async fn the_schema_describes_the_protocol() {
    let text = include_str!("../../../docs/exec-protocol.schema.json");
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("https://x.example/s.json", serde_json::from_str(text).unwrap()).unwrap();
    let mut compile = |part: &str| {
        let place = format!("https://x.example/s.json#/$defs/{part}");
        compiler.compile(&place, &mut schemas).unwrap_or_else(|error| panic!("{part}: {error}"))
    };
    let (request, answer) = (compile("request"), compile("answer"));
    let answers = [
        r#"{"version":1,"detail":"fine","txt":["a"],"cname":null,"ttl":60,"receipt":"r1","settled":true}"#,
        r#"{"version":1,"error":{"class":"blocked","message":"no","hint":"so","retry_after_seconds":5}}"#,
    ];
    for accepted in answers {
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        let (_folder, path) = script(&format!("#!/bin/sh\ncat >>{}\necho '{accepted}'\n", seen.display()));
        let provider = exec(settings(Mode::Native, &[&path]));
        let target = RecordData::Cname("x.dcv.digicert.com".parse().unwrap());
        let leaving = Change::Remove { site: site("two"), data: target };
        let given = Zone { id: Some("Z1".to_owned()), ..zone() };
        let receipt = dns_providers::Receipt { change: Some("r1".to_owned()) };
        let outcomes = [
            provider.probe(&zone()).await.is_ok(),
            provider.read(&zone(), &site("one")).await.is_ok(),
            provider.apply(&given, &[add("one", "v"), leaving]).await.is_ok(),
            provider.settled(&receipt).await.is_ok(),
        ];
        assert_eq!(outcomes, [!accepted.contains("error"); 4], "{accepted}");
        let seen = std::fs::read_to_string(seen).unwrap();
        assert_eq!(seen.lines().count(), 4, "one line an operation: {seen}");
        for line in seen.lines() {
            schemas
                .validate(&serde_json::from_str(line).unwrap(), request)
                .unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        schemas.validate(&serde_json::from_str(accepted).unwrap(), answer).unwrap();
    }
    for wrong in [r#"{"operation":"read"}"#, r#"{"version":1,"operation":"read"}"#, r#"{"version":2}"#] {
        assert!(schemas.validate(&serde_json::from_str(wrong).unwrap(), request).is_err(), "{wrong}");
    }
}

/// An alias is beyond what these protocols can say; nobody is told otherwise.
#[tokio::test]
async fn an_alias_is_refused_where_only_texts_can_be_told() {
    for mode in [Mode::LegoExec, Mode::LegoExecRaw, Mode::Lexicon] {
        let target = RecordData::Cname("x.dcv.digicert.com".parse().unwrap());
        let alias = Change::Add { site: site("alias"), data: target, ttl: Ttl::default() };
        let error =
            exec(settings(mode, &["/bin/true"])).apply(&zone(), &[alias]).await.expect_err("an alias");
        assert_eq!((error.class(), error.label()), (Class::Blocked, "text-only"), "{error}");
        assert!(error.to_string().contains("_dnsauth.alias.dcv.test"), "{error}");
    }
    let error = exec(settings(Mode::LegoExec, &["/bin/true"])).read(&zone(), &site("x")).await;
    assert_eq!(error.expect_err("a script cannot be asked").label(), "unreadable");
}

/// A folder with a script of these lines.
fn script(lines: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    std::fs::write(&path, lines).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

async fn refusal(settings: ExecSettings<Secret>) -> Error {
    let begun = Instant::now();
    let applied = exec(settings).apply(&zone(), &[add("www", "v")]).await;
    assert!(begun.elapsed() < SOON, "the caller was held up");
    applied.expect_err("a command that misbehaves")
}

/// What an operator gets wrong before a command even runs, one clear line each, found by `check` too.
#[tokio::test]
async fn a_command_that_cannot_be_run_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    for (path, label, words) in [
        ("/nowhere/dns".to_owned(), "command-missing", "does not exist"),
        (file("plain", "#!/bin/sh\n", 0o644), "command-not-executable", "is not executable"),
        (folder.path().display().to_string(), "command-missing", "is not a file"),
        (file("lost", "#!/nowhere/sh\n", 0o755), "command-missing", "interpreter"),
        (file("data", "no first line\n", 0o755), "command-not-executable", "first line"),
    ] {
        for mode in [Mode::Native, Mode::LegoExec] {
            let error = refusal(settings(mode, &[&path])).await;
            assert_eq!((error.class(), error.label()), (Class::Setup, label), "{path}: {error}");
            assert!(error.to_string().contains(words), "{path}: {error}");
            assert!(error.to_string().contains(&path), "the command is not named: {error}");
        }
        let checked = exec(settings(Mode::Native, &[&path])).check();
        assert_eq!(checked.is_err(), !matches!(words, "interpreter" | "first line"), "{path}: {checked:?}");
    }
}

/// Settings that would be passed over in silence, or run something else than was meant.
#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let base = || settings(Mode::Native, &["/bin/true"]);
    type Change = fn(&mut ExecSettings<Secret>);
    let cases: [(Change, &str); 10] = [
        (|s| s.command.clear(), "absolute path"),
        (|s| s.command = vec!["dns".to_owned()], "absolute path"),
        (|s| s.timeout_seconds = 56, "timeout_seconds"),
        (|s| s.timeout_seconds = 0, "timeout_seconds"),
        (|s| s.at_once = Some(0), "at_once"),
        (|s| s.cleanup = vec!["/bin/true".to_owned()], "cleanup has no meaning"),
        (|s| s.acme_sh = Some("/x".to_owned()), "acme_sh has no meaning"),
        (|s| s.mode = Mode::CertbotHook, "cleanup has to begin"),
        (|s| s.mode = Mode::AcmeSh, "no dnsapi script"),
        (|s| s.env = BTreeMap::from([("A=B".to_owned(), String::new())]), "no name of a variable"),
    ];
    for (change, words) in cases {
        let mut settings = base();
        change(&mut settings);
        let error = Exec::new("test", settings).expect_err(words);
        assert_eq!(error.class(), Class::Setup);
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// A command that ends badly, answers nothing, or something else than an answer.
#[tokio::test]
async fn a_command_that_answers_badly_is_told() {
    for (lines, class, label, words) in [
        ("echo 'no luck' >&2; exit 1", Class::Later, "command-failed", "exit status 1: no luck"),
        ("exit 3", Class::Later, "command-failed", "exit status 3 and says nothing"),
        ("kill -9 $$", Class::Later, "command-failed", "signal 9"),
        ("cat >/dev/null", Class::Bug, "command-answer", "prints no answer"),
        ("echo hello", Class::Bug, "command-answer", "something else than one JSON answer"),
        ("echo '{\"version\":1}{\"version\":1}'", Class::Bug, "command-answer", "something else"),
        ("echo '{\"version\":2}'", Class::Bug, "command-answer", "version 2"),
        ("head -c 10000000 /dev/zero", Class::Bug, "command-verbose", "prints more than"),
        (
            "echo '{\"version\":1,\"error\":{\"class\":\"setup\",\"message\":\"the key is wrong\"}}'; exit 1",
            Class::Setup,
            "command-setup",
            "the key is wrong",
        ),
    ] {
        let (_folder, path) = script(&format!("#!/bin/sh\n{lines}\n"));
        let error = refusal(settings(Mode::Native, &[&path])).await;
        assert_eq!((error.class(), error.label()), (class, label), "{lines}: {error}");
        assert!(error.to_string().contains(words), "{lines}: {error}");
    }
    let (_folder, path) = script("#!/bin/sh\nexit 1\n");
    for mode in [Mode::LegoExec, Mode::AcmeSh] {
        let path = if mode == Mode::AcmeSh { renamed(&path) } else { path.clone() };
        let error = refusal(settings(mode, &[&path])).await;
        assert_eq!((error.class(), error.label()), (Class::Later, "command-failed"), "{mode:?}: {error}");
    }
}

fn renamed(path: &str) -> String {
    let to = PathBuf::from(path).with_file_name("dns_bad.sh");
    std::fs::copy(path, &to).unwrap();
    to.display().to_string()
}

/// Whether a process that ran `sleep` with this many seconds is still there.
fn sleeps(seconds: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| line == format!("sleep\0{seconds}\0").as_bytes())
}

/// Ends a process that a test let escape on purpose.
fn end(seconds: &str) {
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let id = entry.file_name().to_string_lossy().parse::<i32>().ok();
        if let (true, Some(pid)) =
            (line == format!("sleep\0{seconds}\0").as_bytes(), id.and_then(rustix::process::Pid::from_raw))
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// A command that hangs is ended with all that it started, whether it listens to a polite word or not.
#[tokio::test]
async fn a_command_that_hangs_is_ended_with_its_group() {
    for (lines, seconds) in [
        ("sleep 86411 & sleep 86412", ["86411", "86412"]),
        ("trap '' TERM\nsleep 86413 & while true; do sleep 86414; done", ["86413", "86414"]),
    ] {
        let (_folder, path) = script(&format!("#!/bin/sh\n{lines}\n"));
        let mut settings = settings(Mode::Native, &[&path]);
        settings.timeout_seconds = 1;
        let error = refusal(settings).await;
        assert_eq!((error.class(), error.label()), (Class::Later, "command-timeout"), "{error}");
        gone(&seconds).await;
    }
}

async fn gone(seconds: &[&str]) {
    let deadline = Instant::now() + SOON;
    while let Some(left) = seconds.iter().find(|seconds| sleeps(seconds)) {
        assert!(Instant::now() < deadline, "sleep {left} was left behind");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A call that is given up by its caller leaves no process behind.
#[tokio::test]
async fn a_call_that_is_given_up_ends_its_command() {
    let (_folder, path) = script("#!/bin/sh\nsleep 86421 & sleep 86422\n");
    let provider = exec(settings(Mode::Native, &[&path]));
    let changes = [add("www", "v")];
    let zone = zone();
    let mut call = provider.apply(&zone, &changes);
    let deadline = Instant::now() + SOON;
    while !(sleeps("86421") && sleeps("86422")) {
        assert!(Instant::now() < deadline, "the command was never started");
        let _ = tokio::time::timeout(Duration::from_millis(20), &mut call).await;
    }
    drop(call);
    gone(&["86421", "86422"]).await;
}

/// What a command leaves in the background holds its pipe: in its group it is ended, and what left the group (a daemon
/// that calls setsid) is not waited for.
#[tokio::test]
async fn a_daemon_does_not_hold_the_caller_up() {
    let answer = "echo '{\"version\":1}'";
    let (_folder, path) = script(&format!("#!/bin/sh\nsleep 86431 &\n{answer}\n"));
    let begun = Instant::now();
    exec(settings(Mode::Native, &[&path])).apply(&zone(), &[add("www", "v")]).await.unwrap();
    gone(&["86431"]).await;
    let (_folder, path) = script(&format!("#!/bin/sh\nsetsid sleep 86432 &\nsleep 0.2\n{answer}\n"));
    exec(settings(Mode::Native, &[&path])).apply(&zone(), &[add("www", "v")]).await.unwrap();
    end("86432");
    assert!(begun.elapsed() < SOON, "the caller was held up");
}

/// Nothing of the agent's own environment reaches a command; its secrets do, and no message repeats them.
#[tokio::test]
async fn a_command_sees_its_own_variables_only() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let (_folder, path) = script(&format!(
        "#!/usr/bin/env -S sh\nenv >{}\necho \"refused: $TOKEN\" >&2\nexit 1\n",
        seen.display()
    ));
    let mut settings = settings(Mode::LegoExec, &[&path]);
    settings.env = BTreeMap::from([("REGION".to_owned(), "eu".to_owned())]);
    settings.secrets = BTreeMap::from([("TOKEN".to_owned(), secret("hunter2"))]);
    let error = refusal(settings.clone()).await;
    assert!(error.to_string().contains("refused: …"), "{error}");
    assert!(!format!("{error:?} {:?}", exec(settings)).contains("hunter2"), "the secret leaked: {error:?}");
    let seen = std::fs::read_to_string(seen).unwrap();
    let mut names: Vec<_> = seen.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    // A shell sets these by itself.
    names.retain(|name| !matches!(*name, "PWD" | "_" | "SHLVL" | "OLDPWD"));
    names.sort_unstable();
    assert_eq!(names, ["PATH", "REGION", "TOKEN"]);
    assert!(seen.contains("TOKEN=hunter2"));
}

/// An argument is an argument, whatever it holds: no shell reads it.
#[tokio::test]
async fn nothing_is_read_by_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let (_folder, path) = script(&format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >>{}\n", seen.display()));
    for mode in [Mode::LegoExec, Mode::LegoExecRaw] {
        let mut settings = settings(mode, &[&path]);
        settings.command.push("$(touch /tmp/x);".to_owned());
        exec(settings).apply(&zone(), &[add("www", "$HOME;`id`&|<>")]).await.unwrap();
    }
    let seen = std::fs::read_to_string(seen).unwrap();
    let words: Vec<_> = seen.lines().collect();
    let value = "$HOME;`id`&|<>";
    assert_eq!(
        words,
        [
            "$(touch /tmp/x);",
            "present",
            "_dnsauth.www.dcv.test.",
            value,
            "$(touch /tmp/x);",
            "present",
            "--",
            "_dnsauth.www.dcv.test.",
            value,
            value,
        ]
    );
}
