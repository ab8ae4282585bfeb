//! What is known about one order or domain.

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};
use litemap::LiteMap;
use serde::Serialize;

use crate::{
    Artifact, Because, Caa, CertName, DomainFacts, DomainName, Drift, FailedStep, Lookup, Method, MethodSpec,
    Methods, OrderFacts, Outcome, Policy, Reason, Renewal, ScopeFacts, Sighting, Target, Token, Verdict,
    Wanted, time::after, verdict, words::list,
};

/// An undecodable answer is asked for again this often before a run that wants to end gives up.
const BUG_PATIENCE: u32 = 3;

/// Everything known about one order, or one prevalidated domain, each part with its time. All of it may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    pub order: Option<Box<OrderFacts>>,
    /// What the CA said about the domain.
    pub domain: Option<Box<DomainFacts>>,
    /// Control was proven for every scope.
    pub proven: bool,
    /// When the CA last said so in answer to a check of ours.
    pub proven_at: Option<Timestamp>,
    /// The random value.
    pub token: Option<Token>,
    /// Where each lookup leads.
    pub located: LiteMap<Lookup, Location>,
    /// When that was found out.
    pub located_at: Option<Timestamp>,
    /// What of this order is, or may be, put up: the state's view.
    pub held: Vec<Held>,
    /// The latest sightings, by lookup; those that showed what was wanted are not kept through a long rest.
    pub sightings: BTreeMap<Lookup, Vec<Sighting>>,
    /// The latest look, by lookup.
    pub looked_at: LiteMap<Lookup, Look>,
    /// Looks since something was last published.
    pub looks: u32,
    /// What somebody else has taken away of ours, if anything.
    pub drift: Option<Box<Drift>>,
    /// What CAA records say about the order's names.
    pub caa: Option<CaaFacts>,
    /// Checks of the current value.
    pub asked: Option<Asked>,
    /// The latest failure, until the same step succeeds.
    pub failure: Option<Box<FailedStep>>,
}

/// A look at a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// What was wanted was visible, and the sightings that told so are no longer kept.
    pub was_visible: bool,
    /// Whether what was published stands there.
    pub stands: Stands,
}

impl Look {
    /// A look at that time, of which nothing else is known.
    #[must_use]
    pub const fn at(at: Timestamp) -> Self {
        Self { at, was_visible: false, stands: Stands::Unseen }
    }
}

/// What looks have told of something since it was last published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stands {
    /// Not every server that answered has shown it yet.
    #[default]
    Unseen,
    /// Every server that answered has shown it.
    Everywhere,
    /// It was everywhere, and then nowhere: somebody has taken it away.
    Gone,
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

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "order",
            Self::Domain => "domain",
        })
    }
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
    /// What it may cost that records cannot be read, if some cannot.
    #[must_use]
    pub fn unreadable(&self) -> Option<String> {
        let unread =
            |(name, caa): &(CertName, Caa)| matches!(caa, Caa::Unknown { .. }).then(|| name.name.to_string());
        let mut names: Vec<_> = self.names.iter().filter_map(unread).collect();
        names.dedup();
        let (first, more) = (names.first()?, names.len() - 1);
        let others = if more == 0 { String::new() } else { format!(" and {more} more") };
        Some(format!(
            "the CAA records of {first}{others} cannot be read from here; where DigiCert cannot either it may not issue"
        ))
    }

    /// A sentence about the names for which DigiCert may not issue, if any.
    #[must_use]
    pub fn forbidden(&self) -> Option<String> {
        self.names.iter().find_map(|(_, caa)| match caa {
            Caa::Forbidden { at, why } => {
                Some(format!("the CAA records of {at} do not let DigiCert issue: {why}"))
            }
            Caa::Open | Caa::Allowed { .. } | Caa::Unknown { .. } => None,
        })
    }
}

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

/// A domain that is still to be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenScope<'a> {
    /// The domain at which control is proven.
    pub name: &'a DomainName,
    /// The certificate's names that are proven there, where the CA named any.
    pub names: &'a [CertName],
    /// How it is proven: the scope's own method, else the order's; TXT until the CA has told one.
    pub method: &'a Method,
}

/// A lookup of the CA that has to find something, and what its method puts there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement<'a> {
    /// What the CA asks.
    pub lookup: Lookup,
    /// What the method wants there.
    pub spec: &'a MethodSpec,
}

