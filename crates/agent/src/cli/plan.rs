//! `plan`: what a run would change in DNS and on web servers. Nothing is changed.

use std::path::Path;

use dcv_core::{Because, Decision, Exhibit, Facts, Form, Kind, Location, Place, Policy, Step, decide};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    args::Output,
    explain::{locate, open, record_of, take},
    fail, show,
};
use crate::{
    clock,
    discover::{self, Found},
    exit::Exit,
    roster::{Id, Subject},
    world::World,
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
    fn new(action: &'static str, kind: &'static str, place: &Place) -> Self {
        let (owner, zone) = match place {
            Place::Record(site) => (site.owner().to_string(), Some(site.zone().to_string())),
            Place::File(host) => (host.to_string(), None),
        };
        Self { action, kind, owner, zone }
    }
}

/// What a run would change in DNS and on web servers.
pub(super) async fn run(path: &Path, output: Output) -> Exit {
    let (world, roster) = match open(path).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let mut roster = roster;
    for (name, settings) in &world.config.accounts {
        let Some(account) = world.accounts.get(name) else { continue };
        let found = async {
            let mut found = Vec::new();
            if let Some(discover) = &settings.discover {
                let orders = discover::list_orders(&world.config, name, account, discover).await?;
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
                return fail(Exit::Setup, &world.trouble(name, account, Kind::Domain, &error, clock::now()));
            }
        };
        let policy = world.policy(name);
        for (subject, facts) in found {
            match facts {
                // A domain whose proof has time left is not even read.
                Ok(facts) if rests(&facts, policy, clock::now()) => {}
                Ok(facts) => drop(roster.entry(subject).or_insert(facts)),
                Err(why) => show::progress(&format!("{subject}  left alone: {why}")),
            }
        }
    }
    let mut planned = Vec::new();
    for (order, facts) in roster {
        planned.push(plan_one(&world, order, facts).await);
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

async fn plan_one(world: &World, order: Subject, mut facts: Facts) -> Planned {
    let read = match order.id {
        Id::Order(_) => Step::ReadOrder,
        Id::Domain(_) => Step::ReadDomain,
    };
    if facts.retired || take(world, &order, &mut facts, read).await {
        locate(world, &order, &mut facts).await;
    }
    let policy = world.policy(&order.account);
    let Decision { step, because, .. } = decide(&facts, policy, clock::now());
    let kind = match facts.proof(&policy.methods).map(|proof| &proof.form) {
        Some(Form::Cname { .. }) => "CNAME",
        Some(Form::File) => "FILE",
        Some(Form::Txt { .. }) | None => "TXT",
    };
    let of = |action, exhibits: &[Exhibit]| {
        let change = |exhibit: &Exhibit| {
            let kind = record_of(exhibit).map_or("FILE", |data| data.kind());
            PlannedChange::new(action, kind, &exhibit.place())
        };
        exhibits.iter().map(change).collect::<Vec<_>>()
    };
    let changes = match &step {
        Step::Retract(exhibits) => of("remove", exhibits),
        Step::Publish { exhibits, replacing } => {
            let mut changes = of("remove", replacing);
            changes.extend(of("add", exhibits));
            changes
        }
        Step::RequestValue | Step::SubmitDomain | Step::NewDomainValue => facts
            .located
            .values()
            .filter_map(|location| match location {
                Location::At(place) => Some(PlannedChange::new("add", kind, place)),
                Location::Blocked(_) => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    Planned { order, because, changes }
}
