//! Chaos: replicas are killed, stopped and cut off, the database and the name server go away, clocks are apart; all the while
//! orders come. At the end every order is done, nothing of ours is left, nothing of others' is lost, the CA was never asked too
//! fast, and no value went before its certificate was issued.
//!
//! `CHAOS_FAULTS` says how many faults, `CHAOS_SEED` which ones: `make chaos` has an hour's worth.

#![expect(clippy::print_stdout, reason = "a run of half an hour says what it does")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use dcv_sandbox::ca::{CaSimulator, OrderSpec};

use super::support::{
    Daemon, FOREIGN,
    fleet::{DISCOVER, Fleet, host},
    way::{Link, Way},
};

const REPLICAS: usize = 3;
/// Names that orders are for, again and again.
const NAMES: usize = 40;
/// In `make test`.
const FAULTS: usize = 14;

/// One of the things that go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Kill,
    Terminate,
    /// For longer than it takes the others to take over.
    Stop,
    CutFromDatabase,
    DeadLinkToDatabase,
    CutFromCa,
    DatabaseCrash,
    NameServerStops,
}

const ALL: [Fault; 8] = [
    Fault::Kill,
    Fault::Stop,
    Fault::CutFromDatabase,
    Fault::DatabaseCrash,
    Fault::Terminate,
    Fault::DeadLinkToDatabase,
    Fault::CutFromCa,
    Fault::NameServerStops,
];

/// Numbers that a seed decides.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

#[expect(clippy::disallowed_methods, reason = "how long the test runs is its caller's to say")]
fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect(name))
}

/// The hosts' clocks: right, three minutes behind, two minutes ahead. A signed update may be off by five.
const CLOCKS: [Option<&str>; REPLICAS] = [None, Some("-180s"), Some("+120s")];

