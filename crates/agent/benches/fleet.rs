//! What orders at rest cost: memory and processor time of an engine that looks after 10,000 and 100,000 of them.
//!
//! Each was found by discovery, has its value published and visible at two name servers, and waits for DigiCert: the kind of
//! rest that keeps the most facts. `cargo bench --package dcv-agent --bench fleet`; it takes a minute or two.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement may panic, prints its figures and looks at the clock"
)]

use std::{
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use dcv_agent::{
    board::StatusBoard,
    clock, config,
    context::Context,
    engine::{Engine, Mode},
    state::State,
    subject::{Subject, Trigger},
    subjects::{Intake, Subjects},
};
use dcv_core::{
    Answer, Artifact, Asked, Caa, CaaFacts, CertName, Facts, Guarded, Held, Location, Look, Lookup, Method,
    OrderFacts, OrderStatus, RandomValue, RecordData, ScopeFacts, Sighting, Target, Token, Vantage,
    VantageKind,
};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

/// How long the engine is watched doing nothing.
const IDLE: Duration = Duration::from_secs(10);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test` runs benches once to see that they start; a measurement is not a test.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    // Each fleet in a process of its own: memory that was given back is not always seen to be.
    match std::env::var("FLEET") {
        Ok(orders) => measure(orders.parse().unwrap()),
        Err(_) => {
            for orders in ["1", "10000", "100000"] {
                let status =
                    Command::new(&arguments[0]).arg("--bench").env("FLEET", orders).status().unwrap();
                assert!(status.success());
            }
        }
    }
}

fn measure(orders: u64) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder =
            tempfile::tempdir_in(if Path::new("/dev/shm").exists() { "/dev/shm" } else { "/tmp" }).unwrap();
        let context = context(folder.path()).await;
        let board = Arc::new(StatusBoard::default());
        let (sender, triggers) = tokio::sync::mpsc::channel(1024);
        let stop = CancellationToken::new();
        let intake = Arc::new(Intake::default());
        let engine = Engine::new(
            Arc::clone(&context),
            Arc::clone(&board),
            Arc::clone(&intake),
            Mode::Daemon,
            stop.clone(),
            None,
        );
        // As the daemon does: what is said of each order is written to the state.
        dcv_agent::start::keep_saved(&context, &board, &stop);
        let now = clock::now();
        let start = Instant::now();
        let running = tokio::spawn(engine.run(Subjects::new(), triggers));
        // As discovery brings them.
        let account: Arc<str> = "main".into();
        for id in 1..=orders {
            let subject = Subject::order(Arc::clone(&account), id);
            intake.put(subject.clone(), facts(id, now));
            sender.send((subject, Trigger::Work)).await.unwrap();
            // What was seen of an order is dropped when it rests. In a real fleet few are looked at at once.
            if id % 500 == 0 {
                rest(&board, id, now).await;
            }
        }
        rest(&board, orders, now).await;
        let settled = start.elapsed();
        // The last statuses are still being noted in the state.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let (before, watched) = (processor_time(), Instant::now());
        tokio::time::sleep(IDLE).await;
        let idle = (processor_time() - before).as_secs_f64() / watched.elapsed().as_secs_f64() * 100.0;
        println!(
            "{orders:>7} orders at rest: {:>4} MB, settled in {:.1} s, idle at {idle:.2} % of a processor",
            memory() / 1_000_000,
            settled.as_secs_f64(),
        );
        stop.cancel();
        drop(sender);
        assert_eq!(running.await.unwrap().len() as u64, orders);
    });
}

/// Waits until so many orders are at rest.
async fn rest(board: &StatusBoard, orders: u64, now: Timestamp) {
    loop {
        let mut resting = 0;
        board.read(|status| resting += u64::from(status.wake > now));
        if resting == orders {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn context(folder: &Path) -> Arc<Context> {
    fs::write(folder.join("key"), "key").unwrap();
    let file = folder.join("config.toml");
    let text = format!(
        "[agent]\nstate = \"sqlite://{0}/state.db\"\nlisten = \"\"\n\
         [accounts.main]\nbase_url = \"http://127.0.0.1:9/\"\ninsecure_http = true\napi_key = {{ file = \"{0}/key\" }}\ndiscover = {{}}\n\
         [providers.dns]\nkind = \"rfc2136\"\nzones = [\"example.com\"]\nserver = \"127.0.0.1:9\"\n\
         tsig = {{ name = \"k.\", secret = {{ file = \"{0}/key\" }} }}\n[verify]\nresolvers = [\"127.0.0.1:9\"]\n",
        folder.display()
    );
    fs::write(&file, text).unwrap();
    let config = config::load(&file).unwrap();
    let state = State::open(&config.state.location()).await.unwrap();
    Arc::new(Context::build(config, state, None).await.unwrap())
}

/// An order that waits for DigiCert.
fn facts(id: u64, now: Timestamp) -> Facts {
    let host: dcv_core::DomainName = format!("host-{id}.shop.example.com").parse().unwrap();
    let lookup = Lookup::dnsauth(host.clone());
    let site = Guarded::direct(&lookup, "example.com".parse().unwrap()).unwrap();
    let value = RandomValue::new(format!("q7m3xk2v9p0tz4n8c1wfy6h{id:09}")).unwrap();
    let name = CertName { name: host.clone(), wildcard: false };
    let artifact = Artifact::Record { site: site.clone(), data: RecordData::Txt(value.clone()) };
    let seen = |server: u8| {
        let vantage = Vantage {
            server: format!("ns{server}.example.com"),
            address: Some(([192, 0, 2, server], 53).into()),
            kind: VantageKind::Authority,
        };
        Sighting::new(vantage, now, Answer::Txt(vec![value.as_str().to_owned()]))
    };
    Facts {
        seed: id,
        discovered: true,
        order: Some(Box::new(OrderFacts {
            method: Some(Method::DnsTxt),
            scopes: vec![ScopeFacts::open(host, vec![name.clone()])],
            ..OrderFacts::of_status(Some(now), OrderStatus::Pending)
        })),
        token: Some(Token {
            value: Ok(value.clone()),
            expires: Some(now + SignedDuration::from_hours(24 * 25)),
            requested: now,
            stale_answers: 0,
        }),
        located: [(lookup.clone(), Location::At(Target::Record(site)))].into_iter().collect(),
        located_at: Some(now),
        held: vec![Held { artifact, applied: Some(now) }],
        sightings: [(lookup.clone(), vec![seen(1), seen(2)])].into(),
        looked_at: [(lookup, Look::at(now))].into_iter().collect(),
        looks: 1,
        caa: Some(CaaFacts { at: now, names: vec![(name, Caa::Open)] }),
        // Asked so often that the next check is an hour away.
        asked: Some(Asked { at: now, count: 9, said: "not approved: 1 name; DCV status pending".to_owned() }),
        ..Facts::default()
    }
}

/// What of this process is in memory, in bytes.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

/// What this process has used of processors so far.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // USER_HZ is 100 on every Linux that we build for.
    Duration::from_millis(ticks * 10)
}
