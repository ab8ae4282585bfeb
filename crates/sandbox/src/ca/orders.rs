//! An order: what it is made of, and its life.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    domains::has_token,
    order_spec::{OrderSpec, Product},
    profile::Profile,
    schedule::Schedule,
    scope::{self, Proof},
    switches::{Organisation, Scope, ValueAfterReissue},
    values::Values,
};
use crate::clock;

/// What an order goes back to when its reissue is canceled.
#[derive(Clone, Debug)]
struct Former {
    certificate_id: u64,
    names: Vec<String>,
    proofs: Vec<Proof>,
}

/// An order in the simulator's books.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) account: u64,
    pub(super) certificate_id: u64,
    pub(super) names: Vec<String>,
    pub(super) method: String,
    pub(super) status: String,
    pub(super) product: Product,
    pub(super) product_name: String,
    pub(super) product_type: String,
    pub(super) scope: Scope,
    pub(super) proofs: Vec<Proof>,
    pub(super) values: Values,
    pub(super) created: Timestamp,
    pub(super) changed: Timestamp,
    pub(super) issued: Option<Timestamp>,
    pub(super) organisation_validated: bool,
    processing_until: Option<Timestamp>,
    former: Option<Former>,
    pub(super) schedule: Schedule,
}

impl Order {
    pub(super) fn new<'z>(
        spec: OrderSpec,
        id: u64,
        certificate_id: u64,
        profile: &Profile,
        zones: impl Iterator<Item = &'z str> + Clone,
    ) -> Self {
        let names: Vec<String> = spec.names.iter().map(|name| scope::canonical(name)).collect();
        let scope = spec.scope.unwrap_or(profile.scope);
        let now = clock::now();
        let mut order = Self {
            id,
            account: spec.account,
            certificate_id,
            status: String::new(),
            product: spec.product,
            product_name: spec.product.name_id().to_owned(),
            product_type: spec.product_type,
            scope,
            proofs: scope::proofs(&names, &spec.method, scope, zones),
            method: spec.method,
            names,
            values: Values::default(),
            created: now,
            changed: now,
            issued: None,
            organisation_validated: false,
            processing_until: None,
            former: None,
            schedule: Schedule::new(),
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
                self.former = None;
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

    /// Opens the order anew for a certificate under the same id, for other names if any are given.
    pub(super) fn reissue<'z>(
        &mut self,
        names: &[String],
        zones: impl Iterator<Item = &'z str> + Clone,
        profile: &Profile,
        certificate_id: u64,
        now: Timestamp,
    ) {
        self.former = Some(Former {
            certificate_id: self.certificate_id,
            names: self.names.clone(),
            proofs: self.proofs.clone(),
        });
        self.certificate_id = certificate_id;
        if !names.is_empty() {
            self.names = names.iter().map(|name| scope::canonical(name)).collect();
            self.proofs = scope::proofs(&self.names, &self.method, self.scope, zones);
        }
        if profile.value_after_reissue == ValueAfterReissue::New {
            self.values.expire(now);
        }
        self.schedule.restart();
        self.enter("reissue_pending", now);
    }

    /// Gives a reissue up: what was issued before is there still.
    pub(super) fn restore(&mut self) {
        if let Some(Former { certificate_id, names, proofs }) = self.former.take() {
            (self.certificate_id, self.names, self.proofs) = (certificate_id, names, proofs);
        }
    }

    /// Changes how control is proven. A proof that is there stays, if its scope does.
    pub(super) fn change_method<'z>(&mut self, method: String, zones: impl Iterator<Item = &'z str> + Clone) {
        let mut proofs = scope::proofs(&self.names, &method, self.scope, zones);
        for proof in &mut proofs {
            proof.approved = self.proofs.iter().any(|old| old.approved && old.scope == proof.scope);
        }
        (self.method, self.proofs) = (method, proofs);
        self.schedule.restart();
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
        has_token(&self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(spec: OrderSpec, profile: &Profile) -> Order {
        Order::new(spec, 1, 2, profile, ["example.com"].into_iter())
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
        dv.reissue(&["www.example.net".to_owned()], std::iter::empty(), &profile, 3, now);
        dv.settle(&profile, now);
        assert_eq!((dv.status.as_str(), dv.is_proven()), ("reissue_pending", false));
        assert_eq!(
            (dv.names.as_slice(), dv.proofs[0].scope.as_str()),
            (&["www.example.net".to_owned()][..], "example.net")
        );
        dv.restore();
        assert_eq!((dv.certificate_id, dv.proofs[0].scope.as_str()), (2, "example.com"));
    }
}
