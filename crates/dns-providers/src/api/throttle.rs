//! The pace of requests to one account, which other tools share.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{Class, Error, Extent};

/// Label of the error that says: the vendor wants fewer requests.
pub(crate) const THROTTLED: &str = "throttled";

/// What a setting may ask for, in requests a second.
const RANGE: std::ops::RangeInclusive<f64> = 0.1..=1000.0;
/// A little longer than the vendor's own second, whose clock is not ours.
const MARGIN: f64 = 1.05;
/// The slowest pace, as a part of the configured one.
const SLOWEST: f64 = 1.0 / 32.0;
/// What each answer that is none of being throttled gives back of a pace that was lowered.
const RECOVERY: f64 = 1.0 / 40.0;
/// A vendor that wants to be left alone for longer is not waited for in a call, which has to end within a minute.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that a vendor's word keeps requests back; it is asked again then.
const LONGEST: Duration = Duration::from_secs(600);

/// Lets requests through at a pace: halved whenever the vendor throttles, and slowly back again. One of them for each
/// account, since that is what vendors count by; zones of an account share it.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Requests a second.
    most: f64,
    now: Mutex<Pace>,
}

#[derive(Debug)]
struct Pace {
    /// The part of `most` that is used at present.
    part: f64,
    /// When the last requests were let through, or will be.
    sent: VecDeque<Instant>,
    /// Nothing is sent before.
    closed_until: Option<Instant>,
}

impl Throttle {
    /// A pace of so many requests a second.
    ///
    /// # Errors
    /// When a setting asks for a pace that is none.
    pub(crate) fn new(setting: Option<f64>, default: f64) -> Result<Self, Error> {
        let most = setting.unwrap_or(default);
        if !RANGE.contains(&most) {
            let text =
                format!("requests_per_second is {most}; it may be {} to {}", RANGE.start(), RANGE.end());
            return Err(Error::new(Class::Setup, "bad-setting", text));
        }
        Ok(Self::of(most))
    }

    /// No pace: what is heeded is for how long the vendor wants to be left alone.
    #[cfg(feature = "vendors")]
    pub(crate) const fn unlimited() -> Self {
        Self::of(f64::INFINITY)
    }

    const fn of(most: f64) -> Self {
        Self { most, now: Mutex::new(Pace { part: 1.0, sent: VecDeque::new(), closed_until: None }) }
    }

    /// Sends a request when its turn has come, and heeds what the vendor says of the pace.
    ///
    /// # Errors
    /// Those of the request; and without sending it, when the vendor wants to be left alone for longer than a call may wait.
    pub(crate) async fn run<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.turn().await?;
        let outcome = request.await;
        match &outcome {
            Err(error) if error.label() == THROTTLED => self.slow_down(error.retry_after()),
            Ok(_) | Err(_) => self.recover(),
        }
        outcome
    }

    /// Whether a request would have to wait. A question that may as well be asked later is not asked then.
    #[allow(dead_code, reason = "not every vendor can be asked whether a change has spread")]
    pub(crate) fn is_busy(&self) -> bool {
        let mut pace = self.pace();
        let now = Instant::now();
        pace.next(self.most, now) > now
    }

    async fn turn(&self) -> Result<(), Error> {
        loop {
            let at = self.pace().place(self.most)?;
            tokio::time::sleep_until(at).await;
            // The vendor may have said otherwise meanwhile.
            if self.pace().closed_until.is_none_or(|until| until <= Instant::now()) {
                return Ok(());
            }
        }
    }

    fn slow_down(&self, wait: Option<Duration>) {
        let mut pace = self.pace();
        pace.part = (pace.part / 2.0).max(SLOWEST);
        if let Some(wait) = wait {
            let until = Instant::now() + wait.min(LONGEST);
            pace.closed_until = pace.closed_until.max(Some(until));
        }
        tracing::debug!(requests_per_second = self.most * pace.part, "the vendor throttles; going slower");
    }

    fn recover(&self) {
        let mut pace = self.pace();
        pace.part = (pace.part + RECOVERY).min(1.0);
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    /// When the next request may go, and takes that place.
    fn place(&mut self, most: f64) -> Result<Instant, Error> {
        let now = Instant::now();
        let open = self.closed_until.unwrap_or(now).max(now);
        let rest = open - now;
        if rest > PATIENCE {
            let text = format!("the vendor wants no requests for another {} s", rest.as_secs());
            return Err(Error::new(Class::Later, THROTTLED, text)
                .of(Extent::Provider)
                .after(Some(rest))
                .hint("its limit is shared by whatever uses the account; lower requests_per_second, where the kind has it, if it stays so"));
        }
        let at = self.next(most, now);
        if most.is_finite() {
            self.sent.push_back(at);
        }
        Ok(at)
    }

    /// When the next request may go. So many in a span, rather than evenly spaced: a change is a few requests, and then
    /// nothing for a while.
    fn next(&mut self, most: f64, now: Instant) -> Instant {
        let rate = most * self.part;
        if rate.is_infinite() {
            return open_from(self.closed_until, now);
        }
        let many = rate.max(1.0).floor();
        let span = Duration::from_secs_f64(many / rate * MARGIN);
        while self.sent.len() > many as usize {
            self.sent.pop_front();
        }
        let full = self.sent.len() >= many as usize;
        let earliest = self.sent.front().filter(|_| full).map(|oldest| *oldest + span);
        open_from(earliest.max(self.closed_until), now)
    }
}

