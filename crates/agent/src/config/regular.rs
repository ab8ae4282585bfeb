//! Files that an operator names: regular ones only, and no more of them than is wanted.

use std::{
    fs::OpenOptions,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

/// Reads a whole file.
///
/// # Errors
/// As the host says; also at once, and unread, for a folder, a device or a pipe, and for a file of more than `longest` bytes.
pub(crate) fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    // Without O_NONBLOCK opening a pipe waits for its writer. What was opened is what is asked for its kind, so that
    // nobody can exchange it in between.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is a folder, a device or a pipe, where a regular file is expected"));
    }
    let too_long =
        |size| io::Error::other(format!("it has {size} bytes, where at most {longest} are expected"));
    if about.len() > longest {
        return Err(too_long(about.len()));
    }
    let mut bytes = Vec::new();
    // Files of /proc say that they are empty, and others may grow meanwhile.
    file.take(longest.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(size) if size > longest => Err(too_long(size)),
        Ok(_) | Err(_) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Instant};

    use super::*;

    /// Protects the start: none of these may be waited for, and none may fill the memory.
    #[test]
    fn what_is_no_file_or_too_long_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, huge) = (folder.path().join("pipe"), folder.path().join("huge"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::File::create(&huge).unwrap().set_len(1 << 30).unwrap();
        let begun = Instant::now();
        for (path, expected) in [
            (pipe.as_path(), "a regular file is expected"),
            (folder.path(), "a regular file is expected"),
            (Path::new("/dev/zero"), "a regular file is expected"),
            (Path::new("/dev/tty0"), ""),
            (huge.as_path(), "it has 1073741824 bytes, where at most 100 are expected"),
            (Path::new("/nowhere/at/all"), "No such file"),
            // It has a length of 0 and more to read than that.
            (Path::new("/proc/self/maps"), "it has 101 bytes"),
        ] {
            let error = read(path, 100).unwrap_err().to_string();
            assert!(error.contains(expected), "{}: {error}", path.display());
        }
        assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
        std::fs::write(folder.path().join("key"), "text\n").unwrap();
        assert_eq!(read(&folder.path().join("key"), 5).unwrap(), b"text\n");
    }
}
