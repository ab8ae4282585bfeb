//! Holds `dcv-core` to its promise: no dependency that could perform I/O, read a clock or an environment.

/// Everything the crate may depend on, each unable to act on the world in the way we build it.
const ALLOWED: &[&str] = &["idna", "jiff", "litemap", "serde", "thiserror"];

#[test]
fn only_pure_crates_are_depended_on() {
    let manifest: toml::Table = include_str!("../Cargo.toml").parse().unwrap();
    let dependencies = manifest["dependencies"].as_table().unwrap();
    for name in dependencies.keys() {
        assert!(ALLOWED.contains(&name.as_str()), "{name} is not on the list of pure crates");
    }
    assert!(!manifest.contains_key("build-dependencies") && !manifest.contains_key("target"));
}

#[test]
fn the_sources_name_nothing_that_acts_on_the_world() {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            read += 1;
            for word in [
                "std::fs",
                "std::env",
                "std::process",
                "std::time",
                "::now(",
                "async ",
                "UdpSocket",
                "println!",
            ] {
                assert!(!text.contains(word), "{} uses {word}", path.display());
            }
        }
    }
    assert!(read > 10, "{read} sources were found");
}
