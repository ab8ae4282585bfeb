//! Rules of a prevalidated domain alone: when its proof is renewed, and where its value comes from.
//!
//! Submitting a domain is harmless, its proof stays in force. Making a new value is not: the former one is worthless from
//! then on. So both happen only upon what was read a moment ago, and never twice upon the same reading.

use jiff::Timestamp;

use crate::{Decision, DomainFacts, Reason, Step, decide::Chooser, facts::after};

impl Chooser<'_> {
    pub(super) fn domain_over(&self) -> Option<Decision> {
        let domain = self.facts.domain.as_ref();
        let inactive = domain.is_some_and(|domain| !domain.active);
        let due = self.facts.due(&self.policy.renewal);
        let settled = domain.is_some_and(|domain| !domain.pending) && due > self.now;
        if !(self.facts.retired || inactive || settled || self.facts.proven) {
            return None;
        }
        let gone = self.facts.retired || inactive;
        if self.facts.proven && !gone {
            let detail = "the domain was proven; reading until when";
            return Some(self.act(Step::ReadDomain, Reason::DomainUnread, detail));
        }
        if let Some(tidy) = self.tidy(gone) {
            return Some(tidy);
        }
        if self.facts.retired {
            let detail = "the domain has left the configuration";
            return Some(self.rest(self.audit(), Reason::OrderClosed, detail));
        }
        if let Some(due) = self.audit_due().filter(|_| inactive) {
            return Some(due);
        }
        if inactive {
            let detail = "the domain is deactivated in CertCentral";
            return Some(self.rest(self.audit(), Reason::DomainInactive, detail));
        }
        let sentence = domain.map_or_else(String::new, |domain| domain.sentence(due));
        Some(self.rest(due, Reason::Validated, sentence))
    }

    pub(super) fn domain_not_ours(&self) -> Option<Decision> {
        let domain = self.facts.domain.as_ref()?;
        // What a list told is not read before it is known that the domain can be served at all.
        let listed = domain.at == Timestamp::UNIX_EPOCH && self.facts.located_at.is_none();
        if let Some(due) = self.audit_due().filter(|_| !listed) {
            return Some(due);
        }
        let method = domain.method.as_ref()?;
        if self.policy.methods.spec(method).is_some() {
            return None;
        }
        if let Some(to) = self.facts.switch_to.clone().filter(|_| method.as_str() == "email") {
            let detail = "changing the domain from e-mail to a DNS method";
            return Some(self.act(Step::SwitchMethod(to), Reason::MethodSwitch, detail));
        }
        let detail =
            format!("the domain is validated by {:?}, which the agent does not carry out", method.as_str());
        let reason = if self.facts.discovered { Reason::NotTakenUp } else { Reason::MethodUnsupported };
        Some(self.rest(self.audit(), reason, detail))
    }

    pub(super) fn domain_unread(&self) -> Option<Decision> {
        if self.facts.domain.is_some() {
            return None;
        }
        Some(self.act(Step::ReadDomain, Reason::DomainUnread, "what is to be proven is not known yet"))
    }

    pub(super) fn domain_value(&self) -> Option<Decision> {
        let domain = self.facts.domain.as_ref()?;
        let usable = self.facts.has_usable_value(self.policy.value_life_cap, self.now);
        if domain.pending && usable {
            return None;
        }
        if let Some(Err(unfit)) = self.facts.token.as_ref().map(|token| &token.value) {
            let detail = format!("{}; nothing was published", unfit.0);
            return Some(self.rest(self.audit(), Reason::ValueUnfit, detail));
        }
        // An answer that got lost may have had its effect.
        let lost = self.facts.failure.as_ref().is_some_and(|failure| !failure.read_since);
        if lost || after(domain.at, self.policy.renewal.fresh) <= self.now {
            let detail = "reading the domain before anything is done for it";
            return Some(self.act(Step::ReadDomain, Reason::DomainUnread, detail));
        }
        if !domain.pending {
            return Some(self.act(Step::SubmitDomain, Reason::RenewalDue, renewal(domain)));
        }
        let (reason, detail) = match &self.facts.token {
            Some(_) => (Reason::ValueExpired, "the domain's value expired; a new one is made"),
            None => (Reason::ValueMissing, "the domain awaits a proof and has no value; one is made"),
        };
        // A CA that gives what has expired already is asked ever more rarely.
        let stale = self.facts.token.as_ref().map_or(0, |token| token.stale_answers);
        if let Some(token) = self.facts.token.as_ref().filter(|_| stale > 1) {
            let due = after(token.requested, self.policy.retry.after(stale + 8, self.facts.seed));
            if due > self.now {
                return Some(self.rest(due, reason, "DigiCert gives values that have expired already"));
            }
        }
        Some(self.act(Step::NewDomainValue, reason, detail))
    }
}

fn renewal(domain: &DomainFacts) -> String {
    match domain.valid_until {
        Some(end) => format!("the domain's proof may be used until {end:.0}; submitting it for the next one"),
        None => "the domain has no proof; submitting it".to_owned(),
    }
}
