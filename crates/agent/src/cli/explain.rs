//! `explain`: read and look, then tell what `decide` makes of it. Nothing is changed.

use std::{collections::BTreeMap, path::Path};

use dcv_core::{
    Artifact, Because, Caa, CaaFacts, CertName, Decision, DomainName, Expectation, Facts, Finding, Holder,
    Label, Learned, Location, Lookup, MethodSpec, OrderStatus, Outcome, Policy, Reason, RecordData, Severity,
    Sighting, Stage, Step, Survey, Target, Verdict, Wanted, caa_findings, decide, findings, verdict,
};
use dcv_observe::Observer;
use digicert_api::OrderId;
use futures_util::{StreamExt as _, stream};

use super::{
    advice::advice,
    args::DEFAULT_CONFIG,
    explanation::{Explanation, Next, OrderSeen, Said, ScopeSeen},
    file_seen::{FileSeen, not_shown},
    manner::Output,
    preview,
    show::{self, Answer, Page},
};
use crate::{
    clock,
    config::{Config, Verify},
    context::Context,
    discover,
    error::chain,
    exit::{Exit, Failed},
    start::load,
    state::{Error, State},
    subject::{Id, Subject},
    subjects::{self, Subjects},
};

/// Scopes that are surveyed at the same time.
const TOGETHER: usize = 16;

/// Explains an order: of the configuration, or, where there is one account only, any order of that account.
pub(super) async fn order(path: &Path, id: u64, output: Output) -> Result<Answer, Failed> {
    let (context, subjects) = open(path).await?;
    let mut explanations = Vec::new();
    for (subject, facts) in subjects.into_iter().filter(|(subject, _)| subject.id == Id::Order(id)) {
        explanations.push(explain(&context, subject, facts).await);
    }
    if explanations.is_empty() {
        explanations = strangers(&context, id).await;
    }
    if explanations.is_empty() {
        return Err(Failed::setup(format!(
            "order {id} is in no account of {}; add it to accounts.<name>.orders, or set accounts.<name>.discover",
            path.display()
        )));
    }
    let exit = Exit::of(explanations.iter().filter_map(|explanation| explanation.outcome));
    Ok(Answer::new(page(&explanations, output)?, exit))
}

/// An order that the configuration does not name: of the only account, or of those whose orders are discovered.
async fn strangers(context: &Context, id: u64) -> Vec<Explanation> {
    let mut explanations = Vec::new();
    for (name, settings) in &context.config.accounts {
        let Some(account) = context.accounts.get(name) else { continue };
        let order = Subject::order(name.as_str(), id);
        let Some(discover) = &settings.discover else {
            if context.accounts.len() == 1 {
                explanations.push(explain(context, order, Facts { seed: id, ..Facts::default() }).await);
            }
            continue;
        };
        match account.client.order(OrderId::new(id)).await {
            Ok(read) => {
                let product = read.product_type.as_deref();
                match discover::consider(id, &read.names, product, read.valid_till, discover) {
                    Ok(facts) => explanations.push(explain(context, order, facts).await),
                    Err(why) => explanations.push(left_alone(order, read.status.as_str(), why)),
                }
            }
            Err(error) => {
                let retry = context.policy(name).setup_retry;
                show::problem(&account.trouble(&error, retry, clock::now()));
            }
        }
    }
    explanations
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
        said: None,
        action: "nothing, or change `only` and `except` of the account's `discover`".to_owned(),
        next: None,
        questions: 0,
    }
}

