//! What is known about one order or domain.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    Artifact, Because, Caa, CertName, DomainFacts, DomainName, Lookup, Method, MethodSpec, Methods,
    OrderStatus, RandomValue, Sighting, Target, ValueError,
};

/// Everything known about one order, or one prevalidated domain, each part with its time. All of it may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Tells orders apart where waits are jittered; the order's or domain's number.
    pub seed: u64,
    /// Whose proof it is.
    pub kind: Kind,
    /// Scopes named in the configuration; they spare the look-up.
    pub configured: Vec<DomainName>,
    /// It has left the configuration: only tidying up is left.
    pub retired: bool,
    /// It was found in the account, not named in the configuration: what cannot be done for it is no defect.
    pub discovered: bool,
    /// The method that an order by e-mail is changed to, where the operator allows that.
    pub switch_to: Option<Method>,
    /// When the work has to be done, whatever the value's dates: the end of the certificate that the order replaces.
    pub needed_by: Option<Timestamp>,
    /// What the CA said about the order.
    pub order: Option<OrderFacts>,
    /// What the CA said about the domain.
    pub domain: Option<DomainFacts>,
    /// Control was proven for every scope.
    pub proven: bool,
    /// When the CA last said so in answer to a check of ours.
    pub proven_at: Option<Timestamp>,
    /// The random value.
    pub token: Option<Token>,
    /// Where each lookup leads.
    pub located: BTreeMap<Lookup, Location>,
    /// When that was found out.
    pub located_at: Option<Timestamp>,
    /// What of this order is, or may be, put up: the state's view.
    pub held: Vec<Held>,
    /// The latest sightings, by lookup.
    pub sightings: BTreeMap<Lookup, Vec<Sighting>>,
    /// The latest look, by lookup.
    pub looked_at: BTreeMap<Lookup, Timestamp>,
    /// Looks since something was last published.
    pub looks: u32,
    /// What CAA records say about the order's names.
    pub caa: Option<CaaFacts>,
    /// Checks of the current value.
    pub asked: Option<Asked>,
    /// The latest failure, until the same step succeeds.
    pub failure: Option<Failure>,
}

/// Whose control is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A certificate order's.
    #[default]
    Order,
    /// A domain's, ahead of any order (DigiCert, domain prevalidation; OV and EV only).
    Domain,
}

/// The CA's view of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderFacts {
    /// When it was read.
    pub at: Timestamp,
    /// Its status.
    pub status: OrderStatus,
    /// The method of its names, where the CA told.
    pub method: Option<Method>,
    /// What is to be proven; empty when the CA did not tell.
    pub scopes: Vec<ScopeFacts>,
    /// What else the CA waits for, such as the validation of the organisation; in its words.
    pub missing: Vec<String>,
}

/// One scope of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScopeFacts {
    /// The domain at which control is proven.
    pub name: DomainName,
    /// Whether the CA holds it as proven.
    pub approved: bool,
    /// The certificate's names that are proven there; empty where the CA did not tell.
    pub names: Vec<CertName>,
}

/// What CAA records say about names of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaaFacts {
    /// When they were read.
    pub at: Timestamp,
    /// The names with what was found.
    pub names: Vec<(CertName, Caa)>,
}

impl CaaFacts {
    /// A sentence about the names for which DigiCert may not issue, if any.
    #[must_use]
    pub fn forbidden(&self) -> Option<String> {
        let mut told = self.names.iter().filter_map(|(_, caa)| match caa {
            Caa::Forbidden { at, why } => {
                Some(format!("the CAA records of {at} do not let DigiCert issue: {why}"))
            }
            Caa::Open | Caa::Allowed { .. } | Caa::Unknown { .. } => None,
        });
        told.next()
    }
}

/// The random value and its dates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// The value, or why what the CA gave cannot be published.
    pub value: Result<RandomValue, Unfit>,
    /// The CA's expiration date, where it gave one.
    pub expires: Option<Timestamp>,
    /// The latest answer that held this value.
    pub requested: Timestamp,
    /// Requests in a row whose answer was already expired.
    pub stale_answers: u32,
}

