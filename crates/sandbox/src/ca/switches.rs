//! Every disputed point of the real service as a switch.

use serde::{Deserialize, Serialize};

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
    /// How the target of a CNAME record is compared with the value, whose capitals count in either case.
    CnameMatch {
        /// It is the value below the profile's suffix, at `_dnsauth.<scope>`.
        Target,
        /// It contains the value, at `_dnsauth.<scope>` or at `<scope>`, as for the published library.
        Contains,
    }
}
switch! {
    /// What is made of an answer in which a DNAME record takes part.
    Dname {
        /// It shows nothing, as to the published library.
        Refused,
        /// The alias that it makes is followed.
        Followed,
    }
}
switch! {
    /// Which redirects are followed on the way to a file.
    Redirects {
        /// Within the base domain (TLS BR 3.2.2.4.18).
        WithinDomain,
        /// Those that name a path alone, as by the published library.
        PathsOnly,
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
    /// What a new domain value does to the former one (open question 9).
    FormerDomainValue {
        /// It is worthless at once, as the API's pages say.
        Invalid,
        /// It is accepted until it expires, as the console's help says.
        Valid,
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
    /// Bodies of successful PUTs and of submitted domains.
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
    /// Whether `dns_names` repeats the common name: the documented order does not, recorded ones do.
    CommonName {
        /// It does.
        Repeated,
        /// It does not.
        Apart,
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

switch! {
    /// Whether lists change while they are read: before every page but the first, which is the one at offset 0.
    ListShift {
        /// They do not.
        Still,
        /// An order, or a domain, is placed. The newest comes first then, whatever the sorting, so that rows move on to
        /// the next page.
        Grows,
        /// The first that matches leaves: an order is issued, a domain removed. Rows move up to a page that was read.
        Shrinks,
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
