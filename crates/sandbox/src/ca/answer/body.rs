//! What a call sends.

use serde::de::DeserializeOwned;

use crate::ca::reply::Refusal;

/// Reads a JSON body; an empty one counts as `{}`.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|_| Refusal::bad_request("bad_request_format", "The request body could not be read."))
}
