//! One writer for each destination: gathers what arrives while a change is in flight and sends it as one batch.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use dcv_core::{Artifact, Ttl};
use dns_providers::Receipt;
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::{
    Error,
    destination::{Destination, Labels},
};
use crate::{
    clock, death,
    error::chain,
    ledger::{Action, Event, Ledger},
    state::{Entry, State, Turn},
    subject::Subject,
};

/// Jobs that one batch takes up; providers split further by their own limits.
pub(super) const GATHER: usize = 1000;

/// When nothing has come for this long, what has come is written.
const PAUSE: Duration = Duration::from_millis(2);
/// What keeps coming is waited for no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Between attempts to write down what may be up.
const CONFESS_AGAIN: Duration = Duration::from_secs(1);

/// Changes in a row that are refused for one of their names, after which the rest of a batch is not tried in smaller parts.
const REFUSALS: u32 = 16;

/// What is wanted of the entries of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    There,
    Gone,
}

impl Want {
    /// A place at which a test has the process die.
    fn here(self, place: &'static str) {
        death::here(if self == Self::There { "publish" } else { "retract" }, place);
    }
}

/// What one order wants of one destination.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) want: Want,
    pub(super) entries: Vec<Entry>,
    /// What gives way in the same change.
    pub(super) replacing: Vec<Entry>,
    /// By when it has to be done; without one it has time.
    pub(super) deadline: Option<Timestamp>,
    pub(super) done: oneshot::Sender<Result<Receipt, Error>>,
}

impl Job {
    /// What is sorted by: the least slack first, what has time last.
    fn urgency(&self) -> Timestamp {
        self.deadline.unwrap_or(Timestamp::MAX)
    }
}

/// Writes to one destination.
pub(super) struct Writer {
    pub(super) destination: Box<dyn Destination>,
    pub(super) state: State,
    pub(super) ledger: Ledger,
    pub(super) ttl: Ttl,
}

