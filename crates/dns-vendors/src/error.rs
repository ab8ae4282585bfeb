//! What went wrong, as far as the library's errors tell: some are kinds, most are texts with an HTTP status in front.

use std::{fmt, time::Duration};

use dns_update::Error as Library;

/// Longest text of a vendor that is passed on, in characters.
const SHOWN: usize = 240;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A setting is missing or cannot be used; nobody was asked.
    Setting,
    /// No https client can be made on this system.
    NoClient,
    /// The vendor does not take the credentials: HTTP 401.
    Unauthorized,
    /// There is no such thing: HTTP 404, or what a vendor's part takes for it.
    NotFound,
    /// Another HTTP status.
    Status(u16),
    /// The request did not arrive, or the answer did not.
    Unreachable,
    /// The answer is not what the vendor's documents say.
    Unreadable,
    /// The library refuses what it was asked for.
    Unsupported,
    /// The vendor, or its part of the library, said no without a status.
    Said,
}

/// What went wrong, and what the vendor said. The text may repeat secrets: see [`Given::without_values`](crate::Given::without_values).
#[derive(Clone, Debug)]
pub struct Error {
    what: What,
    text: String,
    retry_after: Option<Duration>,
}

impl Error {
    /// What went wrong, and what the vendor said of it.
    #[must_use]
    pub fn new(what: What, text: impl AsRef<str>) -> Self {
        Self { what, text: plain(text.as_ref()), retry_after: None }
    }

    /// Adds when the vendor wants to be asked again.
    #[must_use]
    pub const fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// When the vendor wants to be asked again. The library obeys that itself and does not hand it on.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What went wrong.
    #[must_use]
    pub const fn what(&self) -> What {
        self.what
    }

    /// What the vendor or the library said: one line, of at most 240 characters, without addresses' queries.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn from_library(error: Library) -> Self {
        match error {
            Library::Unauthorized => Self::new(What::Unauthorized, ""),
            Library::NotFound => Self::new(What::NotFound, ""),
            Library::BadRequest => Self::new(What::Status(400), ""),
            Library::InvalidRegion => Self::new(What::Setting, "region is not one"),
            Library::Unsupported(text) => Self::new(What::Unsupported, text),
            // What follows is the answer, which may be one to a login.
            Library::Serialize(text) | Library::Parse(text) => {
                Self::new(What::Unreadable, text.split(" (body: ").next().unwrap_or_default())
            }
            Library::Client(text) => Self::new(What::Setting, text),
            Library::Api(text) | Library::Protocol(text) | Library::Response(text) => Self::from_text(&text),
            other => Self::new(What::Said, other.to_string()),
        }
    }

    /// `HTTP 429: {…}`, `BadRequest {…}`, `Failed to send request to https://…: …`, words of a vendor, or any of these after words
    /// of the vendor's part.
    fn from_text(text: &str) -> Self {
        if ["Failed to send request", "Failed to read response"].iter().any(|words| text.contains(words)) {
            return Self::new(What::Unreachable, text);
        }
        for (before, _) in text.match_indices("HTTP ") {
            let rest = text.get(before + "HTTP ".len()..).unwrap_or_default();
            let (status, said) = rest.split_at_checked(3).unwrap_or((rest, ""));
            if let Ok(status @ 100..=599) = status.parse() {
                return Self::new(What::Status(status), said.trim_start_matches(':'));
            }
        }
        if let Some((_, said)) = text.split_once("BadRequest") {
            return Self::new(What::Status(400), said);
        }
        let what = if text.trim_end().ends_with("Unauthorized") { What::Unauthorized } else { What::Said };
        Self::new(what, text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

/// One line of bounded length, and no query of any address: some vendors take keys there.
fn plain(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let without_query = |word: &str| match word.split_once('?') {
        Some((address, _)) if address.contains("://") => format!("{address}?…"),
        _ => word.to_owned(),
    };
    let line = words.map(without_query).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms are those of `http.rs` in dns-update 0.6.1: should a newer version word them otherwise, classes would be lost.
    #[test]
    fn the_status_is_read_from_the_text() {
        for (error, what, text) in [
            (
                Library::Api("HTTP 429: {\"message\":\"slow\"}".into()),
                What::Status(429),
                "{\"message\":\"slow\"}",
            ),
            (Library::Api("HTTP 503".into()), What::Status(503), ""),
            (Library::Api("BadRequest {}".into()), What::Status(400), "{}"),
            (Library::Api("BadRequest".into()), What::Status(400), ""),
            (
                Library::Api("Failed to send request to https://a.example/x?key=canary: error".into()),
                What::Unreachable,
                "Failed to send request to https://a.example/x?… error",
            ),
            (
                Library::Api("X lookup failed: Failed to send request to https://a/: e".into()),
                What::Unreachable,
                "X lookup failed: Failed to send request to https://a/: e",
            ),
            (
                Library::Api("X lookup failed: Unauthorized".into()),
                What::Unauthorized,
                "X lookup failed: Unauthorized",
            ),
            (Library::Api("X: HTTP 500: oops".into()), What::Status(500), "oops"),
            (
                Library::Serialize("bad JSON (body: {\"token\":\"canary\"})".into()),
                What::Unreadable,
                "bad JSON",
            ),
            (Library::Api("no\nsuch\tdomain".into()), What::Said, "no such domain"),
            (Library::Unauthorized, What::Unauthorized, ""),
            (Library::NotFound, What::NotFound, ""),
            (Library::Serialize("Failed to deserialize".into()), What::Unreadable, "Failed to deserialize"),
        ] {
            let error = Error::from_library(error);
            assert_eq!((error.what(), error.text()), (what, text));
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let error = Error::new(What::Said, "ü".repeat(10_000));
        assert_eq!(error.text().chars().count(), SHOWN + 1);
    }
}
