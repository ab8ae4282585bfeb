//! One of the replicas that share a fleet's work: claims what is free, keeps what it has, begins anew where others have taken
//! over.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    board::StatusBoard,
    context::Context,
    death,
    engine::{Mode, Progress},
    error::chain,
    state::{Beat, Claimed, Error, Fleet},
    subject::{Subject, Trigger},
    subjects::{self, Intake, Subjects},
};

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);
/// Subjects that a replica has at work at most before it leaves the others to others. What rests costs nothing and counts not.
const ROOM: usize = 2000;
/// Where so many were claimed, more are claimed at once; otherwise with the next beat, when the others have had theirs.
const AT_ONCE: usize = 100;
/// What this replica's configuration does not speak of is left to others for so long; then nobody's does, and it is tidied up.
/// Configurations of replicas are not changed at the same moment.
const LEFT_TO_OTHERS: Duration = Duration::from_secs(600);

/// After that time it is claimed with the next beats, or somebody has it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// A replica, through all rounds of a process.
#[derive(Debug)]
pub struct Replica {
    fleet: Fleet,
    /// What it has leased, looked after or about to be.
    leased: Mutex<BTreeMap<Subject, Claimed>>,
}

/// What a replica works through in one round.
#[derive(Debug)]
pub struct Round {
    /// What it acts through.
    pub context: Arc<Context>,
    /// Where statuses stand.
    pub board: Arc<StatusBoard>,
    /// Where facts wait for the engine.
    pub intake: Arc<Intake>,
    /// To the engine.
    pub triggers: mpsc::Sender<(Subject, Trigger)>,
    /// What the engine tells.
    pub progress: Arc<Progress>,
    /// Ends the round.
    pub stop: CancellationToken,
    /// Whether the process runs once.
    pub mode: Mode,
}

impl Replica {
    /// Becomes one of the replicas.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn join(fleet: Fleet) -> Result<Self, Error> {
        fleet.join().await?;
        death::here("replica", "joined");
        Ok(Self { fleet, leased: Mutex::default() })
    }

    /// Begins anew after others have taken over: with nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rejoin(&self) -> Result<(), Error> {
        self.leased.lock().await.clear();
        self.fleet.join().await
    }

    /// Says what this configuration wants to be looked after, and which of what this replica has is to be begun with again:
    /// what an earlier round knew of it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn subjects(&self, context: &Context, earlier: Subjects) -> Result<Subjects, Error> {
        let config = &context.config;
        self.fleet.offer(&subjects::configured(config).collect::<Vec<_>>(), false).await?;
        self.fleet.offer_what_is_held(|subject| subjects::is_discovered(config, subject)).await?;
        let mut earlier = earlier;
        let mut leased = self.leased.lock().await;
        let mut subjects = Subjects::new();
        let mut others = Vec::new();
        for (subject, claimed) in &*leased {
            match subjects::begin(config, claimed, earlier.remove(subject)) {
                Some(facts) => drop(subjects.insert(subject.clone(), facts)),
                None => others.push(subject.clone()),
            }
        }
        subjects::recall(&context.state, &mut subjects).await?;
        self.fleet.release(&others).await?;
        leased.retain(|subject, _| subjects.contains_key(subject));
        Ok(subjects)
    }

    /// Beats, claims and hears news until the round ends, or others have taken over.
    pub async fn run(self: Arc<Self>, round: Round) {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What is left are the lists' own, and the one in our hands.
        let lists = round.triggers.downgrade();
        let Round { context, board, intake, triggers, progress, stop, mode } = round;
        let mut hands = Hands::new(triggers);
        let round = Engaged { context, board, intake, progress, stop, mode };
        loop {
            tokio::select! {
                () = round.stop.cancelled() => return,
                _ = beats.tick() => {}
            }
            let lists_are_read = lists.strong_count() <= 1;
            match self.beat(&round, &mut hands).await {
                Ok(true) => beats.reset_immediately(),
                // A one-shot run is over when the lists are read and nothing is left to be claimed.
                Ok(false) if round.mode == Mode::Once && lists_are_read && hands.waiting.is_empty() => {
                    hands.triggers = None;
                }
                Ok(false) => {}
                Err(Error::Fenced) => {
                    warn!("others have taken over what this replica worked on; it begins anew");
                    return;
                }
                Err(error) => {
                    // It is told while it lasts, by the state itself.
                    debug!("a beat failed: {}", chain(&error));
                    hands.may_have_more = true;
                }
            }
        }
    }

    /// One beat. True where more can be claimed at once.
    async fn beat(&self, round: &Engaged, hands: &mut Hands) -> Result<bool, Error> {
        self.give_up(round.progress.take_finished(), hands).await;
        let room = match (round.mode, &hands.triggers) {
            (_, None) => 0,
            (Mode::Once, _) => usize::MAX,
            (Mode::Daemon, _) => ROOM.saturating_sub(round.progress.busy() + hands.waiting.len()),
        };
        let accounts: Vec<&str> = round.context.config.accounts.keys().map(String::as_str).collect();
        let except = hands.except();
        let Beat { claimed, news, files_changed } = self.fleet.beat(room, &accounts, &except).await?;
        let took = claimed.len();
        if took > 0 {
            death::here("replica", "claimed");
        }
        hands.waiting.extend(claimed);
        if hands.may_have_more {
            let leased = self.leased.lock().await;
            let unknown =
                |claimed: &Claimed| !leased.contains_key(&claimed.subject) && !hands.has(&claimed.subject);
            let unknown: Vec<_> = self.fleet.leased().await?.into_iter().filter(unknown).collect();
            hands.waiting.extend(unknown);
            hands.may_have_more = false;
        }
        self.take_up(round, hands).await?;
        self.hear(news, hands).await?;
        if files_changed {
            round.context.show_files().await?;
        }
        Ok(took >= AT_ONCE && round.progress.busy() < ROOM)
    }

    /// Passes on news. Of what the engine was just done with, work begins anew, and the rest needs no hearing.
    async fn hear(&self, news: Vec<(Subject, Trigger)>, hands: &mut Hands) -> Result<(), Error> {
        let mut over = Vec::new();
        for (subject, trigger) in news {
            let is_looked_after = self.leased.lock().await.contains_key(&subject);
            match trigger {
                _ if is_looked_after => hands.tell(subject, trigger).await,
                Trigger::Work => hands.waiting.push(Claimed { subject, discovered: true, needed_by: None }),
                Trigger::Changed | Trigger::Release => over.push(subject),
            }
        }
        match over.is_empty() {
            true => Ok(()),
            false => self.fleet.finish(&over).await,
        }
    }

    /// Hands what was claimed to the engine, with what the state remembers of it.
    async fn take_up(&self, round: &Engaged, hands: &mut Hands) -> Result<(), Error> {
        if hands.waiting.is_empty() {
            return Ok(());
        }
        let leased = hands.waiting.iter().map(|claimed| (claimed.subject.clone(), claimed.clone()));
        self.leased.lock().await.extend(leased);
        let mut subjects = Subjects::new();
        let mut others = Vec::new();
        for claimed in &hands.waiting {
            let facts = subjects::begin(&round.context.config, claimed, None);
            let facts = facts
                .or_else(|| hands.is_nobodys(&claimed.subject).then(|| subjects::retire(&claimed.subject)));
            match facts {
                Some(facts) => drop(subjects.insert(claimed.subject.clone(), facts)),
                None => others.push(claimed.subject.clone()),
            }
        }
        let last = subjects::recall(&round.context.state, &mut subjects).await?;
        self.fleet.release(&others).await?;
        let mut leased = self.leased.lock().await;
        for subject in others {
            leased.remove(&subject);
            hands.left.entry(subject).or_insert_with(Instant::now);
        }
        drop(leased);
        hands.waiting.clear();
        death::here("replica", "taken up");
        round.board.recall(&last, |_| true);
        for (subject, facts) in subjects {
            round.intake.put(subject.clone(), facts);
            hands.tell(subject, Trigger::Work).await;
        }
        Ok(())
    }

    /// What the engine is done with is looked after no more; what cannot be written down now is with the next beat.
    async fn give_up(&self, finished: Vec<Subject>, hands: &mut Hands) {
        let mut leased = self.leased.lock().await;
        finished.iter().for_each(|subject| drop(leased.remove(subject)));
        drop(leased);
        hands.finished.extend(finished);
        if hands.finished.is_empty() {
            return;
        }
        match self.fleet.finish(&hands.finished).await {
            Ok(()) => hands.finished.clear(),
            Err(error) => debug!("what is done is not written down yet: {}", chain(&error)),
        }
    }

    /// Ends for good; what it has is free at once.
    pub async fn leave(&self) {
        if let Err(error) = self.fleet.leave().await {
            debug!("what this replica has is free when it was not heard of for a while: {}", chain(&error));
        }
    }
}