/// The value of a domain: checked, and until when the CA accepts it.
pub type DomainToken = (Result<RandomValue, ValueError>, Option<Timestamp>);

/// Why the CA's value cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unfit(pub String);

/// Where a lookup leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// Here.
    At(Target),
    /// Nowhere, until a person acts.
    Blocked(Because),
}

/// Something of ours that is, or may be, put up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// What and where.
    pub artifact: Artifact,
    /// When the provider confirmed it; `None` while only the intent is recorded.
    pub applied: Option<Timestamp>,
}

/// The checks that the CA was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The latest one.
    pub at: Timestamp,
    /// How many with this value.
    pub count: u32,
    /// What the CA said.
    pub said: String,
}

/// How a failure is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// The world is in the way; it will pass.
    Later,
    /// Another order has the only place; it is tried again soon, for it will let go.
    Taken,
    /// The CA refuses this call for this order; the order is read to learn why.
    Refused,
    /// This order needs a person.
    Blocked,
    /// Settings or credentials are wrong.
    Setup,
    /// An answer outside our model.
    Bug,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Which kind of step ([`Step::label`](crate::Step::label)).
    pub step: &'static str,
    /// How it is dealt with.
    pub class: FailureClass,
    /// When.
    pub at: Timestamp,
    /// How often in a row.
    pub count: u32,
    /// One sentence, with the hint for a person.
    pub detail: String,
    /// The other side's wish when to come back.
    pub retry_after: Option<SignedDuration>,
    /// The order or domain was read since: what that told counts now.
    pub read_since: bool,
}

/// What a step found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learned {
    /// From [`Step::ReadOrder`](crate::Step::ReadOrder).
    Order {
        /// Its status.
        status: OrderStatus,
        /// Its method.
        method: Option<Method>,
        /// Its scopes.
        scopes: Vec<ScopeFacts>,
        /// What else the CA waits for.
        missing: Vec<String>,
    },
    /// From [`Step::ReadDomain`](crate::Step::ReadDomain): the domain, and the value that it has at present.
    Domain(Box<DomainFacts>, Option<DomainToken>),
    /// From [`Step::SubmitDomain`](crate::Step::SubmitDomain): the value that came along, if one did.
    Submitted(Option<DomainToken>),
    /// From [`Step::RequestValue`](crate::Step::RequestValue) and [`Step::NewDomainValue`](crate::Step::NewDomainValue).
    Value {
        /// The value, checked.
        value: Result<RandomValue, ValueError>,
        /// Its date.
        expires: Option<Timestamp>,
    },
    /// From [`Step::SwitchMethod`](crate::Step::SwitchMethod).
    Switched(Method),
    /// From [`Step::Locate`](crate::Step::Locate).
    Located(BTreeMap<Lookup, Location>),
    /// From [`Step::Publish`](crate::Step::Publish): what is confirmed.
    Published(Vec<Artifact>),
    /// From [`Step::Look`](crate::Step::Look).
    Looked(BTreeMap<Lookup, Vec<Sighting>>),
    /// From [`Step::ReadCaa`](crate::Step::ReadCaa).
    Caa(Vec<(CertName, Caa)>),
    /// From [`Step::AskCa`](crate::Step::AskCa).
    Asked {
        /// Control is proven for all scopes.
        validated: bool,
        /// The order's status, where the answer had one.
        status: Option<OrderStatus>,
        /// Names that the answer calls approved.
        approved: Vec<DomainName>,
        /// The CA's words.
        said: String,
    },
    /// From [`Step::Retract`](crate::Step::Retract): what is gone.
    Retracted(Vec<Artifact>),
    /// Any step can fail.
    Failed {
        /// How to deal with it.
        class: FailureClass,
        /// One sentence.
        detail: String,
        /// The other side's wish.
        retry_after: Option<SignedDuration>,
    },
}

impl Facts {
    /// An order of which only the scopes are known.
    #[must_use]
    pub fn for_scopes(scopes: impl IntoIterator<Item = DomainName>) -> Self {
        Self { configured: scopes.into_iter().collect(), ..Self::default() }
    }

