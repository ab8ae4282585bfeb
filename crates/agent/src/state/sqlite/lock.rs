//! One state, one agent: two would reach twice the CA's rate.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::state::Error;

/// Held for as long as an agent works on a state; the host lets it go with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a state file.
    ///
    /// # Errors
    /// When another agent has it, or the file beside the state cannot be made.
    pub fn take(state: &Path) -> Result<Self, Error> {
        let path = beside(state);
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = opened.map_err(|error| failed(state, error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut process = String::new();
                let _ = (&mut file).take(20).read_to_string(&mut process);
                let process = process.trim();
                let process = if process.is_empty() { "unknown" } else { process }.to_owned();
                return Err(Error::Taken { path: state.to_owned(), process });
            }
            Err(error) => return Err(failed(state, error.into())),
        }
        // Only for the sentence above; the lock itself is what counts.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn beside(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn failed(state: &Path, source: std::io::Error) -> Error {
    Error::Open { path: state.to_owned(), source: sqlx::Error::Io(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_told_who_has_it_and_takes_it_once_that_one_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        let first = Lock::take(&state).unwrap();
        let refused = Lock::take(&state).unwrap_err();
        let own = std::process::id().to_string();
        assert!(matches!(&refused, Error::Taken { process, .. } if *process == own), "{refused:?}");
        drop(first);
        Lock::take(&state).unwrap();
    }
}
