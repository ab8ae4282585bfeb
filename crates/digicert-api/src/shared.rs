//! Places in an account's windows that several processes share.
//!
//! Who keeps them counts a place from when it is taken until its window has passed since the call was answered, so that the
//! argument of [`crate::rolling`] holds for the calls of all. Here stands what one process has of them in hand: a few places that
//! were taken for calls that wait, and those that are to be closed.

use std::{collections::VecDeque, fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{sync::Notify, time::Instant};

use crate::rolling::{Next, Window, WindowUse};

/// A place that is not used within this time is given back: who waited for it has gone.
const FRESH: Duration = Duration::from_secs(2);
/// The most places that are taken at once: as many calls as may be under way, so that the most urgent goes first.
const AT_ONCE: usize = 16;
/// Between two attempts, at the least and at the most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Keeps the places that several processes share.
#[async_trait]
pub trait SharedRate: Debug + Send + Sync {
    /// Takes up to `most` places in all of these windows. None where the keeper cannot be asked: then no call may be made.
    async fn take(&self, most: u32, windows: &[Window]) -> Places;

    /// Ends calls.
    async fn close(&self, closed: &Closed);

    /// The CA wants no call of anybody's for so long.
    async fn pause(&self, pause: Duration);
}

/// What came of asking for places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The places, by the numbers that the keeper gave them.
    pub taken: Vec<i64>,
    /// When to ask again, where they are fewer than wanted.
    pub wait: Duration,
    /// How many places are taken of each window, by whomever.
    pub used: Vec<u32>,
}

/// Places of calls that are over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// Those that were answered.
    pub answered: Vec<i64>,
    /// Those that were given up under way, and may still arrive within moments.
    pub abandoned: Vec<i64>,
    /// Those that were not made.
    pub unused: Vec<i64>,
}

impl Closed {
    fn is_empty(&self) -> bool {
        self.answered.is_empty() && self.abandoned.is_empty() && self.unused.is_empty()
    }
}

/// What this process has in hand.
#[derive(Debug)]
pub(crate) struct Hand {
    rate: Arc<dyn SharedRate>,
    windows: Vec<Window>,
    ready: VecDeque<(i64, Instant)>,
    closed: Closed,
    used: Vec<u32>,
    under_way: usize,
    /// Before that there are none to be had.
    ask_again: Instant,
    /// Somebody asks for places, and closes them, at this moment.
    is_served: bool,
    /// Tells whoever does so that there is something to be closed.
    news: Arc<Notify>,
}

/// What whoever serves the hand does next.
pub(crate) enum Errand {
    Close(Closed),
    Take(u32, Vec<Window>),
    /// Until then, or until there is news.
    Wait(Instant, Arc<Notify>),
}

impl Hand {
    pub(crate) fn new(windows: &[Window], rate: Arc<dyn SharedRate>) -> Self {
        Self {
            rate,
            windows: windows.to_vec(),
            ready: VecDeque::new(),
            closed: Closed::default(),
            used: Vec::new(),
            under_way: 0,
            ask_again: Instant::now(),
            is_served: false,
            news: Arc::default(),
        }
    }

    pub(crate) fn rate(&self) -> Arc<dyn SharedRate> {
        Arc::clone(&self.rate)
    }

    /// Whether a call may be made now. Places that have waited too long are given back.
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        while let Some((place, taken)) = self.ready.front().copied()
            && now.saturating_duration_since(taken) > FRESH
        {
            self.ready.pop_front();
            self.closed.unused.push(place);
        }
        if self.ready.is_empty() { Next::AfterAnAnswer } else { Next::Now }
    }

    pub(crate) fn send(&mut self) -> Option<i64> {
        let (place, _) = self.ready.pop_front()?;
        self.under_way += 1;
        Some(place)
    }

    pub(crate) fn answer(&mut self, place: i64) {
        self.closed.answered.push(place);
        self.end();
    }

    pub(crate) fn abandon(&mut self, place: i64) {
        self.closed.abandoned.push(place);
        self.end();
    }

    pub(crate) fn unsent(&mut self, place: i64) {
        self.closed.unused.push(place);
        self.end();
    }

    fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        self.news.notify_one();
    }

    pub(crate) const fn under_way(&self) -> usize {
        self.under_way
    }

    /// What was taken of each window, as it was heard last.
    pub(crate) fn used(&self) -> Vec<WindowUse> {
        let used = self.used.iter().copied().chain(std::iter::repeat(0));
        self.windows.iter().zip(used).map(|(window, used)| window.with_use(used)).collect()
    }

    /// Whether somebody has to begin to serve it; whoever is told so has to.
    pub(crate) fn wants_service(&mut self, waiting: usize) -> bool {
        let is_wanted = waiting > self.ready.len() || !self.closed.is_empty();
        is_wanted && !std::mem::replace(&mut self.is_served, true)
    }

    /// The next thing to be done; where there is none it is served no more. `eighths` of the rate may be used.
    pub(crate) fn errand(&mut self, waiting: usize, eighths: u32, now: Instant) -> Option<Errand> {
        if !self.closed.is_empty() {
            return Some(Errand::Close(std::mem::take(&mut self.closed)));
        }
        let wanted = waiting.min(AT_ONCE).saturating_sub(self.ready.len());
        if wanted == 0 {
            self.is_served = false;
            return None;
        }
        if now < self.ask_again {
            return Some(Errand::Wait(self.ask_again, Arc::clone(&self.news)));
        }
        let windows = self.windows.iter().map(|window| window.cut(eighths)).collect();
        Some(Errand::Take(u32::try_from(wanted).unwrap_or(u32::MAX), windows))
    }

    /// Takes in what was taken.
    pub(crate) fn put(&mut self, places: Places, now: Instant) {
        if places.taken.is_empty() {
            self.ask_again = now + places.wait.clamp(PAUSES.0, PAUSES.1);
        }
        self.ready.extend(places.taken.into_iter().map(|place| (place, now)));
        self.used = places.used;
    }
}
