//! The simulated world: discrete events, a seeded generator, no real time.
//!
//! The world is one file: its parts, orders, CA, DNS and chance, only make sense together.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use dcv_core::{
    Answer, Artifact, Caa, DomainName, Facts, Failure, FailureClass, Guarded, Held, Label, Learned, Location,
    Lookup, Method, MethodSpec, Methods, Next, OrderFacts, OrderStatus, Packed, Policy, RandomValue,
    RecordData, ScopeFacts, Sighting, Stage, Step, Target, Vantage, VantageKind, Verdict, decide, verdict,
};
use jiff::{SignedDuration, Timestamp};

pub(crate) const FOREIGN: &str = "somebody-elses-value";

/// What can go wrong in a world.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) orders: u64,
    /// Probability that a call or DNS step fails; half of the failures come after the effect.
    pub(crate) fail: f64,
    /// Probability, per step, that all facts but the state are lost.
    pub(crate) forget: f64,
    /// The agent's clock steps by up to this many seconds either way.
    pub(crate) clock_steps: i64,
    /// The longest, in seconds, that a zone's secondary stays broken at first.
    pub(crate) lag: i64,
    /// Orders are of all kinds, not only plain ones.
    pub(crate) mixed: bool,
    /// The CA answers every request with a value that has expired.
    pub(crate) stuck_values: bool,
}

impl Setting {
    pub(crate) fn calm() -> Self {
        Self {
            orders: 100,
            fail: 0.0,
            forget: 0.0,
            clock_steps: 0,
            lag: 20,
            mixed: false,
            stuck_values: false,
        }
    }

    pub(crate) fn storm() -> Self {
        Self {
            orders: 2000,
            fail: 0.5,
            forget: 0.01,
            clock_steps: 7200,
            lag: 40 * 86_400,
            mixed: true,
            stuck_values: false,
        }
    }
}

/// What becomes of an order apart from our work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    /// Stays pending for days after the domains are proven.
    Organisation,
    /// Cancelled by somebody after some hours.
    Cancelled,
    /// Reissued weeks after it was issued.
    Reissued,
}

pub(crate) struct SimOrder {
    pub(crate) kind: Kind,
    pub(crate) facts: Facts,
    pub(crate) dns: Dns,
    pub(crate) calls: u32,
    pub(crate) calls_until_proven: Option<u32>,
    pub(crate) requests: u32,
    pub(crate) values_given: u32,
    scopes: Vec<DomainName>,
    method: Method,
    status: OrderStatus,
    approved: bool,
    value: Option<(RandomValue, Timestamp)>,
    state: Vec<Held>,
    issued_at: Option<Timestamp>,
    proven_at: Option<Timestamp>,
    reissues: u32,
    last_request: Option<Timestamp>,
}

/// What stands at a primary, and at a secondary that lags behind it; web servers are like them.
#[derive(Default)]
pub(crate) struct Dns {
    /// Each with the time at which the primary got it.
    pub(crate) values: BTreeMap<Artifact, Timestamp>,
    lag: SignedDuration,
}

pub(crate) struct World {
    pub(crate) orders: Vec<SimOrder>,
    policy: Policy,
    setting: Setting,
    random: Random,
    skew: SignedDuration,
    call_times: Vec<Timestamp>,
}

/// 2026-11-23T00:00:00Z.
const START: Timestamp = Timestamp::constant(1795392000, 0);

impl World {
    pub(crate) fn new(setting: Setting) -> Self {
        let mut random = Random(0x5eed);
        let orders = (0..setting.orders).map(|id| SimOrder::new(id, &setting, &mut random)).collect();
        Self {
            orders,
            policy: Policy::default(),
            setting,
            random,
            skew: SignedDuration::ZERO,
            call_times: Vec::new(),
        }
    }

