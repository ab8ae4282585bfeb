//! The command line.

mod args;
mod check;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod explain;
mod explanation;
mod file_seen;
mod ledger;
mod plan;
mod run;
#[cfg(feature = "demo")]
mod sandbox;
mod show;
mod status;

use std::{path::Path, time::Duration};

use clap::Parser as _;

use self::args::{Args, Command};
use crate::{
    config::{self, Config},
    context::chain,
    exit::Exit,
    state::State,
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
    // Validation of DNSSEC recurses along the chain of trust; a hostile one must not exhaust a thread's stack.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Later, &format!("the runtime cannot be started: {error}")),
    };
    let exit = runtime.block_on(dispatch(args));
    // Steps that were dropped may still sit in blocking calls (name look-ups); they are not waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    exit
}

async fn dispatch(args: Args) -> Exit {
    let Args { config, once, timeout, output, command } = args;
    match command {
        None if once => run::once(&config, timeout, output).await,
        None => run::daemon(&config).await,
        Some(_) if once => fail(Exit::Usage, "--once goes without a command"),
        Some(Command::Check) => check::run(&config, output),
        Some(Command::Plan) => plan::run(&config, output).await,
        Some(Command::Status) => status::run(&config, output).await,
        Some(Command::Explain { order: Some(order), .. }) => explain::order(&config, order, output).await,
        Some(Command::Explain { domain, .. }) => {
            explain::domain(&config, &domain.unwrap_or_default(), output).await
        }
        Some(Command::Doctor { write, at }) => {
            doctor::run(&config, doctor::Wanted { write, at }, output).await
        }
        Some(Command::Ledger { what }) => ledger::run(&config, what, output),
        #[cfg(feature = "demo")]
        Some(Command::Demo) => demo::run(output).await,
        #[cfg(feature = "demo")]
        Some(Command::Sandbox(options)) => sandbox::run(*options).await,
    }
}

/// One clear message on standard error.
fn fail(exit: Exit, message: &str) -> Exit {
    show::problem(message);
    exit
}

fn load(path: &Path) -> Result<Config, Exit> {
    config::load(path).map_err(|problems| fail(Exit::Setup, &problems.to_string()))
}

async fn open(config: &Config) -> Result<State, Exit> {
    State::open(&config.state).await.map_err(|error| fail(Exit::Setup, &chain(&error)))
}
