//! What can be said on the command line; the help is written here.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{ArgAction, ArgGroup, Parser, Subcommand};
use dcv_core::DomainName;
use dns_providers::truce::Tool;
use jiff::SignedDuration;

use super::{
    examples,
    manner::{Color, Manner, Output},
};

/// Where the configuration is unless something else is said.
pub(super) const DEFAULT_CONFIG: &str = "/etc/dcv-agent/config.toml";

/// Keeps DigiCert domain control validation done.
///
/// For each order that is configured or found, the agent fetches DigiCert's random value and publishes it as the order's
/// method wants it: as a TXT or CNAME record at _dnsauth.<domain> through your DNS provider, or as a file on each name's web
/// server. It waits until every authoritative server, or every address of the web server, shows it, asks DigiCert to check,
/// and takes it away again. Prevalidated domains are kept valid the same way. Without a command it runs as a daemon: SIGHUP
/// reloads the configuration, SIGTERM ends it.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub(super) struct Args {
    /// The configuration file; conf.d/*.toml beside it is read too
    #[arg(
        long,
        short,
        env = "DCV_CONFIG",
        default_value = DEFAULT_CONFIG,
        global = true,
        value_name = "FILE"
    )]
    pub(super) config: PathBuf,

    #[command(flatten)]
    pub(super) run: Run,

    /// How results are written to standard output, errors included
    #[arg(long, short, value_enum, default_value_t = Output::Text, global = true)]
    pub(super) output: Output,

    /// Log more than agent.log says: -v each step, -vv all there is
    #[arg(long, short, action = ArgAction::Count, global = true, conflicts_with = "quiet")]
    pub(super) verbose: u8,

    /// Log errors only, and show no progress
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,

    /// Colours: auto shows them on a terminal, unless NO_COLOR is set or TERM is dumb
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true, value_name = "WHEN")]
    pub(super) color: Color,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// How long the agent runs.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Run {
    /// Do what can be done now and end, instead of running as a daemon
    #[arg(long)]
    pub(super) once: bool,

    /// With --once: the longest to wait, for example 90s, 10m, 1h
    #[arg(long, default_value = "10m", value_parser = duration, value_name = "TIME")]
    pub(super) timeout: Duration,
}

impl Args {
    /// How the command is to speak.
    pub(super) fn manner(&self) -> Manner {
        Manner::new(self.output, self.color, self.quiet, self.verbose)
    }

    /// Whether a command line that cannot be read asks for errors as JSON.
    pub(super) fn ask_for_json(arguments: impl Iterator<Item = OsString>) -> bool {
        let arguments: Vec<_> = arguments.collect();
        let apart = |pair: &[OsString]| (pair[0] == "--output" || pair[0] == "-o") && pair[1] == "json";
        let together =
            |argument: &OsString| ["--output=json", "-ojson", "-o=json"].iter().any(|json| argument == json);
        arguments.windows(2).any(apart) || arguments.iter().any(together)
    }
}

const EXIT_CODES: &str = "\
Exit codes:
   0  all orders are validated, or wait only for DigiCert's own people
   1  some order needs a person; the others went on
  64  the command line is wrong
  70  an answer could not be understood
  75  work was still open when the time ran out; run again
  78  configuration or credentials are wrong

