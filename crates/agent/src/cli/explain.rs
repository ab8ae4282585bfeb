//! `explain` and `plan`: read and look, then tell what `decide` makes of it. Nothing is changed.

use std::path::Path;

use dcv_core::{
    Because, CaaFacts, CertName, Decision, DomainName, Expectation, Facts, Finding, Learned, Location,
    OrderStatus, Outcome, Proof, RandomValue, Reason, Severity, Sighting, Stage, Step, Survey, VerdictPolicy,
    decide, findings, verdict,
};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use super::{
    args::{DEFAULT_CONFIG, Output},
    fail, load,
    report::{Next, OrderSeen, Report, ScopeSeen},
    show,
};
use crate::{
    clock,
    config::Verify,
    discover::{self, Found},
    exit::Exit,
    journal::Journal,
    observe::Observer,
    roster::{OrderKey, Roster, muster},
    world::{World, chain},
};

/// Scopes that are surveyed at the same time.
const TOGETHER: usize = 16;

/// Explains an order: of the configuration, or, where there is one account only, any order of that account.
pub(super) async fn order(path: &Path, id: u64, output: Output) -> Exit {
    let (world, roster) = match open(path).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let mut reports = Vec::new();
    for (order, facts) in roster.into_iter().filter(|(order, _)| order.id == id) {
        reports.push(report(&world, order, facts).await);
    }
    if reports.is_empty() {
        reports = strangers(&world, id).await;
    }
    if reports.is_empty() {
        let what = format!(
            "order {id} is in no account of {}; add it to accounts.<name>.orders, or set accounts.<name>.discover",
            path.display()
        );
        return fail(Exit::Setup, &what);
    }
    print(&reports, output);
    Exit::of(reports.iter().filter_map(|report| report.outcome))
}

/// An order that the configuration does not name: of the only account, or of those whose orders are discovered.
async fn strangers(world: &World, id: u64) -> Vec<Report> {
    let mut reports = Vec::new();
    for (name, settings) in &world.config.accounts {
        let Some(account) = world.accounts.get(name) else { continue };
        let order = OrderKey { account: name.clone(), id };
        let Some(discover) = &settings.discover else {
            if world.accounts.len() == 1 {
                reports.push(report(world, order, Facts { seed: id, ..Facts::default() }).await);
            }
            continue;
        };
        match account.client.order(id).await {
            Ok(read) => match discover::consider(id, &read.dns_names, discover) {
                Ok(facts) => reports.push(report(world, order, facts).await),
                Err(why) => reports.push(left_alone(order, read.status.as_str(), why)),
            },
            Err(error) => show::problem(&world.trouble(name, account, &error, clock::now())),
        }
    }
    reports
}

/// An order that no pattern admits.
fn left_alone(key: OrderKey, status: &str, why: String) -> Report {
    Report {
        order: Some(OrderSeen {
            key,
            status: Some(status.to_owned()),
            method: None,
            value: None,
            value_expires: None,
        }),
        scopes: Vec::new(),
        outcome: Some(Reason::NotTakenUp.outcome()),
        because: Some(Because::new(Reason::NotTakenUp, why)),
        action: "nothing, or change `only` and `except` of the account's `discover`".to_owned(),
        next: None,
        questions: 0,
    }
}

/// Explains a bare domain; needs no account, and no configuration either.
pub(super) async fn domain(path: &Path, text: &str, output: Output) -> Exit {
    let scope = match DomainName::scope(text) {
        Ok(scope) => scope,
        Err(error) => return fail(Exit::Usage, &error.to_string()),
    };
    // A file that was asked for has to be there.
    let config = match path.exists() || path != Path::new(DEFAULT_CONFIG) {
        true => match load(path) {
            Ok(config) => Some(config),
            Err(exit) => return exit,
        },
        false => None,
    };
    let default = Verify::default();
    let verify = config.as_ref().map_or(&default, |config| &config.verify);
    let observer = match Observer::new(verify) {
        Ok(observer) => observer,
        Err(error) => return fail(Exit::Setup, &error),
    };
    let names = [CertName { name: scope.clone(), wildcard: text.trim().starts_with("*.") }];
    let survey = observer.survey(&scope, &names, &Proof::Txt).await;
    let findings = findings(&survey, &Expectation::default(), policy(verify), clock::now());
    let routed = config.as_ref().and_then(|config| {
        let end = survey.delegation.chain.last().unwrap_or(&survey.owner);
        config.route(end).map(|(provider, _)| provider.to_owned())
    });
    let scope = ScopeSeen { survey, provider: routed, location: None, verdict: None, findings };
    let mut report = Report {
        order: None,
        scopes: vec![scope],
        because: None,
        outcome: None,
        action: String::new(),
        next: None,
        questions: observer.questions(),
    };
    let failed = report.worst().is_some_and(|finding| finding.severity == Severity::Fail);
    report.action =
        action(&report).unwrap_or_else(|| "nothing: a value published there can be seen".to_owned());
    print(std::slice::from_ref(&report), output);
    if failed { Exit::Blocked } else { Exit::Success }
}

