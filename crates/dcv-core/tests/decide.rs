//! The rules of `decide`, each in one line of a table: facts, then the step and the reason they lead to.
//!
//! The file is long as the tables are: a rule is best read beside those that are tried before it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use dcv_core::{
    Answer, Artifact, Asked, Because, Caa, CaaFacts, CertName, DNSAUTH, Decision, DomainName, Facts, Failure,
    FailureClass, Form, Guarded, Held, Label, Learned, Life, Location, Look, Lookup, Method, MethodSpec,
    Methods, Next, NoAnswer, OrderFacts, OrderStatus, Outcome, Owner, Packed, Policy, RandomValue, Reason,
    RecordData, ScopeFacts, Security, Sighting, Site, Step, Target, Token, Unfit, Vantage, VantageKind,
    Wanted, decide,
};
use jiff::{SignedDuration, Timestamp};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const VALUE: &str = "q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls";

fn scope() -> DomainName {
    "example.com".parse().unwrap()
}

fn lookup() -> Lookup {
    Lookup { domain: scope(), label: Label::Under(DNSAUTH.into()) }
}

fn site() -> Site {
    Guarded::direct(&lookup(), scope()).unwrap()
}

fn target() -> Target {
    Target::Record(site())
}

fn artifact(data: RecordData) -> Artifact {
    Artifact::Record { site: site(), data }
}

fn held(data: RecordData, applied: Option<Timestamp>) -> Held {
    Held { artifact: artifact(data), applied }
}

fn data(text: &str) -> RecordData {
    RecordData::Txt(value(text))
}

fn value(text: &str) -> RandomValue {
    RandomValue::new(text).unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    NOW - SignedDuration::from_secs(seconds)
}

fn days(days: i64) -> Timestamp {
    NOW + SignedDuration::from_hours(24 * days)
}

/// Facts by small named steps, each upon the one before.
fn unknown() -> Facts {
    Facts::for_scopes([scope()])
}

fn with_order(facts: Facts, status: OrderStatus, method: Method) -> Facts {
    let scopes = vec![ScopeFacts::open(scope(), Vec::new())];
    Facts {
        order: Some(Box::new(OrderFacts {
            at: Some(ago(60)),
            method: Some(method),
            scopes,
            ..OrderFacts::of_status(None, status)
        })),
        ..facts
    }
}

fn with_value(expires: Option<Timestamp>) -> Facts {
    Facts {
        token: Some(Token { value: Ok(value(VALUE)), expires, requested: ago(60), stale_answers: 0 }),
        ..unknown()
    }
}

fn located() -> Facts {
    Facts {
        located: [(lookup(), Location::At(target()))].into_iter().collect(),
        located_at: Some(ago(50)),
        ..with_value(Some(days(30)))
    }
}

fn published() -> Facts {
    Facts { held: vec![held(data(VALUE), Some(ago(40)))], ..located() }
}

fn seen(shown: &[&str], at: Timestamp) -> Facts {
    let vantage = Vantage {
        server: "ns1".into(),
        address: Some(([192, 0, 2, 1], 53).into()),
        kind: VantageKind::Authority,
    };
    let answer = Answer::Txt(shown.iter().map(|&text| text.to_owned()).collect());
    let sightings: BTreeMap<_, _> = [(lookup(), vec![Sighting::new(vantage, at, answer)])].into();
    let caa = Some(CaaFacts { at: ago(10), names: Vec::new() });
    Facts {
        sightings,
        looked_at: [(lookup(), Look::at(at))].into_iter().collect(),
        looks: 3,
        caa,
        ..published()
    }
}

/// Seen with the value, but with signatures that do not hold.
fn bogus(looks: u32) -> Facts {
    let mut facts = Facts { looks, ..seen(&[VALUE], NOW) };
    for sighting in facts.sightings.values_mut().flatten() {
        sighting.security = Security::Bogus("the signature expired".into());
    }
    facts
}

fn forbidding() -> Option<CaaFacts> {
    let name = CertName { name: scope(), wildcard: false };
    let caa = Caa::Forbidden { at: scope(), why: "its issue properties name only another".into() };
    Some(CaaFacts { at: ago(10), names: vec![(name, caa)] })
}

fn failed(step: Step, class: FailureClass, seconds_ago: i64) -> Facts {
    let mut facts = published();
    facts.learn(&step, Err(Failure::new(class, "no")), ago(seconds_ago));
    facts
}

/// What these facts want to be found at a lookup.
fn wanted(lookup: Lookup, facts: &Facts) -> Wanted {
    let Location::At(target) = &facts.located[&lookup] else { panic!("{lookup} leads nowhere") };
    let artifact = facts.held.iter().map(|held| &held.artifact).find(|held| held.target() == *target);
    Wanted { artifact: artifact.unwrap().clone(), lookup }
}

/// The step that was decided.
fn step(decision: &Decision) -> &Step {
    match &decision.next {
        Next::Do(step) => step,
        Next::RestUntil(time) => panic!("it rests until {time}: {}", decision.because),
    }
}

