//! A simulated CA and DNS with faults, in which thousands of orders live through months within seconds.
//!
//! What holds in every world, whatever fails, is asserted at every single decision in [`World::watch`], and of the end
//! in [`World::judge`].

mod sim;

use jiff::SignedDuration;

use self::sim::{Kind, Setting, World};

/// Nothing fails: the number of calls is what we promise.
#[test]
fn a_calm_order_needs_two_calls_and_three_when_its_scopes_are_looked_up() {
    let mut world = World::new(Setting { orders: 400, ..Setting::calm() });
    world.run(SignedDuration::from_hours(24));
    for order in &world.orders {
        let expected = if order.facts.configured.is_empty() { 3 } else { 2 };
        assert_eq!(
            order.calls_until_proven,
            Some(expected),
            "order {} of kind {:?}",
            order.facts.seed,
            order.kind
        );
    }
}

/// Half of all calls fail, half of those after they had their effect; memory is lost, clocks step, zones lag for
/// weeks, values expire, orders are cancelled and reissued.
#[test]
fn two_thousand_orders_weather_the_storm() {
    let mut world = World::new(Setting::storm());
    world.run(SignedDuration::from_hours(24 * 150));
    world.judge();
    let expired = world.orders.iter().filter(|order| order.values_given > 1).count();
    let kinds = |kind| world.orders.iter().filter(|order| order.kind == kind).count();
    // The storm was one: otherwise the properties above prove little.
    assert!(expired > 50, "only {expired} orders lived through an expiry");
    assert!(kinds(Kind::Cancelled) > 20 && kinds(Kind::Reissued) > 20 && kinds(Kind::Organisation) > 20);
}

/// A restart with nothing but the state loses calls, never correctness.
#[test]
fn an_agent_that_forgets_at_every_tenth_step_still_finishes() {
    let mut world = World::new(Setting { orders: 300, forget: 0.1, ..Setting::calm() });
    world.run(SignedDuration::from_hours(24 * 20));
    world.judge();
}

/// The CA keeps handing out a value whose date has passed: we ask ever more rarely instead of spinning.
#[test]
fn a_ca_that_never_renews_an_expired_value_is_not_hammered() {
    let mut world = World::new(Setting { orders: 20, stuck_values: true, ..Setting::calm() });
    world.run(SignedDuration::from_hours(24));
    for order in &world.orders {
        assert!(order.requests < 120, "{} requests in a day", order.requests);
        assert!(order.dns.values.is_empty(), "an expired value was published");
    }
}