fn open_from(earliest: Option<Instant>, now: Instant) -> Instant {
    earliest.map_or(now, |at| at.max(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttled(wait: Option<u64>) -> Error {
        Error::new(Class::Later, THROTTLED, "too many").after(wait.map(Duration::from_secs))
    }

    /// When each of so many requests goes, in milliseconds from now.
    async fn sent(throttle: &Throttle, requests: usize) -> Vec<u128> {
        let start = Instant::now();
        let mut at = Vec::new();
        for _ in 0..requests {
            throttle.run(std::future::ready(Ok(()))).await.unwrap();
            at.push(start.elapsed().as_millis());
        }
        at
    }

    /// Five requests a second of an AWS account are shared with every other tool; two of them are ours.
    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_than_the_setting_allows() {
        let two = Throttle::new(None, 2.0).unwrap();
        let at = sent(&two, 9).await;
        assert_eq!(&at[..2], [0, 0], "what is little is not held up");
        for (nth, first) in at.iter().enumerate() {
            let within = at[nth..].iter().filter(|later| **later < first + 1000).count();
            assert!(within <= 2, "{within} requests in a second: {at:?}");
        }
        assert!(at[8] < 4500, "slower than need be: {at:?}");
        let slow = Throttle::new(Some(0.5), 2.0).unwrap();
        assert_eq!(sent(&slow, 3).await, [0, 2100, 4200]);
    }

    /// Whether a change has spread can be asked later; what is to be written comes first.
    #[tokio::test(start_paused = true)]
    async fn it_is_known_whether_there_is_room() {
        let two = Throttle::new(None, 2.0).unwrap();
        assert!(!two.is_busy());
        sent(&two, 2).await;
        assert!(two.is_busy());
        tokio::time::advance(Duration::from_millis(1050)).await;
        assert!(!two.is_busy());
        two.slow_down(Some(Duration::from_secs(5)));
        assert!(two.is_busy());
    }

    /// Zones of an account write at the same time, and share one pace.
    #[tokio::test(start_paused = true)]
    async fn those_who_write_at_once_share_the_pace() {
        let (throttle, start) = (Throttle::new(None, 2.0).unwrap(), Instant::now());
        let one = || throttle.run(std::future::ready(Ok(())));
        let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
        assert!([a, b, c, d].iter().all(Result::is_ok));
        assert_eq!(start.elapsed().as_millis(), 1050);
    }

    #[tokio::test(start_paused = true)]
    async fn a_vendor_that_throttles_is_asked_half_as_often_and_slowly_as_before() {
        let throttle = Throttle::new(None, 4.0).unwrap();
        let refused = throttle.run(std::future::ready(Err::<(), _>(throttled(None)))).await;
        refused.unwrap_err();
        assert!((throttle.pace().part - 0.5).abs() < 1e-9);
        for _ in 0..10 {
            let _ = throttle.run(std::future::ready(Err::<(), _>(throttled(None)))).await;
        }
        assert!((throttle.pace().part - SLOWEST).abs() < 1e-9, "it is asked all the same, ever more rarely");
        sent(&throttle, 10).await;
        assert!(throttle.pace().part < 0.5, "too fast back to what the vendor refused");
        sent(&throttle, 40).await;
        assert!((throttle.pace().part - 1.0).abs() < 1e-9, "never back");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_vendor_says_of_waiting_holds_for_everybody() {
        let (throttle, start) = (Throttle::new(None, 100.0).unwrap(), Instant::now());
        let refused = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            throttle.run(std::future::ready(Err::<(), _>(throttled(Some(3))))).await
        };
        refused.await.unwrap_err();
        throttle.run(std::future::ready(Ok(()))).await.unwrap();
        assert_eq!(start.elapsed().as_millis(), 3001);

        let asked = std::cell::Cell::new(0);
        let ask = || {
            throttle.run(async {
                asked.set(asked.get() + 1);
                Err::<(), _>(throttled(Some(60)))
            })
        };
        ask().await.unwrap_err();
        let error = ask().await.unwrap_err();
        assert_eq!(asked.get(), 1, "the vendor was asked although it said when to come back");
        let wait = error.retry_after().unwrap().as_secs();
        assert!((59..=60).contains(&wait) && error.class() == Class::Later, "{error}");
    }

    /// Where nothing is known of a vendor's limits, it is heeded all the same when it throttles.
    #[cfg(feature = "vendors")]
    #[tokio::test(start_paused = true)]
    async fn without_a_pace_the_vendor_s_word_is_heeded() {
        let throttle = Throttle::unlimited();
        assert_eq!(sent(&throttle, 5000).await.last(), Some(&0));
        throttle.run(std::future::ready(Err::<(), _>(throttled(Some(3))))).await.unwrap_err();
        assert_eq!(sent(&throttle, 1).await, [3000]);
        throttle.run(std::future::ready(Err::<(), _>(throttled(Some(60))))).await.unwrap_err();
        throttle.run(std::future::ready(Ok(()))).await.unwrap_err();
    }

    #[test]
    fn a_pace_that_is_none_is_refused() {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(Throttle::new(Some(wrong), 2.0).unwrap_err().class(), Class::Setup, "{wrong}");
        }
    }
}
