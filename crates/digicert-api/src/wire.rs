//! Tolerant readers: what a field may look like on the wire, and what we make of it.
//!
//! None of the field readers fails, but for lists that are longer than any can be. A field that is absent, `null` or of another kind than expected reads as
//! "nothing"; numbers may come as text and the other way round; unknown fields are skipped. Only a body that is
//! no JSON object at all is refused. The documentation contradicts itself often enough to make that necessary.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::{Map, Value};

/// More items than any list has: pages have a thousand rows, and what changed within a week is less than this.
const MOST_ITEMS: usize = 100_000;

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) struct Misread {
    pub(crate) problem: &'static str,
    pub(crate) source: Option<serde_json::Error>,
}

/// Reads a JSON object; `[]` passes for `{}`, as some back ends write an empty object so.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Misread> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|source| Misread { problem: "it is no JSON", source: Some(source) })?;
    let value = match value {
        Value::Array(items) if items.is_empty() => Value::Object(Map::new()),
        Value::Object(_) => value,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(Misread { problem: "it is no JSON object", source: None });
        }
    };
    T::deserialize(value)
        .map_err(|source| Misread { problem: "it has an unexpected shape", source: Some(source) })
}

/// Yes or no: `true`, `1`, `"1"`, `"true"` and their opposites.
pub(crate) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Bool(flag) => Some(flag),
        other => text_of(other).and_then(|text| match text.to_ascii_lowercase().as_str() {
            "1" | "true" => Some(true),
            "0" | "false" => Some(false),
            _ => None,
        }),
    })
}

/// An id, as a number or as text.
pub(crate) fn id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

/// Text without surrounding blanks; blank text is absent, a number is its digits.
pub(crate) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(text_of(Value::deserialize(from)?))
}

/// A list of texts without its blanks; a lone text is a list of one.
pub(crate) fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(items(Value::deserialize(from)?)?.into_iter().filter_map(text_of).collect())
}

/// A list of objects; what is no such object is left out.
pub(crate) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(items(Value::deserialize(from)?)?.into_iter().filter_map(object_of).collect())
}

/// As [`list`], for lists of which every item counts: what is no such object reads as one that says nothing.
pub(crate) fn parts<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    let items = items(Value::deserialize(from)?)?.into_iter().filter(|item| !item.is_null());
    Ok(items.map(|item| object_of(item).unwrap_or_default()).collect())
}

/// The items of a list. Some back ends write a list with a gap as an object with numbers for keys, and one without items as
/// an object without keys; what is no list is one of one item.
fn items<E: serde::de::Error>(value: Value) -> Result<Vec<Value>, E> {
    let items = match value {
        Value::Array(items) => items,
        Value::Object(map) if is_numbered(&map) => in_order(map),
        lone => vec![lone],
    };
    // Each takes a hundred times its two octets once it is read.
    if items.len() > MOST_ITEMS { Err(E::custom("a list of more than 100,000 items")) } else { Ok(items) }
}

/// Whether an object stands for a list.
pub(crate) fn is_numbered(map: &Map<String, Value>) -> bool {
    map.keys().all(|key| key.parse::<u64>().is_ok())
}

/// The items of an object that stands for a list.
pub(crate) fn in_order(map: Map<String, Value>) -> Vec<Value> {
    let mut numbered: Vec<_> =
        map.into_iter().map(|(key, item)| (key.parse::<u64>().unwrap_or(u64::MAX), item)).collect();
    numbered.sort_by_key(|(number, _)| *number);
    numbered.into_iter().map(|(_, item)| item).collect()
}

/// An object, or an empty one.
pub(crate) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(object_of(Value::deserialize(from)?).unwrap_or_default())
}

/// A point in time in any of the forms of [`timestamp_of`].
pub(crate) fn timestamp<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(raw) = text_of(Value::deserialize(from)?) else { return Ok(None) };
    let at = timestamp_of(&raw);
    if at.is_none() {
        tracing::debug!(raw = %crate::answer::excerpt(&raw, None), "skipping a date that cannot be read");
    }
    Ok(at)
}

/// A calendar day; of a point in time, its day in UTC.
pub(crate) fn date<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Date>, D::Error> {
    Ok(text_of(Value::deserialize(from)?).and_then(|raw| {
        timestamp_of(&raw).map(|at| Offset::UTC.to_datetime(at).date()).or_else(|| raw.parse().ok())
    }))
}

