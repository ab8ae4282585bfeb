//! Reads the layers and finds every problem at once: file, drop-ins beside it, then the environment.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use config::{Environment, File, FileFormat, Value, ValueKind};

use super::{
    Config,
    raw::Raw,
    regular,
    unknown::{unknown, unknown_field, without_value},
};
use crate::error::plain;

/// Largest configuration file that is read.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// The prefix of variables that hold keys. `DCV_CONFIG` names the file and has another one for that reason.
const PREFIX: &str = "DCV_AGENT";

/// How many problems are shown at once; a list of a wrong kind may hold thousands.
const AT_ONCE: usize = 100;
/// How many characters of a key or of a sentence are shown; either may repeat what the file says.
const SHOWN: usize = 500;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, and the line where it could be found.
    pub place: String,
    /// The key's path, empty for the whole file.
    pub key: String,
    /// What is wrong and what was expected.
    pub what: String,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Problem { place, key, what }) in self.0.iter().take(AT_ONCE).enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            let [place, key, what] = [place, key, what].map(|text| plain(text, SHOWN));
            match key.as_str() {
                "" => write!(f, "{place}: {what}")?,
                key => write!(f, "{place}: {key}: {what}")?,
            }
        }
        if let more @ 1.. = self.0.len().saturating_sub(AT_ONCE) {
            write!(f, "\nand {more} more problems")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

struct Source {
    path: PathBuf,
    text: String,
}

/// Reads and checks a configuration.
///
/// # Errors
/// All problems, sorted; nothing is changed.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let sources = sources(path)?;
    let mut builder = config::Config::builder();
    for Source { text, .. } in &sources {
        builder = builder.add_source(File::from_str(text, FileFormat::Toml));
    }
    // An empty one counts: `DCV_AGENT__AGENT__LISTEN=` turns the pages off.
    let environment =
        Environment::with_prefix(PREFIX).prefix_separator("__").separator("__").ignore_empty(false);
    let layers = builder.add_source(environment).build().map_err(|error| {
        Problems(vec![Problem {
            place: path.display().to_string(),
            key: String::new(),
            what: layers_problem(&error),
        }])
    })?;
    let mut found = Vec::new();
    let raw = read(layers, &mut found);
    let checked = raw.map(|raw| Config::check(raw, &mut found));
    // What has a mistake in it was left out; it is not missing.
    let broken: Vec<String> = found
        .iter()
        .filter(|(_, what)| !what.starts_with("is missing"))
        .map(|(key, _)| key.split('[').next().unwrap_or(key).to_owned())
        .collect();
    let is_broken = |key: &str| {
        let below = |broken: &String| {
            broken.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        broken.iter().any(below)
    };
    found.retain(|(key, what)| !(what.starts_with("is missing") && is_broken(key)));
    match checked {
        Some(config) if found.is_empty() => Ok(config),
        Some(_) | None => {
            let mut problems: Vec<_> = found
                .into_iter()
                .map(|(key, what)| Problem { place: place(&sources, &key), key, what })
                .collect();
            problems.sort();
            problems.dedup();
            Err(Problems(problems))
        }
    }
}

/// The file and `conf.d/*.toml` beside it, in the order of their names.
fn sources(path: &Path) -> Result<Vec<Source>, Problems> {
    let mut paths = vec![path.to_owned()];
    let folder = path.parent().unwrap_or_else(|| Path::new(".")).join("conf.d");
    if let Ok(entries) = std::fs::read_dir(&folder) {
        let mut more: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        more.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        more.sort();
        paths.extend(more);
    }
    let mut problems = Vec::new();
    let mut sources = Vec::new();
    for path in paths {
        match text(&path) {
            Ok(text) => sources.push(Source { path, text }),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(Problems(problems)) }
}

fn text(path: &Path) -> Result<String, Problem> {
    let problem = |place: String, what: String| Problem { place, key: String::new(), what };
    let file = path.display().to_string();
    let bytes = regular::read(path, MAX_FILE)
        .map_err(|error| problem(file.clone(), format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| problem(file.clone(), "is not text (UTF-8)".into()))?;
    // Parsed here for the place of a syntax error, which the layers would not name by file. The place and what was expected
    // are all that is told: the line itself may hold a secret.
    match text.parse::<toml::Table>() {
        Ok(_) => Ok(text),
        Err(error) => {
            let line = error.span().map(|span| line_of(&text, span.start));
            let place = line.map_or_else(|| file.clone(), |line| format!("{file}:{line}"));
            let what = error.message().lines().next().unwrap_or_default();
            Err(problem(place, format!("is not TOML: {what}")))
        }
    }
}

/// The line, from 1, in which an offset lies.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

/// Why the layers do not go together. A message about a text quotes it, and goes without that.
fn layers_problem(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::FileParse { .. } => "is not TOML".to_owned(),
        other => without_value(&other.to_string()),
    }
}

/// Deserializes again and again, each time without the key that failed, so that all problems come out in one run.
fn read(mut layers: config::Config, found: &mut Vec<(String, String)>) -> Option<Raw> {
    for _ in 0..100 {
        let error = match serde_path_to_error::deserialize::<_, Raw>(layers.clone()) {
            Ok(raw) => return Some(raw),
            Err(error) => error,
        };
        let mut path: Vec<String> = error.path().to_string().split('.').map(str::to_owned).collect();
        path.retain(|part| part != "?" && !part.is_empty());
        let message = error.inner().to_string();
        let mut what = without_value(message.split(" for key `").next().unwrap_or(&message));
        if let Some((field, expected)) = unknown_field(&message) {
            if path.last() != Some(&field) {
                path.push(field.clone());
            }
            what = unknown(&field, &expected);
        }
        found.push((path.join("."), what));
        if !remove(&mut layers.cache, &path) {
            return None;
        }
    }
    None
}

/// Removes the deepest table entry that the path names.
fn remove(value: &mut Value, path: &[String]) -> bool {
    let ValueKind::Table(table) = &mut value.kind else { return false };
    let Some((first, rest)) = path.split_first() else { return false };
    // An element of a list is named `orders[2]`; the whole list goes.
    let key = first.split('[').next().unwrap_or(first);
    match table.get_mut(key) {
        Some(inner) if !rest.is_empty() && matches!(inner.kind, ValueKind::Table(_)) => {
            remove(inner, rest) || table.remove(key).is_some()
        }
        Some(_) => table.remove(key).is_some(),
        None => false,
    }
}

/// The environment variable, which wins, or `file:line` of the last source that has the key.
fn place(sources: &[Source], key: &str) -> String {
    let path: Vec<&str> = key.split('.').map(|part| part.split('[').next().unwrap_or(part)).collect();
    let variable = format!("{PREFIX}__{}", path.join("__").to_ascii_uppercase());
    if !key.is_empty() && is_set(&variable) {
        return format!("environment variable {variable}");
    }
    for Source { path: file, text } in sources.iter().rev() {
        if let Some(line) = line(text, &path) {
            return format!("{}:{line}", file.display());
        }
    }
    sources.first().map_or_else(String::new, |source| source.path.display().to_string())
}

/// The line of the key, or of the deepest table on its way that is not the root.
fn line(text: &str, path: &[&str]) -> Option<usize> {
    let (root, _) = toml::de::DeTable::parse_recoverable(text);
    let mut table = root.get_ref();
    let mut at = None;
    let mut path = path;
    while !path.is_empty() {
        // A key such as "www.example.com" has dots of its own.
        let named = |n: usize| {
            let name = path[..n].join(".");
            table.iter().find(|(key, _)| key.get_ref().as_ref() == name).map(|entry| (n, entry))
        };
        let Some((n, (key, value))) = (1..=path.len()).rev().find_map(named) else { break };
        path = &path[n..];
        at = Some(key.span().start);
        match value.get_ref() {
            toml::de::DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    at.map(|at| line_of(text, at))
}

#[expect(clippy::disallowed_methods, reason = "tells whether a key came from the environment")]
fn is_set(variable: &str) -> bool {
    std::env::vars().any(|(name, _)| name.eq_ignore_ascii_case(variable))
}
