//! The words for where an order stands.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::Deserializer;

use crate::wire;

/// Where an order stands. Statuses that we do not know are kept as they came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the CA's words; their meaning is the CA's too")]
pub enum OrderStatus {
    Pending,
    ReissuePending,
    Processing,
    NeedsApproval,
    NeedsCsr,
    WaitingPickup,
    Approved,
    Submitted,
    Issued,
    Rejected,
    Canceled,
    Revoked,
    Expired,
    /// Anything else: look, don't touch.
    Unknown(String),
}

impl OrderStatus {
    const KNOWN: [(Self, &str); 13] = [
        (Self::Pending, "pending"),
        (Self::ReissuePending, "reissue_pending"),
        (Self::Processing, "processing"),
        (Self::NeedsApproval, "needs_approval"),
        (Self::NeedsCsr, "needs_csr"),
        (Self::WaitingPickup, "waiting_pickup"),
        (Self::Approved, "approved"),
        (Self::Submitted, "submitted"),
        (Self::Issued, "issued"),
        (Self::Rejected, "rejected"),
        (Self::Canceled, "canceled"),
        (Self::Revoked, "revoked"),
        (Self::Expired, "expired"),
    ];

    /// The CA's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unknown(text) => text,
            known => Self::KNOWN.iter().find(|(status, _)| status == known).map_or("", |(_, text)| text),
        }
    }
}

impl FromStr for OrderStatus {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let text = text.trim();
        let known = Self::KNOWN.into_iter().find(|(_, known)| text.eq_ignore_ascii_case(known));
        Ok(known.map_or_else(|| Self::Unknown(text.to_owned()), |(status, _)| status))
    }
}

impl From<&str> for OrderStatus {
    fn from(text: &str) -> Self {
        let Ok(status) = text.parse();
        status
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads a status where there is one.
pub(crate) fn status<'de, D: Deserializer<'de>>(from: D) -> Result<Option<OrderStatus>, D::Error> {
    Ok(wire::text(from)?.as_deref().map(OrderStatus::from))
}
