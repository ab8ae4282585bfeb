//! Errors in one sentence.

use std::error::Error;

/// An error with its causes, each once: some errors of others repeat their causes in their own text.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failed {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn each_cause_is_said_once() {
        let inner = Failed { text: "no route", source: None };
        let repeating = Failed { text: "connect: no route", source: Some(Box::new(inner)) };
        let outer = Failed { text: "the CA cannot be reached", source: Some(Box::new(repeating)) };
        assert_eq!(chain(&outer), "the CA cannot be reached: connect: no route");
    }
}
