//! Problems that were found in a configuration.

use url::Url;

/// Each with the key that it is about.
pub(super) type Found = Vec<(String, String)>;

/// Reads a URL. It is not repeated: a mistyped one may hold a password.
pub(super) fn check_url(key: &str, text: &str, found: &mut Found) -> Option<Url> {
    Url::parse(text).map_err(|error| found.push((key.to_owned(), format!("is not a URL: {error}")))).ok()
}