fn read(status: OrderStatus, method: Method, scopes: Vec<ScopeFacts>) -> Result<Learned, Failure> {
    Ok(Learned::Order(OrderFacts { method: Some(method), scopes, ..OrderFacts::of_status(None, status) }))
}

/// The value is visible, DigiCert was asked for a check, and where it looks was read since.
fn asked(asked: Asked, facts: Facts) -> Facts {
    let scopes = facts.configured.iter().map(|name| ScopeFacts::open(name.clone(), Vec::new())).collect();
    let order = OrderFacts { scopes, ..OrderFacts::of_status(Some(NOW), OrderStatus::Pending) };
    Facts { asked: Some(asked), order: Some(Box::new(order)), ..facts }
}

#[test]
fn the_rules() {
    use Reason as R;
    let both = vec![held(data("old"), Some(ago(9000))), held(data(VALUE), Some(ago(40)))];
    let refusal = Asked { at: ago(1), count: 1, said: "not found".into() };
    let asked_now = |facts| asked(refusal.clone(), facts);
    let blocked = Location::Blocked(Because::new(R::ForeignCname, "somebody's"));
    let unfit = Token { value: Err(Unfit("bad".into())), expires: None, requested: ago(5), stale_answers: 0 };
    let old_caa = Some(CaaFacts { at: ago(2 * 3600), names: Vec::new() });
    let work = OrderStatus::Pending;
    let txt = Method::DnsTxt;
    let table: Vec<(&str, Facts, &str, Reason)> = vec![
        ("nothing known, no scopes", Facts::default(), "read-order", R::OrderUnread),
        ("scopes configured", unknown(), "locate", R::SiteUnknown),
        (
            "scopes configured and located",
            Facts { token: None, ..located() },
            "request-value",
            R::ValueMissing,
        ),
        ("another method", with_order(unknown(), work.clone(), "email".into()), "rest", R::MethodUnsupported),
        (
            "needs approval",
            with_order(published(), OrderStatus::NeedsApproval, txt.clone()),
            "rest",
            R::WaitingForApproval,
        ),
        ("unknown status", with_order(published(), "odd".into(), txt.clone()), "rest", R::StatusUnknown),
        (
            "issued, still held",
            with_order(published(), OrderStatus::Issued, txt.clone()),
            "retract",
            R::TidyUp,
        ),
        ("issued", with_order(unknown(), OrderStatus::Issued, txt.clone()), "rest", R::Validated),
        ("canceled", with_order(unknown(), OrderStatus::Canceled, txt.clone()), "rest", R::OrderClosed),
        ("canceled, still held", with_order(published(), OrderStatus::Canceled, txt), "retract", R::TidyUp),
        ("out of the configuration", Facts { retired: true, ..published() }, "retract", R::TidyUp),
        (
            "proven, OV",
            Facts { proven: true, ..with_order(unknown(), work, Method::DnsTxt) },
            "rest",
            R::WaitingForDigicert,
        ),
        ("unfit value", Facts { token: Some(unfit), ..located() }, "rest", R::ValueUnfit),
        ("value, no site", with_value(Some(days(30))), "locate", R::SiteUnknown),
        ("value without a date", with_value(None), "locate", R::SiteUnknown),
        ("value until 9999", with_value(Some(Timestamp::MAX)), "locate", R::SiteUnknown),
        (
            "value long expired",
            Facts { token: with_value(Some(ago(3600))).token, ..located() },
            "request-value",
            R::ValueExpired,
        ),
        (
            "inside the margin since before it",
            Facts {
                token: Some(Token { requested: ago(86_400 * 2), ..with_value(Some(days(2))).token.unwrap() }),
                ..located()
            },
            "request-value",
            R::ValueExpiring,
        ),
        ("inside the margin, confirmed", with_value(Some(days(2))), "locate", R::SiteUnknown),
        (
            "foreign alias",
            Facts { located: [(lookup(), blocked)].into_iter().collect(), ..located() },
            "rest",
            R::ForeignCname,
        ),
        (
            "foreign alias of an order that was found",
            Facts {
                discovered: true,
                located: [(lookup(), Location::Blocked(Because::new(R::ForeignCname, "somebody's")))]
                    .into_iter()
                    .collect(),
                ..located()
            },
            "rest",
            R::NotTakenUp,
        ),
        (
            "another method of an order that was found",
            Facts { discovered: true, ..with_order(unknown(), OrderStatus::Pending, "email".into()) },
            "rest",
            R::NotTakenUp,
        ),
        (
            "by e-mail, and it may be changed",
            Facts {
                switch_to: Some(Method::DnsTxt),
                ..with_order(unknown(), OrderStatus::Pending, "email".into())
            },
            "switch-method",
            R::MethodSwitch,
        ),
        (
            "by file, which is never changed",
            Facts {
                switch_to: Some(Method::DnsTxt),
                ..with_order(unknown(), OrderStatus::Pending, "http-token".into())
            },
            "locate",
            R::SiteUnknown,
        ),
        ("site known", located(), "publish", R::Unpublished),
        (
            "only intended",
            Facts { held: vec![Held { applied: None, ..published().held.remove(0) }], ..located() },
            "publish",
            R::Unpublished,
        ),
        ("published", published(), "look", R::Propagating),
        ("lagging", seen(&["other"], NOW), "rest", R::Propagating),
        ("visible", seen(&["other", VALUE], ago(1)), "ask-ca", R::Visible),
        ("visible, CAA unread", Facts { caa: None, ..seen(&[VALUE], ago(1)) }, "read-caa", R::Visible),
        (
            "visible, CAA read long ago",
            Facts { caa: old_caa, ..seen(&[VALUE], ago(1)) },
            "read-caa",
            R::Visible,
        ),
        (
            "CAA forbids, DigiCert is asked all the same",
            Facts { caa: forbidding(), ..seen(&[VALUE], ago(1)) },
            "ask-ca",
            R::Visible,
        ),
        (
            "CAA forbids, asked just now",
            asked_now(Facts { caa: forbidding(), ..seen(&[VALUE], ago(1)) }),
            "rest",
            R::CaaForbids,
        ),
        (
            "proven, OV, CAA forbids",
            Facts {
                proven: true,
                caa: forbidding(),
                ..with_order(unknown(), OrderStatus::Pending, Method::DnsTxt)
            },
            "rest",
            R::CaaForbids,
        ),
        ("bogus at the first look", bogus(1), "rest", R::Propagating),
        ("bogus again and again", bogus(Policy::default().bogus_looks), "rest", R::DnssecBogus),
        ("visible a while ago", seen(&[VALUE], ago(60)), "look", R::Visible),
        ("asked just now", asked_now(seen(&[VALUE], ago(1))), "rest", R::WaitingForCa),
        (
            "asked just now, and where DigiCert looks was never read",
            Facts { asked: Some(refusal.clone()), ..seen(&[VALUE], ago(1)) },
            "read-order",
            R::AuditDue,
        ),
        (
            "replaced, new one not checked",
            Facts { held: both.clone(), ..seen(&[VALUE], ago(1)) },
            "ask-ca",
            R::Visible,
        ),
        (
            "replaced and checked",
            asked_now(Facts { held: both, ..seen(&[VALUE], ago(1)) }),
            "retract",
            R::Superseded,
        ),
        ("failed just now", failed(Step::AskCa, FailureClass::Later, 0), "rest", R::BackingOff),
        ("failed a while ago", failed(Step::AskCa, FailureClass::Later, 60), "look", R::Propagating),
        ("key refused", failed(Step::AskCa, FailureClass::Setup, 60), "rest", R::SetupRefused),
        ("undecodable", failed(Step::AskCa, FailureClass::Bug, 0), "rest", R::Unexpected),
        (
            "refused, order unread",
            failed(Step::RequestValue, FailureClass::Refused, 9),
            "read-order",
            R::OrderRefused,
        ),
    ];
    for (what, facts, step, reason) in table {
        let Decision { next, because } = decide(&facts, &Policy::default(), NOW);
        let wake = next.at(NOW);
        assert_eq!((next.label(), because.reason), (step, reason), "{what}: {because}");
        assert!(if step == "rest" { wake > NOW } else { wake == NOW }, "{what}: wakes at {wake}");
    }
}

