//! Reads the whole ledger and finds the first place where the chain does not hold.

use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    folder::{self, CURRENT},
    line::{self, Fault, GENESIS, Line, MAX_LINE},
};
use crate::subject::PROBE;

/// What reading the ledger has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Files read.
    pub files: usize,
    /// Whole lines that hold.
    pub lines: u64,
    /// When the first was written.
    pub first: Option<Timestamp>,
    /// When the last was written.
    pub last: Option<Timestamp>,
    /// How many orders it tells of.
    pub orders: usize,
    /// The last line's number and hash: kept elsewhere, it proves later that nothing before was written anew.
    pub head: Option<Head>,
    /// What an auditor may wonder about and is no break.
    pub notes: Vec<String>,
    /// The first place where the chain does not hold.
    #[serde(rename = "break")]
    pub broken: Option<Break>,
}

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Head {
    /// The line's number.
    pub n: u64,
    /// Its SHA-256.
    pub hash: String,
}

/// A place where the chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The file's name.
    pub file: String,
    /// The line in it, from 1 on.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Reads every file in order and shows each line that holds to `see`; stops at the first that does not. It may run
/// beside an agent that writes: what comes later is left for the next time.
///
/// # Errors
/// When a file cannot be read.
pub fn verify(folder: &Path, see: impl FnMut(&Line)) -> io::Result<Verified> {
    let (files, current) = files(folder)?;
    let mut walk = Walk::new(see);
    for path in files {
        let name = folder::name(&path);
        if walk.file(&name, File::open(&path)?, u64::MAX)?.is_some() {
            return Ok(walk.finish());
        }
    }
    if let Some((file, length)) = current {
        walk.file(CURRENT, file, length)?;
    }
    walk.end();
    Ok(walk.finish())
}

/// More than crashes and full disks leave behind one line; a file that is none of ours shall not fill the memory.
const MAX_JUNK: usize = 16 << 20;

type Current = Option<(File, u64)>;

