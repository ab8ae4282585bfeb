//! Statements of the papers that can be tried are tried.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use dcv_core::{Outcome, Reason};

use crate::support::{BINARY, Finished, eventually};

fn paper(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Indented blocks, without their indent.
fn blocks(paper: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in paper.lines() {
        match (line.strip_prefix("    "), blocks.last_mut()) {
            (Some(code), Some(block)) => block.push_str(&format!("{}\n", code.trim_start_matches("   "))),
            (None, Some(block)) if !block.is_empty() => blocks.push(String::new()),
            (None, _) => {}
            (Some(_), None) => unreachable!("there is always one"),
        }
    }
    blocks
}

/// Each piece of configuration in the papers is loaded: alone where it is whole, else within the least that has to be there.
#[test]
fn configurations_in_the_papers_load() {
    const LEAST: [(&str, &str); 2] = [
        ("[accounts.", "[accounts.main]\napi_key = { env = \"KEY\" }\norders = [1]\n"),
        (
            "[providers.",
            "[providers.some]\nkind = \"rfc2136\"\nzones = [\"example.biz\"]\nserver = \"192.0.2.1:53\"\n\
             tsig = { name = \"k.\", secret = { env = \"KEY\" } }\n",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let mut loaded = 0;
    for name in ["README.md", "docs/operations.md", "docs/delegation.md", "deploy/container/README.md"] {
        let tables = blocks(&paper(name))
            .into_iter()
            .filter(|block| block.starts_with('[') && block.contains(" = ") && !block.contains('…'));
        for table in tables {
            let mut text = table.clone();
            for (begins, least) in LEAST {
                if !table.contains(begins) {
                    text.push_str(least);
                }
            }
            std::fs::write(&path, &text).unwrap();
            if let Err(problems) = dcv_agent::config::load(&path) {
                panic!("{name}:\n{table}\n{problems}");
            }
            loaded += 1;
        }
    }
    assert!(loaded >= 3, "{loaded} pieces of configuration were found");
}

/// The sandbox's lines of the README, at ports of their own.
#[test]
fn the_readme_leads_to_a_validated_order() {
    struct Sandbox(Child);
    impl Drop for Sandbox {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let readme = paper("README.md");
    let line = |what: &str| -> Vec<String> {
        let lines = readme.lines().filter_map(|line| line.strip_prefix("    dcv-agent "));
        let found = lines.map(|line| line.split('#').next().unwrap_or(line)).find(|line| line.contains(what));
        let found = found.unwrap_or_else(|| panic!("the README has no line with {what}"));
        found.split_whitespace().map(str::to_owned).collect()
    };
    let folder = tempfile::tempdir().unwrap();
    let command = |arguments: Vec<String>| {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
        command
    };
    let mut sandbox = command(line("sandbox --folder"));
    sandbox.args(["--listen", "127.0.0.1:0", "--dns-listen", "127.0.0.1:0"]);
    let _sandbox = Sandbox(sandbox.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    eventually("the sandbox has written its files", Duration::from_secs(20), || {
        folder.path().join("sandbox/config.toml").exists()
    });
    let run = Finished::from(command(line("--once")).output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.out.matches("validated: ").count(), 2, "{run:?}");
}

/// Reasons on which nothing happens until somebody acts, or that may last, are alerted upon; those that come and go are not.
#[test]
fn the_alerts_name_every_reason_that_needs_somebody() {
    let operations = paper("docs/operations.md");
    let expressions: Vec<BTreeSet<&str>> = operations
        .split("{reason=~\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or(rest).split("\\|").collect())
        .collect();
    let [at_once, lasting] = expressions.as_slice() else { panic!("{expressions:?}") };
    let needs_somebody = Reason::ALL.iter().filter(|reason| {
        let waits = matches!(reason.outcome(), Outcome::Blocked | Outcome::Setup | Outcome::Bug);
        // That an order is over is an end, and no trouble.
        waits && **reason != Reason::OrderClosed
    });
    assert_eq!(*at_once, needs_somebody.map(|reason| reason.code()).collect());
    let may_last = [
        Reason::BackingOff,
        Reason::NameTaken,
        Reason::ValueExpired,
        Reason::Propagating,
        Reason::WaitingForCa,
    ];
    assert_eq!(*lasting, may_last.iter().map(|reason| reason.code()).collect());
    // Each of them, and whatever else an operator may see for long, has its row in the table.
    for code in at_once.iter().chain(lasting) {
        assert!(operations.contains(&format!("`{code}`")), "{code} is not explained");
    }
}
