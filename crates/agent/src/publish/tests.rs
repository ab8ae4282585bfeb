//! What a writer does while its provider is busy.

use std::sync::Mutex;

use async_trait::async_trait;
use dcv_core::{Change, Guarded, Lookup, RandomValue, RecordData};
use dns_providers::{Class, Probe, RecordSet, Zone};
use jiff::SignedDuration;
use tokio::sync::Semaphore;

use super::*;
use crate::files::Routes;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// A provider that takes as many batches as it is let, and remembers the names in the order in which they came.
#[derive(Debug)]
struct Gate {
    open: Semaphore,
    seen: Mutex<Vec<Vec<String>>>,
    at_once: usize,
    /// Changes with a name that begins so are refused for that name.
    refuses: &'static str,
}

#[async_trait]
impl DnsProvider for Gate {
    async fn probe(&self, _: &Zone) -> Result<Probe, dns_providers::Error> {
        Err(dns_providers::Error::new(Class::Blocked, "none", "nobody asks"))
    }

    async fn read(&self, _: &Zone, _: &dcv_core::Site) -> Result<RecordSet, dns_providers::Error> {
        Err(dns_providers::Error::new(Class::Blocked, "none", "nobody asks"))
    }

    fn at_once(&self) -> usize {
        self.at_once
    }

    async fn apply(&self, _: &Zone, changes: &[Change]) -> Result<Receipt, dns_providers::Error> {
        let names: Vec<String> = changes.iter().map(|change| change.site().owner().to_string()).collect();
        let refused = names.iter().any(|name| name.starts_with(self.refuses));
        self.seen.lock().unwrap().push(names);
        self.open.acquire().await.unwrap().forget();
        if refused {
            return Err(dns_providers::Error::new(Class::Blocked, "refused", "not this name"));
        }
        Ok(Receipt::default())
    }

    async fn settled(&self, _: &Receipt) -> Result<bool, dns_providers::Error> {
        Ok(true)
    }
}

fn artifact(host: &str) -> Artifact {
    let lookup = Lookup::dnsauth(format!("{host}.example.com").parse().unwrap());
    let site = Guarded::direct(&lookup, "example.com".parse().unwrap()).unwrap();
    Artifact::Record { site, data: RecordData::Txt(RandomValue::new("value").unwrap()) }
}

/// A publisher for `example.com` whose every change waits at the gate.
async fn gated() -> (Arc<Gate>, State, Arc<Publisher>) {
    gated_by(usize::MAX).await
}

async fn gated_by(at_once: usize) -> (Arc<Gate>, State, Arc<Publisher>) {
    let gate = Arc::new(Gate {
        open: Semaphore::new(0),
        seen: Mutex::default(),
        at_once,
        refuses: "_dnsauth.refused",
    });
    let state = State::in_memory().await.unwrap();
    let zone = Zone { name: "example.com".parse().unwrap(), id: None };
    let provider: Arc<dyn DnsProvider> = Arc::<Gate>::clone(&gate);
    let file_store = FileStore::new(Routes::default(), None);
    let publisher = Arc::new(Publisher::start(
        managed_zones("gate", &provider, &[zone]),
        file_store,
        &state,
        &Ledger::off(),
        Ttl::default(),
    ));
    (gate, state, publisher)
}

/// What arrives while a batch is under way goes out as one batch, the least slack first, what has no deadline last.
#[tokio::test]
async fn the_least_slack_is_written_first() {
    let (gate, _, publisher) = gated().await;
    let publish = |number: u64, host: &'static str, hours: Option<i64>| {
        let publisher = Arc::clone(&publisher);
        let deadline = hours.map(|hours| NOW + SignedDuration::from_hours(hours));
        tokio::spawn(async move {
            publisher.publish(&Subject::order("main", number), &[artifact(host)], &[], deadline).await
        })
    };
    let batches = || gate.seen.lock().unwrap().len();
    let first = publish(1, "first", None);
    while batches() == 0 {
        tokio::task::yield_now().await;
    }
    let later = [
        publish(2, "whenever", None),
        publish(3, "tomorrow", Some(24)),
        publish(4, "now", Some(0)),
        publish(5, "soon", Some(1)),
        publish(6, "overdue", Some(-5)),
    ];
    // Each has handed its job to the writer once nothing else can go on.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gate.open.add_permits(2);
    first.await.unwrap().unwrap();
    for job in later {
        job.await.unwrap().unwrap();
    }
    let seen = gate.seen.lock().unwrap().clone();
    let expected = ["overdue", "now", "soon", "tomorrow", "whenever"];
    assert_eq!(seen[1], expected.map(|host| format!("_dnsauth.{host}.example.com")), "{seen:?}");
    assert_eq!(seen.len(), 2, "{seen:?}");
}