fn print(reports: &[Report], output: Output) {
    match output {
        Output::Json => show::json(&reports),
        Output::Text => {
            for report in reports {
                report.tell(clock::now());
            }
        }
    }
}

async fn open(path: &Path) -> Result<(World, Roster), Exit> {
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
    Ok((world, roster))
}

/// Learns all that decides about an order, without changing anything: the order, its value (asking for it never
/// replaces one that is valid), where its records go, and what DNS shows there.
async fn report(world: &World, order: OrderKey, mut facts: Facts) -> Report {
    gather(world, &order, &mut facts).await;
    let value = facts.token.as_ref().and_then(|token| token.value.clone().ok());
    let surveys = survey(world, &facts).await;
    if !surveys.is_empty() {
        let look = Step::Look(surveys.iter().map(|survey| survey.scope.clone()).collect());
        let seen = surveys.iter().map(|survey| (survey.scope.clone(), sightings(survey))).collect();
        facts.learn(&look, Learned::Looked(seen), clock::now());
        // A report is read once: what is bogus now is told now.
        facts.looks = world.policy.bogus_looks;
        let names = surveys.iter().flat_map(|survey| survey.caa.clone()).collect();
        facts.caa = Some(CaaFacts { at: clock::now(), names });
    }
    let decision = decide(&facts, &world.policy, clock::now());
    let mut scopes = Vec::new();
    for survey in surveys {
        scopes.push(scope(world, &facts, value.as_ref(), survey).await);
    }
    let status = facts.order.as_ref().map(|order| order.status.as_str().to_owned());
    let method = facts.order.as_ref().and_then(|order| order.method.as_ref().map(ToString::to_string));
    let mut report = Report {
        order: Some(OrderSeen {
            key: order,
            status,
            method,
            value: value.map(|value| value.fingerprint()),
            value_expires: facts.token.as_ref().and_then(|token| token.expires),
        }),
        scopes,
        outcome: Some(decision.because.reason.outcome()),
        action: String::new(),
        next: Some(Next::of(&decision)),
        because: Some(decision.because),
        questions: world.observer.questions(),
    };
    report.action = action(&report).unwrap_or_else(|| match report.outcome {
        Some(Outcome::Done) => "nothing".to_owned(),
        Some(Outcome::Open) | None => "nothing: the agent goes on by itself when it runs".to_owned(),
        Some(Outcome::Blocked | Outcome::Setup | Outcome::Bug) => {
            report.because.as_ref().map(|because| because.detail.clone()).unwrap_or_default()
        }
    });
    report
}

/// The fix for the worst finding that stops validation.
fn action(report: &Report) -> Option<String> {
    report.worst().filter(|finding| finding.severity == Severity::Fail).map(|Finding { fix, .. }| fix.clone())
}

async fn gather(world: &World, order: &OrderKey, facts: &mut Facts) {
    let work = |facts: &Facts| facts.order.as_ref().is_some_and(|order| order.status.stage() == Stage::Work);
    if !facts.retired
        && take(world, order, facts, Step::ReadOrder).await
        && work(facts)
        && !facts.proven
        && facts.proof(&world.policy.methods).is_some()
        && take(world, order, facts, Step::RequestValue).await
    {
        locate(world, order, facts).await;
    }
}

async fn locate(world: &World, order: &OrderKey, facts: &mut Facts) {
    let scopes: Vec<_> = facts.open_scopes().into_iter().cloned().collect();
    if !scopes.is_empty() {
        take(world, order, facts, Step::Locate(scopes)).await;
    }
}

/// Carries out one step; tells whether it went well.
async fn take(world: &World, order: &OrderKey, facts: &mut Facts, step: Step) -> bool {
    let learned = world.carry_out(order, facts, &step).await;
    facts.learn(&step, learned, clock::now());
    facts.failure.is_none()
}

