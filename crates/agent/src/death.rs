//! Places at which a test has the process die: wherever something is waited for on the way of a value into DNS and out again.
//!
//! Builds without debug assertions have none of it.

/// Every place, on which way it lies and what was done last there.
pub const PLACES: [(&str, &str); 23] = [
    ("replica", "joined"),
    ("replica", "claimed"),
    ("replica", "taken up"),
    ("value", "received"),
    ("value", "on record"),
    ("publish", "turn taken"),
    ("publish", "rivals read"),
    ("publish", "intended"),
    ("publish", "sending"),
    ("publish", "sent"),
    ("publish", "on record"),
    ("publish", "former ones forgotten"),
    ("publish", "applied"),
    ("publish", "told"),
    ("check", "on record"),
    ("check", "answered"),
    ("retract", "turn taken"),
    ("retract", "neighbours read"),
    ("retract", "sending"),
    ("retract", "sent"),
    ("retract", "on record"),
    ("retract", "gone"),
    ("retract", "told"),
];

/// The variable that names the place, as `publish: sent`.
pub const VARIABLE: &str = "DCV_AGENT_DIE_AT";

/// Ends the process without a word where a test wants it to end here.
#[inline]
pub fn here(way: &'static str, place: &'static str) {
    #[cfg(debug_assertions)]
    {
        debug_assert!(PLACES.contains(&(way, place)), "{way}: {place} is not listed");
        if wanted().and_then(|wanted| wanted.split_once(": ")) == Some((way, place)) {
            // As a crash does: nothing is flushed, dropped or said.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::thread::park();
        }
    }
    #[cfg(not(debug_assertions))]
    let _ = (way, place);
}

#[cfg(debug_assertions)]
#[expect(clippy::disallowed_methods, reason = "it is no setting, and no release build reads it")]
fn wanted() -> Option<&'static str> {
    static WANTED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    WANTED.get_or_init(|| std::env::var(VARIABLE).ok()).as_deref()
}
