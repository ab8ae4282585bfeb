//! Why something could not be put up or taken down.

use std::sync::Arc;

use dcv_core::{DomainName, Target};
use dns_providers::{Class, Extent};

use crate::{files, state, subject::Subject};

/// Why a value was not published or retracted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The provider said so.
    #[error("provider {provider}: {cause}")]
    Provider {
        /// Its name in the configuration.
        provider: String,
        /// What it said.
        #[source]
        cause: Arc<dns_providers::Error>,
    },
    /// The file of a host could not be written.
    #[error("the file for http-token")]
    File(#[source] Arc<files::Error>),
    /// The intent could not be made durable, so nothing was written.
    #[error("nothing was written to DNS, since the state cannot be written")]
    State(#[source] Arc<state::Error>),
    /// The zone is no longer configured.
    #[error("no configured provider serves {0}; what we hold there cannot be removed until one does")]
    NoProvider(DomainName),
    /// The place can hold one value only, and another order's stands there.
    #[error("{target} can hold one value only, and {subject} has it; waiting until it lets go")]
    Taken {
        /// Where.
        target: Target,
        /// Who has it.
        subject: Subject,
    },
    /// The agent is ending.
    #[error("the agent is stopping")]
    Stopping,
}

impl Error {
    /// Whether it may be one name's trouble only, so that the others of a batch are tried on their own.
    pub(super) fn is_of_one_name(&self) -> bool {
        match self {
            Self::Provider { cause, .. } => cause.class() != Class::Later && cause.extent() == Extent::Name,
            Self::Taken { .. } | Self::File(_) => true,
            Self::State(_) | Self::NoProvider(_) | Self::Stopping => false,
        }
    }
}

impl From<files::Error> for Error {
    fn from(error: files::Error) -> Self {
        Self::File(Arc::new(error))
    }
}

impl From<state::Error> for Error {
    fn from(error: state::Error) -> Self {
        Self::State(Arc::new(error))
    }
}
