use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, flock, mknodat};
use tempfile::TempDir;

use dcv_core::FILE_PATH;

use super::*;

fn value(text: &str) -> RandomValue {
    RandomValue::new(text).unwrap()
}

fn new() -> (TempDir, Webroot) {
    let folder = tempfile::tempdir().unwrap();
    let webroot = Webroot::new(folder.path());
    (folder, webroot)
}

fn file(root: &TempDir) -> PathBuf {
    root.path().join(FILE_PATH.trim_start_matches('/'))
}

/// A document root whose folders exist.
fn with_folders() -> (TempDir, Webroot) {
    let (root, webroot) = new();
    fs::create_dir_all(file(&root).parent().unwrap()).unwrap();
    (root, webroot)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_steps_are_those_of_the_path() {
    assert_eq!(format!("/{}/{}/{FILE}", FOLDERS[0], FOLDERS[1]), FILE_PATH);
}

#[tokio::test]
async fn a_value_comes_is_seen_and_goes_with_everything_we_made() {
    let (root, webroot) = new();
    assert!(!webroot.shows(&value("one")).await.unwrap());
    webroot.put(&value("one"), &[]).await.unwrap();
    webroot.put(&value("one"), &[]).await.unwrap();
    assert_eq!(fs::read_to_string(file(&root)).unwrap(), "one", "without a newline");
    assert!(webroot.shows(&value("one")).await.unwrap());
    assert!(!webroot.shows(&value("on")).await.unwrap());
    assert_eq!(names(file(&root).parent().unwrap()), [FILE], "nothing lies beside it");
    webroot.remove(&value("one")).await.unwrap();
    webroot.remove(&value("one")).await.unwrap();
    assert_eq!(names(root.path()), Vec::<String>::new());
}

#[tokio::test]
async fn modes_let_a_web_server_read() {
    let (root, webroot) = new();
    webroot.put(&value("one"), &[]).await.unwrap();
    assert_eq!(mode(&file(&root)), 0o644);
    assert_eq!(mode(&root.path().join(".well-known")), 0o755);
    assert_eq!(mode(&root.path().join(".well-known/pki-validation")), 0o755);
}

#[tokio::test]
async fn what_root_makes_belongs_to_the_owner_of_the_document_root() {
    let (root, webroot) = new();
    if chown(root.path(), Some(4242), Some(2424)).is_err() {
        // Nobody but root can give files away, so there is nothing to see.
        return;
    }
    webroot.put(&value("one"), &[]).await.unwrap();
    webroot.put(&value("two"), &[value("one")]).await.unwrap();
    for path in [root.path().join(".well-known"), root.path().join(".well-known/pki-validation"), file(&root)]
    {
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (4242, 2424), "{}", path.display());
    }
}

#[tokio::test]
async fn folders_of_others_stay_and_keep_their_mode() {
    let (root, webroot) = with_folders();
    let inner = file(&root).parent().unwrap().to_owned();
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o750)).unwrap();
    webroot.put(&value("one"), &[]).await.unwrap();
    webroot.remove(&value("one")).await.unwrap();
    assert_eq!(mode(&inner), 0o750);
    assert_eq!(names(&inner), Vec::<String>::new());

    // A folder of ours in which somebody else has settled stays as well.
    let (root, webroot) = new();
    webroot.put(&value("one"), &[]).await.unwrap();
    fs::write(root.path().join(".well-known/security.txt"), "theirs").unwrap();
    webroot.remove(&value("one")).await.unwrap();
    assert_eq!(names(&root.path().join(".well-known")), ["security.txt"]);

    // After a restart nobody knows whose an empty folder is.
    let (root, webroot) = new();
    webroot.put(&value("one"), &[]).await.unwrap();
    Webroot::new(root.path()).remove(&value("one")).await.unwrap();
    assert!(!file(&root).exists() && file(&root).parent().unwrap().exists());
}

#[tokio::test]
async fn only_a_value_that_gives_way_is_replaced() {
    let (root, webroot) = new();
    webroot.put(&value("one"), &[]).await.unwrap();
    let refused = webroot.put(&value("two"), &[value("three")]).await.unwrap_err();
    assert!(matches!(refused, Error::Foreign { .. }) && refused.is_blocked(), "{refused:?}");
    assert_eq!(fs::read_to_string(file(&root)).unwrap(), "one");
    webroot.put(&value("two"), &[value("three"), value("one")]).await.unwrap();
    assert_eq!(fs::read_to_string(file(&root)).unwrap(), "two");
    webroot.remove(&value("one")).await.unwrap();
    assert!(webroot.shows(&value("two")).await.unwrap(), "an older value's removal took the newer one");
}

