//! How what a step found out adds to what is known.

use jiff::Timestamp;

use crate::{
    Artifact, CaaFacts, DomainName, Facts, FailureClass, Held, Kind, Learned, Location, Method, OrderFacts,
    OrderStatus, RandomValue, Stage, Step, ValueError,
    facts::{Asked, Failure, Token, Unfit},
};

impl Facts {
    /// Adds what `step` found out at `now`.
    pub fn learn(&mut self, step: &Step, learned: Learned, now: Timestamp) {
        if let Learned::Failed { class, detail, retry_after } = learned {
            let before = self.failure.take().filter(|f| f.step == step.label()).map_or(0, |f| f.count);
            let count = before.saturating_add(1);
            // The intent is in the state and the write may have had its effect: the value may be in DNS.
            if let Step::Publish { artifacts, .. } = step {
                for artifact in artifacts {
                    self.hold(artifact, None);
                }
                // What stands there may have changed since it was looked at.
                if class == FailureClass::Blocked {
                    let targets: Vec<_> = artifacts.iter().map(Artifact::target).collect();
                    self.located
                        .retain(|_, at| !matches!(at, Location::At(target) if targets.contains(target)));
                }
            }
            self.failure = Some(Failure {
                step: step.label(),
                class,
                at: now,
                count,
                detail,
                retry_after,
                read_since: false,
            });
            return;
        }
        if self.failure.as_ref().is_some_and(|failure| failure.step == step.label()) {
            self.failure = None;
        }
        // A flag, not the times of the two: clocks step back.
        if let (Learned::Order { .. } | Learned::Domain(..), Some(failure)) = (&learned, &mut self.failure) {
            failure.read_since = true;
        }
        match learned {
            Learned::Order { status, method, scopes, missing } => {
                self.learn_order(OrderFacts { at: now, status, method, scopes, missing });
            }
            Learned::Domain(domain, token) => self.learn_domain(*domain, token, now),
            Learned::Submitted(token) => self.learn_submitted(token, now),
            Learned::Value { value, expires } => self.learn_value(value, expires, now),
            Learned::Switched(method) => {
                if let Some(order) = &mut self.order {
                    order.method = Some(method.clone());
                }
                // Another method may have another value, and changing it may have made one.
                if let Some(domain) = &mut self.domain {
                    domain.method = Some(method);
                    domain.at = Timestamp::UNIX_EPOCH;
                }
                self.token = None;
                self.located.clear();
            }
            Learned::Located(located) => {
                self.located.extend(located);
                self.located_at = Some(now);
            }
            Learned::Published(artifacts) => self.learn_published(&artifacts, now),
            Learned::Looked(sightings) => {
                self.looked_at.extend(sightings.keys().map(|lookup| (lookup.clone(), now)));
                self.sightings.extend(sightings);
                self.looks = self.looks.saturating_add(1);
            }
            Learned::Caa(names) => self.caa = Some(CaaFacts { at: now, names }),
            Learned::Asked { validated, status, approved, said } => {
                self.learn_asked(validated, status, &approved, said, now);
            }
            Learned::Retracted(gone) => {
                self.held.retain(|held| !gone.contains(&held.artifact));
            }
            Learned::Failed { .. } => {}
        }
    }

    fn learn_order(&mut self, order: OrderFacts) {
        let OrderFacts { status, scopes, .. } = &order;
        let before = self.order.as_ref().map(|order| &order.status);
        // A reissue may be over before it was seen as such: proofs that are gone, or the status alone, tell of it too.
        let reissued = before.unwrap_or(status) != status && *status == OrderStatus::ReissuePending;
        let unproven = self.proven && scopes.iter().any(|scope| !scope.approved);
        let reopened = status.stage() == Stage::Work
            && (before.is_some_and(|before| before.stage() == Stage::Ended) || reissued || unproven);
        if reopened {
            // A reissue: whether the value survives it is not documented, so everything is asked for anew.
            self.proven = false;
            self.token = None;
            self.asked = None;
            self.located.clear();
            self.sightings.clear();
            self.caa = None;
        }
        if !scopes.is_empty() {
            self.proven = scopes.iter().all(|scope| scope.approved);
        }
        if self.is_another_method(order.method.as_ref()) {
            // A value that was asked for before the method was known is the order's all the same.
            if self.method().is_some() {
                self.token = None;
            }
            self.located.clear();
            self.sightings.clear();
        }
        self.order = Some(order);
    }

    /// Whether what was found out for the method that was known, or assumed, does not hold for this one.
    pub(crate) fn is_another_method(&self, told: Option<&Method>) -> bool {
        told.is_some_and(|told| told != self.method().unwrap_or(&Method::DnsTxt))
    }

    pub(crate) fn learn_value(
        &mut self,
        value: Result<RandomValue, ValueError>,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) {
        let value = value.map_err(|error| Unfit(error.to_string()));
        let before = self.token.take();
        let same = before.as_ref().is_some_and(|token| token.value == value);
        let stale = expires.is_some_and(|expires| expires <= now);
        let stale_answers = match (&before, stale) {
            (_, false) => 0,
            (Some(token), true) => token.stale_answers.saturating_add(1),
            (None, true) => 1,
        };
        if !same {
            self.asked = None;
            self.sightings.clear();
            self.looks = 0;
        }
        self.token = Some(Token { value, expires, requested: now, stale_answers });
    }

    fn learn_published(&mut self, artifacts: &[Artifact], now: Timestamp) {
        for artifact in artifacts {
            // What was replaced in the same change is gone.
            self.held.retain(|held| !held.artifact.excludes(artifact));
            self.hold(artifact, Some(now));
        }
        self.sightings.clear();
        self.looked_at.clear();
        self.looks = 0;
    }

    fn hold(&mut self, artifact: &Artifact, applied: Option<Timestamp>) {
        match self.held.iter_mut().find(|held| held.artifact == *artifact) {
            Some(held) => held.applied = applied.or(held.applied),
            None => self.held.push(Held { artifact: artifact.clone(), applied }),
        }
    }

    fn learn_asked(
        &mut self,
        validated: bool,
        status: Option<OrderStatus>,
        approved: &[DomainName],
        said: String,
        now: Timestamp,
    ) {
        let count = self.asked.as_ref().map_or(0, |asked| asked.count).saturating_add(1);
        self.asked = Some(Asked { at: now, count, said });
        self.proven |= validated || status == Some(OrderStatus::Issued);
        if self.proven {
            self.proven_at = Some(now);
        }
        if self.kind == Kind::Domain {
            return;
        }
        match &mut self.order {
            Some(order) => {
                order.at = now;
                if let Some(status) = status {
                    order.status = status;
                }
                for scope in &mut order.scopes {
                    // The answer lists names of the certificate; a scope covers the names at and below it.
                    scope.approved |= validated || approved.contains(&scope.name);
                }
            }
            None => {
                if let Some(status) = status {
                    let (scopes, missing) = (Vec::new(), Vec::new());
                    self.order = Some(OrderFacts { at: now, status, method: None, scopes, missing });
                }
            }
        }
    }
}
