//! `plan`: what a run would change in DNS and on web servers. Nothing is changed.

use std::path::Path;

use dcv_core::{
    Artifact, Because, Decision, DomainName, Facts, Form, Label, Location, Next, Policy, Step, Target,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    delegation,
    explain::{open, record_of},
    manner::Output,
    preview,
    show::{self, Answer, Page},
};
use crate::{
    ca::Account,
    clock, config,
    context::Context,
    discover::{self, Found},
    exit::{Exit, Failed},
    subject::Subject,
    subjects::Subjects,
};

#[derive(Serialize)]
struct Planned {
    #[serde(flatten)]
    subject: Subject,
    because: Because,
    changes: Vec<PlannedChange>,
}

#[derive(Serialize)]
struct PlannedChange {
    action: &'static str,
    /// `TXT`, `CNAME` or `FILE`.
    kind: &'static str,
    /// The record's name, or the host of the file.
    owner: String,
    /// The record's zone; null for a file.
    zone: Option<String>,
}

impl PlannedChange {
    fn new(action: &'static str, kind: &'static str, target: &Target) -> Self {
        let (owner, zone) = match target {
            Target::Record(site) => (site.owner().to_string(), Some(site.zone().to_string())),
            Target::File(host) => (host.to_string(), None),
        };
        Self { action, kind, owner, zone }
    }
}

/// What a run would change in DNS and on web servers.
pub(super) async fn run(path: &Path, output: Output) -> Result<Answer, Failed> {
    let (context, subjects) = known(path).await?;
    let mut planned = Vec::new();
    for (subject, facts) in subjects {
        planned.push(plan(&context, subject, facts).await);
    }
    let page = match output {
        Output::Json => Page::json(&planned)?,
        Output::Text => text(&planned),
    };
    Ok(Answer::new(page, Exit::Success))
}

/// The CNAME records to create where no configured zone holds a validation name.
pub(super) async fn cnames(path: &Path, into: Option<&DomainName>, output: Output) -> Result<Answer, Failed> {
    let (context, subjects) = known(path).await?;
    let into = delegation::into_zone(&context, into)?;
    let mut scopes = delegation::configured(&context);
    for (subject, mut facts) in subjects {
        preview::advance(&context, &subject, &mut facts, |step| {
            matches!(step, Step::ReadOrder | Step::ReadDomain)
        })
        .await;
        let lookups = facts.lookups(&context.policy(&subject.account).methods);
        scopes.extend(
            lookups.into_iter().filter(|lookup| lookup.label != Label::File).map(|lookup| lookup.domain),
        );
    }
    let delegations = delegation::of_scopes(&context, &scopes, Some(&into)).await;
    let page = match output {
        Output::Json => Page::json(&delegations)?,
        Output::Text => delegation::page(&delegations),
    };
    Ok(Answer::new(page, Exit::Success))
}

/// All that is configured, and what discovery would find.
async fn known(path: &Path) -> Result<(Context, Subjects), Failed> {
    let (context, mut subjects) = open(path).await?;
    for (name, settings) in &context.config.accounts {
        let Some(account) = context.accounts.get(name) else { continue };
        let found = discovered(&context, name, account, settings).await.map_err(|error| {
            let retry = context.policy(name).setup_retry;
            Failed::setup(account.trouble(&error, retry, clock::now()))
        })?;
        take_in(&mut subjects, found, context.policy(name));
    }
    Ok((context, subjects))
}

type Discovered = Vec<(Subject, Result<Facts, String>)>;

/// What discovery would find in the account.
async fn discovered(
    context: &Context,
    name: &str,
    account: &Account,
    settings: &config::Account,
) -> Result<Discovered, digicert_api::Error> {
    let mut found = Vec::new();
    if let Some(discover) = &settings.discover {
        let orders = discover::list_orders(&context.config, name, account, discover).await?;
        found.extend(orders.into_iter().map(|Found { subject, facts, .. }| (subject, facts)));
    }
    if let Some(domains) = &settings.domains {
        let domains = discover::list_domains(name, account, domains).await?;
        found.extend(domains.into_iter().map(|Found { subject, facts, .. }| (subject, facts)));
    }
    Ok(found)
}

fn take_in(subjects: &mut Subjects, found: Discovered, policy: &Policy) {
    for (subject, facts) in found {
        match facts {
            // A domain whose proof has time left is not even read.
            Ok(facts) if rests(&facts, policy, clock::now()) => {}
            Ok(facts) => drop(subjects.entry(subject).or_insert(facts)),
            Err(why) => show::note(&format!("{subject}  left alone: {why}")),
        }
    }
}

fn rests(facts: &Facts, policy: &Policy, now: Timestamp) -> bool {
    let domain = facts.domain.as_ref();
    domain.is_some_and(|domain| !domain.pending && domain.due(&policy.renewal, facts.seed) > now)
}

async fn plan(context: &Context, subject: Subject, mut facts: Facts) -> Planned {
    // A value is not asked for: where it would go is all that is told.
    let Decision { next, because } = preview::advance(context, &subject, &mut facts, |step| {
        matches!(step, Step::Locate(_) | Step::ReadOrder | Step::ReadDomain)
    })
    .await;
    let changes = match &next {
        Next::Do(Step::Retract(artifacts)) => of("remove", artifacts),
        Next::Do(Step::Publish { artifacts, replacing }) => {
            let mut changes = of("remove", replacing);
            changes.extend(of("add", artifacts));
            changes
        }
        Next::Do(Step::RequestValue | Step::SubmitDomain | Step::NewDomainValue) => {
            coming(&facts, context.policy(&subject.account))
        }
        Next::Do(_) | Next::RestUntil(_) => Vec::new(),
    };
    Planned { subject, because, changes }
}

fn of(action: &'static str, artifacts: &[Artifact]) -> Vec<PlannedChange> {
    let change = |artifact: &Artifact| {
        let kind = record_of(artifact).map_or("FILE", |data| data.kind());
        PlannedChange::new(action, kind, &artifact.target())
    };
    artifacts.iter().map(change).collect()
}

/// What would be put up once there is a value.
fn coming(facts: &Facts, policy: &Policy) -> Vec<PlannedChange> {
    let required = facts.requirements(&policy.methods);
    let changes = required.iter().filter_map(|required| {
        let Location::At(target) = facts.located.get(&required.lookup)? else { return None };
        let kind = match required.spec.form {
            Form::Txt { .. } => "TXT",
            Form::Cname { .. } => "CNAME",
            Form::File => "FILE",
        };
        Some(PlannedChange::new("add", kind, target))
    });
    changes.collect()
}

fn text(planned: &[Planned]) -> Page {
    let mut page = Page::default();
    for Planned { subject, because, changes } in planned {
        page.line(&format!("{subject}  {because}"));
        for PlannedChange { action, kind, owner, zone } in changes {
            let at = zone.as_ref().map_or_else(String::new, |zone| format!("  (zone {zone})"));
            page.line(&format!("  {action} {kind} {owner}{at}"));
        }
    }
    page
}