    /// Lives through a span of time, order by order as each wakes.
    pub(crate) fn run(&mut self, span: SignedDuration) {
        let mut queue: BinaryHeap<_> = (0..self.orders.len()).map(|n| Reverse((START, n))).collect();
        let mut events: u64 = 0;
        while let Some(Reverse((time, n))) = queue.pop() {
            if time > START + span {
                break;
            }
            events += 1;
            assert!(events < 100_000_000, "the world spins");
            if self.setting.clock_steps > 0 && self.random.chance(0.0001) {
                let step = self.random.below(2 * self.setting.clock_steps.unsigned_abs()).cast_signed()
                    - self.setting.clock_steps;
                self.skew = SignedDuration::from_secs(step);
            }
            if let Some(next) = self.step(n, time) {
                queue.push(Reverse((next, n)));
            }
        }
    }

    /// One pass of one order at a true time; returns when it wakes, or `None` once nothing more will happen to it.
    fn step(&mut self, n: usize, time: Timestamp) -> Option<Timestamp> {
        let now = time + self.skew;
        self.orders[n].live(time);
        if self.random.chance(self.setting.forget) {
            self.orders[n].forget();
        }
        let order = &self.orders[n];
        let decision = decide(&order.facts, &self.policy, now);
        assert_eq!(decision, decide(&order.facts, &self.policy, now), "the same facts gave two decisions");
        let step = match decision.next {
            Next::Do(step) => step,
            Next::RestUntil(wake) => {
                assert!(wake >= now, "a wake-up in the past: {wake}, {}", decision.because);
                let next = (wake - self.skew).max(time + SignedDuration::from_millis(10));
                order.rest_packed(&self.policy, wake, now);
                return (!order.at_rest_for_good()).then_some(next);
            }
        };
        self.watch(n, &step, now);
        let learned = self.execute(n, &step, time);
        let order = &mut self.orders[n];
        order.facts.learn(&step, learned, now);
        if order.facts.proven && order.calls_until_proven.is_none() {
            order.calls_until_proven = Some(order.calls);
        }
        // A step takes a while.
        Some(time + SignedDuration::from_millis(30))
    }

    /// The properties of every decision.
    fn watch(&mut self, n: usize, step: &Step, now: Timestamp) {
        let floor = self.policy.request_floor;
        let order = &mut self.orders[n];
        let facts = &order.facts;
        match step {
            Step::Publish { artifacts, replacing } => {
                let token = facts.token.as_ref().expect("a value is published that nobody gave");
                for artifact in artifacts {
                    let value = token.value.as_ref().unwrap();
                    let wanted = spec(&order.method).artifact(&artifact.target(), value).unwrap();
                    assert_eq!(*artifact, wanted, "another value is published than the CA gave last");
                }
                for old in replacing {
                    let ours = order.state.iter().any(|held| held.artifact == *old);
                    assert!(ours, "something gives way that the state lacks");
                }
                assert!(token.expires.is_none_or(|expires| expires > now), "an expired value is published");
                assert!(!artifacts.is_empty() && !facts.proven);
            }
            Step::AskCa => {
                let value = facts.token.as_ref().unwrap().value.as_ref().unwrap();
                for lookup in facts.lookups(&self.policy.methods) {
                    let artifact = spec(&order.method).artifact(&target(&lookup), value).unwrap();
                    let shown = |answer: &Answer| answer.proves(&artifact);
                    let seen = verdict(&facts.sightings[&lookup], shown, self.policy.verdict);
                    assert_eq!(seen, Verdict::Visible, "the CA is asked about a value that is not visible");
                }
            }
            Step::Retract(values) => {
                for artifact in values {
                    let ours = order.state.iter().any(|held| held.artifact == *artifact);
                    assert!(ours, "something is retracted that the state lacks");
                }
                assert!(!values.is_empty());
            }
            Step::RequestValue => {
                if let Some(last) =
                    order.last_request.filter(|_| self.setting.clock_steps == 0 && self.setting.forget == 0.0)
                {
                    assert!(now.duration_since(last) >= floor, "two requests within the floor");
                }
                order.last_request = Some(now);
                order.requests += 1;
            }
            Step::ReadOrder | Step::Locate(_) | Step::Look(_) | Step::ReadCaa(_) | Step::SwitchMethod(_) => {}
            Step::ReadDomain | Step::SubmitDomain | Step::NewDomainValue => {
                unreachable!("an order is no domain")
            }
        }
    }

