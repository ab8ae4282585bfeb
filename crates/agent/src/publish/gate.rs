//! A provider or zone in trouble: one change tries for all.
//!
//! A server that is down or a key that is wrong is found out by one call. Until the next one is due every other change
//! fails unsent, with what that call was told; what goes through ends the trouble for everybody.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dns_providers::{Class, Error, Extent};
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{
    error,
    field::{DisplayValue, display},
    info, warn,
};

use crate::{clock, error::chain, trouble::Trouble};

/// The pause after a failure that passes by itself; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause after a refused key or setting: a person has to act.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// Where nothing has been tried for so long there is nothing left to write, and nobody is held back.
const NOBODYS: Duration = Duration::from_hours(1);

/// What lets changes of one provider, or of one zone, pass.
#[derive(Debug)]
pub(super) struct Gate {
    /// `provider corp-bind`, `zone example.com`.
    of: String,
    /// Whose errors it remembers.
    extent: Extent,
    hold: Mutex<Option<Hold>>,
}

#[derive(Debug)]
struct Hold {
    since: Timestamp,
    /// When it was found out last.
    found: Instant,
    until: Instant,
    pause: Duration,
    class: Class,
    label: &'static str,
    detail: String,
    hint: Option<String>,
}

impl Gate {
    pub(super) fn new(of: String, extent: Extent) -> Self {
        Self { of, extent, hold: Mutex::default() }
    }

    /// Fails a change unsent while another one has found out what it would.
    pub(super) fn pass(&self) -> Result<(), Error> {
        self.check()?;
        if let Some(hold) = self.lock().as_mut() {
            // This one tries for all; who comes while it does need not.
            hold.until = Instant::now() + hold.pause;
        }
        Ok(())
    }

    /// As [`Self::pass`], for who may not send it after all.
    pub(super) fn check(&self) -> Result<(), Error> {
        let hold = self.lock();
        let Some(hold) = hold.as_ref() else { return Ok(()) };
        let now = Instant::now();
        if now >= hold.until {
            return Ok(());
        }
        let mut error = Error::new(hold.class, hold.label, hold.detail.clone())
            .of(self.extent)
            .after(Some(hold.until.duration_since(now)));
        if let Some(hint) = &hold.hint {
            error = error.hint(hint.clone());
        }
        Err(error)
    }

    /// What came of a change that was sent at this moment.
    pub(super) fn note(&self, failed: Option<&Error>, sent: Instant) {
        match failed {
            None => self.release(),
            Some(failed) if failed.extent() == self.extent => self.hold(failed, sent),
            // A refusal that is about less than this says that this answers.
            Some(failed)
                if self.is_wider(failed) && matches!(failed.class(), Class::Setup | Class::Blocked) =>
            {
                self.release();
            }
            // It says nothing of others.
            Some(_) => {}
        }
    }

    fn is_wider(&self, failed: &Error) -> bool {
        match self.extent {
            Extent::Provider => matches!(failed.extent(), Extent::Zone | Extent::Name),
            Extent::Zone => failed.extent() == Extent::Name,
            Extent::Name => false,
        }
    }

    fn release(&self) {
        if let Some(Hold { since, .. }) = self.lock().take() {
            let seconds = clock::now().duration_since(since).as_secs();
            let (provider, zone) = self.labels();
            info!(provider, zone, "{}: changes go through again, after {seconds} s", self.of);
        }
    }

