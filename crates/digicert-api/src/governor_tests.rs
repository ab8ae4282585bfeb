//! The governor under tokio's paused clock.

use tokio::time::timeout;

use super::*;

fn window(calls: u32, millis: u64) -> Window {
    Window { calls, per: Duration::from_millis(millis) }
}

/// Small numbers without a crate: the constants are Knuth's.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Lets `workers` call without rest for `time` over a network with latency up to `latency` milliseconds, and
/// returns the instants at which the calls arrived.
async fn storm(windows: &[Window], workers: u64, time: Duration, latency: u64) -> Vec<Instant> {
    storm_of(&[Governor::new(windows, &[])], workers, time, latency).await
}

/// The same, by workers of several processes in turn.
async fn storm_of(governors: &[Governor], workers: u64, time: Duration, latency: u64) -> Vec<Instant> {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let end = Instant::now() + time;
    let workers: Vec<_> = (0..workers)
        .zip(governors.iter().cycle())
        .map(|(seed, governor)| {
            let (governor, arrivals) = (governor.clone(), Arc::clone(&arrivals));
            let mut dice = Dice(seed);
            tokio::spawn(async move {
                loop {
                    let mut turn = governor.turn(Due::Whenever).await;
                    if Instant::now() > end {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(dice.below(latency + 1))).await;
                    arrivals.lock().expect("arrivals").push(Instant::now());
                    tokio::time::sleep(Duration::from_millis(dice.below(latency + 1))).await;
                    turn.answered();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("worker");
    }
    let mut arrivals = std::mem::take(&mut *arrivals.lock().expect("arrivals"));
    arrivals.sort();
    arrivals
}

fn worst(arrivals: &[Instant], per: Duration) -> usize {
    let mut from = 0;
    let mut worst = 0;
    for (to, last) in arrivals.iter().enumerate() {
        while *last - arrivals[from] > per {
            from += 1;
        }
        worst = worst.max(to + 1 - from);
    }
    worst
}

/// Protects the account: whatever the latency does, no window of the server sees a call too many; and while
/// work waits, at least nine tenths of what is allowed is used.
#[tokio::test(start_paused = true)]
async fn never_more_than_allowed_and_rarely_less() {
    let cases = [
        (vec![window(10, 1_000), window(60, 10_000)], 30),
        (vec![window(100, 5_000), window(300, 30_000)], 100),
        (vec![window(100, 5_000), window(1000, 300_000)], 100),
        (vec![window(5, 1_000)], 20),
    ];
    for (windows, latency) in cases {
        let time = windows.iter().map(|window| window.per).max().expect("windows") * 10;
        let arrivals = storm(&windows, 150, time, latency).await;
        for window in &windows {
            let worst = worst(&arrivals, window.per);
            assert!(worst <= window.calls as usize, "{window:?}: {worst} calls in one window");
        }
        let allowed = windows
            .iter()
            .map(|window| f64::from(window.calls) * time.as_secs_f64() / window.per.as_secs_f64())
            .fold(f64::INFINITY, f64::min);
        let used = arrivals.len() as f64 / allowed;
        assert!(used >= 0.9, "{windows:?}: only {used:.3} of the rate is used");
    }
}

/// Protects the limit where latency is the enemy: jitter as long as the window itself.
#[tokio::test(start_paused = true)]
async fn jitter_as_long_as_the_window_does_not_break_it() {
    let arrivals = storm(&[window(10, 1_000)], 50, Duration::from_secs(60), 900).await;
    assert!(worst(&arrivals, Duration::from_secs(1)) <= 10);
}

/// Protects urgent work: the earliest deadline goes first, whenever it came; without one, last come last served.
#[tokio::test(start_paused = true)]
async fn waiting_calls_are_served_by_deadline() {
    let governor = Governor::new(&[window(1, 1_000)], &[]);
    governor.turn(Due::Whenever).await.answered();
    let start = Instant::now();
    let served = Arc::new(Mutex::new(Vec::new()));
    let wishes =
        [(0, "idle"), (50, "late"), (10, "soon"), (30, "middle"), (10, "soon, second"), (0, "idle, second")];
    let mut waiters = Vec::new();
    for (seconds, name) in wishes {
        let (governor, served) = (governor.clone(), Arc::clone(&served));
        let due = if seconds == 0 { Due::Whenever } else { Due::By(start + Duration::from_secs(seconds)) };
        waiters.push(tokio::spawn(async move {
            let mut turn = governor.turn(due).await;
            served.lock().expect("served").push(name);
            turn.answered();
        }));
        tokio::task::yield_now().await;
    }
    assert_eq!(governor.load().waiting, 6);
    for waiter in waiters {
        waiter.await.expect("waiter");
    }
    let expected = ["soon", "soon, second", "middle", "late", "idle", "idle, second"];
    assert_eq!(*served.lock().expect("served"), expected);
    assert_eq!(governor.load().waiting, 0);
    assert_eq!(governor.load().calls, 7);
}

/// Protects against leaks: a dropped waiter, first or not, neither keeps its place nor stalls the others.
#[tokio::test(start_paused = true)]
async fn a_cancelled_waiter_frees_its_place() {
    let governor = Governor::new(&[window(1, 1_000)], &[]);
    governor.turn(Due::Whenever).await.answered();
    let start = Instant::now();
    let mut waiters = Vec::new();
    for seconds in [1, 2, 3] {
        let governor = governor.clone();
        let due = Due::By(start + Duration::from_secs(seconds));
        waiters.push(tokio::spawn(async move { governor.turn(due).await.answered() }));
        tokio::task::yield_now().await;
    }
    waiters[0].abort();
    waiters[1].abort();
    let last = waiters.pop().expect("three");
    last.await.expect("the last waiter");
    assert_eq!(Instant::now() - start, Duration::from_millis(1_006), "nobody waited for the cancelled ones");
    assert_eq!((governor.load().waiting, governor.load().calls), (0, 2));
}

/// Protects against leaks the other way: a call dropped under way frees its place, once it can no longer arrive.
#[tokio::test(start_paused = true)]
async fn a_call_dropped_under_way_frees_its_place_after_a_grace() {
    let governor = Governor::new(&[window(1, 1_000)], &[]);
    drop(governor.turn(Due::Whenever).await);
    assert_eq!(governor.load().under_way, 0);
    let start = Instant::now();
    governor.turn(Due::Whenever).await.answered();
    assert_eq!(Instant::now() - start, STRAGGLER + Duration::from_millis(1_006));
}

/// Protects the account after a 429: all calls pause, then half the speed, then step by step all of it.
#[tokio::test(start_paused = true)]
async fn a_429_pauses_everybody_then_halves_then_recovers() {
    let governor = Governor::new(&[window(8, 1_000)], &[]);
    let mut first = governor.turn(Due::Whenever).await;
    let mut second = governor.turn(Due::Whenever).await;
    let start = Instant::now();
    first.answered();
    first.throttled(None);
    second.answered();
    second.throttled(None); // The same excess: must not halve twice.
    assert!(governor.load().slowed);
    governor.turn(Due::Whenever).await.answered();
    assert_eq!(Instant::now() - start, SHORTEST_PAUSE, "five seconds without a word from the server");

    // After an idle window, as many calls go at once as the speed allows.
    let mut bursts = Vec::new();
    for _ in 0..6 {
        tokio::time::sleep(RECOVERY_STEP - Duration::from_secs(2)).await;
        let mut burst = 0;
        while let Ok(mut turn) = timeout(Duration::from_millis(1), governor.turn(Due::Whenever)).await {
            turn.answered();
            burst += 1;
        }
        bursts.push(burst);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(bursts, [4, 5, 6, 7, 8, 8], "half the speed, then an eighth more with every step");
    assert!(!governor.load().slowed);
    assert_eq!(governor.load().throttled, 2);
}

/// Protects both sides of `Retry-After`: it is obeyed, it cannot shorten the pause, and it cannot park us for
/// a day; a further 429 brakes harder.
#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_within_bounds() {
    for (asked, pause) in [(1, SHORTEST_PAUSE), (40, Duration::from_secs(40)), (86_400, LONGEST_PAUSE)] {
        let governor = Governor::new(&[window(8, 1_000)], &[]);
        let mut turn = governor.turn(Due::Whenever).await;
        turn.answered();
        turn.throttled(Some(Duration::from_secs(asked)));
        let start = Instant::now();
        let mut turn = governor.turn(Due::Whenever).await;
        assert_eq!(Instant::now() - start, pause);
        turn.answered();
        turn.throttled(None);
        let brake = governor.state().brake.expect("brake");
        assert_eq!(brake.eighths, FULL / 4);
    }
}

/// Protects the rate across restarts: what an earlier process sent counts until its window has passed.
#[tokio::test(start_paused = true)]
async fn calls_of_an_earlier_process_count() {
    let seconds = Duration::from_secs;
    let governor = Governor::new(&[window(3, 10_000)], &[seconds(4), seconds(5), seconds(6)]);
    let start = Instant::now();
    let _turn = governor.turn(Due::Whenever).await;
    // The oldest was sent 6 s ago and may have arrived 2 s later: its place is free 6 s from now.
    assert!(start.elapsed() >= seconds(6) && start.elapsed() < seconds(7), "{:?}", start.elapsed());
    assert_eq!(governor.load().windows.iter().map(|window| window.used).collect::<Vec<_>>(), [3]);
}

/// A keeper of places for several governors, which counts as the one-process log does.
#[derive(Debug)]
struct Keeper {
    windows: Vec<Window>,
    calls: Mutex<BTreeMap<i64, Option<Instant>>>,
}

#[async_trait::async_trait]
impl SharedRate for Keeper {
    async fn take(&self, most: u32, windows: &[Window]) -> crate::Places {
        // As far away as a database.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let now = Instant::now();
        let mut calls = self.calls.lock().expect("calls");
        let mut places = crate::Places { wait: Duration::from_millis(20), ..crate::Places::default() };
        let free = |window: &Window, calls: &BTreeMap<i64, Option<Instant>>| {
            let used = calls.values().filter(|over| over.is_none_or(|over| over + window.per > now)).count();
            (window.calls as usize).saturating_sub(used)
        };
        for _ in 0..most {
            if windows.iter().any(|window| free(window, &calls) == 0) {
                break;
            }
            let place = calls.len() as i64;
            calls.insert(place, None);
            places.taken.push(place);
        }
        assert!(windows.iter().zip(&self.windows).all(|(asked, own)| asked.per > own.per), "not widened");
        places
    }

    async fn close(&self, closed: &crate::Closed) {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let mut calls = self.calls.lock().expect("calls");
        let now = Instant::now();
        for place in &closed.answered {
            calls.insert(*place, Some(now));
        }
        for place in &closed.abandoned {
            calls.insert(*place, Some(now + STRAGGLER));
        }
        for place in &closed.unused {
            calls.insert(*place, now.checked_sub(Duration::from_secs(3600)));
        }
    }

    async fn pause(&self, _: Duration) {}
}

/// Protects an account of several processes: together they keep the rate, use nine tenths of it, and each serves its own most
/// urgent call first.
#[tokio::test(start_paused = true)]
async fn processes_that_share_a_rate_keep_it() {
    let windows = [window(20, 1_000), window(300, 30_000)];
    let keeper = Arc::new(Keeper { windows: windows.to_vec(), calls: Mutex::default() });
    let governors: Vec<Governor> =
        (0..3).map(|_| Governor::shared(&windows, Arc::clone(&keeper) as Arc<dyn SharedRate>)).collect();
    let arrivals = storm_of(&governors, 60, Duration::from_secs(120), 19).await;
    for window in &windows {
        let worst = worst(&arrivals, window.per);
        assert!(worst <= window.calls as usize, "{window:?}: {worst} calls in one window");
    }
    let used = arrivals.len() as f64 / (300.0 / 30.0 * 120.0);
    assert!(used >= 0.9, "only {used:.3} of the rate is used");

    // Of calls that wait the most urgent takes the next place, also where it came last.
    let now = Instant::now();
    let (late, soon) = (now + Duration::from_secs(50), now + Duration::from_secs(10));
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(governors[0].turn(Due::Whenever).await);
    }
    let order = Arc::new(Mutex::new(Vec::new()));
    let waiting: Vec<_> = [(Due::Whenever, 3), (Due::By(late), 2), (Due::By(soon), 1)]
        .into_iter()
        .map(|(due, name)| {
            let (governor, order) = (governors[0].clone(), Arc::clone(&order));
            tokio::spawn(async move {
                let mut turn = governor.turn(due).await;
                order.lock().expect("order").push(name);
                turn.answered();
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(held);
    for waiting in waiting {
        waiting.await.expect("waiting");
    }
    assert_eq!(*order.lock().expect("order"), [1, 2, 3]);
}
