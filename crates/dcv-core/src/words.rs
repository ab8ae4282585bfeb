//! Lists in sentences.

use std::fmt::Display;

/// At most five items, then how many more.
#[must_use]
pub fn list(items: &[impl Display]) -> String {
    let mut text = items.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if items.len() > 5 {
        text.push_str(&format!(" and {} more", items.len() - 5));
    }
    text
}