async fn survey(world: &World, facts: &Facts) -> Vec<Survey> {
    let over = |status: &OrderStatus| status.stage() == Stage::Ended;
    if facts.proven || facts.order.as_ref().is_some_and(|order| over(&order.status)) {
        return Vec::new();
    }
    let proof = facts.proof(&world.policy.methods).cloned().unwrap_or(Proof::Txt);
    let each: Vec<_> = facts
        .open_scopes()
        .into_iter()
        .map(|scope| {
            let covered = |order: &dcv_core::OrderFacts| {
                order.scopes.iter().find(|known| known.name == *scope).map(|known| known.names.clone())
            };
            let mut names = facts.order.as_ref().and_then(covered).unwrap_or_default();
            if names.is_empty() {
                names.push(CertName { name: scope.clone(), wildcard: false });
            }
            let scope = scope.clone();
            let proof = proof.clone();
            async move { world.observer.survey(&scope, &names, &proof).await }
        })
        .collect();
    stream::iter(each).buffered(TOGETHER).collect().await
}

async fn scope(world: &World, facts: &Facts, value: Option<&RandomValue>, survey: Survey) -> ScopeSeen {
    let location = facts.located.get(&survey.scope).cloned();
    let proof = facts.proof(&world.policy.methods);
    let record = proof.zip(value).and_then(|(proof, value)| proof.record(value).ok());
    let (mut provider, mut at_provider) = (None, None);
    if let Some(Location::At(site)) = &location {
        provider = world.config.route(site.owner()).map(|(name, _)| name.to_owned());
        if let Some(record) = &record {
            at_provider = world.publisher.holds(site, record).await.ok();
        }
    }
    let held = || {
        facts.held.iter().filter(|held| matches!(&location, Some(Location::At(site)) if held.site == *site))
    };
    let former = held().map(|held| held.data.clone()).filter(|former| Some(former) != record.as_ref());
    let expected = Expectation {
        former: former.collect(),
        published: held().any(|held| Some(&held.data) == record.as_ref() && held.applied.is_some()),
        record: record.clone(),
        at_provider,
    };
    let findings = findings(&survey, &expected, world.policy.verdict, clock::now());
    let verdict = record.map(|record| verdict(&sightings(&survey), &record, world.policy.verdict));
    ScopeSeen { survey, provider, location, verdict, findings }
}

/// What a look would have brought.
fn sightings(survey: &Survey) -> Vec<Sighting> {
    let servers = survey.zone.iter().flat_map(|zone| &zone.servers).map(|server| server.sighting.clone());
    servers.chain(survey.resolvers.iter().cloned()).collect()
}

fn policy(verify: &Verify) -> VerdictPolicy {
    VerdictPolicy { quorum: verify.quorum, tolerate_failed: verify.tolerate_failed, dnssec: verify.dnssec }
}

#[derive(Serialize)]
struct Planned {
    #[serde(flatten)]
    order: OrderKey,
    because: Because,
    changes: Vec<PlannedChange>,
}

#[derive(Serialize)]
struct PlannedChange {
    action: &'static str,
    kind: &'static str,
    owner: String,
    zone: String,
}

/// What a run would change in DNS.
pub(super) async fn plan(path: &Path, output: Output) -> Exit {
    let (world, roster) = match open(path).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let mut roster = roster;
    for (name, settings) in &world.config.accounts {
        let (Some(discover), Some(account)) = (&settings.discover, world.accounts.get(name)) else {
            continue;
        };
        let found = match discover::list(&world.config, name, account, discover).await {
            Ok(found) => found,
            Err(error) => return fail(Exit::Setup, &world.trouble(name, account, &error, clock::now())),
        };
        for Found { order, facts, .. } in found {
            match facts {
                Ok(facts) => drop(roster.entry(order).or_insert(facts)),
                Err(why) => show::progress(&format!("{order}  left alone: {why}")),
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
                    show::line(&format!("  {action} {kind} {owner}  (zone {zone})"));
                }
            }
        }
    }
    Exit::Success
}

async fn plan_one(world: &World, order: OrderKey, mut facts: Facts) -> Planned {
    if facts.retired || take(world, &order, &mut facts, Step::ReadOrder).await {
        locate(world, &order, &mut facts).await;
    }
    let Decision { step, because, .. } = decide(&facts, &world.policy, clock::now());
    let exclusive = facts.proof(&world.policy.methods).is_some_and(Proof::is_exclusive);
    let kind = if exclusive { "CNAME" } else { "TXT" };
    let change = |action, kind, site: &dcv_core::Site| PlannedChange {
        action,
        kind,
        owner: site.owner().to_string(),
        zone: site.zone().to_string(),
    };
    let changes = match &step {
        Step::Retract(values) => {
            values.iter().map(|(site, data)| change("remove", data.kind(), site)).collect()
        }
        Step::RequestValue => facts
            .located
            .values()
            .filter_map(|location| match location {
                Location::At(site) => Some(change("add", kind, site)),
                Location::Blocked(_) => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    Planned { order, because, changes }
}
