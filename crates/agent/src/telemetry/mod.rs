//! Logs, on standard error, as lines for people or JSON for machines.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::LogFormat;

/// Sends logs to standard error. Only the first call in a process counts.
pub fn start(level: &str, format: LogFormat) {
    // hickory reports every question at info, every bad signature at error and each line of resolv.conf that it does not know
    // as a warning, sqlx slow statements; none of it is ours to pass on.
    let filter = EnvFilter::new(format!(
        "{level},hickory_server=warn,hickory_net=warn,hickory_net::dnssec=off,hickory_resolver=error,sqlx=error"
    ));
    let registry = tracing_subscriber::registry().with(filter);
    let ansi = std::io::stderr().is_terminal();
    let _ = match format {
        LogFormat::Text => registry
            .with(fmt::layer().with_writer(std::io::stderr).with_ansi(ansi).with_target(false))
            .try_init(),
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init(),
    };
}