/// An alias gives way to the next one in the same change: a name has one, and is never without.
#[test]
fn a_replaced_alias_gives_way_in_the_same_change() {
    let alias = |value: &str| RecordData::Cname(format!("{value}.dcv.digicert.com").parse().unwrap());
    let held = vec![held(alias("old"), Some(ago(9000)))];
    let facts = Facts { held, ..with_order(located(), OrderStatus::Pending, Method::DnsCname) };
    let decision = decide(&facts, &Policy::default(), NOW);
    let (artifacts, replacing) = (vec![artifact(alias(VALUE))], vec![artifact(alias("old"))]);
    assert_eq!(decision.next, Next::Do(Step::Publish { artifacts, replacing }));

    let mut facts = facts;
    facts.learn(step(&decision), Ok(Learned::Done), NOW);
    let held: Vec<_> = facts.held.iter().map(|held| held.artifact.clone()).collect();
    assert_eq!(held, [artifact(alias(VALUE))]);
}

/// Control may be proven in vain where CAA records cannot be read: what that may cost is said while the CA is waited for.
#[test]
fn caa_that_cannot_be_read_says_what_it_may_cost() {
    let asked = Some(Asked { at: ago(1), count: 1, said: "not found".to_owned() });
    let name = CertName { name: scope(), wildcard: false };
    let unreadable = vec![(name, Caa::Unknown { why: "SERVFAIL".to_owned() })];
    let caa = Some(CaaFacts { at: ago(10), names: unreadable });
    let read = with_order(seen(&[VALUE], ago(1)), OrderStatus::Pending, Method::DnsTxt);
    let mut waiting = Facts { caa: caa.clone(), asked, ..read };
    waiting.order.as_mut().unwrap().at = Some(NOW);
    let proven = Facts { proven: true, caa, ..with_order(unknown(), OrderStatus::Pending, Method::DnsTxt) };
    for (facts, reason) in [(waiting, Reason::WaitingForCa), (proven, Reason::WaitingForDigicert)] {
        let because = decide(&facts, &Policy::default(), NOW).because;
        assert_eq!(because.reason, reason, "{because}");
        assert!(because.detail.ends_with("where DigiCert cannot either it may not issue"), "{because}");
    }
}