Try it without any account:  dcv-agent demo";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run as a daemon, which is also what happens without a command; with --once until there is nothing left to do
    #[command(visible_alias = "daemon", after_help = examples::RUN)]
    Run(Run),
    /// Check the configuration and that every secret can be read; calls nobody
    #[command(after_help = examples::CHECK)]
    Check,
    /// Show what a run would change in DNS and on web servers; changes nothing
    #[command(after_help = examples::PLAN)]
    Plan {
        /// Print the one CNAME record for each domain whose validation name no configured zone holds, to be created once
        #[arg(long)]
        cnames: bool,
        /// With --cnames: the configured zone that they lead into; needed where there are several
        #[arg(long, requires = "cnames", value_name = "ZONE", value_parser = domain)]
        into: Option<DomainName>,
    },
    /// Show what the agent last knew of every order; calls nobody
    #[command(after_help = examples::STATUS)]
    Status,
    /// Look at an order or a domain as DigiCert would, and say what is wrong and what happens next; changes nothing
    ///
    /// Asks every name server at every address, follows delegations, validates DNSSEC, reads CAA, fetches files as DigiCert
    /// does, and names the usual mistakes. With --domain neither an account nor a configuration is needed.
    #[command(group = ArgGroup::new("what").required(true), after_help = examples::EXPLAIN)]
    Explain {
        /// DigiCert's order number
        #[arg(group = "what", value_parser = order)]
        order: Option<u64>,
        /// A domain instead, such as example.com or *.example.com
        #[arg(long, group = "what", value_name = "NAME")]
        domain: Option<String>,
    },
    /// Check accounts, clock, providers, zones and the way to DNS; with --write by a probe record in each zone
    ///
    /// Exits 0 when all is well or only warned about, 1 when something fails, 78 when it is the configuration.
    #[command(after_help = examples::DOCTOR)]
    Doctor {
        /// Also write a probe record at a random name below _dnsauth in each zone, see it at every name server, remove it
        #[arg(long)]
        write: bool,
        /// With --write: a domain to write at instead of random names, for credentials limited to certain names
        #[arg(long, requires = "write", value_name = "DOMAIN", value_parser = domain)]
        at: Vec<DomainName>,
        /// Also make each of the calls to DigiCert that only read, and compare the answers with what this version knows of them
        #[arg(long)]
        api: bool,
        /// With --api: write the answers' shapes to a file, every value replaced; fit for a public issue
        #[arg(long, requires = "api", value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Run the contract that every provider keeps against a real account, at names below a random label that are removed again
    ///
    /// Writes some forty TXT and CNAME records below _dnsauth.….dcv-agent-<random>.<zone>. Says which promises are kept: whether
    /// values of others survive, whether two writers at one name both do. Exits 0 when all are, 1 when one is broken.
    #[command(after_help = examples::CONFORMANCE)]
    Conformance {
        /// The provider's name in the configuration
        #[arg(long, value_name = "NAME")]
        provider: String,
        /// One of its zones
        #[arg(long, value_name = "ZONE", value_parser = domain)]
        zone: DomainName,
    },
    /// Print the least that a provider's credential has to be allowed, to be copied to its vendor or server; calls nobody
    ///
    /// For the zones and names in the configuration: an IAM policy, the scope of an API token, BIND's update-policy and Knot's
    /// acl. Names that only DigiCert knows (discovery, orders without scopes) are allowed by pattern. With --ignore: what to put
    /// into another tool's configuration, so that it leaves the agent's values alone.
    #[command(after_help = examples::POLICY)]
    Policy {
        /// The provider's name in the configuration; with --ignore all of them, if not given
        #[arg(required_unless_present = "ignore")]
        provider: Option<String>,
        /// Orders by dns-cname-token are among them: allow CNAME too
        #[arg(long)]
        cname: bool,
        /// Keep another tool from deleting the agent's values: octodns, dnscontrol, terraform or external-dns
        #[arg(long, value_name = "TOOL")]
        ignore: Option<Tool>,
    },
    /// Check or read the ledger, the evidence that an audit of validation asks for; calls nobody
    #[command(after_help = examples::LEDGER)]
    Ledger {
        #[command(subcommand)]
        what: Ledger,
    },
    /// Move what the agent knows from one store to the other; calls nobody
    #[command(after_help = examples::STATE)]
    State {
        #[command(subcommand)]
        what: State,
    },
    /// Watch the agent validate orders of every method, and a domain, on an embedded simulator and name server
    #[cfg(feature = "demo")]
    #[command(after_help = examples::DEMO)]
    Demo,
    /// Run the embedded simulator and name server alone, to try configurations against
    #[cfg(feature = "demo")]
    #[command(after_help = examples::SANDBOX)]
    Sandbox(Box<super::sandbox::Options>),
}

