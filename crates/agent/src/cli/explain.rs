//! `explain`: read and look, then tell what `decide` makes of it. Nothing is changed.

use std::{collections::BTreeMap, path::Path};

use dcv_core::{
    Artifact, Because, Caa, CaaFacts, CertName, DomainName, Expectation, Facts, Finding, Kind, Label,
    Learned, Location, Lookup, MethodSpec, OrderStatus, Outcome, Reason, RecordData, Severity, Sighting,
    Stage, Step, Survey, Target, Verdict, caa_findings, decide, findings, verdict,
};
use dcv_observe::Observer;
use futures_util::{StreamExt as _, stream};

use super::{
    args::{DEFAULT_CONFIG, Output},
    explanation::{Explanation, Next, OrderSeen, ScopeSeen},
    fail,
    file_seen::{FileSeen, not_shown},
    load, show,
};
use crate::{
    clock,
    config::Verify,
    context::{Context, chain},
    discover,
    exit::Exit,
    state::State,
    subjects::{self, Id, Subject, Subjects},
};

/// Scopes that are surveyed at the same time.
const TOGETHER: usize = 16;

/// Explains an order: of the configuration, or, where there is one account only, any order of that account.
pub(super) async fn order(path: &Path, id: u64, output: Output) -> Exit {
    let (context, subjects) = match open(path).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let mut reports = Vec::new();
    for (order, facts) in subjects.into_iter().filter(|(order, _)| order.id == Id::Order(id)) {
        reports.push(report(&context, order, facts).await);
    }
    if reports.is_empty() {
        reports = strangers(&context, id).await;
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
async fn strangers(context: &Context, id: u64) -> Vec<Explanation> {
    let mut reports = Vec::new();
    for (name, settings) in &context.config.accounts {
        let Some(account) = context.accounts.get(name) else { continue };
        let order = Subject::order(name, id);
        let Some(discover) = &settings.discover else {
            if context.accounts.len() == 1 {
                reports.push(report(context, order, Facts { seed: id, ..Facts::default() }).await);
            }
            continue;
        };
        match account.client.order(id).await {
            Ok(read) => match discover::consider(id, &read.dns_names, read.valid_till, discover) {
                Ok(facts) => reports.push(report(context, order, facts).await),
                Err(why) => reports.push(left_alone(order, read.status.as_str(), why)),
            },
            Err(error) => show::problem(&context.trouble(name, account, Kind::Order, &error, clock::now())),
        }
    }
    reports
}

/// An order that no pattern admits.
fn left_alone(key: Subject, status: &str, why: String) -> Explanation {
    Explanation {
        order: Some(OrderSeen {
            key,
            status: Some(status.to_owned()),
            method: None,
            value: None,
            value_expires: None,
        }),
        scopes: Vec::new(),
        files: Vec::new(),
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
    let observer = match Observer::new(&verify.looking, clock::now) {
        Ok(observer) => observer,
        Err(error) => return fail(Exit::Setup, &error),
    };
    let names = [CertName { name: scope.clone(), wildcard: text.trim().starts_with("*.") }];
    let survey = observer.survey(&Lookup::dnsauth(scope.clone()), &names, &MethodSpec::txt()).await;
    let findings = findings(&survey, &Expectation::default(), verify.verdict, clock::now());
    let routed = config.as_ref().and_then(|config| {
        let end = survey.delegation.chain.last().unwrap_or(&survey.owner);
        config.route(end).map(|(provider, _)| provider.to_owned())
    });
    let scope = ScopeSeen { survey, provider: routed, location: None, verdict: None, findings };
    let mut report = Explanation {
        order: None,
        scopes: vec![scope],
        files: Vec::new(),
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

fn print(reports: &[Explanation], output: Output) {
    match output {
        Output::Json => show::json(&reports),
        Output::Text => {
            for report in reports {
                report.tell(clock::now());
            }
        }
    }
}

pub(super) async fn open(path: &Path) -> Result<(Context, Subjects), Exit> {
    let config = load(path)?;
    let setup = |error: &dyn std::error::Error| fail(Exit::Setup, &chain(error));
    // Reading must not create a state file where there is none.
    let state = match config.state.exists() {
        true => State::open_existing(&config.state).await,
        false => State::open(Path::new(":memory:")).await,
    }
    .map_err(|error| setup(&error))?;
    let subjects = subjects::load(&config, &state, Subjects::new()).await.map_err(|error| setup(&error))?;
    let context = Context::build(config, state, None).await.map_err(|error| fail(Exit::Setup, &error))?;
    Ok((context, subjects))
}

/// Learns all that decides about an order, without changing anything: the order, its value (asking for it never
/// replaces one that is valid), where its records go, and what DNS shows there.
async fn report(context: &Context, order: Subject, mut facts: Facts) -> Explanation {
    gather(context, &order, &mut facts).await;
    let policy = context.policy(&order.account);
    let value = facts.token.as_ref().and_then(|token| token.value.clone().ok());
    let (lookups, hosts): (Vec<_>, Vec<_>) =
        open_lookups(context, &order, &facts).into_iter().partition(|lookup| lookup.label != Label::File);
    let surveys = survey(context, &order, &facts, &lookups).await;
    let mut seen: BTreeMap<_, _> =
        surveys.iter().map(|(lookup, survey)| (lookup.clone(), sightings(survey))).collect();
    for host in &hosts {
        let shown = context.observer.look_at_file(&host.domain).await;
        seen.insert(host.clone(), shown);
    }
    let names: Vec<_> =
        hosts.iter().map(|host| CertName { name: host.domain.clone(), wildcard: false }).collect();
    let of_hosts = context.observer.caa(&names).await;
    if !seen.is_empty() {
        let look = Step::Look(seen.keys().cloned().collect());
        facts.learn(&look, Learned::Looked(seen), clock::now());
        // A report is read once: what is bogus now is told now.
        facts.looks = policy.bogus_looks;
        let of_scopes = surveys.iter().flat_map(|(_, survey)| survey.caa.clone());
        facts.caa = Some(CaaFacts { at: clock::now(), names: of_scopes.chain(of_hosts.clone()).collect() });
    }
    let decision = decide(&facts, policy, clock::now());
    let mut scopes = Vec::new();
    for (lookup, survey) in surveys {
        scopes.push(scope(context, &order, &facts, &lookup, survey).await);
    }
    let files = hosts.iter().map(|lookup| {
        let caa = of_hosts.iter().filter(|(name, _)| name.name == lookup.domain).cloned().collect();
        file(context, &order, &facts, lookup, caa)
    });
    let files = files.collect();
    let status = facts.order.as_ref().map(|order| order.status.as_str().to_owned());
    let method = facts.order.as_ref().and_then(|order| order.method.as_ref().map(ToString::to_string));
    let mut report = Explanation {
        order: Some(OrderSeen {
            key: order,
            status,
            method,
            value: value.map(|value| value.fingerprint()),
            value_expires: facts.token.as_ref().and_then(|token| token.expires),
        }),
        scopes,
        files,
        outcome: Some(decision.because.reason.outcome()),
        action: String::new(),
        next: Some(Next::of(&decision)),
        because: Some(decision.because),
        questions: context.observer.questions(),
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
fn action(report: &Explanation) -> Option<String> {
    report.worst().filter(|finding| finding.severity == Severity::Fail).map(|Finding { fix, .. }| fix.clone())
}

async fn gather(context: &Context, order: &Subject, facts: &mut Facts) {
    let work = |facts: &Facts| facts.order.as_ref().is_some_and(|order| order.status.stage() == Stage::Work);
    if !facts.retired
        && take(context, order, facts, Step::ReadOrder).await
        && work(facts)
        && !facts.proven
        && facts.spec(&context.policy(&order.account).methods).is_some()
        && take(context, order, facts, Step::RequestValue).await
    {
        locate(context, order, facts).await;
    }
}

pub(super) async fn locate(context: &Context, order: &Subject, facts: &mut Facts) {
    let lookups = facts.lookups(&context.policy(&order.account).methods);
    if !lookups.is_empty() {
        take(context, order, facts, Step::Locate(lookups)).await;
    }
}

/// Carries out one step; tells whether it went well.
pub(super) async fn take(context: &Context, order: &Subject, facts: &mut Facts, step: Step) -> bool {
    let learned = context.execute(order, facts, &step).await;
    facts.learn(&step, learned, clock::now());
    facts.failure.is_none()
}

/// Where the CA looks for what is still to be proven; by TXT where the method is none of ours, so that something can be
/// told.
fn open_lookups(context: &Context, order: &Subject, facts: &Facts) -> Vec<Lookup> {
    let over = |status: &OrderStatus| status.stage() == Stage::Ended;
    if facts.proven || facts.order.as_ref().is_some_and(|order| over(&order.status)) {
        return Vec::new();
    }
    let methods = &context.policy(&order.account).methods;
    match facts.spec(methods) {
        Some(_) => facts.lookups(methods),
        None => facts.open_scopes().into_iter().cloned().map(Lookup::dnsauth).collect(),
    }
}

async fn survey(
    context: &Context,
    order: &Subject,
    facts: &Facts,
    lookups: &[Lookup],
) -> Vec<(Lookup, Survey)> {
    let spec = facts.spec(&context.policy(&order.account).methods).cloned().unwrap_or_else(MethodSpec::txt);
    let open: BTreeMap<_, _> = facts.open().into_iter().collect();
    let each: Vec<_> = lookups
        .iter()
        .map(|lookup| {
            let mut names = open.get(&lookup.domain).map(|names| names.to_vec()).unwrap_or_default();
            if names.is_empty() {
                names.push(CertName { name: lookup.domain.clone(), wildcard: false });
            }
            let (lookup, spec) = (lookup.clone(), spec.clone());
            async move {
                let mut survey = context.observer.survey(&lookup, &names, &spec).await;
                // The order's value rightly stands at each of the order's own names.
                let rightly =
                    |name: &DomainName| lookups.iter().any(|lookup| lookup.name().as_ref() == Ok(name));
                survey.elsewhere.retain(|elsewhere| !rightly(&elsewhere.name));
                (lookup, survey)
            }
        })
        .collect();
    stream::iter(each).buffered(TOGETHER).collect().await
}

async fn scope(
    context: &Context,
    order: &Subject,
    facts: &Facts,
    lookup: &Lookup,
    survey: Survey,
) -> ScopeSeen {
    let location = facts.located.get(lookup).cloned();
    let artifact = artifact(context, order, facts, lookup);
    let (mut provider, mut at_provider) = (None, None);
    if let Some(Artifact::Record { site, .. }) = &artifact {
        provider = context.config.route(site.owner()).map(|(name, _)| name.to_owned());
    }
    if let Some(artifact) = &artifact {
        at_provider = context.publisher.holds(artifact).await.ok();
    }
    let held: Vec<_> = facts
        .held
        .iter()
        .filter(|held| matches!(&location, Some(Location::At(target)) if held.artifact.target() == *target))
        .collect();
    let record = artifact.as_ref().and_then(record_of);
    let expected = Expectation {
        former: held
            .iter()
            .filter(|held| Some(&held.artifact) != artifact.as_ref())
            .filter_map(|held| record_of(&held.artifact))
            .collect(),
        published: held
            .iter()
            .any(|held| Some(&held.artifact) == artifact.as_ref() && held.applied.is_some()),
        record,
        at_provider,
    };
    let verdict_policy = context.verdict();
    let findings = findings(&survey, &expected, verdict_policy, clock::now());
    let verdict = artifact
        .map(|artifact| verdict(&sightings(&survey), |answer| answer.proves(&artifact), verdict_policy));
    ScopeSeen { survey, provider, location, verdict, findings }
}

/// What the web server of a host shows.
fn file(
    context: &Context,
    order: &Subject,
    facts: &Facts,
    lookup: &Lookup,
    caa: Vec<(CertName, Caa)>,
) -> FileSeen {
    let sightings = facts.sightings.get(lookup).cloned().unwrap_or_default();
    let artifact = artifact(context, order, facts, lookup);
    let judged =
        |artifact: &Artifact| verdict(&sightings, |answer| answer.proves(artifact), context.verdict());
    let route = context.config.http.routes.of(&lookup.domain);
    let mut findings = caa_findings(&caa, context.config.verify.looking.is_pinned(&lookup.domain));
    let applied = |artifact: &&Artifact| {
        facts.held.iter().any(|held| held.artifact == **artifact && held.applied.is_some())
    };
    let verdict = artifact.as_ref().map(judged);
    if let (Some(artifact), Some(route)) = (artifact.as_ref().filter(applied), route)
        && verdict != Some(Verdict::Visible)
    {
        findings.extend(not_shown(&sightings, artifact, route));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    FileSeen {
        host: lookup.domain.clone(),
        url: Target::File(lookup.domain.clone()).to_string(),
        way: route.map(|route| route.to_string()),
        location: facts.located.get(lookup).cloned(),
        verdict,
        sightings,
        caa,
        findings,
    }
}

/// What would have to stand at a lookup.
fn artifact(context: &Context, order: &Subject, facts: &Facts, lookup: &Lookup) -> Option<Artifact> {
    let value = facts.token.as_ref()?.value.as_ref().ok()?;
    let Some(Location::At(target)) = facts.located.get(lookup) else { return None };
    facts.spec(&context.policy(&order.account).methods)?.artifact(target, value).ok()
}

pub(super) fn record_of(artifact: &Artifact) -> Option<RecordData> {
    match artifact {
        Artifact::Record { data, .. } => Some(data.clone()),
        Artifact::File { .. } => None,
    }
}

/// What a look would have brought.
fn sightings(survey: &Survey) -> Vec<Sighting> {
    let servers = survey.zone.iter().flat_map(|zone| &zone.servers).map(|server| server.sighting.clone());
    servers.chain(survey.resolvers.iter().cloned()).collect()
}
