//! One step below a document root, where somebody else may be rearranging things at the same time.
//!
//! The web application behind a document root can often write there, and may have been broken into. So every step goes
//! from an open folder to an entry of it and follows no symbolic link: what a name meant a moment ago proves nothing.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::{
    fs::{
        Access, AtFlags, CWD, Dir, FileType, FlockOperation, Gid, Mode, OFlags, Stat, Uid, accessat, fchmod,
        fchown, flock, fstat, fsync, mkdirat, openat, renameat, statat, unlinkat,
    },
    io::Errno,
};
use tracing::debug;

use super::super::Error;

/// What DigiCert reads at most of a file; a longer one is not ours.
const MAX_CONTENT: usize = 5000;
const FILE_MODE: Mode = Mode::from_bits_truncate(0o644);
const FOLDER_MODE: Mode = Mode::from_bits_truncate(0o755);
/// Another process needs milliseconds for its change; whoever holds the lock for longer is not waited for.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// An open folder.
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// What a file holds.
pub(super) struct Content {
    bytes: Vec<u8>,
    identity: Identity,
}

/// Tells a file or folder from another one that took its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// Whether a file of ours may stand where one is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Empty,
    Ours,
}

impl Content {
    /// Whether it is this text, and nothing more than white space after it, which editors and people add.
    pub(super) fn is(&self, text: &str) -> bool {
        self.bytes.len() <= MAX_CONTENT && self.bytes.trim_ascii_end() == text.as_bytes()
    }
}

