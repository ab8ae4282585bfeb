//! A whole estate: hundreds of orders of two accounts, all methods, orders of others between them, and a world that
//! changes while the agent works.
//!
//! The file is long since the world, what happens to it and what has to hold all the while only make sense together.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use dcv_agent::config;
use dcv_sandbox::ca::{
    ApiKey, CaConfig, CaSimulator, Endpoint, Fault, FaultKind, ListShift, OrderSpec, RateWindow,
    ValueAfterReissue,
};
use serde_json::Value as Json;

use super::support::{
    Agent, Bind, FOREIGN, Finished, account, eventually, faketime,
    front::{Front, Relay},
    scene::Scene,
    simulator,
};

const DISCOVER: &str = "discover = { only = [\"*.dcv.test\", \"*.example.test\"], every_seconds = 5 }";
const CNAME: &str = "dns-cname-token";
const FILE: &str = "http-token";
const SECOND: u64 = 1002;

fn host(n: usize) -> String {
    format!("h{n}.dcv.test")
}

fn is(ca: &CaSimulator, order: u64, status: &str) -> bool {
    ca.order_status(order).as_deref() == Some(status)
}

fn issued(ca: &CaSimulator, order: u64) -> bool {
    is(ca, order, "issued")
}

/// Many calls a second: what is tested is not how long the CA makes everybody wait.
fn in_haste(config: &mut CaConfig) {
    config.rate = vec![RateWindow { calls: 1000, per: Duration::from_secs(1) }];
}

const HASTE: &str = "rate = { short = \"1000/1s\", long = \"100000/60s\" }";

fn list_is_read(agent: &Agent) {
    eventually("the list is read", Duration::from_secs(30), || agent.log().contains("read the list"));
}

/// Waits until the account was asked for changes once more, and what was heard was acted upon: the question after that.
fn changes_are_heard(ca: &CaSimulator) {
    let asked = || ca.stats().calls_of(Endpoint::StatusChanges);
    let before = asked();
    eventually("changes are asked for again", Duration::from_secs(30), || asked() >= before + 2);
}

/// A table of `[verify.web]`, and the responder, which the log tells of.
fn show_files_by(agent: &Agent, relay: &Relay) {
    agent.edit("[agent]\n", "[agent]\nlog = { level = \"info\" }\n");
    let pinned = relay.address;
    agent.append(&format!("[http]\nlisten = \"127.0.0.1:0\"\n[verify.web]\n\"dcv.test\" = [\"{pinned}\"]\n"));
}

/// Where the log says that the responder listens.
fn responder(agent: &Agent) -> Option<SocketAddr> {
    let log = agent.log();
    let (_, rest) = log.split_once("files for http-token at http://")?;
    rest.split_once('/')?.0.parse().ok()
}

/// The status line for the validation file of a host.
fn status_of_file(server: SocketAddr, host: &str) -> String {
    let mut stream = TcpStream::connect(server).unwrap();
    write!(stream, "GET /.well-known/pki-validation/fileauth.txt HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// What is to become of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Issued, with as many calls as are promised.
    Plain,
    /// Issued; it shares a name with others or is reissued.
    Issued,
    /// Every domain is proven; DigiCert's own people have the organisation to validate.
    Proven,
    /// Canceled under way.
    Canceled,
    /// Read, and left as it is.
    Left,
    /// Not even read.
    Foreign,
}

/// The orders of two accounts.
struct Estate<'a> {
    ca: &'a CaSimulator,
    orders: BTreeMap<u64, Fate>,
}

impl<'a> Estate<'a> {
    fn place(ca: &'a CaSimulator) -> Self {
        let mut estate = Self { ca, orders: BTreeMap::new() };
        estate.main();
        assert_eq!(estate.orders.len(), 300);
        estate.second();
        assert_eq!(estate.orders.len(), 350);
        estate
    }