/// An alias that lost its capitals is there for DNS and not for the CA: a person is told, and it is not put up again for ever.
#[test]
fn capitals_that_are_lost_on_the_way_are_told() {
    let alias = |value: &str| RecordData::Cname(format!("{value}.dcv.digicert.com").parse().unwrap());
    let given = VALUE.to_uppercase();
    let facts = with_order(located(), OrderStatus::Pending, Method::DnsCname);
    let mut facts = Facts { held: vec![held(alias(&given), Some(ago(9000)))], ..facts };
    facts.token.as_mut().unwrap().value = Ok(RandomValue::new(given.as_str()).unwrap());
    let lowered = Answer::Cname(format!("{VALUE}.dcv.digicert.com").parse().unwrap());
    let vantage = Vantage { server: "ns1".into(), address: None, kind: VantageKind::Authority };
    facts.sightings = [(lookup(), vec![Sighting::new(vantage, ago(1), lowered)])].into();
    facts.looked_at = [(lookup(), Look::at(ago(1)))].into_iter().collect();
    facts.looks = 1;
    assert_eq!(decide(&facts, &Policy::default(), NOW).because.reason, Reason::Propagating);
    facts.looks = Policy::default().bogus_looks;
    let Decision { next, because } = decide(&facts, &Policy::default(), NOW);
    assert_eq!((next.label(), because.reason), ("rest", Reason::CaseChanged), "{because}");
    assert!(because.detail.contains("at ns1") && because.detail.contains("dns-txt-token"), "{because}");
}

/// A method that nobody thought of when the rules were written is an entry in a table: another label, another text, and
/// a record that stays after the order is proven (persistent TXT, TLS BR 3.2.2.4.22).
#[test]
fn a_new_method_needs_no_new_rule() {
    let method = Method::from("dns-persist-token");
    let facts = with_order(located(), OrderStatus::Pending, method.clone());
    assert_eq!(decide(&facts, &Policy::default(), NOW).because.reason, Reason::MethodUnsupported);

    let label = Label::Under("_validation-persist".into());
    let text = "digicert.com;accounturi=https://ca.example/{value}".into();
    let proof = MethodSpec { labels: vec![label.clone()], form: Form::Txt { text }, life: Life::Standing };
    let policy = Policy { methods: Methods::new(vec![(method, proof)]), ..Policy::default() };
    let persist = Lookup { domain: scope(), label };
    let decision = decide(&facts, &policy, NOW);
    assert_eq!(decision.next, Next::Do(Step::Locate(vec![persist.clone()])));
    let site = Guarded::direct(&persist, scope()).unwrap();
    assert_eq!(site.owner().as_str(), "_validation-persist.example.com");
    let mut facts = facts;
    let located = [(persist, Location::At(Target::Record(site.clone())))].into();
    facts.learn(step(&decision), Ok(Learned::Located(located)), NOW);
    let record = data(&format!("digicert.com;accounturi=https://ca.example/{VALUE}"));
    let artifacts = vec![Artifact::Record { site, data: record }];
    let decision = decide(&facts, &policy, NOW);
    assert_eq!(decision.next, Next::Do(Step::Publish { artifacts: artifacts.clone(), replacing: vec![] }));
    facts.learn(step(&decision), Ok(Learned::Done), NOW);
    facts.proven = true;
    assert_eq!(decide(&facts, &policy, NOW).because.reason, Reason::WaitingForDigicert, "it stays");
    facts.order.as_mut().unwrap().status = OrderStatus::Issued;
    assert_eq!(decide(&facts, &policy, NOW).because.reason, Reason::Validated, "it stays for the next check");
    facts.order.as_mut().unwrap().status = OrderStatus::Revoked;
    assert_eq!(decide(&facts, &policy, NOW).next.label(), "retract");
}

/// Where the operator wants both names, both are published and seen; where one cannot be written, the other is enough.
#[test]
fn a_domain_is_proven_at_both_names_or_at_the_one_that_can_be_written() {
    let owners = [(scope(), Owner::Both)].into();
    let policy = Policy { methods: Methods::default().with_owners(owners), ..Policy::default() };
    let bare = Lookup { domain: scope(), label: Label::Bare };
    let apex = Guarded::direct(&bare, scope()).unwrap();
    let mut both = located();
    assert_eq!(decide(&both, &policy, NOW).next, Next::Do(Step::Locate(vec![bare.clone()])));
    both.located.insert(bare.clone(), Location::At(Target::Record(apex.clone())));
    let at_apex = Artifact::Record { site: apex, data: data(VALUE) };
    let mut artifacts = vec![artifact(data(VALUE)), at_apex.clone()];
    artifacts.sort();
    let decision = decide(&both, &policy, NOW);
    assert_eq!(decision.next, Next::Do(Step::Publish { artifacts: artifacts.clone(), replacing: vec![] }));
    both.learn(step(&decision), Ok(Learned::Done), ago(1));
    assert_eq!(
        decide(&both, &policy, NOW).next,
        Next::Do(Step::Look(vec![wanted(lookup(), &both), wanted(bare.clone(), &both)]))
    );

    let foreign = || Location::Blocked(Because::new(Reason::ForeignCname, "somebody's"));
    let mut one = located();
    one.located.extend([(bare.clone(), foreign())]);
    let only = Step::Publish { artifacts: vec![artifact(data(VALUE))], replacing: vec![] };
    assert_eq!(decide(&one, &policy, NOW).next, Next::Do(only));
    one.located.insert(lookup(), foreign());
    assert_eq!(decide(&one, &policy, NOW).because.reason, Reason::ForeignCname);
}

