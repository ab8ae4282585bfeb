//! Keys that nobody knows, and the ones that were probably meant; values that fit nowhere, which are not repeated.

/// Takes the field and the expected ones from serde's message, the only place where they are.
pub(super) fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.split("unknown field `").nth(1)?;
    let mut quoted = rest.split('`').step_by(2).map(str::to_owned);
    let field = quoted.next()?;
    let expected = rest.split('`').skip(2).step_by(2).map(str::to_owned).collect();
    Some((field, expected))
}

/// A sentence about an unknown key, with the one that was probably meant.
pub(super) fn unknown(field: &str, expected: &[String]) -> String {
    let near = expected.iter().map(|known| (strsim::damerau_levenshtein(field, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 3 => format!("unknown key; did you mean {known:?}?"),
        Some(_) => format!("unknown key; known here: {}", expected.join(", ")),
        None => "unknown key".to_owned(),
    }
}

/// Serde's message without the value that it is about: who mistook one key for another may have written a secret there.
pub(super) fn without_value(message: &str) -> String {
    let Some((problem, rest)) =
        message.split_once(": ").filter(|(problem, _)| problem.starts_with("invalid "))
    else {
        return message.to_owned();
    };
    // The value comes first and may hold anything; what was expected comes last and is serde's or ours.
    let Some((found, expected)) = rest.rsplit_once(", expected ") else { return problem.to_owned() };
    let kind = found.split(['"', '`']).next().unwrap_or_default().trim_end();
    format!("{problem}: {kind}, expected {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_repeated() {
        for (message, expected) in [
            (
                "invalid type: string \"CA, expected NARY\", expected u64",
                "invalid type: string, expected u64",
            ),
            ("invalid value: integer `7`, expected u8", "invalid value: integer, expected u8"),
            ("invalid type: map, expected a string", "invalid type: map, expected a string"),
            ("invalid digit found in CANARY", "invalid digit found in CANARY"),
            ("invalid type: string \"CANARY\"", "invalid type"),
            ("missing field `server`", "missing field `server`"),
        ] {
            assert_eq!(without_value(message), expected);
        }
    }
}