impl Folder {
    /// Opens a document root. The operator names it, so that it may be a symbolic link.
    pub(super) fn root(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path: path.to_owned() }),
            Err(Errno::NOENT) => Err(Error::Missing { path: path.to_owned() }),
            Err(Errno::NOTDIR) => Err(Error::Kind { path: path.to_owned(), wanted: "folder" }),
            Err(error) => Err(Error::of(error, "opening", path)),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether we may make something here.
    pub(super) fn writable(&self) -> Result<(), Error> {
        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        accessat(&self.fd, ".", wanted, AtFlags::EACCESS)
            .map_err(|error| Error::of(error, "writing to", &self.path))
    }

    pub(super) fn stat(&self) -> Result<Stat, Error> {
        fstat(&self.fd).map_err(|error| Error::of(error, "examining", &self.path))
    }

    pub(super) fn identity(&self) -> Result<Identity, Error> {
        self.stat().map(|stat| identity(&stat))
    }

    /// A folder in this one; none where nothing has that name.
    pub(super) fn below(&self, name: &str) -> Result<Option<Self>, Error> {
        let path = self.path(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, path })),
            Err(Errno::NOENT) => Ok(None),
            // Which of the two a link gives depends on the system.
            Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => Err(self.not_a(name, "folder")),
            Err(error) => Err(Error::of(error, "opening", &path)),
        }
    }

    /// Makes a folder in this one, with the owner of `like`; none where somebody else was faster.
    pub(super) fn make(&self, name: &str, like: &Stat) -> Result<Option<Self>, Error> {
        let path = self.path(name);
        match mkdirat(&self.fd, name, FOLDER_MODE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(None),
            Err(error) => return Err(Error::of(error, "making", &path)),
        }
        let Some(folder) = self.below(name)? else { return Ok(None) };
        // Between the two calls somebody could have moved a folder of another owner to this name, to be given it. An
        // empty one is worth nothing.
        if folder.is_empty()? {
            fchmod(&folder.fd, FOLDER_MODE)
                .map_err(|error| Error::of(error, "setting the mode of", &path))?;
            give(&folder.fd, like, &path);
        }
        self.sync()?;
        Ok(Some(folder))
    }

    fn is_empty(&self) -> Result<bool, Error> {
        let failed = |error| Error::of(error, "listing", &self.path);
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            if !matches!(entry.map_err(failed)?.file_name().to_bytes(), b"." | b"..") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Keeps other processes of ours out until this folder is closed.
    pub(super) fn lock(&self) -> Result<(), Error> {
        for _ in 0..LOCK_TRIES {
            match flock(&self.fd, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(()),
                Err(Errno::WOULDBLOCK) => thread::sleep(LOCK_PAUSE),
                Err(error) => {
                    // Some network file systems lock no folders. There is rarely a second process.
                    debug!(folder = %self.path.display(), %error, "the folder cannot be locked");
                    return Ok(());
                }
            }
        }
        Err(Error::of(Errno::WOULDBLOCK, "locking", &self.path))
    }

    /// Reads a file; none where nothing has that name. Never waits for a writer, as a FIFO would have it.
    pub(super) fn read(&self, name: &str) -> Result<Option<Content>, Error> {
        let path = self.path(name);
        let failed = |error| Error::of(error, "reading", &path);
        // Looked at before it is opened, since opening a device can already do something.
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {}
            Ok(_) => return Err(self.not_a(name, "file")),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::MLINK) => return Err(self.not_a(name, "file")),
            Err(error) => return Err(failed(error.into())),
        };
        let stat = fstat(&fd).map_err(|error| failed(error.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.not_a(name, "file"));
        }
        let mut bytes = Vec::new();
        File::from(fd).take(MAX_CONTENT as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some(Content { bytes, identity: identity(&stat) }))
    }

    /// Puts a file there, whole or not at all, by way of `passing`, a name that nobody else uses.
    pub(super) fn write(
        &self,
        name: &str,
        passing: &str,
        text: &str,
        like: &Stat,
        place: Place,
    ) -> Result<(), Error> {
        let path = self.path(passing);
        self.discard(passing)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&self.fd, passing, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| Error::of(error, "creating", &path))?;
        let mut file = File::from(fd);
        let written = file.write_all(text.as_bytes()).and_then(|()| {
            give(&file, like, &path);
            fchmod(&file, FILE_MODE)?;
            file.sync_all()
        });
        let renamed = written.map_err(|error| Error::of(error, "writing", &path)).and_then(|()| {
            match place {
                Place::Empty => self.rename_to_empty(passing, name),
                Place::Ours => renameat(&self.fd, passing, &self.fd, name),
            }
            .map_err(|error| Error::of(error, "replacing", &self.path(name)))
        });
        if renamed.is_err() {
            // Best effort: the next write begins with it as well.
            let _ = unlinkat(&self.fd, passing, AtFlags::empty());
        }
        renamed?;
        self.sync()
    }

    /// Fails when somebody else has put a file there meanwhile, where the file system can tell.
    #[cfg(target_os = "linux")]
    fn rename_to_empty(&self, from: &str, to: &str) -> rustix::io::Result<()> {
        use rustix::fs::{RenameFlags, renameat_with};
        match renameat_with(&self.fd, from, &self.fd, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => renameat(&self.fd, from, &self.fd, to),
            outcome => outcome,
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn rename_to_empty(&self, from: &str, to: &str) -> rustix::io::Result<()> {
        renameat(&self.fd, from, &self.fd, to)
    }

    /// Deletes a file that was read, unless another one has taken its name since.
    pub(super) fn delete(&self, name: &str, content: &Content) -> Result<(), Error> {
        let path = self.path(name);
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if identity(&stat) == content.identity => {}
            Ok(_) | Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(Error::of(error, "examining", &path)),
        }
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => self.sync(),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Error::of(error, "deleting", &path)),
        }
    }

    /// Deletes what a crash left under a name that nobody else uses, whatever it is now, except a folder.
    pub(super) fn discard(&self, name: &str) -> Result<(), Error> {
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => Err(Error::Kind { path: self.path(name), wanted: "file" }),
            Err(error) => Err(Error::of(error, "deleting", &self.path(name))),
        }
    }

    /// Deletes a folder if it is empty; tells whether it is gone.
    pub(super) fn delete_empty(&self, name: &str) -> bool {
        match unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) => self.sync().is_ok(),
            Err(error) => {
                // An empty folder that stays is no reason to call the removal of the value a failure.
                debug!(folder = %self.path(name).display(), %error, "the folder stays");
                false
            }
        }
    }

    fn sync(&self) -> Result<(), Error> {
        match fsync(&self.fd) {
            // Some file systems cannot do that for folders.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(Error::of(error, "flushing", &self.path)),
        }
    }

    /// Names what stands where a file or a folder was wanted.
    fn not_a(&self, name: &str, wanted: &'static str) -> Error {
        let path = self.path(name);
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => Error::Link { path },
            _ => Error::Kind { path, wanted },
        }
    }
}

#[allow(
    clippy::unnecessary_cast,
    clippy::cast_sign_loss,
    reason = "the two have other types on other systems, and are compared only"
)]
fn identity(stat: &Stat) -> Identity {
    Identity { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
}

/// Gives a file of ours the owner and group of the document root. Only root can, and nothing depends on it: everybody
/// may read the file.
fn give(fd: impl rustix::fd::AsFd, like: &Stat, path: &Path) {
    let (owner, group) = (Uid::from_raw(like.st_uid), Gid::from_raw(like.st_gid));
    if let Err(error) = fchown(fd, Some(owner), Some(group)) {
        debug!(path = %path.display(), %error, "it stays ours");
    }
}
