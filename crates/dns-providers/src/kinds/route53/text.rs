//! How Route 53 writes TXT data: character-strings in double quotes, `\"` and `\\`, other octets as `\ooo` in octal.

/// The texts of all character-strings, joined.
pub(super) fn unquote(value: &str) -> String {
    let mut joined = Vec::with_capacity(value.len());
    let mut quoted = false;
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'"' => quoted = !quoted,
            b' ' | b'\t' if !quoted => {}
            b'\\' => rest = escape(tail, &mut joined),
            other => joined.push(*other),
        }
    }
    String::from_utf8_lossy(&joined).into_owned()
}

fn escape<'a>(tail: &'a [u8], joined: &mut Vec<u8>) -> &'a [u8] {
    match tail {
        [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
            joined.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
            rest
        }
        [literal, rest @ ..] => {
            joined.push(*literal);
            rest
        }
        [] => tail,
    }
}

/// One character-string.
pub(super) fn quote(text: &str) -> String {
    let mut value = String::with_capacity(text.len() + 2);
    value.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => value.extend(['\\', char::from(byte)]),
            b' '..=b'~' => value.push(char::from(byte)),
            other => value.push_str(&format!("\\{other:03o}")),
        }
    }
    value.push('"');
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_comes_back() {
        for text in ["plain", "a \"b\" c", "back\\slash", "\u{7f}tab\t", "grün", "", "\\101"] {
            assert_eq!(unquote(&quote(text)), text);
        }
        assert_eq!(quote("a\"b\\c"), r#""a\"b\\c""#);
    }

    #[test]
    fn foreign_forms_are_read() {
        assert_eq!(unquote(r#""v=spf1 include:a" " -all""#), "v=spf1 include:a -all");
        assert_eq!(unquote(r#""\101\102" "\344""#), "AB\u{fffd}");
        assert_eq!(unquote("bare"), "bare");
        assert_eq!(unquote("\"open\\"), "open", "a broken value must not panic");
    }
}
