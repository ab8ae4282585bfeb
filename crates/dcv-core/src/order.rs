//! Orders as the CA speaks of them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{CertName, DomainName, Method};

/// The CA's view of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderFacts {
    /// When it was read; none where that is in doubt, so that it is read again before anything is done.
    pub at: Option<Timestamp>,
    /// Its status.
    pub status: OrderStatus,
    /// The method of those of its scopes that have none of their own, where the CA told.
    pub method: Option<Method>,
    /// What is to be proven; empty when the CA did not tell.
    pub scopes: Vec<ScopeFacts>,
    /// Scopes that are still open and cannot be read, such as an address; in the CA's words.
    pub unreadable: Vec<String>,
    /// What else the CA waits for, such as the validation of the organisation; in its words.
    pub missing: Vec<String>,
    /// What waits for an administrator of the account, such as a reissue that has to be approved.
    pub approval: Option<String>,
    /// Why the operator's patterns do not admit an order that was found in the account.
    pub not_admitted: Option<String>,
}

impl OrderFacts {
    /// An order of which only the status is known.
    #[must_use]
    pub const fn of_status(at: Option<Timestamp>, status: OrderStatus) -> Self {
        Self {
            at,
            status,
            method: None,
            scopes: Vec::new(),
            unreadable: Vec::new(),
            missing: Vec::new(),
            approval: None,
            not_admitted: None,
        }
    }

    /// Whether the CA told what is to be proven, and holds all of it as proven.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        !self.scopes.is_empty()
            && self.unreadable.is_empty()
            && self.scopes.iter().all(|scope| scope.approved)
    }
}

/// One scope of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScopeFacts {
    /// The domain at which control is proven.
    pub name: DomainName,
    /// Whether the CA holds it as proven.
    pub approved: bool,
    /// Its own method, where it has one: orders of OV and EV may prove each domain differently (facts document, 2.3).
    pub method: Option<Method>,
    /// The certificate's names that are proven there; empty where the CA did not tell.
    pub names: Vec<CertName>,
}

impl ScopeFacts {
    /// A scope that is still to be proven by the order's method.
    #[must_use]
    pub const fn open(name: DomainName, names: Vec<CertName>) -> Self {
        Self { name, approved: false, method: None, names }
    }

    /// Whether a list of approved names holds the scope: itself, or every name of the certificate that it covers.
    #[must_use]
    pub fn is_among(&self, approved: &[DomainName]) -> bool {
        let all = || self.names.iter().all(|covered| approved.contains(&covered.name));
        approved.contains(&self.name) || !self.names.is_empty() && all()
    }
}

/// An order's status, as text in the CA's answers (DigiCert, Glossary: order status). Unknown ones are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[expect(missing_docs, reason = "the names are DigiCert's own; `stage` says what each means to us")]
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
    Denied,
    Canceled,
    Revoked,
    Expired,
    /// A status that DigiCert had not documented when this was written.
    Unknown(String),
}

/// What a status asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Domain control is to be proven.
    Work,
    /// Somebody else acts next; look again later.
    Watch,
    /// Over: tidy up. `issued` can be reopened by a reissue.
    Ended,
    /// Not understood: look, touch nothing.
    Unknown,
}

impl OrderStatus {
    /// What the status asks of us (facts document, section 2.10).
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Pending | Self::ReissuePending | Self::Processing | Self::Approved | Self::Submitted => {
                Stage::Work
            }
            Self::NeedsApproval | Self::NeedsCsr | Self::WaitingPickup => Stage::Watch,
            Self::Issued | Self::Rejected | Self::Denied | Self::Canceled | Self::Revoked | Self::Expired => {
                Stage::Ended
            }
            Self::Unknown(_) => Stage::Unknown,
        }
    }

    /// DigiCert's spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::ReissuePending => "reissue_pending",
            Self::Processing => "processing",
            Self::NeedsApproval => "needs_approval",
            Self::NeedsCsr => "needs_csr",
            Self::WaitingPickup => "waiting_pickup",
            Self::Approved => "approved",
            Self::Submitted => "submitted",
            Self::Issued => "issued",
            Self::Rejected => "rejected",
            Self::Denied => "denied",
            Self::Canceled => "canceled",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Unknown(text) => text,
        }
    }
}

impl From<&str> for OrderStatus {
    fn from(text: &str) -> Self {
        match text {
            "pending" => Self::Pending,
            "reissue_pending" => Self::ReissuePending,
            "processing" => Self::Processing,
            "needs_approval" => Self::NeedsApproval,
            "needs_csr" => Self::NeedsCsr,
            "waiting_pickup" => Self::WaitingPickup,
            "approved" => Self::Approved,
            "submitted" => Self::Submitted,
            "issued" => Self::Issued,
            "rejected" => Self::Rejected,
            "denied" => Self::Denied,
            "canceled" => Self::Canceled,
            "revoked" => Self::Revoked,
            "expired" => Self::Expired,
            other => Self::Unknown(other.chars().take(64).collect()),
        }
    }
}

impl From<String> for OrderStatus {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<OrderStatus> for String {
    fn from(status: OrderStatus) -> Self {
        status.as_str().to_owned()
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_status_survives_a_round_trip() {
        for text in [
            "pending",
            "reissue_pending",
            "processing",
            "needs_approval",
            "needs_csr",
            "waiting_pickup",
            "approved",
            "submitted",
            "issued",
            "rejected",
            "denied",
            "canceled",
            "revoked",
            "expired",
        ] {
            let status = OrderStatus::from(text);
            assert!(!matches!(status, OrderStatus::Unknown(_)), "{text}");
            assert_ne!(status.stage(), Stage::Unknown, "{text}");
            assert_eq!(status.as_str(), text);
        }
    }

    #[test]
    fn an_unknown_status_is_kept_bounded_and_untouched() {
        let status = OrderStatus::from("x".repeat(1000).as_str());
        assert_eq!(status.stage(), Stage::Unknown);
        assert_eq!(status.as_str().len(), 64);
        assert_eq!(OrderStatus::from("Issued").stage(), Stage::Unknown);
    }
}
