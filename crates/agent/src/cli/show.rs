//! Writing to the terminal: the one place that prints.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};

use serde::Serialize;

use crate::engine::Report;

/// What is well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// What will hurt, or may.
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();
/// What is wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is there for completeness.
pub(super) const DIM: Style = Style::new().dimmed();
/// Headings.
pub(super) const HEAD: Style = Style::new().bold();

/// Text in a style; [`line`] takes the style away where the output is no terminal.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A result, on standard output. A closed pipe is not our problem.
pub(super) fn line(text: &str) {
    let _ = writeln!(anstream::stdout().lock(), "{text}");
}

/// Progress, on standard error.
pub(super) fn progress(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A problem, on standard error, one per line.
pub(super) fn problem(message: &str) {
    for line in message.lines() {
        progress(&format!("dcv-agent: {line}"));
    }
}

/// One JSON document on standard output.
pub(super) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(&text),
        Err(error) => problem(&format!("the result cannot be written as JSON: {error}")),
    }
}

/// The table of orders.
pub(super) fn table(reports: &[Report]) {
    let width = reports.iter().map(|report| report.order.to_string().len()).max().unwrap_or(0).max(5);
    line(&format!("{:width$}  {:8}  {:22}  detail", "order", "outcome", "reason"));
    for report in reports {
        let outcome = format!("{:?}", report.outcome).to_lowercase();
        line(&format!(
            "{:width$}  {outcome:8}  {:22}  {}",
            report.order.to_string(),
            report.reason.code(),
            report.detail
        ));
    }
}
