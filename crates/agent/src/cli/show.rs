//! What commands have to say, and the one place that prints it.

use std::{collections::BTreeMap, io::Write as _};

use anstyle::{AnsiColor, Style};
use dcv_core::Outcome;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    board::Status,
    clock,
    error::plain,
    exit::{Exit, Failed},
};

/// How much of one line of a problem is shown: it may repeat a configuration, or what an answer says.
const LINE: usize = 2000;

/// How many orders are shown that wait for the same settings or credentials.
const ALIKE: usize = 3;

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

/// What a command has to say: a page for standard output, and how the process ends.
#[derive(Debug)]
pub(super) struct Answer {
    page: Page,
    exit: Exit,
}

impl Answer {
    /// A page, and how the process ends.
    pub(super) const fn new(page: Page, exit: Exit) -> Self {
        Self { page, exit }
    }

    /// Prints it.
    pub(super) fn print(self) -> Exit {
        // A closed pipe is not our problem.
        let _ = write!(anstream::stdout().lock(), "{}", self.page.0);
        self.exit
    }
}

/// Lines for standard output.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// One JSON document.
    pub(super) fn json(value: &impl Serialize) -> Result<Self, Failed> {
        let text = serde_json::to_string_pretty(value).map_err(|error| Failed {
            exit: Exit::Bug,
            message: format!("the result cannot be written as JSON: {error}"),
        })?;
        Ok(Self(text + "\n"))
    }

    /// Adds a line. Styles go where the output is no terminal.
    pub(super) fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }
}

/// Text in a style.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Progress, on standard error, as it happens.
pub(super) fn progress(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A line of a command that goes on, on standard output at once.
#[cfg(feature = "demo")]
pub(super) fn line(text: &str) {
    let _ = writeln!(anstream::stdout().lock(), "{text}");
}

/// A problem, on standard error, one per line.
pub(super) fn problem(message: &str) {
    for line in message.lines() {
        progress(&format!("dcv-agent: {}", plain(line, LINE)));
    }
}

/// Prints why a command could not do what it was asked for.
pub(super) fn failed(Failed { exit, message }: &Failed) -> Exit {
    problem(message);
    *exit
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

/// The table of orders. What many wait for alike, since settings or credentials are wrong, is told for the first few.
pub(super) fn table(page: &mut Page, statuses: &[Status]) {
    let width = statuses.iter().map(|status| status.subject.to_string().len()).max().unwrap_or(0).max(5);
    page.line(&format!("{:width$}  {:8}  {:22}  {:12}  detail", "order", "outcome", "reason", "slack"));
    let now = clock::now();
    let mut alike: BTreeMap<&str, usize> = BTreeMap::new();
    for status in statuses {
        if status.outcome == Outcome::Setup {
            let told = alike.entry(&status.detail).or_default();
            *told += 1;
            if *told > ALIKE {
                continue;
            }
        }
        let outcome = format!("{:?}", status.outcome).to_lowercase();
        let slack = status.deadline.map_or_else(String::new, |deadline| until(deadline, now));
        page.line(&format!(
            "{:width$}  {outcome:8}  {:22}  {slack:12}  {}",
            status.subject.to_string(),
            status.reason.code(),
            status.detail
        ));
    }
    for more in alike.into_values().filter_map(|told| told.checked_sub(ALIKE)).filter(|more| *more > 0) {
        page.line(&format!("and {more} more for the same reason"));
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