#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    /// Check that no line was changed, removed or put in; also beside a running agent
    ///
    /// Exits 0 when the chain holds, 1 when it does not, and names the first file and line. The hash it prints, kept
    /// elsewhere, proves later that no earlier line was written anew.
    #[command(after_help = examples::LEDGER_VERIFY)]
    Verify {
        /// The ledger's folder, instead of the configured one; then no configuration is needed
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Tell the story of one order
    #[command(after_help = examples::LEDGER_SHOW)]
    Show {
        /// DigiCert's order number
        #[arg(value_parser = order)]
        order: u64,
        /// The ledger's folder, instead of the configured one; then no configuration is needed
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum State {
    /// Copy what is known, and what is or may be up, into a state that is empty; no agent may run on either
    ///
    /// Both are given as in agent.state: a file, or a database that replicas share. Nothing is changed at the source.
    #[command(after_help = examples::STATE)]
    Copy {
        /// From here, such as sqlite:///var/lib/dcv-agent/state.db
        from: String,
        /// To here, such as postgres://user@host/database
        to: String,
        /// The file with the database's password
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

/// A domain where a number is expected is a slip that has a name.
fn order(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| match DomainName::scope(text) {
        Ok(_) if text.contains('.') => format!("an order is a number; for a domain write --domain {text}"),
        Ok(_) | Err(_) => "an order is a number, as CertCentral shows it".to_owned(),
    })
}

fn domain(text: &str) -> Result<DomainName, String> {
    DomainName::scope(text).map_err(|error| error.to_string())
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text.parse().map_err(|_| "write for example 90s, 10m or 1h".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "a time is not negative".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn commands(command: &clap::Command) -> Vec<clap::Command> {
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        below.flat_map(|below| [vec![below.clone()], commands(below)].concat()).collect()
    }

    /// Each command's help has examples, of that very command, and each of them is a command line that is understood.
    #[test]
    fn the_examples_of_each_command_are_command_lines() {
        for command in commands(&Args::command()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<&str> = help.lines().filter(|line| line.starts_with("  dcv-agent ")).collect();
            assert!(!examples.is_empty(), "{} has no example", command.get_name());
            assert!(examples[0].contains(command.get_name()), "{help}");
            for example in examples {
                if let Err(error) = Args::try_parse_from(example.split_whitespace()) {
                    panic!("{example}: {error}");
                }
            }
        }
    }

    /// What the papers tell people to type, in a block of its own or within a sentence.
    fn typed(paper: &str) -> Vec<String> {
        let blocks = paper
            .lines()
            .filter_map(|line| line.strip_prefix("    ")?.trim_start().strip_prefix("dcv-agent "));
        let spans = paper.split('`').skip(1).step_by(2).filter_map(|span| span.strip_prefix("dcv-agent "));
        let whole = blocks.chain(spans).map(|line| line.split(" #").next().unwrap_or(line).trim());
        whole.filter(|line| !line.contains(['…', '<', '|'])).map(str::to_owned).collect()
    }

    /// Whatever the papers tell people to type is understood, so that no paper speaks of a flag that has gone.
    #[test]
    fn what_the_papers_say_to_type_is_understood() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folders = [
            "",
            "docs",
            "deploy/systemd",
            "deploy/container",
            "deploy/kubernetes",
            "deploy/cron",
            "crates/dns-providers/docs",
        ];
        let mut read = 0;
        for folder in folders {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_none_or(|extension| extension != "md") {
                    continue;
                }
                for line in typed(&std::fs::read_to_string(&path).unwrap()) {
                    // A word for a number.
                    let line = line.replace("ORDER", "112233").replace("TOOL", "octodns");
                    read += 1;
                    let words = std::iter::once("dcv-agent").chain(line.split_whitespace());
                    if let Err(error) = Args::try_parse_from(words)
                        && error.use_stderr()
                        // A sentence may name a command without all that it needs.
                        && error.kind() != clap::error::ErrorKind::MissingRequiredArgument
                    {
                        panic!("{}: dcv-agent {line}: {error}", path.display());
                    }
                }
            }
        }
        assert!(read > 20, "{read} command lines were found");
    }

    #[test]
    fn json_is_asked_for_in_each_way_that_clap_knows() {
        let asks = |line: &str| Args::ask_for_json(line.split(' ').map(OsString::from));
        for line in ["a --output json x", "a -o json", "a -ojson", "a --output=json"] {
            assert!(asks(line), "{line}");
        }
        for line in ["a --output text", "a json", "a --output"] {
            assert!(!asks(line), "{line}");
        }
    }
}