/// Reads `2026-12-23T16:25:52+00:00`, `…Z`, fractions, `-0700`, and, as UTC, forms without an offset
/// (`2023-02-24 16:25:52`, `2023-02-24`).
pub(crate) fn timestamp_of(raw: &str) -> Option<Timestamp> {
    let raw = raw.trim();
    raw.parse().ok().or_else(|| {
        // `DateTime` would silently skip a bracketed time zone.
        let local: DateTime = if raw.contains('[') { return None } else { raw.parse().ok()? };
        Offset::UTC.to_timestamp(local).ok()
    })
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let trimmed = text.trim();
            (!trimmed.is_empty()).then(|| trimmed.to_owned())
        }
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn object_of<T: DeserializeOwned>(value: Value) -> Option<T> {
    // A derived reader would take an array for a struct, field by field.
    if value.is_object() { T::deserialize(value).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects the names of an order: a list that comes as an object with numbers for keys is read in their order.
    #[test]
    fn a_list_with_numbers_for_keys_is_a_list() {
        #[derive(serde::Deserialize)]
        struct Lists {
            #[serde(deserialize_with = "texts")]
            names: Vec<String>,
            #[serde(deserialize_with = "list")]
            rows: Vec<Row>,
        }
        #[derive(serde::Deserialize, PartialEq, Debug)]
        struct Row {
            n: u8,
        }
        let body = br#"{"names": {"10": "c", "2": "b", "0": "a"}, "rows": {"1": {"n": 2}, "0": {"n": 1}}}"#;
        let Lists { names, rows } = read(body).expect("lists");
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(rows, [Row { n: 1 }, Row { n: 2 }]);
        let Lists { names, rows } = read(br#"{"names": "lone", "rows": {"n": 7}}"#).expect("lone ones");
        assert_eq!((names, rows), (vec!["lone".to_owned()], vec![Row { n: 7 }]));
    }

    /// Protects memory: a body within its bounds may hold millions of rows without content.
    #[test]
    fn a_list_without_end_is_refused() {
        #[derive(serde::Deserialize)]
        struct Lists {
            #[serde(deserialize_with = "list")]
            rows: Vec<Map<String, Value>>,
        }
        let body = |rows: usize| format!(r#"{{"rows":[{}]}}"#, vec!["{}"; rows].join(","));
        assert_eq!(read::<Lists>(body(1000).as_bytes()).expect("a page").rows.len(), 1000);
        assert!(read::<Lists>(body(MOST_ITEMS + 1).as_bytes()).is_err());
    }

    /// Protects the expiry timer: every form of time stamp seen or documented is the same instant.
    #[test]
    fn every_form_of_a_time_stamp_is_read() {
        let noon: Timestamp = "2026-12-23T16:25:52Z".parse().expect("time");
        for raw in [
            "2026-12-23T16:25:52+00:00",
            "2026-12-23T16:25:52Z",
            " 2026-12-23T16:25:52Z\n",
            "2026-12-23T16:25:52.000Z",
            "2026-12-23T16:25:52.000000+00:00",
            "2026-12-23T09:25:52-0700",
            "2026-12-23T09:25:52-07:00",
            "2026-12-23 16:25:52",
            "2026-12-23T16:25:52",
        ] {
            assert_eq!(timestamp_of(raw), Some(noon), "{raw}");
        }
        assert_eq!(timestamp_of("2026-12-23"), "2026-12-23T00:00:00Z".parse().ok());
    }

    /// Protects against a failure where a shrug will do: what is no date is no date.
    #[test]
    fn garbage_is_no_date() {
        for raw in [
            "",
            "soon",
            "0000-00-00 00:00:00",
            "2026-13-45T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59+00:00",
            "2026-12-23T16:25:52[America/Denver]",
            "1766507152",
            "２０２６-12-23",
        ] {
            assert_eq!(timestamp_of(raw), None, "{raw}");
        }
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default)]
    struct Sample {
        #[serde(deserialize_with = "id")]
        id: Option<u64>,
        #[serde(deserialize_with = "text")]
        text: Option<String>,
        #[serde(deserialize_with = "texts")]
        texts: Vec<String>,
        #[serde(deserialize_with = "list")]
        list: Vec<Self>,
        #[serde(deserialize_with = "timestamp")]
        at: Option<Timestamp>,
        #[serde(deserialize_with = "date")]
        day: Option<Date>,
    }

    fn sample(body: &str) -> Sample {
        read(body.as_bytes()).expect(body)
    }

    /// Protects against type drift: ids and texts are read from either kind.
    #[test]
    fn numbers_and_texts_are_interchangeable() {
        assert_eq!(sample(r#"{"id": "17", "text": 3}"#), sample(r#"{"id": 17, "text": " 3 "}"#));
        assert_eq!(
            sample(r#"{"day": "2027-01-02"}"#),
            sample(r#"{"day": "2027-01-02T23:00:00-01:00"}"#).shift()
        );
    }

    impl Sample {
        /// One o'clock at night further east is the day before.
        fn shift(mut self) -> Self {
            self.day = self.day.and_then(|day| day.yesterday().ok());
            self
        }
    }

    /// Protects against one odd field spoiling an answer: a field of the wrong kind reads as absent.
    #[test]
    fn a_field_of_the_wrong_kind_is_absent() {
        for odd in ["null", "true", "[[]]", "{\"a\":1}", "-1.5e3", "\"\""] {
            let odd = sample(&format!(r#"{{"id": {odd}, "at": {odd}, "day": {odd}, "extra": {odd}}}"#));
            assert_eq!(odd, Sample::default());
        }
        let body = r#"{"texts": [" a ", "", " ", null, 7, {}], "list": [null, 1, ["x"], {"id": 1}]}"#;
        assert_eq!(sample(body).texts, ["a", "7"]);
        assert_eq!(sample(body).list.len(), 1);
        assert_eq!(sample(r#"{"texts": "a", "list": {"id": 1}}"#).list.len(), 1);
    }

    /// Protects the notion of "undecodable": no object, no answer.
    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["", "null", "7", "\"a\"", "[1]", "{", "<html>", "id,status\n1,pending"] {
            read::<Sample>(body.as_bytes()).expect_err(body);
        }
        assert_eq!(sample("[]"), Sample::default());
    }
}