    fn main(&mut self) {
        let name = |kind: &str, n: usize| format!("{kind}{n}.dcv.test");
        for n in 0..27 {
            self.add(Fate::Foreign, OrderSpec::dv([format!("www.f{n}.other.example")]));
        }
        for n in 0..3 {
            self.add(Fate::Left, OrderSpec::dv([format!("n{n}.example.test")]));
        }
        self.add(Fate::Left, OrderSpec::dv([name("mail", 0)]).method("email"));
        for n in 0..20 {
            self.add(Fate::Proven, OrderSpec::ov([name("o", n)]));
        }
        for n in 0..34 {
            self.add(Fate::Plain, OrderSpec::dv([name("c", n)]).method(CNAME));
        }
        for n in 0..6 {
            self.add(Fate::Issued, OrderSpec::dv([name("ctwo", n / 2)]).method(CNAME));
        }
        for n in 0..34 {
            self.add(Fate::Plain, OrderSpec::dv([name("w", n)]).method(FILE));
        }
        for n in 0..4 {
            self.add(Fate::Plain, OrderSpec::dv([name("v", n), name("u", n)]).method(FILE));
        }
        for _ in 0..2 {
            self.add(Fate::Issued, OrderSpec::dv([name("wtwo", 0)]).method(FILE));
        }
        for n in 0..30 {
            let m = name("m", n);
            let names = [m.clone(), format!("*.{m}"), format!("x.{m}"), name("q", n)];
            self.add(Fate::Plain, OrderSpec::dv(names));
        }
        for n in 0..10 {
            self.add(Fate::Plain, OrderSpec::dv([format!("*.{}", name("k", n))]));
        }
        for n in 0..15 {
            self.add(Fate::Issued, OrderSpec::dv([name("shared", n / 3)]));
        }
        // A text and an alias exclude each other.
        self.add(Fate::Issued, OrderSpec::dv([name("ctwo", 0)]));
        for n in 0..10 {
            self.add(Fate::Issued, OrderSpec::dv([name("both", n)]));
        }
        for n in 0..103 {
            self.add(Fate::Plain, OrderSpec::dv([host(n)]));
        }
    }

    fn second(&mut self) {
        let name = |kind: &str, n: usize| format!("{kind}{n}.dcv.test");
        for n in 0..5 {
            let spec = OrderSpec::dv([format!("www.g{n}.other.example")]);
            self.add(Fate::Foreign, spec.account(SECOND));
        }
        for n in 0..10 {
            self.add(Fate::Issued, OrderSpec::dv([name("both", n)]).account(SECOND));
        }
        for n in 0..5 {
            self.add(Fate::Plain, OrderSpec::dv([name("d", n)]).method(CNAME).account(SECOND));
            self.add(Fate::Plain, OrderSpec::dv([name("y", n)]).method(FILE).account(SECOND));
        }
        // One host and one name of the first account's.
        self.add(Fate::Issued, OrderSpec::dv([name("wtwo", 0)]).method(FILE).account(SECOND));
        self.add(Fate::Issued, OrderSpec::dv([name("ctwo", 1)]).method(CNAME).account(SECOND));
        for n in 0..3 {
            self.add(Fate::Proven, OrderSpec::ov([name("p", n)]).account(SECOND));
        }
        for n in 0..20 {
            self.add(Fate::Plain, OrderSpec::dv([name("t", n)]).account(SECOND));
        }
    }

    fn add(&mut self, fate: Fate, spec: OrderSpec) {
        self.orders.insert(self.ca.place(spec), fate);
    }

    fn of(&self, fate: Fate) -> impl Iterator<Item = u64> {
        self.orders.iter().filter(move |(_, of)| **of == fate).map(|(order, _)| *order)
    }

    fn issued(&self) -> usize {
        self.orders.keys().filter(|&&order| issued(self.ca, order)).count()
    }

