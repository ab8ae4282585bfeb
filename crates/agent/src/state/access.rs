//! How a state is opened.

/// How a state is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It is made, or carried over, where that is needed.
    Own,
    /// It is there, and its format is left as it is; an agent may work on it.
    Beside,
}
