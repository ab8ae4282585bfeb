//! The layers of a configuration: the file, drop-ins beside it, the environment.

use std::{path::Path, process::Command};

const FILE: &str = "[accounts.main]\napi_key = { env = \"KEY\" }\norders = [1]\n\
    [providers.dns]\nkind = \"rfc2136\"\nzones = [\"example.com\"]\nserver = \"192.0.2.1:53\"\n\
    tsig = { name = \"k.\", secret = { env = \"KEY\" } }\n";

fn check(folder: &Path, variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dcv-agent"));
    command.args(["check", "--output", "json", "--config"]).arg(folder.join("config.toml"));
    command.env("KEY", "c2VjcmV0").envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

#[test]
fn later_layers_win_and_mistakes_name_the_layer_they_are_in() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), FILE).unwrap();
    let (code, text) = check(folder.path(), &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\"orders\": 1"), "{text}");

    // A drop-in replaces the list and adds an account.
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    let dropin = "[accounts.main]\norders = [1, 2, 3]\n[accounts.eu]\nplatform = \"eu\"\napi_key = { env = \"KEY\" }\n";
    std::fs::write(folder.path().join("conf.d/10-more.toml"), dropin).unwrap();
    std::fs::write(folder.path().join("conf.d/ignored.txt"), "not toml").unwrap();
    let (code, text) = check(folder.path(), &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\"orders\": 3") && text.contains("\"accounts\": 2"), "{text}");

    std::fs::write(folder.path().join("conf.d/20-bad.toml"), "[records]\nttl = 0\n").unwrap();
    let (code, text) = check(folder.path(), &[]);
    assert_eq!(code, 78);
    assert!(text.contains("20-bad.toml:2: records.ttl"), "{text}");

    // The environment wins over files.
    let (code, text) = check(folder.path(), &[("DCV_AGENT__RECORDS__TTL", "300")]);
    assert_eq!(code, 0, "{text}");
    let (code, text) =
        check(folder.path(), &[("DCV_AGENT__RECORDS__TTL", "300"), ("DCV_AGENT__AGENT__LISTEN", "nowhere")]);
    assert_eq!(code, 78);
    assert!(text.contains("DCV_AGENT__AGENT__LISTEN"), "{text}");
}

#[test]
fn a_secret_that_is_not_there_is_named_by_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("config.toml"),
        FILE.replace("env = \"KEY\" }\norders", "file = \"/no/such.key\" }\norders"),
    )
    .unwrap();
    let (code, text) = check(folder.path(), &[]);
    assert_eq!(code, 78);
    assert!(text.contains("accounts.main.api_key") && text.contains("/no/such.key"), "{text}");
}

/// A variable that is set and empty counts, for a key of the configuration and for a secret; what is wrong with either names the
/// variable, also where a file has the key as well.
#[test]
fn an_empty_variable_counts_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let listen = "[agent]\nlisten = \"nowhere\"\n";
    std::fs::write(folder.path().join("config.toml"), format!("{listen}{FILE}")).unwrap();
    let (code, text) = check(folder.path(), &[]);
    assert!(code == 78 && text.contains("config.toml:2: agent.listen"), "{text}");
    let (code, text) = check(folder.path(), &[("DCV_AGENT__AGENT__LISTEN", "")]);
    assert_eq!(code, 0, "an empty address turns the pages off: {text}");
    let (code, text) = check(folder.path(), &[("DCV_AGENT__AGENT__LISTEN", "elsewhere")]);
    assert!(code == 78 && text.contains("environment variable DCV_AGENT__AGENT__LISTEN: "), "{text}");

    let secret = FILE.replace("env = \"KEY\" }\norders", "env = \"SOME_KEY\" }\norders");
    std::fs::write(folder.path().join("config.toml"), secret).unwrap();
    let (code, text) = check(folder.path(), &[]);
    assert!(code == 78 && text.contains("the environment variable SOME_KEY is not set"), "{text}");
    let (code, text) = check(folder.path(), &[("SOME_KEY", " ")]);
    assert!(code == 78 && text.contains("the environment variable SOME_KEY is set and empty"), "{text}");
}
