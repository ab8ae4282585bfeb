//! The chain: written, rotated, torn, tampered with, shared by writers, and out of room.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use dcv_core::{
    Answer, Facts, Learned, Lookup, OrderStatus, RandomValue, Sighting, Token, Vantage, VantageKind,
};
use tempfile::TempDir;

use super::{folder::CURRENT, line::MAX_LINE, *};
use crate::subject::Subject;

fn key(id: u64) -> Subject {
    Subject::order("main", id)
}

fn asked(id: u64) -> Event {
    Event::asked(&key(id), &facts(2, &["the-value"]))
}

fn facts(servers: u16, texts: &[&str]) -> Facts {
    let scope: dcv_core::DomainName = "example.com".parse().unwrap();
    let lookup = Lookup::dnsauth(scope.clone());
    let sighting = |n: u16| {
        let address = SocketAddr::from(([192, 0, 2, 1], n));
        let vantage =
            Vantage { server: format!("ns{n}"), address: Some(address), kind: VantageKind::Authority };
        Sighting::new(vantage, clock::now(), Answer::Txt(texts.iter().map(ToString::to_string).collect()))
    };
    Facts {
        token: Some(Token {
            value: Ok(RandomValue::new("the-value").unwrap()),
            expires: None,
            requested: clock::now(),
            stale_answers: 0,
        }),
        sightings: BTreeMap::from([(lookup, (1..=servers).map(sighting).collect())]),
        ..Facts::for_scopes([scope])
    }
}

fn answered(id: u64) -> Event {
    let learned = Learned::Checked {
        complete: Some(true),
        status: Some(OrderStatus::from("issued")),
        approved: Vec::new(),
        said: "validated".into(),
    };
    Event::answered(&key(id), &Facts::default(), &learned).unwrap()
}

fn scene(rotate: u64, keep: usize) -> (TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new(folder.path(), Limits { rotate, keep, required: false });
    (folder, ledger)
}

fn checked(folder: &Path) -> Verified {
    verify(folder, |_| {}).unwrap()
}

fn holds(folder: &Path) -> Verified {
    let verified = checked(folder);
    assert_eq!(verified.broken, None, "{verified:?}");
    verified
}

fn current(folder: &Path) -> PathBuf {
    folder.join(CURRENT)
}

#[test]
fn lines_follow_each_other_over_a_restart() {
    let (folder, ledger) = scene(1 << 20, 0);
    ledger.record(&Event::started("once")).unwrap();
    ledger.record(&asked(1)).unwrap();
    drop(ledger);
    let again = Ledger::new(folder.path(), Limits::default());
    again.record(&answered(1)).unwrap();
    again.record(&asked(2)).unwrap();
    again.record(&Event::stopped()).unwrap();
    let verified = holds(folder.path());
    assert_eq!((verified.files, verified.lines, verified.orders), (1, 5, 2));
    assert_eq!(verified.head.unwrap().n, 5);
    assert_eq!(verified.notes, [""; 0]);
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(fs::metadata(current(folder.path())).unwrap().mode() & 0o137, 0, "others may read it");
}

#[test]
fn a_ledger_that_is_off_writes_nothing_and_never_fails() {
    assert!(Ledger::off().record(&asked(1)).is_ok());
    assert!(Ledger::off().is(None));
}

#[test]
fn a_full_file_is_put_aside_and_the_chain_goes_on() {
    let (folder, ledger) = scene(4096, 0);
    for id in 0..40 {
        ledger.record(&asked(id)).unwrap();
    }
    let verified = holds(folder.path());
    assert_eq!(verified.lines, 40);
    assert!(verified.files > 3, "{verified:?}");
    let files = folder::former(folder.path()).unwrap();
    for file in &files {
        assert!(fs::metadata(file).unwrap().len() <= 4096);
    }
    // A crash between putting aside and beginning anew.
    fs::rename(current(folder.path()), folder.path().join("ledger-000000000039-2026-01-01.jsonl")).unwrap();
    Ledger::new(folder.path(), Limits::default()).record(&asked(41)).unwrap();
    holds(folder.path());

    // A former file that is missing is found, unless it is the oldest: that is said.
    let hidden = folder.path().join("hidden");
    fs::rename(&files[1], &hidden).unwrap();
    let broken = checked(folder.path()).broken.unwrap();
    assert_eq!((broken.file, broken.line), (folder::name(&files[2]), 1));
    fs::rename(&hidden, &files[1]).unwrap();
    fs::remove_file(&files[0]).unwrap();
    assert!(holds(folder.path()).notes[0].contains("begins at line"));
}

#[test]
fn only_so_many_former_files_are_kept() {
    let (folder, ledger) = scene(4096, 2);
    for id in 0..40 {
        ledger.record(&asked(id)).unwrap();
    }
    assert_eq!(holds(folder.path()).files, 3);
}

