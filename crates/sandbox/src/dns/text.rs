//! TXT values and the strings that they are made of.

use hickory_proto::rr::RData;

/// The strings of a TXT record, joined; `None` for other types.
pub(super) fn text_of(data: &RData) -> Option<String> {
    let RData::TXT(txt) = data else { return None };
    Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned())
}

/// Splits a TXT value into strings that fit the 255 octets of a `<character-string>`.
pub(super) fn chunks(value: &str) -> Vec<&[u8]> {
    if value.is_empty() { vec![b"".as_slice()] } else { value.as_bytes().chunks(255).collect() }
}