/// What has a process believe in another clock. `faketime` itself would stand between it and its signals.
fn clock(offset: &str) -> Vec<(String, String)> {
    let shown = Command::new("faketime").args(["--exclude-monotonic", "-f", offset, "env"]).output();
    let shown = shown.expect("faketime is missing; install the package faketime");
    let variables = String::from_utf8(shown.stdout).unwrap();
    let pairs = variables.lines().filter_map(|line| line.split_once('='));
    let of_clock = pairs.filter(|(name, _)| *name == "LD_PRELOAD" || name.contains("FAKETIME"));
    of_clock.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

struct Chaos {
    fleet: Fleet,
    to_database: Vec<Way>,
    to_ca: Vec<Way>,
    orders: Arc<Mutex<BTreeMap<u64, String>>>,
    placed: usize,
}

impl Chaos {
    async fn new() -> Self {
        let fleet = Fleet::new(REPLICAS, NAMES, |_| {}).await;
        let database = SocketAddr::from(([127, 0, 0, 1], fleet.database.port));
        let base: url::Url = fleet.ca.base_url().parse().unwrap();
        let ca = SocketAddr::from(([127, 0, 0, 1], base.port().unwrap()));
        let (mut to_database, mut to_ca) = (Vec::new(), Vec::new());
        for replica in &fleet.replicas {
            let (by, over) = (Way::to(database).await, Way::to(ca).await);
            let mut url = base.clone();
            url.set_port(Some(over.address.port())).unwrap();
            fleet.configure_by(replica, by.address, url.as_str(), "", DISCOVER);
            to_database.push(by);
            to_ca.push(over);
        }
        Self { fleet, to_database, to_ca, orders: Arc::default(), placed: 0 }
    }

    fn start(&mut self, number: usize) {
        let replica = &mut self.fleet.replicas[number];
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(replica.agent.path("log")).unwrap();
        let mut command = replica.agent.command(&[]);
        if let Some(offset) = CLOCKS[number] {
            command.envs(clock(offset));
        }
        replica.daemon = Some(Daemon::of(command.stderr(log)));
    }

    fn place(&mut self) {
        for _ in 0..3 {
            let name = host(self.placed % NAMES);
            self.placed += 1;
            let order = self.fleet.ca.place(OrderSpec::dv([name.clone()]));
            self.orders.lock().unwrap().insert(order, name);
        }
    }

    /// Does it, and mends it.
    fn strike(&mut self, fault: Fault, victim: usize, moment: Duration) {
        let signal = |chaos: &Self, name| {
            if let Some(daemon) = &chaos.fleet.replicas[victim].daemon {
                daemon.signal(name);
            }
        };
        match fault {
            Fault::Kill => {
                self.fleet.replicas[victim].daemon = None;
                wait(moment);
                self.start(victim);
            }
            Fault::Terminate => {
                if let Some(daemon) = self.fleet.replicas[victim].daemon.take() {
                    let (code, took) = daemon.stop();
                    assert!(code == 0 && took < Duration::from_secs(6), "{code} after {took:?}");
                }
                self.start(victim);
            }
            Fault::Stop => {
                signal(self, "STOP");
                wait(Duration::from_secs(7) + moment);
                signal(self, "CONT");
            }
            Fault::CutFromDatabase => for_a_while(&self.to_database[victim], Link::Cut, moment * 4),
            Fault::DeadLinkToDatabase => {
                for_a_while(&self.to_database[victim], Link::Dead, Duration::from_secs(5) + moment);
            }
            Fault::CutFromCa => for_a_while(&self.to_ca[victim], Link::Cut, moment),
            Fault::DatabaseCrash => {
                self.fleet.database.kill();
                wait(moment);
                self.fleet.database.run();
            }
            Fault::NameServerStops => {
                self.fleet.bind.signal("STOP");
                wait(moment);
                self.fleet.bind.signal("CONT");
            }
        }
    }
}

fn for_a_while(way: &Way, link: Link, span: Duration) {
    way.set(link);
    wait(span);
    way.set(Link::Whole);
}

/// The length of a fault.
fn wait(span: Duration) {
    std::thread::sleep(span);
}

/// Looks at the name server all the while: a value that was up may only go when its certificate is issued.
fn watch(
    fleet: &Fleet,
    orders: &Arc<Mutex<BTreeMap<u64, String>>>,
    over: &Arc<AtomicBool>,
) -> std::thread::JoinHandle<Vec<String>> {
    let (orders, over, ca) = (Arc::clone(orders), Arc::clone(over), Arc::clone(&fleet.ca));
    let primary = fleet.bind.primary();
    std::thread::spawn(move || {
        let (mut up, mut broken) = (BTreeMap::<u64, String>::new(), Vec::new());
        while !over.load(Ordering::Relaxed) {
            let Some(zone) = super::support::transfer(primary) else { continue };
            let orders = orders.lock().unwrap().clone();
            for (order, name) in orders {
                let value = value_of(&ca, order);
                let stands = value.as_ref().is_some_and(|value| {
                    let owner = format!("_dnsauth.{name}.");
                    zone.iter().any(|line| line.starts_with(&owner) && line.contains(value))
                });
                if stands {
                    up.insert(order, value.unwrap_or_default());
                } else if let Some(former) = up.get(&order)
                    && value.as_ref() == Some(former)
                    && ca.order_status(order).as_deref() != Some("issued")
                {
                    broken.push(format!("order {order}: the value at {name} went before it was issued"));
                    up.remove(&order);
                }
            }
        }
        broken
    })
}

fn value_of(ca: &CaSimulator, order: u64) -> Option<String> {
    ca.stats().order(order).values.last().cloned()
}

/// The long test of replicas; see the head of the file.
#[tokio::test(flavor = "multi_thread")]
async fn every_order_is_done_once_whatever_fails() {
    let (faults, seed) = (setting("CHAOS_FAULTS", FAULTS), setting("CHAOS_SEED", 7));
    let mut dice = Dice(seed as u64);
    let mut chaos = Chaos::new().await;
    (0..REPLICAS).for_each(|number| chaos.start(number));
    let over = Arc::new(AtomicBool::new(false));
    let watching = watch(&chaos.fleet, &chaos.orders, &over);
    let (began, mut struck) = (Instant::now(), BTreeMap::<Fault, usize>::new());
    let in_turn = ALL.into_iter().map(Some).chain(std::iter::repeat(None));
    for first in in_turn.take(faults) {
        // Each kind in turn first, then as they come.
        let fault = first.unwrap_or_else(|| ALL[dice.below(ALL.len())]);
        let (victim, moment) = (dice.below(REPLICAS), Duration::from_millis(dice.below(1500) as u64));
        chaos.place();
        // Spread over finding, publishing, looking, checking and tidying.
        wait(Duration::from_millis(dice.below(4000) as u64));
        println!("{:>5} s: {fault:?} at replica {victim} for {moment:?}", began.elapsed().as_secs());
        chaos.strike(fault, victim, moment);
        *struck.entry(fault).or_default() += 1;
    }
    let orders: Vec<u64> = chaos.orders.lock().unwrap().keys().copied().collect();
    let end = Instant::now() + Duration::from_secs(180);
    let open = || orders.iter().filter(|order| !chaos.fleet.issued(**order)).count();
    while (open(), chaos.fleet.count("held"), chaos.fleet.count("work")) != (0, 0, 0) {
        assert!(
            Instant::now() < end,
            "{} orders are open; held:\n{}\nwork:\n{}\nreplicas:\n{}\n{}",
            open(),
            chaos.fleet.database.sql("dcv", "SELECT * FROM held LIMIT 9"),
            chaos.fleet.database.sql("dcv", "SELECT account, id, replica, news FROM work LIMIT 9"),
            chaos.fleet.database.sql("dcv", "SELECT *, clock_timestamp() FROM replicas"),
            chaos.fleet.logs()
        );
        wait(Duration::from_millis(200));
    }
    over.store(true, Ordering::Relaxed);
    let broken = watching.join().unwrap();
    assert!(broken.is_empty(), "{broken:?}\n{}", chaos.fleet.logs());
    for n in 0..NAMES {
        assert_eq!(chaos.fleet.bind.txt(&host(n)), [FOREIGN], "{}", host(n));
    }
    let stats = chaos.fleet.ca.stats();
    assert_eq!(stats.throttled, 0, "the CA was asked too fast");
    println!(
        "{faults} faults in {} s: {struck:?}; {} orders, {} calls, most checks of one order {}",
        began.elapsed().as_secs(),
        orders.len(),
        stats.total,
        chaos.fleet.most_checks(&orders)
    );
}
