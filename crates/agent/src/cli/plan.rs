//! `plan`: what a run would change in DNS and on web servers. Nothing is changed.

use std::path::Path;

use dcv_core::{Artifact, Because, Decision, Facts, Form, Kind, Location, Policy, Step, Target, decide};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    args::Output,
    explain::{locate, open, record_of, take},
    fail, show,
};
use crate::{
    clock,
    context::Context,
    discover::{self, Found},
    exit::Exit,
    subjects::{Id, Subject},
};

#[derive(Serialize)]
struct Planned {
    #[serde(flatten)]
    order: Subject,
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
pub(super) async fn run(path: &Path, output: Output) -> Exit {
    let (context, subjects) = match open(path).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let mut subjects = subjects;
    for (name, settings) in &context.config.accounts {
        let Some(account) = context.accounts.get(name) else { continue };
        let found = async {
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
        };
        let found: Result<_, digicert_api::Error> = found.await;
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                return fail(
                    Exit::Setup,
                    &context.trouble(name, account, Kind::Domain, &error, clock::now()),
                );
            }
        };
        let policy = context.policy(name);
        for (subject, facts) in found {
            match facts {
                // A domain whose proof has time left is not even read.
                Ok(facts) if rests(&facts, policy, clock::now()) => {}
                Ok(facts) => drop(subjects.entry(subject).or_insert(facts)),
                Err(why) => show::progress(&format!("{subject}  left alone: {why}")),
            }
        }
    }
    let mut planned = Vec::new();
    for (order, facts) in subjects {
        planned.push(plan_one(&context, order, facts).await);
    }
    match output {
        Output::Json => show::json(&planned),
        Output::Text => {
            for Planned { order, because, changes } in &planned {
                show::line(&format!("{order}  {because}"));
                for PlannedChange { action, kind, owner, zone } in changes {
                    let at = zone.as_ref().map_or_else(String::new, |zone| format!("  (zone {zone})"));
                    show::line(&format!("  {action} {kind} {owner}{at}"));
                }
            }
        }
    }
    Exit::Success
}

fn rests(facts: &Facts, policy: &Policy, now: Timestamp) -> bool {
    let domain = facts.domain.as_ref();
    domain.is_some_and(|domain| !domain.pending && domain.due(&policy.renewal, facts.seed) > now)
}

async fn plan_one(context: &Context, order: Subject, mut facts: Facts) -> Planned {
    let read = match order.id {
        Id::Order(_) => Step::ReadOrder,
        Id::Domain(_) => Step::ReadDomain,
    };
    if facts.retired || take(context, &order, &mut facts, read).await {
        locate(context, &order, &mut facts).await;
    }
    let policy = context.policy(&order.account);
    let Decision { step, because, .. } = decide(&facts, policy, clock::now());
    let kind = match facts.spec(&policy.methods).map(|spec| &spec.form) {
        Some(Form::Cname { .. }) => "CNAME",
        Some(Form::File) => "FILE",
        Some(Form::Txt { .. }) | None => "TXT",
    };
    let of = |action, artifacts: &[Artifact]| {
        let change = |artifact: &Artifact| {
            let kind = record_of(artifact).map_or("FILE", |data| data.kind());
            PlannedChange::new(action, kind, &artifact.target())
        };
        artifacts.iter().map(change).collect::<Vec<_>>()
    };
    let changes = match &step {
        Step::Retract(artifacts) => of("remove", artifacts),
        Step::Publish { artifacts, replacing } => {
            let mut changes = of("remove", replacing);
            changes.extend(of("add", artifacts));
            changes
        }
        Step::RequestValue | Step::SubmitDomain | Step::NewDomainValue => facts
            .located
            .values()
            .filter_map(|location| match location {
                Location::At(target) => Some(PlannedChange::new("add", kind, target)),
                Location::Blocked(_) => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    Planned { order, because, changes }
}
