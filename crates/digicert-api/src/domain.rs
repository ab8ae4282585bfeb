//! Domains: the account's own objects, proven ahead of OV and EV orders. DV orders never use them.
//!
//! A domain has a random value of its own. A check of an order or of a domain is content with either value.

mod list;
mod value;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use serde::Deserialize;

pub use self::list::{DomainFilter, DomainSummary};
use self::value::WireToken;
pub use self::value::{DomainCheck, DomainValue};
use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::ids::DomainId;
use crate::method::DcvMethod;
use crate::order::WireNumber;
use crate::wire;

/// One domain in full.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Domain {
    /// The domain's number.
    pub id: DomainId,
    /// The domain's name.
    pub name: String,
    /// False for a domain that the account has put aside.
    pub active: Option<bool>,
    /// True while a proof of control is outstanding, be it the first or a renewal.
    pub pending: Option<bool>,
    /// How control is proven.
    pub method: Option<DcvMethod>,
    /// When control was proven last, as far as that is certain.
    pub approved: Option<Timestamp>,
    /// Until when that proof may be used again.
    pub expiry: DomainExpiry,
    /// The kinds of validation that the domain takes part in.
    pub validations: Vec<DomainValidation>,
    /// The domain's random value, if there is one; it may have expired.
    pub value: Option<DomainValue>,
    /// The organization's number.
    pub organization_id: Option<u64>,
    /// The number of the division ("container") that the domain belongs to.
    pub container_id: Option<u64>,
    /// When the domain was added.
    pub date_created: Option<Timestamp>,
}

/// One kind of validation of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomainValidation {
    /// `ov`, `ev` or another word of the CA.
    pub kind: String,
    /// `active`, `pending` or `expired`; other words may come.
    pub status: Option<String>,
    /// `complete` or `pending`: the part that is about control of the domain. Lists lack it.
    pub dcv_status: Option<String>,
    /// Until when the validation holds. Its end need not be that of the proof of control; see [`DomainExpiry`].
    pub validated_until: Option<Timestamp>,
}

/// Until when a proof of control may be used again, as far as the CA says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomainExpiry {
    /// For orders of every kind.
    pub any: Option<WrittenTime>,
    /// For OV orders.
    pub ov: Option<WrittenTime>,
    /// For EV orders.
    pub ev: Option<WrittenTime>,
    /// The CA's word on the OV date.
    pub ov_status: Option<String>,
    /// The CA's word on the EV date.
    pub ev_status: Option<String>,
}

impl DomainExpiry {
    /// The first of these instants that is certain; dates of the legacy form are not.
    pub fn earliest(&self) -> Option<Timestamp> {
        [&self.any, &self.ov, &self.ev].into_iter().flatten().filter_map(|time| time.at).min()
    }
}

/// A point in time as the CA wrote it, and what is certain of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenTime {
    /// The instant, of a plain day its beginning in UTC; absent when a time of day has no offset from UTC, as in the legacy
    /// form, or the text is no date.
    pub at: Option<Timestamp>,
    /// The CA's own text.
    pub raw: String,
}

impl WrittenTime {
    fn read(raw: String) -> Self {
        // Without an offset, `timestamp_of` would assume UTC; the legacy form is in another zone, unnamed. A plain day
        // (`2027-06-12`) is how the domain's page writes it: that it holds is certain until that day begins.
        let day = || raw.parse::<Date>().ok().filter(|_| raw.len() == "2027-06-12".len());
        let at =
            raw.parse().ok().or_else(|| Offset::UTC.to_timestamp(day()?.to_datetime(Time::midnight())).ok());
        Self { at, raw }
    }
}

