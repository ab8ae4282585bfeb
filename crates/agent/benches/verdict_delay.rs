//! How late the agent knows: the time from the last authority's serving a value to the verdict "visible", over a
//! secondary that polls every 2 to 5 seconds, and the questions that it costs.
//!
//! `cargo bench --package dcv-agent --bench verdict_delay`; it needs what `make setup` installs, and about two minutes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement may panic, and prints its figures"
)]

#[expect(dead_code, reason = "the tests use all of it, a measurement a part")]
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::{process::Stdio, time::Duration};

use dcv_agent::clock;
use jiff::{SignedDuration, Timestamp};

use self::support::{
    BINARY, eventually,
    lab::{LAGGING, PRIMARY, SECONDARY},
    lab_scene::LabScene,
    read,
};

const ROUNDS: usize = 20;

fn main() {
    // `cargo test` runs benches once to see that they start; a measurement is not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut scene = LabScene::new();
    let (mut delays, mut questions) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let name = format!("d{round}.dcv.test");
        scene.order("dcv.test", &[PRIMARY, SECONDARY, LAGGING], &name);
        let log = scene.path("log");
        let mut command = scene.lab.command(BINARY);
        command.arg("--config").arg(scene.path("config.toml"));
        command.args(["--once", "--timeout", "30s", "--output", "json"]).stdin(Stdio::null());
        command.stdout(std::fs::File::create(scene.path("out")).unwrap());
        command.stderr(std::fs::File::create(&log).unwrap());
        let mut agent = command.spawn().unwrap();
        let owner = format!("_dnsauth.{name}");
        let mut served = clock::now();
        while scene.lab.dig(LAGGING, &owner, "TXT").is_empty() {
            served = clock::now();
        }
        eventually("the run ends", Duration::from_secs(30), || agent.try_wait().unwrap().is_some());
        let visible = read(&log).lines().find_map(visible_at).unwrap_or_else(|| panic!("{}", read(&log)));
        delays.push(visible.duration_since(served).max(SignedDuration::ZERO));
        let summary: serde_json::Value = serde_json::from_str(&read(&scene.path("out"))).unwrap();
        questions.push(summary["dns_questions"].as_u64().unwrap());
    }
    delays.sort();
    questions.sort_unstable();
    println!(
        "verdict after the last authority: median {:?}, worst {:?} of {ROUNDS}",
        delays[ROUNDS / 2],
        delays[ROUNDS - 1]
    );
    println!(
        "questions for one scope at three authorities: median {}, most {}",
        questions[ROUNDS / 2],
        questions[ROUNDS - 1]
    );
}

/// The time of the log line that tells of the verdict.
fn visible_at(line: &str) -> Option<Timestamp> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["fields"]["reason"] == "visible").then_some(())?;
    line["timestamp"].as_str()?.parse().ok()
}
