//! Forecasts, held against a caller who makes every call and obeys every window.

use dcv_core::{Allowance, Load, forecast};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn window(calls: u32, per: i64, used: u32) -> Allowance {
    Allowance { calls, per: seconds(per), used }
}

fn load(deadline: i64, calls: u32) -> Load {
    Load { deadline: Some(NOW + seconds(deadline)), calls }
}

fn idle(calls: u32) -> Load {
    Load { deadline: None, calls }
}

/// Seconds from now to the end of the work, and whether it is a burst.
fn end(calls: u32, rate: &[Allowance]) -> (i64, bool) {
    let got = forecast(vec![idle(calls)], rate, NOW);
    ((got.finish - NOW).get_seconds(), got.is_burst)
}

#[test]
fn the_limits_of_the_ca_set_the_pace() {
    let fresh = [window(100, 5, 0), window(1000, 300, 0)];
    for (calls, expected) in [
        (0, (0, false)),
        (1, (0, false)),
        (100, (0, false)),
        (101, (5, false)),
        (1000, (45, false)),
        (1001, (300, true)),
        (1100, (300, true)),
        (1101, (305, true)),
        // Really 2745 seconds: the last thousand go out a hundred at a time.
        (10_000, (2705, true)),
        (10_001, (3000, true)),
    ] {
        assert_eq!(end(calls, &fresh), expected, "{calls} calls");
    }
}

#[test]
fn what_is_spent_counts_as_spent_just_now() {
    assert_eq!(end(500, &[window(1000, 300, 500)]), (0, false));
    assert_eq!(end(501, &[window(1000, 300, 500)]), (300, true));
    assert_eq!(end(1, &[window(1000, 300, 1000)]), (300, true));
    // After the wait for the long window the short one holds its own pace.
    assert_eq!(end(101, &[window(100, 5, 0), window(1000, 300, 1000)]), (305, true));
    assert_eq!(end(1, &[window(100, 5, 100), window(1000, 300, 100)]), (5, false));
}

#[test]
fn the_earliest_deadline_goes_first_and_the_first_miss_is_told() {
    let rate = [window(1, 10, 0)];
    let all = vec![idle(1), load(25, 1), load(5, 1), load(10, 1), load(-1, 1), load(-5, 0)];
    let got = forecast(all, &rate, NOW);
    // Sent at 0, 10, 20, 30 and 40 seconds: the one past its deadline delays the others.
    assert_eq!((got.calls, got.finish, got.late), (5, NOW + seconds(40), 4));
    assert_eq!(got.first_late, Some(NOW - seconds(1)));
    let kept = forecast(vec![idle(9), load(10, 1), load(0, 1)], &rate, NOW);
    assert_eq!((kept.late, kept.first_late), (0, None), "a call at its deadline is in time");
}

#[test]
fn without_limits_everything_is_now() {
    for rate in [&[][..], &[window(3, 0, 3)], &[window(3, -7, 9)]] {
        assert_eq!(end(1_000_000, rate), (0, false), "{rate:?}");
    }
}

#[test]
fn hostile_numbers_end_at_the_end_of_the_calendar() {
    let all: Vec<_> = [Timestamp::MIN, NOW, Timestamp::MAX]
        .into_iter()
        .flat_map(|deadline| vec![Load { deadline: Some(deadline), calls: u32::MAX }; 1000])
        .collect();
    let rate = [
        Allowance { calls: 0, per: SignedDuration::MAX, used: u32::MAX },
        Allowance { calls: u32::MAX, per: SignedDuration::MIN, used: u32::MAX },
    ];
    let got = forecast(all, &rate, Timestamp::MAX);
    assert_eq!((got.calls, got.finish), (3000 * u64::from(u32::MAX), Timestamp::MAX));
    assert_eq!((got.late, got.first_late), (2000, Some(Timestamp::MIN)));
    assert!(got.is_burst);
}

/// A caller who makes each call as soon as no window forbids it. Times are seconds from now.
struct Greedy {
    windows: Vec<(Allowance, Vec<i64>)>,
    clock: i64,
}

impl Greedy {
    /// Each window has a past of its own: what is spent of it, spent just now.
    fn spent_now(rate: &[Allowance]) -> Self {
        let past = |window: &Allowance| (*window, vec![0; window.used.min(window.calls) as usize]);
        Self { windows: rate.iter().map(past).collect(), clock: 0 }
    }

    fn call(&mut self) -> i64 {
        while !self.windows.iter().all(|(window, log)| self.spent(window, log) < window.calls as usize) {
            self.clock += 1;
        }
        for (_, log) in &mut self.windows {
            log.push(self.clock);
        }
        self.clock
    }

    fn spent(&self, window: &Allowance, log: &[i64]) -> usize {
        log.iter().rev().filter(|&&at| self.clock - at < window.per.as_secs()).count()
    }

    /// When each of the loads is done, in this order.
    fn work(&mut self, loads: &[Load]) -> Vec<i64> {
        let mut last = |load: &Load| (0..load.calls).fold(self.clock, |_, _| self.call());
        loads.iter().map(&mut last).collect()
    }
}

fn rates() -> impl Strategy<Value = Vec<Allowance>> {
    let window = (1..12_u32, 1..40_i64, 0..15_u32).prop_map(|(calls, per, used)| window(calls, per, used));
    prop::collection::vec(window, 1..4)
}

