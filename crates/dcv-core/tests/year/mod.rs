//! Domains that live through months: a CA with outages and a rate limit, and DNS that follows within a minute.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use dcv_core::{
    Answer, Artifact, Caa, DomainFacts, Facts, Failure, FailureClass, Guarded, Kind, Learned, Location,
    Method, Next, Policy, RandomValue, Sighting, Step, Target, Vantage, VantageKind, decide,
};
use jiff::{SignedDuration, Timestamp};

/// 2029-03-15T00:00:00Z, when reuse falls to ten days.
const START: Timestamp = Timestamp::constant(1_868_227_200, 0);
const VALUE_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The CA's long window; the stricter reading.
const WINDOW: (usize, SignedDuration) = (1000, SignedDuration::from_secs(300));
/// How long a name server lags. Short, since what is tried here is the CA's side: a slow one costs looks, not calls.
const LAG: SignedDuration = SignedDuration::from_millis(100);

/// A domain as the CA has it.
struct Domain {
    facts: Facts,
    pending: bool,
    approved: Timestamp,
    valid_until: Timestamp,
    value: Option<(RandomValue, Timestamp)>,
    values_made: u32,
    published: Option<(Artifact, Timestamp)>,
}

pub(crate) struct Year {
    domains: Vec<Domain>,
    policy: Policy,
    reuse: SignedDuration,
    /// Hours at the beginning of each month of thirty days in which no call is answered.
    outage: SignedDuration,
    sent: VecDeque<Timestamp>,
    pub(crate) calls: u64,
    /// Moments at which a domain had no valid proof.
    pub(crate) lapses: u64,
    /// Values made anew although the former one was good.
    pub(crate) forced_values: u64,
    /// The shortest time that a proof had left when it was renewed.
    pub(crate) least_slack: SignedDuration,
    pub(crate) most_waiting: usize,
}

impl Year {
    /// So many domains whose proofs began within the last days, each usable for `reuse` days.
    pub(crate) fn new(domains: u64, reuse: i64, outage_hours: i64) -> Self {
        let reuse = SignedDuration::from_hours(24 * reuse);
        let spread = reuse / 2;
        let domain = |number: u64| {
            let part = i32::try_from(number % 997).unwrap();
            let approved = START - spread / 997 * part;
            let facts = Facts { seed: number, kind: Kind::Domain, discovered: true, ..Facts::default() };
            Domain {
                facts,
                pending: false,
                approved,
                valid_until: approved + reuse,
                value: None,
                values_made: 0,
                published: None,
            }
        };
        Self {
            domains: (0..domains).map(domain).collect(),
            policy: Policy::default(),
            reuse,
            outage: SignedDuration::from_hours(outage_hours),
            sent: VecDeque::new(),
            calls: 0,
            lapses: 0,
            forced_values: 0,
            least_slack: SignedDuration::MAX,
            most_waiting: 0,
        }
    }

    pub(crate) fn live(&mut self, days: i64) {
        let end = START + SignedDuration::from_hours(24 * days);
        let mut queue: BinaryHeap<_> = (0..self.domains.len()).map(|n| Reverse((START, n))).collect();
        while let Some(Reverse((now, n))) = queue.pop() {
            if now > end {
                break;
            }
            if self.domains[n].valid_until <= now {
                self.lapses += 1;
            }
            queue.push(Reverse((self.step(n, now), n)));
        }
    }

    /// One pass; returns when the domain wakes.
    fn step(&mut self, n: usize, now: Timestamp) -> Timestamp {
        let decision = decide(&self.domains[n].facts, &self.policy, now);
        let step = match decision.next {
            Next::Do(step) => step,
            Next::RestUntil(wake) => {
                assert!(wake >= now);
                return wake.max(now + SignedDuration::from_millis(10));
            }
        };
        let learned = if is_call(&step) {
            if let Some(turn) = self.wait_for_turn(now) {
                return turn;
            }
            match self.away(now) {
                true => Err(Failure::new(FailureClass::Later, "the CA is away")),
                false => Ok(self.call(n, &step, now)),
            }
        } else {
            Ok(self.domains[n].act(&step, now))
        };
        let domain = &mut self.domains[n];
        domain.facts.learn(&step, learned, now);
        now + SignedDuration::from_millis(200)
    }

    /// The governor: `None` when the call may go out now, else when to try again.
    fn wait_for_turn(&mut self, now: Timestamp) -> Option<Timestamp> {
        let (calls, per) = WINDOW;
        while self.sent.front().is_some_and(|&at| now.duration_since(at) >= per) {
            self.sent.pop_front();
        }
        if self.sent.len() >= calls {
            let excess = self.sent.len() + 1 - calls;
            self.most_waiting = self.most_waiting.max(excess);
            return self.sent.front().map(|&first| first + per);
        }
        self.sent.push_back(now);
        self.most_waiting = self.most_waiting.max(self.sent.len().saturating_sub(calls));
        self.calls += 1;
        None
    }

