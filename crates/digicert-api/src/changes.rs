//! Orders whose status changed lately: the cheap way to keep up.

use std::time::Duration;

use serde::Deserialize;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::ids::OrderId;
use crate::status::{OrderStatus, status};
use crate::wire;

/// The longest time [`Client::status_changes`] may look back.
const LONGEST_LOOK_BACK_MINUTES: u64 = 7 * 24 * 60;

/// An order whose status changed lately.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusChange {
    /// The order number.
    pub order_id: OrderId,
    /// The certificate's number, if there is one.
    pub certificate_id: Option<u64>,
    /// The status it changed to.
    pub status: OrderStatus,
}

impl Client {
    /// Reads which orders changed their status within the last `since`, rounded up to minutes and capped at
    /// seven days: `GET /order/certificate/status-changes`.
    ///
    /// # Errors
    /// Any. Rows without a number or status are skipped.
    pub async fn status_changes(&self, since: Duration) -> Result<Vec<StatusChange>, Error> {
        let minutes = since.as_millis().div_ceil(60_000).clamp(1, u128::from(LONGEST_LOOK_BACK_MINUTES));
        let call = Call::get("order/certificate/status-changes");
        let reply = self.call(call.query(vec![("minutes".to_owned(), minutes.to_string())])).await?;
        if reply.is_empty() {
            return Ok(Vec::new());
        }
        let wire: WireChanges = reply.read()?;
        Ok(wire
            .orders
            .into_iter()
            .filter_map(|row| {
                let (Some(order_id), Some(status)) = (row.order_id, row.status) else {
                    tracing::warn!("skipping a status change without an order number or a status");
                    return None;
                };
                Some(StatusChange {
                    order_id: OrderId::new(order_id),
                    certificate_id: row.certificate_id,
                    status,
                })
            })
            .collect())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireChanges {
    #[serde(deserialize_with = "wire::list")]
    orders: Vec<WireChange>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireChange {
    #[serde(deserialize_with = "wire::id")]
    order_id: Option<u64>,
    #[serde(deserialize_with = "wire::id")]
    certificate_id: Option<u64>,
    #[serde(deserialize_with = "status")]
    status: Option<OrderStatus>,
}