fn longest(rate: &[Allowance]) -> i64 {
    rate.iter().map(|window| window.per.as_secs()).max().unwrap_or(0)
}

fn loads() -> impl Strategy<Value = Vec<Load>> {
    let load = (prop::option::of(-20..400_i64), 0..6_u32)
        .prop_map(|(deadline, calls)| Load { deadline: deadline.map(|after| NOW + seconds(after)), calls });
    prop::collection::vec(load, 0..30)
}

fn by_deadline(mut loads: Vec<Load>) -> Vec<Load> {
    loads.sort_by_key(|load| (load.deadline.is_none(), load.deadline, load.calls));
    loads
}

proptest! {
    /// The bound of the documentation, for the end of the work and for every deadline.
    #[test]
    fn a_greedy_caller_is_done_within_one_longest_window_of_the_forecast(rate in rates(), loads in loads()) {
        let got = forecast(loads.clone(), &rate, NOW);
        let loads = by_deadline(loads);
        let done = Greedy::spent_now(&rate).work(&loads);
        let late = |slack: i64| {
            let missed = |(load, at): &(&Load, &i64)| {
                load.calls > 0 && load.deadline.is_some_and(|by| NOW + seconds(**at - slack) > by)
            };
            loads.iter().zip(&done).filter(missed).count()
        };
        let finish = (got.finish - NOW).get_seconds();
        let really = done.last().copied().unwrap_or(0);
        prop_assert!(finish <= really, "foreseen {finish}, really {really}");
        prop_assert!(really == 0 || really < finish + longest(&rate), "foreseen {finish}, really {really}");
        prop_assert!(late(longest(&rate)) <= got.late && got.late <= late(0), "{got:?}");
        prop_assert!(!got.is_burst || really >= longest(&rate));
    }

    /// If the spent calls are older, the work is done earlier, yet no more than one longest window.
    #[test]
    fn the_age_of_what_is_spent_matters_by_one_longest_window(
        rate in rates(),
        pauses in prop::collection::vec(0..15_i64, 0..40),
        idle_for in 0..40_i64,
        calls in 0..80_u32,
    ) {
        let fresh: Vec<_> = rate.iter().map(|window| Allowance { used: 0, ..*window }).collect();
        let mut caller = Greedy::spent_now(&fresh);
        for pause in pauses {
            caller.call();
            caller.clock += pause;
        }
        caller.clock += idle_for;
        let start = caller.clock;
        let used = |(window, log): &(Allowance, Vec<i64>)| {
            let used = u32::try_from(caller.spent(window, log)).unwrap_or(u32::MAX);
            Allowance { used, ..*window }
        };
        let rate: Vec<_> = caller.windows.iter().map(used).collect();
        let finish = (forecast(vec![idle(calls)], &rate, NOW).finish - NOW).get_seconds();
        let really = caller.work(&[idle(calls)])[0] - start;
        prop_assert!((finish - really).abs() <= longest(&rate), "foreseen {finish}, really {really}");
    }

    /// More work, or less of the rate left, never ends earlier and never makes fewer late.
    #[test]
    fn more_work_never_finishes_earlier(
        rate in rates(),
        loads in loads(),
        deadline in -20..400_i64,
        calls in 0..6_u32,
    ) {
        let less = forecast(loads.clone(), &rate, NOW);
        let more = forecast([loads.clone(), vec![load(deadline, calls)]].concat(), &rate, NOW);
        let spent: Vec<_> = rate.iter().map(|window| Allowance { used: window.used + calls, ..*window }).collect();
        for harder in [more, forecast(loads, &spent, NOW)] {
            prop_assert!(less.calls <= harder.calls && less.finish <= harder.finish && less.late <= harder.late);
            prop_assert!(less.is_burst <= harder.is_burst);
        }
    }

    /// Nothing overflows, whatever comes; and no work is done now.
    #[test]
    fn whatever_comes_there_is_a_forecast(
        loads in prop::collection::vec((any::<i64>(), any::<u32>()), 0..20),
        windows in prop::collection::vec((any::<u32>(), any::<i64>(), any::<i32>(), any::<u32>()), 0..4),
        now in any::<i64>(),
    ) {
        let at = |second: i64| Timestamp::from_second(second % 253_402_207_200).unwrap_or(NOW);
        let now = at(now);
        let rate: Vec<_> = windows
            .into_iter()
            .map(|(calls, s, ns, used)| Allowance { calls, per: SignedDuration::new(s / 2, ns), used })
            .collect();
        let loads: Vec<_> =
            loads.into_iter().map(|(by, calls)| Load { deadline: Some(at(by)), calls }).collect();
        let got = forecast(loads, &rate, now);
        prop_assert!(got.finish >= now && (got.late > 0) == got.first_late.is_some());
        let nothing = forecast(Vec::new(), &rate, now);
        prop_assert_eq!((nothing.calls, nothing.finish, nothing.is_burst), (0, now, false));
    }
}

/// Ten times a large account, in one go: the cost is that of sorting.
#[test]
fn a_hundred_thousand_loads_are_no_work() {
    let all = (0..100_000_u32).map(|n| load(i64::from(n.wrapping_mul(2_654_435_761) % 86_400), 3)).collect();
    let got = forecast(all, &[window(100, 5, 7), window(1000, 300, 70)], NOW);
    assert_eq!((got.calls, got.finish), (300_000, NOW + seconds(300 * 300)));
    assert!(got.late > 0 && got.is_burst);
}