#[tokio::test]
async fn a_foreign_file_is_never_touched() {
    let (root, webroot) = with_folders();
    let long = format!("one{}", " ".repeat(5000));
    for theirs in ["theirs", "", " one", "one two", "one\ntwo", "onetwo", &long] {
        fs::write(file(&root), theirs).unwrap();
        let refused = webroot.put(&value("one"), &[value("two")]).await.unwrap_err();
        assert!(matches!(refused, Error::Foreign { .. }), "{theirs:?}: {refused:?}");
        webroot.remove(&value("one")).await.unwrap();
        assert!(!webroot.shows(&value("one")).await.unwrap());
        assert_eq!(fs::read_to_string(file(&root)).unwrap(), theirs);
    }
    // White space after the value is what an editor adds.
    fs::write(file(&root), "one\r\n").unwrap();
    assert!(webroot.shows(&value("one")).await.unwrap());
    webroot.put(&value("one"), &[]).await.unwrap();
    webroot.remove(&value("one")).await.unwrap();
    assert!(!file(&root).exists());
}

#[tokio::test]
async fn a_link_below_the_document_root_leads_nowhere() {
    for place in [".well-known", ".well-known/pki-validation", ".well-known/pki-validation/fileauth.txt"] {
        for target_exists in [true, false] {
            let (elsewhere, (root, webroot)) = (tempfile::tempdir().unwrap(), new());
            let (link, target) = (root.path().join(place), elsewhere.path().join("target"));
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(&target, &link).unwrap();
            if target_exists && place.ends_with(".txt") {
                fs::write(&target, "one").unwrap();
            } else if target_exists {
                fs::create_dir_all(target.join("pki-validation")).unwrap();
                fs::write(target.join("fileauth.txt"), "one").unwrap();
            }
            let before = target.is_dir().then(|| names(&target).len());
            for outcome in [
                webroot.put(&value("one"), &[value("one")]).await,
                webroot.remove(&value("one")).await,
                webroot.shows(&value("one")).await.map(drop),
            ] {
                let refused = outcome.unwrap_err();
                assert!(matches!(&refused, Error::Link { path } if *path == link), "{place}: {refused:?}");
                assert!(refused.is_blocked());
            }
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(target.exists(), target_exists, "{place}: the target was made or deleted");
            assert_eq!(target.is_dir().then(|| names(&target).len()), before);
        }
    }
}

#[tokio::test]
async fn the_document_root_itself_may_be_a_link() {
    let (root, _) = new();
    let beside = tempfile::tempdir().unwrap();
    symlink(root.path(), beside.path().join("current")).unwrap();
    let webroot = Webroot::new(beside.path().join("current"));
    webroot.put(&value("one"), &[]).await.unwrap();
    assert_eq!(fs::read_to_string(file(&root)).unwrap(), "one");
}

#[tokio::test]
async fn what_is_no_file_is_refused_without_waiting() {
    for place in [FILE, "pki-validation"] {
        let (root, webroot) = new();
        let path = root.path().join(".well-known").join(if place == FILE {
            "pki-validation/fileauth.txt"
        } else {
            place
        });
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for outcome in [
            webroot.put(&value("one"), &[]).await,
            webroot.remove(&value("one")).await,
            webroot.shows(&value("one")).await.map(drop),
        ] {
            let refused = outcome.unwrap_err();
            assert!(matches!(refused, Error::Kind { .. }) && refused.is_blocked(), "{refused:?}");
        }
    }
    let (root, webroot) = with_folders();
    fs::create_dir(file(&root)).unwrap();
    assert!(matches!(webroot.put(&value("one"), &[]).await, Err(Error::Kind { .. })));
}

#[tokio::test]
async fn what_a_crash_left_is_cleared_away_and_never_followed() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), "precious").unwrap();
    for leftover in ["file", "link", "hard link", "fifo"] {
        let (root, webroot) = with_folders();
        let path = file(&root).with_file_name(PASSING);
        match leftover {
            "file" => fs::write(&path, "half of a val").unwrap(),
            "link" => symlink(outside.path(), &path).unwrap(),
            "hard link" => {
                // Only within one file system.
                fs::write(root.path().join("index.html"), "precious").unwrap();
                fs::hard_link(root.path().join("index.html"), &path).unwrap();
            }
            _ => mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
        }
        webroot.put(&value("one"), &[]).await.unwrap();
        assert_eq!(names(path.parent().unwrap()), [FILE], "{leftover}");
        assert_eq!(fs::read_to_string(file(&root)).unwrap(), "one");
        if let Ok(page) = fs::read_to_string(root.path().join("index.html")) {
            assert_eq!(page, "precious");
        }
        fs::write(&path, "again").unwrap();
        webroot.remove(&value("one")).await.unwrap();
        assert_eq!(names(path.parent().unwrap()), Vec::<String>::new());
    }
    assert_eq!(fs::read_to_string(outside.path()).unwrap(), "precious");
}

