//! systemd's journal: priorities and fields of its own, and its own time stamps.

use std::io;

use rustix::fs::fstat;
use tracing_journald::{Layer, Priority, PriorityMappings};

/// What the fields of ours begin with: `DCV_ORDER`, `DCV_ZONE`.
const PREFIX: &str = "DCV";
/// Where systemd says that standard error leads to the journal.
const STREAM: &str = "JOURNAL_STREAM";

/// The journal, where standard error leads there and it can be written to.
pub(super) fn layer() -> Option<Layer> {
    if !is_stream(&stream()?) {
        return None;
    }
    // The library's own choice makes INFO a notice, which the journal shows in bold.
    let priorities = PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    let layer = Layer::new().ok()?;
    Some(layer.with_field_prefix(Some(PREFIX.to_owned())).with_priority_mappings(priorities))
}

/// `<device>:<inode>` is standard error; a variable that was merely passed on says nothing (systemd.exec, `JOURNAL_STREAM`).
fn is_stream(text: &str) -> bool {
    let Ok(about) = fstat(io::stderr()) else { return false };
    text == format!("{}:{}", about.st_dev, about.st_ino)
}

#[expect(clippy::disallowed_methods, reason = "systemd tells it by the environment and nowhere else")]
fn stream() -> Option<String> {
    std::env::var(STREAM).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal or pipe that inherits the variable must not send its lines to the journal.
    #[test]
    fn only_standard_error_itself_is_the_stream() {
        let about = fstat(io::stderr()).unwrap();
        assert!(is_stream(&format!("{}:{}", about.st_dev, about.st_ino)));
        assert!(!is_stream(&format!("{}:{}", about.st_dev, about.st_ino + 1)));
        assert!(!is_stream(""));
    }
}