    /// One in twenty is reissued, a third of these for other names; one in fifty of those that are open is canceled.
    fn stir(&mut self) {
        let orders: Vec<u64> = self.of(Fate::Plain).collect();
        let (mut reissued, mut canceled) = (0, 0);
        for order in orders {
            if reissued < 18 && issued(self.ca, order) {
                let names = (reissued % 3 == 0).then(|| format!("r{reissued}.dcv.test"));
                assert!(self.ca.reissue_with(order, names));
                reissued += 1;
                self.orders.insert(order, Fate::Issued);
            } else if canceled < 7 && is(self.ca, order, "pending") && self.ca.cancel(order) {
                canceled += 1;
                self.orders.insert(order, Fate::Canceled);
            }
        }
        assert_eq!((reissued, canceled), (18, 7));
    }

    /// The first order that is not yet what it is to become.
    fn open(&self) -> Option<(u64, Fate)> {
        let is_there = |order: u64, fate: Fate| match fate {
            Fate::Plain | Fate::Issued => issued(self.ca, order),
            Fate::Proven => self.ca.scopes(order).iter().all(|(_, approved)| *approved),
            Fate::Canceled => is(self.ca, order, "canceled"),
            Fate::Left | Fate::Foreign => is(self.ca, order, "pending"),
        };
        self.orders.iter().map(|(&order, &fate)| (order, fate)).find(|&(order, fate)| !is_there(order, fate))
    }
}

/// Everything at once: what can be validated is, what is not ours is not touched, nothing is left anywhere, and no call
/// is made that was not promised.
#[tokio::test(flavor = "multi_thread")]
async fn an_estate_is_validated_and_nothing_is_left_of_it() {
    let mut foreign: String = (0..20).map(|n| format!("_dnsauth.h{n} TXT \"{FOREIGN}\"\n")).collect();
    foreign += "_dnsauth.shared0 TXT \"somebody-elses-value\"\n_dnsauth.both0 TXT \"somebody-elses-value\"\n*.z TXT \"wild\"\n";
    let files = Relay::start().await;
    let scene = Scene::with_ca(Bind::open(&foreign), |config| {
        config.keys = vec![ApiKey::full("sandbox-key"), ApiKey::full("second").account(SECOND)];
        config.rate = vec![RateWindow { calls: 100, per: Duration::from_secs(1) }];
        config.profile.web = [("dcv.test".to_owned(), files.address)].into();
    })
    .await;
    let mut estate = Estate::place(&scene.ca);
    std::fs::write(scene.agent.path("second.key"), "second\n").unwrap();
    let rate = |calls: u32| format!("rate = {{ short = \"{calls}/1s\", long = \"100000/60s\" }}\n{DISCOVER}");
    let second = account("second", &scene.ca, &scene.agent.path("second.key"), &rate(40));
    scene.configure(&[], &(rate(100) + &second));
    show_files_by(&scene.agent, &files);
    let (before, start) = (scene.bind.transfer(), Instant::now());

    let daemon = scene.agent.daemon();
    let mut at = None;
    eventually("the responder listens", Duration::from_secs(30), || {
        at = responder(&scene.agent);
        at.is_some()
    });
    files.lead_to(at.unwrap());
    eventually("a third is issued", Duration::from_secs(100), || estate.issued() > 110);
    estate.stir();
    let mut open = None;
    let settled = || {
        open = estate.open();
        open.is_none()
    };
    eventually("the estate is validated", Duration::from_secs(110), settled);
    eventually("every name holds what it held", Duration::from_secs(30), || scene.bind.transfer() == before);
    let took = start.elapsed();
    for host in ["w0", "w33", "v0", "u3", "y4", "wtwo0", "h0"] {
        let status = status_of_file(at.unwrap(), &format!("{host}.dcv.test"));
        assert!(status.contains("404"), "the responder still shows a file for {host}: {status}");
    }
    let memory = daemon.peak_memory();
    assert_eq!(daemon.stop().0, 0);
    assert_eq!(scene.held(), [Json::Null; 0], "the state still lists something");
    assert_eq!(scene.bind.transfer(), before);

    let stats = scene.ca.stats();
    let burst = stats.max_in_window(Duration::from_secs(1));
    figures(&format!("the estate: {took:.1?}, {memory} KiB, {burst} calls in one second: {:?}", stats.calls));
    assert_eq!(stats.throttled, 0);
    assert!(burst <= 140, "{burst} calls in one second");
    assert!(memory < 256 * 1024, "{memory} KiB");
    for order in estate.of(Fate::Foreign) {
        assert_eq!(scene.calls(order), 0, "order {order} is none of ours, and was called about");
    }
    for order in estate.of(Fate::Left) {
        assert_eq!(scene.calls(order), 1, "order {order} was more than looked at");
    }
    // It is read, its value is asked for, and it is checked. An order that was issued an instant before the account is
    // asked for changes is read once more.
    let promised = [(Endpoint::OrderValidation, 1), (Endpoint::DcvRandomValue, 1), (Endpoint::CheckDcv, 1)];
    let mut more = 0;
    for order in estate.of(Fate::Plain) {
        let mut calls = stats.order(order).calls;
        let reads = calls.get_mut(&Endpoint::OrderValidation).unwrap();
        more += *reads - 1;
        *reads = 1;
        assert_eq!(calls, promised.into(), "order {order}");
    }
    figures(&format!("{more} orders were read once more"));
    assert!(more <= 12, "{more} orders were read once more");
}

