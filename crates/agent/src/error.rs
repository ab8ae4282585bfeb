//! Errors in one sentence, and texts of strangers within them.

pub use dcv_core::error::chain;

/// Somebody else's text, fit for a terminal and a log: what steers either is escaped, and what is too long is cut.
#[must_use]
pub fn plain(text: &str, longest: usize) -> String {
    // Marks of direction turn a line round without being control characters.
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut plain = String::new();
    for c in text.chars().take(longest) {
        match c {
            c if steers(c) => plain.extend(c.escape_default()),
            c => plain.push(c),
        }
    }
    if let more @ 1.. = text.chars().count().saturating_sub(longest) {
        plain.push_str(&format!("… ({more} more characters)"));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_neither_steers_nor_fills_a_terminal() {
        assert_eq!(plain("zone \u{1b}[31m\n\u{202e}é", 100), "zone \\u{1b}[31m\\n\\u{202e}é");
        assert_eq!(plain(&"x".repeat(200_000), 3), "xxx… (199997 more characters)");
    }
}