    fn hold(&self, failed: &Error, sent: Instant) {
        let mut hold = self.lock();
        // Of those that were under way when it began one is as good as another: the pause does not grow with their number.
        if hold.as_ref().is_some_and(|hold| sent <= hold.found) {
            return;
        }
        let before = hold.take();
        let hint = failed.next_action().map(str::to_owned);
        let detail = chain(failed);
        if before.is_none() {
            let (provider, zone) = self.labels();
            let advice = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            match failed.class() {
                Class::Setup => error!(provider, zone, "{}: {detail}{advice}", self.of),
                Class::Later | Class::Blocked | Class::Bug => {
                    warn!(provider, zone, "{}: {detail}{advice}; one change tries for all", self.of);
                }
            }
        }
        let pause = match (failed.class(), &before) {
            (Class::Setup, _) => REFUSED_PAUSE,
            (_, Some(before)) => (before.pause * 2).min(LONGEST_PAUSE),
            (_, None) => FIRST_PAUSE,
        };
        let pause = pause.max(failed.retry_after().unwrap_or_default().min(LONGEST_PAUSE));
        let found = Instant::now();
        *hold = Some(Hold {
            since: before.map_or_else(clock::now, |before| before.since),
            found,
            until: found + pause,
            pause,
            class: failed.class(),
            label: failed.label(),
            detail,
            hint,
        });
    }

    /// The fields by which a log is searched: the provider, or the zone.
    fn labels(&self) -> (Option<DisplayValue<&str>>, Option<DisplayValue<&str>>) {
        (self.of.strip_prefix("provider ").map(display), self.of.strip_prefix("zone ").map(display))
    }

    /// What keeps changes from passing.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let hold = self.lock();
        let hold = hold.as_ref().filter(|hold| Instant::now() < hold.until + NOBODYS);
        hold.map(|hold| Trouble { of: self.of.clone(), since: hold.since, detail: hold.detail.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Hold>> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(class: Class, extent: Extent) -> Error {
        Error::new(class, "label", "detail").of(extent)
    }

    fn in_trouble(extent: Extent) -> Gate {
        let gate = Gate::new("of".into(), extent);
        gate.note(Some(&failed(Class::Later, extent)), Instant::now());
        gate
    }

    /// A server that is back is found to be, also where the change that tries for all is refused for its own name or zone:
    /// one zone with wrong settings does not keep the other zones of its provider waiting.
    #[tokio::test(start_paused = true)]
    async fn a_narrower_refusal_ends_a_wider_trouble() {
        let cases = [
            (Extent::Provider, failed(Class::Setup, Extent::Zone), false),
            (Extent::Provider, failed(Class::Blocked, Extent::Name), false),
            (Extent::Zone, failed(Class::Blocked, Extent::Name), false),
            (Extent::Zone, failed(Class::Setup, Extent::Provider), true),
            // It may not have come so far.
            (Extent::Provider, failed(Class::Later, Extent::Name), true),
        ];
        for (of, answer, stays) in cases {
            let gate = in_trouble(of);
            assert!(gate.pass().is_err(), "it is not tried again at once");
            tokio::time::advance(FIRST_PAUSE).await;
            gate.pass().unwrap();
            gate.note(Some(&answer), Instant::now());
            assert_eq!(gate.trouble().is_some(), stays, "{of:?} {answer:?}");
        }
    }

    /// Changes of many zones that were under way when a server went down do not make the first pause the longest one.
    #[tokio::test(start_paused = true)]
    async fn changes_under_way_make_the_pause_no_longer() {
        let gate = Gate::new("of".into(), Extent::Provider);
        let sent = Instant::now();
        tokio::time::advance(Duration::from_millis(100)).await;
        for _ in 0..10 {
            gate.note(Some(&failed(Class::Later, Extent::Provider)), sent);
        }
        tokio::time::advance(FIRST_PAUSE).await;
        gate.pass().unwrap();
        assert!(gate.pass().is_err(), "one tries for all");
        gate.note(Some(&failed(Class::Later, Extent::Provider)), Instant::now());
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(gate.pass().is_err(), "the second pause is longer");
    }

    /// A trouble that nobody runs into any more is not told for ever.
    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_is_nobodys_is_not_told() {
        let gate = in_trouble(Extent::Zone);
        tokio::time::advance(Duration::from_mins(30)).await;
        assert!(gate.trouble().is_some());
        tokio::time::advance(NOBODYS).await;
        assert!(gate.trouble().is_none());
    }
}
