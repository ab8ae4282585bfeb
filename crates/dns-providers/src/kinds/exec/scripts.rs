//! The ways of others to have a TXT value added and removed by a command: one value a call, success by exit status, and
//! nothing that could be read.

use std::path::Path;

use dcv_core::{Change, DomainName, RandomValue, RecordData};

use super::{Surroundings, bad, process};
use crate::{Class, Error, Receipt};

/// Functions that `dnsapi` scripts call.
const SHIM: &str = include_str!("dnsapi.bash");
/// What runs them.
const BASH: &str = "/bin/bash";
/// What an installed acme.sh is told: it runs what is not an option as a command of its own shell.
const WITHIN_ACME_SH: &str = r#"_initpath && . "$DCV_SCRIPT" && "$DCV_FUNCTION" "$DCV_NAME" "$DCV_VALUE""#;
/// The label that ACME's tools expect, and put before a domain by themselves.
const ACME_LABEL: &str = "_acme-challenge.";

/// A command in the way of another tool.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) command: Vec<String>,
    pub(super) dialect: Dialect,
}

/// Whose way it is.
#[derive(Debug)]
pub(super) enum Dialect {
    /// `present FQDN VALUE`, `cleanup FQDN VALUE`.
    Lego,
    /// `present -- DOMAIN TOKEN KEYAUTH`.
    LegoRaw,
    /// By the variables `CERTBOT_DOMAIN` and `CERTBOT_VALIDATION`.
    Certbot {
        /// The command that removes.
        cleanup: Vec<String>,
    },
    /// The functions `<vendor>_add NAME VALUE` and `<vendor>_rm NAME VALUE` of a shell script.
    AcmeSh {
        /// What the functions' names begin with, `dns_cf`.
        vendor: String,
        /// An installed acme.sh.
        acme_sh: Option<String>,
        /// Where it keeps what it was once given.
        accounts_file: Option<String>,
    },
}

/// What is asked of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Add,
    Remove,
}

/// A command that is ready to be run.
struct Call<'a> {
    command: Vec<String>,
    arguments: Vec<String>,
    variables: Vec<(&'a str, String)>,
}