impl Facts {
    /// An order of which only the scopes are known.
    #[must_use]
    pub fn for_scopes(scopes: impl IntoIterator<Item = DomainName>) -> Self {
        Self { configured: scopes.into_iter().collect(), ..Self::default() }
    }

    /// The domains that are still to be proven: the CA's list where it gave one, else the configured one.
    #[must_use]
    pub fn open(&self) -> Vec<OpenScope<'_>> {
        let method = self.method().unwrap_or(&Method::DnsTxt);
        if let Some(domain) = &self.domain {
            return vec![OpenScope { name: &domain.name, names: &[], method }];
        }
        match self.scopes() {
            [] => self.configured.iter().map(|name| OpenScope { name, names: &[], method }).collect(),
            scopes => scopes
                .iter()
                .filter(|scope| !scope.approved)
                .map(|scope| OpenScope {
                    name: &scope.name,
                    names: &scope.names,
                    method: scope.method.as_ref().unwrap_or(method),
                })
                .collect(),
        }
    }

    /// How the scopes of the configuration differ from those that the CA named, in a sentence.
    #[must_use]
    pub fn configured_otherwise(&self) -> Option<String> {
        let told: Vec<&DomainName> = self.scopes().iter().map(|scope| &scope.name).collect();
        if told.is_empty() || self.configured.iter().all(|name| told.contains(&name)) {
            return None;
        }
        Some(format!(
            "the configuration gives the scopes {}, and DigiCert wants control of {} proven; mend `scopes` of this order, or leave them out",
            list(&self.configured),
            list(&told)
        ))
    }

    /// What the CA looks up for what is still to be proven; nothing for a scope whose method cannot be carried out.
    #[must_use]
    pub fn requirements<'m>(&self, methods: &'m Methods) -> Vec<Requirement<'m>> {
        let of_scope = |scope: OpenScope<'_>| {
            let spec = methods.spec(scope.method)?;
            let lookups = methods.lookups(spec, scope.name, scope.names);
            Some(lookups.into_iter().map(move |lookup| Requirement { lookup, spec }))
        };
        self.open().into_iter().filter_map(of_scope).flatten().collect()
    }

    /// The lookups of these requirements.
    #[must_use]
    pub fn lookups(&self, methods: &Methods) -> Vec<Lookup> {
        self.requirements(methods).into_iter().map(|required| required.lookup).collect()
    }

    /// What has to be found at each lookup whose target is known, once there is a value; or why the value does not fit.
    #[must_use]
    pub fn wanted(&self, methods: &Methods) -> Option<Result<Vec<Wanted>, String>> {
        let value = self.token.as_ref()?.fit()?;
        let wanted = self.requirements(methods).into_iter().filter_map(|Requirement { lookup, spec }| {
            let Location::At(target) = self.located.get(&lookup)? else { return None };
            Some(spec.artifact(target, value).map(|artifact| Wanted { lookup, artifact }))
        });
        Some(wanted.collect())
    }

    /// The method of those scopes that have none of their own, where the CA told it.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        match self.kind {
            Kind::Order => self.order.as_ref()?.method.as_ref(),
            Kind::Domain => self.domain.as_ref()?.method.as_ref(),
        }
    }

    /// Every method that takes part, of proven scopes too.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        let general = self.method().unwrap_or(&Method::DnsTxt);
        let own = self.scopes().iter().map(move |scope| scope.method.as_ref().unwrap_or(general));
        own.chain(self.scopes().is_empty().then_some(general))
    }

    /// The scopes that the CA named.
    fn scopes(&self) -> &[ScopeFacts] {
        self.order.as_ref().map_or(&[], |order| &order.scopes)
    }

    /// When the work has to be done: before the value expires, the domain's proof does, or the certificate does that
    /// is to be replaced.
    #[must_use]
    pub fn deadline(&self, longest: SignedDuration) -> Option<Timestamp> {
        let proven_until = self.domain.as_ref().and_then(|domain| domain.valid_until);
        [self.expiry(longest), self.needed_by, proven_until].into_iter().flatten().min()
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

    /// When the value stops being good.
    #[must_use]
    pub fn expiry(&self, longest: SignedDuration) -> Option<Timestamp> {
        self.token.as_ref().map(|token| token.expiry(longest))
    }

    /// Whether waiting would change nothing for a run that wants to end and rests for this reason.
    #[must_use]
    pub fn is_settled(&self, reason: Reason) -> bool {
        match reason.outcome() {
            Outcome::Done | Outcome::Blocked | Outcome::Setup => true,
            Outcome::Bug => {
                let tried = self.failure.as_ref().map_or(0, |failure| failure.count);
                reason == Reason::ValueUnfit || tried >= BUG_PATIENCE
            }
            Outcome::Open => false,
        }
    }

    /// Something has happened to the order: what is known of it is read again at once.
    pub fn doubt(&mut self) {
        if let Some(order) = &mut self.order {
            order.at = None;
        }
        if let Some(domain) = &mut self.domain {
            domain.at = None;
        }
    }

    /// What is needed to begin anew, without trusting anything else that is known: what the operator or the account's list
    /// tells, and what is up.
    #[must_use]
    pub fn beginning(&self) -> Self {
        Self {
            seed: self.seed,
            kind: self.kind,
            configured: self.configured.clone(),
            retired: self.retired,
            discovered: self.discovered,
            switch_to: self.switch_to.clone(),
            needed_by: self.needed_by,
            held: self.held.clone(),
            ..Self::default()
        }
    }

    /// Drops what a rest until then does not need: sightings that showed what was wanted, since the CA is asked upon fresh
    /// ones only. There may be a hundred thousand orders at rest.
    pub fn keep_lean(&mut self, policy: &Policy, until: Timestamp, now: Timestamp) {
        if until <= after(now, policy.sighting_fresh) {
            return;
        }
        let wanted = self.wanted(&policy.methods).and_then(Result::ok).unwrap_or_default();
        for Wanted { lookup, artifact } in wanted {
            let shows = |seen: &Vec<Sighting>| {
                verdict(seen, |answer| answer.judge(&artifact), policy.verdict) == Verdict::Visible
            };
            if self.sightings.get(&lookup).is_some_and(shows)
                && let Some(look) = self.looked_at.get_mut(&lookup)
            {
                look.was_visible = true;
                self.sightings.remove(&lookup);
            }
        }
        // A map that was emptied keeps the room that it had.
        if self.sightings.is_empty() {
            self.sightings = BTreeMap::new();
        }
        if let Some(caa) = &mut self.caa
            && caa.forbidden().is_none()
            && caa.unreadable().is_none()
        {
            caa.names = Vec::new();
        }
        // Maps and lists grow by more than what is put in.
        shrink(&mut self.located);
        shrink(&mut self.looked_at);
        self.held.shrink_to_fit();
        self.configured.shrink_to_fit();
        if let Some(order) = &mut self.order {
            order.scopes.shrink_to_fit();
        }
    }

    /// What was seen is of another value, or of another target.
    pub(crate) fn forget_sightings(&mut self) {
        self.sightings.clear();
        for (_, look) in &mut self.looked_at {
            look.was_visible = false;
            look.stands = Stands::Unseen;
        }
    }

    /// The names on the certificate whose scopes are still to be proven; the scopes where the CA named no others.
    #[must_use]
    pub fn open_names(&self) -> Vec<CertName> {
        let mut names = Vec::new();
        for scope in self.open() {
            match scope.names {
                [] => names.push(CertName { name: scope.name.clone(), wildcard: false }),
                covered => names.extend_from_slice(covered),
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// Whether the domain was put aside in the account.
    pub(crate) fn is_inactive(&self) -> bool {
        self.domain.as_ref().is_some_and(|domain| !domain.active)
    }

    /// When a domain's proof is to be renewed, as far as the domain is known.
    pub(crate) fn due(&self, renewal: &Renewal) -> Timestamp {
        let due = self.domain.as_ref().map_or(Timestamp::MIN, |domain| domain.due(renewal, self.seed));
        self.proven_at.map_or(due, |proven| due.max(after(proven, renewal.floor)))
    }

    /// Whether there is a value that can be published and is not past its date.
    pub(crate) fn has_usable_value(&self, longest: SignedDuration, now: Timestamp) -> bool {
        self.token.as_ref().is_some_and(|token| token.fit().is_some() && token.expiry(longest) > now)
    }
}

/// Gives back the room that a map has to spare.
fn shrink<K: Ord, V>(map: &mut LiteMap<K, V>) {
    let mut entries = std::mem::take(map).into_tuple_vec();
    entries.shrink_to_fit();
    *map = LiteMap::from_sorted_store_unchecked(entries);
}