#[expect(clippy::print_stdout, reason = "figures for whoever asks for them with --nocapture")]
fn figures(text: &str) {
    println!("{text}");
}

/// A person who places an order does not wait for long until the agent takes it up: one period and a call.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_order_is_taken_up_within_a_period() {
    let scene = Scene::new(Bind::open("")).await;
    scene.configure(&[], "discover = {}");
    let by_default = config::load(&scene.agent.path("config.toml")).unwrap();
    let every = by_default.accounts["main"].discover.as_ref().unwrap().every;
    assert_eq!(every, Duration::from_secs(60), "what is promised is 90 s");

    scene.configure(&[], DISCOVER);
    let daemon = scene.agent.daemon();
    list_is_read(&scene.agent);
    for n in 0..3 {
        let order = scene.ca.place(OrderSpec::dv([host(n)]));
        let took = eventually("a new order is taken up", Duration::from_secs(30), || scene.calls(order) > 0);
        figures(&format!("a new order was taken up after {took:.1?}"));
        assert!(took < Duration::from_secs(5 + 5), "it took {took:?} with a period of five seconds");
        eventually("it is issued", Duration::from_secs(15), || scene.issued(order));
    }
    assert_eq!(daemon.stop().0, 0);
}

/// An account in which nothing happens costs one call a period, however many orders it has.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_account_costs_one_call_a_period() {
    const PERIODS: u64 = 4;
    let scene = Scene::new(Bind::open("")).await;
    scene.ca.place_many(&OrderSpec::dv(["i{n}.dcv.test"]).status("issued"), 10_000);
    scene.ca.place_many(&OrderSpec::dv(["i{n}.other.example"]), 50);
    scene.configure(&[], DISCOVER);
    let (before, serial) = (scene.bind.transfer(), scene.bind.serial());
    let daemon = scene.agent.daemon();
    list_is_read(&scene.agent);
    eventually("the periods pass", Duration::from_secs(60), || scene.ca.stats().total > PERIODS);
    let stats = scene.ca.stats();
    let expected = [(Endpoint::ListOrders, 1), (Endpoint::StatusChanges, PERIODS)];
    assert_eq!(stats.calls, expected.into(), "a call that nobody needs");
    let gaps = stats.times.iter().zip(stats.times.iter().skip(1)).map(|(one, next)| *next - *one);
    let shortest = gaps.min().unwrap();
    assert!(shortest > Duration::from_millis(4900), "two calls came within {shortest:?}");
    let memory = daemon.peak_memory();
    figures(&format!("an idle account of 10,000 orders: {memory} KiB"));
    assert!(memory < 256 * 1024, "{memory} KiB");
    assert_eq!(daemon.stop().0, 0);
    assert_eq!((scene.bind.transfer(), scene.bind.serial()), (before, serial));
}