/// A file proves each name by itself, is exchanged in one change, and no wildcard.
#[test]
fn an_order_by_file_puts_one_at_each_name() {
    let wildcard = CertName { name: scope(), wildcard: true };
    let www = CertName { name: "www.example.com".parse().unwrap(), wildcard: false };
    let order = |names: Vec<CertName>| {
        let mut facts = with_order(with_value(Some(days(30))), OrderStatus::Pending, Method::Http);
        facts.order.as_mut().unwrap().scopes[0].names = names;
        facts
    };
    let decision = decide(&order(vec![wildcard.clone()]), &Policy::default(), NOW);
    assert_eq!((decision.next.label(), decision.because.reason), ("rest", Reason::MethodUnsupported));

    let mut facts = order(vec![www.clone(), wildcard.clone()]);
    let names = vec![wildcard];
    let beside = ScopeFacts::open("example.org".parse().unwrap(), names);
    let mut both = facts.clone();
    both.order.as_mut().unwrap().scopes.push(beside);
    assert_eq!(decide(&both, &Policy::default(), NOW).because.reason, Reason::MethodUnsupported);
    let lookup = Lookup { domain: www.name.clone(), label: Label::File };
    let decision = decide(&facts, &Policy::default(), NOW);
    assert_eq!(decision.next, Next::Do(Step::Locate(vec![lookup.clone()])));
    facts.located.insert(lookup.clone(), Location::At(Target::File(www.name.clone())));
    facts.located_at = Some(NOW);
    let file = |text: &str| Artifact::File { host: www.name.clone(), value: value(text) };
    facts.held.push(Held { artifact: file("old"), applied: Some(ago(9000)) });
    let decision = decide(&facts, &Policy::default(), NOW);
    let (artifacts, replacing) = (vec![file(VALUE)], vec![file("old")]);
    assert_eq!(decision.next, Next::Do(Step::Publish { artifacts, replacing }));
    facts.learn(step(&decision), Ok(Learned::Done), ago(1));
    let vantage = Vantage {
        server: "www.example.com".into(),
        address: Some(([192, 0, 2, 1], 80).into()),
        kind: VantageKind::Web,
    };
    let sighting = |text: &str| Sighting::new(vantage.clone(), NOW, Answer::File(text.into()));
    // A web server that has the file no more is no server that cannot be asked.
    for held in &mut facts.held {
        held.applied = Some(ago(3600));
    }
    for (text, step) in [("old", "publish"), ("", "publish"), (VALUE, "read-caa")] {
        let mut facts = facts.clone();
        let looked = Learned::Looked([(lookup.clone(), vec![sighting(text)])].into());
        facts.learn(&Step::Look(vec![wanted(lookup.clone(), &facts)]), Ok(looked), NOW);
        assert_eq!(decide(&facts, &Policy::default(), NOW).next.label(), step, "{text}");
    }
}

/// A place that was found for TXT, which was assumed, is none for the method that the order turns out to have.
#[test]
fn a_method_that_is_learned_late_is_located_anew() {
    let mut facts = published();
    assert_eq!(facts.order, None);
    let scopes = vec![ScopeFacts::open(scope(), Vec::new())];
    let learned = read(OrderStatus::Pending, Method::DnsCname, scopes);
    facts.learn(&Step::ReadOrder, learned, NOW);
    assert_eq!(decide(&facts, &Policy::default(), NOW).next, Next::Do(Step::Locate(vec![lookup()])));
    assert!(facts.token.is_some(), "the value is the order's, whatever its method");
}

/// A clock that steps back does not make an order that was refused be read again and again.
#[test]
fn a_clock_that_steps_back_costs_no_calls() {
    let mut facts = failed(Step::RequestValue, FailureClass::Refused, 0);
    let earlier = ago(3600);
    let decision = decide(&facts, &Policy::default(), earlier);
    assert_eq!(decision.next, Next::Do(Step::ReadOrder));
    let scopes = vec![ScopeFacts::open(scope(), Vec::new())];
    let learned = read(OrderStatus::Pending, Method::DnsTxt, scopes);
    facts.learn(step(&decision), learned, earlier);
    assert_eq!(decide(&facts, &Policy::default(), earlier).next.label(), "rest");
}