    fn execute(&mut self, n: usize, step: &Step, time: Timestamp) -> Result<Learned, Failure> {
        let failing = self.random.chance(self.setting.fail);
        let after_effect = self.random.chance(0.5);
        let failed = |retry_after| Err(Failure { retry_after, ..Failure::new(FailureClass::Later, "fault") });
        let calls_ca = matches!(step, Step::ReadOrder | Step::RequestValue | Step::AskCa);
        if calls_ca && self.throttled(time) {
            return failed(Some(SignedDuration::from_secs(5)));
        }
        let order = &mut self.orders[n];
        order.calls += u32::from(calls_ca);
        if let Step::Publish { artifacts, .. } = step {
            order.intend(artifacts);
        }
        if failing && !after_effect {
            return failed(None);
        }
        let learned = order.effect(step, time, self.setting.stuck_values);
        if failing {
            return failed(None);
        }
        // The state is marked only after the provider's answer has come.
        order.confirm(step, time);
        learned
    }

    /// The CA's short window, here as an outside limit: 100 calls in 5 s.
    fn throttled(&mut self, time: Timestamp) -> bool {
        if self.setting.fail == 0.0 {
            return false;
        }
        self.call_times.retain(|&at| time.duration_since(at) < SignedDuration::from_secs(5));
        let over = self.call_times.len() >= 100;
        if !over {
            self.call_times.push(time);
        }
        over
    }

    /// What holds in the end.
    pub(crate) fn judge(&self) {
        for order in &self.orders {
            let who = format!(
                "order {} of kind {:?}, {}: {:?}",
                order.facts.seed, order.kind, order.status, order.facts.failure
            );
            match order.kind {
                Kind::Cancelled => assert!(order.status.stage() == Stage::Ended, "{who} goes on"),
                Kind::Plain | Kind::Organisation | Kind::Reissued => {
                    assert_eq!(order.status, OrderStatus::Issued, "{who}")
                }
            }
            assert!(order.dns.values.is_empty(), "{who}: values of ours outlive it");
            assert!(order.state.is_empty(), "{who}: the state was not tidied");
        }
    }
}

impl SimOrder {
    /// What the agent keeps of facts at rest is had back as it was.
    fn rest_packed(&self, policy: &Policy, until: Timestamp, now: Timestamp) {
        let mut lean = self.facts.clone();
        lean.keep_lean(policy, until, now);
        assert_eq!(*Packed::of(Box::new(lean.clone())).open(), lean, "facts were changed by a rest");
    }

    fn new(id: u64, setting: &Setting, random: &mut Random) -> Self {
        let scopes: Vec<DomainName> =
            (0..1 + random.below(3)).map(|n| format!("s{n}.o{id}.example").parse().unwrap()).collect();
        let configured = if random.chance(0.5) { scopes.clone() } else { Vec::new() };
        // An order whose method is not known yet is taken for one of TXT; that one is told first.
        let method = match random.below(10) {
            0..=2 if configured.is_empty() => Method::DnsCname,
            3..=5 if configured.is_empty() => Method::Http,
            _ => Method::DnsTxt,
        };
        let kind = match random.below(10) {
            0 if setting.mixed => Kind::Organisation,
            1 if setting.mixed => Kind::Cancelled,
            2 if setting.mixed => Kind::Reissued,
            _ => Kind::Plain,
        };
        // Most zones follow within seconds, some are broken for weeks.
        let lag = if random.chance(0.03) { setting.lag } else { setting.lag.min(20) };
        let lag = SignedDuration::from_secs(random.below(lag.unsigned_abs() + 1).cast_signed());
        Self {
            kind,
            facts: Facts { seed: id, configured, ..Facts::default() },
            dns: Dns { lag, ..Dns::default() },
            calls: 0,
            calls_until_proven: None,
            requests: 0,
            values_given: 0,
            scopes,
            method,
            status: OrderStatus::Pending,
            approved: false,
            value: None,
            state: Vec::new(),
            issued_at: None,
            proven_at: None,
            reissues: 0,
            last_request: None,
        }
    }