/// An order is reissued while the removal of its former value is under way, and so long that the agent hears of it
/// before that ends: the value of the reissue is published and proven, and nothing is left.
async fn reissue_while_retracting(value: ValueAfterReissue) {
    let scene = Scene::with_ca(Bind::open(""), |config| config.profile.value_after_reissue = value).await;
    let front = Front::before(scene.bind.primary()).await;
    scene.configure_by_way_of(front.address, DISCOVER);
    front.hold();
    let order = scene.ca.place(OrderSpec::dv([host(1)]));
    let daemon = scene.agent.daemon();
    eventually("the order is issued", Duration::from_secs(20), || scene.issued(order));
    eventually("its value is being removed", Duration::from_secs(10), || front.waited() > 0);
    let former = scene.ca.value(order).unwrap();
    assert!(scene.ca.reissue(order));
    changes_are_heard(&scene.ca);
    assert_eq!(scene.bind.txt(&host(1)), [former.as_str()], "the removal was not held");
    front.let_go();
    eventually("the reissue is proven", Duration::from_secs(40), || scene.issued(order));
    eventually("nothing is left", Duration::from_secs(30), || scene.bind.txt(&host(1)).is_empty());
    let renewed = scene.ca.value(order).unwrap() != former;
    assert_eq!(renewed, value == ValueAfterReissue::New);
    assert_eq!(daemon.stop().0, 0);
    assert_eq!(scene.held(), [Json::Null; 0]);
}

/// The reissue has a value of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_reissue_during_the_removal_gets_its_own_value() {
    reissue_while_retracting(ValueAfterReissue::New).await;
}

/// The reissue has the value that is being removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_reissue_during_the_removal_gets_the_same_value_back() {
    reissue_while_retracting(ValueAfterReissue::Keep).await;
}

/// Given up while its value is being removed, since it was reissued to a name of others, and taken up again when it comes
/// back to a name of ours before the removal has ended.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_taken_up_again() {
    let scene = Scene::new(Bind::open("")).await;
    let front = Front::before(scene.bind.primary()).await;
    scene.configure_by_way_of(front.address, DISCOVER);
    front.hold();
    let order = scene.ca.place(OrderSpec::dv([host(1)]));
    let daemon = scene.agent.daemon();
    eventually("the order is issued", Duration::from_secs(20), || scene.issued(order));
    eventually("its value is being removed", Duration::from_secs(10), || front.waited() > 0);
    assert!(scene.ca.reissue_with(order, ["www.other.example"]));
    changes_are_heard(&scene.ca);
    assert!(scene.ca.cancel(order) && scene.ca.reissue(order));
    changes_are_heard(&scene.ca);
    front.let_go();
    eventually("the reissue is proven", Duration::from_secs(40), || scene.issued(order));
    eventually("nothing is left", Duration::from_secs(30), || scene.bind.txt(&host(1)).is_empty());
    assert_eq!(daemon.stop().0, 0);
}

/// An order that is reissued as soon as it is issued is in the same state whenever the account is asked. Each reissue is
/// taken up all the same.
#[tokio::test(flavor = "multi_thread")]
async fn reissues_between_two_questions_are_noticed() {
    let scene = Scene::new(Bind::open("")).await;
    scene.configure(&[], DISCOVER);
    let order = scene.ca.place(OrderSpec::dv([host(1)]));
    let daemon = scene.agent.daemon();
    for round in 0..4 {
        let what = format!("the order is issued for the {round}. time");
        eventually(&what, Duration::from_secs(30), || scene.issued(order));
        eventually("its value is gone", Duration::from_secs(10), || scene.bind.txt(&host(1)).is_empty());
        assert!(scene.ca.reissue(order));
    }
    eventually("the last reissue is proven", Duration::from_secs(30), || scene.issued(order));
    assert_eq!(daemon.stop().0, 0);
}

