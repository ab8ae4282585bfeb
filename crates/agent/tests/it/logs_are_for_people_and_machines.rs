//! What the log tells, in which form, and how much of it.

use std::{process::Command, time::Duration};

use dcv_sandbox::ca::OrderSpec;
use serde_json::Value as Json;

use crate::support::{Bind, eventually, read, scene::Scene};

async fn scene() -> (Scene, u64) {
    let scene = Scene::new(Bind::open("")).await;
    let order = scene.ca.place(OrderSpec::dv(["www.dcv.test"]));
    scene.configure(&[order], "");
    (scene, order)
}

/// Each line that concerns an order or a record says which one, in fields and in the sentence: the journal shows only that.
#[tokio::test(flavor = "multi_thread")]
async fn lines_say_which_order_name_zone_and_provider() {
    let (scene, order) = scene().await;
    scene.agent.append("");
    let daemon = scene.agent.daemon();
    eventually("the value is taken down again", Duration::from_secs(30), || {
        scene.agent.log().contains(": retracted ")
    });
    assert_eq!(daemon.stop().0, 0);
    let log = scene.agent.log();
    for done in ["published", "retracted"] {
        let line = log.lines().find(|line| line.contains(&format!("main/{order}: {done} "))).unwrap();
        for field in [
            "account=main",
            &format!("order={order}"),
            "name=_dnsauth.www.dcv.test",
            "zone=dcv.test",
            "provider=bind",
        ] {
            assert!(line.contains(field), "{field} is not in {line}");
        }
    }
    let validated = log.lines().find(|line| line.contains("reason=validated")).unwrap();
    assert!(validated.contains(&format!("main/{order}: ")) && validated.contains(&format!("order={order}")));
    assert!(!log.contains('\u{1b}'), "a file gets no colours: {log}");
}

/// JSON has the same fields, and one object a line.
#[tokio::test(flavor = "multi_thread")]
async fn json_has_the_fields() {
    let (scene, order) = scene().await;
    scene.agent.edit("[agent]", "[agent]\nlog = { format = \"json\", level = \"info\" }");
    let run = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(run.code, 0, "{run:?}");
    let lines: Vec<Json> = run.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let published = lines.iter().find(|line| line["provider"] == "bind").unwrap();
    assert_eq!((&published["order"], &published["level"]), (&order.into(), &"INFO".into()), "{published}");
    assert_eq!(
        (&published["name"], &published["zone"]),
        (&"_dnsauth.www.dcv.test".into(), &"dcv.test".into())
    );
    let validated = lines.iter().find(|line| line["reason"] == "validated").unwrap();
    assert_eq!(validated["span"]["order"], order, "{validated}");
}

/// Where nobody watches, a run that goes well says nothing but its result; -v and -q say more and less.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_a_terminal_is_quiet() {
    let (scene, order) = scene().await;
    let run = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{run:?}");
    assert!(run.out.contains("www.dcv.test") && run.out.contains(&order.to_string()), "{run:?}");
    let verbose = scene.agent.run(&["--once", "-v"]);
    assert!(verbose.err.contains("DEBUG") && !verbose.err.contains("TRACE"), "{verbose:?}");
    assert!(!verbose.err.contains('\u{1b}'), "{verbose:?}");
    assert!(scene.agent.run(&["--once", "-v", "--color", "always"]).err.contains("\u{1b}["));
    assert_eq!(scene.agent.run(&["-v", "-q", "--once"]).code, 64);
    // A warning is for a person, unless that person wants errors only.
    scene.configure(&[], "");
    assert!(scene.agent.run(&["--once"]).err.contains("WARN"));
    assert_eq!(scene.agent.run(&["--once", "--quiet"]).err, "");
}

/// `agent.log.level` is read again at a reload, both ways.
#[tokio::test(flavor = "multi_thread")]
async fn the_level_changes_at_a_reload() {
    let (scene, _) = scene().await;
    scene.agent.edit("[agent]", "[agent]\nlog = { level = \"info\" }");
    let daemon = scene.agent.daemon();
    let reloads = |n| {
        eventually("it is reloaded", Duration::from_secs(20), || {
            scene.agent.log().matches("looking after orders").count() == n
        })
    };
    reloads(1);
    assert!(!scene.agent.log().contains("DEBUG"));
    scene.agent.edit("level = \"info\"", "level = \"debug\"");
    daemon.signal("HUP");
    reloads(2);
    eventually("steps are told", Duration::from_secs(20), || scene.agent.log().contains("DEBUG"));
    scene.agent.edit("level = \"debug\"", "level = \"error\"");
    daemon.signal("HUP");
    eventually("nothing is told", Duration::from_secs(20), || {
        let before = scene.agent.log();
        daemon.signal("HUP");
        before.lines().last() == scene.agent.log().lines().last() && before.contains("DEBUG")
    });
    assert_eq!(daemon.stop().0, 0);
}

/// A terminal of 80 columns shows each open order in a line of its own while it lasts, and nothing is wider; a dumb one, or one
/// whose user wants no colours, shows the result only.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_what_is_waited_for() {
    let (scene, order) = scene().await;
    let long = "a-host-with-quite-a-long-name-that-needs-room.dcv.test";
    let other = scene.ca.place(OrderSpec::dv([long, "shop.dcv.test", "*.apps.dcv.test"]));
    scene.configure(&[order, other], "");
    scene.blind_the_ca();
    let on_terminal = |environment: &[(&str, &str)]| {
        let shown = scene.agent.path("shown");
        let once = scene.agent.command(&["--once", "--timeout", "3s"]);
        let mut terminal = Command::new("script");
        let line: Vec<_> = [once.get_program()].into_iter().chain(once.get_args()).collect();
        let line: Vec<_> = line.iter().map(|part| part.to_str().unwrap()).collect();
        let sized = format!("stty cols 80 rows 24; {}", line.join(" "));
        terminal.args(["--quiet", "--return", "--command", &sized]).arg(&shown);
        terminal.env_remove("NO_COLOR").env("TERM", "xterm").envs(environment.iter().copied());
        let status = terminal
            .stdout(std::process::Stdio::null())
            .status()
            .expect("script is missing; install bsdutils");
        assert_eq!(status.code(), Some(75));
        // The tool's own lines are the first and the last one.
        let text = read(&shown);
        text.lines().filter(|line| !line.starts_with("Script ")).collect::<Vec<_>>().join("\n")
    };
    let shown = on_terminal(&[]);
    assert!(shown.contains("0 of 2 done"), "{shown}");
    assert!(shown.contains("DigiCert says"), "what is waited for: {shown}");
    // A live line is cut to the terminal, and followed by the next without a line break: each row begins as one of them does.
    for line in without_escapes(&shown).lines() {
        let row: String = line.chars().skip(80).take(5).collect();
        let begins = ["", "main/", "0 of ", "looki"];
        assert!(begins.contains(&row.trim()), "{line:?} is wider than the terminal");
    }
    for environment in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let quiet = on_terminal(&[environment]);
        assert!(!quiet.contains("0 of 2 done") && !quiet.contains('\u{1b}'), "{environment:?}: {quiet}");
        assert!(quiet.contains("waiting-for-ca"), "{environment:?}: {quiet}");
    }
}

/// The text between sequences that move the cursor or colour; each of those that moves begins a line anew.
fn without_escapes(shown: &str) -> String {
    let mut parts = shown.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        if !part[..end].ends_with('m') {
            plain.push('\n');
        }
        plain.push_str(&part[end..]);
    }
    plain.replace('\r', "\n")
}
