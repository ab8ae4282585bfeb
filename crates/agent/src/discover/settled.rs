//! Configured orders that were over and have not changed: one question about what has changed stands for a look at each.
//!
//! A run from cron over a thousand orders that are issued would read a thousand orders. The state tells which were over when
//! all of them were looked at last, and DigiCert which have changed since.

use std::{collections::BTreeSet, time::Duration};

use dcv_core::Kind;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{debug, info};

use super::{SOON, orders::OVERLAP};
use crate::{
    board::StatusBoard,
    clock,
    context::Context,
    error::chain,
    state::{self, LastStatus},
    subject::Subject,
    subjects::Subjects,
};

/// The CA remembers changes for seven days; some hours are left for clocks and for the run itself.
const REMEMBERED: Duration = Duration::from_secs((7 * 24 - 6) * 60 * 60);

/// Takes those out of the subjects that were over when all were looked at last and have not changed since, and lists them as
/// they stood. What cannot be found out costs a look at each, as without it.
///
/// # Errors
/// When the state file fails.
pub async fn leave_settled(
    context: &Context,
    board: &StatusBoard,
    subjects: &mut Subjects,
) -> Result<(), state::Error> {
    let last = context.state.notes().await?;
    for (name, account) in &context.accounts {
        let settled: Vec<&LastStatus> = last.iter().filter(|last| is_settled(last, name, subjects)).collect();
        let Some(since) = context.state.last_round(name).await?.and_then(|began| since(began, clock::now()))
        else {
            continue;
        };
        // One order is read by one call as well.
        if settled.len() < 2 || account.held(clock::now()).is_some() {
            continue;
        }
        let client = account.client.with_deadline(Instant::now() + SOON);
        let changed: BTreeSet<u64> = match client.status_changes(since + OVERLAP).await {
            Ok(changes) => changes.into_iter().map(|change| change.order_id.get()).collect(),
            Err(error) => {
                debug!(account = %name, "account {name}: what has changed cannot be read, each order is: {}", chain(&error));
                continue;
            }
        };
        let mut left = 0;
        for last in settled.into_iter().filter(|last| !changed.contains(&last.subject.id.number())) {
            subjects.remove(&last.subject);
            board.stand(last);
            left += 1;
        }
        if left > 0 {
            info!(account = %name, orders = left, "account {name}: settled orders that have not changed are left as they are");
        }
    }
    Ok(())
}

/// Whether an order of this account was over, has nothing up, and is looked after because the configuration names it.
fn is_settled(last: &LastStatus, account: &str, subjects: &Subjects) -> bool {
    let Subject { account: of, id } = &last.subject;
    let facts = subjects.get(&last.subject).filter(|_| &**of == account && id.kind() == Kind::Order);
    last.is_over() && facts.is_some_and(|facts| facts.held.is_empty() && !facts.retired && !facts.discovered)
}

/// How far to look back; none where the CA would not remember all of it, or a clock stepped.
fn since(began: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(now.duration_since(began)).ok().filter(|since| *since < REMEMBERED)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn what_the_ca_does_not_remember_is_looked_at() {
        let now = Timestamp::constant(1_800_000_000, 0);
        for (hours, expected) in [(-1, false), (0, true), (24, true), (161, true), (162, false), (400, false)]
        {
            let since = since(now - SignedDuration::from_hours(hours), now);
            assert_eq!(since.is_some(), expected, "{hours} hours");
        }
    }
}
