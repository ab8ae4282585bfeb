//! No file of this crate imports, directly or through others, a file that imports it. Whoever reads one can then read from
//! the bottom up.
//!
//! What counts are paths: in `use`, and in code as `crate::a::f()`, `super::b`, `self::b` or `child::f()`. Comments, strings
//! and what is behind `#[cfg(test)]` do not; nor does it count that a module declares its children.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
};

/// A module's names from the crate's root: `["ca", "world"]`.
type Module = Vec<String>;

/// Which files each file imports; a file goes by its module.
type Arrows = BTreeMap<Module, BTreeSet<Module>>;

#[test]
fn no_circle_of_files() {
    let arrows = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(
        arrows.len() > 40 && arrows.values().map(BTreeSet::len).sum::<usize>() > 80,
        "too little was read"
    );
    let circles: BTreeSet<_> = arrows.keys().filter_map(|file| circle(&arrows, file)).collect();
    assert!(
        circles.is_empty(),
        "files import each other in a circle:\n{}",
        Vec::from_iter(circles).join("\n")
    );
}

/// The shortest way from a file back to it.
fn circle(arrows: &Arrows, file: &Module) -> Option<String> {
    let mut ways = VecDeque::from([vec![file]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in &arrows[*way.last()?] {
            if next == file {
                let names: Vec<_> = way.iter().chain([&file]).map(|module| module.join("::")).collect();
                return Some(names.join(" -> "));
            }
            if seen.insert(next) {
                ways.push_back([way.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

fn read(src: &Path) -> Arrows {
    let files = files(src, &Vec::new());
    let modules: BTreeSet<Module> = files.keys().cloned().collect();
    let arrows = |(module, file): (Module, PathBuf)| {
        let text = std::fs::read_to_string(&file).unwrap();
        let imports = imports(&text, &module, &modules);
        (module, imports)
    };
    files.into_iter().map(arrows).collect()
}

/// The files below a folder, by module.
fn files(folder: &Path, at: &Module) -> BTreeMap<Module, PathBuf> {
    let mut found = BTreeMap::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let here = match name {
            "lib" | "main" | "mod" => at.clone(),
            name => [at.as_slice(), &[name.to_owned()]].concat(),
        };
        if path.is_dir() {
            found.extend(files(&path, &here));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(here, path);
        }
    }
    found
}

/// The files that a file imports.
fn imports(text: &str, module: &Module, modules: &BTreeSet<Module>) -> BTreeSet<Module> {
    let tokens = tokens(text);
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        here: module.clone(),
        modules,
        names: BTreeMap::new(),
        paths: Vec::new(),
    };
    reader.items();
    let file = |path: &Module| {
        (0..=path.len()).rev().map(|end| path[..end].to_vec()).find(|part| modules.contains(part))
    };
    reader.paths.iter().filter_map(file).filter(|file| file != module).collect()
}

struct Reader<'a> {
    tokens: &'a [String],
    at: usize,
    /// The module that is being read, those within the file included.
    here: Module,
    modules: &'a BTreeSet<Module>,
    /// Names that `use` gave to modules.
    names: BTreeMap<String, Module>,
    paths: Vec<Module>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    /// Reads to the end of the block, or of the file.
    fn items(&mut self) {
        let mut is_test = false;
        while self.at < self.tokens.len() {
            match [self.peek(0), self.peek(1), self.peek(2)] {
                ["#", "[", "cfg"] if self.peek(4) == "test" && self.peek(5) == ")" => {
                    (is_test, self.at) = (true, self.at + 7);
                }
                ["#", "[", _] => self.skip("[", "]"),
                ["mod", name, "{"] if !is_test => {
                    self.here.push(name.to_owned());
                    self.at += 3;
                    self.items();
                    self.here.pop();
                }
                _ if is_test => {
                    self.skip_item();
                    is_test = false;
                }
                ["use", ..] => {
                    self.at += 1;
                    self.tree(None);
                }
                ["{", ..] => {
                    self.at += 1;
                    self.items();
                }
                ["}", ..] => {
                    self.at += 1;
                    return;
                }
                // `pub(in crate::a)` says who may look, and imports nothing.
                ["(", "in", _] => self.skip("(", ")"),
                [_, "::", _] => self.path(),
                _ => self.at += 1,
            }
        }
    }

    /// A path in code; one of a single name leads nowhere.
    fn path(&mut self) {
        let mut path = vec![self.peek(0).to_owned()];
        self.at += 1;
        while self.peek(0) == "::" && self.peek(1).starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            path.push(self.peek(1).to_owned());
            self.at += 2;
        }
        self.paths.extend(self.resolve(&path));
    }

    /// What follows `use` or stands in its braces.
    fn tree(&mut self, before: Option<&[String]>) {
        let mut path = before.map(<[String]>::to_vec).unwrap_or_default();
        loop {
            match self.peek(0) {
                "{" => {
                    self.at += 1;
                    while !matches!(self.peek(0), "}" | "") {
                        self.tree(Some(&path));
                        self.at += usize::from(self.peek(0) == ",");
                    }
                    self.at += 1;
                    return;
                }
                "::" => self.at += 1,
                "," | ";" | "}" | "" => break,
                "as" => {
                    self.import(&path, self.peek(1).to_owned());
                    self.at += 2;
                    return;
                }
                "*" => self.at += 1,
                "self" if !path.is_empty() => self.at += 1,
                name => {
                    path.push(name.to_owned());
                    self.at += 1;
                }
            }
        }
        let name = path.last().cloned().unwrap_or_default();
        self.import(&path, name);
    }

    /// A module that is named is imported by what is used of it; all else by being named.
    fn import(&mut self, path: &[String], name: String) {
        match self.resolve(path) {
            Some(module) if self.modules.contains(&module) && self.tokens[self.at - 1] != "*" => {
                self.names.insert(name, module);
            }
            path => self.paths.extend(path),
        }
    }

    /// The path from the crate's root; nothing for paths of other crates and of types.
    fn resolve(&self, path: &[String]) -> Option<Module> {
        let first = path.first()?.as_str();
        let start = match first {
            "crate" => Vec::new(),
            "self" => self.here.clone(),
            "super" => self.here[..self.here.len().checked_sub(1)?].to_vec(),
            name => match self.names.get(name) {
                Some(module) => module.clone(),
                None => Some([self.here.as_slice(), &[name.to_owned()]].concat())
                    .filter(|path| self.modules.contains(path))?,
            },
        };
        let mut whole = start;
        for name in &path[1..] {
            if name == "super" { drop(whole.pop()?) } else { whole.push(name.clone()) }
        }
        Some(whole)
    }

    /// Past what the bracket that comes next encloses.
    fn skip(&mut self, open: &str, close: &str) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            depth += i32::from(self.peek(0) == open) - i32::from(self.peek(0) == close);
            self.at += 1;
            if depth == 0 && self.tokens[self.at - 1] == close {
                return;
            }
        }
    }

    /// Past an item: to its semicolon, or to the end of its block.
    fn skip_item(&mut self) {
        while !matches!(self.peek(0), ";" | "{" | "") {
            self.at += 1;
        }
        if self.peek(0) == "{" { self.skip("{", "}") } else { self.at += 1 }
    }
}

/// Words, `::`, and single signs; without comments, and with a string or a character as nothing.
fn tokens(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let starts = |at: usize, with: &str| with.chars().enumerate().all(|(n, c)| text.get(at + n) == Some(&c));
    let find = |from: usize, what: &str| {
        (from..text.len()).find(|&at| starts(at, what)).map_or(text.len(), |at| at + what.len())
    };
    let (mut found, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let word = (at..text.len()).find(|&end| !is_word(text[end])).unwrap_or(text.len());
        let hashes = (word..text.len()).take_while(|&end| text[end] == '#').count();
        let prefix: String = text[at..word].iter().collect();
        match text[at] {
            '/' if starts(at, "//") => at = find(at, "\n"),
            '/' if starts(at, "/*") => at = comment(&text, at),
            _ if matches!(prefix.as_str(), "r" | "br" | "cr") && starts(word + hashes, "\"") => {
                at = find(word + hashes + 1, &format!("\"{}", "#".repeat(hashes)));
            }
            _ if matches!(prefix.as_str(), "" | "b" | "c") && starts(word, "\"") => {
                at = quoted(&text, word, '"')
            }
            // A lifetime has no quote behind its first letter.
            '\'' if text.get(at + 1) == Some(&'\\') || text.get(at + 2) == Some(&'\'') => {
                at = quoted(&text, at, '\'')
            }
            ':' if starts(at, "::") => {
                found.push("::".to_owned());
                at += 2;
            }
            c if is_word(c) => {
                found.push(prefix);
                at = word;
            }
            c => {
                found.extend((!c.is_whitespace()).then(|| c.to_string()));
                at += 1;
            }
        }
    }
    found
}

/// The end of a comment, in which others may be.
fn comment(text: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < text.len() {
        match text[at..].get(..2) {
            Some(['/', '*']) => (depth, at) = (depth + 1, at + 2),
            Some(['*', '/']) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The end of a string or a character that begins here.
fn quoted(text: &[char], mut at: usize, end: char) -> usize {
    at += 1;
    while at < text.len() && text[at] != end {
        at += 1 + usize::from(text[at] == '\\');
    }
    at + 1
}

/// The reader sees every way to write an import, and nothing that only looks like one.
#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let module =
        |path: &str| path.split("::").filter(|&name| name != "crate").map(str::to_owned).collect::<Module>();
    let set = |paths: &str| paths.split_whitespace().map(module).collect::<BTreeSet<_>>();
    let modules = set("crate a a::b a::b::c d e");
    for (text, expected) in [
        ("use crate::d::Item;", "d"),
        ("use crate::Item;", "crate"),
        ("use crate::{a::{b::{c::f, Item}, Other}, d::*};", "a a::b::c d"),
        ("use super::{Item, b::c::{self as see, f}};", "a a::b::c"),
        ("use super::super::d::f;", "d"),
        ("use self::c::f;", "a::b::c"),
        ("use c::f;", "a::b::c"),
        ("use super::*;", "a"),
        ("fn f() { crate::d::g(); super::h(); c::i() }", "a a::b::c d"),
        ("use crate::{d, e as other}; fn f() { d::g(other::h()) }", "d e"),
        ("use crate::d; fn f() { d() }", ""),
        ("mod inner { use super::c::f; use super::super::Item; } use super::Item;", "a a::b::c"),
        ("mod inner { use super::Item; }", ""),
        ("#[cfg(test)] mod tests { use crate::d::f; } fn f(x: crate::e::X) {}", "e"),
        ("#[cfg(test)] use crate::d::f; use crate::e::g;", "e"),
        ("pub(in crate::d) struct X; pub(super) struct Y; fn f() { for x in crate::e::X {} }", "e"),
        ("use std::fmt; use serde::de::Error as _; fn f<'a>(x: &'a str) -> fmt::Result { Self::g() }", ""),
        ("// use crate::d::f;\n/* use /* crate::d::f */ crate::e::f; */\n/// [`crate::d::f`]\nfn f() {}", ""),
        (
            r##"fn f() { "crate::d::f"; r#"" crate::d::f "#; b"crate::d::f"; '"'; '\''; "\" crate::e::f" }"##,
            "",
        ),
    ] {
        assert_eq!(imports(text, &module("a::b"), &modules), set(expected), "{text}");
    }
}
