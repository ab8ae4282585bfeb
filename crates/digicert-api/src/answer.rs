//! The CA's no: its error document, and how foreign text is shown.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// How much of what the CA wrote is kept for people to read.
const EXCERPT: usize = 200;
/// What every code has that is about a bad key.
const INVALID_KEY: &str = "invalid_key";

/// What the CA said when it said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    code: Option<String>,
    message: String,
    /// Whether it is the CA's error document, and not a page of something in between.
    is_the_cas: bool,
}

impl Answer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The CA's code, with its qualifier (`not_found|order`).
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The CA's words, or the beginning of a body that is no error document. Bounded, without control characters.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Reads an error document: `errors` as a list or a single object; anything else is shown as it is.
    pub(crate) fn read(status: u16, body: &[u8], key: &str) -> Self {
        let document: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let items: Vec<Complaint> = match document.get("errors") {
            Some(Value::Array(items)) => items.iter().filter_map(Complaint::read).collect(),
            Some(item) => Complaint::read(item).into_iter().collect(),
            None => Vec::new(),
        };
        let codes = || items.iter().filter_map(|item| item.code.as_ref());
        // Whatever else is wrong, a key that is refused is what has to be mended first.
        let code = codes().find(|code| code.contains(INVALID_KEY)).or_else(|| codes().next()).cloned();
        let is_the_cas = !items.is_empty();
        let message = if items.is_empty() {
            excerpt(&String::from_utf8_lossy(body), Some(key))
        } else {
            let messages: Vec<_> = items.into_iter().filter_map(|item| item.message).collect();
            excerpt(&messages.join("; "), Some(key))
        };
        Self { status, code: code.map(|code| excerpt(&code, Some(key))), message, is_the_cas }
    }

    /// Whether something in between said it, and not the CA. Without a word, a 400 or 401 is at least as likely the
    /// CA's: a check that misses, and a bad key.
    pub(crate) fn is_of_a_gateway(&self) -> bool {
        let without_a_word = self.message.is_empty() && matches!(self.status, 400 | 401);
        !self.is_the_cas && !without_a_word
    }

    /// Whether the code is about a bad key: `access_denied|access_denied_invalid_key` and its like.
    pub(crate) fn is_about_the_key(&self) -> bool {
        self.says(INVALID_KEY)
    }

    /// Whether the code contains this word.
    pub(crate) fn says(&self, word: &str) -> bool {
        self.code().is_some_and(|code| code.contains(word))
    }

    /// Compares the whole code and the part before its qualifier.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code().is_some_and(|ours| ours == code || ours.split('|').next() == Some(code))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        match self.message.as_str() {
            "" => Ok(()),
            message => write!(f, ": {message}"),
        }
    }
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(default, deserialize_with = "crate::wire::text")]
    code: Option<String>,
    #[serde(default, deserialize_with = "crate::wire::text")]
    message: Option<String>,
}

impl Complaint {
    fn read(item: &Value) -> Option<Self> {
        match item {
            Value::Object(_) => Self::deserialize(item).ok(),
            Value::String(text) => Some(Self { code: None, message: Some(text.clone()) }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        }
    }
}

/// The first 200 characters of foreign text in one line, with control characters as blanks and the key left out.
pub(crate) fn excerpt(text: &str, key: Option<&str>) -> String {
    let key = key.filter(|key| !key.is_empty());
    let mut line = String::new();
    let mut length = 0;
    // Read on by a key's length, so that a key across the cut is recognised.
    let enough = EXCERPT + key.map_or(0, str::len) + 1;
    for c in text.chars() {
        let blank = c.is_whitespace() || c.is_control() || is_invisible(c);
        if blank && (line.is_empty() || line.ends_with(' ')) {
            continue;
        }
        line.push(if blank { ' ' } else { c });
        length += 1;
        if length >= enough {
            break;
        }
    }
    if let Some(key) = key {
        // As long as the key, so that nothing from beyond the cut moves in front of it.
        line = line.replace(key, &"*".repeat(key.len()));
    }
    let line = line.trim_end();
    match line.char_indices().nth(EXCERPT) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}

/// An excerpt of `most` characters at the most, for foreign text amid other text.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let line = excerpt(text, None);
    match line.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", line[..cut].trim_end()),
        None => line,
    }
}

/// Characters that would change how the rest of a log line looks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects logs and terminals: foreign text is one bounded line.
    #[test]
    fn an_excerpt_is_one_bounded_line() {
        assert_eq!(excerpt(" <html>\r\n\t<b>\u{1b}[31mno\u{202e}\0 ", None), "<html> <b> [31mno");
        assert_eq!(excerpt(&"é".repeat(5000), None).chars().count(), EXCERPT + 1);
        assert_eq!(excerpt("", Some("")), "");
    }

    /// Protects the key: an echo of it is cut out, also where it lies across the cut.
    #[test]
    fn an_excerpt_never_contains_the_key() {
        let key = "CANARY0123456789";
        for before in 0..EXCERPT + 5 {
            let shown = excerpt(&format!("{}{key}{key} after", "x".repeat(before)), Some(key));
            assert!(!shown.contains("CANARY0"), "{before}: {shown}");
        }
    }

    /// Protects the reading of codes: whole first, then without the qualifier.
    #[test]
    fn codes_compare_with_and_without_their_qualifier() {
        let answer = Answer::read(404, br#"{"errors":[{"code":"not_found|order","message":"No."}]}"#, "k");
        assert!(answer.is("not_found|order") && answer.is("not_found") && !answer.is("not_found|route"));
        assert_eq!(answer.to_string(), "HTTP 404, not_found|order: No.");
    }

    /// Protects against every envelope seen or feared: list, single object, bare texts, HTML, nothing.
    #[test]
    fn error_documents_of_every_shape_are_read() {
        let cases: [(&str, Option<&str>, &str); 8] = [
            (r#"{"errors":{"code":"a","message":"m"}}"#, Some("a"), "m"),
            (r#"{"errors":[{"message":"m"},{"code":"b","message":"n"}]}"#, Some("b"), "m; n"),
            (r#"{"errors":["plain"]}"#, None, "plain"),
            (r#"{"errors":[]}"#, None, r#"{"errors":[]}"#),
            (r#"{"errors":[{"code":7,"message":null}]}"#, Some("7"), ""),
            ("<html><title>502</title>", None, "<html><title>502</title>"),
            ("", None, ""),
            ("[1]", None, "[1]"),
        ];
        for (body, code, message) in cases {
            let answer = Answer::read(500, body.as_bytes(), "k#");
            assert_eq!((answer.code(), answer.message()), (code, message), "{body}");
        }
    }
}
