//! Logs: to the journal where standard error leads there, else to standard error, as lines for people or JSON for machines.

mod journal;
mod line;

use std::io;

use tracing_subscriber::{
    EnvFilter, Registry,
    fmt::{self, writer::BoxMakeWriter},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use self::line::Line;
use crate::config::{Config, LogFormat};

/// How the command line wants logs.
#[derive(Debug)]
pub struct Wishes {
    /// A filter that goes before the configuration's.
    pub level: Option<&'static str>,
    /// The filter where neither says anything.
    pub default: &'static str,
    /// Lines for people are coloured.
    pub ansi: bool,
    /// Where lines go.
    pub writer: BoxMakeWriter,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { level: None, default: "info", ansi: false, writer: BoxMakeWriter::new(io::stderr) }
    }
}

/// Logs that are being written; their level can be changed.
#[derive(Debug)]
pub struct Logs {
    filter: reload::Handle<EnvFilter, Registry>,
    level: Option<&'static str>,
    default: &'static str,
}

impl Logs {
    /// Begins. Only the first call in a process counts.
    #[must_use]
    pub fn start(config: &Config, wishes: Wishes) -> Self {
        let Wishes { level, default, ansi, writer } = wishes;
        let (layer, filter) = reload::Layer::new(filter(wanted(config, level, default)));
        let registry = tracing_subscriber::registry().with(layer);
        let _ = match (config.log_format, journal::layer()) {
            (LogFormat::Text, Some(journal)) => registry.with(journal).try_init(),
            (LogFormat::Text, None) => {
                registry.with(fmt::layer().event_format(Line).with_ansi(ansi).with_writer(writer)).try_init()
            }
            (LogFormat::Json, _) => {
                let json = fmt::layer().json().flatten_event(true).with_span_list(false);
                registry.with(json.with_writer(writer)).try_init()
            }
        };
        Self { filter, level, default }
    }

    /// Goes on at the level that the configuration wants now.
    pub fn follow(&self, config: &Config) {
        // It fails where another call began first, in tests.
        let _ = self.filter.reload(filter(wanted(config, self.level, self.default)));
    }
}

fn wanted<'a>(config: &'a Config, level: Option<&'a str>, default: &'a str) -> &'a str {
    level.or(config.log_level.as_deref()).unwrap_or(default)
}

/// hickory reports every question at info, every bad signature at error and each line of resolv.conf that it does not know, and
/// what the sandbox's name server leaves to its zones, as a warning, sqlx slow statements; none of it is ours to pass on.
fn filter(level: &str) -> EnvFilter {
    EnvFilter::new(format!(
        "{level},hickory_server=error,hickory_net=warn,hickory_net::dnssec=off,hickory_resolver=error,sqlx=error"
    ))
}
