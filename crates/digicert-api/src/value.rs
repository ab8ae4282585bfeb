//! An order's random value: asking for it, and the method by which it is shown.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::answer::excerpt;
use crate::call::{Call, Reply};
use crate::client::Client;
use crate::error::Error;
use crate::ids::OrderId;
use crate::method::DcvMethod;
use crate::wire;

/// The longest text one TXT string holds.
const LONGEST_VALUE: usize = 255;

/// The order's random value, the same for all of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderValue {
    /// What to publish; absent when the CA succeeded without giving one, as it may when nothing is to prove.
    pub value: Option<String>,
    /// Until when the CA accepts it, if it said so legibly. The same value is answered until then.
    pub expires: Option<Timestamp>,
    /// The expiry as the CA wrote it.
    pub expires_raw: Option<String>,
}

impl Client {
    /// Asks for the order's random value: `PUT /order/certificate/{order}/dcv-random-value`.
    ///
    /// Repeating it is harmless: the value stays the same until it has expired, then there is a new one.
    ///
    /// # Errors
    /// Any. [`Error::Declined`] where the order is in no state for it (which states is not documented);
    /// [`Error::Undecodable`] for a value that could not be published as it stands.
    pub async fn random_value(&self, order: OrderId) -> Result<OrderValue, Error> {
        let reply = self.call(Call::put(format!("order/certificate/{order}/dcv-random-value"))).await?;
        order_value(order, &reply)
    }

    /// Changes how a pending order is proven: `PUT /order/certificate/{order}/dcv-method`.
    ///
    /// The answer holds the value to show by the new method, where the CA gives one along; without it, ask by
    /// [`random_value`](Self::random_value). [`DcvMethod::Email`] has none. The change restarts the CA's own
    /// polling, and it concerns all names of a DV order; the domains of OV and EV orders may have a method each.
    ///
    /// Source: DigiCert's Services API, [Change DCV method].
    ///
    /// # Errors
    /// Any. [`Error::Declined`] where the order is not pending, or the method does not fit it
    /// (`invalid_wildcard_dcv_method`: files cannot prove wildcards); [`Error::Undecodable`] for a value that could
    /// not be published as it stands.
    ///
    /// [Change DCV method]: https://dev.digicert.com/certcentral-apis/services-api/orders/change-dcv-method.html
    pub async fn change_dcv_method(&self, order: OrderId, method: &DcvMethod) -> Result<OrderValue, Error> {
        let call = Call::put(format!("order/certificate/{order}/dcv-method"));
        let reply = self.call(call.json(json!({ "dcv_method": method.as_str() }))).await?;
        order_value(order, &reply)
    }
}

fn order_value(order: OrderId, reply: &Reply) -> Result<OrderValue, Error> {
    let wire: WireValue = reply.read_or_default()?;
    if wire.dcv_random_value.as_deref().is_some_and(|value| !is_publishable(value)) {
        return Err(reply.undecodable("its random value is unfit for DNS"));
    }
    let expires = wire.expiration_date.as_deref().and_then(wire::timestamp_of);
    if let (None, Some(raw)) = (expires, &wire.expiration_date) {
        tracing::warn!(%order, raw = %excerpt(raw, None), "the value's expiry cannot be read");
    }
    Ok(OrderValue { value: wire.dcv_random_value, expires, expires_raw: wire.expiration_date })
}

/// Neither length nor alphabet are documented; this much any DNS record needs.
pub(crate) fn is_publishable(value: &str) -> bool {
    value.len() <= LONGEST_VALUE && value.chars().all(|c| c.is_ascii_graphic())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireValue {
    #[serde(deserialize_with = "wire::text")]
    dcv_random_value: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    expiration_date: Option<String>,
}
