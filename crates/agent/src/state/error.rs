//! Why the state cannot be used.

use std::{io, path::PathBuf};

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
    #[error("there is no state file {path} yet; the agent makes it when it runs for the first time")]
    Missing {
        /// The file.
        path: PathBuf,
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
    /// The file was written by an older version, and is only to be read.
    #[error(
        "the state file {path} has format {found}, this version knows {known}; the agent carries it over when it starts"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format that we know.
        known: i64,
    },
    /// The file was written by a newer version.
    #[error(
        "the state file {path} has format {found}, this version knows {known}; install the newer version again or set another agent.state"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The process ends.
    #[error("the agent stops before the state file is written")]
    Stopping,
    /// A statement failed: disk full, file damaged or locked.
    #[error("the state file cannot be used")]
    Statement(#[from] sqlx::Error),
}
