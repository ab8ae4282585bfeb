//! An answer without its values: which fields there are, and of what kind.

use serde_json::{Map, Value, json};

use super::model::{Kind, Model, key, name};
use crate::wire::timestamp_of;

/// Deeper parts are cut.
const DEPTH: usize = 12;

/// The shape of an answer. Of a list there is one item that has the fields of all; of values the kind, and of words those
/// that the model knows.
pub(super) fn of(model: &Model, body: &Value) -> Value {
    shape(model, "", body, 0)
}

fn shape(model: &Model, path: &str, value: &Value, depth: usize) -> Value {
    if depth > DEPTH {
        return json!("cut");
    }
    match value {
        Value::Object(map) => {
            let mut shapes = Map::new();
            for (name, below) in map {
                let name = key(name);
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let shape = shape(model, &path, below, depth + 1);
                let merged = match shapes.remove(&name) {
                    Some(known) => merge(known, shape),
                    None => shape,
                };
                shapes.insert(name, merged);
            }
            Value::Object(shapes)
        }
        Value::Array(items) => {
            let path = format!("{path}[]");
            let shapes = items.iter().map(|item| shape(model, &path, item, depth + 1));
            shapes.reduce(merge).map_or_else(|| json!([]), |item| json!([item]))
        }
        Value::String(text) => json!(kind(model, path, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => json!(name(value)),
    }
}

fn kind(model: &Model, path: &str, text: &str) -> String {
    let words = model.field(path).map(|field| &field.kind);
    if let Some(Kind::Word(words)) = words
        && words.contains(text)
    {
        return format!("{text:?}");
    }
    match text {
        "" => "empty text".to_owned(),
        _ if text.bytes().all(|b| b.is_ascii_digit()) => "digits".to_owned(),
        _ if timestamp_of(text).is_some() => "a point in time".to_owned(),
        _ => "text".to_owned(),
    }
}

/// Both at once: fields of either object, items of either list, kinds side by side.
fn merge(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            for (name, shape) in other {
                let merged = match one.remove(&name) {
                    Some(known) => merge(known, shape),
                    None => shape,
                };
                one.insert(name, merged);
            }
            Value::Object(one)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.into_iter().chain(other).reduce(merge).map_or_else(|| json!([]), |item| json!([item]))
        }
        (Value::String(one), Value::String(other)) => {
            let mut kinds: Vec<&str> = one.split(" | ").chain(other.split(" | ")).collect();
            kinds.sort_unstable();
            kinds.dedup();
            json!(kinds.join(" | "))
        }
        (one, other) => json!(format!("{} | {}", name(&one), name(&other))),
    }
}
