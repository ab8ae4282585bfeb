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
        // That the state cannot be written is told once, by the state itself.
        if let Err(error) = self.state.calling(&self.account, clock::now(), self.longest_window).await {
            tracing::debug!("a call was not noted, a restart may exceed the rate: {}", chain(&error));
        }
    }
}
