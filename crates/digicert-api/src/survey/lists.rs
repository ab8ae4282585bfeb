//! Lists that come as objects with numbers for keys, as they are read.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::model::{Model, Surprise, key};
use crate::wire::{in_order, is_numbered};

/// The answer with such lists as lists, and what is to be told of them. An empty list is an empty answer.
pub(super) fn straightened(model: &Model, body: Value) -> (Value, Vec<Surprise>) {
    let mut places = BTreeSet::new();
    let body = match body {
        Value::Array(items) if items.is_empty() => Value::Object(Map::new()),
        Value::Object(map) => {
            let below = |(name, value): (String, Value)| {
                let straight = straight(model, &key(&name), value, &mut places);
                (name, straight)
            };
            Value::Object(map.into_iter().map(below).collect())
        }
        other => other,
    };
    let told = |path| Surprise {
        path,
        what: "an object with numbers for keys where a list was expected".to_owned(),
        follows: "it is read as that list".to_owned(),
        matters: false,
    };
    (body, places.into_iter().map(told).collect())
}

fn straight(model: &Model, path: &str, value: Value, places: &mut BTreeSet<String>) -> Value {
    match value {
        Value::Object(map) if model.is_list(path) && !map.is_empty() && is_numbered(&map) => {
            places.insert(path.to_owned());
            straight(model, path, Value::Array(in_order(map)), places)
        }
        Value::Object(map) => {
            let below = |(name, value): (String, Value)| {
                let straight = straight(model, &format!("{path}.{}", key(&name)), value, places);
                (name, straight)
            };
            Value::Object(map.into_iter().map(below).collect())
        }
        Value::Array(items) => {
            let path = format!("{path}[]");
            Value::Array(items.into_iter().map(|item| straight(model, &path, item, places)).collect())
        }
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::model::surprises, *};

    /// Lists that are read although they come as objects are compared row by row like others, and no more than noted.
    #[test]
    fn lists_with_numbers_for_keys_are_compared_as_lists() {
        let model = Model::of("orders");
        let body = json!({
            "orders": { "0": { "id": 1, "status": "pending" }, "2": { "id": 2, "status": "musing" }, "5": {} },
            "page": {},
        });
        let (body, told) = straightened(&model, body);
        let [Surprise { path, matters: false, .. }] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(path, "orders");
        let found: Vec<_> = surprises(&model, &body).1;
        let found: Vec<_> = found.iter().map(|found| (found.path.as_str(), found.what.as_str())).collect();
        assert_eq!(
            found,
            [
                ("orders[].id", "absent in 1 of 3"),
                ("orders[].status", "absent in 1 of 3"),
                ("orders[].status", "the word \"musing\" is not known"),
            ]
        );
    }

    /// An answer that cannot be read at all is not one in which all is as expected.
    #[test]
    fn an_answer_that_is_no_object_is_told() {
        let model = Model::of("order");
        for body in [json!(null), json!("text"), json!([{ "id": 1 }])] {
            let (body, _) = straightened(&model, body);
            let (_, found) = surprises(&model, &body);
            assert!(found.iter().any(|found| found.path == "(the whole answer)" && found.matters), "{body}");
        }
        let (empty, _) = straightened(&model, json!([]));
        let (_, found) = surprises(&model, &empty);
        assert!(found.iter().any(|found| found.path == "status" && found.matters), "{found:?}");
    }
}