    /// What happens to the order without us.
    fn live(&mut self, time: Timestamp) {
        let age = |since: Timestamp, hours| time.duration_since(since) > SignedDuration::from_hours(hours);
        match self.kind {
            Kind::Cancelled if age(START, 5) && self.status == OrderStatus::Pending => {
                self.status = OrderStatus::Canceled
            }
            Kind::Organisation if self.proven_at.is_some_and(|at| age(at, 72)) => {
                self.status = OrderStatus::Issued
            }
            Kind::Reissued if self.reissues == 0 && self.issued_at.is_some_and(|at| age(at, 24 * 20)) => {
                self.reissues = 1;
                self.status = OrderStatus::ReissuePending;
                self.approved = false;
                self.value = None;
            }
            Kind::Plain | Kind::Organisation | Kind::Cancelled | Kind::Reissued => {}
        }
    }

    /// Nothing will change any more, neither here nor there; saves simulating the audits of years.
    fn at_rest_for_good(&self) -> bool {
        let over = self.status.stage() == Stage::Ended && (self.kind != Kind::Reissued || self.reissues > 0);
        over && self.state.is_empty() && self.facts.held.is_empty() && self.dns.values.is_empty()
    }

    /// A restart: only configuration and state are left.
    fn forget(&mut self) {
        let facts =
            Facts { seed: self.facts.seed, configured: self.facts.configured.clone(), ..Facts::default() };
        self.facts = Facts { held: self.state.clone(), ..facts };
        self.last_request = None;
    }

    fn intend(&mut self, artifacts: &[Artifact]) {
        for artifact in artifacts {
            if !self.state.iter().any(|held| held.artifact == *artifact) {
                self.state.push(Held { artifact: artifact.clone(), applied: None });
            }
        }
    }

    fn confirm(&mut self, step: &Step, time: Timestamp) {
        match step {
            Step::Publish { artifacts, .. } => {
                let gave_way =
                    |held: &Held| artifacts.iter().any(|artifact| artifact.excludes(&held.artifact));
                self.state.retain(|held| !gave_way(held));
                for held in self.state.iter_mut().filter(|held| artifacts.contains(&held.artifact)) {
                    held.applied = Some(time);
                }
            }
            Step::Retract(artifacts) => self.state.retain(|held| !artifacts.contains(&held.artifact)),
            _ => {}
        }
    }

    fn effect(&mut self, step: &Step, time: Timestamp, stuck: bool) -> Result<Learned, Failure> {
        Ok(match step {
            Step::ReadOrder => Learned::Order(OrderFacts {
                method: Some(self.method.clone()),
                scopes: self
                    .scopes
                    .iter()
                    .map(|name| ScopeFacts {
                        approved: self.approved,
                        ..ScopeFacts::open(name.clone(), Vec::new())
                    })
                    .collect(),
                ..OrderFacts::of_status(None, self.status.clone())
            }),
            Step::RequestValue if self.status.stage() == Stage::Ended => {
                return Err(Failure::new(FailureClass::Refused, "order is over"));
            }
            Step::RequestValue => {
                let life = SignedDuration::from_hours(if stuck { -1 } else { 30 * 24 });
                if self.value.as_ref().is_none_or(|(_, expires)| *expires <= time && !stuck) {
                    self.values_given += 1;
                    let text = format!("value{}x{}", self.facts.seed, self.values_given);
                    self.value = Some((RandomValue::new(text).unwrap(), time + life));
                }
                let (value, expires) = self.value.clone().unwrap();
                Learned::Value((Ok(value), Some(expires)))
            }
            Step::Locate(lookups) => Learned::Located(
                lookups.iter().map(|lookup| (lookup.clone(), Location::At(target(lookup)))).collect(),
            ),
            Step::Publish { artifacts, replacing } => {
                self.dns.values.retain(|artifact, _| !replacing.contains(artifact));
                for artifact in artifacts {
                    let beside = self.dns.values.keys().find(|beside| beside.excludes(artifact));
                    assert_eq!(beside, None, "{artifact} cannot stand beside it");
                    self.dns.values.entry(artifact.clone()).or_insert(time);
                }
                Learned::Done
            }
            Step::Look(wanted) => {
                let lookups = wanted.iter().map(|wanted| &wanted.lookup);
                let seen = lookups.map(|lookup| (lookup.clone(), self.dns.look(&target(lookup), time)));
                Learned::Looked(seen.collect())
            }
            Step::SwitchMethod(_) => Learned::Done,
            Step::ReadCaa(names) => {
                Learned::Caa(names.iter().map(|name| (name.clone(), Caa::Open)).collect())
            }
            Step::AskCa => self.check(time),
            Step::Retract(values) => {
                self.dns.values.retain(|artifact, _| !values.contains(artifact));
                Learned::Done
            }
            Step::ReadDomain | Step::SubmitDomain | Step::NewDomainValue => {
                unreachable!("an order is no domain")
            }
        })
    }

