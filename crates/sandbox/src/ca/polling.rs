//! The CA's own polling (facts, section 4.7), on a clock that can run faster.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep_until};

use super::{check, orders::Order, profile::OwnPolling, world::World};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Orders checked side by side.
const PARALLEL: usize = 8;

/// Checks pending orders by the documented schedule until shutdown; idle while polling is off.
pub(super) async fn poll(world: Arc<World>) {
    loop {
        let (due, next) = plan(&world, Instant::now());
        stream::iter(due)
            .for_each_concurrent(PARALLEL, |id| {
                let world = &world;
                async move {
                    check::run(world, id, None).await;
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

/// The orders to look at now, and when the next one falls due.
fn plan(world: &World, now: Instant) -> (Vec<u64>, Option<Instant>) {
    let mut state = world.lock();
    let OwnPolling::On { speed } = state.profile.own_polling else { return (Vec::new(), None) };
    let mut due = Vec::new();
    let mut next: Option<Instant> = None;
    for order in state.orders.values_mut().filter(|order| order.awaits_proof() && order.has_token()) {
        if next_poll(order, speed).is_some_and(|at| at <= now) {
            order.polled = now;
            due.push(order.id);
        }
        next = next.into_iter().chain(next_poll(order, speed)).min();
    }
    (due, next)
}

fn next_poll(order: &Order, speed: f64) -> Option<Instant> {
    // Within these bounds no arithmetic below can overflow; not-a-number counts as standstill.
    let speed = speed.clamp(0.0, 1e6).max(0.0);
    let age = (order.polled - order.submitted).mul_f64(speed);
    let pause = Duration::try_from_secs_f64(interval(age)?.as_secs_f64() / speed).ok()?;
    // A floor keeps an absurd speed from spinning.
    order.polled.checked_add(pause.max(Duration::from_millis(1)))
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
