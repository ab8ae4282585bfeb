//! Reads the layers and finds every problem at once: file, drop-ins beside it, then the environment.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use config::{Environment, File, FileFormat, Value, ValueKind};

use super::{
    Config,
    raw::Raw,
    unknown::{unknown, unknown_field},
};

/// Largest configuration file that is read.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// The prefix of variables that hold keys. `DCV_CONFIG` names the file and has another one for that reason.
const PREFIX: &str = "DCV_AGENT";

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
        for (n, Problem { place, key, what }) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            match key.as_str() {
                "" => write!(f, "{place}: {what}")?,
                key => write!(f, "{place}: {key}: {what}")?,
            }
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
    let environment =
        Environment::with_prefix(PREFIX).prefix_separator("__").separator("__").ignore_empty(true);
    let layers = builder.add_source(environment).build().map_err(|error| {
        Problems(vec![Problem {
            place: path.display().to_string(),
            key: String::new(),
            what: error.to_string(),
        }])
    })?;
    let mut found = Vec::new();
    let raw = read(layers, &mut found);
    let checked = raw.map(|raw| Config::check(raw, &mut found));
    // A list with a mistake in it was left out; it is not missing.
    let broken: Vec<_> =
        found.iter().filter_map(|(key, _)| Some(key.split_once('[')?.0.to_owned())).collect();
    found.retain(|(key, what)| !(what.starts_with("is missing") && broken.contains(key)));
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
            Err(what) => {
                problems.push(Problem { place: path.display().to_string(), key: String::new(), what });
            }
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(Problems(problems)) }
}

fn text(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > MAX_FILE {
        return Err(format!("has {size} bytes; a configuration has at most {MAX_FILE}"));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    // Parsed here for the place of a syntax error, which the layers would not name by file.
    match text.parse::<toml::Table>() {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("is not TOML: {}", error.to_string().trim_end())),
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
        let mut what = message.split(" for key `").next().unwrap_or(&message).to_owned();
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

/// `file:line` of the last source that has the key, or where else it came from.
fn place(sources: &[Source], key: &str) -> String {
    let path: Vec<&str> = key.split('.').map(|part| part.split('[').next().unwrap_or(part)).collect();
    for Source { path: file, text } in sources.iter().rev() {
        if let Some(line) = line(text, &path) {
            return format!("{}:{line}", file.display());
        }
    }
    let variable = format!("{PREFIX}__{}", path.join("__").to_ascii_uppercase());
    match sources.first() {
        Some(Source { path, .. }) if !is_set(&variable) => path.display().to_string(),
        _ => format!("environment variable {variable}"),
    }
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
    at.map(|at| text[..at.min(text.len())].matches('\n').count() + 1)
}

#[expect(clippy::disallowed_methods, reason = "tells whether a key came from the environment")]
fn is_set(variable: &str) -> bool {
    std::env::vars().any(|(name, _)| name.eq_ignore_ascii_case(variable))
}
