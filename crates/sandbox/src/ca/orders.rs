//! An order: what it is made of, its random values, and its life.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    profile::{ExpirationDate, Organisation, Profile, Scope, ValueAfterReissue},
    random::Random,
    scope,
};
use crate::clock;

/// An order to place. Names may hold `{n}`, which [`CaSimulator::place_many`](super::CaSimulator::place_many) numbers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderSpec {
    #[serde(alias = "dns_names")]
    pub(super) names: Vec<String>,
    #[serde(default = "OrderSpec::default_method")]
    pub(super) method: String,
    #[serde(default = "OrderSpec::default_status")]
    pub(super) status: String,
    #[serde(default, rename = "type")]
    pub(super) product: Product,
    #[serde(default)]
    pub(super) id: Option<u64>,
    #[serde(default)]
    pub(super) scope: Option<Scope>,
}

impl OrderSpec {
    /// A pending DV order to be proven by TXT.
    pub fn dv(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(Product::Dv, names)
    }

    /// A pending OV order to be proven by TXT; it also waits for its organisation.
    pub fn ov(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(Product::Ov, names)
    }

    /// A pending EV order to be proven by TXT; it also waits for its organisation.
    pub fn ev(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(Product::Ev, names)
    }

    fn new(product: Product, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            names: names.into_iter().map(Into::into).collect(),
            method: Self::default_method(),
            status: Self::default_status(),
            product,
            id: None,
            scope: None,
        }
    }

    /// Chooses the order's id; an order that has it is replaced.
    #[must_use]
    pub fn id(self, id: u64) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Chooses the DCV method, such as `dns-cname-token` or `email`.
    #[must_use]
    pub fn method(self, method: impl Into<String>) -> Self {
        Self { method: method.into(), ..self }
    }

    /// Chooses the status that the order begins in.
    #[must_use]
    pub fn status(self, status: impl Into<String>) -> Self {
        Self { status: status.into(), ..self }
    }

    /// Chooses the scope instead of the profile's.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// The same order with `{n}` in its names replaced.
    pub(super) fn numbered(&self, n: usize) -> Self {
        let names = self.names.iter().map(|name| name.replace("{n}", &n.to_string())).collect();
        Self { names, id: self.id.map(|id| id.saturating_add(n as u64)), ..self.clone() }
    }

    fn default_method() -> String {
        "dns-txt-token".to_owned()
    }

    fn default_status() -> String {
        "pending".to_owned()
    }
}

/// The kind of validation a product needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// Domain validation only.
    #[default]
    Dv,
    /// Organisation validation.
    Ov,
    /// Extended validation.
    Ev,
}

impl Product {
    /// The documented products (facts, section 2.8) by their name id.
    pub(super) fn named(name_id: &str) -> Option<Self> {
        match name_id {
            "ssl_dv_geotrust"
            | "ssl_dv_geotrust_flex"
            | "ssl_dv_rapidssl"
            | "wildcard_dv_geotrust"
            | "wildcard_dv_rapidssl"
            | "cloud_dv_geotrust" => Some(Self::Dv),
            "ssl_basic" | "ssl_securesite_flex" | "ssl_plus" | "ssl_multi_domain" | "ssl_wildcard" => {
                Some(Self::Ov)
            }
            "ssl_ev_basic" => Some(Self::Ev),
            _ => None,
        }
    }

    /// A product of this kind, for orders that name none.
    pub(super) fn name_id(self) -> &'static str {
        match self {
            Self::Dv => "ssl_dv_geotrust",
            Self::Ov => "ssl_basic",
            Self::Ev => "ssl_ev_basic",
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Dv => "dv",
            Self::Ov => "ov",
            Self::Ev => "ev",
        }
    }
}

/// A domain to be proven, and the names of the order that it covers.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    pub(super) scope: String,
    pub(super) names: Vec<String>,
    pub(super) approved: bool,
}

/// A random value that was handed out.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) expires: Timestamp,
    /// Calls after the expiry that still returned it.
    late_calls: u32,
}

