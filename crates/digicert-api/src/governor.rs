//! The rate governor: who may call next, and when.
//!
//! Guarantees, for one account as long as one governor sees all of its calls:
//! - no rolling window ever receives more calls than it allows (see [`Window`]);
//! - waiting calls are served by deadline, earliest first, then in the order they came; calls without a deadline
//!   come last;
//! - a waiting call that is dropped leaves no trace, and one that is dropped under way frees its place;
//! - after a 429 everybody pauses, then speed starts at half and comes back step by step.
//!
//! Only the first waiter owns a timer. Whoever changes something (an answer, a newcomer in front, a waiter that
//! leaves, a pause) wakes the first waiter, and it looks again. There is no task and no polling. Where several processes share
//! the rate, one task asks for places as long as calls wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::rolling::{FULL, Next, Rolling, Window, WindowUse};
use crate::shared::{Errand, Hand, SharedRate};

/// The shortest pause after a 429; what public clients wait too.
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause we let the server impose with one `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// After a pause speed grows by an eighth in every such step without another 429.
const RECOVERY_STEP: Duration = Duration::from_secs(15);
/// How long after we dropped a call it may still arrive: its bytes may sit in a socket buffer.
const STRAGGLER: Duration = Duration::from_secs(2);

/// What the governor is doing, for metrics and forecasts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GovernorLoad {
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// Calls sent and not answered yet.
    pub under_way: usize,
    /// Calls sent since the client was built.
    pub calls: u64,
    /// How many of them the CA answered with "too many requests".
    pub throttled: u64,
    /// True from a "too many requests" until full speed is reached again.
    pub slowed: bool,
    /// What is spent of each window of the rate, in the order they were given. While `slowed`, less than the rest of
    /// a window can be used.
    pub windows: Vec<WindowUse>,
}

/// When a call is wanted. The order of the variants is the order of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    By(Instant),
    Whenever,
}

type Place = (Due, u64);

#[derive(Debug, Clone)]
pub(crate) struct Governor(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    log: Log,
    waiting: BTreeMap<Place, Arc<Notify>>,
    tickets: u64,
    calls: u64,
    throttled: u64,
    brake: Option<Brake>,
}

/// What was sent: by this process, or by all that share the rate.
#[derive(Debug)]
enum Log {
    Own(Rolling),
    Shared(Hand),
}

/// The memory of the last 429.
#[derive(Debug, Clone, Copy)]
struct Brake {
    pulled: Instant,
    until: Instant,
    /// Speed right after the pause, in eighths.
    eighths: u32,
}

impl Brake {
    fn steps(&self, now: Instant) -> u32 {
        let steps = now.saturating_duration_since(self.until).as_nanos() / RECOVERY_STEP.as_nanos();
        u32::try_from(steps).unwrap_or(u32::MAX)
    }

    fn speed(&self, now: Instant) -> u32 {
        self.eighths.saturating_add(self.steps(now)).min(FULL)
    }

    fn next_step(&self, now: Instant) -> Instant {
        self.until + RECOVERY_STEP * self.steps(now).saturating_add(1)
    }
}

impl Governor {
    /// A governor that counts calls which an earlier process sent so long ago.
    pub(crate) fn new(windows: &[Window], history: &[Duration]) -> Self {
        let now = Instant::now();
        let mut log = Rolling::new(windows);
        for age in history {
            // Sent, perhaps not yet arrived when that process ended: the same allowance as for a dropped call.
            if let Some(at) = now.checked_sub(age.saturating_sub(STRAGGLER)) {
                log.answer(at);
            }
        }
        Self::of(Log::Own(log))
    }

    /// A governor of one process among several, which share the windows.
    pub(crate) fn shared(windows: &[Window], rate: Arc<dyn SharedRate>) -> Self {
        Self::of(Log::Shared(Hand::new(windows, rate)))
    }

    fn of(log: Log) -> Self {
        Self(Arc::new(Mutex::new(State {
            log,
            waiting: BTreeMap::new(),
            tickets: 0,
            calls: 0,
            throttled: 0,
            brake: None,
        })))
    }

    /// Waits for this call's turn. Dropping the future gives the turn to the next.
    pub(crate) async fn turn(&self, due: Due) -> Turn {
        let waiter = self.enqueue(due);
        loop {
            let look = self.state().look(waiter.place); // The lock must not be held below.
            self.serve();
            match look {
                Look::Go(sent, place) => return Turn { governor: self.clone(), sent, place, open: true },
                Look::WaitForNews => waiter.news.notified().await,
                Look::WaitUntil(when) => {
                    tokio::select! {
                        () = sleep_until(when) => {}
                        () = waiter.news.notified() => {}
                    }
                }
            }
        }
    }

    /// Where the rate is shared, sees that somebody asks for places and closes them.
    fn serve(&self) {
        let mut state = self.state();
        let wanted = state.wanted(Instant::now());
        let Log::Shared(hand) = &mut state.log else { return };
        if hand.wants_service(wanted) {
            drop(state);
            tokio::spawn(self.clone().run_errands());
        }
    }

    /// Takes places as long as calls wait, and closes those of calls that are over.
    async fn run_errands(self) {
        loop {
            let (errand, rate) = {
                let mut state = self.state();
                let now = Instant::now();
                let (wanted, speed) = (state.wanted(now), state.brake.map_or(FULL, |brake| brake.speed(now)));
                let Log::Shared(hand) = &mut state.log else { return };
                let Some(errand) = hand.errand(wanted, speed, now) else { return };
                (errand, hand.rate())
            };
            match errand {
                Errand::Close(closed) => rate.close(&closed).await,
                Errand::Wait(until, news) => {
                    let _ = tokio::time::timeout_at(until, news.notified()).await;
                }
                Errand::Take(most, windows) => {
                    let places = rate.take(most, &windows).await;
                    let mut state = self.state();
                    let Log::Shared(hand) = &mut state.log else { return };
                    hand.put(places, Instant::now());
                    state.wake_first();
                }
            }
        }
    }

    pub(crate) fn load(&self) -> GovernorLoad {
        let now = Instant::now();
        let state = self.state();
        GovernorLoad {
            waiting: state.waiting.len(),
            under_way: match &state.log {
                Log::Own(log) => log.under_way(),
                Log::Shared(hand) => hand.under_way(),
            },
            calls: state.calls,
            throttled: state.throttled,
            slowed: state.brake.is_some_and(|brake| now < brake.until || brake.speed(now) < FULL),
            windows: match &state.log {
                Log::Own(log) => log.used(now),
                Log::Shared(hand) => hand.used(),
            },
        }
    }

    fn enqueue(&self, due: Due) -> Waiter {
        let mut state = self.state();
        state.tickets += 1;
        let place = (due, state.tickets);
        let news = Arc::new(Notify::new());
        state.wake_first(); // If the newcomer goes in front, the former first gives up its timer.
        state.waiting.insert(place, Arc::clone(&news));
        drop(state);
        Waiter { governor: self.clone(), place, news }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic half-way runs under this lock; a poisoned one is still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Look {
    Go(Instant, Option<i64>),
    WaitUntil(Instant),
    WaitForNews,
}

impl State {
    fn look(&mut self, place: Place) -> Look {
        if self.waiting.first_key_value().is_none_or(|(first, _)| *first != place) {
            return Look::WaitForNews;
        }
        let now = Instant::now();
        let mut speed = FULL;
        let mut faster_at = None;
        if let Some(brake) = self.brake {
            if now < brake.until {
                return Look::WaitUntil(brake.until);
            }
            speed = brake.speed(now);
            faster_at = (speed < FULL).then(|| brake.next_step(now));
        }
        let next = match &mut self.log {
            Log::Own(log) => log.next(now, speed),
            Log::Shared(hand) => hand.next(now),
        };
        match (next, faster_at) {
            (Next::Now, _) => {
                let place = match &mut self.log {
                    Log::Own(log) => {
                        log.send();
                        None
                    }
                    Log::Shared(hand) => hand.send(),
                };
                self.calls += 1;
                // The waiter leaves the queue when it is dropped, which also wakes the next one.
                Look::Go(now, place)
            }
            (Next::At(when), Some(faster)) => Look::WaitUntil(when.min(faster)),
            (Next::At(when), None) => Look::WaitUntil(when),
            (Next::AfterAnAnswer, Some(faster)) => Look::WaitUntil(faster),
            (Next::AfterAnAnswer, None) => Look::WaitForNews,
        }
    }

    /// How many calls could be made now, if there were places.
    fn wanted(&self, now: Instant) -> usize {
        let is_paused = self.brake.is_some_and(|brake| now < brake.until);
        if is_paused { 0 } else { self.waiting.len() }
    }

    fn wake_first(&self) {
        if let Some(news) = self.waiting.values().next() {
            news.notify_one();
        }
    }
}

/// A place in the queue; leaving it, for whatever reason, wakes whoever is first then.
struct Waiter {
    governor: Governor,
    place: Place,
    news: Arc<Notify>,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut state = self.governor.state();
        state.waiting.remove(&self.place);
        state.wake_first();
    }
}

/// The right to send one call. Close it with [`Turn::answered`]; dropped open, it counts as abandoned.
#[derive(Debug)]
pub(crate) struct Turn {
    governor: Governor,
    sent: Instant,
    /// Where the rate is shared.
    place: Option<i64>,
    open: bool,
}

/// What was given a turn so long ago, and is not sent yet, has to ask for another one: this process was stopped meanwhile, and
/// whoever keeps the places may have given its own away.
const STALE: Duration = Duration::from_secs(5);

impl Turn {
    /// Whether the call may be sent no more. A rate of this process's own waits for it.
    pub(crate) fn is_stale(&self) -> bool {
        self.place.is_some() && self.sent.elapsed() > STALE
    }

    /// The first byte of the answer is here, so the call has arrived.
    pub(crate) fn answered(&mut self) {
        self.close(None);
    }

    /// The CA answered "too many requests": everybody pauses, then goes on at half speed.
    pub(crate) fn throttled(&mut self, retry_after: Option<Duration>) {
        let now = Instant::now();
        let until = now + retry_after.unwrap_or_default().clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut state = self.governor.state();
        state.throttled += 1;
        state.brake = Some(match state.brake {
            // Sent before the brake was pulled: news of the same excess, no reason to halve again.
            Some(brake) if self.sent <= brake.pulled => Brake { until: brake.until.max(until), ..brake },
            Some(brake) => {
                Brake { pulled: now, until: brake.until.max(until), eighths: (brake.speed(now) / 2).max(1) }
            }
            None => Brake { pulled: now, until, eighths: FULL / 2 },
        });
        state.wake_first();
        if let Log::Shared(hand) = &state.log {
            let rate = hand.rate();
            tokio::spawn(async move { rate.pause(until.saturating_duration_since(now)).await });
        }
    }

    /// The call is not sent after all, and its place is the next one's.
    pub(crate) fn unsent(mut self) {
        if std::mem::replace(&mut self.open, false) {
            let mut state = self.governor.state();
            match (&mut state.log, self.place) {
                (Log::Own(log), _) => log.unsent(),
                (Log::Shared(hand), Some(place)) => hand.unsent(place),
                (Log::Shared(_), None) => {}
            }
            state.calls = state.calls.saturating_sub(1);
            state.wake_first();
            drop(state);
            self.governor.serve();
        }
    }

    /// The call is over; one that was given up may arrive until `straggler` has passed.
    fn close(&mut self, straggler: Option<Duration>) {
        if std::mem::replace(&mut self.open, false) {
            let mut state = self.governor.state();
            match (&mut state.log, self.place, straggler) {
                (Log::Own(log), _, straggler) => log.answer(Instant::now() + straggler.unwrap_or_default()),
                (Log::Shared(hand), Some(place), None) => hand.answer(place),
                (Log::Shared(hand), Some(place), Some(_)) => hand.abandon(place),
                (Log::Shared(_), None, _) => {}
            }
            state.wake_first();
            drop(state);
            self.governor.serve();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.close(Some(STRAGGLER));
    }
}

#[cfg(test)]
#[path = "governor_tests.rs"]
mod tests;
