//! One order in full, and the form in which orders come.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::ids::OrderId;
use crate::status::{OrderStatus, status};
use crate::wire;

/// One order. Its random value is not part of it; see [`Client::random_value`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Order {
    /// The order number.
    pub id: OrderId,
    /// Where the order stands.
    pub status: OrderStatus,
    /// The certificate's number, once it has one.
    pub certificate_id: Option<u64>,
    /// The certificate's common name.
    pub common_name: Option<String>,
    /// The names in the certificate, without blanks. Not the names to prove; see [`Client::order_validation`].
    pub dns_names: Vec<String>,
    /// `dns-txt-token`, `dns-cname-token`, `http-token`, `email`…; not every answer has it.
    pub dcv_method: Option<String>,
    /// `dv`, `ov` or `ev`.
    pub validation_type: Option<String>,
    /// The product's short name, else its long one.
    pub product: Option<String>,
    /// When the order was placed.
    pub date_created: Option<Timestamp>,
    /// The last day of the certificate, once issued.
    pub valid_till: Option<Date>,
}

impl Client {
    /// Reads an order: `GET /order/certificate/{order}`.
    ///
    /// # Errors
    /// Any. An answer without a status, or about another order, is [`Error::Undecodable`].
    pub async fn order(&self, order: OrderId) -> Result<Order, Error> {
        let reply = self.call(Call::get(format!("order/certificate/{order}"))).await?;
        let wire: WireOrder = reply.read()?;
        if wire.id.is_some_and(|id| id != order.get()) {
            return Err(reply.undecodable("it is about another order"));
        }
        let Some(status) = wire.status else { return Err(reply.undecodable("it has no order status")) };
        Ok(Order {
            id: order,
            status,
            certificate_id: wire.certificate.id,
            common_name: wire.certificate.common_name,
            dns_names: wire.certificate.dns_names,
            dcv_method: wire.dcv_method,
            validation_type: wire.product.validation_type,
            product: wire.product.name_id.or(wire.product.name),
            date_created: wire.date_created,
            valid_till: wire.certificate.valid_till,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WireOrder {
    #[serde(deserialize_with = "wire::id")]
    pub(crate) id: Option<u64>,
    #[serde(deserialize_with = "status")]
    pub(crate) status: Option<OrderStatus>,
    #[serde(deserialize_with = "wire::object")]
    pub(crate) certificate: WireCertificate,
    #[serde(deserialize_with = "wire::text")]
    pub(crate) dcv_method: Option<String>,
    #[serde(deserialize_with = "wire::object")]
    pub(crate) product: WireProduct,
    #[serde(deserialize_with = "wire::object")]
    pub(crate) organization: WireNumber,
    #[serde(deserialize_with = "wire::object")]
    pub(crate) container: WireNumber,
    #[serde(deserialize_with = "wire::timestamp")]
    pub(crate) date_created: Option<Timestamp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WireCertificate {
    #[serde(deserialize_with = "wire::id")]
    pub(crate) id: Option<u64>,
    #[serde(deserialize_with = "wire::text")]
    pub(crate) common_name: Option<String>,
    #[serde(deserialize_with = "wire::texts")]
    pub(crate) dns_names: Vec<String>,
    #[serde(deserialize_with = "wire::timestamp")]
    pub(crate) date_issued: Option<Timestamp>,
    #[serde(deserialize_with = "wire::date")]
    pub(crate) valid_till: Option<Date>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WireProduct {
    #[serde(deserialize_with = "wire::text")]
    pub(crate) name_id: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    pub(crate) name: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    pub(crate) validation_type: Option<String>,
}

/// What is named by its number; the rest of it is not needed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WireNumber {
    #[serde(deserialize_with = "wire::id")]
    pub(crate) id: Option<u64>,
}
