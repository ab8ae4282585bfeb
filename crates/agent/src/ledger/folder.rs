//! The ledger's files: `ledger.jsonl`, the former ones `ledger-<first n>-<date>.jsonl`, and the lock.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::{Timestamp, tz::TimeZone};

use super::line::{self, GENESIS, Line, MAX_LINE};

/// The file that is written now.
pub(super) const CURRENT: &str = "ledger.jsonl";
const LOCK: &str = "ledger.lock";
/// How long another process may hold the lock; it holds it for one line.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// Where the chain ends, and what stands behind that end.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    /// The last whole line's number.
    pub(super) n: u64,
    /// The last whole line's hash.
    pub(super) hash: String,
    /// The file before, while the current one has no whole line.
    pub(super) former: Option<String>,
    /// What follows the last whole line: what a crash or a full disk left of another.
    pub(super) junk: Vec<u8>,
    /// The last whole line lacks its newline.
    pub(super) unended: bool,
}

/// The folder, created when it is missing.
pub(super) fn create(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(folder)
}

/// The current file, for appending and reading its tail.
pub(super) fn open_current(folder: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).read(true).create(true).mode(0o640).open(folder.join(CURRENT))
}

/// The lock of all processes that write here; it ends when the file is dropped.
pub(super) fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(path)?;
    wait(|| file.try_lock())?;
    Ok(file)
}

/// The lock of one who reads, where there is one to be had: a copy of the folder may be read-only or without it.
pub(super) fn lock_shared(folder: &Path) -> Option<File> {
    let file = File::open(folder.join(LOCK)).ok()?;
    wait(|| file.try_lock_shared()).ok()?;
    Some(file)
}

/// `File::lock` would wait for ever when the other process is stopped, and validation with it.
fn wait(attempt: impl Fn() -> Result<(), TryLockError>) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if start.elapsed() > LOCK_LIMIT => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another process holds the lock"));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// The former files, oldest first.
pub(super) fn former(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(first) = path.file_name().and_then(|name| first_number(name.to_str()?)) {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn first_number(name: &str) -> Option<u64> {
    let (digits, _date) = name.strip_prefix("ledger-")?.strip_suffix(".jsonl")?.split_once('-')?;
    digits.parse().ok()
}

/// A file's name for messages and for the chain.
pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Whether this open file is still the one at that name, with that length.
pub(super) fn is_current(folder: &Path, file: &File, length: u64) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(folder.join(CURRENT)) {
        Ok(there) => Ok((there.dev(), there.ino(), there.len()) == (ours.dev(), ours.ino(), length)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads where the chain ends.
pub(super) fn tail(folder: &Path, current: &File) -> io::Result<Tail> {
    if let Some(tail) = tail_of(current)? {
        return Ok(tail);
    }
    let mut junk = Vec::new();
    let mut reader = current;
    reader.seek(SeekFrom::Start(0))?;
    reader.read_to_end(&mut junk)?;
    let before = match former(folder)?.pop() {
        Some(path) => tail_of(&File::open(&path)?)?.map(|tail| (tail, name(&path))),
        None => None,
    };
    Ok(match before {
        Some((tail, name)) => Tail { former: Some(name), junk, unended: false, ..tail },
        None => Tail { n: 0, hash: GENESIS.to_owned(), former: None, junk, unended: false },
    })
}

/// The tail of one file; `None` when it has no whole line.
fn tail_of(file: &File) -> io::Result<Option<Tail>> {
    let length = file.metadata()?.len();
    // Two lines' worth holds the last whole line and a torn one; anything else is rare, and read whole.
    for window in [length.min(2 * MAX_LINE as u64), length] {
        let mut bytes = Vec::new();
        let mut reader = file;
        reader.seek(SeekFrom::Start(length - window))?;
        reader.take(window).read_to_end(&mut bytes)?;
        let mut end = bytes.len();
        loop {
            let start = bytes[..end].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            if let Ok(Line { n, .. }) = line::parse(&bytes[start..end]) {
                let unended = end == bytes.len();
                let junk = bytes.get(end + 1..).unwrap_or_default().to_vec();
                let hash = line::hash(&bytes[start..end]);
                return Ok(Some(Tail { n, hash, former: None, junk, unended }));
            }
            match start.checked_sub(1) {
                Some(newline) => end = newline,
                None => break,
            }
        }
    }
    Ok(None)
}

/// Puts the current file aside and removes the oldest beyond `keep`, if that is not 0. What is already there is never
/// replaced.
pub(super) fn rotate(folder: &Path, current: &File, at: Timestamp, keep: usize) -> io::Result<String> {
    let mut first = Vec::new();
    let mut reader = current;
    reader.seek(SeekFrom::Start(0))?;
    BufReader::new(reader.take(MAX_LINE as u64)).read_until(b'\n', &mut first)?;
    let first = line::parse(first.trim_ascii_end()).map_or(0, |line| line.n);
    let date = at.to_zoned(TimeZone::UTC).date();
    let target = folder.join(format!("ledger-{first:012}-{date}.jsonl"));
    if target.try_exists()? {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, target.display().to_string()));
    }
    current.sync_data()?;
    fs::rename(folder.join(CURRENT), &target)?;
    sync(folder)?;
    if keep > 0 {
        let files = former(folder)?;
        for old in &files[..files.len().saturating_sub(keep)] {
            fs::remove_file(old)?;
        }
    }
    Ok(name(&target))
}

/// Makes names in the folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
