//! The gate under tokio's paused clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::{advance, sleep};

use super::*;

fn key(text: &str) -> Key {
    Key::from_source(&SecretString::from(text)).expect("key")
}

fn refusal() -> Error {
    let body = br#"{"errors":[{"code":"access_denied|access_denied_invalid_key"}]}"#;
    Error::declined(Answer::read(403, body, ""), None)
}

fn unavailable(retry_after: Option<Duration>) -> Error {
    Error::declined(Answer::read(503, b"", ""), retry_after)
}

/// A CA of which every call takes a while, and what it answers now.
struct World {
    gate: Gate,
    calls: AtomicU32,
    answer: fn() -> Result<(), Error>,
}

impl World {
    fn answering(answer: fn() -> Result<(), Error>) -> Self {
        Self { gate: Gate::new(), calls: AtomicU32::new(0), answer }
    }

    async fn call(&self, text: &str) -> Result<(), Error> {
        let pass = self.gate.enter(&key(text)).await?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(50)).await;
        let answer = (self.answer)();
        pass.end(&match &answer {
            Ok(()) => Outcome::Well,
            Err(Error::KeyRefused { answer }) => Outcome::KeyRefused(answer),
            Err(error) => Outcome::Failed(error),
        });
        answer
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn herd(world: &Arc<World>, size: u32, text: &'static str) -> Vec<Result<(), Error>> {
    let tasks: Vec<_> = (0..size)
        .map(|_| {
            let world = Arc::clone(world);
            tokio::spawn(async move { world.call(text).await })
        })
        .collect();
    let mut ends = Vec::new();
    for task in tasks {
        ends.push(task.await.expect("task"));
    }
    ends
}

/// Protects the rate and the log: a refused key costs one call, however many want it, then one in five minutes.
#[tokio::test(start_paused = true)]
async fn a_refused_key_costs_one_call() {
    for size in [50, 1000] {
        let world = Arc::new(World::answering(|| Err(refusal())));
        for round in 1..=4 {
            let ends = herd(&world, size, "wrong").await;
            assert!(ends.iter().all(|end| matches!(end, Err(Error::KeyRefused { .. }))), "{ends:?}");
            assert_eq!(world.calls(), round, "{size}");
            herd(&world, size, "wrong").await;
            advance(KEY_PAUSE / 10 * 8).await;
            herd(&world, size, "wrong").await;
            assert_eq!(world.calls(), round, "asked again before its time");
            advance(KEY_PAUSE / 10 * 2).await;
        }
        herd(&world, size, "another").await;
        assert_eq!(world.calls(), 5, "another key is tried at once, once");
    }
}

/// Protects throughput: when the first call has gone through, the others go together.
#[tokio::test(start_paused = true)]
async fn a_key_that_works_lets_everybody_in() {
    let world = Arc::new(World::answering(|| Ok(())));
    let start = Instant::now();
    assert!(herd(&world, 1000, "good").await.iter().all(Result::is_ok));
    assert_eq!(start.elapsed().as_millis() / 50, 2, "one call, then all of them");
}

/// Protects the service: while it is down, one call tries for all, ever more rarely.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_is_asked_by_one() {
    let world = Arc::new(World::answering(|| Err(unavailable(None))));
    let ends = herd(&world, 2000, "good").await;
    assert_eq!(world.calls(), FAILURES);
    let held = ends
        .iter()
        .filter(|end| matches!(end, Err(error @ Error::Held { .. }) if error.retry_after().is_some()));
    assert_eq!(held.count(), 2000 - 3);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(600) {
        herd(&world, 200, "good").await;
        sleep(Duration::from_millis(500)).await;
    }
    // 1, 2, 4 … 32 are a minute; then nine a time of nine minutes.
    assert!((13..=19).contains(&world.calls()), "{}", world.calls());
}

/// Protects the way back: the first success opens the gate, whoever had it.
#[tokio::test(start_paused = true)]
async fn the_first_success_opens_it() {
    let gate = Gate::new();
    let good = key("good");
    for _ in 0..FAILURES {
        gate.enter(&good).await.expect("in").end(&Outcome::Failed(&unavailable(None)));
    }
    assert!(gate.enter(&good).await.is_err());
    advance(FIRST_PAUSE).await;
    gate.enter(&good).await.expect("in").end(&Outcome::Well);
    let (one, other) = (gate.enter(&good).await.expect("in"), gate.enter(&good).await.expect("in"));
    drop((one, other));
}

/// Protects against a herd by cancellation: a probe that is dropped hands its place on, and says nothing.
#[tokio::test(start_paused = true)]
async fn a_dropped_probe_is_followed_by_one() {
    let gate = Gate::new();
    let good = key("good");
    let probe = gate.enter(&good).await.expect("in");
    assert!(
        tokio::time::timeout(Duration::from_secs(9), gate.enter(&good)).await.is_err(),
        "the others wait"
    );
    drop(probe);
    let next = gate.enter(&good).await.expect("in");
    assert!(next.probe);
}

/// Protects the CA's wish: a longer pause that it asks for is kept, within reason.
#[tokio::test(start_paused = true)]
async fn a_wish_for_a_longer_pause_is_kept() {
    let gate = Gate::new();
    let good = key("good");
    for _ in 0..FAILURES {
        let error = unavailable(Some(Duration::from_secs(100)));
        gate.enter(&good).await.expect("in").end(&Outcome::Failed(&error));
    }
    let error = gate.enter(&good).await.expect_err("shut");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(100)));
}

/// Protects rotation: news of the former key does not shut out the one that works.
#[tokio::test(start_paused = true)]
async fn a_late_refusal_of_a_former_key_is_not_about_the_new_one() {
    let gate = Gate::new();
    let (old, new) = (key("old"), key("new"));
    gate.enter(&old).await.expect("in").end(&Outcome::Well);
    let late = gate.enter(&old).await.expect("in");
    gate.enter(&new).await.expect("in").end(&Outcome::Well);
    let Error::KeyRefused { answer } = refusal() else { panic!("a refusal") };
    late.end(&Outcome::KeyRefused(&answer));
    assert!(gate.enter(&new).await.is_ok());
}
