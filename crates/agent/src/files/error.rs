//! Why a file is not as it should be, and what a person can do about it.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use dcv_core::DomainName;

/// Why the file is not as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is there with content that this agent did not write; it was left alone.
    #[error("{} holds something that is not ours; it was left alone", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A symbolic link on the way, which could lead anywhere; it was not followed.
    #[error("{} is a symbolic link, which is not followed", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Something stands where a folder or a file of ours has to be.
    #[error("{} is not a {wanted}", path.display())]
    Kind {
        /// What stands there.
        path: PathBuf,
        /// What has to be there.
        wanted: &'static str,
    },
    /// No way to the host is configured.
    #[error("no responder and no document root is configured for {host}")]
    NoRoute {
        /// The host.
        host: DomainName,
    },
    /// The document root does not exist.
    #[error("the document root {} does not exist", path.display())]
    Missing {
        /// The configured folder.
        path: PathBuf,
    },
    /// The host does not let us.
    #[error("{doing} {} is not permitted", path.display())]
    Denied {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// The host failed; it may succeed later.
    #[error("{doing} {} failed", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Whether only a person can help. Otherwise it is worth trying again later.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        match self {
            Self::Foreign { .. }
            | Self::Link { .. }
            | Self::Kind { .. }
            | Self::NoRoute { .. }
            | Self::Missing { .. }
            | Self::Denied { .. } => true,
            Self::Io { .. } => false,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Foreign { .. } => "remove the file, or find out which program keeps it there",
            Self::Link { .. } => {
                "put a real folder or nothing in its place; only the document root may be a link"
            }
            Self::Kind { .. } => "remove it or rename it",
            Self::NoRoute { .. } => "add the host to [http], or bring back the entry that it had",
            Self::Missing { .. } => "create the folder, mount it, or correct its path in the configuration",
            Self::Denied { .. } => {
                "let the agent's user write there (and its service unit, where that confines it)"
            }
            Self::Io { .. } => "it is tried again; if it goes on, look at the disk and at the host's log",
        }
    }

    pub(super) fn of(source: impl Into<io::Error>, doing: &'static str, path: &Path) -> Self {
        let (source, path) = (source.into(), path.to_owned());
        match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::Denied { doing, path, source }
            }
            _ => Self::Io { doing, path, source },
        }
    }
}
