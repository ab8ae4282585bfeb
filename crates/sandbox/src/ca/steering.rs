//! What a test does with orders and domains without asking the API.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    CaSimulator,
    domains::{DomainSpec, DomainState},
    order_spec::OrderSpec,
};
use crate::clock;

impl CaSimulator {
    /// Places an order and returns its id. Its random value is made when it is first asked for.
    pub fn place(&self, spec: OrderSpec) -> u64 {
        self.world.place(spec)
    }

    /// Places orders whose names have `{n}` replaced by 0, 1, … and whose ids, if chosen, count up.
    pub fn place_many(&self, spec: &OrderSpec, count: usize) -> Vec<u64> {
        (0..count).map(|n| self.world.place(spec.numbered(n))).collect()
    }

    /// The status of an order.
    pub fn order_status(&self, id: u64) -> Option<String> {
        self.world.lock().order(id).map(|order| order.status.clone())
    }

    /// Puts an order into any status, known or not. `issued` approves its scopes; `reissue_pending` reopens those of DV.
    pub fn set_status(&self, id: u64, status: &str) {
        self.world.lock().enter(id, status);
        self.world.polling.notify_one();
    }

    /// What has changed so far changed this much earlier, for those who ask what has changed lately.
    pub fn age_status_changes(&self, span: Duration) {
        for order in self.world.lock().orders.values_mut() {
            order.changed -= span;
        }
    }

    /// Marks the organisation of an OV or EV order as validated.
    pub fn validate_organisation(&self, id: u64) {
        if let Some(order) = self.world.lock().order(id) {
            order.organisation_validated = true;
        }
    }

    /// The random value that an order has now, expired or not; asking does not make one.
    pub fn value(&self, id: u64) -> Option<String> {
        self.world.lock().order(id)?.values.last().map(|value| value.text.clone())
    }

    /// Ends the life of an order's value now; the next call makes a new one.
    pub fn expire_value(&self, id: u64) {
        if let Some(order) = self.world.lock().order(id) {
            order.values.expire(clock::now());
        }
    }

    /// The scopes of an order, each with whether it is approved.
    pub fn scopes(&self, id: u64) -> Vec<(String, bool)> {
        let mut state = self.world.lock();
        let proofs = state.order(id).map(|order| order.proofs.clone()).unwrap_or_default();
        proofs.into_iter().map(|proof| (proof.scope, proof.approved)).collect()
    }

    /// Reissues an issued order as a person would; `false` if it is not issued.
    pub fn reissue(&self, id: u64) -> bool {
        self.reissue_with(id, std::iter::empty::<String>())
    }

    /// Reissues an issued order for these names, or for the same ones where none are given; `false` if it is not issued.
    pub fn reissue_with(&self, id: u64, names: impl IntoIterator<Item = impl Into<String>>) -> bool {
        let names: Vec<_> = names.into_iter().map(Into::into).collect();
        let done = self.world.lock().reissue(id, &names, self.world.eyes.zones());
        self.world.polling.notify_one();
        done
    }

    /// Cancels an order as a person would; `false` if it is in no state for that. A canceled reissue is `issued` again.
    pub fn cancel(&self, id: u64) -> bool {
        self.world.lock().cancel(id)
    }

    /// Places a domain and returns its id. A method with a value has one at once.
    pub fn place_domain(&self, spec: DomainSpec) -> u64 {
        self.world.place_domain(spec)
    }

    /// The domain of this name in an account; OV and EV orders add theirs.
    pub fn domain_named(&self, account: u64, name: &str) -> Option<u64> {
        self.world.lock().domain_named(account, name)
    }

    /// All that is known of a domain now. Looking changes nothing.
    pub fn domain(&self, id: u64) -> Option<DomainState> {
        self.world.lock().domains.get(&id).map(DomainState::of)
    }

    /// Puts a domain aside, or takes it up again.
    pub fn set_domain_active(&self, id: u64, active: bool) {
        if let Some(domain) = self.world.lock().domains.get_mut(&id) {
            domain.active = active;
        }
        self.world.polling.notify_one();
    }

    /// `active` while a proof may be used, `expired` when no longer and nothing is pending, else `pending`.
    pub fn domain_status(&self, id: u64) -> Option<String> {
        self.world.lock().domains.get(&id).map(|domain| domain.status(clock::now()).to_owned())
    }

    /// Whether a proof is outstanding, be it the first or a renewal.
    pub fn domain_is_pending(&self, id: u64) -> Option<bool> {
        self.world.lock().domains.get(&id).map(|domain| domain.pending)
    }

    /// Until when the domain's proof may be used.
    pub fn domain_expiry(&self, id: u64) -> Option<Timestamp> {
        self.world.lock().domains.get(&id)?.expires
    }

    /// The random value that a domain has now, expired or not.
    pub fn domain_value(&self, id: u64) -> Option<String> {
        self.world.lock().domains.get(&id)?.value().map(|value| value.text.clone())
    }

    /// Marks a domain as proven just now, without a look.
    pub fn validate_domain(&self, id: u64) {
        self.world.lock().approve_domain(id, clock::now());
    }

    /// Ends the time for which a domain's proof may be used.
    pub fn expire_domain(&self, id: u64) {
        if let Some(domain) = self.world.lock().domains.get_mut(&id) {
            domain.expire(clock::now());
        }
    }

    /// Ends the life of a domain's value now.
    pub fn expire_domain_value(&self, id: u64) {
        if let Some(domain) = self.world.lock().domains.get_mut(&id) {
            domain.values.expire(clock::now());
        }
    }
}
