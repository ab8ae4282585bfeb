//! Rules of an order alone: how it is read, when it is over, and where its value comes from.

use crate::{
    Backoff, CaaFacts, Decision, OrderStatus, Reason, Stage, Step,
    backoff::jitter,
    decide::{Chooser, list},
    facts::after,
};

impl Chooser<'_> {
    pub(super) fn order_over(&self) -> Option<Decision> {
        let status = self.facts.order.as_ref().map(|order| &order.status);
        let ended = status.is_some_and(|status| status.stage() == Stage::Ended);
        if !(self.facts.retired || ended || self.facts.proven) {
            return None;
        }
        let gone = self.facts.retired || status.is_some_and(|status| *status != OrderStatus::Issued) && ended;
        if let Some(tidy) = self.tidy(gone) {
            return Some(tidy);
        }
        if self.facts.retired {
            return Some(self.rest(
                self.audit(),
                Reason::OrderClosed,
                "the order has left the configuration",
            ));
        }
        if let Some(due) = self.audit_due() {
            return Some(due);
        }
        Some(match status {
            Some(OrderStatus::Issued) => {
                self.rest(self.audit(), Reason::Validated, "the certificate is issued")
            }
            Some(status) if ended => {
                self.rest(self.audit(), Reason::OrderClosed, format!("the order is {status}"))
            }
            Some(status) => match self.facts.caa.as_ref().and_then(CaaFacts::forbidden) {
                Some(forbidden) => self.rest(self.audit(), Reason::CaaForbids, forbidden),
                None => {
                    let missing = match self.facts.order.as_ref().map_or(&[][..], |order| &order.missing) {
                        [] => String::new(),
                        missing => format!(": {}", list(missing)),
                    };
                    let detail = format!(
                        "every scope is proven; the order is {status} and waits for DigiCert{missing}"
                    );
                    self.rest(self.audit(), Reason::WaitingForDigicert, detail)
                }
            },
            None => self.rest(self.audit(), Reason::Validated, "every scope is proven"),
        })
    }

    pub(super) fn order_not_ours(&self) -> Option<Decision> {
        let order = self.facts.order.as_ref()?;
        let stage = order.status.stage();
        if let Some(due) = self.audit_due() {
            return Some(due);
        }
        match (stage, &order.method) {
            (Stage::Watch, _) => Some(self.rest(
                self.audit(),
                Reason::WaitingForApproval,
                format!("the order is {}; somebody has to act in CertCentral first", order.status),
            )),
            (Stage::Unknown, _) => Some(self.rest(
                self.audit(),
                Reason::StatusUnknown,
                format!(
                    "the order's status {:?} is unknown to this version; nothing is touched",
                    order.status.as_str()
                ),
            )),
            (Stage::Work, Some(method)) if method.as_str() == "email" && self.facts.switch_to.is_some() => {
                let step = self.facts.switch_to.clone().map_or(Step::Rest, Step::SwitchMethod);
                Some(self.act(step, Reason::MethodSwitch, "changing the order from e-mail to a DNS method"))
            }
            (Stage::Work, Some(method)) if self.policy.methods.spec(method).is_none() => {
                let method = method.as_str();
                Some(if self.facts.discovered {
                    let detail =
                        format!("the order is validated by {method:?}, which the agent does not carry out");
                    self.rest(self.audit(), Reason::NotTakenUp, detail)
                } else {
                    let detail = format!(
                        "the order wants {method:?}; change its DCV method to dns-txt-token in CertCentral"
                    );
                    self.rest(self.audit(), Reason::MethodUnsupported, detail)
                })
            }
            (Stage::Work | Stage::Ended, _) => None,
        }
    }

    pub(super) fn order_unread(&self) -> Option<Decision> {
        match &self.facts.order {
            None if self.facts.configured.is_empty() => {
                Some(self.act(Step::ReadOrder, Reason::OrderUnread, "the order's scopes are not known yet"))
            }
            Some(order) if order.scopes.is_empty() && self.facts.configured.is_empty() => Some(self.rest(
                self.audit(),
                Reason::NoScopes,
                "DigiCert names no domain to prove for this order; set `scopes` for it",
            )),
            Some(_) | None => None,
        }
    }

    pub(super) fn order_value(&self) -> Option<Decision> {
        let Some(token) = &self.facts.token else {
            return Some(self.act(
                Step::RequestValue,
                Reason::ValueMissing,
                "the order's random value is not at hand",
            ));
        };
        if let Err(unfit) = &token.value {
            return Some(self.request_at(
                after(token.requested, self.policy.audit),
                Reason::ValueUnfit,
                format!("{}; nothing was published", unfit.0),
            ));
        }
        let expiry = self.expiry()?;
        if self.now >= expiry {
            let due = after(expiry, jitter(self.policy.expiry_jitter, self.facts.seed));
            let backoff = Backoff { first: self.policy.request_floor, cap: self.policy.retry.cap };
            let floor =
                after(token.requested, backoff.after(token.stale_answers.max(1) + 1, self.facts.seed));
            let what = if token.stale_answers > 0 {
                "DigiCert still gives a value that expired"
            } else {
                "the value expired"
            };
            return Some(self.request_at(
                due.max(floor),
                Reason::ValueExpired,
                format!("{what} at {expiry:.0}"),
            ));
        }
        let margin = after(expiry, -self.policy.confirm_margin);
        (self.now >= margin && token.requested < margin).then(|| {
            self.act(
                Step::RequestValue,
                Reason::ValueExpiring,
                format!("the value expires at {expiry:.0} and the order is still open; confirming it once"),
            )
        })
    }
}
