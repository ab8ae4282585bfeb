//! A command of the operator's, in our own protocol or in one that exists already: acme.sh's `dnsapi`, lexicon, lego's
//! `exec`, certbot's manual hooks.
//!
//! Commands run one after the other, each in a process group of its own which ends with it, with an environment of its
//! own, bounded in time and output, and never through a shell (a `dnsapi` script is one). The modes of others add and
//! remove single TXT values and tell nothing else: they cannot be read, except lexicon's, and whether they leave siblings
//! alone is theirs to see to.

mod lexicon;
mod native;
mod process;
mod scripts;

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_trait::async_trait;
use dcv_core::{Change, Site};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use self::{
    lexicon::Lexicon,
    native::Native,
    process::{Finished, Run},
    scripts::{Dialect, Script},
};
use crate::{
    Class, DnsProvider, Error, Extent, Probe, Receipt, RecordSet, Secret, Zone,
    kinds::Kind,
    policy::{Grant, Policy, needs},
};

/// A command has to end before its caller gives up, which is after 60 s.
const LONGEST: u64 = 55;
/// Changes of one call in our own protocol.
const BATCH: usize = 100;
/// Where commands are looked for by a command.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `[providers.<name>]` of kind `exec`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "S: Deserialize<'de>")]
pub struct ExecSettings<S> {
    /// How the command is spoken to.
    #[serde(default)]
    pub mode: Mode,
    /// An absolute path, and arguments that come first.
    pub command: Vec<String>,
    /// The command that removes, in mode `certbot-hook`.
    #[serde(default)]
    pub cleanup: Vec<String>,
    /// Variables of its environment; `PATH` has a default, nothing else is there.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables with secrets.
    #[serde(default = "BTreeMap::new")]
    pub secrets: BTreeMap<String, S>,
    /// The longest that a command may take.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
    /// Most changes of one call, in mode `native`.
    pub at_once: Option<usize>,
    /// An installed `acme.sh`, in mode `acme.sh`; without it a small set of its functions is ours.
    pub acme_sh: Option<String>,
    /// Where a `dnsapi` script keeps what it was once given, in mode `acme.sh`; without it, nowhere.
    pub accounts_file: Option<String>,
}

const fn default_timeout() -> u64 {
    50
}

/// How the command is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Our own protocol, JSON both ways.
    #[default]
    Native,
    /// A `dnsapi` script of acme.sh.
    #[serde(rename = "acme.sh")]
    AcmeSh,
    /// The command `lexicon` with the vendor's name.
    Lexicon,
    /// lego's provider `exec`.
    LegoExec,
    /// The same with `EXEC_MODE=RAW`.
    LegoExecRaw,
    /// certbot's `--manual-auth-hook` and `--manual-cleanup-hook`.
    CertbotHook,
}

/// A command of the operator's.
pub struct Exec {
    name: String,
    tongue: Tongue,
    surroundings: Surroundings,
    at_once: usize,
    /// Commands of one provider do not meet: most read, change and write.
    turn: Mutex<()>,
}

/// What is said to it.
#[derive(Debug)]
enum Tongue {
    Native(Native),
    Lexicon(Lexicon),
    Script(Script),
}

/// What every command of the provider gets.
struct Surroundings {
    env: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
    limit: Duration,
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exec").field("name", &self.name).field("tongue", &self.tongue).finish_non_exhaustive()
    }
}

impl Exec {
    /// A provider for the command; starts nothing yet.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(name: &str, settings: ExecSettings<Secret>) -> Result<Self, Error> {
        let mode = settings.mode;
        refuse_unused(&settings)?;
        if !(1..=LONGEST).contains(&settings.timeout_seconds) {
            return Err(bad("timeout_seconds is outside 1 to 55"));
        }
        let program = |command: &[String], key: &str| match command.first() {
            Some(path) if Path::new(path).is_absolute() => Ok(()),
            _ => Err(bad(format!("{key} has to begin with an absolute path"))
                .hint("write for example command = [\"/usr/local/bin/my-dns\", \"--account\", \"7\"]")),
        };
        program(&settings.command, "command")?;
        if mode == Mode::CertbotHook {
            program(&settings.cleanup, "cleanup")?;
        }
        if let Some(name) = settings.env.keys().chain(settings.secrets.keys()).find(|name| !is_variable(name))
        {
            return Err(bad(format!("{name:?} is no name of a variable")));
        }
        let at_once = settings.at_once.unwrap_or(BATCH);
        if at_once == 0 {
            return Err(bad("at_once is 0"));
        }
        let surroundings = Surroundings {
            env: settings.env,
            secrets: settings.secrets,
            limit: Duration::from_secs(settings.timeout_seconds),
        };
        let script = |dialect| Tongue::Script(Script { command: settings.command.clone(), dialect });
        let tongue = match mode {
            Mode::Native => Tongue::Native(Native { command: settings.command }),
            Mode::Lexicon => Tongue::Lexicon(Lexicon { command: settings.command }),
            Mode::LegoExec => script(Dialect::Lego),
            Mode::LegoExecRaw => script(Dialect::LegoRaw),
            Mode::CertbotHook => script(Dialect::Certbot { cleanup: settings.cleanup }),
            Mode::AcmeSh => {
                script(Dialect::acme_sh(settings.acme_sh, settings.accounts_file, &settings.command)?)
            }
        };
        let at_once = if mode == Mode::Native { at_once } else { 1 };
        Ok(Self { name: name.to_owned(), tongue, surroundings, at_once, turn: Mutex::default() })
    }

    /// Whether the commands are there, as far as that can be judged without starting them.
    fn check_commands(&self) -> Result<(), Error> {
        let check = |command: &[String]| command.first().map_or(Ok(()), |program| process::check(program));
        match &self.tongue {
            Tongue::Native(native) => check(&native.command),
            Tongue::Lexicon(lexicon) => check(&lexicon.command),
            Tongue::Script(script) => script.check(),
        }
    }
}