/// An order in the simulator's books.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) certificate_id: u64,
    pub(super) names: Vec<String>,
    pub(super) method: String,
    pub(super) status: String,
    pub(super) product: Product,
    pub(super) product_name: String,
    pub(super) scope: Scope,
    pub(super) proofs: Vec<Proof>,
    pub(super) values: Vec<Value>,
    pub(super) created: Timestamp,
    pub(super) changed: Timestamp,
    pub(super) issued: Option<Timestamp>,
    pub(super) organisation_validated: bool,
    processing_until: Option<Timestamp>,
    /// When the CA's own polling began, and when it last looked.
    pub(super) submitted: Instant,
    pub(super) polled: Instant,
}

impl Order {
    /// Values remembered per order; older ones have long expired.
    const VALUES: usize = 64;

    pub(super) fn new<'z>(
        spec: OrderSpec,
        id: u64,
        certificate_id: u64,
        profile: &Profile,
        zones: impl Iterator<Item = &'z str> + Clone,
    ) -> Self {
        let names: Vec<String> = spec.names.iter().map(|name| scope::canonical(name)).collect();
        let scope = spec.scope.unwrap_or(profile.scope);
        let (now, instant) = (clock::now(), Instant::now());
        let mut order = Self {
            id,
            certificate_id,
            method: spec.method,
            status: String::new(),
            product: spec.product,
            product_name: spec.product.name_id().to_owned(),
            scope,
            proofs: scope::proofs(&names, scope, zones),
            names,
            values: Vec::new(),
            created: now,
            changed: now,
            issued: None,
            organisation_validated: false,
            processing_until: None,
            submitted: instant,
            polled: instant,
        };
        order.enter(&spec.status, now);
        order
    }

    /// Changes the status, with what comes with it.
    pub(super) fn enter(&mut self, status: &str, now: Timestamp) {
        self.processing_until = None;
        match status {
            "issued" => {
                self.issued = Some(now);
                self.proofs.iter_mut().for_each(|proof| proof.approved = true);
            }
            // DV proves control anew each time; OV and EV domains stay valid.
            "reissue_pending" if self.product == Product::Dv => {
                self.proofs.iter_mut().for_each(|proof| proof.approved = false);
            }
            _ => {}
        }
        status.clone_into(&mut self.status);
        self.changed = now;
    }

    /// Opens the order anew for a certificate under the same id.
    pub(super) fn reissue(&mut self, profile: &Profile, certificate_id: u64, now: Timestamp) {
        self.certificate_id = certificate_id;
        if profile.value_after_reissue == ValueAfterReissue::New {
            self.expire_value(now);
        }
        self.restart_polling();
        self.enter("reissue_pending", now);
    }

    pub(super) fn restart_polling(&mut self) {
        self.submitted = Instant::now();
        self.polled = self.submitted;
    }

    /// Moves the order on as far as its facts allow.
    pub(super) fn settle(&mut self, profile: &Profile, now: Timestamp) {
        if self.processing_until.is_some_and(|until| until <= now) {
            self.enter("issued", now);
        }
        let organisation = self.product == Product::Dv
            || self.organisation_validated
            || profile.organisation == Organisation::IssueAtOnce;
        if self.awaits_proof() && self.is_proven() && organisation {
            if profile.processing == Duration::ZERO {
                self.enter("issued", now);
            } else {
                self.enter("processing", now);
                self.processing_until = Some(clock::after(now, profile.processing));
            }
        }
    }

    /// Whether every scope is approved.
    pub(super) fn is_proven(&self) -> bool {
        self.proofs.iter().all(|proof| proof.approved)
    }

    /// Whether a check can bring the order on.
    pub(super) fn awaits_proof(&self) -> bool {
        matches!(self.status.as_str(), "pending" | "reissue_pending" | "approved" | "submitted")
    }

    /// Whether the order is at an end, for now or for ever.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.status.as_str(), "issued" | "canceled" | "rejected" | "revoked" | "expired")
    }

    /// Whether the method works with a random value at all.
    pub(super) fn has_token(&self) -> bool {
        matches!(
            self.method.as_str(),
            "dns-txt-token" | "dns-cname-token" | "http-token" | "http-token-dynamic"
        )
    }

    /// The value for a caller: the current one while it is valid, then a new one.
    pub(super) fn value(&mut self, profile: &Profile, random: &mut Random, now: Timestamp) -> Value {
        if let Some(value) = self.values.last_mut() {
            let expired = value.expires <= now;
            let kept = expired && value.late_calls < profile.keep_old_calls;
            if kept {
                value.late_calls += 1;
            }
            if !expired || kept {
                return value.clone();
            }
        }
        let text = profile.value_literal.clone().unwrap_or_else(|| random.value());
        let value = Value { text, expires: expiry(profile, now), late_calls: 0 };
        if self.values.len() == Self::VALUES {
            self.values.remove(0);
        }
        self.values.push(value.clone());
        value
    }

    /// Ends the life of the current value.
    pub(super) fn expire_value(&mut self, now: Timestamp) {
        if let Some(value) = self.values.last_mut() {
            value.expires = value.expires.min(now);
        }
    }

    /// The values that a check accepts.
    pub(super) fn accepted(&self, profile: &Profile, now: Timestamp) -> Vec<String> {
        let valid = |value: &&Value| now < clock::after(value.expires, profile.value_grace);
        self.values.iter().filter(valid).map(|value| value.text.clone()).collect()
    }
}

