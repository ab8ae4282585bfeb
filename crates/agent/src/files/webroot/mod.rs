//! The file below the document root of a web server that runs beside us.
//!
//! Only a file whose whole content is a value of ours is replaced or deleted; anything else is somebody else's. A folder
//! is deleted only if this very [`Webroot`] made it. After a restart that is unknown, and an empty folder that stays
//! harms nobody: so it stays.

mod folder;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use dcv_core::RandomValue;
use rustix::fs::Stat;

use self::folder::{Folder, Identity, Place};
use super::Error;

/// The steps of [`dcv_core::FILE_PATH`].
const FOLDERS: [&str; 2] = [".well-known", "pki-validation"];
const FILE: &str = "fileauth.txt";
/// Where a new file is written before it takes its name. A fixed one, so that the next run finds what a crash left.
const PASSING: &str = ".fileauth.txt.dcv-agent";

/// One document root that the agent may write to. Clones share what they know of folders they made.
///
/// A document root shows one value at a time, whatever names are served from it.
#[derive(Clone, Debug)]
pub struct Webroot {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Which of [`FOLDERS`] we made. Held during each change, so that changes come one after the other.
    made: Mutex<[Option<Identity>; 2]>,
}

impl Webroot {
    /// Takes up a document root; looks at nothing yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { inner: Arc::new(Inner { root: root.into(), made: Mutex::default() }) }
    }

    /// The document root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Shows a value, in place of nothing or of one of `giving_way`; readers find the old file or the new one.
    ///
    /// Folders on the way are made. Where we run as root, what we make belongs to whom the document root belongs to.
    ///
    /// # Errors
    /// [`Error::Foreign`] when the file holds anything else, which then stays.
    pub async fn put(&self, value: &RandomValue, giving_way: &[RandomValue]) -> Result<(), Error> {
        let (value, giving_way) = (value.clone(), giving_way.to_vec());
        self.execute(move |inner| inner.put(&value, &giving_way)).await
    }

    /// Shows the value no more. A file with other content stays, and so does one that is absent: both are a success.
    ///
    /// # Errors
    /// When the host does not let us look or delete.
    pub async fn remove(&self, value: &RandomValue) -> Result<(), Error> {
        let value = value.clone();
        self.execute(move |inner| inner.remove(&value)).await
    }

    /// Whether the file holds that very value.
    ///
    /// # Errors
    /// When it cannot be read, or is not reached without a symbolic link.
    pub async fn shows(&self, value: &RandomValue) -> Result<bool, Error> {
        let value = value.clone();
        self.execute(move |inner| inner.shows(&value)).await
    }

    /// Whether the document root is there and we may write to it. Nothing is changed.
    ///
    /// # Errors
    /// What [`put`](Self::put) would run into first.
    pub async fn ready(&self) -> Result<(), Error> {
        self.execute(|inner| Folder::root(&inner.root)?.writable()).await
    }

    async fn execute<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = Arc::clone(&self.inner);
        let ended = tokio::task::spawn_blocking(move || change(&inner)).await;
        ended.map_err(|error| Error::of(error, "working in", &self.inner.root))?
    }
}

impl Inner {
    fn put(&self, value: &RandomValue, giving_way: &[RandomValue]) -> Result<(), Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let mut folder = Folder::root(&self.root)?;
        let like = folder.stat()?;
        for (name, made) in FOLDERS.into_iter().zip(made.iter_mut()) {
            folder = enter(&folder, name, &like, made)?;
        }
        folder.lock()?;
        folder.discard(PASSING)?;
        let place = match folder.read(FILE)? {
            None => Place::Empty,
            Some(held) if held.is(value.as_str()) => return Ok(()),
            Some(held) if giving_way.iter().any(|value| held.is(value.as_str())) => Place::Ours,
            Some(_) => return Err(Error::Foreign { path: folder.path(FILE) }),
        };
        folder.write(FILE, PASSING, value.as_str(), &like, place)
    }

    fn remove(&self, value: &RandomValue) -> Result<(), Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let root = Folder::root(&self.root)?;
        let Some(outer) = root.below(FOLDERS[0])? else { return Ok(()) };
        if let Some(inner) = outer.below(FOLDERS[1])? {
            inner.lock()?;
            inner.discard(PASSING)?;
            if let Some(held) = inner.read(FILE)?
                && held.is(value.as_str())
            {
                inner.delete(FILE, &held)?;
            }
            leave(&outer, FOLDERS[1], &inner, &mut made[1])?;
        }
        leave(&root, FOLDERS[0], &outer, &mut made[0])
    }

    fn shows(&self, value: &RandomValue) -> Result<bool, Error> {
        let mut folder = Folder::root(&self.root)?;
        for name in FOLDERS {
            match folder.below(name)? {
                Some(below) => folder = below,
                None => return Ok(false),
            }
        }
        Ok(folder.read(FILE)?.is_some_and(|held| held.is(value.as_str())))
    }
}

fn enter(outer: &Folder, name: &str, like: &Stat, made: &mut Option<Identity>) -> Result<Folder, Error> {
    if let Some(folder) = outer.below(name)? {
        return Ok(folder);
    }
    if let Some(folder) = outer.make(name, like)? {
        *made = Some(folder.identity()?);
        return Ok(folder);
    }
    let vanished =
        || Error::of(std::io::Error::from(std::io::ErrorKind::NotFound), "entering", &outer.path(name));
    outer.below(name)?.ok_or_else(vanished)
}

/// Deletes a folder that we made, if nobody has put anything into it.
fn leave(outer: &Folder, name: &str, folder: &Folder, made: &mut Option<Identity>) -> Result<(), Error> {
    if *made == Some(folder.identity()?) && outer.delete_empty(name) {
        *made = None;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