/// Explains a bare domain; needs no account, and no configuration either.
pub(super) async fn domain(path: &Path, text: &str, output: Output) -> Result<Answer, Failed> {
    let scope = DomainName::scope(text).map_err(Failed::usage)?;
    // A file that was asked for has to be there.
    let wanted = path.exists() || path != Path::new(DEFAULT_CONFIG);
    let config = if wanted { Some(load(path)?) } else { None };
    let default = Verify::default();
    let verify = config.as_ref().map_or(&default, |config| &config.verify);
    let looking = verify.settings().map_err(|error| Failed::setup(format!("verify: {error}")))?;
    let observer = Observer::new(&looking, clock::now).map_err(|error| Failed::setup(error.describe()))?;
    let names = [CertName { name: scope.clone(), wildcard: text.trim().starts_with("*.") }];
    let survey = observer.survey(&Lookup::dnsauth(scope.clone()), &names, &MethodSpec::txt()).await;
    let mut findings = findings(&survey, &Expectation::default(), verify.verdict, clock::now());
    findings.extend(config.as_ref().and_then(|config| outside(config, &survey)));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let routed = config.as_ref().and_then(|config| {
        let end = survey.delegation.chain.last().unwrap_or(&survey.owner);
        config.route(end).map(|(provider, _)| provider.to_owned())
    });
    let scope = ScopeSeen { survey, provider: routed, location: None, verdict: None, findings };
    let mut explanation = Explanation {
        order: None,
        scopes: vec![scope],
        files: Vec::new(),
        because: None,
        said: None,
        outcome: None,
        action: String::new(),
        next: None,
        questions: observer.questions(),
    };
    let failed = explanation.worst().is_some_and(|finding| finding.severity == Severity::Fail);
    explanation.action =
        action(&explanation).unwrap_or_else(|| "nothing: a value published there can be seen".to_owned());
    let exit = if failed { Exit::Blocked } else { Exit::Success };
    Ok(Answer::new(page(std::slice::from_ref(&explanation), output)?, exit))
}

/// DNS has the name in another zone than the configuration.
fn outside(config: &Config, survey: &Survey) -> Option<Finding> {
    let end = survey.delegation.chain.last().unwrap_or(&survey.owner);
    let (_, zone) = config.route(end)?;
    let seen = survey.zone.as_ref().filter(|_| survey.trouble.is_none())?;
    let servers = if seen.at_child.is_empty() { &seen.at_parent } else { &seen.at_child };
    let holder = Holder { apex: seen.apex.clone(), servers: servers.clone() };
    let because = holder.contradicts(end, &zone.name)?;
    Some(Finding {
        severity: Severity::Fail,
        code: "zone-cut",
        what: because.detail,
        fix: format!("add {} to a provider, or delegate {} by CNAME", seen.apex, survey.owner),
    })
}

fn page(explanations: &[Explanation], output: Output) -> Result<Page, Failed> {
    match output {
        Output::Json => Page::json(&explanations),
        Output::Text => {
            let mut page = Page::default();
            let now = clock::now();
            explanations.iter().for_each(|explanation| explanation.describe(&mut page, now));
            Ok(page)
        }
    }
}

/// What a command that only looks acts through. It leaves no trace: its calls are on nobody's record, and the ledger is the
/// agent's.
pub(super) async fn open(path: &Path) -> Result<(Context, Subjects), Failed> {
    let mut config = load(path)?;
    config.ledger = None;
    let setup = |error: &dyn std::error::Error| Failed::setup(chain(error));
    // Reading must not create a state where there is none.
    let state = match State::open_existing(&config.state.location()).await {
        Err(Error::Missing { .. }) => State::in_memory().await,
        opened => opened,
    };
    let state = state.map_err(|error| setup(&error))?;
    let last = state.notes().await.map_err(|error| setup(&error))?;
    let subjects =
        subjects::load(&config, &state, Subjects::new(), &last).await.map_err(|error| setup(&error))?;
    let context = Context::build(config, state, None).await?;
    Ok((context, subjects))
}

