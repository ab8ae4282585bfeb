//! How a command speaks: text or JSON, how much of it, in colours or not, live or line by line.

use std::io::IsTerminal as _;

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;

/// When output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal that has colours, where nobody wishes otherwise.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// How a command speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) output: Output,
    /// A filter of logs that goes before the configuration's.
    pub(super) level: Option<&'static str>,
    /// Somebody sits before a terminal that can move its cursor, and wants to see how things go.
    pub(super) is_live: bool,
    /// Logs on standard error are coloured.
    pub(super) ansi: bool,
}

impl Manner {
    pub(super) fn new(output: Output, color: Color, quiet: bool, verbose: u8) -> Self {
        let stderr = std::io::stderr();
        // What nobody has asked for: NO_COLOR, TERM=dumb and a pipe all say no.
        let auto = AutoStream::choice(&stderr) != ColorChoice::Never && stderr.is_terminal();
        let ansi = match color {
            Color::Auto => auto,
            Color::Always => true,
            Color::Never => false,
        };
        let level = match (quiet, verbose) {
            (true, _) => Some("error"),
            (false, 0) => None,
            (false, 1) => Some(
                "info,dcv_agent=debug,dcv_core=debug,dcv_observe=debug,digicert_api=debug,dns_providers=debug",
            ),
            (false, 2..) => Some("trace"),
        };
        Self { output, level, is_live: auto && level.is_none(), ansi }
    }
}

impl Color {
    /// From now on it counts for all that is written.
    pub(super) fn apply(self) {
        match self {
            Self::Auto => {}
            Self::Always => ColorChoice::Always.write_global(),
            Self::Never => ColorChoice::Never.write_global(),
        }
    }
}
