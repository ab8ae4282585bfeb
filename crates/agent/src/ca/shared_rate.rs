//! The CA's rate, of which all replicas together take no more than there is.

use std::time::Duration;

use async_trait::async_trait;
use digicert_api::{Closed, Places, SharedRate, Window};

use crate::{error::chain, state::Fleet};

/// When to ask again while the database cannot be asked.
const AGAIN: Duration = Duration::from_secs(1);

/// Takes places where all replicas take theirs.
#[derive(Debug)]
pub(super) struct OfFleet {
    pub(super) fleet: Fleet,
    pub(super) account: String,
    pub(super) longest_window: Duration,
}

#[async_trait]
impl SharedRate for OfFleet {
    async fn take(&self, most: u32, windows: &[Window]) -> Places {
        match self.fleet.take_places(&self.account, most, windows).await {
            Ok(places) => places,
            Err(error) => {
                // That the database is away is told once, by the state itself.
                tracing::debug!("no call can be made: {}", chain(&error));
                Places { wait: AGAIN, ..Places::default() }
            }
        }
    }

    async fn close(&self, closed: &Closed) {
        let closing = self.fleet.close_places(&self.account, closed, self.longest_window);
        if let Err(error) = closing.await {
            tracing::debug!("places in the rate stay taken for a while: {}", chain(&error));
        }
    }

    async fn pause(&self, pause: Duration) {
        if let Err(error) = self.fleet.pause(&self.account, pause).await {
            tracing::debug!("the other replicas do not hear of the pause: {}", chain(&error));
        }
    }
}