/// Waits until others have taken over what a replica had, which ends [`Replica::run`]; for ever where the process is none.
pub async fn fenced(running: &mut Option<JoinHandle<()>>) {
    match running {
        Some(task) => drop(task.await),
        None => std::future::pending().await,
    }
    *running = None;
}

/// A round under way.
struct Engaged {
    context: Arc<Context>,
    board: Arc<StatusBoard>,
    intake: Arc<Intake>,
    progress: Arc<Progress>,
    stop: CancellationToken,
    mode: Mode,
}

/// What a round has in its hands between two beats.
struct Hands {
    /// What this configuration does not speak of, and since when it was left to others.
    left: HashMap<Subject, Instant>,
    /// Claimed, and not yet with the engine.
    waiting: Vec<Claimed>,
    /// Done, and not yet written down as such.
    finished: Vec<Subject>,
    /// A beat failed: what it claimed, if the database has carried it out, is not known here.
    may_have_more: bool,
    /// To the engine; none once nothing more is to come.
    triggers: Option<mpsc::Sender<(Subject, Trigger)>>,
}

impl Hands {
    fn new(triggers: mpsc::Sender<(Subject, Trigger)>) -> Self {
        Self {
            left: HashMap::new(),
            waiting: Vec::new(),
            finished: Vec::new(),
            may_have_more: false,
            triggers: Some(triggers),
        }
    }

    /// Whether it is on its way to the engine, or from it.
    fn has(&self, subject: &Subject) -> bool {
        self.finished.contains(subject) || self.waiting.iter().any(|claimed| claimed.subject == *subject)
    }

    /// What is not claimed for now. What was not to be had when its time was over is others', and begins anew should they lose
    /// it.
    fn except(&mut self) -> Vec<Subject> {
        self.left.retain(|_, since| since.elapsed() < LEFT_TO_OTHERS + FORGOTTEN_AFTER);
        let recent = self.left.iter().filter(|(_, since)| since.elapsed() < LEFT_TO_OTHERS);
        recent.map(|(subject, _)| subject.clone()).collect()
    }

    /// Whether nobody has taken it while it was left to others.
    fn is_nobodys(&self, subject: &Subject) -> bool {
        self.left.get(subject).is_some_and(|since| since.elapsed() >= LEFT_TO_OTHERS)
    }

    async fn tell(&self, subject: Subject, trigger: Trigger) {
        if let Some(triggers) = &self.triggers {
            // Nobody listens any more only when the round ends.
            let _ = triggers.send((subject, trigger)).await;
        }
    }
}