/// Pages of a list that changes while it is read: every order of ours is taken up, and once.
#[tokio::test(flavor = "multi_thread")]
async fn no_order_is_lost_between_pages_that_shift() {
    for shift in [ListShift::Grows, ListShift::Shrinks] {
        let scene = Scene::with_ca(Bind::open(""), |config| {
            in_haste(config);
            config.profile.list_shift = shift;
        })
        .await;
        // Two in twenty are ours, those at which pages end and begin among them; the newest, which may leave, are not.
        let ours: Vec<u64> = (0..2600)
            .filter_map(|n| {
                let ours = n % 20 >= 18;
                let name = if ours { host(n) } else { format!("x{n}.other.example") };
                let order = scene.ca.place(OrderSpec::dv([name]));
                ours.then_some(order)
            })
            .collect();
        scene.ca.place_many(&OrderSpec::dv(["y{n}.other.example"]), 20);
        scene.configure(&[], &format!("{DISCOVER}\n{HASTE}"));
        let before = scene.bind.transfer();
        let run = scene.agent.run(&["--once", "--timeout", "100s"]);
        assert_eq!(run.code, 0, "{shift:?}: {}", run.err);
        let stats = scene.ca.stats();
        assert!(stats.calls_of(Endpoint::ListOrders) >= 3, "one page does not shift");
        for order in ours {
            assert!(scene.issued(order), "{shift:?}: order {order} was overlooked");
            assert_eq!(scene.calls(order), 3, "{shift:?}: order {order} was taken up more than once");
        }
        assert_eq!(scene.bind.transfer(), before);
    }
}

/// A status that this version does not know is looked at and told; nothing is touched. One that is found is not taken up.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_status_is_looked_at_and_left() {
    let scene = Scene::new(Bind::open("")).await;
    let named = scene.ca.place(OrderSpec::dv([host(1)]).status("quarantined"));
    let found = scene.ca.place(OrderSpec::dv([host(2)]).status("quarantined"));
    scene.configure(&[named], DISCOVER);
    let serial = scene.bind.serial();
    let run = scene.agent.run(&["--once", "--timeout", "20s", "--output", "json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let report = run.order(named);
    assert_eq!(report["reason"], "status-unknown", "{report}");
    assert!(report["detail"].as_str().unwrap().contains("quarantined"), "{report}");
    assert_eq!((scene.calls(named), scene.calls(found)), (1, 0));
    let explained = scene.agent.run(&["explain", &named.to_string()]);
    assert_eq!(explained.code, 1, "{explained:?}");
    assert_eq!(scene.bind.serial(), serial);
}

/// An order under way whose status becomes unknown keeps its value where it is, over a restart as well, until its status
/// is known again; then it is gone on with.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_stays_while_the_status_is_unknown() {
    let scene = Scene::with_blind_ca(Bind::open("")).await;
    let order = scene.ca.place(OrderSpec::dv([host(1)]));
    scene.configure(&[], DISCOVER);
    let daemon = scene.agent.daemon();
    let asked = || scene.ca.stats().order(order).calls_of(Endpoint::CheckDcv);
    eventually("the order waits for the CA", Duration::from_secs(20), || asked() > 0);
    let (values, serial) = (scene.bind.txt(&host(1)), scene.bind.serial());
    assert_eq!(values.len(), 1);

    scene.ca.set_status(order, "quarantined");
    let noted = || scene.agent.run(&["status"]).out.contains("status-unknown");
    eventually("the status is noticed", Duration::from_secs(20), noted);
    let before = scene.calls(order);
    changes_are_heard(&scene.ca);
    assert_eq!(daemon.stop().0, 0);
    let daemon = scene.agent.daemon();
    list_is_read(&scene.agent);
    changes_are_heard(&scene.ca);
    assert_eq!((scene.bind.txt(&host(1)), scene.bind.serial()), (values, serial), "the value was touched");
    let reads = scene.calls(order) - before;
    assert!(
        reads <= 2,
        "{reads} reads: after a restart the order is read, and once more for what has changed lately"
    );

    scene.let_the_ca_see();
    scene.ca.set_status(order, "pending");
    eventually("the order is gone on with", Duration::from_secs(30), || scene.issued(order));
    eventually("its value is gone", Duration::from_secs(10), || scene.bind.txt(&host(1)).is_empty());
    assert_eq!(scene.ca.stats().order(order).values.len(), 1);
    assert_eq!(daemon.stop().0, 0);
    assert_eq!(scene.held(), [Json::Null; 0]);
}

