//! Domain control validation of an order: the check, and what is still to prove.

use serde::Deserialize;

use crate::answer::{excerpt, shortened};
use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{DomainId, OrderId};
use crate::order::{MOST_NAMES, TOO_MANY_NAMES};
use crate::status::{OrderStatus, status};
use crate::wire;

/// How many names a reason lists.
const NAMES_IN_REASON: usize = 5;
/// How many texts tell what the organisation lacks.
const PARTS_SHOWN: usize = 5;
/// How many characters of a name or a status are shown there.
const PART_LENGTH: usize = 60;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// Whether all names are proven.
    pub outcome: CheckOutcome,
    /// Where the order stands after the check. OV and EV orders may stay `pending` although DCV is done.
    pub order_status: Option<OrderStatus>,
    /// The CA's word for the whole order's DCV: `valid` when done.
    pub dcv_status: Option<String>,
    /// One entry for every name that the CA spoke of.
    pub names: Vec<NameStatus>,
    /// The certificate's number, if the CA gave it.
    pub certificate_id: Option<u64>,
}

/// The answer to "are all names proven?". A miss is an observation, not an error, however the CA words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckOutcome {
    /// They are.
    Validated,
    /// Not yet.
    NotYet {
        /// Why, for people.
        reason: String,
    },
}

/// One name's part in a check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameStatus {
    /// The name.
    pub name: String,
    /// The CA's word; empty if it gave none.
    pub status: String,
    /// True exactly when that word is `approved`.
    pub approved: bool,
}

/// What an order has to prove.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderValidation {
    /// The order number.
    pub order_id: OrderId,
    /// Where the order stands.
    pub status: Option<OrderStatus>,
    /// `base_domain` or `fqdn`.
    pub name_scope: Option<String>,
    /// The order's method, such as `dns-txt-token`.
    pub method: Option<String>,
    /// One entry for every scope to prove. Several names may share one.
    pub names: Vec<ScopeValidation>,
    /// Each validation of the organisation that is listed and not complete, such as `OV (pending)`, for people. DV
    /// orders have none. Long texts are cut, and of many the last text says how many more there are.
    pub organization_missing: Vec<String>,
}

/// One domain at which control must be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopeValidation {
    /// The domain object's number, if there is one.
    pub domain_id: Option<DomainId>,
    /// The domain at which control must be proven; the name to publish at derives from it. Empty where the CA did not say
    /// which: something is open all the same.
    pub scope: String,
    /// The CA's word; empty if it gave none.
    pub status: String,
    /// True exactly when that word is `approved`.
    pub approved: bool,
    /// The method for this scope, if it has its own.
    pub method: Option<String>,
    /// The names of the order that this scope covers.
    pub dns_names: Vec<String>,
}

impl Client {
    /// Has the CA look at all names of the order: `PUT /order/certificate/{order}/check-dcv`.
    ///
    /// # Errors
    /// Any, but not for a miss. [`Error::Misconfigured`] when the order's method cannot be checked so.
    pub async fn check_dcv(&self, order: OrderId) -> Result<Check, Error> {
        // No body: the whole order. The name of the field for a subset is disputed.
        let reply = match self.call(Call::put(format!("order/certificate/{order}/check-dcv"))).await {
            // The code for a missed CNAME is unknown, so every such refusal counts as a miss.
            Err(Error::Declined { answer }) if answer.status() == 400 => {
                return Ok(Check::miss(answer.to_string()));
            }
            other => other?,
        };
        if reply.is_empty() {
            return Ok(Check::miss("the CA gave no detail (empty answer)".to_owned()));
        }
        let wire: WireCheck = reply.read()?;
        if wire.dns_name_validations.len() > MOST_NAMES {
            return Err(reply.undecodable(TOO_MANY_NAMES));
        }
        Ok(Check::from(wire))
    }

    /// Reads what the order has to prove: `GET /order/certificate/{order}/validation`.
    ///
    /// # Errors
    /// Any. An answer that names neither a status nor a scope, or is about another order, is
    /// [`Error::Undecodable`].
    pub async fn order_validation(&self, order: OrderId) -> Result<OrderValidation, Error> {
        let reply = self.call(Call::get(format!("order/certificate/{order}/validation"))).await?;
        let wire: WireValidation = reply.read()?;
        if wire.order_id.is_some_and(|id| id != order.get()) {
            return Err(reply.undecodable("it is about another order"));
        }
        if wire.order_status.is_none() && wire.dns_name_validations.is_empty() {
            return Err(reply.undecodable("it has neither an order status nor names"));
        }
        let covered: usize = wire.dns_name_validations.iter().map(|scope| scope.dns_names.len()).sum();
        if wire.dns_name_validations.len().max(covered) > MOST_NAMES {
            return Err(reply.undecodable(TOO_MANY_NAMES));
        }
        Ok(OrderValidation {
            order_id: order,
            status: wire.order_status,
            name_scope: wire.order_name_scope,
            method: wire.order_dcv_method,
            names: wire.dns_name_validations.into_iter().filter_map(WireScope::into_scope).collect(),
            organization_missing: missing(&wire.organization_validations),
        })
    }
}