#[test]
fn a_line_cut_at_any_byte_is_told_and_gone_on_from() {
    let (folder, ledger) = scene(1 << 20, 0);
    ledger.record(&asked(1)).unwrap();
    let one = fs::metadata(current(folder.path())).unwrap().len();
    ledger.record(&answered(1)).unwrap();
    let whole = fs::read(current(folder.path())).unwrap();
    for length in usize::try_from(one).unwrap() + 1..whole.len() {
        fs::write(current(folder.path()), &whole[..length]).unwrap();
        let torn = holds(folder.path());
        assert_eq!(torn.notes.len(), 1, "{torn:?}");
        ledger.record(&answered(2)).unwrap();
        let after = holds(folder.path());
        // Without its newline only, the line is whole: nothing was lost.
        if length < whole.len() - 1 {
            assert!(after.notes[0].contains("torn line at ledger.jsonl:2, from a crash"), "{after:?}");
        } else {
            assert_eq!((after.lines, after.notes.len()), (3, 0), "{after:?}");
        }
        // What is left of the torn line is a part of the chain from then on.
        let mut changed = fs::read(current(folder.path())).unwrap();
        changed[usize::try_from(one).unwrap()] ^= 1;
        fs::write(current(folder.path()), changed).unwrap();
        assert_eq!(checked(folder.path()).broken.unwrap().line, 2);
    }
}

#[test]
fn the_very_first_line_may_be_torn_and_a_second_crash_may_follow() {
    let (folder, ledger) = scene(1 << 20, 0);
    fs::write(current(folder.path()), "{\"n\":1,\"at\":\"20").unwrap();
    assert_eq!(holds(folder.path()).lines, 0);
    ledger.record(&asked(1)).unwrap();
    assert_eq!(holds(folder.path()).lines, 2);
    // A crash while the torn line was being told.
    let text = fs::read_to_string(current(folder.path())).unwrap();
    let (torn, rest) = text.split_once('\n').unwrap();
    fs::write(current(folder.path()), format!("{torn}\n{}", &rest[..40])).unwrap();
    holds(folder.path());
    ledger.record(&asked(1)).unwrap();
    assert_eq!(holds(folder.path()).lines, 2);
    // Zeros after a power failure.
    let mut bytes = fs::read(current(folder.path())).unwrap();
    bytes.extend([0; 100]);
    fs::write(current(folder.path()), bytes).unwrap();
    holds(folder.path());
    ledger.record(&asked(1)).unwrap();
    assert_eq!(holds(folder.path()).lines, 4);
}

