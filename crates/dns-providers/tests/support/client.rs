//! Somebody else's client, in Python, against a fake of ours: a fake that only our own client understands proves nothing.

use std::path::Path;

use tokio::process::Command;

/// Runs a script of this folder with the Python that has the vendors' clients, and gives what it prints.
///
/// # Panics
/// When it fails, with what it says.
pub(crate) async fn python(script: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let ran = Command::new("python3").arg(&script).args(arguments).output().await;
    let ran = ran
        .expect("`python3` is needed for this test: deploy/setup.sh installs it with the vendors' clients");
    let (said, complained) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{} fails: {said}\n{complained}", script.display());
    said.trim().to_owned()
}
