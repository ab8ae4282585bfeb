//! The exit codes, after sysexits.h where it has one.

use std::process::ExitCode;

use dcv_core::Outcome;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything asked for is done.
    Success,
    /// Some order needs a person; the others went on.
    Blocked,
    /// The time ran out with work still open.
    Later,
    /// An answer outside our model.
    Bug,
    /// The command line is wrong.
    Usage,
    /// Settings or credentials are wrong.
    Setup,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Blocked => 1,
            Self::Later => 75,
            Self::Bug => 70,
            Self::Usage => 64,
            Self::Setup => 78,
        }
    }

    /// What a run with these outcomes ends with: the one that needs the operator most.
    #[must_use]
    pub fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let exit = |outcome| match outcome {
            Outcome::Done => Self::Success,
            Outcome::Open => Self::Later,
            Outcome::Blocked => Self::Blocked,
            Outcome::Setup => Self::Setup,
            Outcome::Bug => Self::Bug,
        };
        outcomes.into_iter().map(exit).max().unwrap_or(Self::Success)
    }
}

/// Why a command or a run could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failed {
    /// How the process ends.
    pub exit: Exit,
    /// One message for a person; each of its lines stands by itself.
    pub message: String,
}

impl Failed {
    /// Settings or credentials are wrong.
    #[must_use]
    pub fn setup(message: impl ToString) -> Self {
        Self { exit: Exit::Setup, message: message.to_string() }
    }

    /// The host did not let us; trying again later may help.
    #[must_use]
    pub fn later(message: impl ToString) -> Self {
        Self { exit: Exit::Later, message: message.to_string() }
    }

    /// The command line is wrong.
    #[must_use]
    pub fn usage(message: impl ToString) -> Self {
        Self { exit: Exit::Usage, message: message.to_string() }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_outcome_decides() {
        use Outcome::{Blocked, Bug, Done, Open, Setup};
        for (outcomes, code) in [
            (vec![], 0),
            (vec![Done, Done], 0),
            (vec![Done, Blocked], 1),
            (vec![Blocked, Open], 75),
            (vec![Open, Bug], 70),
            (vec![Bug, Setup, Done], 78),
        ] {
            assert_eq!(Exit::of(outcomes.clone()).code(), code, "{outcomes:?}");
        }
    }
}