/// Every byte of every file, changed in several ways; and each change is found also after the agent went on writing.
#[test]
fn any_changed_byte_is_found() {
    let (folder, ledger) = scene(1500, 0);
    for id in 0..2 {
        ledger.record(&asked(id)).unwrap();
        ledger.record(&answered(id)).unwrap();
    }
    let intact = holds(folder.path());
    assert!(intact.files > 1, "{intact:?}");
    let mut paths = folder::former(folder.path()).unwrap();
    paths.push(current(folder.path()));
    for path in paths {
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            for to in [whole[at] ^ 1, whole[at] ^ 0x20, b'\n', b'"'] {
                if to == whole[at] {
                    continue;
                }
                let mut changed = whole.clone();
                changed[at] = to;
                fs::write(&path, &changed).unwrap();
                let found = checked(folder.path()).broken;
                assert!(found.is_some(), "byte {at} of {} as {to:#x} is not found", path.display());
                if at % 37 == 0 || at + 3 > whole.len() {
                    let before = fs::read(current(folder.path())).unwrap();
                    let next = Ledger::new(folder.path(), Limits::default());
                    next.record(&answered(9)).unwrap();
                    let found = checked(folder.path()).broken;
                    assert!(found.is_some(), "byte {at} of {} as {to:#x} was covered up", path.display());
                    fs::write(current(folder.path()), before).unwrap();
                }
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(holds(folder.path()), intact);
}

#[test]
fn a_line_taken_out_put_in_or_moved_is_found() {
    let (folder, ledger) = scene(1 << 20, 0);
    for id in 0..4 {
        ledger.record(&answered(id)).unwrap();
    }
    let text = fs::read_to_string(current(folder.path())).unwrap();
    let lines: Vec<_> = text.lines().collect();
    for (order, line) in [
        (vec![0, 2, 3], 2),
        (vec![1, 2, 3], 0),
        (vec![0, 1, 1, 2, 3], 3),
        (vec![0, 2, 1, 3], 2),
        (vec![1, 0, 2, 3], 2),
    ] {
        let changed: String = order.iter().map(|&n| format!("{}\n", lines[n])).collect();
        fs::write(current(folder.path()), changed).unwrap();
        let verified = checked(folder.path());
        match verified.broken {
            Some(broken) => assert_eq!(broken.line, line, "{order:?}"),
            // The oldest lines may have been removed by rotation; that is said, and is no break.
            None => assert!(line == 0 && verified.notes[0].contains("begins at line 2"), "{order:?}"),
        }
    }
}

#[test]
fn writers_at_once_never_fork_the_chain() {
    let (folder, first) = scene(16 << 10, 0);
    let second = Ledger::new(folder.path(), Limits { rotate: 16 << 10, ..Limits::default() });
    thread::scope(|scope| {
        for n in 0..6 {
            let ledger = if n % 2 == 0 { &first } else { &second };
            scope.spawn(move || {
                for id in 0..40 {
                    ledger.record(&if id % 8 == 0 { answered(id) } else { asked(id) }).unwrap();
                }
            });
        }
        for _ in 0..20 {
            holds(folder.path());
        }
    });
    let verified = holds(folder.path());
    assert_eq!((verified.lines, verified.notes.len()), (240, 0), "{verified:?}");
}

#[test]
fn what_could_not_be_recorded_is_counted_and_told() {
    let (folder, _) = scene(0, 0);
    let path = folder.path().join("in-the-way");
    fs::write(&path, "a file where a folder should be").unwrap();
    let ledger = Ledger::new(&path, Limits::default());
    assert!(ledger.record(&asked(1)).is_err());
    assert!(ledger.record(&answered(1)).is_err());
    assert_eq!(ledger.failures(), 2);
    fs::remove_file(&path).unwrap();
    ledger.record(&asked(2)).unwrap();
    ledger.record(&asked(3)).unwrap();
    let verified = holds(&path);
    assert_eq!((verified.lines, verified.notes.len()), (3, 1));
    assert!(verified.notes[0].starts_with("2 events before line 1"), "{verified:?}");
}

#[tokio::test]
async fn only_a_required_ledger_stops_work() {
    let (folder, _) = scene(0, 0);
    let path = folder.path().join("in-the-way");
    fs::write(&path, "").unwrap();
    assert_eq!(Ledger::new(&path, Limits::default()).keep(asked(1)).await, Ok(()));
    let required = Ledger::new(&path, Limits { required: true, ..Limits::default() });
    assert!(required.keep(asked(1)).await.unwrap_err().contains("ledger.required"));
}

#[test]
fn a_line_is_bounded_whatever_servers_say() {
    let (folder, ledger) = scene(64 << 20, 0);
    let hostile = "\u{1}".repeat(60_000);
    let texts = vec![hostile.as_str(); 200];
    ledger.record(&Event::asked(&key(1), &facts(300, &texts))).unwrap();
    ledger.record(&Event::unanswered(&key(1), &hostile)).unwrap();
    let text = fs::read_to_string(current(folder.path())).unwrap();
    assert!(text.lines().all(|line| line.len() < MAX_LINE));
    assert!(
        text.contains("\"sightings_omitted\":") && text.contains("bytes more") && text.contains("more\"")
    );
    assert_eq!(holds(folder.path()).lines, 2);
}

#[test]
fn a_clock_that_goes_back_is_a_note() {
    let (folder, _ledger) = scene(0, 0);
    let mut prev = line::GENESIS.to_owned();
    let mut text = String::new();
    for (n, at) in [(1, "2026-01-01T12:00:00Z"), (2, "2026-01-01T11:59:58Z")] {
        let place = Place { n, at: at.parse().unwrap(), former: None, prev: &prev };
        let line = line::compose(&asked(1), place).unwrap().unwrap();
        prev = line::hash(line.as_bytes());
        text += &(line + "\n");
    }
    fs::write(current(folder.path()), text).unwrap();
    assert_eq!(holds(folder.path()).notes, ["the clock went back 1 times, by 2s at most"]);
}

const FULL: &str = "this-folder-is-to-be-filled";

/// A limit on the size of files stands for a full disk: a write has its first part written and then fails.
#[test]
fn a_full_disk_tears_a_line_and_room_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FULL), "").unwrap();
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact ledger::tests::fill --ignored"])
        .arg(std::env::current_exe().unwrap())
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stdout));
    let torn = holds(folder.path());
    assert!(torn.lines > 2 && torn.notes[0].contains("torn line"), "{torn:?}");
    Ledger::new(folder.path(), Limits::default()).record(&asked(1)).unwrap();
    assert_eq!(holds(folder.path()).lines, torn.lines + 2);
}

#[test]
#[ignore = "the other half of a_full_disk_tears_a_line_and_room_mends_it, which runs it with a limit"]
fn fill() {
    if !Path::new(FULL).exists() {
        return;
    }
    let ledger = Ledger::new(Path::new("."), Limits::default());
    let written = (0..100).filter(|&id| ledger.record(&asked(id)).is_ok()).count();
    assert!(written > 2 && written < 100, "{written}");
    assert_eq!(ledger.failures(), 100 - written as u64);
}
