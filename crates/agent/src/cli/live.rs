//! What a run shows while it lasts, on a terminal: a line for each open order, or, where there are many, a bar and the slowest.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dcv_core::Outcome;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::{manner::Manner, show::lasted};
use crate::{
    board::{Status, StatusBoard},
    clock,
    config::Config,
    exit::Failed,
    once::{self, Watcher},
    telemetry::{Logs, Wishes},
};

/// So many open orders have a line each.
const FEW: usize = 8;
/// Where there are more, so many of them do: those that have been worked on for longest.
const SLOWEST: usize = 5;
/// So much of a name is shown; what is waited for needs room too.
const NAME: usize = 24;

/// Runs a configuration once, before the eyes of whoever sits at a terminal. Elsewhere only what a person must know is logged.
pub(super) async fn watched(
    config: Config,
    timeout: Duration,
    manner: Manner,
) -> Result<once::Summary, Failed> {
    let live = manner.is_live.then(Live::begin);
    let mut wishes = Wishes { level: manner.level, default: "warn", ansi: manner.ansi, ..Wishes::default() };
    if let Some(live) = &live {
        wishes.writer = live.writer();
    }
    // The level stays as it is until the end.
    let _ = Logs::start(&config, wishes);
    let watcher = live.clone().map(|live| -> Arc<dyn Watcher> { Arc::new(live) });
    let summary = once::run(config, timeout, watcher).await;
    if let Some(live) = live {
        live.end();
    }
    summary
}

/// The lines.
#[derive(Clone, Debug)]
pub(super) struct Live {
    screen: MultiProgress,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug)]
struct Lines {
    bar: ProgressBar,
    orders: Vec<ProgressBar>,
}

impl Live {
    pub(super) fn begin() -> Self {
        let screen = MultiProgress::new();
        let bar = screen.add(ProgressBar::new(0).with_style(style("{wide_msg}")));
        bar.set_message("looking for orders …");
        bar.enable_steady_tick(Duration::from_millis(500));
        Self { screen, lines: Arc::new(Mutex::new(Lines { bar, orders: Vec::new() })) }
    }

    /// Takes the lines away.
    pub(super) fn end(&self) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.orders.iter().for_each(ProgressBar::finish_and_clear);
        lines.bar.finish_and_clear();
        let _ = self.screen.clear();
    }

    /// Log lines go above them.
    pub(super) fn writer(&self) -> BoxMakeWriter {
        let above = Above(self.screen.clone());
        BoxMakeWriter::new(move || above.clone())
    }
}

impl Watcher for Live {
    fn show(&self, board: &StatusBoard) {
        let view = View::of(board, clock::now());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        while lines.orders.len() < view.lines.len() {
            let line = self.screen.add(ProgressBar::new(0).with_style(style("{wide_msg}")));
            lines.orders.push(line);
        }
        for gone in lines.orders.drain(view.lines.len()..).collect::<Vec<_>>() {
            gone.finish_and_clear();
            self.screen.remove(&gone);
        }
        for (line, text) in lines.orders.iter().zip(view.lines) {
            line.set_message(text);
        }
        lines.bar.set_style(style(if view.has_bar { "[{wide_bar}] {msg}" } else { "{wide_msg}" }));
        lines.bar.set_length(view.total);
        lines.bar.set_position(view.done);
        lines.bar.set_message(view.sum);
    }

    fn say(&self, sentence: &str) {
        let _ = self.screen.println(sentence);
    }
}

/// What is shown at one moment.
#[derive(Debug, PartialEq, Eq)]
struct View {
    lines: Vec<String>,
    has_bar: bool,
    done: u64,
    total: u64,
    sum: String,
}

impl View {
    fn of(board: &StatusBoard, now: Timestamp) -> Self {
        let (mut open, mut done, mut blocked) = (Vec::new(), 0_u64, 0_u64);
        board.read(|status| match status.outcome {
            Outcome::Open => open.push((status.begun, status.subject.clone())),
            Outcome::Done => done += 1,
            Outcome::Blocked | Outcome::Setup | Outcome::Bug => blocked += 1,
        });
        open.sort();
        let total = done + blocked + u64::try_from(open.len()).unwrap_or(u64::MAX);
        let is_many = open.len() > FEW;
        let mut parts = Vec::new();
        for (_, subject) in open.iter().take(if is_many { SLOWEST } else { FEW }) {
            board.read_one(subject, |status| parts.push(part(status, now)));
        }
        let lines = aligned(&parts);
        let mut sum = match total {
            0 => "looking for orders …".to_owned(),
            _ => format!("{done} of {total} done"),
        };
        if blocked > 0 {
            sum.push_str(&format!(", {blocked} need you"));
        }
        Self { lines, has_bar: is_many, done: done + blocked, total, sum }
    }
}

/// Which one, its first name, for how long it has waited, and what for.
fn part(status: &Status, now: Timestamp) -> [String; 4] {
    let first: String = status.names.names.first().map_or("", |name| name).chars().take(NAME).collect();
    let known = match status.names.names_total {
        0 | 1 => first,
        more => format!("{first} +{}", more - 1),
    };
    let since = lasted(now.duration_since(status.since));
    [status.subject.to_string(), known, since, status.detail.clone()]
}

/// In columns; what is too long for the terminal is cut where it is drawn.
fn aligned(parts: &[[String; 4]]) -> Vec<String> {
    let width = |column: usize| parts.iter().map(|part| part[column].chars().count()).max().unwrap_or(0);
    let (which, known, since) = (width(0), width(1), width(2));
    let line = |[subject, name, time, what]: &[String; 4]| {
        format!("{subject:which$}  {name:known$}  {time:>since$}  {what}")
    };
    parts.iter().map(line).collect()
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours.
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_spinner()).progress_chars("=> ")
}

/// Standard error above the lines.
#[derive(Clone)]
struct Above(MultiProgress);

impl Write for Above {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(text))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
