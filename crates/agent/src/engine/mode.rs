//! The daemon and `--once` differ in when the engine may end.

/// When the engine may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When it is stopped.
    Daemon,
    /// Also when nothing is left that waiting would change.
    Once,
}
