//! Writing to the terminal: the one place that prints.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};

use jiff::Timestamp;
use serde::Serialize;

use crate::{clock, engine::Status};

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

/// How long it is until a time, for people: in days and hours, hours and minutes, or minutes.
pub(super) fn until(at: Timestamp, now: Timestamp) -> String {
    let minutes = at.duration_since(now).as_secs() / 60;
    match minutes {
        ..0 => "past".to_owned(),
        0..60 => format!("{minutes} min"),
        60..1440 => format!("{} h {} min", minutes / 60, minutes % 60),
        1440.. => format!("{} d {} h", minutes / 1440, minutes / 60 % 24),
    }
}

/// The table of orders.
pub(super) fn table(reports: &[Status]) {
    let width = reports.iter().map(|report| report.order.to_string().len()).max().unwrap_or(0).max(5);
    line(&format!("{:width$}  {:8}  {:22}  {:12}  detail", "order", "outcome", "reason", "slack"));
    let now = clock::now();
    for report in reports {
        let outcome = format!("{:?}", report.outcome).to_lowercase();
        let slack = report.deadline.map_or_else(String::new, |deadline| until(deadline, now));
        line(&format!(
            "{:width$}  {outcome:8}  {:22}  {slack:12}  {}",
            report.order.to_string(),
            report.reason.code(),
            report.detail
        ));
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn slack_reads_in_the_unit_that_matters() {
        let now = Timestamp::UNIX_EPOCH;
        let after = |seconds| until(now + SignedDuration::from_secs(seconds), now);
        assert_eq!(after(-3600), "past");
        assert_eq!(after(59), "0 min");
        assert_eq!(after(3599), "59 min");
        assert_eq!(after(3660), "1 h 1 min");
        assert_eq!(after(86_400 * 12 + 3600 * 5 + 59), "12 d 5 h");
    }
}