/// A name that another order has taken is tried again soon, not at audit pace.
#[test]
fn orders_queue_for_a_name() {
    let taken = Location::Blocked(Because::new(Reason::NameTaken, "another order's alias stands there"));
    let facts =
        Facts { located: [(lookup(), taken)].into_iter().collect(), located_at: Some(ago(5)), ..located() };
    let waiting = decide(&facts, &Policy::default(), NOW);
    assert_eq!((waiting.next.label(), waiting.because.reason), ("rest", Reason::NameTaken));
    assert!(waiting.next.at(NOW) <= NOW + SignedDuration::from_secs(15));
    let later = Facts { located_at: Some(ago(20)), ..facts };
    assert_eq!(decide(&later, &Policy::default(), NOW).next.label(), "locate");

    // The state knows of rivals that DNS does not show; however often they were in the way, the next try is soon.
    let step = Step::Publish { artifacts: vec![artifact(data(VALUE))], replacing: vec![] };
    let mut refused = located();
    for _ in 0..20 {
        let detail = "another order has it".into();
        let learned = Err(Failure { class: FailureClass::Taken, detail, retry_after: None });
        refused.learn(&step, learned, ago(1));
    }
    let waiting = decide(&refused, &Policy::default(), NOW);
    assert_eq!((waiting.next.label(), waiting.because.reason), ("rest", Reason::NameTaken));
    assert!(waiting.next.at(NOW) <= NOW + SignedDuration::from_secs(15));
}

#[test]
fn a_value_that_has_gone_is_put_back_and_not_sooner_than_the_policy_says() {
    let drifted = |applied| Facts { held: vec![held(data(VALUE), Some(ago(applied)))], ..seen(&[], ago(30)) };
    assert_eq!(decide(&drifted(60), &Policy::default(), NOW).next.label(), "look");
    let decision = decide(&drifted(700), &Policy::default(), NOW);
    assert_eq!((decision.next.label(), decision.because.reason), ("publish", Reason::Drifted));
}

/// Somebody takes the value away each time it is up: it is put back at once, then ever more rarely while it goes on within
/// seconds, counted once each time, and from the third time on told with the interval.
#[test]
fn a_value_that_somebody_takes_away_is_put_back_and_counted() {
    let policy = Policy::default();
    let look = |facts: &mut Facts, shown: &[&str], at: Timestamp| {
        let sightings = seen(shown, at).sightings;
        let step = Step::Look(vec![wanted(lookup(), facts)]);
        facts.learn(&step, Ok(Learned::Looked(sightings)), at);
    };
    let mut facts = Facts { looks: 0, ..seen(&[], NOW) };
    facts.looked_at.clear();
    facts.sightings.clear();
    look(&mut facts, &[], ago(30));
    assert!(facts.drift.is_none(), "what was never up was taken by nobody");
    let (mut now, mut waits) = (NOW, Vec::new());
    for time in 1..=4 {
        look(&mut facts, &[VALUE], now);
        look(&mut facts, &[VALUE], now);
        now += SignedDuration::from_secs(1);
        look(&mut facts, &["other"], now);
        look(&mut facts, &["other"], now);
        assert_eq!(facts.drift.as_ref().map(|drift| drift.count), Some(time), "it is counted once each time");
        let decision = decide(&facts, &policy, now);
        assert_eq!(decision.because.reason, Reason::Drifted, "{decision:?}");
        let told = decision.because.detail.contains(&format!("taken away {time} times, about every "));
        assert_eq!(told, time >= 3, "{}", decision.because);
        waits.push(decision.next.at(now).duration_since(now).as_secs());
        now = decision.next.at(now);
        let Next::Do(step) = decide(&facts, &policy, now).next else { panic!("it is not put back") };
        facts.learn(&step, Ok(Learned::Done), now);
        assert_eq!(*Packed::of(Box::new(facts.clone())).open(), facts, "it is forgotten at rest");
    }
    assert_eq!(waits[0], 0, "the first time it is put back at once");
    assert!(waits[3] >= 2 && waits[3] <= 4, "whoever takes it within seconds is raced: {waits:?}");
    let next = decide(&facts, &policy, now).because;
    assert!(next.reason == Reason::Propagating && next.detail.contains("policy --ignore"), "{next}");
    // A quarter of an hour later nobody is raced: at once again.
    now += SignedDuration::from_mins(15);
    look(&mut facts, &[VALUE], now);
    look(&mut facts, &[], now);
    assert_eq!(decide(&facts, &policy, now).next.label(), "publish");
}