impl Client {
    /// Reads a domain, its random value and its validations included: `GET /domain/{domain}`.
    ///
    /// Reading does not make a value, nor does it change one.
    ///
    /// Source: DigiCert's Services API, [Domain info].
    ///
    /// # Errors
    /// Any. An answer without a name, about another domain, or with a value that could not be published as it
    /// stands is [`Error::Undecodable`].
    ///
    /// [Domain info]: https://dev.digicert.com/certcentral-apis/services-api/domains/domain-info.html
    pub async fn domain(&self, domain: DomainId) -> Result<Domain, Error> {
        let query = ["include_dcv", "include_validation"].map(|name| (name.to_owned(), "true".to_owned()));
        let reply = self.call(Call::get(format!("domain/{domain}")).query(query.into())).await?;
        let wire: WireDomain = reply.read()?;
        if wire.id.is_some_and(|id| id != domain.get()) {
            return Err(reply.undecodable("it is about another domain"));
        }
        let (expiry, approved) = (wire.expiry(), wire.approved());
        let Some(name) = wire.name.or(wire.dns_name) else {
            return Err(reply.undecodable("it has no domain name"));
        };
        Ok(Domain {
            id: domain,
            name,
            active: wire.is_active,
            pending: wire.is_pending_validation,
            method: wire.dcv_method.as_deref().map(DcvMethod::from),
            approved,
            expiry,
            validations: wire.validations.into_iter().filter_map(WireValidation::into_validation).collect(),
            value: wire.dcv_token.into_value(&reply)?,
            organization_id: wire.organization.id,
            container_id: wire.container.id,
            date_created: wire.date_created,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireDomain {
    #[serde(deserialize_with = "wire::id")]
    id: Option<u64>,
    #[serde(deserialize_with = "wire::text")]
    name: Option<String>,
    // Two public clients disagree on the field's name.
    #[serde(deserialize_with = "wire::text")]
    dns_name: Option<String>,
    #[serde(deserialize_with = "wire::flag")]
    is_active: Option<bool>,
    #[serde(deserialize_with = "wire::flag")]
    is_pending_validation: Option<bool>,
    #[serde(deserialize_with = "wire::text")]
    dcv_method: Option<String>,
    #[serde(deserialize_with = "wire::timestamp")]
    dcv_approval_datetime: Option<Timestamp>,
    #[serde(deserialize_with = "wire::text")]
    dcv_expiration_datetime: Option<String>,
    #[serde(deserialize_with = "wire::object")]
    dcv_expiration: WireExpiration,
    #[serde(deserialize_with = "wire::list")]
    validations: Vec<WireValidation>,
    #[serde(deserialize_with = "wire::object")]
    dcv_token: WireToken,
    #[serde(deserialize_with = "wire::object")]
    organization: WireNumber,
    #[serde(deserialize_with = "wire::object")]
    container: WireNumber,
    #[serde(deserialize_with = "wire::timestamp")]
    date_created: Option<Timestamp>,
}

impl WireDomain {
    /// The date beside the expiry may have the expiry's legacy form; then it is not certain, and left out.
    fn approved(&self) -> Option<Timestamp> {
        let beside_expiry = || WrittenTime::read(self.dcv_expiration.dcv_approval_date.clone()?).at;
        self.dcv_approval_datetime.or_else(beside_expiry)
    }

    fn expiry(&self) -> DomainExpiry {
        let parts = &self.dcv_expiration;
        let written = |raw: &Option<String>| raw.clone().map(WrittenTime::read);
        DomainExpiry {
            any: written(&self.dcv_expiration_datetime),
            ov: written(&parts.ov),
            ev: written(&parts.ev),
            ov_status: parts.ov_status.clone(),
            ev_status: parts.ev_status.clone(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireExpiration {
    #[serde(deserialize_with = "wire::text")]
    ov: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    ev: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    ov_status: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    ev_status: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    dcv_approval_date: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireValidation {
    #[serde(rename = "type", deserialize_with = "wire::text")]
    kind: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    status: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    dcv_status: Option<String>,
    #[serde(deserialize_with = "wire::timestamp")]
    validated_until: Option<Timestamp>,
}

impl WireValidation {
    fn into_validation(self) -> Option<DomainValidation> {
        Some(DomainValidation {
            kind: self.kind?,
            status: self.status,
            dcv_status: self.dcv_status,
            validated_until: self.validated_until,
        })
    }
}
