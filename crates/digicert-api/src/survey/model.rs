//! What is known of each answer, and what in an answer is not so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::wire::timestamp_of;

const TEXT: &str = include_str!("model.txt");
/// Answers nest no deeper than this; deeper ones are cut.
const DEPTH: usize = 12;
/// Surprises that are told of one answer.
const MOST: usize = 200;

/// What a field may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Number,
    Text,
    Flag,
    Time,
    Day,
    Word(BTreeSet<&'static str>),
    Any,
}

/// A field that is known.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) kind: Kind,
    /// What follows where it is absent.
    needed: Option<&'static str>,
}

/// What is known of one answer: fields by their paths.
#[derive(Debug)]
pub(super) struct Model {
    fields: BTreeMap<&'static str, Field>,
}

/// Something in an answer that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Surprise {
    /// Where: `orders[].status`.
    pub path: String,
    /// What was found there, without any value that could be anybody's.
    pub what: String,
    /// What follows from it.
    pub follows: String,
    /// Whether the agent is the worse for it; else it only is new.
    pub matters: bool,
}

impl Model {
    pub(super) fn of(part: &str) -> Self {
        let mut fields = BTreeMap::new();
        let mut here = false;
        for line in TEXT.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            if !line.starts_with(' ') {
                here = line == part;
            } else if here && let Some((path, field)) = field(line.trim()) {
                fields.insert(path, field);
            }
        }
        Self { fields }
    }

    /// The field at a path: by its own line, or by one that speaks for all below a place.
    pub(super) fn field(&self, path: &str) -> Option<&Field> {
        self.fields
            .get(path)
            .or_else(|| self.fields.iter().find(|(known, _)| speaks_for(known, path)).map(|(_, field)| field))
    }

    /// Whether a list is known to stand at a path.
    pub(super) fn is_list(&self, path: &str) -> bool {
        self.fields.keys().any(|known| known.strip_prefix(path).is_some_and(|rest| rest.starts_with("[]")))
    }

    /// Whether something is known below a path, so that an object or a list is right there.
    fn has_below(&self, path: &str) -> bool {
        path.is_empty()
            || self.fields.keys().any(|known| {
                known.strip_prefix(path).is_some_and(|rest| rest.starts_with('.') || rest.starts_with("[]"))
            })
    }
}

/// `certificate.*` speaks for everything below `certificate`.
fn speaks_for(known: &str, path: &str) -> bool {
    known.strip_suffix(".*").is_some_and(|place| {
        path.strip_prefix(place).is_some_and(|rest| rest.starts_with('.') || rest.starts_with("[]"))
    })
}

fn field(line: &'static str) -> Option<(&'static str, Field)> {
    let (path, rest) = line.split_once(": ")?;
    let (rest, follows) = rest.split_once(" -- ").unwrap_or((rest, ""));
    let needed = rest.trim_end().strip_suffix('!').map(|_| follows);
    let kind = match rest.trim_end_matches('!').trim() {
        "id" => Kind::Id,
        "number" => Kind::Number,
        "text" => Kind::Text,
        "flag" => Kind::Flag,
        "time" => Kind::Time,
        "day" => Kind::Day,
        "any" => Kind::Any,
        words => {
            let words = words.strip_prefix("word(")?.strip_suffix(')')?;
            Kind::Word(words.split_whitespace().collect())
        }
    };
    Some((path, Field { kind, needed }))
}

impl Kind {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Id => "a number, or one as text",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Flag => "true or false",
            Self::Time => "a point in time",
            Self::Day => "a day",
            Self::Word(_) => "a word",
            Self::Any => "anything",
        }
    }

    fn admits(&self, value: &Value) -> bool {
        let text = |fits: fn(&str) -> bool| value.as_str().is_some_and(fits);
        match self {
            Self::Any => true,
            Self::Id => value.is_u64() || text(|text| text.trim().parse::<u64>().is_ok()),
            Self::Number => value.is_number() || text(|text| text.trim().parse::<f64>().is_ok()),
            Self::Text | Self::Word(_) => value.is_string(),
            Self::Flag => value.is_boolean() || text(|text| matches!(text, "0" | "1" | "true" | "false")),
            Self::Time | Self::Day => text(|text| timestamp_of(text).is_some()),
        }
    }
}

