//! The CA's own polling (facts, section 4.7), on a clock that can run faster.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep_until};

use super::{check, switches::OwnPolling, world::World};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Orders and domains checked side by side.
const PARALLEL: usize = 8;

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
    fn turn(&mut self, speed: f64, now: Instant) -> (bool, Option<Instant>) {
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

/// What there is to look at.
#[derive(Clone, Copy)]
enum Subject {
    Order(u64),
    Domain(u64),
}

/// Checks pending orders and domains by the documented schedule until shutdown; idle while polling is off.
pub(super) async fn poll(world: Arc<World>) {
    loop {
        let (due, next) = plan(&world, Instant::now());
        stream::iter(due)
            .for_each_concurrent(PARALLEL, |subject| {
                let world = &world;
                async move {
                    match subject {
                        Subject::Order(id) => drop(check::order(world, id, None).await),
                        Subject::Domain(id) => drop(check::domain(world, id).await),
                    }
                }
            })
            .await;
        let next = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = next => {}
            () = world.polling.notified() => {}
            () = world.shutdown.cancelled() => return,
        }
    }
}

/// What to look at now, and when the next look falls due.
fn plan(world: &World, now: Instant) -> (Vec<Subject>, Option<Instant>) {
    let mut state = world.lock();
    let state = &mut *state;
    let OwnPolling::On { speed } = state.profile.own_polling else { return (Vec::new(), None) };
    let orders = state.orders.values_mut().filter(|order| order.awaits_proof() && order.has_token());
    let domains = state.domains.values_mut().filter(|domain| domain.awaits_proof());
    let subjects = orders
        .map(|order| (Subject::Order(order.id), &mut order.schedule))
        .chain(domains.map(|domain| (Subject::Domain(domain.id), &mut domain.schedule)));
    let mut due = Vec::new();
    let mut next: Option<Instant> = None;
    for (subject, schedule) in subjects {
        let (is_due, at) = schedule.turn(speed, now);
        due.extend(is_due.then_some(subject));
        next = next.into_iter().chain(at).min();
    }
    (due, next)
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
