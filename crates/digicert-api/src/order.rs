//! Orders: one in full, those that match a filter, those whose status changed.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use crate::client::{Call, Client};
use crate::error::Error;
use crate::status::{OrderStatus, status};
use crate::wire;

/// The longest time [`Client::status_changes`] may look back.
const LONGEST_LOOK_BACK_MINUTES: u64 = 7 * 24 * 60;
/// The most orders on one page.
const LARGEST_PAGE: u32 = 1000;
/// More pages than any account can have.
const MOST_PAGES: u32 = 500;

/// One order. Its random value is not part of it; see [`Client::random_value`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Order {
    /// The order number.
    pub id: u64,
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

/// One order of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderSummary {
    /// The order number.
    pub id: u64,
    /// Where the order stands.
    pub status: OrderStatus,
    /// The certificate's common name.
    pub common_name: Option<String>,
    /// The names in the certificate, without blanks.
    pub dns_names: Vec<String>,
    /// The product's short name, else its long one.
    pub product: Option<String>,
    /// When the order was placed.
    pub date_created: Option<Timestamp>,
    /// The last day of the certificate, once issued.
    pub valid_till: Option<Date>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderPage {
    /// The orders that match the filter, whatever the CA made of it.
    pub orders: Vec<OrderSummary>,
    /// How many rows the page had before we filtered it; add it to the offset to get the next page.
    pub rows: u32,
    /// How many rows there are in all, if the CA said so.
    pub total: Option<u32>,
}

/// Which orders to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFilter {
    /// Any of these statuses; all orders if empty. Checked again on our side.
    pub statuses: Vec<OrderStatus>,
    /// Only orders that contain this text somewhere. What "somewhere" means is the CA's business.
    pub search: Option<String>,
    /// Rows a page, 1 to 1000.
    pub page_size: u32,
}

impl Default for OrderFilter {
    fn default() -> Self {
        Self { statuses: Vec::new(), search: None, page_size: LARGEST_PAGE }
    }
}

impl OrderFilter {
    /// Orders in any of these statuses.
    pub fn statuses(statuses: impl IntoIterator<Item = OrderStatus>) -> Self {
        Self { statuses: statuses.into_iter().collect(), ..Self::default() }
    }

    fn rows(&self) -> u32 {
        self.page_size.clamp(1, LARGEST_PAGE)
    }

    fn admits(&self, order: &OrderSummary) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&order.status)
    }

    fn query(&self, offset: u32) -> Vec<(String, String)> {
        let mut query = Vec::new();
        match self.statuses.as_slice() {
            [one] => query.push(("filters[status]".to_owned(), one.as_str().to_owned())),
            several => query.extend(
                (0..)
                    .zip(several)
                    .map(|(n, s): (u32, _)| (format!("filters[status][{n}]"), s.as_str().to_owned())),
            ),
        }
        if let Some(text) = &self.search {
            query.push(("filters[search]".to_owned(), format!("%{text}")));
        }
        query.push(("sort".to_owned(), "-date_created".to_owned()));
        query.push(("limit".to_owned(), self.rows().to_string()));
        query.push(("offset".to_owned(), offset.to_string()));
        query
    }
}

/// An order whose status changed lately.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusChange {
    /// The order number.
    pub order_id: u64,
    /// The certificate's number, if there is one.
    pub certificate_id: Option<u64>,
    /// The status it changed to.
    pub status: OrderStatus,
}

impl Client {
    /// Reads an order: `GET /order/certificate/{order}`.
    ///
    /// # Errors
    /// Any. An answer without a status, or about another order, is [`Error::Undecodable`].
    pub async fn order(&self, order: u64) -> Result<Order, Error> {
        let reply = self.call(Call::get(format!("order/certificate/{order}"))).await?;
        let wire: WireOrder = reply.read()?;
        if wire.id.is_some_and(|id| id != order) {
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

    /// Reads one page of the orders that match: `GET /order/certificate`.
    ///
    /// # Errors
    /// Any. Rows without a number or status are skipped, not errors.
    pub async fn orders_page(&self, filter: &OrderFilter, offset: u32) -> Result<OrderPage, Error> {
        let reply = self.call(Call::get("order/certificate").query(filter.query(offset))).await?;
        let wire: WirePage = reply.read()?;
        let rows = u32::try_from(wire.orders.len()).unwrap_or(u32::MAX);
        let total = wire.page.total.and_then(|total| u32::try_from(total).ok());
        let orders = wire.orders.into_iter().filter_map(WireOrder::into_summary);
        Ok(OrderPage { orders: orders.filter(|order| filter.admits(order)).collect(), rows, total })
    }

    /// Reads all orders that match, each once, newest first as far as the CA sorts them.
    ///
    /// The list may change between two pages. Newcomers push known orders onto the next page, where they are
    /// recognised; orders that leave pull others forward past us, hence every page begins a tenth before the
    /// former's end.
    ///
    /// # Errors
    /// Any; a list that fails half-way fails as a whole.
    pub async fn orders(&self, filter: &OrderFilter) -> Result<Vec<OrderSummary>, Error> {
        let mut seen = HashSet::new();
        let mut orders = Vec::new();
        let mut offset = 0_u32;
        for _ in 0..MOST_PAGES {
            let page = self.orders_page(filter, offset).await?;
            orders.extend(page.orders.into_iter().filter(|order| seen.insert(order.id)));
            let end = offset.saturating_add(page.rows);
            // Without a total, a page with fewer rows than asked for is the last.
            let last = page.total.map_or_else(|| page.rows < filter.rows(), |total| end >= total);
            if page.rows == 0 || last {
                return Ok(orders);
            }
            offset = end - page.rows / 10;
        }
        tracing::warn!(pages = MOST_PAGES, "the list of orders does not end; the rest of it is left out");
        Ok(orders)
    }

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
                Some(StatusChange { order_id, certificate_id: row.certificate_id, status })
            })
            .collect())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireOrder {
    #[serde(deserialize_with = "wire::id")]
    id: Option<u64>,
    #[serde(deserialize_with = "status")]
    status: Option<OrderStatus>,
    #[serde(deserialize_with = "wire::object")]
    certificate: WireCertificate,
    #[serde(deserialize_with = "wire::text")]
    dcv_method: Option<String>,
    #[serde(deserialize_with = "wire::object")]
    product: WireProduct,
    #[serde(deserialize_with = "wire::timestamp")]
    date_created: Option<Timestamp>,
}

impl WireOrder {
    fn into_summary(self) -> Option<OrderSummary> {
        let (Some(id), Some(status)) = (self.id, self.status) else {
            tracing::warn!("skipping an order without a number or a status");
            return None;
        };
        Some(OrderSummary {
            id,
            status,
            common_name: self.certificate.common_name,
            dns_names: self.certificate.dns_names,
            product: self.product.name_id.or(self.product.name),
            date_created: self.date_created,
            valid_till: self.certificate.valid_till,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireCertificate {
    #[serde(deserialize_with = "wire::id")]
    id: Option<u64>,
    #[serde(deserialize_with = "wire::text")]
    common_name: Option<String>,
    #[serde(deserialize_with = "wire::texts")]
    dns_names: Vec<String>,
    #[serde(deserialize_with = "wire::date")]
    valid_till: Option<Date>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireProduct {
    #[serde(deserialize_with = "wire::text")]
    name_id: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    validation_type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WirePage {
    #[serde(deserialize_with = "wire::list")]
    orders: Vec<WireOrder>,
    #[serde(deserialize_with = "wire::object")]
    page: WirePaging,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WirePaging {
    #[serde(deserialize_with = "wire::id")]
    total: Option<u64>,
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
