//! `explain` and `plan`: read and look, then tell what `decide` makes of it. Nothing is changed.

use std::path::Path;

use dcv_core::{Because, Facts, Location, Sighting, Step, decide};
use serde::Serialize;

use super::{args::Output, fail, load, show};
use crate::{
    clock,
    exit::Exit,
    journal::Journal,
    roster::{OrderKey, Roster, muster},
    world::{World, chain},
};

#[derive(Serialize)]
struct Explanation {
    #[serde(flatten)]
    order: OrderKey,
    facts: Facts,
    step: Step,
    because: Because,
    changes: Vec<Planned>,
}

#[derive(Serialize)]
struct Planned {
    action: &'static str,
    owner: String,
    zone: String,
}

pub(super) async fn run(path: &Path, id: u64, output: Output) -> Exit {
    let explained = match explain_all(path, |order| order.id == id).await {
        Ok(explained) => explained,
        Err(exit) => return exit,
    };
    if explained.is_empty() {
        return fail(
            Exit::Setup,
            &format!("order {id} is in no account of {}; add it to accounts.<name>.orders", path.display()),
        );
    }
    match output {
        Output::Json => show::json(&explained),
        Output::Text => explained.iter().for_each(tell),
    }
    Exit::of(explained.iter().map(|explanation| explanation.because.reason.outcome()))
}

pub(super) async fn plan(path: &Path, output: Output) -> Exit {
    let explained = match explain_all(path, |_| true).await {
        Ok(explained) => explained,
        Err(exit) => return exit,
    };
    match output {
        Output::Json => show::json(&explained),
        Output::Text => {
            for Explanation { order, because, changes, .. } in &explained {
                show::line(&format!("{order}  {because}"));
                for Planned { action, owner, zone } in changes {
                    show::line(&format!("  {action} TXT {owner}  (zone {zone})"));
                }
            }
        }
    }
    Exit::Success
}

async fn explain_all(path: &Path, wanted: impl Fn(&OrderKey) -> bool) -> Result<Vec<Explanation>, Exit> {
    let config = load(path)?;
    let setup = |error: &dyn std::error::Error| fail(Exit::Setup, &chain(error));
    // Reading must not create a state file where there is none.
    let journal = match config.state.exists() {
        true => Journal::open_existing(&config.state).await,
        false => Journal::open(Path::new(":memory:")).await,
    }
    .map_err(|error| setup(&error))?;
    let roster = muster(&config, &journal, Roster::new()).await.map_err(|error| setup(&error))?;
    let world = World::build(config, journal, None).await.map_err(|error| fail(Exit::Setup, &error))?;
    let mut explained = Vec::new();
    for (order, facts) in roster.into_iter().filter(|(order, _)| wanted(order)) {
        explained.push(explain(&world, order, facts).await);
    }
    Ok(explained)
}

/// Reads the order and finds its sites; what those facts lead to is what the agent would do.
async fn explain(world: &World, order: OrderKey, mut facts: Facts) -> Explanation {
    let read = Step::ReadOrder;
    if !facts.retired {
        let learned = world.carry_out(&order, &facts, &read).await;
        facts.learn(&read, learned, clock::now());
    }
    let scopes: Vec<_> = facts.open_scopes().into_iter().cloned().collect();
    if !scopes.is_empty() && facts.failure.is_none() {
        let locate = Step::Locate(scopes);
        let learned = world.carry_out(&order, &facts, &locate).await;
        facts.learn(&locate, learned, clock::now());
    }
    let decision = decide(&facts, &world.policy, clock::now());
    let changes = match &decision.step {
        Step::Retract(values) => values.iter().map(|(site, _)| planned("remove", site)).collect(),
        Step::RequestValue => facts
            .located
            .values()
            .filter_map(|location| match location {
                Location::At(site) => Some(planned("add", site)),
                Location::Blocked(_) => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    // A blocked site is found before a value is asked for here, and is the better answer.
    let blocked = facts.located.values().find_map(|location| match location {
        Location::Blocked(because) => Some(because.clone()),
        Location::At(_) => None,
    });
    Explanation { order, because: blocked.unwrap_or(decision.because), step: decision.step, changes, facts }
}

fn planned(action: &'static str, site: &dcv_core::Site) -> Planned {
    Planned { action, owner: site.owner().to_string(), zone: site.zone().to_string() }
}

fn tell(Explanation { order, facts, step, because, .. }: &Explanation) {
    show::line(&format!("order {order}"));
    match &facts.order {
        Some(read) => {
            let method = read.method.as_ref().map_or("unknown", |method| method.as_str());
            show::line(&format!("  status   {} (method {method}, read {:.0})", read.status, read.at));
            for scope in &read.scopes {
                show::line(&format!(
                    "  scope    {}  {}",
                    scope.name,
                    if scope.approved { "approved" } else { "open" }
                ));
            }
        }
        None => show::line("  status   unknown"),
    }
    for (scope, location) in &facts.located {
        match location {
            Location::At(site) => {
                show::line(&format!("  record   {scope} -> {} in zone {}", site.owner(), site.zone()))
            }
            Location::Blocked(because) => show::line(&format!("  record   {scope} -> {because}")),
        }
    }
    for held in &facts.held {
        show::line(&format!("  held     {:?} at {}", held.value, held.site.owner()));
    }
    for Sighting { vantage, answer, .. } in facts.sightings.values().flatten() {
        show::line(&format!("  seen     {vantage}  {answer:?}"));
    }
    show::line(&format!("  because  {because}"));
    show::line(&format!("  next     {}", step.label()));
}
