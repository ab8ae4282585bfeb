//! An order's scopes: each has a method of its own, and nothing is proven while any part of it is open.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use dcv_core::{
    DomainName, Facts, Held, Learned, Lookup, Method, Next, OrderFacts, OrderStatus, Policy, RandomValue,
    Reason, ScopeFacts, Step, Token, decide,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn scope(text: &str, method: Option<&str>) -> ScopeFacts {
    ScopeFacts { method: method.map(Method::from), ..ScopeFacts::open(name(text), Vec::new()) }
}

fn approved(text: &str, method: Option<&str>) -> ScopeFacts {
    ScopeFacts { approved: true, ..scope(text, method) }
}

/// A pending order by this method, with these scopes.
fn order(method: &str, scopes: Vec<ScopeFacts>) -> Facts {
    let read = OrderFacts {
        method: Some(method.into()),
        scopes,
        ..OrderFacts::of_status(None, OrderStatus::Pending)
    };
    let mut facts = Facts::default();
    facts.learn(&Step::ReadOrder, Ok(Learned::Order(read)), NOW);
    facts
}

fn lookups(facts: &Facts) -> Vec<String> {
    facts.lookups(&Policy::default().methods).iter().map(Lookup::to_string).collect()
}

/// OV and EV orders may prove each domain differently: the order's method is that of scopes without their own.
#[test]
fn each_scope_is_proven_by_its_own_method() {
    let facts = order(
        "dns-txt-token",
        vec![
            scope("a.example", None),
            scope("b.example", Some("http-token")),
            scope("c.example", Some("email")),
        ],
    );
    assert_eq!(lookups(&facts), ["_dnsauth.a.example", "http://b.example"]);
    let specs = facts.requirements(&Policy::default().methods).len();
    assert_eq!(specs, 2, "a scope whose method is not carried out requires nothing of us");
    assert!(
        matches!(decide(&facts, &Policy::default(), NOW).next, Next::Do(Step::Locate(found)) if found.len() == 2)
    );

    let by_mail = order("email", vec![scope("a.example", Some("dns-txt-token"))]);
    assert_eq!(lookups(&by_mail), ["_dnsauth.a.example"]);
}

/// What can be done is done; what cannot keeps the order open and is named, for an order that was found as well.
#[test]
fn a_scope_that_cannot_be_done_keeps_the_order_open() {
    for discovered in [false, true] {
        let mut facts =
            order("dns-txt-token", vec![approved("a.example", None), scope("c.example", Some("email"))]);
        facts.discovered = discovered;
        let decision = decide(&facts, &Policy::default(), NOW);
        assert_eq!(decision.because.reason, Reason::MethodUnsupported, "{}", decision.because);
        assert!(decision.because.detail.contains("c.example"), "{}", decision.because);

        let unreadable = OrderFacts {
            scopes: vec![approved("a.example", None)],
            unreadable: vec!["192.0.2.1 (pending)".into()],
            ..OrderFacts::of_status(None, OrderStatus::Pending)
        };
        let mut facts = Facts { discovered, ..Facts::default() };
        facts.learn(&Step::ReadOrder, Ok(Learned::Order(unreadable)), NOW);
        assert!(!facts.proven);
        let decision = decide(&facts, &Policy::default(), NOW);
        assert_eq!(decision.because.reason, Reason::MethodUnsupported, "{}", decision.because);
        assert!(decision.because.detail.contains("192.0.2.1"), "{}", decision.because);
    }
}

/// An order is switched only for a scope that needs it: one that is proven, or by another method, keeps its own.
#[test]
fn a_method_is_not_switched_for_a_scope_that_needs_none() {
    let switch = |method: &str, scopes: Vec<ScopeFacts>| {
        let facts = Facts { switch_to: Some(Method::DnsTxt), ..order(method, scopes) };
        decide(&facts, &Policy::default(), NOW).next.label() == "switch-method"
    };
    assert!(switch("email", vec![scope("a.example", None)]));
    assert!(switch("dns-txt-token", vec![approved("a.example", None), scope("b.example", Some("email"))]));
    assert!(!switch("email", vec![approved("a.example", None), scope("b.example", Some("dns-txt-token"))]));
    assert!(!switch("email", vec![scope("a.example", None), scope("b.example", Some("dns-cname-token"))]));
    assert!(!switch("email", vec![approved("a.example", None)]));
}

/// A method that changes at one scope has its target found anew; the others keep theirs only with it.
#[test]
fn a_scope_whose_method_changed_is_located_anew() {
    let mut facts = order("dns-txt-token", vec![scope("a.example", None)]);
    let blocked = dcv_core::Because::new(Reason::NoProvider, "none");
    facts.located.insert(Lookup::dnsauth(name("a.example")), dcv_core::Location::Blocked(blocked));
    let again = |method| OrderFacts {
        method: Some(Method::DnsTxt),
        scopes: vec![scope("a.example", method)],
        ..OrderFacts::of_status(None, OrderStatus::Pending)
    };
    facts.learn(&Step::ReadOrder, Ok(Learned::Order(again(None))), NOW);
    assert_eq!(facts.located.len(), 1);
    facts.learn(&Step::ReadOrder, Ok(Learned::Order(again(Some("dns-cname-token")))), NOW);
    assert!(facts.located.is_empty());
}