impl Dialect {
    /// For the script `…/dns_cf.sh`.
    pub(super) fn acme_sh(
        acme_sh: Option<String>,
        accounts_file: Option<String>,
        command: &[String],
    ) -> Result<Self, Error> {
        let [script] = command else {
            return Err(bad("command is the path of a dnsapi script, and nothing else"));
        };
        let name = Path::new(script).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let vendor = name.strip_suffix(".sh").filter(|stem| {
            stem.starts_with("dns_") && stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        let Some(vendor) = vendor else {
            return Err(bad(format!(
                "{name:?} is no dnsapi script: it is named as dns_cf.sh is, after its functions"
            )));
        };
        for (key, path) in [("acme_sh", &acme_sh), ("accounts_file", &accounts_file)] {
            if path.as_ref().is_some_and(|path| !Path::new(path).is_absolute()) {
                return Err(bad(format!("{key} is not an absolute path")));
            }
        }
        Ok(Self::AcmeSh { vendor: vendor.to_owned(), acme_sh, accounts_file })
    }

    /// What is said of it where a probe finds nothing wrong.
    pub(super) const fn caveat(&self) -> &'static str {
        match self {
            Self::Lego | Self::AcmeSh { .. } => {
                "the script is there; it cannot be asked about the zone, nor what stands at a name, and that it leaves other values alone is its own to see to"
            }
            Self::LegoRaw | Self::Certbot { .. } => {
                "the script is there; it must publish the value as it is given, at the name that it is given; it cannot be asked about the zone, nor what stands at a name"
            }
        }
    }

    fn call<'a>(&self, command: &[String], wish: Wish, owner: &DomainName, value: &RandomValue) -> Call<'a> {
        let (command, value) = (command.to_vec(), value.as_str().to_owned());
        let verb = if wish == Wish::Add { "present" } else { "cleanup" };
        match self {
            Self::Lego => {
                let arguments = vec![verb.to_owned(), format!("{owner}."), value];
                Call { command, arguments, variables: Vec::new() }
            }
            Self::LegoRaw => {
                let domain = format!("{}.", unprefixed(owner));
                let arguments = vec![verb.to_owned(), "--".to_owned(), domain, value.clone(), value];
                Call { command, arguments, variables: Vec::new() }
            }
            Self::Certbot { cleanup } => {
                let domain = unprefixed(owner).to_owned();
                let mut variables = vec![
                    ("CERTBOT_DOMAIN", domain.clone()),
                    ("CERTBOT_IDENTIFIER", domain.clone()),
                    ("CERTBOT_ALL_DOMAINS", domain),
                    ("CERTBOT_VALIDATION", value),
                    ("CERTBOT_REMAINING_CHALLENGES", "0".to_owned()),
                ];
                let command = match wish {
                    Wish::Add => command,
                    Wish::Remove => {
                        // What the other hook printed is not kept beyond a restart, and so not at all.
                        variables.push(("CERTBOT_AUTH_OUTPUT", String::new()));
                        cleanup.clone()
                    }
                };
                Call { command, arguments: Vec::new(), variables }
            }
            Self::AcmeSh { vendor, acme_sh, accounts_file } => {
                let end = if wish == Wish::Add { "add" } else { "rm" };
                let script = command.into_iter().next().unwrap_or_default();
                let mut variables = vec![
                    ("DCV_SCRIPT", script),
                    ("DCV_FUNCTION", format!("{vendor}_{end}")),
                    ("DCV_NAME", owner.to_string()),
                    ("DCV_VALUE", value),
                ];
                if let Some(acme_sh) = acme_sh {
                    let folder = Path::new(acme_sh).parent().map(|folder| folder.display().to_string());
                    variables.push(("LE_WORKING_DIR", folder.unwrap_or_default()));
                    variables.extend(accounts_file.clone().map(|file| ("ACCOUNT_CONF_PATH", file)));
                    let command = vec![acme_sh.clone()];
                    let arguments = vec!["eval".to_owned(), WITHIN_ACME_SH.to_owned()];
                    return Call { command, arguments, variables };
                }
                variables.extend(accounts_file.clone().map(|file| ("DCV_ACCOUNTS", file)));
                let command = [BASH, "--noprofile", "--norc", "-c", SHIM].map(str::to_owned).to_vec();
                Call { command, arguments: Vec::new(), variables }
            }
        }
    }
}

/// Without the label that the tool puts there itself. So a name delegated to `_acme-challenge.<domain>` is served by hooks
/// as they are.
fn unprefixed(owner: &DomainName) -> &str {
    owner.as_str().strip_prefix(ACME_LABEL).unwrap_or(owner.as_str())
}

impl Script {
    /// Whether what is run is there.
    pub(super) fn check(&self) -> Result<(), Error> {
        let first = |command: &[String]| command.first().cloned().unwrap_or_default();
        let command = first(&self.command);
        match &self.dialect {
            Dialect::Lego | Dialect::LegoRaw => process::check(&command),
            Dialect::Certbot { cleanup } => {
                process::check(&command).and_then(|()| process::check(&first(cleanup)))
            }
            // The script itself is read, not run.
            Dialect::AcmeSh { acme_sh, .. } => {
                process::check_file(&command)?;
                process::check(acme_sh.as_deref().unwrap_or(BASH))
            }
        }
    }

    pub(super) async fn apply(
        &self,
        surroundings: &Surroundings,
        changes: &[Change],
    ) -> Result<Receipt, Error> {
        for change in changes {
            let owner = change.site().owner();
            let value = text_only(change)?;
            let wish = if matches!(change, Change::Add { .. }) { Wish::Add } else { Wish::Remove };
            let Call { command, arguments, variables } = self.dialect.call(&self.command, wish, owner, value);
            let run =
                surroundings.run(&command, arguments, variables, Vec::new(), surroundings.until()).await;
            run?.succeeded()?;
        }
        Ok(Receipt::default())
    }
}

/// The value, where it is one of a TXT record.
pub(super) fn text_only(change: &Change) -> Result<&RandomValue, Error> {
    match change.data() {
        RecordData::Txt(value) => Ok(value),
        RecordData::Cname(_) => {
            let owner = change.site().owner();
            let text =
                format!("a CNAME is wanted at {owner}, and this mode of the command can publish TXT only");
            Err(Error::new(Class::Blocked, "text-only", text)
                .hint("set the order's method to dns-txt-token, or use mode = \"native\" or another kind of provider"))
        }
    }
}
