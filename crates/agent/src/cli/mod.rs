//! The command line.

mod api_survey;
mod args;
mod check;
mod checks;
mod conformance;
mod delegation;
#[cfg(feature = "demo")]
mod demo;
mod describe;
mod doctor;
mod explain;
mod explanation;
mod file_seen;
mod ledger;
mod orphans;
mod plan;
mod policy;
mod preview;
#[cfg(feature = "demo")]
mod sandbox;
mod show;
mod status;
mod zone_cut;

use std::{io::IsTerminal as _, path::Path, time::Duration};

use clap::Parser as _;

use self::{
    args::{Args, Command, Output},
    show::{Answer, Page},
};
use crate::{
    config::LogFormat,
    daemon,
    exit::{Exit, Failed},
    once, process, start, telemetry,
};

/// Four times of what the deepest chain that is followed was seen to need.
const STACK: usize = 8 * 1024 * 1024;

/// Reads the command line, runs the command, and tells how the process ends.
#[must_use]
pub fn main() -> Exit {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Success };
        }
    };
    process::raise_descriptor_limit();
    // Validation of DNSSEC recurses along the chain of trust; a hostile one must not exhaust a thread's stack.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return show::failed(&Failed::later(format!("the runtime cannot be started: {error}")));
        }
    };
    let exit = runtime.block_on(dispatch(args));
    // Steps that were dropped may still sit in blocking calls (name look-ups); they are not waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    exit
}

async fn dispatch(args: Args) -> Exit {
    let answer = match args.command {
        None if args.once => once(&args.config, args.timeout, args.output).await,
        None => daemon::run(&args.config).await.map(|()| Answer::new(Page::default(), Exit::Success)),
        Some(_) if args.once => Err(Failed::usage("--once goes without a command")),
        Some(command) => run(command, &args.config, args.output).await,
    };
    match answer {
        Ok(answer) => answer.print(),
        Err(failed) => show::failed(&failed),
    }
}

async fn run(command: Command, config: &Path, output: Output) -> Result<Answer, Failed> {
    match command {
        Command::Check => check::run(config, output).await,
        Command::Plan { cnames: false, .. } => plan::run(config, output).await,
        Command::Plan { cnames: true, into } => plan::cnames(config, into.as_ref(), output).await,
        Command::Status => status::run(config, output).await,
        Command::Explain { order: Some(order), .. } => explain::order(config, order, output).await,
        Command::Explain { domain, .. } => explain::domain(config, &domain.unwrap_or_default(), output).await,
        Command::Doctor { write, at, api, report } => {
            doctor::run(config, doctor::Wanted { write, at, api, report }, output).await
        }
        Command::Conformance { provider, zone } => conformance::run(config, &provider, &zone, output).await,
        Command::Policy { provider, cname, ignore } => {
            policy::run(config, provider.as_deref(), cname, ignore, output)
        }
        Command::Ledger { what } => ledger::run(config, what, output),
        #[cfg(feature = "demo")]
        Command::Demo => demo::run(output).await,
        #[cfg(feature = "demo")]
        Command::Sandbox(options) => sandbox::run(*options).await,
    }
}

async fn once(path: &Path, timeout: Duration, output: Output) -> Result<Answer, Failed> {
    let config = start::load(path)?;
    let terminal = std::io::stderr().is_terminal();
    // On a terminal the progress lines tell the story, and logs would only repeat it.
    let quiet = terminal && config.log_format == LogFormat::Text;
    telemetry::start(if quiet { "error" } else { &config.log_level }, config.log_format);
    let summary = once::run(config, timeout, terminal.then_some(show::progress)).await?;
    let page = match output {
        Output::Json => Page::json(&summary)?,
        Output::Text => {
            let mut page = Page::default();
            show::table(&mut page, &summary.statuses);
            summary.left().iter().for_each(|left| page.line(left));
            page
        }
    };
    Ok(Answer::new(page, summary.ending))
}