/// A hundred zones of one account begin together: a few are written at once, so that each is done within its minute, and what
/// waits when the publisher is closed is not written.
#[tokio::test]
async fn zones_of_one_provider_take_turns() {
    let gate = Arc::new(Gate {
        open: Semaphore::new(0),
        seen: Mutex::default(),
        at_once: usize::MAX,
        refuses: "_dnsauth.refused",
    });
    let state = State::in_memory().await.unwrap();
    let name = |n: u64| format!("zone{n}.example").parse::<DomainName>().unwrap();
    let zones: Vec<Zone> = (0..100).map(|n| Zone { name: name(n), id: None }).collect();
    let provider: Arc<dyn DnsProvider> = Arc::<Gate>::clone(&gate);
    let files = FileStore::new(Routes::default(), None);
    let managed = managed_zones("gate", &provider, &zones);
    let publisher = Arc::new(Publisher::start(managed, files, &state, &Ledger::off(), Ttl::default()));
    let jobs: Vec<_> = (0..100)
        .map(|n| {
            let publisher = Arc::clone(&publisher);
            let site = Guarded::direct(&Lookup::dnsauth(name(n)), name(n)).unwrap();
            let artifact =
                Artifact::Record { site, data: RecordData::Txt(RandomValue::new("value").unwrap()) };
            tokio::spawn(async move {
                publisher.publish(&Subject::order("main", n), &[artifact], &[], None).await
            })
        })
        .collect();
    let seen = || gate.seen.lock().unwrap().len();
    while seen() < 4 {
        tokio::task::yield_now().await;
    }
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
    assert_eq!(seen(), 4, "too many at once");
    gate.open.add_permits(50);
    while seen() < 54 {
        tokio::task::yield_now().await;
    }
    let closing = tokio::spawn({
        let publisher = Arc::clone(&publisher);
        async move { publisher.close().await }
    });
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
    gate.open.add_permits(100);
    closing.await.unwrap();
    let mut written = 0;
    for job in jobs {
        match job.await.unwrap() {
            Ok(()) => written += 1,
            Err(error) => assert!(matches!(error, Error::Stopping), "{error:?}"),
        }
    }
    assert_eq!((written, seen()), (54, 54));
}

/// A provider that runs a program for each value gets no more at once than it does within a minute.
#[tokio::test]
async fn no_more_is_handed_over_at_once_than_the_provider_takes() {
    let (gate, _, publisher) = gated_by(2).await;
    gate.open.add_permits(3);
    let artifacts = ["a", "b", "c", "d", "e"].map(artifact);
    publisher.publish(&Subject::order("main", 1), &artifacts, &[], None).await.unwrap();
    let seen: Vec<usize> = gate.seen.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(seen, [2, 2, 1]);
}

/// Names that cannot be written hold up none of the others, however many there are of them in one batch; where none can be
/// written, the provider is not asked for each.
#[tokio::test]
async fn refused_names_hold_up_no_other() {
    for (every, most) in [(8, 1000), (1, 40)] {
        let (gate, _, publisher) = gated().await;
        let publish = |number: u64, host: String| {
            let publisher = Arc::clone(&publisher);
            let job = async move {
                publisher.publish(&Subject::order("main", number), &[artifact(&host)], &[], None).await
            };
            tokio::spawn(job)
        };
        let first = publish(1000, "first".to_owned());
        while gate.seen.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let jobs: Vec<_> = (0..256)
            .map(|number| {
                let is_refused = number % every == 0;
                let host = format!("{}{number}", if is_refused { "refused" } else { "fine" });
                (is_refused, publish(number, host))
            })
            .collect();
        for _ in 0..300 {
            tokio::task::yield_now().await;
        }
        gate.open.add_permits(2000);
        first.await.unwrap().unwrap();
        for (is_refused, job) in jobs {
            assert_eq!(job.await.unwrap().is_err(), is_refused);
        }
        let calls = gate.seen.lock().unwrap().len();
        assert!(calls < most, "{calls}");
    }
}

