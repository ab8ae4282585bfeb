//! Keys that nobody knows, and the ones that were probably meant.

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
