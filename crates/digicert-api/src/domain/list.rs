//! Domains that match a filter.

use jiff::Timestamp;
use serde::Deserialize;

use super::{DomainExpiry, DomainValidation, WireDomain, WireValidation};
use crate::call::{Call, Reply};
use crate::client::Client;
use crate::error::Error;
use crate::ids::DomainId;
use crate::method::DcvMethod;
use crate::paging::{LARGEST_PAGE, Page, Pager, Paging, Row, Turn};
use crate::wire;

/// One domain of a list. Its random value is not part of it; see [`Client::domain`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomainSummary {
    /// The domain's number.
    pub id: DomainId,
    /// The domain's name.
    pub name: String,
    /// False for a domain that the account has put aside.
    pub active: Option<bool>,
    /// True while a proof of control is outstanding, if the list says so; its documentation does not promise it.
    pub pending: Option<bool>,
    /// How control is proven.
    pub method: Option<DcvMethod>,
    /// When control was proven last, as far as that is certain.
    pub approved: Option<Timestamp>,
    /// Until when that proof may be used again.
    pub expiry: DomainExpiry,
    /// The kinds of validation that the domain takes part in.
    pub validations: Vec<DomainValidation>,
    /// The organization's number.
    pub organization_id: Option<u64>,
    /// The number of the division ("container") that the domain belongs to.
    pub container_id: Option<u64>,
    /// When the domain was added.
    pub date_created: Option<Timestamp>,
}

/// Which domains to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainFilter {
    /// Only domains with this method. Checked again on our side where the answer tells the method.
    pub method: Option<DcvMethod>,
    /// Only domains that contain this text somewhere. What "somewhere" means is the CA's business.
    pub search: Option<String>,
    /// Only domains whose validation is in this state, in the CA's words, such as `ov_expiring_within_30_days`.
    pub validation: Option<String>,
    /// Only domains of this division. Checked again on our side where the answer tells the division.
    pub container_id: Option<u64>,
    /// Rows a page, 1 to 1000. With 1, a list that changes while it is read may hide a domain.
    pub page_size: u32,
}

impl Default for DomainFilter {
    /// All domains.
    fn default() -> Self {
        Self { method: None, search: None, validation: None, container_id: None, page_size: LARGEST_PAGE }
    }
}

impl DomainFilter {
    fn rows(&self) -> u32 {
        self.page_size.clamp(1, LARGEST_PAGE)
    }

    fn admits(&self, domain: &DomainSummary) -> bool {
        let method = domain.method.as_ref().zip(self.method.as_ref()).is_none_or(|(is, asked)| is == asked);
        method && domain.container_id.zip(self.container_id).is_none_or(|(is, asked)| is == asked)
    }

    fn query(&self, offset: u32) -> Vec<(String, String)> {
        let search = self.search.as_ref().map(|text| format!("%{text}"));
        let optional = [
            ("container_id", self.container_id.map(|id| id.to_string())),
            ("filters[dcv_method]", self.method.as_ref().map(|method| method.as_str().to_owned())),
            ("filters[search]", search),
            ("filters[validation]", self.validation.clone()),
            // Without it, expiry dates come in a legacy form that is not UTC.
            ("include_dcv_expiration_time", Some("true".to_owned())),
            ("limit", Some(self.rows().to_string())),
            ("offset", Some(offset.to_string())),
        ];
        optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl Client {
    /// Reads all domains that match, each once: `GET /domain`, page by page.
    ///
    /// The list may change while it is read; a domain that stays in it is found all the same.
    ///
    /// Source: DigiCert's Services API, [List domains].
    ///
    /// # Errors
    /// Any; a list that fails half-way fails as a whole. One without an end is [`Error::Undecodable`]. Rows without
    /// a number or name are skipped, not errors.
    ///
    /// [List domains]: https://dev.digicert.com/certcentral-apis/services-api/domains/list-domains.html
    pub async fn domains(&self, filter: &DomainFilter) -> Result<Vec<DomainSummary>, Error> {
        let mut domains = Vec::new();
        let mut pager = Pager::new(filter.rows());
        loop {
            let (reply, page) = self.domain_rows(filter, pager.offset()).await?;
            match pager.turn(page, reply.body.len(), &mut domains) {
                Turn::More => {}
                Turn::Last => return Ok(domains),
                Turn::Endless => return Err(reply.undecodable("the list of domains does not end")),
                Turn::TooMuch => return Err(reply.undecodable("the list of domains is longer than 256 MiB")),
            }
        }
    }

    async fn domain_rows(
        &self,
        filter: &DomainFilter,
        offset: u32,
    ) -> Result<(Reply, Page<DomainSummary>), Error> {
        let reply = self.call(Call::get("domain").query(filter.query(offset))).await?;
        let wire: WirePage = reply.read()?;
        let row = |domain: WireDomain| Row {
            id: domain.id,
            item: domain.into_summary().filter(|domain| filter.admits(domain)),
        };
        Ok((reply, Page { rows: wire.domains.into_iter().map(row).collect(), paging: wire.page }))
    }
}

impl WireDomain {
    fn into_summary(self) -> Option<DomainSummary> {
        let (expiry, approved) = (self.expiry(), self.approved());
        let (Some(id), Some(name)) = (self.id, self.name.or(self.dns_name)) else {
            tracing::warn!("skipping a domain without a number or a name");
            return None;
        };
        Some(DomainSummary {
            id: DomainId::new(id),
            name,
            active: self.is_active,
            pending: self.is_pending_validation,
            method: self.dcv_method.as_deref().map(DcvMethod::from),
            approved,
            expiry,
            validations: self.validations.into_iter().filter_map(WireValidation::into_validation).collect(),
            organization_id: self.organization.id,
            container_id: self.container.id,
            date_created: self.date_created,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WirePage {
    #[serde(deserialize_with = "wire::list")]
    domains: Vec<WireDomain>,
    #[serde(deserialize_with = "wire::object")]
    page: Paging,
}
