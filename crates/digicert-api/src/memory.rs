//! A memory of calls that outlives the process, so that restarts do not add up to a burst.

use std::fmt::Debug;

use async_trait::async_trait;

/// Told of each call before it is sent.
///
/// The CA's windows go on rolling while a process is killed and started again. Whoever keeps the instants durably
/// hands them to [`ClientBuilder::history`](crate::ClientBuilder::history) at the next start.
#[async_trait]
pub trait CallMemory: Debug + Send + Sync {
    /// A call has its turn and is sent as soon as this returns. What cannot be remembered is the memory's to report;
    /// the call is made all the same.
    async fn sending(&self);
}
