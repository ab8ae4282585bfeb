//! From facts to the next step. The rules are tried from top to bottom; the first that applies decides. They stand in one
//! file, long as it is, because their order is what a reader has to see.
//!
//! 1. A failure that is still being waited out gates everything.
//! 2. An order that is over, proven or gone from the configuration is tidied up, then rests.
//! 3. Statuses and methods that are not ours are watched.
//! 4. What is unknown or old is read: the order, then where the records go, then the value.
//! 5. The value is published, looked for, and, once visible everywhere, CAA is read and the CA is asked.
//! 6. Replaced values go once the new one was checked.

use jiff::{SignedDuration, Timestamp};

use crate::{
    Answer, Backoff, Because, CaaFacts, Decision, DomainName, Facts, FailureClass, Location, OrderFacts,
    OrderStatus, Policy, Reason, RecordData, Site, Stage, Step, Verdict, backoff::jitter, verdict,
};

/// Decides. Pure: the same facts, policy and time give the same decision.
#[must_use]
pub fn decide(facts: &Facts, policy: &Policy, now: Timestamp) -> Decision {
    Chooser { facts, policy, now }.choose()
}

struct Chooser<'a> {
    facts: &'a Facts,
    policy: &'a Policy,
    now: Timestamp,
}

impl Chooser<'_> {
    fn choose(&self) -> Decision {
        self.failing()
            .or_else(|| self.over())
            .or_else(|| self.not_ours())
            .or_else(|| self.unread())
            .or_else(|| self.locate())
            .or_else(|| self.value())
            .or_else(|| self.publish())
            .or_else(|| self.superseded())
            .unwrap_or_else(|| self.prove())
    }

    fn failing(&self) -> Option<Decision> {
        let failure = self.facts.failure.as_ref()?;
        let wait = match failure.class {
            FailureClass::Later | FailureClass::Bug => {
                self.policy.retry.after(failure.count, self.facts.seed)
            }
            FailureClass::Setup => self.policy.setup_retry,
            FailureClass::Blocked => self.policy.audit,
            // The order tells why; it is read once. If it wants our work all the same, a person is needed.
            FailureClass::Refused => match &self.facts.order {
                Some(order) if order.at >= failure.at => {
                    let ours = order.status.stage() == Stage::Work
                        && self.facts.proof(&self.policy.methods).is_some();
                    if !ours || self.facts.proven {
                        return None;
                    }
                    self.policy.audit
                }
                Some(_) | None => {
                    return Some(self.act(Step::ReadOrder, Reason::OrderRefused, failure.detail.clone()));
                }
            },
        };
        let wait = wait.max(self.policy.request_floor).max(failure.retry_after.unwrap_or_default());
        let until = after(failure.at, wait);
        let reason = match failure.class {
            FailureClass::Later => Reason::BackingOff,
            FailureClass::Setup => Reason::SetupRefused,
            FailureClass::Blocked | FailureClass::Refused => Reason::OrderRefused,
            FailureClass::Bug => Reason::Unexpected,
        };
        (until > self.now).then(|| self.rest(until, reason, format!("{}: {}", failure.step, failure.detail)))
    }

    fn over(&self) -> Option<Decision> {
        let status = self.facts.order.as_ref().map(|order| &order.status);
        let ended = status.is_some_and(|status| status.stage() == Stage::Ended);
        if !(self.facts.retired || ended || self.facts.proven) {
            return None;
        }
        if !self.facts.held.is_empty() {
            let values = self.facts.held.iter().map(|held| (held.site.clone(), held.data.clone())).collect();
            return Some(self.act(
                Step::Retract(values),
                Reason::TidyUp,
                "the validation records are no longer needed",
            ));
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
                None => self.rest(
                    self.audit(),
                    Reason::WaitingForDigicert,
                    format!("every scope is proven; the order is {status} and waits for DigiCert"),
                ),
            },
            None => self.rest(self.audit(), Reason::Validated, "every scope is proven"),
        })
    }

    fn not_ours(&self) -> Option<Decision> {
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
            (Stage::Work, Some(method)) if self.policy.methods.proof(method).is_none() => {
                let method = method.as_str();
                Some(if self.facts.discovered {
                    let detail = format!("the order is validated by {method:?}, not by DNS");
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

    fn unread(&self) -> Option<Decision> {
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

    fn value(&self) -> Option<Decision> {
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

    fn locate(&self) -> Option<Decision> {
        let taken = |location: &Location| matches!(location, Location::Blocked(because) if because.reason == Reason::NameTaken);
        let patience =
            if self.facts.located.values().any(taken) { self.policy.queue } else { self.policy.audit };
        let stale = self.facts.located_at.is_none_or(|at| after(at, patience) <= self.now);
        let blocked =
            self.facts.open_scopes().into_iter().find_map(|scope| match self.facts.located.get(scope) {
                Some(Location::Blocked(because)) => Some(because.clone()),
                Some(Location::At(_)) | None => None,
            });
        // What was found stays true until it is old and the record is not to be seen.
        let missing: Vec<_> = self
            .facts
            .open_scopes()
            .into_iter()
            .filter(|&scope| match self.facts.located.get(scope) {
                None => true,
                Some(Location::Blocked(_)) => stale,
                Some(Location::At(_)) => stale && !self.shown(scope),
            })
            .cloned()
            .collect();
        if !missing.is_empty() {
            let detail = format!("finding the zone of {}", list(&missing));
            return Some(self.act(Step::Locate(missing), Reason::SiteUnknown, detail));
        }
        let mut because = blocked?;
        if self.facts.discovered && matches!(because.reason, Reason::NoProvider | Reason::ForeignCname) {
            because.reason = Reason::NotTakenUp;
        }
        let at = self.facts.located_at.unwrap_or(self.now);
        Some(self.rest(after(at, patience), because.reason, because.detail))
    }

    fn publish(&self) -> Option<Decision> {
        let data = match self.record()? {
            Ok(data) => data,
            Err(why) => return Some(self.rest(self.audit(), Reason::ValueUnfit, why)),
        };
        let applied = |site: &Site| {
            let held = self.facts.held.iter().find(|held| held.site == *site && held.data == data);
            held.and_then(|held| held.applied)
        };
        let mut missing: Vec<Site> =
            self.sites().map(|(_, site)| site).filter(|&site| applied(site).is_none()).cloned().collect();
        missing.sort();
        missing.dedup();
        if !missing.is_empty() {
            let detail = format!("publishing {} at {}", data.fingerprint(), list(&missing));
            return Some(self.put(missing, data, Reason::Unpublished, detail));
        }
        let drifted: Vec<Site> = self
            .sites()
            .filter(|(scope, site)| {
                let old = applied(site).is_some_and(|at| after(at, self.policy.republish) <= self.now);
                old && self.nowhere(scope, &data)
            })
            .map(|(_, site)| site.clone())
            .collect();
        (!drifted.is_empty()).then(|| {
            let detail = format!("{} was published and is gone; publishing it again", list(&drifted));
            self.put(drifted, data, Reason::Drifted, detail)
        })
    }

    fn put(&self, sites: Vec<Site>, data: RecordData, reason: Reason, detail: String) -> Decision {
        let replacing = self
            .facts
            .held
            .iter()
            .filter(|held| sites.contains(&held.site) && held.data.excludes(&data))
            .map(|held| (held.site.clone(), held.data.clone()))
            .collect();
        self.act(Step::Publish { sites, data, replacing }, reason, detail)
    }

    /// Every server that answered says that the record is not there, in a look made after it was published.
    fn nowhere(&self, scope: &DomainName, data: &RecordData) -> bool {
        self.facts.sightings.get(scope).is_some_and(|sightings| {
            let mut answers =
                sightings.iter().map(|s| &s.answer).filter(|a| !matches!(a, Answer::Failed(_))).peekable();
            answers.peek().is_some() && answers.all(|answer| !answer.shows(data))
        })
    }

    fn superseded(&self) -> Option<Decision> {
        let data = self.record()?.ok()?;
        self.facts.asked.as_ref()?;
        let gone: Vec<_> = self
            .facts
            .held
            .iter()
            .filter(|held| held.data != data)
            .map(|held| (held.site.clone(), held.data.clone()))
            .collect();
        (!gone.is_empty()).then(|| {
            self.act(
                Step::Retract(gone),
                Reason::Superseded,
                "the value was replaced and the new one was checked",
            )
        })
    }

    /// Published everywhere: look until it is visible, then ask.
    fn prove(&self) -> Decision {
        let Some(Ok(data)) = self.record() else {
            return self.rest(self.audit(), Reason::ValueMissing, "no value at hand");
        };
        let data = &data;
        let unseen: Vec<DomainName> = self
            .facts
            .open_scopes()
            .into_iter()
            .filter(|&scope| !self.visible(scope, data))
            .cloned()
            .collect();
        if !unseen.is_empty() {
            return self.look(unseen, data);
        }
        if let Some(asked) = &self.facts.asked {
            let rung = usize::try_from(asked.count).unwrap_or(usize::MAX).saturating_sub(1);
            let wait = self
                .policy
                .ask_ladder
                .get(rung)
                .or_else(|| self.policy.ask_ladder.last())
                .copied()
                .unwrap_or(self.policy.audit);
            let due = after(asked.at, wait + jitter(wait / 10, self.facts.seed));
            if due > self.now {
                let said = format!("visible everywhere, DigiCert says: {}", asked.said);
                return match self.facts.caa.as_ref().and_then(CaaFacts::forbidden) {
                    Some(forbidden) => self.rest(due, Reason::CaaForbids, format!("{forbidden}; {said}")),
                    None => self.rest(due, Reason::WaitingForCa, said),
                };
            }
            if let Some(due) = self.audit_due() {
                return due;
            }
            let read = |order: &OrderFacts| !order.scopes.is_empty() || order.at > asked.at;
            if !self.facts.order.as_ref().is_some_and(read) {
                return self.act(
                    Step::ReadOrder,
                    Reason::AuditDue,
                    "DigiCert does not find the value; reading at which domains it looks",
                );
            }
        }
        if self.facts.caa.as_ref().is_none_or(|caa| after(caa.at, self.policy.audit) <= self.now) {
            let names = self.facts.open_names();
            return self.act(
                Step::ReadCaa(names),
                Reason::Visible,
                "reading CAA records before DigiCert is asked",
            );
        }
        let looked = |scope: &&DomainName| self.facts.looked_at.get(*scope).copied();
        let fresh =
            self.facts.open_scopes().iter().all(|scope| {
                looked(scope).is_some_and(|at| after(at, self.policy.sighting_fresh) > self.now)
            });
        if fresh {
            self.act(Step::AskCa, Reason::Visible, "the value is visible everywhere")
        } else {
            let scopes = self.facts.open_scopes().into_iter().cloned().collect();
            self.act(Step::Look(scopes), Reason::Visible, "looking once more before DigiCert is asked")
        }
    }

    fn look(&self, unseen: Vec<DomainName>, data: &RecordData) -> Decision {
        let (mut told, mut bogus) = (Vec::new(), Vec::new());
        for scope in &unseen {
            match self.facts.sightings.get(scope).map(|s| verdict(s, data, self.policy.verdict)) {
                Some(Verdict::Lagging { without, failed }) => {
                    let lag = without.into_iter().chain(failed).collect::<Vec<_>>();
                    told.push(format!("{scope} is not at {}", list(&lag)));
                }
                Some(Verdict::Bogus { servers }) => {
                    bogus.push(format!("DNSSEC is broken for {scope}: {}", list(&servers)));
                }
                Some(Verdict::Visible | Verdict::Unseen) | None => {
                    told.push(format!("{scope} was not looked at yet"));
                }
            }
        }
        let (reason, detail) = if bogus.is_empty() || self.facts.looks < self.policy.bogus_looks {
            told.extend(bogus);
            (Reason::Propagating, list(&told))
        } else {
            (Reason::DnssecBogus, list(&bogus))
        };
        let published =
            self.facts.held.iter().filter(|held| held.data == *data).filter_map(|held| held.applied);
        let passed = published.max().map_or(SignedDuration::ZERO, |at| self.now.duration_since(at));
        let wait = self.policy.look.after(passed.max(SignedDuration::ZERO), self.facts.seed);
        let looked: Option<Vec<_>> =
            unseen.iter().map(|scope| self.facts.looked_at.get(scope).copied()).collect();
        let due = looked.and_then(|looked| looked.into_iter().min()).map_or(self.now, |at| after(at, wait));
        if due > self.now {
            self.rest(due, reason, detail)
        } else {
            self.act(Step::Look(unseen), reason, detail)
        }
    }

    /// Whether the record of the order's value is visible at a scope.
    fn shown(&self, scope: &DomainName) -> bool {
        matches!(self.record(), Some(Ok(data)) if self.visible(scope, &data))
    }

    fn visible(&self, scope: &DomainName, data: &RecordData) -> bool {
        self.facts
            .sightings
            .get(scope)
            .is_some_and(|s| verdict(s, data, self.policy.verdict) == Verdict::Visible)
    }

    fn sites(&self) -> impl Iterator<Item = (&DomainName, &Site)> {
        self.facts.open_scopes().into_iter().filter_map(|scope| match self.facts.located.get(scope) {
            Some(Location::At(site)) => Some((scope, site)),
            Some(Location::Blocked(_)) | None => None,
        })
    }

    /// The record that proves control by the order's method, where there is a value; or why it does not fit.
    fn record(&self) -> Option<Result<RecordData, String>> {
        let value = self.facts.token.as_ref().and_then(|token| token.value.as_ref().ok())?;
        self.facts.proof(&self.policy.methods).map(|proof| proof.record(value))
    }

    fn expiry(&self) -> Option<Timestamp> {
        self.facts.expiry(self.policy.value_life_cap)
    }

    fn audit_due(&self) -> Option<Decision> {
        let order = self.facts.order.as_ref()?;
        (after(order.at, self.policy.audit) <= self.now)
            .then(|| self.act(Step::ReadOrder, Reason::AuditDue, "what is known of the order is old"))
    }

    fn audit(&self) -> Timestamp {
        after(self.facts.order.as_ref().map_or(self.now, |order| order.at), self.policy.audit)
    }

    fn request_at(&self, due: Timestamp, reason: Reason, detail: String) -> Decision {
        if due > self.now {
            self.rest(due, reason, detail)
        } else {
            self.act(Step::RequestValue, reason, detail)
        }
    }

    fn act(&self, step: Step, reason: Reason, detail: impl Into<String>) -> Decision {
        Decision { step, wake: self.now, because: Because::new(reason, detail) }
    }

    /// Rests until `until`, or until the value's dates ask for something, whichever is earlier.
    fn rest(&self, until: Timestamp, reason: Reason, detail: impl Into<String>) -> Decision {
        let gated = matches!(
            reason,
            Reason::BackingOff | Reason::SetupRefused | Reason::Unexpected | Reason::OrderRefused
        );
        let wake = match self.expiry() {
            Some(expiry) if !gated && expiry > self.now => {
                let margin = after(expiry, -self.policy.confirm_margin);
                until.min(if margin > self.now { margin } else { expiry })
            }
            Some(_) | None => until,
        };
        Decision { step: Step::Rest, wake: wake.max(self.now), because: Because::new(reason, detail) }
    }
}

/// `time + span`, held inside what a time stamp can hold: dates from outside may be anything.
fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// At most five items, then how many more.
fn list(items: &[impl std::fmt::Display]) -> String {
    let mut text = items.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if items.len() > 5 {
        text.push_str(&format!(" and {} more", items.len() - 5));
    }
    text
}