/// Learns all that decides about an order, without changing anything: the order, its value (asking for it never
/// replaces one that is valid), where its records go, and what DNS shows there.
async fn explain(context: &Context, order: Subject, mut facts: Facts) -> Explanation {
    // DNS and web servers are surveyed more thoroughly below.
    let surveyed = |step: &Step| matches!(step, Step::Look(_) | Step::ReadCaa(_));
    preview::advance(context, &order, &mut facts, |step| !surveyed(step)).await;
    let policy = context.policy(&order.account);
    let (lookups, hosts): (Vec<_>, Vec<_>) = open_lookups(context, &order, &facts)
        .into_iter()
        .partition(|(lookup, _)| lookup.label != Label::File);
    let hosts: Vec<Lookup> = hosts.into_iter().map(|(lookup, _)| lookup).collect();
    let surveys = survey(context, &facts, &lookups).await;
    let of_hosts = look(context, policy, &mut facts, &surveys, &hosts).await;
    let decision = decide(&facts, policy, clock::now());
    let wanted = facts.wanted(&policy.methods).and_then(Result::ok).unwrap_or_default();
    let mut scopes = Vec::new();
    for (lookup, survey) in surveys {
        scopes.push(scope(context, &facts, artifact(&wanted, &lookup), &lookup, survey).await);
    }
    let files = hosts.iter().map(|lookup| {
        let caa = of_hosts.iter().filter(|(name, _)| name.name == lookup.domain).cloned().collect();
        file(context, &facts, artifact(&wanted, lookup), lookup, caa)
    });
    let files = files.collect();
    let said = said(context, &order).await;
    Explanation { said, ..conclude(context, order, &facts, decision, scopes, files) }
}

/// What the agent said last, as its state has it.
async fn said(context: &Context, order: &Subject) -> Option<Said> {
    let notes = context.state.notes().await.ok()?;
    let last = notes.into_iter().find(|last| last.subject == *order)?;
    Some(Said { at: last.at, reason: last.reason, detail: last.detail })
}

/// Learns what a look would have brought; tells what CAA records say of hosts.
async fn look(
    context: &Context,
    policy: &Policy,
    facts: &mut Facts,
    surveys: &[(Lookup, Survey)],
    hosts: &[Lookup],
) -> Vec<(CertName, Caa)> {
    let mut seen: BTreeMap<_, _> =
        surveys.iter().map(|(lookup, survey)| (lookup.clone(), sightings(survey))).collect();
    for host in hosts {
        let value = facts.token.as_ref().and_then(|token| token.fit());
        seen.insert(host.clone(), context.observer.look_at_file(&host.domain, value).await);
    }
    let names: Vec<_> =
        hosts.iter().map(|host| CertName { name: host.domain.clone(), wildcard: false }).collect();
    let of_hosts = context.observer.caa(&names).await;
    if !seen.is_empty() {
        facts.learn(&Step::Look(Vec::new()), Ok(Learned::Looked(seen)), clock::now());
        // An explanation is read once: what is bogus now is told now.
        facts.looks = policy.bogus_looks;
        let of_scopes = surveys.iter().flat_map(|(_, survey)| survey.caa.clone());
        let names = of_scopes.chain(of_hosts.clone()).collect();
        facts.caa = Some(CaaFacts { at: clock::now(), names });
    }
    of_hosts
}

fn conclude(
    context: &Context,
    order: Subject,
    facts: &Facts,
    decision: Decision,
    scopes: Vec<ScopeSeen>,
    files: Vec<FileSeen>,
) -> Explanation {
    let status = facts.order.as_ref().map(|order| order.status.as_str().to_owned());
    let method = facts.method().map(ToString::to_string);
    let value = facts.token.as_ref().and_then(|token| token.fit());
    let mut explanation = Explanation {
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
        next: Some(Next::of(&decision, clock::now())),
        because: Some(decision.because),
        said: None,
        questions: context.observer.questions(),
    };
    explanation.action = action(&explanation).unwrap_or_else(|| match explanation.outcome {
        Some(Outcome::Done) => "nothing".to_owned(),
        Some(Outcome::Open) | None => "nothing: the agent goes on by itself when it runs".to_owned(),
        Some(Outcome::Blocked | Outcome::Setup | Outcome::Bug) => {
            let advice = explanation.because.as_ref().and_then(|because| advice(because.reason));
            advice.unwrap_or_default().to_owned()
        }
    });
    explanation
}