fn expiry(profile: &Profile, now: Timestamp) -> Timestamp {
    let exact = clock::after(now, profile.value_life);
    match profile.expiration_date {
        // What the caller cannot see may be exact.
        ExpirationDate::Fractions | ExpirationDate::Absent | ExpirationDate::Literal(_) => exact,
        ExpirationDate::Offset | ExpirationDate::Z => clock::whole_second(exact),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(spec: OrderSpec, profile: &Profile) -> Order {
        Order::new(spec, 1, 2, profile, ["example.com"].into_iter())
    }

    #[test]
    fn the_value_is_idempotent_until_it_expires() {
        let profile = Profile::default();
        let mut random = Random::seeded(1);
        let mut order = order(OrderSpec::dv(["www.example.com"]), &profile);
        let now = clock::now();
        let first = order.value(&profile, &mut random, now);
        assert_eq!(first.text.len(), 32);
        let later = order.value(&profile, &mut random, clock::after(now, Duration::from_secs(29 * 86_400)));
        assert_eq!((first.text.as_str(), first.expires), (later.text.as_str(), later.expires));
        let next = order.value(&profile, &mut random, first.expires);
        assert_ne!(first.text, next.text);
        assert_eq!(order.accepted(&profile, first.expires), [next.text]);
    }

    #[test]
    fn a_slow_back_end_keeps_the_old_value_for_some_calls() {
        let profile = Profile { keep_old_calls: 2, ..Profile::default() };
        let mut random = Random::seeded(1);
        let mut order = order(OrderSpec::dv(["example.com"]), &profile);
        let now = clock::now();
        let first = order.value(&profile, &mut random, now).text;
        order.expire_value(now);
        let calls: Vec<_> = (0..4).map(|_| order.value(&profile, &mut random, now).text == first).collect();
        assert_eq!(calls, [true, true, false, false]);
    }

    #[test]
    fn ov_waits_for_its_organisation_and_dv_does_not() {
        let profile = Profile::default();
        let now = clock::now();
        let prove = |order: &mut Order| order.proofs.iter_mut().for_each(|proof| proof.approved = true);
        let mut dv = order(OrderSpec::dv(["example.com"]), &profile);
        let mut ov = order(OrderSpec::ov(["example.com"]), &profile);
        for order in [&mut dv, &mut ov] {
            prove(order);
            order.settle(&profile, now);
        }
        assert_eq!((dv.status.as_str(), ov.status.as_str()), ("issued", "pending"));
        ov.organisation_validated = true;
        ov.settle(&profile, now);
        assert_eq!(ov.status, "issued");
        dv.reissue(&profile, 3, now);
        dv.settle(&profile, now);
        assert_eq!((dv.status.as_str(), dv.is_proven()), ("reissue_pending", false));
    }
}
