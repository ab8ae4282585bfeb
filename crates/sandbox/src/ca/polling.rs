//! The CA's own polling: what is due is checked, and then what is due next is waited for.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep_until};

use super::{check, switches::OwnPolling, world::World};

/// Orders and domains checked side by side.
const PARALLEL: usize = 8;

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
