//! What commands have to say, and the one place that prints it.

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

use anstyle::{AnsiColor, Style};
use dcv_core::Outcome;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{manner::Output, table};
use crate::{
    board::{Names, Status},
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
        let text = match table::width() {
            Some(width) if self.page.is_for_people => wrapped(&self.page.text, width),
            Some(_) | None => self.page.text,
        };
        // A closed pipe is not our problem.
        let _ = write!(anstream::stdout().lock(), "{text}");
        self.exit
    }
}

/// Lines for standard output.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    is_for_people: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self { text: String::new(), is_for_people: true }
    }
}

impl Page {
    /// One JSON document.
    pub(super) fn json(value: &impl Serialize) -> Result<Self, Failed> {
        let text = serde_json::to_string_pretty(value).map_err(|error| Failed {
            exit: Exit::Bug,
            message: format!("the result cannot be written as JSON: {error}"),
        })?;
        Ok(Self { text: text + "\n", is_for_people: false })
    }

    /// Adds a line. Styles go where the output is no terminal.
    pub(super) fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }
}

/// Lines within the width of a terminal, broken between words; what goes on is indented further than it began.
fn wrapped(text: &str, width: u16) -> String {
    let each = text.lines().map(|line| {
        let indent = " ".repeat(line.len() - line.trim_start().len() + 4);
        let options = textwrap::Options::new(width.into()).break_words(false).subsequent_indent(&indent);
        textwrap::fill(line, options.word_splitter(textwrap::WordSplitter::NoHyphenation)) + "\n"
    });
    each.collect()
}

/// Text in a style.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A number with its noun: "1 order", "2 orders", "2 addresses".
pub(super) fn counted(number: usize, noun: &str) -> String {
    let plural = match number {
        1 => "",
        _ if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{number} {noun}{plural}")
}

/// Whether only problems are told on standard error.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on only problems are told on standard error.
pub(super) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// What a command is doing at the moment, for whoever sits before a terminal.
pub(super) fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        note(text);
    }
}

/// What a person should know beside the result, on standard error.
pub(super) fn note(text: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        say(text);
    }
}

fn say(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A line of a command that goes on, on standard output at once.
#[cfg(feature = "demo")]
pub(super) fn line(text: &str) {
    let _ = writeln!(anstream::stdout().lock(), "{text}");
}

/// A problem, on standard error, one per line.
pub(super) fn problem(message: &str) {
    for line in message.lines() {
        say(&format!("dcv-agent: {}", plain(line, LINE)));
    }
}

/// Prints why a command could not do what it was asked for: to people, and where JSON was asked for as JSON too.
pub(super) fn failed(failed: &Failed, output: Output) -> Exit {
    problem(&failed.message);
    if output == Output::Json {
        failed_json(failed);
    }
    failed.exit
}

/// The form of [`Failure`]; it is raised when a reader of the former one would be misled.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Failure<'a> {
    version: u32,
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    exit: u8,
    messages: Vec<&'a str>,
}

/// Prints why a command could not do what it was asked for as one JSON document, in the place of the result.
pub(super) fn failed_json(Failed { exit, message }: &Failed) {
    let messages = message.lines().filter(|line| !line.is_empty()).collect();
    let failure = Failure { version: VERSION, error: Error { exit: exit.code(), messages } };
    if let Ok(page) = Page::json(&failure) {
        let _ = write!(anstream::stdout().lock(), "{}", page.text);
    }
}

/// How long something has lasted, for people.
pub(super) fn lasted(span: SignedDuration) -> String {
    match span.as_secs().max(0) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => of_minutes(seconds / 60),
    }
}

/// By which names people know an order.
fn known_as(Names { names, names_total }: &Names) -> String {
    let first = names.join(", ");
    match names_total.saturating_sub(names.len()) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// How long it is until a time, for people: in days and hours, hours and minutes, or minutes.
pub(super) fn until(at: Timestamp, now: Timestamp) -> String {
    match at.duration_since(now).as_secs() {
        ..0 => "past".to_owned(),
        seconds => of_minutes(seconds / 60),
    }
}

fn of_minutes(minutes: i64) -> String {
    match minutes {
        ..60 => format!("{minutes} min"),
        60..1440 => format!("{} h {} min", minutes / 60, minutes % 60),
        1440.. => format!("{} d {} h", minutes / 1440, minutes / 60 % 24),
    }
}

/// The slack in parentheses, where there is a deadline.
pub(super) fn slack(deadline: Option<Timestamp>, now: Timestamp) -> String {
    deadline.map_or_else(String::new, |deadline| format!(" (slack {})", until(deadline, now)))
}

/// The table of orders. What many wait for alike, since settings or credentials are wrong, is told for the first few.
pub(super) fn table(page: &mut Page, statuses: &[Status]) {
    let mut rows = Vec::new();
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
        rows.push([
            status.subject.to_string(),
            known_as(&status.names),
            format!("{}{}: {}", status.reason, slack(status.deadline, now), status.detail),
        ]);
    }
    page.line(&table::table(table::width(), ["order", "names", "status"], rows.into_iter()));
    for more in alike.into_values().filter_map(|told| told.checked_sub(ALIKE)).filter(|more| *more > 0) {
        page.line(&format!("and {more} more for the same reason"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long line is broken between words and goes on further in; a word that is too long, such as a hash, stays whole.
    #[test]
    fn lines_are_broken_between_words() {
        let hash = "0".repeat(64);
        let text =
            format!("  record     _dnsauth.www.example.com  zone example.com, provider bind\n{hash}\n\n");
        let broken = wrapped(&text, 40);
        let (first, rest) = broken.split_once('\n').unwrap();
        assert_eq!(first, "  record     _dnsauth.www.example.com");
        assert!(rest.starts_with("      zone example.com"), "{broken}");
        assert!(broken.ends_with(&format!("\n{hash}\n\n")), "{broken}");
    }

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
