//! When the CA looks by itself (facts, section 4.7), on a clock that can run faster.

use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// When the CA's own polling of something began, and when it last looked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    began: Instant,
    looked: Instant,
}

impl Schedule {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { began: now, looked: now }
    }

    pub(super) fn restart(&mut self) {
        *self = Self::new();
    }

    /// Whether a look is due, which counts as taken; and when the next one will be.
    pub(super) fn turn(&mut self, speed: f64, now: Instant) -> (bool, Option<Instant>) {
        let due = self.next(speed).is_some_and(|at| at <= now);
        if due {
            self.looked = now;
        }
        (due, self.next(speed))
    }

    fn next(&self, speed: f64) -> Option<Instant> {
        // Within these bounds no arithmetic below can overflow; not-a-number counts as standstill.
        let speed = speed.clamp(0.0, 1e6).max(0.0);
        let age = (self.looked - self.began).mul_f64(speed);
        let pause = Duration::try_from_secs_f64(interval(age)?.as_secs_f64() / speed).ok()?;
        // A floor keeps an absurd speed from spinning.
        self.looked.checked_add(pause.max(Duration::from_millis(1)))
    }
}

/// The pause between two looks at an order of this age.
fn interval(age: Duration) -> Option<Duration> {
    match age {
        age if age < 15 * MINUTE => Some(MINUTE),
        age if age < 15 * MINUTE + HOUR => Some(5 * MINUTE),
        age if age < DAY => Some(15 * MINUTE),
        age if age < 10 * DAY => Some(HOUR),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_thins_out_and_stops() {
        let pauses: Vec<_> =
            [0, 14, 15, 74, 75, 1439, 1440, 14_399].map(|minutes| interval(minutes * MINUTE)).into();
        let minutes = |n: u32| Some(n * MINUTE);
        assert_eq!(pauses, [1, 1, 5, 5, 15, 15, 60, 60].map(minutes),);
        assert_eq!(interval(10 * DAY), None);
    }
}
