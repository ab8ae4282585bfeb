//! From facts to the next step. The rules are tried from top to bottom; the first that applies decides.
//!
//! What orders and prevalidated domains do not share stands in files of their own.
//!
//! 1. A failure that is still being waited out gates everything.
//! 2. An order that is over, proven or gone from the configuration is tidied up, then rests; so is a domain whose proof
//!    has time left.
//! 3. Statuses and methods that are not ours are watched.
//! 4. What is unknown or old is read: the order or domain, then where the records go, then the value.
//! 5. The value is published, looked for, and, once visible everywhere, CAA is read and the CA is asked.
//! 6. Replaced values go once the new one was checked.

mod domain;
mod order;

use jiff::{SignedDuration, Timestamp};

use crate::{
    Answer, Artifact, Because, CaaFacts, Decision, DomainName, Facts, FailureClass, Held, Kind, Label,
    Location, Lookup, OrderFacts, Policy, Reason, Stage, Step, Target, Verdict, backoff::jitter,
    facts::after, method::Life, verdict,
};

/// Decides. Pure: the same facts, policy and time give the same decision.
#[must_use]
pub fn decide(facts: &Facts, policy: &Policy, now: Timestamp) -> Decision {
    let (mut lookups, mut unprovable) = (Vec::new(), None);
    if let Some(spec) = facts.spec(&policy.methods) {
        for (scope, names) in facts.open() {
            let of_scope = policy.methods.lookups(spec, scope, names);
            if of_scope.is_empty() {
                unprovable = Some(scope);
            }
            lookups.extend(of_scope);
        }
    }
    Chooser { facts, policy, now, lookups, unprovable }.choose()
}

struct Chooser<'a> {
    facts: &'a Facts,
    policy: &'a Policy,
    now: Timestamp,
    /// Where the CA looks for what is still to be proven.
    lookups: Vec<Lookup>,
    /// A domain that the method cannot prove: the CA looks nowhere for it.
    unprovable: Option<&'a DomainName>,
}

