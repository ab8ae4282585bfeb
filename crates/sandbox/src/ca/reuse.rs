//! What proven domains do for orders, and proven orders for domains.
//!
//! Only OV and EV orders take part: a DV order proves control anew each time and knows no domains.

use jiff::Timestamp;

use super::{domains::DomainSpec, order_spec::Product, profile::Profile, world::State};
use crate::clock;

impl State {
    /// Puts an order into a status, with what follows for its domains; `None` if there is no such order.
    pub(super) fn enter(&mut self, id: u64, status: &str) -> Option<()> {
        self.order(id)?.enter(status, clock::now());
        self.use_domains(id);
        Some(())
    }

    /// Cancels an order as a person would; `false` if it is in no state for that.
    pub(super) fn cancel(&mut self, id: u64) -> bool {
        let next = match self.order(id).map(|order| order.status.as_str()) {
            Some("pending" | "waiting_pickup") => "canceled",
            // Canceling a reissue leaves the certificate that was there.
            Some("reissue_pending") => "issued",
            _ => return false,
        };
        if let Some(order) = self.order(id).filter(|_| next == "issued") {
            order.restore();
        }
        self.enter(id, next).is_some()
    }

    /// Reissues an order as a person would, for other names if any are given; `false` if it is in no state for that.
    pub(super) fn reissue<'z>(
        &mut self,
        id: u64,
        names: &[String],
        zones: impl Iterator<Item = &'z str> + Clone,
    ) -> bool {
        let certificate_id = self.new_certificate_id();
        let profile = self.profile.clone();
        let Some(order) = self.order(id).filter(|order| order.status == "issued") else { return false };
        order.reissue(names, zones, &profile, certificate_id, clock::now());
        self.use_domains(id);
        true
    }

    /// The account's domain of exactly this name.
    pub(super) fn domain_named(&self, account: u64, name: &str) -> Option<u64> {
        self.by_name.get(&(account, name.to_owned())).copied()
    }

    /// The domain that an order's scope is proven by: the one of its name, else a valid one above it.
    pub(super) fn domain_for(&self, account: u64, scope: &str) -> Option<u64> {
        self.domain_named(account, scope).or_else(|| self.valid_domain(account, scope, clock::now()))
    }

    /// Approves the scopes of an open order whose domains are valid, and submits the domains of the others. The
    /// domains of an issued order are proven.
    pub(super) fn use_domains(&mut self, id: u64) {
        let now = clock::now();
        let Some(order) = self.orders.get(&id).filter(|order| order.product != Product::Dv) else { return };
        let (account, method, issued) = (order.account, order.method.clone(), order.status == "issued");
        if order.is_closed() && !issued {
            return;
        }
        let scopes: Vec<_> = order.proofs.iter().map(|proof| proof.scope.clone()).collect();
        for scope in scopes {
            let proven = self.valid_domain(account, &scope, now).is_some();
            if issued && !proven {
                self.approve_scope(account, &scope, &method, now);
            } else if !proven {
                self.submit_scope(account, &scope, &method, now);
            }
            let proofs = self.orders.get_mut(&id).into_iter().flat_map(|order| &mut order.proofs);
            for proof in proofs.filter(|proof| proof.scope == scope) {
                proof.approved = proven || issued;
            }
        }
    }

    /// Books that control of a domain is proven, for all open orders of the account that it covers.
    pub(super) fn approve_domain(&mut self, id: u64, now: Timestamp) {
        let Some(domain) = self.domains.get_mut(&id) else { return };
        domain.approve(&self.profile, now);
        let takes_part =
            |order: &&mut super::orders::Order| order.product != Product::Dv && !order.is_closed();
        for order in self.orders.values_mut().filter(takes_part) {
            let is_same_account = order.account == domain.account;
            for proof in
                order.proofs.iter_mut().filter(|proof| is_same_account && domain.covers(&proof.scope))
            {
                proof.approved = true;
            }
        }
    }

    /// Books what a check of an order found.
    pub(super) fn approve_scopes(&mut self, id: u64, scopes: &[String]) {
        let now = clock::now();
        // The order may have been canceled or reissued while the CA was looking.
        let Some(order) = self.orders.get_mut(&id).filter(|order| !order.is_closed()) else { return };
        for proof in order.proofs.iter_mut().filter(|proof| scopes.contains(&proof.scope)) {
            proof.approved = true;
        }
        if order.product != Product::Dv {
            let (account, method) = (order.account, order.method.clone());
            scopes.iter().for_each(|scope| self.approve_scope(account, scope, &method, now));
        }
    }

    fn approve_scope(&mut self, account: u64, scope: &str, method: &str, now: Timestamp) {
        let id = self.domain_named(account, scope).unwrap_or_else(|| self.add_domain(account, scope, method));
        self.approve_domain(id, now);
    }

    fn submit_scope(&mut self, account: u64, scope: &str, method: &str, now: Timestamp) {
        let id = self.domain_named(account, scope).unwrap_or_else(|| self.add_domain(account, scope, method));
        let Self { profile, random, .. } = self;
        let profile: &Profile = profile;
        if let Some(domain) =
            self.domains.get_mut(&id).filter(|domain| !domain.pending || domain.method != method)
        {
            domain.submit(method, profile, random, now);
        }
    }

    fn add_domain(&mut self, account: u64, name: &str, method: &str) -> u64 {
        self.place_domain(DomainSpec::new(name).method(method).account(account))
    }

    fn valid_domain(&self, account: u64, scope: &str, now: Timestamp) -> Option<u64> {
        let above = scope.match_indices('.').map(|(dot, _)| &scope[dot + 1..]);
        std::iter::once(scope)
            .chain(above)
            .filter_map(|name| self.domains.get(&self.domain_named(account, name)?))
            .find(|domain| domain.is_valid(now) && domain.covers(scope))
            .map(|domain| domain.id)
    }
}
