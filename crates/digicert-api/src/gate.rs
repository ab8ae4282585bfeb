//! The gate behind the queue: what one call can find out for all, one call asks.
//!
//! Guarantees, for one account as long as one gate sees all of its calls:
//! - until a key has worked, one call is under way and the others wait;
//! - a refused key fails all that wait, unsent; then one call every five minutes tries it again, or one at once when
//!   the key source has another key;
//! - after a failure of the service one call goes at a time; after three in a row all others fail unsent, and one call
//!   tries for all, after a second at first, then after twice as long each time, up to a minute;
//! - the first call that goes through opens the gate for everybody.
//!
//! It stands behind the governor, since a call that waits there was let in before anybody knew. There is no task: the
//! call that goes first is one that somebody wants.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::error::Error;
use crate::key::Key;

/// How long a refused key is left alone, at the most.
const KEY_PAUSE: Duration = Duration::from_secs(5 * 60);
/// Failures in a row, after which the service counts as down.
const FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause that the service can ask for itself.
const LONGEST_ASKED: Duration = Duration::from_secs(10 * 60);

/// The gate of one account.
#[derive(Debug)]
pub(crate) struct Gate(watch::Sender<State>);

#[derive(Debug, Default)]
struct State {
    /// The key that has worked last.
    proven: Option<SecretString>,
    /// One call is under way for all.
    probing: bool,
    /// Failures of the service since a call went through.
    failures: u32,
    shut: Option<Shut>,
}

/// Why nothing is sent, and until when.
#[derive(Debug)]
struct Shut {
    until: Instant,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Key { refused: SecretString, answer: Answer },
    Service { said: String, pause: Duration },
}

/// How a call ended, as far as it says something of other calls.
pub(crate) enum Outcome<'a> {
    /// The CA dealt with it: key and service are well.
    Well,
    /// The CA refused the key.
    KeyRefused(&'a Answer),
    /// The service, or the way to it, failed.
    Failed(&'a Error),
    /// It says nothing of others.
    Nothing,
}

enum Look {
    Pass { probe: bool },
    Wait,
    Fail(Error),
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// Waits until this call may be sent, or fails it unsent. Dropping the future leaves no trace.
    pub(crate) async fn enter(&self, key: &Key) -> Result<Pass<'_>, Error> {
        let mut news = self.0.subscribe();
        loop {
            let mut look = Look::Wait;
            // Whoever becomes the probe changes nothing that others wait for, so nobody is woken.
            self.0.send_if_modified(|state| {
                look = state.look(key, Instant::now());
                state.probing |= matches!(look, Look::Pass { probe: true });
                false
            });
            match look {
                Look::Pass { probe } => return Ok(Pass { gate: self, key: key.secret(), probe }),
                Look::Fail(error) => return Err(error),
                // The sender is ours, so this ends with news only.
                Look::Wait => drop(news.changed().await),
            }
        }
    }

    /// Ends when calls with this key fail unsent: at once, or whenever it comes to that.
    pub(crate) async fn shut(&self, key: &Key) -> Error {
        let mut news = self.0.subscribe();
        loop {
            if let Look::Fail(error) = news.borrow_and_update().look(key, Instant::now()) {
                return error;
            }
            drop(news.changed().await);
        }
    }
}

impl State {
    fn look(&self, key: &Key, now: Instant) -> Look {
        let ask_first = || if self.probing { Look::Wait } else { Look::Pass { probe: true } };
        match &self.shut {
            Some(Shut { why: Why::Key { refused, .. }, .. }) if !same(refused, key) => ask_first(),
            Some(shut) if now < shut.until => Look::Fail(shut.error(now)),
            Some(_) => ask_first(),
            None if self.failures > 0 => ask_first(),
            None if self.proven.as_ref().is_some_and(|proven| same(proven, key)) => {
                Look::Pass { probe: false }
            }
            None => ask_first(),
        }
    }

    fn end(&mut self, pass: &Pass<'_>, outcome: &Outcome<'_>, now: Instant) {
        match outcome {
            Outcome::Well => {
                *self = Self { proven: Some(pass.key.clone()), probing: self.probing, ..Self::default() };
            }
            Outcome::KeyRefused(answer) => self.refuse(&pass.key, answer, now),
            Outcome::Failed(error) => self.fail(pass.probe, error, now),
            Outcome::Nothing => {}
        }
        self.probing &= !pass.probe;
    }

    fn refuse(&mut self, key: &SecretString, answer: &Answer, now: Instant) {
        let another_works =
            self.proven.as_ref().is_some_and(|proven| proven.expose_secret() != key.expose_secret());
        // A call that was sent before the key was replaced says nothing of the one that works now.
        if another_works && self.shut.is_none() {
            return;
        }
        self.proven = None;
        self.failures = 0;
        let why = Why::Key { refused: key.clone(), answer: answer.clone() };
        self.shut = Some(Shut { until: now + jittered(KEY_PAUSE), why });
    }

    fn fail(&mut self, probe: bool, error: &Error, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let before = match &self.shut {
            // Sent before the gate was shut: news of the same trouble, no reason for a longer pause.
            Some(Shut { why: Why::Service { .. }, .. }) if !probe => return,
            Some(Shut { why: Why::Service { pause, .. }, .. }) => Some(*pause),
            // Whether the key is good cannot be told now, and the service's trouble hides nothing.
            Some(Shut { why: Why::Key { .. }, .. }) => return,
            None if self.failures < FAILURES => return,
            None => None,
        };
        let pause = before.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        let asked = error.retry_after().unwrap_or_default().min(LONGEST_ASKED);
        let why = Why::Service { said: error.to_string(), pause };
        self.shut = Some(Shut { until: now + pause.max(asked), why });
    }
}

impl Shut {
    fn error(&self, now: Instant) -> Error {
        match &self.why {
            Why::Key { answer, .. } => Error::KeyRefused { answer: answer.clone() },
            Why::Service { said, .. } => {
                Error::Held { said: said.clone(), retry_after: self.until.saturating_duration_since(now) }
            }
        }
    }
}

/// The right to send one call. It ends with [`Pass::end`]; dropped before, it says nothing.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    gate: &'a Gate,
    key: SecretString,
    probe: bool,
}

impl Pass<'_> {
    /// Tells how the call ended.
    pub(crate) fn end(mut self, outcome: &Outcome<'_>) {
        self.gate.0.send_modify(|state| state.end(&self, outcome, Instant::now()));
        self.probe = false;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.gate.0.send_modify(|state| state.probing = false);
        }
    }
}

fn same(one: &SecretString, key: &Key) -> bool {
    one.expose_secret() == key.expose()
}

/// A tenth shorter at the most, so that many agents do not ask in step.
fn jittered(pause: Duration) -> Duration {
    let draw = RandomState::new().build_hasher().finish() % 1000;
    pause - pause / 10 * u32::try_from(draw).unwrap_or_default() / 1000
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