#[tokio::test]
async fn a_hard_link_to_another_file_is_not_written_through() {
    let (root, webroot) = with_folders();
    let page = root.path().join("page");
    fs::write(&page, "one").unwrap();
    fs::hard_link(&page, file(&root)).unwrap();
    webroot.put(&value("two"), &[value("one")]).await.unwrap();
    assert_eq!(fs::read_to_string(&page).unwrap(), "one");
    assert_eq!(fs::read_to_string(file(&root)).unwrap(), "two");
}

#[tokio::test]
async fn a_reader_sees_the_old_file_or_the_new_one() {
    let (root, webroot) = new();
    let values = [value(&"a".repeat(255)), value(&"b".repeat(200))];
    webroot.put(&values[0], &[]).await.unwrap();
    let (done, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let reader = std::thread::spawn({
        let (path, values, done, read) = (file(&root), values.clone(), Arc::clone(&done), Arc::clone(&read));
        move || {
            while !done.load(Ordering::Relaxed) {
                let seen = fs::read_to_string(&path).expect("the file is never absent");
                assert!(values.iter().any(|value| value.as_str() == seen), "a part was seen: {seen:?}");
                read.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // A second one that knows nothing of the first, as another process would.
    let other = Webroot::new(root.path());
    for round in 0.. {
        for webroot in [&webroot, &other] {
            let (next, before) = (&values[round % 2], &values[(round + 1) % 2]);
            let (one, two) = tokio::join!(
                webroot.put(next, std::slice::from_ref(before)),
                other.put(next, std::slice::from_ref(before))
            );
            one.and(two).unwrap();
        }
        if round >= 50 && read.load(Ordering::Relaxed) >= 100 || reader.is_finished() {
            break;
        }
    }
    done.store(true, Ordering::Relaxed);
    reader.join().unwrap();
}

#[tokio::test]
async fn who_never_lets_go_of_the_folder_is_not_waited_for() {
    let (root, webroot) = with_folders();
    let held = fs::File::open(file(&root).parent().unwrap()).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let refused = webroot.put(&value("one"), &[]).await.unwrap_err();
    assert!(matches!(refused, Error::Io { .. }) && !refused.is_blocked(), "{refused:?}");
    drop(held);
    webroot.put(&value("one"), &[]).await.unwrap();
}

#[tokio::test]
async fn a_missing_document_root_is_not_made() {
    let (root, _) = new();
    let webroot = Webroot::new(root.path().join("not-mounted"));
    for outcome in [
        webroot.put(&value("one"), &[]).await,
        webroot.remove(&value("one")).await,
        webroot.shows(&value("one")).await.map(drop),
    ] {
        let refused = outcome.unwrap_err();
        assert!(matches!(refused, Error::Missing { .. }) && refused.is_blocked(), "{refused:?}");
    }
    assert_eq!(names(root.path()), Vec::<String>::new());
    fs::write(root.path().join("plain"), "").unwrap();
    let refused = Webroot::new(root.path().join("plain")).put(&value("one"), &[]).await.unwrap_err();
    assert!(matches!(refused, Error::Kind { .. }), "{refused:?}");
}

#[test]
fn a_file_that_came_in_between_is_neither_replaced_nor_deleted() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::root(root.path()).unwrap();
    let path = root.path().join(FILE);
    fs::write(&path, "theirs").unwrap();
    let like = folder.stat().unwrap();
    let refused = folder.write(FILE, PASSING, "one", &like, Place::Empty).unwrap_err();
    assert!(!refused.is_blocked(), "the next look judges it: {refused:?}");
    assert_eq!(names(root.path()), [FILE]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");

    let held = folder.read(FILE).unwrap().unwrap();
    fs::write(root.path().join("new"), "theirs").unwrap();
    fs::rename(root.path().join("new"), &path).unwrap();
    folder.delete(FILE, &held).unwrap();
    assert!(path.exists());
}
