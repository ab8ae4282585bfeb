//! One order in full, and the form in which orders come.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::ids::OrderId;
use crate::status::{OrderStatus, status};
use crate::wire;

/// More names than any certificate has (DigiCert's products take 250 at the most).
pub(crate) const MOST_NAMES: usize = 1000;
pub(crate) const TOO_MANY_NAMES: &str =
    "it names more than a thousand domains, four times what a certificate can have";

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
    /// The names of the order, each once and without blanks: the common name, then the additional ones, which may or
    /// may not repeat it. Not the names to prove; see [`Client::order_validation`].
    pub names: Vec<String>,
    /// `dns-txt-token`, `dns-cname-token`, `http-token`, `email`…; not every answer has it.
    pub dcv_method: Option<String>,
    /// `dv`, `ov` or `ev`.
    pub validation_type: Option<String>,
    /// The product's short name, else its long one.
    pub product: Option<String>,
    /// `ssl_certificate` and so on; see [`is_tls`].
    pub product_type: Option<String>,
    /// What of the order waits for an administrator of the account.
    pub open_requests: Vec<OrderRequest>,
    /// When the order was placed.
    pub date_created: Option<Timestamp>,
    /// The last day of the certificate, once issued.
    pub valid_till: Option<Date>,
}

/// A request about an order, such as a reissue, that waits for an administrator of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderRequest {
    /// The request's number.
    pub id: Option<u64>,
    /// `reissue`, `new_request` and so on, where the CA told.
    pub kind: Option<String>,
}

/// Whether a product of this type is a certificate for TLS servers: `ssl_certificate`, `dv_ssl_certificate` and the
/// like. Lists hold orders for code signing, documents, clients and marks as well, which no DNS record proves. Where the
/// CA does not tell, it is taken for one.
#[must_use]
pub fn is_tls(product_type: Option<&str>) -> bool {
    product_type.is_none_or(|kind| {
        let kind = kind.to_ascii_lowercase();
        kind.contains("ssl") || kind.contains("tls")
    })
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
        let names = wire.certificate.names();
        if names.len() > MOST_NAMES {
            return Err(reply.undecodable(TOO_MANY_NAMES));
        }
        Ok(Order {
            id: order,
            status,
            certificate_id: wire.certificate.id,
            names,
            dcv_method: wire.dcv_method,
            validation_type: wire.product.validation_type,
            product: wire.product.name_id.or(wire.product.name),
            product_type: wire.product.kind,
            open_requests: wire.requests.into_iter().filter_map(WireRequest::into_open).collect(),
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
    #[serde(deserialize_with = "wire::list")]
    pub(crate) requests: Vec<WireRequest>,
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
    #[serde(rename = "type", deserialize_with = "wire::text")]
    pub(crate) kind: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    pub(crate) validation_type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WireRequest {
    #[serde(deserialize_with = "wire::id")]
    id: Option<u64>,
    #[serde(rename = "type", deserialize_with = "wire::text")]
    kind: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    status: Option<String>,
}

impl WireRequest {
    fn into_open(self) -> Option<OrderRequest> {
        let open = self.status.is_some_and(|status| status.eq_ignore_ascii_case("pending"));
        open.then_some(OrderRequest { id: self.id, kind: self.kind })
    }
}

impl WireCertificate {
    /// The common name and the additional names, each once.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let all = self.common_name.iter().chain(&self.dns_names);
        all.filter(|name| seen.insert(name.to_ascii_lowercase())).cloned().collect()
    }
}

/// What is named by its number; the rest of it is not needed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WireNumber {
    #[serde(deserialize_with = "wire::id")]
    pub(crate) id: Option<u64>,
}
