//! How long the open work of each account takes, at the rate that DigiCert allows.
//!
//! One event can make thousands of orders and domains urgent at once. No call goes faster for that: the calls stand in one
//! line, the least slack first. What can be done is to know early when everything is done, and what comes too late.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use dcv_core::{Allowance, Forecast, Load, forecast};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    board::{Backlog, Status, StatusBoard},
    ca::Account,
    clock,
    context::Context,
};

/// How often backlogs are made anew.
const TICK: Duration = Duration::from_secs(2);
/// Work that is gone on with within this span is counted.
const NEAR: SignedDuration = SignedDuration::from_mins(5);
/// Orders and domains that are named when many begin to last.
const NAMED: usize = 5;
/// How often a burst is told of while it lasts.
const TELL: SignedDuration = SignedDuration::from_secs(60);

/// The backlog in a sentence.
fn describe(backlog: &Backlog, now: Timestamp) -> String {
    let Backlog { account, open, forecast: Forecast { calls, finish, late, first_late, .. }, .. } = backlog;
    let minutes = (finish.duration_since(now).as_secs() + 59) / 60;
    let late = match first_late {
        Some(first) => format!("; {late} of them come too late, the first at {first:.0}"),
        None => "; every deadline is kept".to_owned(),
    };
    format!(
        "account {account}: {open} orders and domains need {calls} calls, which are made by {finish:.0} (in {minutes} min), the least slack first{late}"
    )
}

/// The backlogs of all accounts, by what is on the board and what is spent of each rate.
#[must_use]
pub fn backlogs(context: &Context, board: &StatusBoard, now: Timestamp) -> Vec<Backlog> {
    let mut loads: BTreeMap<String, Vec<Load>> = BTreeMap::new();
    // What rests for longer needs its calls then, not now.
    let soon = now.saturating_add(NEAR).unwrap_or(Timestamp::MAX);
    board.read(|status| {
        if status.calls > 0 && status.wake <= soon {
            let load = Load { deadline: status.deadline, calls: status.calls };
            loads.entry(status.subject.account.to_string()).or_default().push(load);
        }
    });
    let accounts: BTreeMap<_, _> = context.accounts.iter().collect();
    let backlog = |(name, account): (&String, &Arc<Account>)| {
        let allowance = |window: &digicert_api::WindowUse| Allowance {
            calls: window.calls,
            per: SignedDuration::try_from(window.per).unwrap_or(SignedDuration::MAX),
            used: window.used,
        };
        let load = account.client.load();
        let rate: Vec<_> = load.windows.iter().map(allowance).collect();
        let loads = loads.remove(name).unwrap_or_default();
        let (open, waiting) = (loads.len(), load.waiting);
        Backlog { account: name.clone(), open, waiting, forecast: forecast(loads, &rate, now) }
    };
    accounts.into_iter().map(backlog).collect()
}

/// Makes the backlogs anew every moment until `stop`, puts them on the board beside what is in trouble, and tells of bursts: when one begins, every
/// minute while it lasts, and when it is over.
pub async fn watch(
    context: Arc<Context>,
    board: Arc<StatusBoard>,
    stop: CancellationToken,
    tell: impl Fn(&str),
) {
    let mut bursts: BTreeMap<String, Burst> = BTreeMap::new();
    loop {
        let now = clock::now();
        let backlogs = backlogs(&context, &board, now);
        for backlog in &backlogs {
            follow(&mut bursts, backlog, now, &tell);
        }
        board.set_backlogs(backlogs);
        board.set_troubles(context.troubles());
        say_what_lasts(&board.lasting(now), now);
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Says what open work waits for, and for how long it has. Of many that begin to last at the same time a few are named.
fn say_what_lasts(lasting: &[Status], now: Timestamp) {
    for Status { subject, reason, detail, since, .. } in lasting.iter().take(NAMED) {
        let minutes = now.duration_since(*since).as_secs() / 60;
        let (order, domain) = (subject.id.order(), subject.id.domain());
        info!(account = %subject.account, order, domain, %reason, "{subject} has been {reason} for {minutes} min: {detail}");
    }
    if let Some(more) = lasting.len().checked_sub(NAMED).filter(|more| *more > 0) {
        info!("{more} more orders and domains are not done yet either; `dcv-agent status` lists them");
    }
}

/// A burst that is told of.
struct Burst {
    since: Timestamp,
    told: Timestamp,
}

fn follow(bursts: &mut BTreeMap<String, Burst>, backlog: &Backlog, now: Timestamp, tell: &impl Fn(&str)) {
    match bursts.get_mut(&backlog.account) {
        None if backlog.forecast.is_burst => {
            let sentence = describe(backlog, now);
            warn!(account = %backlog.account, "burst: {sentence}");
            tell(&format!("burst: {sentence}"));
            bursts.insert(backlog.account.clone(), Burst { since: now, told: now });
        }
        Some(burst) if !backlog.forecast.is_burst && backlog.waiting == 0 => {
            let seconds = now.duration_since(burst.since).as_secs();
            let sentence = format!("account {}: the burst is over after {seconds} s", backlog.account);
            info!(account = %backlog.account, "{sentence}");
            tell(&sentence);
            bursts.remove(&backlog.account);
        }
        Some(burst) if now.duration_since(burst.told) >= TELL => {
            burst.told = now;
            let sentence = describe(backlog, now);
            info!(account = %backlog.account, "{sentence}");
            tell(&sentence);
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn backlog(calls: u64, is_burst: bool, late: usize, waiting: usize) -> Backlog {
        let finish = NOW + SignedDuration::from_secs(calls.cast_signed());
        let first_late = (late > 0).then_some(NOW);
        let forecast = Forecast { calls, finish, late, first_late, is_burst };
        Backlog { account: "main".into(), open: usize::from(calls > 0), waiting, forecast }
    }

    /// Told when it begins, once a minute, and when it is over; not at all where there is none.
    #[test]
    fn a_burst_is_told_of_and_not_repeated_at_every_tick() {
        let told = RefCell::new(Vec::new());
        let tell = |line: &str| told.borrow_mut().push(line.to_owned());
        let mut bursts = BTreeMap::new();
        let mut at = |seconds, backlog: &Backlog| {
            follow(&mut bursts, backlog, NOW + SignedDuration::from_secs(seconds), &tell);
            told.borrow().len()
        };
        assert_eq!(at(0, &backlog(50, false, 0, 3)), 0, "work that fits is no burst");
        assert_eq!(at(2, &backlog(5000, true, 3, 900)), 1);
        assert_eq!(at(4, &backlog(4990, true, 3, 900)), 1);
        assert_eq!(at(63, &backlog(4000, true, 0, 900)), 2);
        assert_eq!(at(65, &backlog(900, false, 0, 20)), 2, "it lasts as long as calls wait");
        assert_eq!(at(100, &backlog(2, false, 0, 0)), 3, "an order that DigiCert keeps waiting is no burst");
        assert_eq!(at(102, &backlog(2, false, 0, 0)), 3);
        let told = told.borrow();
        assert!(told[0].contains("5000 calls") && told[0].contains("3 of them come too late"), "{told:?}");
        assert!(told[1].contains("every deadline is kept"), "{told:?}");
        assert!(told[2].contains("over after 98 s"), "{told:?}");
    }
}