/// A pattern in which a letter is wrong admits nothing. That is told, once, when the list is read; so is an order whose
/// name lies in no zone.
#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_that_matches_nothing_is_told_once() {
    let scene = Scene::new(Bind::open("")).await;
    let order = scene.ca.place(OrderSpec::dv([host(1)]));
    let nowhere = scene.ca.place(OrderSpec::dv(["www.example.test"]));
    scene.ca.place_domain(dcv_sandbox::ca::DomainSpec::new(host(2)).validated());
    let patterns = "discover = { only = [\"*.dvc.test\", \"*.example.test\"], except = [\"secrte.dcv.test\"], every_seconds = 5 }\n\
                    domains = { only = [\"h3.dcv.test\", \"h2.dcv.test\"], every_seconds = 5 }";
    scene.configure(&[], patterns);
    scene.agent.append(&format!("\"example.test\" = [\"{}\"]\n", scene.bind.primary()));
    let daemon = scene.agent.daemon();
    list_is_read(&scene.agent);
    eventually("the list of domains is read again", Duration::from_secs(30), || {
        // The third question is asked once the second answer was gone through.
        scene.ca.stats().calls_of(Endpoint::ListDomains) >= 3
    });
    let told = scene.agent.log();
    for pattern in ["*.dvc.test", "secrte.dcv.test", "h3.dcv.test"] {
        assert_eq!(told.matches(pattern).count(), 1, "{pattern} in {told}");
    }
    for pattern in ["*.example.test", "h2.dcv.test"] {
        assert!(!told.contains(pattern), "{pattern} in {told}");
    }
    assert_eq!(daemon.stop().0, 0);
    assert!(!scene.issued(order));

    let run = scene.agent.run(&["--once", "--timeout", "20s", "--output", "json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let report = run.order(nowhere);
    assert_eq!(report["reason"], "not-taken-up", "{report}");
    assert!(report["detail"].as_str().unwrap().contains("no configured provider"), "{report}");
}

/// A clock two hours off, either way: the name server refuses the signature, and one sentence says that it is the clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_told_and_changes_nothing_in_dns() {
    let mut scene =
        Scene::with_ca(Bind::open(""), |config| config.profile.value_life = Duration::from_secs(1800)).await;
    for (n, offset) in ["-2h", "+2h"].into_iter().enumerate() {
        scene.agent = Agent::new();
        let order = scene.ca.place(OrderSpec::dv([host(n)]));
        scene.configure(&[order], "");
        let (before, serial) = (scene.bind.transfer(), scene.bind.serial());
        let run = Finished::from(
            faketime(offset, &scene.agent.command(&["--once", "--timeout", "20s", "--output", "json"]))
                .output()
                .unwrap(),
        );
        assert_eq!(run.code, 78, "{offset}: {run:?}");
        let report = run.order(order);
        assert_eq!(report["reason"], "setup-refused", "{report}");
        assert!(report["detail"].as_str().unwrap().contains("clock"), "{report}");
        assert_eq!(run.err.matches("clocks differ").count(), 1, "{run:?}");
        assert_eq!((scene.bind.transfer(), scene.bind.serial()), (before, serial));
        assert!(is(&scene.ca, order, "pending"));

        let doctor = Finished::from(faketime(offset, &scene.agent.command(&["doctor"])).output().unwrap());
        assert_eq!(doctor.code, 1, "{doctor:?}");
        assert!(
            doctor.out.contains("differ by 7200 s") || doctor.out.contains("differ by 7199 s"),
            "{doctor:?}"
        );
    }
}

