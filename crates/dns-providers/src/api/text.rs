//! TXT data as a zone file writes it (RFC 1035 section 5.1): character-strings, `\X` and `\DDD` for single octets.

/// The texts of all character-strings, joined. What has no quotes at its start is taken as it is, since some APIs leave
/// them out.
pub(crate) fn plain(content: &str) -> String {
    let content = content.trim();
    if content.starts_with('"') { unquote(content) } else { content.to_owned() }
}

/// One character-string, for kinds that write such text themselves. For values that need no escaping.
#[cfg(any(feature = "cloudflare", feature = "powerdns", feature = "webhook"))]
pub(crate) fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}

fn unquote(content: &str) -> String {
    let mut joined = Vec::with_capacity(content.len());
    let mut in_quotes = false;
    let mut rest = content.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'"' => in_quotes = !in_quotes,
            b' ' | b'\t' if !in_quotes => {}
            b'\\' => rest = escape(tail, &mut joined),
            other => joined.push(*other),
        }
    }
    String::from_utf8_lossy(&joined).into_owned()
}

fn escape<'a>(tail: &'a [u8], joined: &mut Vec<u8>) -> &'a [u8] {
    if let [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = tail {
        let number = u32::from(a - b'0') * 100 + u32::from(b - b'0') * 10 + u32::from(c - b'0');
        if let Ok(octet) = u8::try_from(number) {
            joined.push(octet);
            return rest;
        }
    }
    match tail {
        [literal, rest @ ..] => {
            joined.push(*literal);
            rest
        }
        [] => tail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One value, however the vendor writes it: what was read has to be equal to what was published.
    #[test]
    fn quoted_and_bare_content_are_the_same_value() {
        for (content, text) in [
            ("\"abc\"", "abc"),
            ("abc", "abc"),
            ("\"ab\" \"c\"", "abc"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r#""gr\195\188n \300""#, "grün 300"),
            ("v=spf1 -all", "v=spf1 -all"),
            ("\"open\\", "open"),
            ("", ""),
        ] {
            assert_eq!(plain(content), text, "{content}");
        }
        #[cfg(any(feature = "cloudflare", feature = "powerdns", feature = "webhook"))]
        assert_eq!(plain(&quoted("value")), "value");
    }
}
