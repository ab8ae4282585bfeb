//! The command line.

mod advice;
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
mod examples;
mod explain;
mod explanation;
mod file_seen;
mod ledger;
mod live;
mod manner;
mod orphans;
mod plan;
mod policy;
mod preview;
mod probe;
#[cfg(feature = "demo")]
mod sandbox;
mod show;
mod state;
mod status;
mod table;
mod zone_cut;

use std::{path::Path, time::Duration};

use clap::Parser as _;

use self::{
    args::{Args, Command, Run},
    manner::{Manner, Output},
    show::{Answer, Page},
};
use crate::{
    daemon,
    exit::{Exit, Failed},
    process, start,
    telemetry::Wishes,
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
            if !error.use_stderr() {
                return Exit::Success;
            }
            if Args::ask_for_json(std::env::args_os()) {
                show::failed_json(&Failed::usage(error.render()));
            }
            return Exit::Usage;
        }
    };
    let manner = args.manner();
    args.color.apply();
    if args.quiet {
        show::be_quiet();
    }
    process::raise_descriptor_limit();
    // Validation of DNSSEC recurses along the chain of trust; a hostile one must not exhaust a thread's stack.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return show::failed(
                &Failed::later(format!("the runtime cannot be started: {error}")),
                manner.output,
            );
        }
    };
    let exit = runtime.block_on(dispatch(args, manner));
    // Steps that were dropped may still sit in blocking calls (name look-ups); they are not waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    exit
}

async fn dispatch(args: Args, manner: Manner) -> Exit {
    let Args { config, run, command, .. } = args;
    let answer = match command {
        None => go(&config, run, manner).await,
        // `dcv-agent --once run` is as good as `dcv-agent run --once`.
        Some(Command::Run(_)) if run.once => go(&config, run, manner).await,
        Some(Command::Run(run)) => go(&config, run, manner).await,
        Some(_) if run.once => Err(Failed::usage("--once goes with `run`, or without a command")),
        Some(command) => carry_out(command, &config, manner).await,
    };
    match answer {
        Ok(answer) => answer.print(),
        Err(failed) => show::failed(&failed, manner.output),
    }
}

async fn carry_out(command: Command, config: &Path, manner: Manner) -> Result<Answer, Failed> {
    let output = manner.output;
    match command {
        Command::Run(run) => go(config, run, manner).await,
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
        Command::State { what } => state::run(what, output).await,
        #[cfg(feature = "demo")]
        Command::Demo => demo::run(manner).await,
        #[cfg(feature = "demo")]
        Command::Sandbox(options) => sandbox::run(*options).await,
    }
}

/// The daemon, or the one-shot run.
async fn go(path: &Path, run: Run, manner: Manner) -> Result<Answer, Failed> {
    if run.once {
        return once(path, run.timeout, manner).await;
    }
    let wishes = Wishes { level: manner.level, ansi: manner.ansi, ..Wishes::default() };
    daemon::run(path, wishes).await.map(|()| Answer::new(Page::default(), Exit::Success))
}

async fn once(path: &Path, timeout: Duration, manner: Manner) -> Result<Answer, Failed> {
    let config = start::load(path)?;
    let summary = live::watched(config, timeout, manner).await?;
    let page = match manner.output {
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
