//! Orders that match a filter.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use crate::call::{Call, Reply};
use crate::client::Client;
use crate::error::Error;
use crate::ids::OrderId;
use crate::order::WireOrder;
use crate::paging::{LARGEST_PAGE, Page, Pager, Paging, Row, Turn};
use crate::status::OrderStatus;
use crate::wire;

/// One order of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderSummary {
    /// The order number.
    pub id: OrderId,
    /// Where the order stands.
    pub status: OrderStatus,
    /// The certificate's number, once it has one.
    pub certificate_id: Option<u64>,
    /// The names of the order, each once and without blanks: the common name and the additional ones.
    pub names: Vec<String>,
    /// `dns-txt-token` and so on. The documented list lacks it; [`Client::order`] has it.
    pub dcv_method: Option<String>,
    /// `dv`, `ov` or `ev`. The documented list lacks it; [`Client::order`] has it.
    pub validation_type: Option<String>,
    /// The product's short name, else its long one.
    pub product: Option<String>,
    /// `ssl_certificate` and so on; see [`is_tls`](crate::is_tls).
    pub product_type: Option<String>,
    /// The organization's number; DV orders have none.
    pub organization_id: Option<u64>,
    /// The number of the division ("container") that the order belongs to.
    pub container_id: Option<u64>,
    /// When the order was placed.
    pub date_created: Option<Timestamp>,
    /// When the certificate was issued.
    pub date_issued: Option<Timestamp>,
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
    /// Rows a page, 1 to 1000. With 1, a list that changes while it is read may hide an order.
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

impl Client {
    /// Reads one page of the orders that match: `GET /order/certificate`.
    ///
    /// Source: DigiCert's Services API, [List orders].
    ///
    /// # Errors
    /// Any. Rows without a number or status are skipped, not errors.
    ///
    /// [List orders]: https://dev.digicert.com/certcentral-apis/services-api/orders/list-orders.html
    pub async fn orders_page(&self, filter: &OrderFilter, offset: u32) -> Result<OrderPage, Error> {
        let (_, page) = self.order_rows(filter, offset).await?;
        let rows = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
        let total = page.paging.total();
        Ok(OrderPage { orders: page.rows.into_iter().filter_map(|row| row.item).collect(), rows, total })
    }

    /// Reads all orders that match, each once, newest first as far as the CA sorts them.
    ///
    /// The list may change while it is read. Whatever enters or leaves it meanwhile, an order that stays in it is
    /// found: pages overlap, and where they do not join, the pages before are read again.
    ///
    /// # Errors
    /// Any; a list that fails half-way fails as a whole. One without an end is [`Error::Undecodable`], since half
    /// of it could be taken for all of it.
    pub async fn orders(&self, filter: &OrderFilter) -> Result<Vec<OrderSummary>, Error> {
        let mut orders = Vec::new();
        let mut pager = Pager::new(filter.rows());
        loop {
            let (reply, page) = self.order_rows(filter, pager.offset()).await?;
            match pager.turn(page, reply.body.len(), &mut orders) {
                Turn::More => {}
                Turn::Last => return Ok(orders),
                Turn::Endless => return Err(reply.undecodable("the list of orders does not end")),
                Turn::TooMuch => return Err(reply.undecodable("the list of orders is longer than 256 MiB")),
            }
        }
    }

    async fn order_rows(
        &self,
        filter: &OrderFilter,
        offset: u32,
    ) -> Result<(Reply, Page<OrderSummary>), Error> {
        let reply = self.call(Call::get("order/certificate").query(filter.query(offset))).await?;
        let wire: WirePage = reply.read()?;
        let row = |order: WireOrder| Row {
            id: order.id,
            item: order.into_summary().filter(|order| filter.admits(order)),
        };
        Ok((reply, Page { rows: wire.orders.into_iter().map(row).collect(), paging: wire.page }))
    }
}

impl WireOrder {
    fn into_summary(self) -> Option<OrderSummary> {
        let (Some(id), Some(status)) = (self.id, self.status) else {
            tracing::warn!("skipping an order without a number or a status");
            return None;
        };
        Some(OrderSummary {
            id: OrderId::new(id),
            status,
            certificate_id: self.certificate.id,
            names: self.certificate.names(),
            dcv_method: self.dcv_method,
            validation_type: self.product.validation_type,
            product: self.product.name_id.or(self.product.name),
            product_type: self.product.kind,
            organization_id: self.organization.id,
            container_id: self.container.id,
            date_created: self.date_created,
            date_issued: self.certificate.date_issued,
            valid_till: self.certificate.valid_till,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WirePage {
    #[serde(deserialize_with = "wire::list")]
    orders: Vec<WireOrder>,
    #[serde(deserialize_with = "wire::object")]
    page: Paging,
}
