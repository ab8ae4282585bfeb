//! Why the state cannot be used.

use std::{io, path::PathBuf};

use crate::{error::chain, exit::Failed};

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened.
    #[error("the state file {path} cannot be opened")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// There is no file to be read.
    #[error("there is nothing at {at} yet; the agent makes it when it runs for the first time")]
    Missing {
        /// Which one.
        at: String,
    },
    /// This user may not read the file.
    #[error(
        "the state file {path} may not be read by this user; run the command as root, or as the agent's user"
    )]
    Forbidden {
        /// The file.
        path: PathBuf,
    },
    /// The folder of the file cannot be made.
    #[error(
        "the folder {folder} of the state file cannot be made; make it, let the agent's user write to it, or set agent.state"
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another agent works on the file.
    #[error("another dcv-agent (process {process}) works on the state file {path}")]
    Taken {
        /// The file.
        path: PathBuf,
        /// Which one, as far as it told.
        process: String,
    },
    /// It was written by an older version, and is only to be read.
    #[error("{at} has format {found}, this version knows {known}; the agent carries it over when it starts")]
    Older {
        /// Which one.
        at: String,
        /// Its format.
        found: i64,
        /// The format that we know.
        known: i64,
    },
    /// It was written by a newer version.
    #[error(
        "{at} has format {found}, this version knows {known}; install the newer version again or set another agent.state"
    )]
    Newer {
        /// Which one.
        at: String,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The database cannot be reached for now.
    #[error("{at} cannot be reached")]
    Away {
        /// Which one.
        at: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database does not answer in time.
    #[error("{at} does not answer within {seconds} s")]
    Silent {
        /// Which one.
        at: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The database refuses us, or is not one for us.
    #[error("{at}: {what}")]
    Unfit {
        /// Which one.
        at: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// This replica was not heard of for too long: others may have taken its work over.
    #[error("this replica was not heard of for too long, and others may have taken its work over")]
    Fenced,
    /// The process ends.
    #[error("the agent stops before the state is written")]
    Stopping,
    /// A statement failed: disk full, file damaged or locked.
    #[error("the state cannot be used")]
    Statement(#[from] sqlx::Error),
}

impl Error {
    /// How a process ends for it.
    #[must_use]
    pub fn into_failed(self) -> Failed {
        match self.is_passing() {
            true => Failed::later(chain(&self)),
            false => Failed::setup(chain(&self)),
        }
    }

    /// Whether waiting may help: nothing of ours has to be mended.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Silent { .. } | Self::Fenced | Self::Stopping)
    }
}