impl Check {
    fn miss(reason: String) -> Self {
        Self {
            outcome: CheckOutcome::NotYet { reason },
            order_status: None,
            dcv_status: None,
            names: Vec::new(),
            certificate_id: None,
        }
    }
}

impl From<WireCheck> for Check {
    fn from(wire: WireCheck) -> Self {
        let names: Vec<_> = wire.dns_name_validations.into_iter().filter_map(WireName::into_status).collect();
        let validated = wire.dcv_status.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("valid"))
            || wire.order_status == Some(OrderStatus::Issued)
            || (!names.is_empty() && names.iter().all(|name| name.approved));
        let outcome = if validated {
            CheckOutcome::Validated
        } else {
            CheckOutcome::NotYet {
                reason: reason(&names, wire.dcv_status.as_deref(), wire.order_status.as_ref()),
            }
        };
        Self {
            outcome,
            order_status: wire.order_status,
            dcv_status: wire.dcv_status,
            names,
            certificate_id: wire.certificate_id,
        }
    }
}

fn reason(names: &[NameStatus], dcv: Option<&str>, order: Option<&OrderStatus>) -> String {
    let open: Vec<_> = names.iter().filter(|name| !name.approved).collect();
    let mut parts = Vec::new();
    if !open.is_empty() {
        let shown: Vec<_> = open
            .iter()
            .take(NAMES_IN_REASON)
            .map(|open| {
                format!("{} ({})", open.name, if open.status.is_empty() { "no status" } else { &open.status })
            })
            .collect();
        let more = match open.len().saturating_sub(NAMES_IN_REASON) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        parts.push(format!("not approved: {}{more}", shown.join(", ")));
    }
    parts.extend(dcv.map(|word| format!("DCV status {word}")));
    parts.extend(order.map(|status| format!("order status {status}")));
    if parts.is_empty() { "the CA gave no detail".to_owned() } else { excerpt(&parts.join("; "), None) }
}

fn missing(parts: &[WirePart]) -> Vec<String> {
    let open: Vec<_> = parts.iter().filter(|part| !part.status.as_deref().is_some_and(is_complete)).collect();
    let shown = if open.len() > PARTS_SHOWN { PARTS_SHOWN - 1 } else { PARTS_SHOWN };
    let mut texts: Vec<_> = open.iter().take(shown).map(|part| part.text()).collect();
    if open.len() > texts.len() {
        texts.push(format!("{} more", open.len() - texts.len()));
    }
    texts
}

fn is_approved(word: &str) -> bool {
    word.eq_ignore_ascii_case("approved")
}

fn is_complete(word: &str) -> bool {
    ["complete", "completed", "active", "approved", "valid"]
        .iter()
        .any(|good| word.eq_ignore_ascii_case(good))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireCheck {
    #[serde(deserialize_with = "status")]
    order_status: Option<OrderStatus>,
    #[serde(deserialize_with = "wire::text")]
    dcv_status: Option<String>,
    #[serde(deserialize_with = "wire::list")]
    dns_name_validations: Vec<WireName>,
    #[serde(deserialize_with = "wire::id")]
    certificate_id: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireName {
    #[serde(deserialize_with = "wire::text")]
    dns_name: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    status: Option<String>,
}

impl WireName {
    fn into_status(self) -> Option<NameStatus> {
        if self.dns_name.is_none() && self.status.is_none() {
            return None;
        }
        let status = self.status.unwrap_or_default();
        Some(NameStatus { name: self.dns_name.unwrap_or_default(), approved: is_approved(&status), status })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireValidation {
    #[serde(deserialize_with = "wire::id")]
    order_id: Option<u64>,
    #[serde(deserialize_with = "status")]
    order_status: Option<OrderStatus>,
    #[serde(deserialize_with = "wire::text")]
    order_name_scope: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    order_dcv_method: Option<String>,
    #[serde(deserialize_with = "wire::list")]
    organization_validations: Vec<WirePart>,
    #[serde(deserialize_with = "wire::parts")]
    dns_name_validations: Vec<WireScope>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WirePart {
    #[serde(deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(rename = "type", deserialize_with = "wire::text")]
    kind: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    description: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    status: Option<String>,
}

impl WirePart {
    fn text(&self) -> String {
        let named = self.name.as_ref().or(self.kind.as_ref()).or(self.description.as_ref());
        let named = named.map_or("organisation validation", String::as_str);
        let status = self.status.as_deref().unwrap_or("no status");
        format!("{} ({})", shortened(named, PART_LENGTH), shortened(status, PART_LENGTH))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireScope {
    #[serde(deserialize_with = "wire::id")]
    domain_id: Option<u64>,
    #[serde(deserialize_with = "wire::text")]
    name_scope: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    status: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    method: Option<String>,
    #[serde(deserialize_with = "wire::texts")]
    dns_names: Vec<String>,
}

impl WireScope {
    fn into_scope(self) -> Option<ScopeValidation> {
        let status = self.status.unwrap_or_default();
        let approved = is_approved(&status);
        // What is open without a name must not make the rest count as all.
        if self.name_scope.is_none() && approved {
            return None;
        }
        Some(ScopeValidation {
            domain_id: self.domain_id.map(DomainId::new),
            scope: self.name_scope.unwrap_or_default(),
            approved,
            status,
            method: self.method,
            dns_names: self.dns_names,
        })
    }
}