/// The former files, and the current one with its length: all of one moment.
fn files(folder: &Path) -> io::Result<(Vec<PathBuf>, Current)> {
    let _lock = folder::lock_shared(folder);
    let current = match File::open(folder.join(CURRENT)) {
        Ok(file) => {
            let length = file.metadata()?.len();
            Some((file, length))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok((folder::former(folder)?, current))
}

/// What is left of a line, until a `torn` line accounts for it.
struct Junk {
    file: String,
    line: u64,
    bytes: Vec<u8>,
}

struct Walk<F> {
    see: F,
    so_far: Verified,
    orders: BTreeSet<(String, u64)>,
    /// The hash that the next line follows; unknown before the first line where older files were removed.
    prev: Option<String>,
    n: Option<u64>,
    file: Option<String>,
    junk: Option<Junk>,
    steps_back: u64,
    furthest_back: SignedDuration,
}

impl<F: FnMut(&Line)> Walk<F> {
    fn new(see: F) -> Self {
        Self {
            see,
            so_far: Verified::default(),
            orders: BTreeSet::new(),
            prev: None,
            n: None,
            file: None,
            junk: None,
            steps_back: 0,
            furthest_back: SignedDuration::ZERO,
        }
    }

    fn file(&mut self, name: &str, file: File, length: u64) -> io::Result<Option<()>> {
        // A crash leaves half a line at the end of the current file only; nothing puts such a file aside.
        if self.junk.is_some() {
            self.end();
            if self.so_far.broken.is_some() {
                return Ok(Some(()));
            }
            self.junk = None;
        }
        let before = self.file.replace(name.to_owned());
        self.so_far.files += 1;
        let mut reader = BufReader::new(file.take(length));
        let mut bytes = Vec::new();
        let mut number = 0;
        let mut whole = 0;
        loop {
            bytes.clear();
            // More than any line has, for the same reason as above.
            if reader.by_ref().take(4 * MAX_LINE as u64).read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            number += 1;
            let ended = bytes.pop_if(|byte| *byte == b'\n').is_some();
            let outcome = match line::parse(&bytes) {
                Ok(line) => {
                    whole += 1;
                    let first_after = (whole == 1).then_some(before.as_deref());
                    let outcome = self.whole(&line, &bytes, first_after);
                    if outcome.is_ok() && !ended {
                        self.so_far
                            .notes
                            .push(format!("{name}:{number}: its newline is missing, from a crash"));
                    }
                    outcome
                }
                Err(Fault::Torn) => self.torn(name, number, &bytes, ended),
                Err(Fault::Changed) => Err("was changed: its bytes do not match its sum".to_owned()),
            };
            if let Err(what) = outcome {
                // What precedes unaccounted for is the earlier break.
                let (file, line) = match &self.junk {
                    Some(junk) => (junk.file.clone(), junk.line),
                    None => (name.to_owned(), number),
                };
                self.so_far.broken = Some(Break { file, line, what });
                return Ok(Some(()));
            }
        }
    }

    /// A line that is not whole: what a crash left, unless it is longer than that can be.
    fn torn(&mut self, name: &str, line: u64, bytes: &[u8], ended: bool) -> Result<(), String> {
        let begin = || Junk { file: name.to_owned(), line, bytes: Vec::new() };
        let junk = self.junk.get_or_insert_with(begin);
        junk.bytes.extend_from_slice(bytes);
        if ended {
            junk.bytes.push(b'\n');
        }
        match junk.bytes.len() {
            0..=MAX_JUNK => Ok(()),
            _ => Err("is no whole line, and longer than what a crash leaves".to_owned()),
        }
    }

    /// A line that is whole by itself: does it follow the one before?
    fn whole(&mut self, line: &Line, bytes: &[u8], first_after: Option<Option<&str>>) -> Result<(), String> {
        let prev = match (&self.prev, line.n) {
            (Some(prev), _) => Some(prev.as_str()),
            (None, 1) => Some(GENESIS),
            (None, _) => None,
        };
        match (&self.junk, line.event == "torn") {
            (None, false) => {
                if prev.is_some_and(|prev| prev != line.prev) {
                    return Err(
                        "does not follow the line before it: one was changed, removed or put in".into()
                    );
                }
            }
            (None, true) => return Err("tells of a torn line that is not there".into()),
            (Some(_), false) => {
                return Err("is no whole line, and the line after it does not tell of a crash".into());
            }
            (Some(junk), true) => {
                let left = junk.bytes.strip_suffix(b"\n").unwrap_or(&junk.bytes);
                let told =
                    line::hash(left) == line.prev && prev.is_none_or(|prev| prev == line.text("after"));
                if !told || !is_of_a_crash(left) {
                    return Err("was changed: it is not what the next line says a crash left".into());
                }
                self.so_far.notes.push(format!("one torn line at {}:{}, from a crash", junk.file, junk.line));
            }
        }
        if let Some(n) = self.n.filter(|n| n + 1 != line.n) {
            return Err(format!("has the number {} after {n}", line.n));
        }
        match (first_after, line.former.as_deref()) {
            (Some(Some(before)), Some(former)) if before == former => {}
            (Some(Some(before)), former) => {
                return Err(format!("should go on from {before}, and names {}", former.unwrap_or("no file")));
            }
            (Some(None), former) if line.n > 1 => self.so_far.notes.push(format!(
                "the ledger begins at line {}; what was before{} is not here",
                line.n,
                former.map(|name| format!(", in {name},")).unwrap_or_default()
            )),
            (Some(None) | None, None) => {}
            (Some(None) | None, Some(_)) => return Err("names a former file where there is none".into()),
        }
        self.take(line, bytes);
        Ok(())
    }

    fn take(&mut self, line: &Line, bytes: &[u8]) {
        let hash = line::hash(bytes);
        self.junk = None;
        self.prev = Some(hash.clone());
        self.n = Some(line.n);
        if let Some(last) = self.so_far.last.filter(|last| line.at < *last) {
            self.steps_back += 1;
            self.furthest_back = self.furthest_back.max(last.duration_since(line.at));
        }
        if line.event == "lost"
            && let Some(events) = line.fields.get("events")
        {
            self.so_far.notes.push(format!("{events} events before line {} could not be recorded", line.n));
        }
        // What doctor wrote to try things out is evidence too, and no order.
        if let Some(order) = line.order().filter(|order| *order != PROBE) {
            self.orders.insert((line.text("account").to_owned(), order));
        }
        self.so_far.lines += 1;
        self.so_far.first.get_or_insert(line.at);
        self.so_far.last = Some(line.at);
        self.so_far.head = Some(Head { n: line.n, hash });
        (self.see)(line);
    }

    /// Judges what is left of a line at the very end.
    fn end(&mut self) {
        let Some(Junk { file, line, bytes }) = &self.junk else { return };
        if is_of_a_crash(bytes) {
            let note = format!(
                "one torn line at {file}:{line}, from a crash; the agent marks it when it writes next"
            );
            self.so_far.notes.push(note);
        } else {
            let what = "was changed: it is no whole line, and a crash leaves no newline behind".to_owned();
            self.so_far.broken = Some(Break { file: file.clone(), line: *line, what });
        }
    }

    fn finish(mut self) -> Verified {
        if self.steps_back > 0 {
            self.so_far.notes.push(format!(
                "the clock went back {} times, by {:#} at most",
                self.steps_back, self.furthest_back
            ));
        }
        self.so_far.orders = self.orders.len();
        self.so_far
    }
}

/// A crash leaves the beginning of a line, without the newline that ends the line's one write.
fn is_of_a_crash(bytes: &[u8]) -> bool {
    !bytes.is_empty() && !bytes.ends_with(b"\n")
}
