//! Every disputed point of the real service as a switch; the defaults follow DigiCert's current documentation.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::seconds;

/// How the simulated CA behaves. Absent fields keep their default, unknown fields are errors.
///
/// ```
/// let profile: dcv_sandbox::ca::Profile = serde_json::from_str(
///     r#"{ "value_life": 2.5, "check_miss": "invalid_dns_txt", "expiration_date": "absent" }"#,
/// )?;
/// assert_eq!(profile.value_life.as_millis(), 2500);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Life of a random value, in seconds.
    #[serde(with = "seconds")]
    pub value_life: Duration,
    /// How many calls after expiry still return the old value (a slow back end).
    pub keep_old_calls: u32,
    /// For how many seconds after its expiry a value still passes the check.
    #[serde(with = "seconds")]
    pub value_grace: Duration,
    /// Text of every value instead of random characters: hostile or malformed values.
    pub value_literal: Option<String>,
    /// Form of `expiration_date`.
    pub expiration_date: ExpirationDate,
    /// Whether a reissue keeps the order's value.
    pub value_after_reissue: ValueAfterReissue,
    /// Reply to *dcv-random-value* on an order that has nothing to validate.
    pub value_when_closed: ValueWhenClosed,
    /// Reply to a check that does not find the value.
    pub check_miss: CheckMiss,
    /// Which spelling of the check's subset parameter is read; another one is ignored.
    pub subset_parameter: SubsetParameter,
    /// Names at which a TXT value is looked for.
    pub txt_names: TxtNames,
    /// How a TXT record is compared with the value.
    pub txt_match: TxtMatch,
    /// Domain under which a CNAME target must lie.
    pub cname_suffix: String,
    /// At which domain control is proven, for orders that don't say.
    pub scope: Scope,
    /// Perspectives that see nothing.
    pub blind: Vec<SocketAddr>,
    /// How many addresses of a zone may disagree before a check fails.
    pub tolerated_misses: usize,
    /// How long one question may take, tries included, in seconds.
    #[serde(with = "seconds")]
    pub dns_timeout: Duration,
    /// The CA's own polling.
    pub own_polling: OwnPolling,
    /// Seconds that an order stays in `processing` once everything is proven.
    #[serde(with = "seconds")]
    pub processing: Duration,
    /// What an OV or EV order does once its domains are proven.
    pub organisation: Organisation,
    /// Whether orders placed over the API wait for an administrator.
    pub approval: Approval,
    /// Reply to a missing or wrong key.
    pub bad_key: BadKey,
    /// Seconds in a `Retry-After` header of 429 replies; the real service documents none.
    pub retry_after: Option<u64>,
    /// Bodies of successful PUTs other than *dcv-random-value*.
    pub success_bodies: SuccessBodies,
    /// JSON type of ids.
    pub id_types: IdTypes,
    /// Whether *list orders* obeys its status filter.
    pub status_filter: StatusFilter,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            value_life: Duration::from_secs(30 * 24 * 3600),
            keep_old_calls: 0,
            value_grace: Duration::ZERO,
            value_literal: None,
            expiration_date: ExpirationDate::default(),
            value_after_reissue: ValueAfterReissue::default(),
            value_when_closed: ValueWhenClosed::default(),
            check_miss: CheckMiss::default(),
            subset_parameter: SubsetParameter::default(),
            txt_names: TxtNames::default(),
            txt_match: TxtMatch::default(),
            cname_suffix: "dcv.digicert.com".to_owned(),
            scope: Scope::default(),
            blind: Vec::new(),
            tolerated_misses: 0,
            dns_timeout: Duration::from_secs(2),
            own_polling: OwnPolling::default(),
            processing: Duration::ZERO,
            organisation: Organisation::default(),
            approval: Approval::default(),
            bad_key: BadKey::default(),
            retry_after: None,
            success_bodies: SuccessBodies::default(),
            id_types: IdTypes::default(),
            status_filter: StatusFilter::default(),
        }
    }
}

