//! The agent's rooms stand on floors: each may use its own and those below, and no files import one another in a circle.
//!
//! The table is the drawing of `docs/ARCHITECTURE.md`, which has to hold the same lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// From the top down.
const FLOORS: [&[&str]; 8] = [
    &["cli"],
    &["daemon", "once"],
    &["start"],
    &["engine", "replica", "pass", "discover", "forecast", "http"],
    &["context"],
    &["board", "ca", "publish", "subjects", "telemetry"],
    &["config", "state", "ledger", "process"],
    &["subject", "trouble", "error", "clock", "death", "exit", "files", "listener"],
];

/// A module's path below `crate`, such as `["publish", "writer"]`; empty for the library itself.
type Module = Vec<String>;

struct Sources {
    /// Each file's text without comments and strings, by its module.
    texts: BTreeMap<Module, String>,
}

impl Sources {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut texts = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(module) = module(&root, &path) {
                    texts.insert(module, without_tests(&code(&fs::read_to_string(&path).unwrap())));
                }
            }
        }
        Self { texts }
    }

    /// The modules that a module's paths lead to.
    fn used_by(&self, module: &Module) -> BTreeSet<Module> {
        let below =
            self.texts.keys().filter(|other| other.len() == module.len() + 1 && other.starts_with(module));
        let below: Vec<&String> = below.filter_map(|other| other.last()).collect();
        let used = paths(&self.texts[module], &below).into_iter().filter(|path| !path.is_reexport);
        let used = used.filter_map(|path| self.resolve(module, &path.segments, 0));
        used.filter(|used| used != module).collect()
    }

    /// The module that defines what a path names: the longest part of it that is a file, or where that only passes the name
    /// on, what it passes on.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        assert!(depth < 16, "{path:?} is passed on in a circle");
        let mut segments = path.iter();
        let mut at = match segments.next()?.as_str() {
            "crate" => Module::new(),
            "self" => from.clone(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            _ => return None,
        };
        let mut rest: Vec<String> = segments.cloned().collect();
        while let Some(next) = rest.first() {
            if next == "super" {
                at.pop()?;
            } else {
                let below: Module = at.iter().chain([next]).cloned().collect();
                if !self.texts.contains_key(&below) {
                    break;
                }
                at = below;
            }
            rest.remove(0);
        }
        let Some(name) = rest.first() else { return Some(at) };
        let passed_on = paths(&self.texts[&at], &[])
            .into_iter()
            .find(|path| path.is_reexport && path.segments.last() == Some(name) && path.segments.len() > 1);
        match passed_on {
            Some(path) => self.resolve(&at, &path.segments, depth + 1),
            None => Some(at),
        }
    }
}

/// The module of a source file; none for tests, and for `main`, which is a program of its own.
fn module(root: &Path, path: &Path) -> Option<Module> {
    let relative: PathBuf = path.strip_prefix(root).unwrap().with_extension("");
    let mut module: Module = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    match module.last()?.as_str() {
        "tests" | "main" => return None,
        "mod" | "lib" => drop(module.pop()),
        _ => {}
    }
    Some(module)
}

/// The text without comments, strings and characters, which may speak of anything.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let end = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if c == '"' {
            let mut escaped = false;
            let closing = rest[1..].find(|c| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            });
            closing.map_or(rest.len(), |at| at + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\") {
            rest[1..].find('\'').map_or(rest.len(), |at| at + 2)
        } else {
            code.push(c);
            c.len_utf8()
        };
        rest = &rest[end..];
    }
    code
}

