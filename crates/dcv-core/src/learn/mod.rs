//! How what a step found out adds to what is known.

mod domain;
mod order;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    Answer, Artifact, Asked, Caa, CaaFacts, CertName, DomainFacts, DomainName, Drift, Facts, FailedStep,
    Failure, FailureClass, GivenValue, Held, Kind, Location, Look, Lookup, Match, Method, OrderFacts,
    OrderStatus, Sighting, Stands, Step, Target, Token, Unfit, ValueError,
};

/// What a step that went well found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learned {
    /// That it was done, which is all there is to tell.
    Done,
    /// What the CA says about the order, as of now whatever time it bears.
    Order(OrderFacts),
    /// What the CA says about the domain, and the value that it has at present.
    Domain(Box<DomainFacts>, Option<GivenValue>),
    /// The value that came along with the submission of a domain, if one did.
    Submitted(Option<GivenValue>),
    /// The random value.
    Value(GivenValue),
    /// Where lookups lead.
    Located(BTreeMap<Lookup, Location>),
    /// Who shows what.
    Looked(BTreeMap<Lookup, Vec<Sighting>>),
    /// What CAA records say.
    Caa(Vec<(CertName, Caa)>),
    /// What came of a check.
    Checked {
        /// The CA's word on the whole: whether control is proven. None where it gave no such word; then every open
        /// scope has to be among the approved names.
        complete: Option<bool>,
        /// The order's status, where the answer had one.
        status: Option<OrderStatus>,
        /// Names that the answer calls approved. The list may be a part of all.
        approved: Vec<DomainName>,
        /// The CA's words.
        said: String,
    },
}

impl Facts {
    /// Adds what came of `step` at `now`.
    pub fn learn(&mut self, step: &Step, outcome: Result<Learned, Failure>, now: Timestamp) {
        match outcome {
            Ok(learned) => self.learn_success(step, learned, now),
            Err(failure) => self.learn_failure(step, failure, now),
        }
    }

    fn learn_failure(&mut self, step: &Step, failure: Failure, now: Timestamp) {
        // The intent is in the state and the write may have had its effect: the value may be in DNS.
        if let Step::Publish { artifacts, .. } = step {
            for artifact in artifacts {
                self.hold(artifact, None);
            }
            // What stands there may have changed since it was looked at.
            if failure.class == FailureClass::Blocked {
                let targets: Vec<Target> = artifacts.iter().map(Artifact::target).collect();
                self.located.retain(|_, at| !matches!(at, Location::At(target) if targets.contains(target)));
            }
        }
        let before = self.failure.take().filter(|before| before.step == step.kind());
        let Failure { class, detail, retry_after } = failure;
        let alike = before.as_ref().filter(|before| before.class == class);
        self.failure = Some(Box::new(FailedStep {
            step: step.kind(),
            class,
            at: now,
            since: alike.map_or(now, |before| before.since),
            count: before.map_or(0, |before| before.count).saturating_add(1),
            detail,
            retry_after,
            read_since: false,
        }));
    }

    fn learn_success(&mut self, step: &Step, learned: Learned, now: Timestamp) {
        if self.failure.as_ref().is_some_and(|failure| failure.step == step.kind()) {
            self.failure = None;
        }
        // A flag, not the times of the two: clocks step back.
        if let (Learned::Order(_) | Learned::Domain(..), Some(failure)) = (&learned, &mut self.failure) {
            failure.read_since = true;
        }
        match learned {
            Learned::Done => self.learn_done(step, now),
            Learned::Order(order) => self.learn_order(OrderFacts { at: Some(now), ..order }),
            Learned::Domain(domain, value) => self.learn_domain(*domain, value, now),
            Learned::Submitted(value) => self.learn_submitted(value, now),
            Learned::Value(value) => self.learn_value(value, now),
            Learned::Located(located) => {
                self.located.extend(located);
                self.located_at = Some(now);
            }
            Learned::Looked(sightings) => {
                self.learn_looked(step, sightings, now);
            }
            Learned::Caa(names) => self.caa = Some(CaaFacts { at: now, names }),
            Learned::Checked { complete, status, approved, said } => {
                self.learn_checked(complete, status, &approved, said, now);
            }
        }
    }