/// The answer's own word decides; where it gives none the list has to hold every open scope, or the names it covers.
#[test]
fn a_partial_list_of_approved_names_proves_nothing() {
    let both = || order("dns-txt-token", vec![scope("a.example", None), scope("b.example", None)]);
    let proven = |facts: &Facts, complete, status: Option<&str>, names: &[&str]| {
        let mut facts = facts.clone();
        let learned = Learned::Checked {
            complete,
            status: status.map(OrderStatus::from),
            approved: names.iter().map(|text| name(text)).collect(),
            said: String::new(),
        };
        facts.learn(&Step::AskCa, Ok(learned), NOW);
        facts.proven
    };
    assert!(!proven(&both(), Some(false), Some("pending"), &["a.example", "b.example"]));
    assert!(!proven(&both(), Some(false), Some("issued"), &["a.example", "b.example"]));
    assert!(proven(&both(), Some(true), Some("pending"), &["a.example"]));
    assert!(!proven(&both(), None, Some("pending"), &["a.example"]));
    assert!(proven(&both(), None, Some("pending"), &["b.example", "a.example"]));
    assert!(proven(&both(), None, Some("issued"), &[]));
    assert!(!proven(&both(), None, None, &[]));
    let configured = Facts::for_scopes([name("a.example"), name("b.example")]);
    assert!(!proven(&configured, None, Some("pending"), &["a.example"]));
    assert!(!proven(&Facts::default(), None, Some("pending"), &["a.example"]), "no scope is known");
}

/// A check that says "open" and "issued" at once is not acted upon: the order is read again.
#[test]
fn an_answer_that_contradicts_itself_is_read_again() {
    let mut facts = order("dns-txt-token", vec![scope("a.example", None)]);
    let learned = Learned::Checked {
        complete: Some(false),
        status: Some(OrderStatus::Issued),
        approved: Vec::new(),
        said: "pending".into(),
    };
    facts.learn(&Step::AskCa, Ok(learned), NOW);
    assert_eq!(decide(&facts, &Policy::default(), NOW).next, Next::Do(Step::ReadOrder));
}

