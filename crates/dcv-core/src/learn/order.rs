//! What readings and checks of an order tell.
//!
//! No answer of which any part says "open" makes an order proven.

use jiff::Timestamp;

use crate::{DomainName, Facts, Method, OrderFacts, OrderStatus, ScopeFacts, Stage};

impl Facts {
    pub(super) fn learn_order(&mut self, order: OrderFacts) {
        let before = self.order.take();
        let reopened = self.is_reopened(before.as_deref(), &order);
        let methods_changed = changes_methods(before.as_deref(), &order);
        if reopened {
            // Whether the value survives a reissue is not documented, so everything is asked for anew.
            self.proven = false;
            self.token = None;
            self.asked = None;
            self.caa = None;
        }
        if !order.scopes.is_empty() || !order.unreadable.is_empty() {
            self.proven = order.is_proven();
        }
        // The checks so far were of other domains, where the configuration was wrong.
        let told_first = before.as_ref().is_none_or(|before| before.scopes.is_empty());
        let elsewhere = |scope: &ScopeFacts| !self.configured.contains(&scope.name);
        if told_first && !self.configured.is_empty() && order.scopes.iter().any(elsewhere) {
            self.asked = None;
        }
        if methods_changed && before.is_some_and(|before| before.method.is_some()) {
            // A value that was asked for before the method was known is the order's all the same.
            self.token = None;
        }
        if reopened || methods_changed {
            self.located.clear();
            self.forget_sightings();
        }
        self.order = Some(Box::new(order));
    }

    /// A reissue may be over before it was seen as such: proofs that are gone, or the status alone, tell of it too.
    fn is_reopened(&self, before: Option<&OrderFacts>, order: &OrderFacts) -> bool {
        let before = before.map(|before| &before.status);
        let ended = before.is_some_and(|before| before.stage() == Stage::Ended);
        let reissued = order.status == OrderStatus::ReissuePending
            && before.is_some_and(|before| *before != order.status);
        let unproven = self.proven && order.scopes.iter().any(|scope| !scope.approved);
        order.status.stage() == Stage::Work && (ended || reissued || unproven)
    }

    /// Whether a check says that the order is proven. The whole answer has to: its own word where there is one, else a
    /// list of approved names that holds every open scope, since a list in which all are approved may be partial.
    pub(super) fn check_proves_order(
        &self,
        complete: Option<bool>,
        status: Option<&OrderStatus>,
        approved: &[DomainName],
    ) -> bool {
        if let Some(complete) = complete {
            return complete;
        }
        let unreadable = self.order.as_ref().is_some_and(|order| !order.unreadable.is_empty());
        status == Some(&OrderStatus::Issued) || !unreadable && self.lists_every_scope(approved)
    }

    fn lists_every_scope(&self, approved: &[DomainName]) -> bool {
        let scopes = self.order.as_ref().map_or(&[][..], |order| &order.scopes);
        match scopes {
            [] => !self.configured.is_empty() && self.configured.iter().all(|scope| approved.contains(scope)),
            scopes => scopes.iter().all(|scope| scope.approved || scope.is_among(approved)),
        }
    }

    pub(super) fn learn_order_checked(
        &mut self,
        complete: Option<bool>,
        status: Option<OrderStatus>,
        approved: &[DomainName],
        now: Timestamp,
    ) {
        // An answer that contradicts itself is not believed; the order is read again.
        let open = complete == Some(false);
        let contradiction = open && (status == Some(OrderStatus::Issued) || self.lists_every_scope(approved));
        match &mut self.order {
            Some(order) if contradiction => order.at = None,
            Some(order) => {
                order.at = Some(now);
                order.status = status.unwrap_or_else(|| order.status.clone());
                for scope in &mut order.scopes {
                    scope.approved |= self.proven || scope.is_among(approved);
                }
            }
            None if contradiction => {}
            None => self.order = status.map(|status| Box::new(OrderFacts::of_status(Some(now), status))),
        }
    }
}

/// Whether a scope is proven otherwise than was known, or assumed: by TXT where nothing was told.
fn changes_methods(before: Option<&OrderFacts>, order: &OrderFacts) -> bool {
    let assumed = before.and_then(|before| before.method.as_ref()).unwrap_or(&Method::DnsTxt);
    let general = order.method.as_ref().unwrap_or(assumed);
    let known = |name: &DomainName| {
        let scope = before?.scopes.iter().find(|scope| scope.name == *name)?;
        scope.method.as_ref()
    };
    let another = |scope: &ScopeFacts| {
        scope.method.as_ref().unwrap_or(general) != known(&scope.name).unwrap_or(assumed)
    };
    order.scopes.iter().any(another) || order.scopes.is_empty() && general != assumed
}