    fn check(&mut self, time: Timestamp) -> Learned {
        let good = self.value.clone().filter(|(_, expires)| *expires > time);
        let found = |value: &RandomValue| {
            let (methods, proof) = (Methods::default(), spec(&self.method));
            let lookups = self.scopes.iter().flat_map(|scope| methods.lookups(&proof, scope, &[]));
            lookups.map(|lookup| target(&lookup)).all(|target| {
                let artifact = proof.artifact(&target, value).unwrap();
                self.dns.look(&target, time).iter().all(|sighting| sighting.answer.proves(&artifact))
            })
        };
        if self.status.stage() == Stage::Work && good.is_some_and(|(value, _)| found(&value)) {
            self.approved = true;
            self.proven_at.get_or_insert(time);
            if self.kind != Kind::Organisation {
                self.status = OrderStatus::Issued;
                self.issued_at.get_or_insert(time);
            }
        }
        Learned::Checked {
            complete: Some(self.approved),
            status: Some(self.status.clone()),
            approved: Vec::new(),
            said: "not found".into(),
        }
    }
}

impl Dns {
    fn look(&self, at: &Target, time: Timestamp) -> Vec<Sighting> {
        let shown = |lag: SignedDuration| {
            let caught_up = START + lag <= time;
            let ours = || self.values.keys().filter(|artifact| artifact.target() == *at && caught_up);
            let alone = ours().find_map(|artifact| match artifact {
                Artifact::Record { data: RecordData::Cname(target), .. } => {
                    Some(Answer::Cname(target.clone()))
                }
                Artifact::File { value, .. } => Some(Answer::File(value.as_str().to_owned())),
                Artifact::Record { .. } => None,
            });
            let texts = ours().filter_map(|artifact| match artifact {
                Artifact::Record { data: RecordData::Txt(value), .. } => Some(value.as_str().to_owned()),
                _ => None,
            });
            alone.unwrap_or_else(|| Answer::Txt(texts.chain([FOREIGN.to_owned()]).collect()))
        };
        [(53, SignedDuration::ZERO), (54, self.lag)]
            .map(|(port, lag)| {
                let vantage = Vantage {
                    server: format!("ns{port}"),
                    address: Some(([192, 0, 2, 1], port).into()),
                    kind: VantageKind::Authority,
                };
                Sighting::new(vantage, time, shown(lag))
            })
            .into()
    }
}

fn spec(method: &Method) -> MethodSpec {
    Methods::default().spec(method).unwrap().clone()
}

fn target(lookup: &Lookup) -> Target {
    match lookup.label {
        Label::File => Target::File(lookup.domain.clone()),
        _ => Target::Record(Guarded::direct(lookup, "example".parse().unwrap()).unwrap()),
    }
}

/// SplitMix64: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn chance(&mut self, probability: f64) -> bool {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64 <= probability && probability > 0.0
    }
}
