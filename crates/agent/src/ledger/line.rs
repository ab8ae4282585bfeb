//! One line of the ledger: how it is written, and how a whole line is told from a torn and from a changed one.
//!
//! `{"n":7,"at":"…","event":"asked",…,"prev":"<hash of line 6>","sum":"<hash of this line up to here>"}`. `prev` ties the
//! lines together; `sum` covers the last line too, which no other line follows yet.

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Map, Value, error::Category};

use super::Event;

/// The longest line, its newline included.
pub(super) const MAX_LINE: usize = 256 * 1024;
/// What the first line of all follows.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const SUM: &str = ",\"sum\":\"";
const SUM_LENGTH: usize = SUM.len() + GENESIS.len() + "\"}".len();

/// Where a line stands in the chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) n: u64,
    pub(super) at: Timestamp,
    /// The former file's name, on the first line of a file.
    pub(super) former: Option<&'a str>,
    pub(super) prev: &'a str,
}

#[derive(Serialize)]
struct Draft<'a> {
    n: u64,
    at: Timestamp,
    #[serde(flatten)]
    event: &'a Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    former: Option<&'a str>,
    prev: &'a str,
}

/// A whole line. The event's own fields are not interpreted, so that a newer agent's ledger can be verified as well.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Line {
    /// Its number, from 1 on over all files.
    pub n: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What kind of event it tells.
    pub event: String,
    /// The file before, on the first line of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
    /// The hash of the line before.
    pub prev: String,
    /// The event's own fields, and `sum`.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl Line {
    /// A field's text; empty where it is none.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The order that the line is about, if any.
    #[must_use]
    pub fn order(&self) -> Option<u64> {
        self.fields.get("order").and_then(Value::as_u64)
    }
}

/// What is wrong with a line by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The beginning of a line, as a crash leaves it.
    Torn,
    /// Anything else; no crash does that.
    Changed,
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(GENESIS.len());
    for byte in digest::digest(&digest::SHA256, bytes).as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The line's text without its newline; `None` when it would be too long.
pub(super) fn compose(event: &Event, place: Place<'_>) -> serde_json::Result<Option<String>> {
    let mut event = event.clone();
    loop {
        let Place { n, at, former, prev } = place;
        let mut text = serde_json::to_string(&Draft { n, at, event: &event, former, prev })?;
        if text.len() + SUM_LENGTH < MAX_LINE {
            text.pop();
            let sum = hash(text.as_bytes());
            text.push_str(SUM);
            text.push_str(&sum);
            text.push_str("\"}");
            return Ok(Some(text));
        }
        if !event.shorten() {
            return Ok(None);
        }
    }
}

/// Reads a line without its newline.
pub(super) fn parse(bytes: &[u8]) -> Result<Line, Fault> {
    if summed(bytes) {
        return serde_json::from_slice(bytes).map_err(|_| Fault::Changed);
    }
    // After a power failure a file may end in zeros where data never reached the disk.
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    match serde_json::from_slice::<IgnoredAny>(&bytes[..end]) {
        Err(error) if error.classify() == Category::Eof => Err(Fault::Torn),
        Ok(_) | Err(_) => Err(Fault::Changed),
    }
}

fn summed(bytes: &[u8]) -> bool {
    let Some((body, tail)) = bytes.len().checked_sub(SUM_LENGTH).map(|at| bytes.split_at(at)) else {
        return false;
    };
    let sum = tail.strip_prefix(SUM.as_bytes()).and_then(|rest| rest.strip_suffix(b"\"}"));
    sum.is_some_and(|sum| sum == hash(body).as_bytes())
}