/// Unit tests may look at anything.
fn without_tests(code: &str) -> String {
    code.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

struct PathSeen {
    segments: Vec<String>,
    is_reexport: bool,
}

/// Every path from `crate`, `self` or `super`, of imports and of the code, which also speaks of the modules below by their
/// bare names.
fn paths(code: &str, below: &[&String]) -> Vec<PathSeen> {
    let mut found = Vec::new();
    for statement in code.split_inclusive(';') {
        let import = statement.find("use ").filter(|&at| {
            let before = statement[..at].trim_end();
            before.is_empty() || before.ends_with(['}', ';', ']', ')']) || before.ends_with("pub")
        });
        match import {
            Some(at) => {
                let is_reexport = statement[..at].trim_end().ends_with([')', 'b']);
                let tree = statement[at + 4..].trim_end_matches(';');
                for segments in expand(tree) {
                    found.push(PathSeen { segments, is_reexport });
                }
                found.extend(inline(&statement[..at], below));
            }
            None => found.extend(inline(statement, below)),
        }
    }
    found
}

/// `a::{b, c::d}` as the paths `a::b` and `a::c::d`.
fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        let segments = path.split("::").map(|part| part.trim().to_owned());
        return vec![segments.filter(|part| !part.is_empty()).collect()];
    };
    let prefix: Vec<String> =
        tree[..open].split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    let inner = tree[open + 1..].trim_end().trim_end_matches('}');
    let (mut depth, mut start, mut paths) = (0_usize, 0, Vec::new());
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 || at == inner.len() => {
                for path in expand(&inner[start..at]).into_iter().filter(|path| !path.is_empty()) {
                    // `a::{self}` is `a`.
                    let path = if path == ["self"] { Vec::new() } else { path };
                    paths.push(prefix.iter().cloned().chain(path).collect());
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    paths
}

/// The paths of code that is no import.
fn inline(code: &str, below: &[&String]) -> Vec<PathSeen> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let read = |root: &str| -> Vec<Vec<String>> {
        let start = format!("{root}::");
        let whole = code.match_indices(&start).filter(|&(at, _)| !code[..at].ends_with(is_part));
        let paths = whole.map(|(at, _)| {
            let end = code[at..].find(|c| !is_part(c)).map_or(code.len(), |end| at + end);
            code[at..end].split("::").map(str::to_owned).filter(|part| !part.is_empty()).collect()
        });
        paths.collect()
    };
    let rooted = ["crate", "super", "self"].into_iter().flat_map(read);
    let bare = below.iter().flat_map(|name| read(name)).map(|mut path: Vec<String>| {
        path.insert(0, "self".to_owned());
        path
    });
    rooted.chain(bare).map(|segments| PathSeen { segments, is_reexport: false }).collect()
}

fn floor(room: &str) -> usize {
    let from_top = FLOORS.iter().position(|rooms| rooms.contains(&room));
    FLOORS.len() - from_top.unwrap_or_else(|| panic!("{room} stands on no floor; add it to the table"))
}

#[test]
fn no_arrow_leads_upwards() {
    let sources = Sources::read();
    let mut read = 0;
    for module in sources.texts.keys().filter(|module| !module.is_empty()) {
        for used in sources.used_by(module).iter().filter(|used| !used.is_empty()) {
            read += 1;
            let (from, to) = (&module[0], &used[0]);
            assert!(
                floor(from) >= floor(to),
                "{} uses {}, which stands above",
                module.join("::"),
                used.join("::")
            );
        }
    }
    assert!(read > 100, "{read} arrows were found");
}

#[test]
fn no_files_import_one_another_in_a_circle() {
    let sources = Sources::read();
    let mut arrows: BTreeMap<Module, BTreeSet<Module>> =
        sources.texts.keys().map(|module| (module.clone(), sources.used_by(module))).collect();
    // What uses nothing that is left is in no circle.
    loop {
        let free: Vec<_> =
            arrows.iter().filter(|(_, used)| used.is_empty()).map(|(m, _)| m.clone()).collect();
        if free.is_empty() {
            break;
        }
        for module in &free {
            arrows.remove(module);
            arrows.values_mut().for_each(|used| used.retain(|used| used != module));
        }
    }
    let circle: Vec<String> = arrows
        .iter()
        .map(|(module, used)| {
            let used: Vec<_> = used.iter().map(|used| used.join("::")).collect();
            format!("{} -> {}", module.join("::"), used.join(", "))
        })
        .collect();
    assert!(
        circle.is_empty(),
        "these files import one another in a circle, or lead to one:\n{}",
        circle.join("\n")
    );
}

/// The drawing in the documentation is this table.
#[test]
fn the_drawing_shows_these_floors() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ARCHITECTURE.md")).unwrap();
    for (from_top, rooms) in FLOORS.iter().enumerate() {
        let line = format!("{}  {}", FLOORS.len() - from_top, rooms.join("  "));
        assert!(
            page.lines().any(|drawn| drawn.trim().starts_with(&line)),
            "docs/ARCHITECTURE.md lacks: {line}"
        );
    }
}

/// The reader itself: what counts as an import, and what does not.
#[test]
fn imports_are_read_as_rust_reads_them() {
    let text = "// use crate::comment;\nuse crate::{a::{b, c::D}, e as f};\npub use self::g::H;\nfn x() { crate::i::j(\"crate::k\"); let u = '\"'; super::l(); }";
    let read: Vec<(String, bool)> = paths(&code(text), &[])
        .into_iter()
        .map(|path| (path.segments.join("::"), path.is_reexport))
        .collect();
    let expected = [
        ("crate::a::b", false),
        ("crate::a::c::D", false),
        ("crate::e", false),
        ("self::g::H", true),
        ("crate::i::j", false),
        ("super::l", false),
    ];
    assert_eq!(read, expected.map(|(path, is_reexport)| (path.to_owned(), is_reexport)));
}