    /// The steps whose success tells nothing but that they were done.
    fn learn_done(&mut self, step: &Step, now: Timestamp) {
        match step {
            Step::Publish { artifacts, .. } => self.learn_published(artifacts, now),
            Step::Retract(gone) => self.held.retain(|held| !gone.contains(&held.artifact)),
            Step::SwitchMethod(method) => self.learn_switched(method),
            Step::ReadOrder
            | Step::RequestValue
            | Step::ReadDomain
            | Step::SubmitDomain
            | Step::NewDomainValue
            | Step::Locate(_)
            | Step::Look(_)
            | Step::ReadCaa(_)
            | Step::AskCa => {}
        }
    }

    fn learn_looked(&mut self, step: &Step, sightings: BTreeMap<Lookup, Vec<Sighting>>, now: Timestamp) {
        let wanted = if let Step::Look(wanted) = step { wanted.as_slice() } else { &[] };
        for (lookup, seen) in &sightings {
            let before = self.looked_at.get(lookup).map(|look| look.stands).unwrap_or_default();
            // What somebody else has put there is theirs to take away.
            let is_ours = |artifact: &Artifact| {
                self.held.iter().any(|held| held.artifact == *artifact && held.applied.is_some())
            };
            let wanted = wanted.iter().find(|wanted| wanted.lookup == *lookup && is_ours(&wanted.artifact));
            let stands = wanted.map_or(before, |wanted| stands(before, seen, &wanted.artifact));
            if (before, stands) == (Stands::Everywhere, Stands::Gone) {
                let drift = Drift::once_more(self.drift.take().map(|drift| *drift), lookup.clone(), now);
                self.drift = Some(Box::new(drift));
            }
            self.looked_at.insert(lookup.clone(), Look { stands, ..Look::at(now) });
        }
        self.sightings.extend(sightings);
        self.looks = self.looks.saturating_add(1);
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

    fn learn_switched(&mut self, method: &Method) {
        if let Some(order) = &mut self.order {
            order.method = Some(method.clone());
            for scope in &mut order.scopes {
                scope.method = None;
            }
        }
        if let Some(domain) = &mut self.domain {
            domain.method = Some(method.clone());
            domain.at = None;
        }
        // Another method may have another value, and changing it may have made one.
        self.token = None;
        self.located.clear();
    }

    fn learn_value(&mut self, (value, expires): GivenValue, now: Timestamp) {
        let value = value.map_err(|error: ValueError| Unfit(error.to_string()));
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
            self.forget_sightings();
            self.looks = 0;
        }
        self.token = Some(Token { value, expires, requested: now, stale_answers });
    }

    fn learn_checked(
        &mut self,
        complete: Option<bool>,
        status: Option<OrderStatus>,
        approved: &[DomainName],
        said: String,
        now: Timestamp,
    ) {
        let count = self.asked.as_ref().map_or(0, |asked| asked.count).saturating_add(1);
        self.asked = Some(Asked { at: now, count, said });
        self.proven |= self.is_proven_by(complete, status.as_ref(), approved);
        if self.proven {
            self.proven_at = Some(now);
        }
        if self.kind == Kind::Order {
            self.learn_order_checked(complete, status, approved, now);
        }
    }

    /// Whether a check with this answer proves control ([`Learned::Checked`]).
    #[must_use]
    pub fn is_proven_by(
        &self,
        complete: Option<bool>,
        status: Option<&OrderStatus>,
        approved: &[DomainName],
    ) -> bool {
        match self.kind {
            Kind::Order => self.check_proves_order(complete, status, approved),
            Kind::Domain => complete == Some(true),
        }
    }

    fn hold(&mut self, artifact: &Artifact, applied: Option<Timestamp>) {
        match self.held.iter_mut().find(|held| held.artifact == *artifact) {
            Some(held) => held.applied = applied.or(held.applied),
            None => self.held.push(Held { artifact: artifact.clone(), applied }),
        }
    }
}

/// What a look tells of something that was published, after what earlier ones told. One server that shows it, or none that
/// answers, says nothing new.
fn stands(before: Stands, seen: &[Sighting], artifact: &Artifact) -> Stands {
    let answers =
        || seen.iter().map(|sighting| &sighting.answer).filter(|answer| !matches!(answer, Answer::Failed(_)));
    let all = |wanted: Match| {
        answers().next().is_some() && answers().all(|answer| answer.judge(artifact) == wanted)
    };
    match before {
        _ if all(Match::Shown) => Stands::Everywhere,
        Stands::Everywhere if all(Match::Absent) => Stands::Gone,
        Stands::Unseen | Stands::Everywhere | Stands::Gone => before,
    }
}
