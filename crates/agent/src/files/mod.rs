//! Files for DigiCert's method `http-token`: the random value is shown over HTTP instead of in DNS.
//!
//! DigiCert reads one file, at [`FILE_PATH`](dcv_core::FILE_PATH), on every name of the order. Two ways to show it: a [`Responder`] that answers
//! by itself, where the agent is reached on port 80 or a web server passes the path on to it, and a [`Webroot`], where a
//! web server serves a folder that the agent may write to. Nothing here takes a path from the CA: there is one file
//! name, and it is a constant.

mod responder;
mod store;
mod webroot;

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use dcv_core::DomainName;

pub use responder::Responder;
pub use store::{FileStore, Route, Routes};
pub use webroot::Webroot;

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

    fn of(source: impl Into<io::Error>, doing: &'static str, path: &Path) -> Self {
        let (source, path) = (source.into(), path.to_owned());
        match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::Denied { doing, path, source }
            }
            _ => Self::Io { doing, path, source },
        }
    }
}
