//! `conformance`: the contract suite against a real account, at names below a random label, which are removed again.

use std::{path::Path, sync::Arc};

use dcv_core::DomainName;
use dcv_observe::random_label;
use dns_providers::{
    Class, DnsProvider, Secret, Zone,
    contract::live::{Examination, Finding},
};
use serde::Serialize;

use super::{
    manner::Output,
    show::{self, Answer, BAD, GOOD, Page, paint},
};
use crate::{
    config::Config,
    error::chain,
    exit::{Exit, Failed},
    start::load,
};

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    provider: String,
    zone: DomainName,
    /// The label below which everything was written.
    label: String,
    checks: Vec<Check>,
    /// Why something may be left below the label, if so.
    left_behind: Option<String>,
}

#[derive(Debug, Serialize)]
struct Check {
    promise: &'static str,
    kept: bool,
    /// How it is broken.
    breach: Option<String>,
}

pub(super) async fn run(
    path: &Path,
    provider: &str,
    zone: &DomainName,
    output: Output,
) -> Result<Answer, Failed> {
    let config = load(path)?;
    let Managed { provider: built, zone: managed, lists_ttl } = build(&config, provider, zone).await?;
    let label = format!("dcv-agent-{}", random_label());
    let examination = Examination::new(built, managed, &label).lists_ttl(lists_ttl);
    if let Err(error) = examination.can_be_read().await {
        return Err(cannot(&error));
    }
    show::progress(&format!("writing at names below {label}.{zone}, and removing them again"));
    let outcome = examine(&examination).await;
    let left_behind = examination.clean_up().await.err().map(|error| chain(&error));
    let Some(findings) = outcome else {
        let left =
            left_behind.map_or_else(String::new, |why| format!("; what is below {label} may be left: {why}"));
        return Err(Failed::later(format!("broken off{left}")));
    };
    let checks = findings.into_iter().map(Check::from).collect();
    let report = Report { provider: provider.to_owned(), zone: zone.clone(), label, checks, left_behind };
    let kept = report.left_behind.is_none() && report.checks.iter().all(|check| check.kept);
    let page = match output {
        Output::Json => Page::json(&report)?,
        Output::Text => table(&report),
    };
    Ok(Answer::new(page, if kept { Exit::Success } else { Exit::Blocked }))
}

/// What is examined.
struct Managed {
    provider: Arc<dyn DnsProvider>,
    zone: Zone,
    /// Whether its kind lists times to live.
    lists_ttl: bool,
}

async fn build(config: &Config, name: &str, zone: &DomainName) -> Result<Managed, Failed> {
    let known = || config.providers.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let Some(provider) = config.providers.get(name) else {
        return Err(Failed::setup(format!("no provider {name:?} is configured; there are: {}", known())));
    };
    let Some(managed) = provider.zones.iter().find(|managed| managed.name == *zone) else {
        let zones: Vec<_> = provider.zones.iter().map(|managed| managed.name.as_str()).collect();
        return Err(Failed::setup(format!("{name} serves no zone {zone}; it serves {}", zones.join(", "))));
    };
    let settings = provider.settings.clone().map_secrets(|reference| -> Secret { Arc::new(reference) });
    let built = dns_providers::build(name, settings).await.map_err(|error| {
        let hint = error.next_action().map(|hint| format!(" ({hint})")).unwrap_or_default();
        Failed::setup(format!("providers.{name}: {error}{hint}"))
    })?;
    Ok(Managed { provider: built, zone: managed.clone(), lists_ttl: provider.settings.lists_ttl() })
}

/// Why nothing can be examined.
fn cannot(error: &dns_providers::Error) -> Failed {
    let hint = error.next_action().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let message = format!("{}{hint}", chain(error));
    match error.class() {
        Class::Setup => Failed::setup(message),
        Class::Later => Failed::later(message),
        Class::Blocked if error.label() == "unreadable" => Failed {
            exit: Exit::Blocked,
            message: format!("{message}; what it did cannot be examined: try doctor --write"),
        },
        Class::Blocked => Failed { exit: Exit::Blocked, message },
        Class::Bug => Failed { exit: Exit::Bug, message },
    }
}

/// The findings; nothing when a person breaks it off.
async fn examine(examination: &Examination) -> Option<Vec<Finding>> {
    // A breach is a panic of the suite, which is told as a finding and not as an accident of the agent.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let findings = tokio::select! {
        findings = examination.run(|promise| show::progress(&format!("{promise} …"))) => Some(findings),
        _ = tokio::signal::ctrl_c() => None,
    };
    std::panic::set_hook(hook);
    findings
}

impl From<Finding> for Check {
    fn from(Finding { promise, breach }: Finding) -> Self {
        // Of an assertion that compares, the first line is its sentence.
        let breach = breach.map(|text| crate::error::plain(text.lines().next().unwrap_or_default(), 1000));
        Self { promise, kept: breach.is_none(), breach }
    }
}

fn table(report: &Report) -> Page {
    let mut page = Page::default();
    for Check { promise, kept, breach } in &report.checks {
        let word = if *kept { paint(GOOD, "kept  ") } else { paint(BAD, "BROKEN") };
        let why = breach.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        page.line(&format!("{word}  {promise}{why}"));
    }
    match &report.left_behind {
        None => page.line(&format!("nothing is left below {}.{}", report.label, report.zone)),
        Some(why) => page.line(&format!(
            "{} something may be left below {}.{}: {why}",
            paint(BAD, "LEFT"),
            report.label,
            report.zone
        )),
    }
    page
}