/// The fix for the worst finding that stops validation; else for CAA that cannot be read, which stops what comes after it.
fn action(explanation: &Explanation) -> Option<String> {
    let stops = explanation.worst().filter(|finding| finding.severity == Severity::Fail);
    let may_stop = |finding: &&Finding| finding.severity == Severity::Warn && finding.code == "caa-unknown";
    let finding = stops.or_else(|| explanation.findings().find(may_stop))?;
    Some(finding.fix.clone())
}

/// What the CA looks up for what is still to be proven; by TXT where the method is none of ours, so that something can be
/// told.
fn open_lookups(context: &Context, order: &Subject, facts: &Facts) -> Vec<(Lookup, MethodSpec)> {
    let over = |status: &OrderStatus| status.stage() == Stage::Ended;
    if facts.proven || facts.order.as_ref().is_some_and(|order| over(&order.status)) {
        return Vec::new();
    }
    let required = facts.requirements(&context.policy(&order.account).methods);
    let ours: Vec<_> =
        required.into_iter().map(|required| (required.lookup, required.spec.clone())).collect();
    if !ours.is_empty() {
        return ours;
    }
    let by_txt = |scope: &DomainName| (Lookup::dnsauth(scope.clone()), MethodSpec::txt());
    facts.open().into_iter().map(|scope| by_txt(scope.name)).collect()
}

async fn survey(context: &Context, facts: &Facts, lookups: &[(Lookup, MethodSpec)]) -> Vec<(Lookup, Survey)> {
    let open = facts.open();
    // The order's value rightly stands at each of the order's own names.
    let rightly = |name: &DomainName| lookups.iter().any(|(lookup, _)| lookup.name().as_ref() == Ok(name));
    let each: Vec<_> = lookups
        .iter()
        .map(|(lookup, spec)| {
            let scope = open.iter().find(|scope| *scope.name == lookup.domain);
            let mut names = scope.map(|scope| scope.names.to_vec()).unwrap_or_default();
            if names.is_empty() {
                names.push(CertName { name: lookup.domain.clone(), wildcard: false });
            }
            async move {
                let mut survey = context.observer.survey(lookup, &names, spec).await;
                survey.elsewhere.retain(|elsewhere| !rightly(&elsewhere.name));
                (lookup.clone(), survey)
            }
        })
        .collect();
    stream::iter(each).buffered(TOGETHER).collect().await
}

/// What has to be found at a lookup.
fn artifact(wanted: &[Wanted], lookup: &Lookup) -> Option<Artifact> {
    wanted.iter().find(|wanted| wanted.lookup == *lookup).map(|wanted| wanted.artifact.clone())
}

async fn scope(
    context: &Context,
    facts: &Facts,
    artifact: Option<Artifact>,
    lookup: &Lookup,
    survey: Survey,
) -> ScopeSeen {
    let location = facts.located.get(lookup).cloned();
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
        name_servers: Vec::new(),
    };
    let verdict_policy = context.verdict();
    let findings = findings(&survey, &expected, verdict_policy, clock::now());
    let verdict = artifact
        .map(|artifact| verdict(&sightings(&survey), |answer| answer.judge(&artifact), verdict_policy));
    ScopeSeen { survey, provider, location, verdict, findings }
}

/// What the web server of a host shows.
fn file(
    context: &Context,
    facts: &Facts,
    artifact: Option<Artifact>,
    lookup: &Lookup,
    caa: Vec<(CertName, Caa)>,
) -> FileSeen {
    let sightings = facts.sightings.get(lookup).cloned().unwrap_or_default();
    let judged =
        |artifact: &Artifact| verdict(&sightings, |answer| answer.judge(artifact), context.verdict());
    let route = context.config.http.routes.of(&lookup.domain);
    let mut findings = caa_findings(&caa, context.config.verify.looking.is_pinned(&lookup.domain));
    let applied = |artifact: &&Artifact| {
        facts.held.iter().any(|held| held.artifact == **artifact && held.applied.is_some())
    };
    let verdict = artifact.as_ref().map(judged);
    if let (Some(artifact), Some(route)) = (artifact.as_ref().filter(applied), route) {
        let is_visible = verdict == Some(Verdict::Visible);
        findings.extend(not_shown(&sightings, artifact, route, is_visible));
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