/// One server that has lost it, or none that answers, is nobody who takes it away.
#[test]
fn a_value_that_some_servers_still_show_was_not_taken_away() {
    let mut facts = seen(&[VALUE], ago(30));
    let step = Step::Look(vec![wanted(lookup(), &facts)]);
    let shown = facts.sightings[&lookup()][0].clone();
    let (mut absent, mut failed) = (shown.clone(), shown.clone());
    absent.answer = Answer::Txt(Vec::new());
    failed.answer = Answer::Failed(NoAnswer::other("no answer"));
    let mut look = |sightings: Vec<Sighting>| {
        facts.learn(&step, Ok(Learned::Looked([(lookup(), sightings)].into())), NOW);
        facts.drift.is_some()
    };
    assert!(!look(vec![shown.clone(), shown.clone()]));
    assert!(!look(vec![shown, absent.clone()]));
    assert!(!look(vec![failed.clone(), failed.clone()]));
    assert!(look(vec![absent.clone(), failed]), "all that answered have lost it");
    // What somebody else has put there, and takes away, is no matter of ours.
    let mut theirs = Facts { held: Vec::new(), ..seen(&[VALUE], ago(30)) };
    for sighting in [seen(&[VALUE], NOW).sightings, [(lookup(), vec![absent])].into()] {
        theirs.learn(&step, Ok(Learned::Looked(sighting)), NOW);
    }
    assert!(theirs.drift.is_none());
}

/// A value that spreads at once is seen at once, one that spreads slowly is noticed late by a share of the time it took, and
/// never a stuck zone is hammered.
#[test]
fn looks_come_at_once_and_then_at_a_share_of_the_time_that_has_passed() {
    let wait = |passed: f64| {
        let published = NOW - SignedDuration::from_secs_f64(passed);
        let held = vec![held(data(VALUE), Some(published))];
        let decision = decide(
            &Facts { held, ..seen(&["other"], NOW) },
            &Policy { republish: SignedDuration::MAX, ..Policy::default() },
            NOW,
        );
        assert_eq!((decision.next.label(), decision.because.reason), ("rest", Reason::Propagating));
        decision.next.at(NOW).duration_since(NOW).as_secs_f64()
    };
    for (passed, longest) in [
        (0.0, 0.004),
        (0.02, 0.02),
        (0.07, 0.07),
        (0.5, 0.08),
        (5.9, 0.08),
        (6.0, 0.3),
        (60.0, 3.0),
        (400.0, 20.0),
        (900.0, 30.0),
        (3599.0, 30.0),
        (3600.0, 300.0),
    ] {
        let wait = wait(passed);
        assert!(wait <= longest && wait >= 0.85 * longest, "after {passed} s: {wait} s");
    }
}

#[test]
fn a_rest_never_sleeps_past_the_expiry_of_the_value() {
    let mut facts = asked(Asked { at: NOW, count: 9, said: "no".into() }, seen(&[VALUE], ago(1)));
    let expires = NOW + SignedDuration::from_secs(100);
    facts.token.as_mut().unwrap().expires = Some(expires);
    assert_eq!(decide(&facts, &Policy::default(), NOW).next.at(NOW), expires);
}

#[test]
fn a_reissue_forgets_the_value_and_works_again() {
    let mut facts = with_order(published(), OrderStatus::Issued, Method::DnsTxt);
    facts.proven = true;
    let scopes = vec![ScopeFacts::open(scope(), Vec::new())];
    let learned = read(OrderStatus::ReissuePending, Method::DnsTxt, scopes);
    facts.learn(&Step::ReadOrder, learned, NOW);
    assert!(!facts.proven && facts.token.is_none());
    assert_eq!(decide(&facts, &Policy::default(), NOW).next.label(), "locate");
}

/// A reissue that was over before anybody looked is told by the proofs that are gone, or by the status alone.
#[test]
fn a_reissue_that_nobody_saw_begin_forgets_the_value_too() {
    let open = vec![ScopeFacts::open(scope(), Vec::new())];
    let learned = |status: OrderStatus| read(status, Method::DnsTxt, open.clone());
    let pending = with_order(published(), OrderStatus::Pending, Method::DnsTxt);
    for (facts, status, forgotten) in [
        (Facts { proven: true, ..pending.clone() }, OrderStatus::Pending, true),
        (pending.clone(), OrderStatus::ReissuePending, true),
        (pending, OrderStatus::Pending, false),
    ] {
        let mut facts = facts;
        facts.learn(&Step::ReadOrder, learned(status.clone()), NOW);
        assert_eq!(facts.token.is_none(), forgotten, "{status}");
    }
}

/// What stands at a name changes: where a record was refused, or is long not to be seen, the way to it is found anew.
#[test]
fn a_location_is_not_believed_for_ever() {
    let step = Step::Publish { artifacts: vec![artifact(data(VALUE))], replacing: vec![] };
    let mut refused = located();
    let learned = Err(Failure::new(FailureClass::Blocked, "collision"));
    refused.learn(&step, learned, ago(4000));
    assert_eq!(decide(&refused, &Policy::default(), NOW).next.label(), "locate");

    let lagging = Facts { located_at: Some(ago(4000)), ..seen(&["other"], ago(1)) };
    assert_eq!(decide(&lagging, &Policy::default(), NOW).next.label(), "locate");
    let visible = Facts { located_at: Some(ago(4000)), ..seen(&[VALUE], ago(1)) };
    assert_eq!(decide(&visible, &Policy::default(), NOW).next.label(), "ask-ca");
}