/// Where no signature is in the way, the wrong clock does no harm: values that live for half an hour are neither taken
/// for expired nor, once they are, for good.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_misreads_no_date() {
    let files = Relay::start().await;
    for offset in ["-2h", "+2h"] {
        let scene = Scene::with_ca(Bind::open(""), |config| {
            config.profile.value_life = Duration::from_secs(1800);
            config.profile.web = [("dcv.test".to_owned(), files.address)].into();
        })
        .await;
        let orders: Vec<u64> =
            (0..10).map(|n| scene.ca.place(OrderSpec::dv([host(n)]).method(FILE))).collect();
        let once = |orders: &[u64], seconds: &str| {
            scene.configure(orders, "");
            show_files_by(&scene.agent, &files);
            let log = std::fs::File::create(scene.agent.path("log")).unwrap();
            let mut command = faketime(offset, &scene.agent.command(&["--once", "--timeout", seconds]));
            let mut child = command.stderr(log).stdout(std::process::Stdio::null()).spawn().unwrap();
            let mut code = None;
            eventually("the run ends", Duration::from_secs(60), || {
                if let Some(at) = responder(&scene.agent) {
                    files.lead_to(at);
                }
                code = child.try_wait().unwrap();
                code.is_some()
            });
            code.and_then(|status| status.code())
        };
        assert_eq!(once(&orders, "40s"), Some(0), "{offset}: {}", scene.agent.log());
        for order in orders {
            assert!(scene.issued(order));
            assert_eq!(scene.calls(order), 3, "{offset}: a value was taken for expired");
        }

        // The CA sees no file, so the order outlives its value.
        scene.ca.alter_profile(|profile| {
            profile.value_life = Duration::from_secs(6);
            profile.web = BTreeMap::new();
        });
        let order = scene.ca.place(OrderSpec::dv([host(11)]).method(FILE));
        assert_eq!(once(&[order], "16s"), Some(75), "{offset}: {}", scene.agent.log());
        let values = scene.ca.stats().order(order).values.len();
        assert!(
            (2..=4).contains(&values),
            "{offset}: {values} values within 16 s, each of which lives for 6 s"
        );
    }
}

/// An account whose CA answers nothing but errors, or nothing at all, does not slow another one down.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_account_does_not_slow_another() {
    const ORDERS: usize = 20;
    let mut scene = Scene::with_ca(Bind::open(""), in_haste).await;
    let hang = || FaultKind::silence(Duration::from_secs(120));
    let troubles = [
        None,
        Some(Fault::always(FaultKind::Http503)),
        Some(Fault::always(hang())),
        Some(Fault::always(hang()).at(Endpoint::OrderValidation)),
    ];
    let mut alone = Duration::ZERO;
    for (round, trouble) in troubles.into_iter().enumerate() {
        let broken = simulator(&scene.bind.addresses(), in_haste).await;
        broken.place_many(&OrderSpec::dv(["b{n}.dcv.test"]), 200);
        scene.agent = Agent::new();
        let mut accounts = format!("{DISCOVER}\n{HASTE}");
        if let Some(trouble) = trouble.clone() {
            broken.fault(trouble);
            let key = scene.agent.path("api.key");
            accounts += &account("broken", &broken, &key, &format!("{DISCOVER}\n{HASTE}"));
        }
        scene.configure(&[], &accounts);
        let daemon = scene.agent.daemon();
        list_is_read(&scene.agent);
        if trouble.is_some() {
            eventually("the broken account is in trouble", Duration::from_secs(20), || {
                broken.stats().faults > 0
            });
        }
        let orders: Vec<u64> =
            (0..ORDERS).map(|n| scene.ca.place(OrderSpec::dv([host(round * ORDERS + n)]))).collect();
        let took = eventually("the sound account's orders are issued", Duration::from_secs(90), || {
            orders.iter().all(|&order| scene.issued(order))
        });
        if trouble.is_none() {
            alone = took;
        }
        figures(&format!("{ORDERS} orders beside an account with {trouble:?}: {took:.1?}"));
        assert!(took < (alone * 3).max(Duration::from_secs(20)), "{took:?}; alone {alone:?}: {trouble:?}");
        assert_eq!(daemon.stop().0, 0);
        assert_eq!(broken.stats().calls_of(Endpoint::DcvRandomValue), 0, "the trouble was none");
    }
}
