//! The instants of calls, kept in the state so that the CA's rate outlives a restart.

use std::time::Duration;

use async_trait::async_trait;
use digicert_api::CallMemory;

use crate::{clock, error::chain, state::State};

/// Notes each call before it is sent.
#[derive(Debug)]
pub(super) struct CallLog {
    pub(super) state: State,
    pub(super) account: String,
    pub(super) longest_window: Duration,
}

#[async_trait]
impl CallMemory for CallLog {
    async fn sending(&self) {
        if let Err(error) = self.state.calling(&self.account, clock::now(), self.longest_window).await {
            tracing::warn!(
                "a call to the CA could not be noted, a restart may exceed its rate: {}",
                chain(&error)
            );
        }
    }
}