    /// The domains that are still to be proven, each with the certificate's names that are proven there: the CA's list
    /// where it gave one, else the configured one.
    #[must_use]
    pub fn open(&self) -> Vec<(&DomainName, &[CertName])> {
        if let Some(domain) = &self.domain {
            return vec![(&domain.name, &[])];
        }
        match &self.order {
            Some(order) if !order.scopes.is_empty() => {
                let open = order.scopes.iter().filter(|scope| !scope.approved);
                open.map(|scope| (&scope.name, scope.names.as_slice())).collect()
            }
            _ => self.configured.iter().map(|scope| (scope, &[][..])).collect(),
        }
    }

    /// The domains that are still to be proven.
    #[must_use]
    pub fn open_scopes(&self) -> Vec<&DomainName> {
        self.open().into_iter().map(|(scope, _)| scope).collect()
    }

    /// Where the CA looks for what is still to be proven; nowhere where the method cannot be carried out.
    #[must_use]
    pub fn lookups(&self, methods: &Methods) -> Vec<Lookup> {
        let Some(spec) = self.spec(methods) else { return Vec::new() };
        self.open().into_iter().flat_map(|(scope, names)| methods.lookups(spec, scope, names)).collect()
    }

    /// The method, where the CA told it.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        match self.kind {
            Kind::Order => self.order.as_ref()?.method.as_ref(),
            Kind::Domain => self.domain.as_ref()?.method.as_ref(),
        }
    }

    /// What the method wants; TXT until the CA has told the method.
    #[must_use]
    pub fn spec<'a>(&self, methods: &'a Methods) -> Option<&'a MethodSpec> {
        methods.spec(self.method().unwrap_or(&Method::DnsTxt))
    }

    /// When the work has to be done: before the value expires, the domain's proof does, or the certificate does that
    /// is to be replaced.
    #[must_use]
    pub fn deadline(&self, longest: SignedDuration) -> Option<Timestamp> {
        let proof = self.domain.as_ref().and_then(|domain| domain.valid_until);
        [self.expiry(longest), self.needed_by, proof].into_iter().flatten().min()
    }

    /// How many calls to the CA are needed at the least until the work is done.
    #[must_use]
    pub fn calls_left(&self) -> u32 {
        if self.proven || self.retired {
            return 0;
        }
        let unread = match self.kind {
            Kind::Order => self.order.is_none() && self.configured.is_empty(),
            Kind::Domain => self.domain.as_ref().is_none_or(|domain| !domain.pending),
        };
        // The check, and for a domain the look at its new dates.
        let check = match self.kind {
            Kind::Order => 1,
            Kind::Domain => 2,
        };
        check + u32::from(unread) + u32::from(self.token.is_none())
    }

    /// When the value stops being good: its date, but no later than the longest life a value can have.
    #[must_use]
    pub fn expiry(&self, longest: SignedDuration) -> Option<Timestamp> {
        let token = self.token.as_ref()?;
        let cap = token.requested.saturating_add(longest).unwrap_or(Timestamp::MAX);
        Some(token.expires.map_or(cap, |expires| expires.min(cap)))
    }

    /// Something has happened to the order: what is known of it is read again at once.
    pub fn doubt(&mut self) {
        if let Some(order) = &mut self.order {
            order.at = Timestamp::UNIX_EPOCH;
        }
        if let Some(domain) = &mut self.domain {
            domain.at = Timestamp::UNIX_EPOCH;
        }
    }

    /// The names on the certificate whose scopes are still to be proven; the scopes where the CA named no others.
    #[must_use]
    pub fn open_names(&self) -> Vec<CertName> {
        let mut names = Vec::new();
        for (scope, covered) in self.open() {
            match covered {
                [] => names.push(CertName { name: scope.clone(), wildcard: false }),
                covered => names.extend_from_slice(covered),
            }
        }
        names.sort();
        names.dedup();
        names
    }
}

/// `time + span`, held inside what a time stamp can hold: dates from outside may be anything.
pub(crate) fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    let limit = if span.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    time.saturating_add(span).unwrap_or(limit)
}