impl Writer {
    pub(super) async fn run(self, mut jobs: mpsc::Receiver<Job>, closed: CancellationToken) {
        let mut waiting = Vec::new();
        loop {
            if waiting.is_empty() {
                let arrived = closed.run_until_cancelled(jobs.recv_many(&mut waiting, GATHER)).await;
                if arrived.is_none_or(|jobs| jobs == 0) {
                    return;
                }
            }
            if closed.is_cancelled() {
                return;
            }
            // All that has arrived meanwhile, and what comes right behind it: what is urgent overtakes what is not.
            gather(&mut jobs, &mut waiting).await;
            waiting.sort_by_key(Job::urgency);
            let batch: Vec<Job> = waiting.drain(..waiting.len().min(GATHER)).collect();
            // Removals of a batch come first: an order that is taken up again then finds its value put back.
            let (gone, there): (Vec<_>, Vec<_>) = batch.into_iter().partition(|job| job.want == Want::Gone);
            match self.turn().await {
                Ok(turn) => {
                    gone.first().into_iter().chain(there.first()).for_each(|job| job.want.here("turn taken"));
                    self.execute(Want::Gone, gone).await;
                    self.execute(Want::There, there).await;
                    if let Some(turn) = turn {
                        turn.end().await;
                    }
                }
                Err(error) => {
                    for job in gone.into_iter().chain(there) {
                        let _ = job.done.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Of the replicas that share a zone one writes at a time, so that each sees what the others put up.
    async fn turn(&self) -> Result<Option<Turn>, Error> {
        match self.state.fleet() {
            Some(fleet) => Ok(Some(fleet.turn(&format!("zone {}", self.destination.labels().at)).await?)),
            None => Ok(None),
        }
    }

    /// Writes all of it in one change. One name that cannot be written must not hold up the others of its batch, so a batch
    /// that is refused for it is halved, and halved again; where nothing goes through, not for ever. A half is halved down to
    /// single names before the next one is tried: what goes through beside a refused name shows that others may.
    async fn execute(&self, want: Want, jobs: Vec<Job>) {
        let mut parts = vec![jobs];
        let mut refused = 0;
        while let Some(mut jobs) = parts.pop().filter(|jobs| !jobs.is_empty()) {
            let entries: Vec<Entry> = jobs.iter().flat_map(|job| job.entries.iter().cloned()).collect();
            let replacing: Vec<Entry> = jobs.iter().flat_map(|job| job.replacing.iter().cloned()).collect();
            let outcome = self.write(want, &entries, &replacing).await;
            refused = if outcome.is_ok() { 0 } else { refused + 1 };
            if jobs.len() > 1 && refused < REFUSALS && outcome.as_ref().is_err_and(Error::is_of_one_name) {
                let half = jobs.split_off(jobs.len() / 2);
                parts.push(half);
                parts.push(jobs);
                continue;
            }
            for job in jobs {
                let _ = job.done.send(outcome.clone());
            }
            want.here("told");
        }
    }

    /// The intent is in the state before anything is changed, and marked applied or gone after.
    async fn write(&self, want: Want, entries: &[Entry], replacing: &[Entry]) -> Result<Receipt, Error> {
        let (leaving, coming) = match want {
            Want::There => {
                self.check_rivals(entries).await?;
                want.here("rivals read");
                self.state.intend(entries, clock::now()).await?;
                want.here("intended");
                (artifacts(replacing), artifacts(entries))
            }
            Want::Gone => {
                let leaving = self.leaving(entries).await?;
                want.here("neighbours read");
                (leaving, Vec::new())
            }
        };
        let Labels { at, by } = self.destination.labels();
        debug!(zone = at, provider = by, coming = coming.len(), leaving = leaving.len(), "writing to {at}");
        let receipt = match (leaving.as_slice(), coming.as_slice()) {
            ([], []) => Receipt::default(),
            (leaving, coming) => {
                want.here("sending");
                let applied = self.destination.apply(leaving, coming, self.ttl).await;
                self.confess_when_fenced(want, entries);
                applied?
            }
        };
        want.here("sent");
        self.put_on_record(Want::Gone, replacing, &leaving).await;
        self.put_on_record(want, entries, &leaving).await;
        want.here("on record");
        let done = match want {
            Want::There => {
                self.state.gone(replacing).await?;
                want.here("former ones forgotten");
                self.state.applied(entries, clock::now()).await?;
                want.here("applied");
                "published"
            }
            Want::Gone => {
                self.state.gone(entries).await?;
                want.here("gone");
                "retracted"
            }
        };
        tell(done, entries, by);
        Ok(receipt)
    }

    /// What was on its way when others took over may be up, whatever they have found and removed meanwhile.
    fn confess_when_fenced(&self, want: Want, entries: &[Entry]) {
        let Some(fleet) = self.state.fleet().filter(|fleet| want == Want::There && !fleet.is_sure()) else {
            return;
        };
        let entries = entries.to_vec();
        tokio::spawn(async move {
            while let Err(error) = fleet.confess(&entries).await {
                debug!("what may be up is not written down yet: {}", chain(&error));
                tokio::time::sleep(CONFESS_AGAIN).await;
            }
        });
    }

    /// Puts what is confirmed on record, before the state may forget it.
    async fn put_on_record(&self, want: Want, entries: &[Entry], leaving: &[Artifact]) {
        let leaving: HashSet<&Artifact> = leaving.iter().collect();
        let Labels { by, .. } = self.destination.labels();
        for Entry { subject, artifact } in entries {
            let action = match want {
                Want::There => Action::Add,
                Want::Gone if leaving.contains(artifact) => Action::Remove,
                Want::Gone => Action::Release,
            };
            self.ledger.note(Some(Event::change(subject, artifact, action, by))).await;
        }
    }

    /// Refuses what needs a slot of which another order, in the state or in this very batch, has the only one.
    async fn check_rivals(&self, entries: &[Entry]) -> Result<(), Error> {
        let known = self.destination.neighbours(&self.state, entries).await?;
        let mut in_slot: HashMap<&str, Vec<&Entry>> = HashMap::new();
        for neighbour in &known {
            in_slot.entry(self.destination.slot(&neighbour.artifact)).or_default().push(neighbour);
        }
        for entry in entries {
            let beside = in_slot.entry(self.destination.slot(&entry.artifact)).or_default();
            let is_rival = |other: &&&Entry| {
                other.subject != entry.subject && other.artifact.clashes_with(&entry.artifact)
            };
            if let Some(rival) = beside.iter().find(is_rival) {
                return Err(Error::Taken { target: entry.artifact.target(), subject: rival.subject.clone() });
            }
            beside.push(entry);
        }
        Ok(())
    }

    /// What goes: all but what somebody outside this batch holds as well, in the same slot.
    async fn leaving(&self, entries: &[Entry]) -> Result<Vec<Artifact>, Error> {
        let going: HashSet<&Entry> = entries.iter().collect();
        let known = self.destination.neighbours(&self.state, entries).await?;
        let staying = known.iter().filter(|neighbour| !going.contains(neighbour));
        let staying: HashSet<_> = staying.map(|neighbour| self.content(&neighbour.artifact)).collect();
        let leaving = entries.iter().map(|entry| &entry.artifact);
        Ok(leaving.filter(|artifact| !staying.contains(&self.content(artifact))).cloned().collect())
    }

    /// What stands there, whoever holds it.
    fn content<'a>(&'a self, artifact: &'a Artifact) -> (&'a str, String) {
        (self.destination.slot(artifact), artifact.content())
    }
}

/// Takes what waits and what comes within moments: orders become ready one after the other, and one change for all of them
/// is done sooner than one for each.
async fn gather(jobs: &mut mpsc::Receiver<Job>, waiting: &mut Vec<Job>) {
    let end = Instant::now() + LONGEST_PAUSE;
    while waiting.len() < GATHER {
        let next = tokio::time::timeout_at(end.min(Instant::now() + PAUSE), jobs.recv());
        match next.await {
            Ok(Some(job)) => waiting.push(job),
            Ok(None) | Err(_) => return,
        }
    }
}

/// A line for each record or file, with all that it is looked for by.
fn tell(done: &str, entries: &[Entry], by: &str) {
    for Entry { subject, artifact } in entries {
        let Subject { account, id } = subject;
        let name = match artifact {
            Artifact::Record { site, .. } => site.owner(),
            Artifact::File { host, .. } => host,
        };
        let zone = artifact.zone().map(tracing::field::display);
        let (order, domain) = (id.order(), id.domain());
        info!(%account, order, domain, %name, zone, provider = %by, "{subject}: {done} {}", artifact.target());
    }
}

fn artifacts(entries: &[Entry]) -> Vec<Artifact> {
    entries.iter().map(|entry| entry.artifact.clone()).collect()
}