/// DigiCert answers that it does not know the order after its value was published: the value stays up until its own end, and
/// no longer. After a day of that the order is closed.
#[test]
fn what_is_up_for_an_order_that_is_unknown_goes_at_the_latest_with_its_value() {
    let expires = NOW + SignedDuration::from_secs(600);
    let mut facts = published();
    facts.token.as_mut().unwrap().expires = Some(expires);
    let unknown = || Err(Failure::new(FailureClass::Gone, "not_found|order"));
    facts.learn(&Step::AskCa, unknown(), NOW);
    let waiting = decide(&facts, &Policy::default(), NOW);
    assert_eq!((waiting.because.reason, waiting.next), (Reason::OrderRefused, Next::RestUntil(expires)));
    let decision = decide(&facts, &Policy::default(), expires);
    assert_eq!((decision.because.reason, decision.next.label()), (Reason::TidyUp, "retract"));

    // The provider is away as well: that is waited out like any failure.
    let mut away = facts.clone();
    away.learn(step(&decision), Err(Failure::new(FailureClass::Later, "timed out")), expires);
    assert_eq!(decide(&away, &Policy::default(), expires).because.reason, Reason::BackingOff);

    // A value without a date, of which a restart knows only when it was put up.
    let day = SignedDuration::from_hours(24);
    let mut forgotten = Facts { token: None, ..published() };
    forgotten.learn(&Step::ReadOrder, unknown(), NOW);
    forgotten.learn(&Step::ReadOrder, unknown(), NOW + day / 2);
    assert_eq!(decide(&forgotten, &Policy::default(), NOW + day / 2).because.reason, Reason::OrderRefused);
    let closed = decide(&forgotten, &Policy::default(), NOW + day);
    assert_eq!((closed.because.reason, closed.next.label()), (Reason::TidyUp, "retract"));
    forgotten.learn(step(&closed), Ok(Learned::Done), NOW + day);
    let rest = decide(&forgotten, &Policy::default(), NOW + day);
    assert_eq!((rest.because.reason, rest.next.label()), (Reason::OrderClosed, "rest"));
    let again = decide(&forgotten, &Policy::default(), NOW + day * 2);
    assert_eq!(again.next, Next::Do(Step::ReadOrder), "it may come back");
}

/// A long rest keeps no sightings, and decides as if it had kept them.
#[test]
fn a_lean_rest_changes_no_decision() {
    let full = asked(Asked { at: NOW, count: 9, said: "no".into() }, seen(&[VALUE], NOW));
    let before = decide(&full, &Policy::default(), NOW);
    let Next::RestUntil(until) = before.next else { panic!("{before:?}") };
    let mut lean = full.clone();
    lean.keep_lean(&Policy::default(), until, NOW);
    assert!(lean.sightings.is_empty() && !full.sightings.is_empty());
    assert!(Packed::of(Box::new(lean.clone())).is_block(), "what rests most often is not packed");
    assert_eq!(*Packed::of(Box::new(full.clone())).open(), full, "what cannot be packed is not kept whole");
    for later in [0, 60, 3000] {
        let at = NOW + SignedDuration::from_secs(later);
        assert_eq!(
            decide(&lean, &Policy::default(), at),
            decide(&full, &Policy::default(), at),
            "{later} s later"
        );
    }
    // Once it is due, it is looked at again before the CA is asked.
    let looked =
        decide(&Facts { order: None, ..lean }, &Policy::default(), until + SignedDuration::from_mins(10));
    assert_eq!(
        looked.next.label(),
        decide(&full, &Policy::default(), until + SignedDuration::from_mins(10)).next.label()
    );
}

/// Each scope's sighting has an age of its own; the CA is asked on fresh ones only.
#[test]
fn every_scope_is_fresh_before_the_ca_is_asked() {
    let other: DomainName = "example.org".parse().unwrap();
    let mut facts = seen(&[VALUE], ago(1));
    facts.configured.push(other.clone());
    let beside = Lookup { domain: other.clone(), label: Label::Under(DNSAUTH.into()) };
    let at = Guarded::direct(&beside, other).unwrap();
    facts.located.insert(beside.clone(), Location::At(Target::Record(at.clone())));
    let artifact = Artifact::Record { site: at, data: data(VALUE) };
    facts.held.push(Held { artifact, applied: Some(ago(9000)) });
    facts.sightings.insert(beside.clone(), facts.sightings[&lookup()].clone());
    facts.looked_at.insert(beside.clone(), Look::at(ago(3600)));
    let decision = decide(&facts, &Policy::default(), NOW);
    assert_eq!(
        decision.next,
        Next::Do(Step::Look(vec![wanted(lookup(), &facts), wanted(beside, &facts)])),
        "{}",
        decision.because
    );
}

#[test]
fn every_reason_has_a_code_of_its_own_and_few_mean_done() {
    let codes: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    let done: Vec<_> = Reason::ALL.iter().filter(|reason| reason.outcome() == Outcome::Done).collect();
    let expected =
        [&Reason::WaitingForDigicert, &Reason::Validated, &Reason::DomainInactive, &Reason::NotTakenUp];
    assert_eq!(done, expected);
}