/// A key of another mode would be passed over in silence.
fn refuse_unused(settings: &ExecSettings<Secret>) -> Result<(), Error> {
    let mode = settings.mode;
    for (key, given, of) in [
        ("cleanup", !settings.cleanup.is_empty(), Mode::CertbotHook),
        ("acme_sh", settings.acme_sh.is_some(), Mode::AcmeSh),
        ("accounts_file", settings.accounts_file.is_some(), Mode::AcmeSh),
        ("at_once", settings.at_once.is_some(), Mode::Native),
    ] {
        if given && mode != of {
            return Err(bad(format!("{key} has no meaning in this mode")));
        }
    }
    Ok(())
}

fn bad(text: impl Into<String>) -> Error {
    Error::new(Class::Setup, "bad-setting", text)
}

fn is_variable(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(word) && name.starts_with(|c: char| !c.is_ascii_digit())
}

impl Surroundings {
    /// The environment of a command, and what must not be repeated of its output.
    fn environment(&self) -> Result<(BTreeMap<String, String>, Vec<String>), Error> {
        let mut environment = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
        environment.extend(self.env.clone());
        let mut hidden = Vec::new();
        for (name, secret) in &self.secrets {
            let text = secret
                .secret()
                .map_err(|why| Error::new(Class::Setup, "secret", why).of(Extent::Provider))?;
            hidden.push(text.expose_secret().to_owned());
            environment.insert(name.clone(), text.expose_secret().to_owned());
        }
        Ok((environment, hidden))
    }

    /// Runs a command to its end, at most until `until`.
    async fn run(
        &self,
        command: &[String],
        arguments: Vec<String>,
        variables: Vec<(&str, String)>,
        input: Vec<u8>,
        until: Instant,
    ) -> Result<Finished, Error> {
        let (mut environment, hidden) = self.environment()?;
        environment.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut arguments_of_all = command.iter().skip(1).cloned().collect::<Vec<_>>();
        arguments_of_all.extend(arguments);
        let program = command.first().cloned().unwrap_or_default();
        let limit = until.saturating_duration_since(Instant::now());
        process::run(Run { program, arguments: arguments_of_all, environment, input, limit, hidden }).await
    }

    fn until(&self) -> Instant {
        Instant::now() + self.limit
    }
}

#[async_trait]
impl Kind for Exec {
    type Settings<S> = ExecSettings<S>;

    const FACTS: &'static str = include_str!("exec/facts.toml");
    const LISTS_TTL: bool = false;

    async fn build(name: &str, settings: ExecSettings<Secret>) -> Result<Self, Error> {
        Self::new(name, settings)
    }

    fn map_secrets<S, T>(settings: ExecSettings<S>, secret: impl Fn(S) -> T) -> ExecSettings<T> {
        ExecSettings {
            mode: settings.mode,
            command: settings.command,
            cleanup: settings.cleanup,
            env: settings.env,
            secrets: settings.secrets.into_iter().map(|(name, one)| (name, secret(one))).collect(),
            timeout_seconds: settings.timeout_seconds,
            at_once: settings.at_once,
            acme_sh: settings.acme_sh,
            accounts_file: settings.accounts_file,
        }
    }

    fn secrets<S>(settings: &ExecSettings<S>) -> Vec<&S> {
        settings.secrets.values().collect()
    }

    fn policies<S>(_: &ExecSettings<S>, grants: &[Grant]) -> Vec<Policy> {
        vec![Policy::new("What the command's own credential has to be allowed", needs(grants))]
    }
}

#[async_trait]
impl DnsProvider for Exec {
    fn check(&self) -> Result<(), Error> {
        self.surroundings.environment()?;
        self.check_commands()
    }

    fn at_once(&self) -> usize {
        self.at_once
    }

    async fn probe(&self, zone: &Zone) -> Result<Probe, Error> {
        self.check()?;
        match &self.tongue {
            Tongue::Native(native) => native.probe(&self.surroundings, zone).await,
            Tongue::Lexicon(lexicon) => lexicon.probe(&self.surroundings, zone).await,
            Tongue::Script(script) => Ok(Probe::new(script.dialect.caveat().to_owned())),
        }
    }

    async fn read(&self, zone: &Zone, site: &Site) -> Result<RecordSet, Error> {
        match &self.tongue {
            Tongue::Native(native) => native.read(&self.surroundings, zone, site).await,
            Tongue::Lexicon(lexicon) => lexicon.read(&self.surroundings, zone, site).await,
            Tongue::Script(_) => {
                Err(Error::new(Class::Blocked, "unreadable", "a script cannot be asked what is there")
                    .hint("look at DNS, as the agent does before it asks DigiCert"))
            }
        }
    }

    async fn apply(&self, zone: &Zone, changes: &[Change]) -> Result<Receipt, Error> {
        zone.encloses(changes)?;
        if changes.is_empty() {
            return Ok(Receipt::default());
        }
        let _turn = self.turn.lock().await;
        match &self.tongue {
            Tongue::Native(native) => native.apply(&self.surroundings, zone, changes).await,
            Tongue::Lexicon(lexicon) => lexicon.apply(&self.surroundings, zone, changes).await,
            Tongue::Script(script) => script.apply(&self.surroundings, changes).await,
        }
    }

    async fn settled(&self, receipt: &Receipt) -> Result<bool, Error> {
        match (&self.tongue, &receipt.change) {
            (Tongue::Native(native), Some(change)) => native.settled(&self.surroundings, change).await,
            _ => Ok(true),
        }
    }
}
