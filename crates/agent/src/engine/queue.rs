//! What is looked after, each once, with its earliest wake-up.
//!
//! What rests costs its facts, packed, and one entry: no task and no channel. What is due waits in the order of its deadlines until a
//! worker is free.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use dcv_core::{Facts, Packed};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio_util::time::{DelayQueue, delay_queue::Key};

use crate::subject::{Subject, Trigger};

/// The longest wait that the timer takes; whoever rests longer wakes once in between.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Where each subject is.
#[derive(Debug)]
enum Slot {
    /// It rests until its entry in the timer fires.
    Resting { facts: Packed, key: Key },
    /// It is due, and waits for a worker.
    Due { facts: Box<Facts> },
    /// A worker has it.
    Working { triggered: Option<Trigger> },
}

/// The earliest deadline first; of equal ones who came first.
type Place = (Timestamp, u64);

/// Changes what is believed accordingly.
fn apply(trigger: Trigger, facts: &mut Facts) {
    match trigger {
        Trigger::Work => {
            facts.retired = false;
            facts.doubt();
        }
        Trigger::Changed => facts.doubt(),
        Trigger::Release => facts.retired = true,
    }
}

/// Whether it gives something to do to what was about to be given up.
const fn wakes(trigger: Trigger, facts: &Facts) -> bool {
    match trigger {
        Trigger::Work => true,
        Trigger::Changed => !facts.retired,
        Trigger::Release => false,
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    slots: HashMap<Subject, Slot>,
    timer: DelayQueue<Subject>,
    due: BTreeSet<(Place, Subject)>,
    arrivals: u64,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many are due, and wait for a worker.
    pub(super) fn due(&self) -> usize {
        self.due.len()
    }

    /// Puts in what is due now.
    pub(super) fn add(&mut self, subject: Subject, facts: Box<Facts>, deadline: Option<Timestamp>) {
        self.arrivals += 1;
        // What has no deadline has time.
        let place = (deadline.unwrap_or(Timestamp::MAX), self.arrivals);
        self.due.insert((place, subject.clone()));
        self.slots.insert(subject, Slot::Due { facts });
    }

    /// Has it rest for this long.
    pub(super) fn rest(&mut self, subject: Subject, facts: Box<Facts>, wait: Duration) {
        let key = self.timer.insert(subject.clone(), wait.min(LONGEST));
        self.slots.insert(subject, Slot::Resting { facts: Packed::of(facts), key });
    }

    /// Waits until something that rested is due, and marks it so. Never returns while nothing rests.
    pub(super) async fn wake(&mut self, deadline: impl Fn(&Subject, &Facts) -> Option<Timestamp>) {
        match self.timer.next().await {
            Some(expired) => {
                let subject = expired.into_inner();
                if let Some(Slot::Resting { facts, .. }) = self.slots.remove(&subject) {
                    let facts = facts.open();
                    let deadline = deadline(&subject, &facts);
                    self.add(subject, facts, deadline);
                }
            }
            None => std::future::pending().await,
        }
    }

    /// Hands the most urgent of what is due to a worker.
    pub(super) fn take(&mut self) -> Option<(Subject, Box<Facts>)> {
        let (_, subject) = self.due.pop_first()?;
        match self.slots.insert(subject.clone(), Slot::Working { triggered: None }) {
            Some(Slot::Due { facts }) => Some((subject, facts)),
            // Every subject that is due has such a slot.
            _ => None,
        }
    }

    /// A worker gives it back, `finished` or to go on. What was heard of it meanwhile is applied; tells whether that gives it
    /// something to do at once.
    pub(super) fn give_back(&mut self, subject: &Subject, facts: &mut Facts, finished: bool) -> bool {
        let Some(Slot::Working { triggered: Some(trigger) }) = self.slots.remove(subject) else {
            return false;
        };
        if finished && !wakes(trigger, facts) {
            return false;
        }
        apply(trigger, facts);
        true
    }

    /// Tells it; false where it is not looked after. The last word counts for what a worker has.
    pub(super) fn trigger(
        &mut self,
        subject: &Subject,
        trigger: Trigger,
        deadline: impl Fn(&Subject, &Facts) -> Option<Timestamp>,
    ) -> bool {
        match self.slots.get_mut(subject) {
            Some(Slot::Working { triggered }) => {
                *triggered = Some(trigger);
                true
            }
            Some(Slot::Due { facts }) => {
                apply(trigger, facts);
                true
            }
            Some(Slot::Resting { .. }) => {
                if let Some(Slot::Resting { facts, key }) = self.slots.remove(subject) {
                    self.timer.remove(&key);
                    let mut facts = facts.open();
                    apply(trigger, &mut facts);
                    let deadline = deadline(subject, &facts);
                    self.add(subject.clone(), facts, deadline);
                }
                true
            }
            None => false,
        }
    }

    /// Ends: what is known of what rests or is due.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Subject, Facts)> {
        self.timer.clear();
        self.due.clear();
        std::mem::take(&mut self.slots).into_iter().filter_map(|(subject, slot)| match slot {
            Slot::Resting { facts, .. } => Some((subject, *facts.open())),
            Slot::Due { facts } => Some((subject, *facts)),
            Slot::Working { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(number: u64) -> Subject {
        Subject::order("main", number)
    }

    fn facts() -> Box<Facts> {
        Box::default()
    }

    fn at(seconds: i64) -> Option<Timestamp> {
        Timestamp::from_second(seconds).ok()
    }

    #[test]
    fn the_earliest_deadline_is_taken_first_and_what_has_none_last() {
        let mut queue = Queue::default();
        for (number, deadline) in [(1, None), (2, at(20)), (3, at(10)), (4, at(20)), (5, None)] {
            queue.add(subject(number), facts(), deadline);
        }
        let taken: Vec<_> =
            std::iter::from_fn(|| queue.take()).map(|(subject, _)| subject.id.number()).collect();
        assert_eq!(taken, [3, 2, 4, 1, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_rests_wakes_in_time_and_a_trigger_wakes_it_at_once() {
        let mut queue = Queue::default();
        queue.rest(subject(1), facts(), Duration::from_secs(100));
        queue.rest(subject(2), facts(), Duration::MAX);
        let start = tokio::time::Instant::now();
        queue.wake(|_, _| None).await;
        assert_eq!(queue.take().unwrap().0, subject(1));
        assert!(start.elapsed() >= Duration::from_secs(100));
        assert!(queue.trigger(&subject(2), Trigger::Changed, |_, _| None));
        assert_eq!(queue.take().unwrap().0, subject(2));
        assert!(!queue.trigger(&subject(3), Trigger::Work, |_, _| None), "it is not looked after");
    }

    /// What is heard while a worker has it is not lost; the last word counts.
    #[test]
    fn a_trigger_during_work_counts_when_it_is_given_back() {
        for (triggers, finished, wakes, retired) in [
            (vec![], true, false, false),
            (vec![Trigger::Changed], true, true, false),
            (vec![Trigger::Work, Trigger::Release], true, false, false),
            (vec![Trigger::Work, Trigger::Release], false, true, true),
            (vec![Trigger::Release, Trigger::Work], true, true, false),
        ] {
            let mut queue = Queue::default();
            queue.add(subject(1), facts(), None);
            let (subject, mut facts) = queue.take().unwrap();
            for trigger in &triggers {
                queue.trigger(&subject, *trigger, |_, _| None);
            }
            assert_eq!(queue.give_back(&subject, &mut facts, finished), wakes, "{triggers:?}");
            assert_eq!(facts.retired, retired, "{triggers:?}");
        }
    }
}