/// How many fields an answer has, and what of them is not as expected.
pub(super) fn surprises(model: &Model, body: &Value) -> (usize, Vec<Surprise>) {
    let mut seen = Seen { model, places: BTreeSet::new(), surprises: BTreeMap::new() };
    if !body.is_object() {
        let what = format!("{} where an object was expected", name(body));
        seen.add("(the whole answer)", what, "it cannot be read, and is asked for again, more rarely", true);
    }
    seen.value("", body, 0);
    seen.absent(body);
    let surprises = seen.surprises.into_values().take(MOST).collect();
    (seen.places.len(), surprises)
}

struct Seen<'m> {
    model: &'m Model,
    places: BTreeSet<String>,
    /// By place and what was found, so that a hundred rows tell it once.
    surprises: BTreeMap<(String, String), Surprise>,
}

impl Seen<'_> {
    fn value(&mut self, path: &str, value: &Value, depth: usize) {
        if depth > DEPTH {
            return;
        }
        match value {
            Value::Object(map) => {
                for (name, below) in map {
                    let name = key(name);
                    let path = if path.is_empty() { name } else { format!("{path}.{name}") };
                    self.at(&path, below, depth);
                }
            }
            Value::Array(items) => {
                let path = format!("{path}[]");
                items.iter().for_each(|item| self.at(&path, item, depth));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn at(&mut self, path: &str, value: &Value, depth: usize) {
        self.places.insert(path.to_owned());
        let nested = value.is_object() || value.is_array();
        match self.model.field(path) {
            Some(field) if field.kind == Kind::Any => {}
            // Absent and null are the same to us.
            Some(_) if value.is_null() => {}
            Some(Field { kind, .. }) if !kind.admits(value) => {
                let what = format!("{} where {} was expected", name(value), kind.name());
                self.add(path, what, "it is read as if it were absent", true);
            }
            Some(Field { kind: Kind::Word(words), .. }) => {
                let word = value.as_str().unwrap_or_default();
                if !words.contains(word) {
                    self.add(
                        path,
                        format!("the word {} is not known", shown(word)),
                        unknown_word(path),
                        true,
                    );
                }
            }
            Some(_) => {}
            None if nested && self.model.has_below(path) => self.value(path, value, depth + 1),
            None => self.add(path, format!("not known: {}", name(value)), "it is not read", false),
        }
    }

    /// What the agent cannot do without, in each row of a list that has any.
    fn absent(&mut self, body: &Value) {
        for (path, field) in &self.model.fields {
            let Some(follows) = field.needed else { continue };
            let holders = holders(body, path);
            let lacking = holders.iter().filter(|is_there| !**is_there).count();
            if lacking > 0 {
                let what = format!("absent in {lacking} of {}", holders.len());
                self.add(path, what, follows, true);
            }
        }
    }

    fn add(&mut self, path: &str, what: String, follows: &str, matters: bool) {
        let surprise =
            Surprise { path: path.to_owned(), what: what.clone(), follows: follows.to_owned(), matters };
        self.surprises.entry((path.to_owned(), what)).or_insert(surprise);
    }
}

fn unknown_word(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or(path) {
        "status" | "order_status" => "it is left alone, and said so, until this version knows the word",
        "dcv_method" | "order_dcv_method" | "method" => "what is proven so is left to others",
        _ => "it counts as none of those that are known",
    }
}

/// For each object that could hold the path's last field, whether it does.
fn holders(body: &Value, path: &str) -> Vec<bool> {
    let (place, leaf) = path.rsplit_once('.').map_or(("", path), |(place, leaf)| (place, leaf));
    let mut at = vec![body];
    for step in place.split('.').filter(|step| !step.is_empty()) {
        let (name, list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        at = at.into_iter().filter_map(|value| value.get(name)).collect();
        if list {
            at = at.into_iter().filter_map(Value::as_array).flatten().collect();
        }
    }
    at.into_iter()
        .filter_map(Value::as_object)
        .map(|object| object.get(leaf).is_some_and(|value| !value.is_null()))
        .collect()
}

/// What a value is, without the value.
pub(super) fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A field's name, where it reads as one: a key may as well be somebody's host.
pub(super) fn key(name: &str) -> String {
    if is_word(name) { name.to_owned() } else { "(a name that is no field's)".to_owned() }
}

/// A word in a report, where it reads as one of a vocabulary.
fn shown(word: &str) -> String {
    if is_word(word) && word.len() <= 24 {
        format!("{word:?}")
    } else {
        format!("of {} characters", word.chars().count())
    }
}

/// Lower-case words with underscores or hyphens, as vocabularies are written; random values have digits among the letters, and
/// hosts dots.
fn is_word(text: &str) -> bool {
    let letters = text.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-'));
    !text.is_empty() && text.len() <= 40 && letters
}
