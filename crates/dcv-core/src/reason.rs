//! Why the agent does what it does, or does nothing.

use std::fmt;

use serde::Serialize;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $code:literal,)*) => {
        /// A stable code for why a step was chosen; used in logs, metrics, `status` and `explain`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, in the order in which the rules are tried.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

reasons! {
    /// The last attempt failed in a way that the world will mend.
    BackingOff => "backing-off",
    /// The name can hold one record only, and another order's stands there.
    NameTaken => "name-taken",
    /// Settings or credentials were refused.
    SetupRefused => "setup-refused",
    /// The CA or the name server did something outside our model.
    Unexpected => "unexpected-answer",
    /// The order was refused or does not exist in this account.
    OrderRefused => "order-refused",
    /// Control is proven; DigiCert's own people have to act.
    WaitingForDigicert => "waiting-for-digicert",
    /// The order is over; values of ours are still in DNS.
    TidyUp => "tidy-up",
    /// What the CA says about the domain is not known yet, or not freshly enough to act upon.
    DomainUnread => "domain-unread",
    /// Canceled, rejected, revoked or expired.
    OrderClosed => "order-closed",
    /// Control is proven for every scope.
    Validated => "validated",
    /// What is known of the order is old.
    AuditDue => "audit-due",
    /// The domain was put aside in the account.
    DomainInactive => "domain-inactive",
    /// CAA records do not let DigiCert issue.
    CaaForbids => "caa-forbids",
    /// Somebody has to act in CertCentral first: the status is not ours to act on, or a request is to be approved.
    WaitingForApproval => "waiting-for-approval",
    /// The order was found in the account and is none that the agent can or may do.
    NotTakenUp => "not-taken-up",
    /// A status unknown to this version.
    StatusUnknown => "status-unknown",
    /// The order is by e-mail, and may be changed to a method that this version carries out.
    MethodSwitch => "method-switch",
    /// The order wants a method that this version does not carry out.
    MethodUnsupported => "method-unsupported",
    /// What is to be proven is not known yet.
    OrderUnread => "order-unread",
    /// The order has no scope.
    NoScopes => "no-scopes",
    /// Where the record goes is not known yet.
    SiteUnknown => "site-unknown",
    /// No configured provider serves the zone.
    NoProvider => "no-provider",
    /// A CNAME of somebody else stands at the owner name.
    ForeignCname => "foreign-cname",
    /// The host lives by a wildcard, which a record at or below its name would end.
    WildcardHost => "wildcard-host",
    /// The delegation cannot be followed.
    BadDelegation => "bad-delegation",
    /// The name leaves no room for the label at which the CA looks.
    NameTooLong => "name-too-long",
    /// No random value is at hand.
    ValueMissing => "value-missing",
    /// The CA gave a value that cannot be published.
    ValueUnfit => "value-unfit",
    /// The random value is past its date.
    ValueExpired => "value-expired",
    /// The value expires soon and the order is still open.
    ValueExpiring => "value-expiring",
    /// The domain has no proof that orders may use, or one that soon ends.
    RenewalDue => "renewal-due",
    /// The value is not in DNS yet.
    Unpublished => "unpublished",
    /// The value was published and has gone again.
    Drifted => "drifted",
    /// A value that was replaced is still in DNS.
    Superseded => "superseded",
    /// Not every server shows the value yet.
    Propagating => "propagating",
    /// The answers do not validate: DNSSEC is broken, and the CA would refuse what it sees.
    DnssecBogus => "dnssec-bogus",
    /// An alias has lost its capitals on the way, and the CA tells capitals apart.
    CaseChanged => "case-changed",
    /// The CA has not found the value yet.
    WaitingForCa => "waiting-for-ca",
    /// The value is visible; time to ask.
    Visible => "visible",
}

/// What a reason means for a run that wants to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing is left for the agent to do.
    Done,
    /// Work goes on.
    Open,
    /// A person has to act on this order.
    Blocked,
    /// A person has to mend settings or credentials.
    Setup,
    /// Something answered outside our model.
    Bug,
}

impl Reason {
    /// What a run that rests for this reason has come to.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Validated | Self::WaitingForDigicert | Self::NotTakenUp | Self::DomainInactive => {
                Outcome::Done
            }
            Self::SetupRefused => Outcome::Setup,
            Self::Unexpected | Self::ValueUnfit => Outcome::Bug,
            Self::OrderRefused
            | Self::OrderClosed
            | Self::WaitingForApproval
            | Self::StatusUnknown
            | Self::MethodUnsupported
            | Self::NoScopes
            | Self::NoProvider
            | Self::ForeignCname
            | Self::WildcardHost
            | Self::BadDelegation
            | Self::NameTooLong
            | Self::DnssecBogus
            | Self::CaseChanged
            | Self::CaaForbids => Outcome::Blocked,
            Self::BackingOff
            | Self::TidyUp
            | Self::OrderUnread
            | Self::DomainUnread
            | Self::RenewalDue
            | Self::AuditDue
            | Self::ValueMissing
            | Self::ValueExpired
            | Self::ValueExpiring
            | Self::SiteUnknown
            | Self::MethodSwitch
            | Self::NameTaken
            | Self::Unpublished
            | Self::Drifted
            | Self::Propagating
            | Self::Visible
            | Self::WaitingForCa
            | Self::Superseded => Outcome::Open,
        }
    }
}

impl Reason {
    /// A failure that is waited out, whatever else is known.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::BackingOff | Self::NameTaken | Self::SetupRefused | Self::Unexpected | Self::OrderRefused
        )
    }

    /// Nothing is left to do for good, unless it is opened again.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Validated | Self::OrderClosed)
    }

    /// What was found in the account and rests for this reason needs no looking after: the account tells when something
    /// happens to it.
    #[must_use]
    pub const fn needs_no_looking_after(self) -> bool {
        matches!(
            self,
            Self::Validated
                | Self::OrderClosed
                | Self::NotTakenUp
                | Self::WaitingForDigicert
                | Self::WaitingForApproval
                | Self::StatusUnknown
                | Self::DomainInactive
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// A reason with its sentence: every answer to "why is nothing happening?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Because {
    /// The stable code.
    pub reason: Reason,
    /// One sentence for a person.
    pub detail: String,
}

impl Because {
    /// A reason and its sentence.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}
