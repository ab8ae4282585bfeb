//! Runs a target over its corpus, and over changes of it made by chance that is the same every time.
//!
//! The crates that read answers share this file in their tests.

use std::{
    panic::catch_unwind,
    path::{Path, PathBuf},
};

/// Chance that repeats itself (xorshift, Marsaglia 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// One to four changes: a bit, a byte or a 16-bit number, a cut, a piece of another seed, a piece twice.
    fn mutate(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x3f, 0x7f, 0x80, 0xc0, 0xff][self.below(7)],
                2 if at + 1 < bytes.len() => {
                    let number = [0_u16, 1, 0x7fff, 0x8000, 0xffff, 0xc00c][self.below(6)];
                    bytes[at..at + 2].copy_from_slice(&number.to_be_bytes());
                }
                3 => bytes.truncate(at),
                4 => {
                    let from = self.below(other.len());
                    let until = from + self.below(other.len() - from + 1).min(64);
                    let end = at + self.below(bytes.len() - at + 1).min(64);
                    drop(bytes.splice(at..end, other[from..until].iter().copied()));
                }
                _ => {
                    let end = at + self.below(bytes.len() - at + 1).min(64);
                    let piece = bytes[at..end].to_vec();
                    drop(bytes.splice(at..at, piece));
                }
            }
        }
        bytes
    }
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

/// Half of what the agent's threads have: a chain of lies costs the validator stack, and an overflow ends the process.
const STACK: usize = 4 * 1024 * 1024;

pub(crate) fn run(target: &'static str, read: fn(&[u8]), least_seeds: usize, mutations: usize) {
    let thread = std::thread::Builder::new().stack_size(STACK);
    thread.spawn(move || attempt_all(target, read, least_seeds, mutations)).unwrap().join().unwrap();
}

fn attempt_all(target: &str, read: fn(&[u8]), least_seeds: usize, mutations: usize) {
    let seeds = seeds(target);
    assert!(seeds.len() >= least_seeds, "{target} has {} seeds", seeds.len());
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let attempt = |what: &str, file: &Path, bytes: &[u8]| {
        let hex = || bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert!(
            catch_unwind(|| read(bytes)).is_ok(),
            "{target}: {what} {} panics: {}",
            file.display(),
            hex()
        );
    };
    for (file, seed) in &seeds {
        attempt("the seed", file, seed);
    }
    for n in 0..mutations {
        let (file, seed) = &seeds[n % seeds.len()];
        let (_, other) = &seeds[chance.below(seeds.len())];
        attempt("a change of", file, &chance.mutate(seed, other));
    }
}
