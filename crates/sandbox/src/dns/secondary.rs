//! Replication with a delay: each change reaches the secondary when its time has come, in order.

use std::time::Duration;

use hickory_proto::rr::{LowerName, Record};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    time::{Instant, sleep_until},
};

use super::{apply::apply, zone::Zones};

/// What one update did to one zone, in the form of its update section.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) origin: LowerName,
    pub(super) records: Vec<Record>,
}

/// The primary's end. Changes wait in memory for the lag; their number is bounded by the caller's own update rate.
#[derive(Clone)]
pub(super) struct Outbox {
    changes: UnboundedSender<(Instant, Change)>,
    lag: Duration,
}

impl Outbox {
    pub(super) fn new(changes: UnboundedSender<(Instant, Change)>, lag: Duration) -> Self {
        /// A stand-in for "never" that cannot overflow the clock.
        const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
        Self { changes, lag: lag.min(FOREVER) }
    }

    /// Hands a change over; it becomes visible one lag from now.
    pub(super) fn send(&self, change: Change) {
        // The other end is gone only while the servers shut down.
        let _ = self.changes.send((Instant::now() + self.lag, change));
    }
}

/// Applies changes to `zones` as they fall due, until the primary's end is dropped.
///
/// One lag for all keeps the due times in the order of the changes, so a plain queue is enough.
pub(super) async fn follow(zones: Zones, mut inbox: UnboundedReceiver<(Instant, Change)>) {
    while let Some((due, change)) = inbox.recv().await {
        sleep_until(due).await;
        if let Some(zone) = zones.apex(&change.origin) {
            apply(&mut *zone.records_mut().await, &change.origin, &change.records);
        }
    }
}