/// Hosts of one document root have one file: a second order waits for the first, and the file goes with the last host.
#[tokio::test]
async fn hosts_that_share_a_document_root_share_a_file() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join(dcv_core::FILE_PATH.trim_start_matches('/'));
    let state = State::in_memory().await.unwrap();
    let webroots =
        ["www.example.com", "example.com"].map(|host| (host.parse().unwrap(), root.path().to_owned()));
    let routes = Routes { webroots: webroots.into(), ..Routes::default() };
    let file_store = FileStore::new(routes, None);
    let publisher = Publisher::start(Vec::new(), file_store, &state, &Ledger::off(), Ttl::default());
    let file_of = |host: &str, value: &str| Artifact::File {
        host: host.parse().unwrap(),
        value: RandomValue::new(value).unwrap(),
    };
    let (one, two) = (Subject::order("main", 1), Subject::order("main", 2));
    let both = [file_of("www.example.com", "one"), file_of("example.com", "one")];
    publisher.publish(&one, &both, &[], None).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "one");
    let other = [file_of("example.com", "two")];
    let refused = publisher.publish(&two, &other, &[], None).await;
    assert!(matches!(&refused, Err(Error::Taken { subject, .. }) if *subject == one), "{refused:?}");

    publisher.retract(&one, &both[..1]).await.unwrap();
    assert!(file.exists(), "the other host of the order still wants it");
    publisher.retract(&one, &both[1..]).await.unwrap();
    assert!(!file.exists());
    publisher.publish(&two, &other, &[], None).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "two");
    publisher.retract(&two, &other).await.unwrap();
    assert!(!file.exists());
}

/// A host that was given another document root, or the responder, since its file was put up: the file goes from where it
/// stands, whether the configuration was changed by a reload or a restart.
#[tokio::test]
async fn a_file_is_removed_from_where_it_stands() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = |root: &tempfile::TempDir| root.path().join(dcv_core::FILE_PATH.trim_start_matches('/'));
    let host = || "www.example.com".parse::<DomainName>().unwrap();
    let to = |pattern: &str, root: &tempfile::TempDir| (pattern.parse().unwrap(), root.path().to_owned());
    let order = Subject::order("main", 1);
    let artifact = [Artifact::File { host: host(), value: RandomValue::new("value").unwrap() }];
    let routed = |webroots: Vec<_>| Routes {
        webroots: webroots.into_iter().collect(),
        everywhere: true,
        ..Routes::default()
    };
    let before = || routed(vec![to("www.example.com", &first)]);
    for (after, reload) in [
        (routed(vec![to("www.example.com", &second)]), true),
        (routed(Vec::new()), true),
        (routed(vec![to("www.example.com", &second), to("old.example.com", &first)]), false),
    ] {
        let state = State::in_memory().await.unwrap();
        let start =
            |file_store| Publisher::start(Vec::new(), file_store, &state, &Ledger::off(), Ttl::default());
        let publisher = start(FileStore::new(before(), None));
        publisher.publish(&order, &artifact, &[], None).await.unwrap();
        assert!(file(&first).exists());
        let file_store = FileStore::new(after, reload.then(|| publisher.file_store()));
        publisher.close().await;
        start(file_store).retract(&order, &artifact).await.unwrap();
        assert!(!file(&first).exists(), "the file was left");
        assert!(state.held().await.unwrap().is_empty());
    }
}

/// Closing waits for the change that is under way, and takes up no other: a writer of a former configuration never writes
/// beside the next one.
#[tokio::test]
async fn a_closed_publisher_writes_nothing_any_more() {
    let (gate, state, publisher) = gated().await;
    let publish = |number| {
        let publisher = Arc::clone(&publisher);
        tokio::spawn(async move {
            publisher.publish(&Subject::order("main", number), &[artifact("host")], &[], None).await
        })
    };
    let first = publish(1);
    while gate.seen.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let second = publish(2);
    let closing = tokio::spawn({
        let publisher = Arc::clone(&publisher);
        async move { publisher.close().await }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!closing.is_finished(), "a change is under way");
    gate.open.add_permits(10);
    closing.await.unwrap();
    first.await.unwrap().unwrap();
    assert!(matches!(second.await.unwrap(), Err(Error::Stopping)));
    assert!(matches!(publish(3).await.unwrap(), Err(Error::Stopping)));
    assert_eq!(gate.seen.lock().unwrap().len(), 1);
    let held = state.held().await.unwrap();
    assert_eq!(held.len(), 1, "{held:?}");
}