impl Chooser<'_> {
    fn choose(&self) -> Decision {
        self.failing()
            .or_else(|| match self.facts.kind {
                Kind::Order => {
                    self.order_over().or_else(|| self.order_not_ours()).or_else(|| self.order_unread())
                }
                Kind::Domain => {
                    self.domain_over().or_else(|| self.domain_not_ours()).or_else(|| self.domain_unread())
                }
            })
            .or_else(|| self.locate())
            .or_else(|| match self.facts.kind {
                Kind::Order => self.order_value(),
                Kind::Domain => self.domain_value(),
            })
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
            FailureClass::Taken => {
                self.policy.retry.after(failure.count, self.facts.seed).min(self.policy.queue)
            }
            FailureClass::Setup => self.policy.setup_retry,
            FailureClass::Blocked => self.policy.audit,
            // The order tells why; it is read once. If it wants our work all the same, a person is needed.
            FailureClass::Refused if self.facts.kind == Kind::Domain => self.policy.audit,
            FailureClass::Refused => match &self.facts.order {
                Some(order) if failure.read_since => {
                    let ours = order.status.stage() == Stage::Work
                        && self.facts.spec(&self.policy.methods).is_some();
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
            FailureClass::Taken => Reason::NameTaken,
            FailureClass::Setup => Reason::SetupRefused,
            FailureClass::Blocked | FailureClass::Refused => Reason::OrderRefused,
            FailureClass::Bug => Reason::Unexpected,
        };
        (until > self.now).then(|| self.rest(until, reason, format!("{}: {}", failure.step, failure.detail)))
    }

    /// Takes down what is no longer needed, if there is any. What stands for good goes only with the order itself.
    fn tidy(&self, gone: bool) -> Option<Decision> {
        let standing = self.facts.spec(&self.policy.methods).is_some_and(|spec| spec.life == Life::Standing);
        if self.facts.held.is_empty() || standing && !gone {
            return None;
        }
        let artifacts = self.facts.held.iter().map(|held| held.artifact.clone()).collect();
        Some(self.act(
            Step::Retract(artifacts),
            Reason::TidyUp,
            "the validation records are no longer needed",
        ))
    }

    fn locate(&self) -> Option<Decision> {
        if let Some(domain) = self.unprovable {
            // Only a file has no place for some names: it proves no wildcard (TLS BR 3.2.2.4.18).
            let detail = format!(
                "the wildcard of {domain} cannot be proven by a file; change the DCV method to dns-txt-token"
            );
            let discovered = self.facts.discovered;
            let reason = if discovered { Reason::NotTakenUp } else { Reason::MethodUnsupported };
            return Some(self.rest(self.audit(), reason, detail));
        }
        let taken = |location: &Location| matches!(location, Location::Blocked(because) if because.reason == Reason::NameTaken);
        let patience = if self.lookups.iter().filter_map(|lookup| self.facts.located.get(lookup)).any(taken) {
            self.policy.queue
        } else {
            self.policy.audit
        };
        let stale = self.facts.located_at.is_none_or(|at| after(at, patience) <= self.now);
        // What was found stays true until it is old and the record is not to be seen.
        let wanted = self.wanted().and_then(Result::ok).filter(|_| stale).unwrap_or_default();
        let shown =
            |lookup: &Lookup| wanted.iter().any(|(at, artifact)| at == lookup && self.visible(at, artifact));
        let missing: Vec<_> = self
            .lookups
            .iter()
            .filter(|&lookup| match self.facts.located.get(lookup) {
                None => true,
                Some(Location::Blocked(_)) => stale,
                Some(Location::At(_)) => stale && !shown(lookup),
            })
            .cloned()
            .collect();
        if !missing.is_empty() {
            let detail = format!("finding out where {} leads", list(&missing));
            return Some(self.act(Step::Locate(missing), Reason::SiteUnknown, detail));
        }
        // Where the CA looks at two names of a domain, one that can be written is enough.
        let reachable = |lookup: &Lookup| {
            let beside = self.lookups.iter().filter(|other| other.domain == lookup.domain);
            beside.filter_map(|lookup| self.facts.located.get(lookup)).any(|at| matches!(at, Location::At(_)))
        };
        let mut because = self.lookups.iter().find_map(|lookup| match self.facts.located.get(lookup) {
            Some(Location::Blocked(because)) if !reachable(lookup) => Some(because.clone()),
            Some(_) | None => None,
        })?;
        if because.reason == Reason::NoProvider
            && self.facts.kind == Kind::Order
            && self.facts.order.is_none()
        {
            // With its scopes configured it was taken for an order by TXT.
            let detail = format!("{}; reading the order's method first", because.detail);
            return Some(self.act(Step::ReadOrder, Reason::OrderUnread, detail));
        }
        if self.facts.discovered && matches!(because.reason, Reason::NoProvider | Reason::ForeignCname) {
            because.reason = Reason::NotTakenUp;
        }
        let at = self.facts.located_at.unwrap_or(self.now);
        Some(self.rest(after(at, patience), because.reason, because.detail))
    }

    fn publish(&self) -> Option<Decision> {
        let wanted = match self.wanted()? {
            Ok(wanted) => wanted,
            Err(why) => return Some(self.rest(self.audit(), Reason::ValueUnfit, why)),
        };
        let applied = |artifact: &Artifact| {
            self.facts.held.iter().find(|held| held.artifact == *artifact).and_then(|held| held.applied)
        };
        let mut missing: Vec<Artifact> = wanted
            .iter()
            .map(|(_, artifact)| artifact)
            .filter(|artifact| applied(artifact).is_none())
            .cloned()
            .collect();
        missing.sort();
        missing.dedup();
        if let Some(first) = missing.first() {
            let targets: Vec<_> = missing.iter().map(Artifact::target).collect();
            let detail = format!("publishing {} at {}", first.fingerprint(), list(&targets));
            return Some(self.put(missing, Reason::Unpublished, detail));
        }
        let drifted: Vec<Artifact> = wanted
            .into_iter()
            .filter(|(lookup, artifact)| {
                let old = applied(artifact).is_some_and(|at| after(at, self.policy.republish) <= self.now);
                old && self.nowhere(lookup, artifact)
            })
            .map(|(_, artifact)| artifact)
            .collect();
        (!drifted.is_empty()).then(|| {
            let targets: Vec<_> = drifted.iter().map(Artifact::target).collect();
            let detail = format!("{} was published and is gone; publishing it again", list(&targets));
            self.put(drifted, Reason::Drifted, detail)
        })
    }

    fn put(&self, artifacts: Vec<Artifact>, reason: Reason, detail: String) -> Decision {
        let gives_way = |held: &&Artifact| artifacts.iter().any(|artifact| held.excludes(artifact));
        let held = self.facts.held.iter().map(|held| &held.artifact);
        let replacing = held.filter(gives_way).cloned().collect();
        self.act(Step::Publish { artifacts, replacing }, reason, detail)
    }

    /// Every server that answered says that it is not there, in a look made after it was published.
    fn nowhere(&self, lookup: &Lookup, artifact: &Artifact) -> bool {
        self.facts.sightings.get(lookup).is_some_and(|sightings| {
            let mut answers =
                sightings.iter().map(|s| &s.answer).filter(|a| !matches!(a, Answer::Failed(_))).peekable();
            answers.peek().is_some() && answers.all(|answer| !answer.proves(artifact))
        })
    }

    fn superseded(&self) -> Option<Decision> {
        let wanted = self.wanted()?.ok()?;
        self.facts.asked.as_ref()?;
        let held = self.facts.held.iter().map(|held| &held.artifact);
        let gone: Vec<_> =
            held.filter(|held| !wanted.iter().any(|(_, wanted)| wanted == *held)).cloned().collect();
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
        let Some(Ok(wanted)) = self.wanted() else {
            return self.rest(self.audit(), Reason::ValueMissing, "no value at hand");
        };
        let unseen: Vec<_> =
            wanted.iter().filter(|(lookup, artifact)| !self.visible(lookup, artifact)).cloned().collect();
        if !unseen.is_empty() {
            return self.look(&unseen);
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
            if self.facts.kind == Kind::Order && !self.facts.order.as_ref().is_some_and(read) {
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
        let fresh = wanted.iter().all(|(lookup, _)| {
            let looked = self.facts.looked_at.get(lookup);
            looked.is_some_and(|&at| after(at, self.policy.sighting_fresh) > self.now)
        });
        if fresh {
            self.act(Step::AskCa, Reason::Visible, "the value is visible everywhere")
        } else {
            let lookups = wanted.into_iter().map(|(lookup, _)| lookup).collect();
            self.act(Step::Look(lookups), Reason::Visible, "looking once more before DigiCert is asked")
        }
    }

    fn look(&self, unseen: &[(Lookup, Artifact)]) -> Decision {
        let (mut told, mut bogus) = (Vec::new(), Vec::new());
        for (lookup, artifact) in unseen {
            match self.verdict(lookup, artifact) {
                Some(Verdict::Lagging { without, failed }) => {
                    let lag = without.into_iter().chain(failed).collect::<Vec<_>>();
                    told.push(format!("{} is not at {}", shown_as(lookup), list(&lag)));
                }
                Some(Verdict::Bogus { servers }) => {
                    bogus.push(format!("DNSSEC is broken for {}: {}", shown_as(lookup), list(&servers)));
                }
                Some(Verdict::Visible | Verdict::Unseen) | None => {
                    told.push(format!("{} was not looked at yet", shown_as(lookup)));
                }
            }
        }
        let (reason, detail) = if bogus.is_empty() || self.facts.looks < self.policy.bogus_looks {
            told.extend(bogus);
            (Reason::Propagating, list(&told))
        } else {
            (Reason::DnssecBogus, list(&bogus))
        };
        let of_these = |held: &&Held| unseen.iter().any(|(_, artifact)| *artifact == held.artifact);
        let published = self.facts.held.iter().filter(of_these).filter_map(|held| held.applied);
        let passed = published.max().map_or(SignedDuration::ZERO, |at| self.now.duration_since(at));
        let wait = self.policy.look.after(passed.max(SignedDuration::ZERO), self.facts.seed);
        let looked: Option<Vec<_>> =
            unseen.iter().map(|(lookup, _)| self.facts.looked_at.get(lookup).copied()).collect();
        let due = looked.and_then(|looked| looked.into_iter().min()).map_or(self.now, |at| after(at, wait));
        if due > self.now {
            self.rest(due, reason, detail)
        } else {
            let lookups = unseen.iter().map(|(lookup, _)| lookup.clone()).collect();
            self.act(Step::Look(lookups), reason, detail)
        }
    }

    fn visible(&self, lookup: &Lookup, artifact: &Artifact) -> bool {
        self.verdict(lookup, artifact) == Some(Verdict::Visible)
    }

    fn verdict(&self, lookup: &Lookup, artifact: &Artifact) -> Option<Verdict> {
        let sightings = self.facts.sightings.get(lookup)?;
        Some(verdict(sightings, |answer| answer.proves(artifact), self.policy.verdict))
    }

    /// What proves control by the order's method, where there is a value; or why it does not fit.
    fn wanted(&self) -> Option<Result<Vec<(Lookup, Artifact)>, String>> {
        let value = self.facts.token.as_ref().and_then(|token| token.value.as_ref().ok())?;
        let spec = self.facts.spec(&self.policy.methods)?;
        Some(
            self.targets()
                .map(|(lookup, target)| Ok((lookup.clone(), spec.artifact(target, value)?)))
                .collect(),
        )
    }

    fn targets(&self) -> impl Iterator<Item = (&Lookup, &Target)> {
        self.lookups.iter().filter_map(|lookup| match self.facts.located.get(lookup) {
            Some(Location::At(target)) => Some((lookup, target)),
            Some(Location::Blocked(_)) | None => None,
        })
    }

    fn expiry(&self) -> Option<Timestamp> {
        self.facts.expiry(self.policy.value_life_cap)
    }

    fn audit_due(&self) -> Option<Decision> {
        let (at, step) = match self.facts.kind {
            Kind::Order => (self.facts.order.as_ref()?.at, Step::ReadOrder),
            Kind::Domain => (self.facts.domain.as_ref()?.at, Step::ReadDomain),
        };
        (after(at, self.policy.audit) <= self.now)
            .then(|| self.act(step, Reason::AuditDue, "what is known of it is old"))
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
            Reason::BackingOff
                | Reason::NameTaken
                | Reason::SetupRefused
                | Reason::Unexpected
                | Reason::OrderRefused
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

/// A lookup in a sentence: the domain where there is one name for it, as it always was told.
fn shown_as(lookup: &Lookup) -> String {
    match lookup.label {
        Label::Under(_) => lookup.domain.to_string(),
        Label::Bare => format!("{} itself", lookup.domain),
        Label::File => lookup.to_string(),
    }
}

/// At most five items, then how many more.
fn list(items: &[impl std::fmt::Display]) -> String {
    let mut text = items.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if items.len() > 5 {
        text.push_str(&format!(" and {} more", items.len() - 5));
    }
    text
}
