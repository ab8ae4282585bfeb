//! A run's evidence: an append-only record of what was requested, written, seen, asked and answered, for whoever audits
//! domain control validation.
//!
//! One JSON object a line; each line holds the hash of the line before, so that nothing in it can be changed, left out or
//! put in unnoticed by one who does not write all later lines anew. Against that one, keep the last line's hash (as
//! `ledger verify` tells it) somewhere else.
//!
//! Nothing reads the ledger to decide anything, and nothing already written is written again.

mod event;
mod folder;
mod line;
#[cfg(test)]
mod tests;
mod verify;

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tracing::{error, info, warn};

pub use self::{
    event::{Action, Event, Seen},
    line::Line,
    verify::{Break, Head, Verified, verify},
};
use self::{folder::Tail, line::Place};
use crate::{clock, error::chain};

/// How the ledger is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes after which a new file is begun.
    pub rotate: u64,
    /// Former files to keep; 0 keeps all.
    pub keep: usize,
    /// Whether the CA may only be asked once that is on record.
    pub required: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rotate: 64 << 20, keep: 0, required: false }
    }
}

/// Why a line was not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be opened, locked or written.
    #[error("the ledger in {folder} cannot be written")]
    Write {
        /// Where.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The line is written, but may not survive a power failure.
    #[error("the ledger in {folder} cannot be made durable")]
    Sync {
        /// Where.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A ledger that is written to, or one that is off and swallows everything.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    limits: Limits,
    open: Mutex<Option<Open>>,
    /// Events since the last line that could not be recorded.
    lost: AtomicU64,
    failures: AtomicU64,
    troubled: AtomicBool,
    unrotated: AtomicBool,
}

/// The current file and its end as this process left it.
#[derive(Debug)]
struct Open {
    file: Arc<File>,
    length: u64,
    tail: Tail,
}

impl Ledger {
    /// A ledger in a folder. Nothing is touched before the first event, so that commands which only look need no right to
    /// write.
    #[must_use]
    pub fn new(folder: &Path, limits: Limits) -> Self {
        Self(Some(Arc::new(Inner {
            folder: folder.to_owned(),
            limits,
            open: Mutex::default(),
            lost: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            troubled: AtomicBool::new(false),
            unrotated: AtomicBool::new(false),
        })))
    }

    /// A ledger that records nothing.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// Whether this ledger is kept in that folder, in that way.
    #[must_use]
    pub fn is(&self, settings: Option<(&Path, Limits)>) -> bool {
        self.0.as_ref().map(|inner| (inner.folder.as_path(), inner.limits)) == settings
    }

    /// How often recording has failed; for metrics.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.as_ref().map_or(0, |inner| inner.failures.load(Ordering::Relaxed))
    }

    /// Appends an event. When this returns, it is durable if it is one of those that must be. Waits for the disk.
    ///
    /// # Errors
    /// When it could not be recorded. It is logged once and counted, the next line tells how many were lost, and work may
    /// go on.
    pub fn record(&self, event: &Event) -> Result<(), Error> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let outcome = inner.record(event);
        match &outcome {
            Ok(()) => {
                if inner.troubled.swap(false, Ordering::Relaxed) {
                    info!("the ledger is written again");
                }
            }
            Err(error) => {
                inner.failures.fetch_add(1, Ordering::Relaxed);
                if !inner.troubled.swap(true, Ordering::Relaxed) {
                    error!("{}", chain(error));
                }
            }
        }
        outcome
    }

    /// Appends an event without holding up the runtime, and says what went wrong only where the ledger is required.
    ///
    /// # Errors
    /// One sentence, when the event is not on record and the configuration wants it to be.
    pub async fn keep(&self, event: Event) -> Result<(), String> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let ledger = self.clone();
        let outcome = match tokio::task::spawn_blocking(move || ledger.record(&event)).await {
            Ok(outcome) => outcome.map_err(|error| chain(&error)),
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Err(detail) if inner.limits.required => {
                Err(format!("{detail}; ledger.required forbids to go on without it"))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Records what came of something, where there is something to tell. Failures are logged and counted only.
    pub async fn note(&self, event: Option<Event>) {
        if let Some(event) = event {
            let _ = self.keep(event).await;
        }
    }
}

impl Inner {
    fn record(&self, event: &Event) -> Result<(), Error> {
        let file = self.append(event).map_err(|source| {
            self.lost.fetch_add(1, Ordering::Relaxed);
            Error::Write { folder: self.folder.clone(), source }
        })?;
        // Outside the locks: other lines go on meanwhile, and one sync carries all that were written before it.
        if event.durable() {
            file.sync_data().map_err(|source| Error::Sync { folder: self.folder.clone(), source })?;
        }
        Ok(())
    }

    /// Appends under the locks: one for the threads of this process, and one for all processes, held from reading the end
    /// of the chain until the line is there, so that no two lines follow the same one.
    fn append(&self, event: &Event) -> io::Result<Arc<File>> {
        let mut slot = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = match folder::lock(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folder::create(&self.folder)?;
                folder::lock(&self.folder)?
            }
            other => other?,
        };
        // Taken out: after a failure it is unknown what was written, and the end is read anew.
        let mut open = match slot.take() {
            Some(open) if folder::is_current(&self.folder, &open.file, open.length)? => open,
            _ => self.open()?,
        };
        if !open.tail.junk.is_empty() {
            warn!(bytes = open.tail.junk.len(), "the ledger's last line was cut short; going on behind it");
            let torn = Event::Torn { bytes: open.tail.junk.len(), after: open.tail.hash.clone() };
            self.line(&mut open, &torn)?;
        }
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            self.line(&mut open, &Event::Lost { events: lost })?;
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        }
        self.line(&mut open, event)?;
        let file = Arc::clone(&open.file);
        *slot = Some(open);
        Ok(file)
    }

    fn open(&self) -> io::Result<Open> {
        let file = folder::open_current(&self.folder)?;
        let length = file.metadata()?.len();
        if length == 0 {
            folder::sync(&self.folder)?;
        }
        let tail = folder::tail(&self.folder, &file)?;
        Ok(Open { file: Arc::new(file), length, tail })
    }

    /// Writes one line, in a new file when the current one is full.
    fn line(&self, open: &mut Open, event: &Event) -> io::Result<()> {
        let at = clock::now();
        let mut text = compose(event, &open.tail, at)?;
        let full = open.length > 0 && open.length + text.len() as u64 >= self.limits.rotate;
        if full && open.tail.junk.is_empty() && !open.tail.unended && self.rotate(open, at) {
            text = compose(event, &open.tail, at)?;
        }
        let mut bytes = Vec::with_capacity(text.len() + 2);
        // Torn bytes stay: they end with this newline, and nothing that was written is ever taken back.
        if !open.tail.junk.is_empty() || open.tail.unended {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
        // One write to a file opened for appending: a kill leaves all of the line or none, a full disk perhaps a part.
        (&*open.file).write_all(&bytes)?;
        open.length += bytes.len() as u64;
        open.tail = Tail {
            n: open.tail.n + 1,
            hash: line::hash(text.as_bytes()),
            former: None,
            junk: Vec::new(),
            unended: false,
        };
        Ok(())
    }

    /// Begins a new file. Where that fails the old one grows on, which loses nothing.
    fn rotate(&self, open: &mut Open, at: jiff::Timestamp) -> bool {
        let rotated = folder::rotate(&self.folder, &open.file, at, self.limits.keep);
        let begun = rotated.and_then(|former| Ok((former, self.open()?)));
        match begun {
            Ok((former, next)) => {
                *open = next;
                open.tail.former = Some(former);
                self.unrotated.store(false, Ordering::Relaxed);
                true
            }
            Err(error) => {
                if !self.unrotated.swap(true, Ordering::Relaxed) {
                    warn!("the ledger's file cannot be put aside, and grows on: {error}");
                }
                false
            }
        }
    }
}

fn compose(event: &Event, tail: &Tail, at: jiff::Timestamp) -> io::Result<String> {
    // After a torn line `prev` covers what is left of it, so that it cannot be changed later either.
    let torn = matches!(event, Event::Torn { .. }).then(|| line::hash(&tail.junk));
    let place = Place {
        n: tail.n + 1,
        at,
        former: tail.former.as_deref(),
        prev: torn.as_deref().unwrap_or(&tail.hash),
    };
    line::compose(event, place)?
        .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "the event is longer than a line may be"))
}