    fn away(&self, now: Timestamp) -> bool {
        let month = SignedDuration::from_hours(24 * 30).as_secs();
        // Not at the very beginning: the first month begins with ten days of calm.
        let into = (now.duration_since(START).as_secs() + month - 10 * 86_400) % month;
        into < self.outage.as_secs()
    }

    fn call(&mut self, n: usize, step: &Step, now: Timestamp) -> Learned {
        let reuse = self.reuse;
        let domain = &mut self.domains[n];
        match step {
            Step::ReadDomain => Learned::Domain(Box::new(domain.told(n, now)), domain.token()),
            Step::SubmitDomain => {
                domain.pending = true;
                if domain.value.as_ref().is_none_or(|(_, expires)| *expires <= now) {
                    domain.make_value(n, now);
                }
                Learned::Submitted(domain.token())
            }
            Step::NewDomainValue => {
                self.forced_values += u64::from(domain.value.as_ref().is_some_and(|(_, end)| *end > now));
                domain.make_value(n, now);
                Learned::Value(domain.token().unwrap())
            }
            Step::AskCa => {
                let shown = domain.published.as_ref().is_some_and(|(artifact, at)| {
                    let good = domain.value.as_ref().filter(|(_, expires)| *expires > now);
                    good.is_some_and(|(value, _)| artifact_of(n, value) == *artifact) && *at + LAG <= now
                });
                if shown && domain.pending {
                    self.least_slack = self.least_slack.min(domain.valid_until.duration_since(now));
                    domain.pending = false;
                    domain.approved = now;
                    domain.valid_until = now + reuse;
                    domain.value = None;
                }
                let said = "not found".into();
                Learned::Checked { complete: Some(shown), status: None, approved: Vec::new(), said }
            }
            _ => unreachable!("{} is no call", step.kind().label()),
        }
    }
}

impl Domain {
    fn told(&self, n: usize, now: Timestamp) -> DomainFacts {
        DomainFacts {
            at: Some(now),
            name: name(n),
            active: true,
            pending: self.pending,
            method: Some(Method::DnsTxt),
            kinds: vec!["ov".into()],
            approved: Some(self.approved),
            valid_until: Some(self.valid_until),
            seen: now,
        }
    }

    fn token(&self) -> Option<dcv_core::GivenValue> {
        self.value.clone().map(|(value, expires)| (Ok(value), Some(expires)))
    }

    fn make_value(&mut self, n: usize, now: Timestamp) {
        self.values_made += 1;
        let value = RandomValue::new(format!("d{n}v{}", self.values_made)).unwrap();
        self.value = Some((value, now + VALUE_LIFE));
    }

    fn act(&mut self, step: &Step, now: Timestamp) -> Learned {
        match step {
            Step::Locate(lookups) => Learned::Located(
                lookups.iter().map(|lookup| (lookup.clone(), Location::At(target(lookup)))).collect(),
            ),
            Step::Publish { artifacts, .. } => {
                self.published = artifacts.first().map(|artifact| (artifact.clone(), now));
                Learned::Done
            }
            Step::Look(wanted) => {
                let shown = self.published.as_ref().filter(|(_, at)| *at + LAG <= now);
                let texts = shown.map(|(artifact, _)| match artifact {
                    Artifact::Record { data: dcv_core::RecordData::Txt(value), .. } => {
                        value.as_str().to_owned()
                    }
                    _ => String::new(),
                });
                let vantage = Vantage {
                    server: "ns".into(),
                    address: Some(([192, 0, 2, 1], 53).into()),
                    kind: VantageKind::Authority,
                };
                let answer = Answer::Txt(texts.into_iter().collect());
                let sighting = Sighting::new(vantage, now, answer);
                let seen = wanted.iter().map(|wanted| (wanted.lookup.clone(), vec![sighting.clone()]));
                Learned::Looked(seen.collect())
            }
            Step::ReadCaa(names) => {
                Learned::Caa(names.iter().map(|name| (name.clone(), Caa::Open)).collect())
            }
            Step::Retract(_) => {
                self.published = None;
                Learned::Done
            }
            _ => unreachable!("{} is not expected of a domain", step.kind().label()),
        }
    }
}

fn is_call(step: &Step) -> bool {
    matches!(step, Step::ReadDomain | Step::SubmitDomain | Step::NewDomainValue | Step::AskCa)
}

fn name(n: usize) -> dcv_core::DomainName {
    format!("d{n}.example").parse().unwrap()
}

fn target(lookup: &dcv_core::Lookup) -> Target {
    Target::Record(Guarded::direct(lookup, "example".parse().unwrap()).unwrap())
}

fn artifact_of(n: usize, value: &RandomValue) -> Artifact {
    let site = Guarded::direct(&dcv_core::Lookup::dnsauth(name(n)), "example".parse().unwrap()).unwrap();
    Artifact::Record { site, data: dcv_core::RecordData::Txt(value.clone()) }
}