/// A switch: an enum whose first setting is the default, spelled in snake case.
macro_rules! switch {
    ($(#[$about:meta])* $name:ident { $(#[$default_about:meta])* $default:ident $(, $(#[$other_about:meta])* $other:ident)* $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $(#[$default_about])*
            #[default]
            $default,
            $($(#[$other_about])* $other,)*
        }
    };
}

/// Form of the `expiration_date` of a random value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpirationDate {
    /// `2026-12-23T16:25:52+00:00`
    #[default]
    Offset,
    /// `2026-12-23T16:25:52Z`
    Z,
    /// `2026-12-23T16:25:52.123+00:00`
    Fractions,
    /// No such field.
    Absent,
    /// Always this text, whatever the true expiry is: a past date, the year 9999, nonsense.
    Literal(String),
}

switch! {
    /// Whether a reissue keeps the order's value (open question 8).
    ValueAfterReissue {
        /// The value stays while it is valid.
        Keep,
        /// The next call makes a new one.
        New,
    }
}
switch! {
    /// Reply to *dcv-random-value* on issued, canceled and other closed orders, and on email orders (open question 7).
    ValueWhenClosed {
        /// 400 with a generic code.
        Error,
        /// 200 without the fields.
        WithoutValue,
        /// 200 with a value.
        WithValue,
    }
}
switch! {
    /// Reply to a TXT or CNAME check that misses (open questions 3 and 4).
    CheckMiss {
        /// 200, the name's status is `unapproved`.
        Unapproved,
        /// 200, the name's status is `pending`.
        Pending,
        /// 400 `invalid_dns_txt` for the whole request; for CNAME a neutral code.
        InvalidDnsTxt,
    }
}
switch! {
    /// Spelling of the parameter that names a subset (open question 2).
    SubsetParameter {
        /// Either spelling.
        Both,
        /// `dns_names_validations` only.
        DnsNamesValidations,
        /// `dns_name_validations` only.
        DnsNameValidations,
    }
}
switch! {
    /// Where a TXT value is looked for (open question 11).
    TxtNames {
        /// `_dnsauth.<scope>`, then `<scope>`.
        Both,
        /// `_dnsauth.<scope>` only.
        Dnsauth,
        /// `<scope>` only.
        Bare,
    }
}
switch! {
    /// How a TXT record is compared with the value.
    TxtMatch {
        /// The record contains the value.
        Contains,
        /// The record is the value.
        Equals,
    }
}
switch! {
    /// The domain at which control is proven.
    Scope {
        /// The longest configured zone that encloses the name, else its last two labels.
        BaseDomain,
        /// Each name itself, unless another name of the order encloses it.
        Fqdn,
    }
}
switch! {
    /// What OV and EV orders do once their domains are proven.
    Organisation {
        /// They stay pending until the organisation is validated too.
        Wait,
        /// They are issued.
        IssueAtOnce,
    }
}
switch! {
    /// Whether an order placed over the API needs an administrator first.
    Approval {
        /// It is `pending` at once.
        Skipped,
        /// It is `needs_approval`, unless placed with `skip_approval`.
        Needed,
    }
}
switch! {
    /// Reply to a missing or wrong key (open question 5).
    BadKey {
        /// 401
        Unauthorized,
        /// 403
        Forbidden,
    }
}
switch! {
    /// Bodies of successful PUTs.
    SuccessBodies {
        /// As documented.
        Documented,
        /// Nothing.
        Empty,
    }
}
switch! {
    /// JSON type of ids.
    IdTypes {
        /// Numbers, and strings in *order validation status*.
        Documented,
        /// Strings everywhere.
        Strings,
        /// Numbers everywhere.
        Numbers,
    }
}
switch! {
    /// Whether *list orders* obeys `filters[status]`; an old report says that it once did not.
    StatusFilter {
        /// Obeyed.
        Obeyed,
        /// Ignored.
        Ignored,
    }
}

/// The CA's own checks: every minute at first, then ever more rarely, for ten days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnPolling {
    /// Only *check-dcv* makes the CA look.
    #[default]
    Off,
    /// On, with a clock that runs this many times faster than the real one.
    On {
        /// Simulated seconds per real second.
        speed: f64,
    },
}