#[derive(Clone, Debug)]
enum Answer {
    Read { status: &'static str, approved: Vec<bool>, unreadable: bool },
    Check { complete: Option<bool>, status: Option<&'static str>, approved: Vec<bool> },
}

fn answer() -> impl Strategy<Value = Answer> {
    let open = || prop::sample::select(vec!["pending", "reissue_pending", "processing"]);
    let ended_too = prop::sample::select(vec!["pending", "reissue_pending", "processing", "issued"]);
    let marks = || prop::collection::vec(any::<bool>(), 3);
    prop_oneof![
        (open(), marks(), any::<bool>()).prop_map(|(status, approved, unreadable)| Answer::Read {
            status,
            approved,
            unreadable
        }),
        (any::<Option<bool>>(), prop::option::of(ended_too), marks())
            .prop_map(|(complete, status, approved)| Answer::Check { complete, status, approved }),
    ]
}

const SCOPES: [&str; 3] = ["a.example", "b.example", "c.example"];

impl Answer {
    fn apply(&self, facts: &mut Facts) {
        match self {
            Self::Read { status, approved, unreadable } => {
                let scopes = SCOPES.iter().zip(approved);
                let scopes = scopes.map(|(text, &approved)| ScopeFacts { approved, ..scope(text, None) });
                let read = OrderFacts {
                    scopes: scopes.collect(),
                    unreadable: unreadable.then(|| "192.0.2.1".to_owned()).into_iter().collect(),
                    ..OrderFacts::of_status(None, OrderStatus::from(*status))
                };
                facts.learn(&Step::ReadOrder, Ok(Learned::Order(read)), NOW);
            }
            Self::Check { complete, status, approved } => {
                let approved = SCOPES.iter().zip(approved).filter(|&(_, &approved)| approved);
                let learned = Learned::Checked {
                    complete: *complete,
                    status: status.map(OrderStatus::from),
                    approved: approved.map(|(text, _)| name(text)).collect(),
                    said: String::new(),
                };
                facts.learn(&Step::AskCa, Ok(learned), NOW);
            }
        }
    }

    /// Whether any part of it says that something is left to prove.
    fn says_open(&self, before: &Facts) -> bool {
        match self {
            Self::Read { approved, unreadable, .. } => *unreadable || approved.contains(&false),
            Self::Check { complete: Some(complete), .. } => !complete,
            Self::Check { status: Some("issued"), .. } => false,
            Self::Check { approved, .. } => {
                let known = before.order.as_ref();
                let open = |n: usize| {
                    known.and_then(|order| order.scopes.get(n)).is_none_or(|scope| !scope.approved)
                };
                (0..3).any(|n| !approved[n] && open(n))
                    || known.is_some_and(|order| !order.unreadable.is_empty())
            }
        }
    }
}

proptest! {
    /// Whatever the CA answers, and in whatever order: an answer of which a part says "open" neither proves the order nor
    /// takes down the value that is still good.
    #[test]
    fn no_answer_with_an_open_part_proves_or_withdraws(answers in prop::collection::vec(answer(), 1..12)) {
        let value = RandomValue::new("value").unwrap();
        let site = dcv_core::Guarded::direct(&Lookup::dnsauth(name("a.example")), name("a.example")).unwrap();
        let artifact = dcv_core::Artifact::Record { site, data: dcv_core::RecordData::Txt(value.clone()) };
        let mut facts = Facts {
            token: Some(Token {
                value: Ok(value),
                expires: Some(NOW + SignedDuration::from_hours(240)),
                requested: NOW,
                stale_answers: 0,
            }),
            held: vec![Held { artifact, applied: Some(NOW) }],
            ..Facts::for_scopes(SCOPES.map(name))
        };
        for answer in answers {
            let (open, was_proven) = (answer.says_open(&facts), facts.proven);
            answer.apply(&mut facts);
            // A proof that was there is not lost by a check that finds nothing more.
            let reread = matches!(answer, Answer::Read { .. });
            if open && (reread || !was_proven) {
                prop_assert!(!facts.proven, "{answer:?}");
                let next = decide(&facts, &Policy::default(), NOW).next;
                prop_assert!(!matches!(next, Next::Do(Step::Retract(_))), "{answer:?} led to {next:?}");
            }
        }
    }
}

/// A reissue of which nothing is left to prove may wait for the account's own administrator: then it is not DigiCert that
/// is waited for. What is open is done all the same.
#[test]
fn an_administrator_that_is_waited_for_is_named() {
    let read = |scopes: Vec<ScopeFacts>| {
        let mut facts = Facts::default();
        let order = OrderFacts {
            scopes,
            approval: Some("request 7 has to be approved".into()),
            ..OrderFacts::of_status(None, OrderStatus::ReissuePending)
        };
        facts.learn(&Step::ReadOrder, Ok(Learned::Order(order)), NOW);
        decide(&facts, &Policy::default(), NOW).because
    };
    for scopes in [vec![], vec![approved("a.example", None)]] {
        let because = read(scopes);
        assert_eq!(because.reason, Reason::WaitingForApproval, "{because}");
        assert!(because.detail.contains("request 7"), "{because}");
    }
    assert_eq!(read(vec![scope("a.example", None)]).reason, Reason::SiteUnknown);
}

/// What the CA says of the names at last may be what the operator excepted: nothing is written, and what was is taken down.
#[test]
fn an_order_whose_names_are_not_admitted_is_left_alone() {
    let mut facts = Facts { discovered: true, ..order("dns-txt-token", vec![scope("a.example", None)]) };
    let site = dcv_core::Guarded::direct(&Lookup::dnsauth(name("a.example")), name("a.example")).unwrap();
    let artifact = dcv_core::Artifact::Record {
        site,
        data: dcv_core::RecordData::Txt(RandomValue::new("value").unwrap()),
    };
    facts.held.push(Held { artifact: artifact.clone(), applied: Some(NOW) });
    let not_admitted = Some("a.example is excepted".to_owned());
    let read = OrderFacts { not_admitted, ..*facts.order.clone().unwrap() };
    facts.learn(&Step::ReadOrder, Ok(Learned::Order(read)), NOW);
    let decision = decide(&facts, &Policy::default(), NOW);
    assert_eq!(decision.next, Next::Do(Step::Retract(vec![artifact])), "{}", decision.because);
    facts.held.clear();
    let because = decide(&facts, &Policy::default(), NOW).because;
    assert_eq!(because.reason, Reason::NotTakenUp, "{because}");
}

/// Scopes of the configuration that DigiCert does not name are named, with those that it does.
#[test]
fn wrong_scopes_of_the_configuration_are_told() {
    let told = |configured: &[&str], of_ca: Vec<ScopeFacts>| {
        let facts = Facts {
            configured: configured.iter().map(|text| name(text)).collect(),
            ..order("dns-txt-token", of_ca)
        };
        facts.configured_otherwise()
    };
    let both = || vec![scope("example.com", None), approved("example.org", None)];
    let wrong = told(&["www.example.com", "example.org"], both()).unwrap();
    assert!(
        wrong.contains("www.example.com, example.org") && wrong.contains("example.com, example.org"),
        "{wrong}"
    );
    assert_eq!(told(&["example.com"], both()), None, "fewer than DigiCert names are a choice");
    assert_eq!(told(&[], both()), None);
    assert_eq!(told(&["www.example.com"], vec![]), None, "DigiCert has told none");
}
