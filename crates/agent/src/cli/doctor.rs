//! `doctor`: would it work? Accounts, clock, providers, zones, the way to DNS; harmless unless `--write` is given.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use dcv_core::{DomainName, Expectation, Lookup, MethodSpec, Severity, findings};
use digicert_api::{Class, Client, DomainFilter, OrderFilter, Surprise};
use jiff::SignedDuration;

use super::{
    api_survey::{self, Answered},
    checks::{Check, Outcome, table, worst},
    delegation::{self, Standing},
    manner::Output,
    orphans::{self, Orphan},
    probe,
    show::{self, Page, counted},
    zone_cut,
};
use crate::{
    ca::{self, Account},
    clock,
    config::Warning,
    context::Context,
    error::chain,
    exit::Failed,
    publish::ManagedZone,
    start::{load, open},
    state::State,
};

/// TSIG allows 300 seconds (RFC 8945 section 5.2.3); signatures of API requests are as strict.
const SKEW_FAIL: SignedDuration = SignedDuration::from_secs(240);
const SKEW_WARN: SignedDuration = SignedDuration::from_secs(30);

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Write a probe record in each zone.
    pub(super) write: bool,
    /// Where, instead of at random names: for credentials that are limited to certain names.
    pub(super) at: Vec<DomainName>,
    /// Compare DigiCert's answers with what is known of them.
    pub(super) api: bool,
    /// Where the answers' shapes are written.
    pub(super) report: Option<PathBuf>,
}

pub(super) async fn run(path: &Path, wanted: Wanted, output: Output) -> Result<show::Answer, Failed> {
    let context = build(path, &wanted).await?;
    let mut checks: Vec<Check> = context.config.warnings().into_iter().map(hardly_meant).collect();
    for (name, account) in sorted(&context.accounts) {
        show::progress(&format!("account {name} …"));
        checks.extend(of_account(name, account).await);
        if context.config.accounts.get(name).is_some_and(|account| account.domains.is_some()) {
            checks.push(of_domains(name, account).await);
        }
    }
    if wanted.api {
        checks.extend(of_api(&context, wanted.report.as_deref()).await?);
    }
    show::progress("resolvers …");
    checks.extend(of_resolvers(&context).await);
    let mut managed: Vec<&ManagedZone> = context.publisher.managed_zones().collect();
    managed.sort_by(|a, b| a.zone.name.cmp(&b.zone.name));
    for managed in &managed {
        show::progress(&format!("zone {} …", managed.zone.name));
        checks.extend(of_zone(&context, managed).await);
    }
    checks.extend(zone_cut::hidden(&context).await.into_iter().map(zone_cut::failed));
    checks.extend(of_delegations(&context).await);
    show::progress("values that nobody knows …");
    checks.extend(orphans::find(&context).await.iter().map(of_orphan));
    checks.extend(of_files(&context).await);
    if wanted.write {
        for site in probe::sites(&context.config, &managed, &wanted.at) {
            match site {
                Ok(site) => checks.extend(probe::probe(&context, &site).await),
                Err(check) => checks.push(*check),
            }
        }
    }
    let page = match output {
        Output::Json => Page::json(&checks)?,
        Output::Text => table(&checks),
    };
    context.state.close().await;
    Ok(show::Answer::new(page, worst(&checks)))
}

async fn build(path: &Path, wanted: &Wanted) -> Result<Context, Failed> {
    let config = load(path)?;
    let state = match wanted.write {
        true => open(&config).await?,
        false => State::in_memory().await.map_err(|error| Failed::setup(chain(&error)))?,
    };
    Context::build(config, state, None).await
}

fn sorted(accounts: &std::collections::HashMap<String, Arc<Account>>) -> Vec<(&String, &Arc<Account>)> {
    let mut accounts: Vec<_> = accounts.iter().collect();
    accounts.sort_by_key(|(name, _)| *name);
    accounts
}

fn hardly_meant(Warning { key, what, fix }: Warning) -> Check {
    Check::bad(Outcome::Warn, "configuration", "settings", format!("{key}: {what}"), fix)
}

/// Whose key it is, whether it may see orders, and how far the clocks are apart.
async fn of_account(name: &str, account: &Account) -> Vec<Check> {
    let subject = format!("account {name}");
    let mut checks = Vec::new();
    match account.client.me().await {
        Ok(user) => {
            let who = user.username.as_deref().unwrap_or("a service user");
            let roles =
                if user.roles.is_empty() { "no role shown".to_owned() } else { user.roles.join(", ") };
            let belongs = format!("belongs to {who} ({roles})");
            checks.push(if user.is_administrator() {
                let fix = "make a service user and give its key the restriction \"Orders, Domains, Organizations\": whoever gets hold of an administrator's key can do everything in the account";
                Check::bad(Outcome::Warn, &subject, "key", belongs, fix)
            } else {
                Check::pass(&subject, "key", belongs)
            });
        }
        // Some restrictions do not allow this question; whether orders can be read counts.
        Err(error) if error.class() == Class::MissingPermission => {
            checks.push(Check::pass(&subject, "key", "is accepted, and may not ask whose it is"));
        }
        Err(error) => {
            checks.push(refused(&subject, "key", &error, account).await);
            if error.class() == Class::KeyTrouble {
                return checks;
            }
        }
    }
    match account.client.orders_page(&OrderFilter { page_size: 1, ..OrderFilter::default() }, 0).await {
        Ok(page) => {
            let total = page.total.map_or_else(String::new, |total| format!(", {total} in the account"));
            checks.push(Check::pass(&subject, "orders", format!("may be read{total}")));
        }
        Err(error) => checks.push(refused(&subject, "orders", &error, account).await),
    }
    checks.extend(clock_check(&subject, &account.client));
    checks
}

/// What of DigiCert's answers is not as expected, for each account.
async fn of_api(context: &Context, report: Option<&Path>) -> Result<Vec<Check>, Failed> {
    let mut checks = Vec::new();
    let mut surveyed = Vec::new();
    for (name, account) in sorted(&context.accounts) {
        show::progress(&format!("answers to account {name} …"));
        let with_domains = context.config.accounts.get(name).is_some_and(|account| account.domains.is_some());
        for answer in api_survey::of_account(account, with_domains).await {
            checks.extend(of_answer(&format!("account {name}"), &answer));
            surveyed.push(answer);
        }
    }
    if let Some(path) = report {
        api_survey::write(path, &surveyed).map_err(Failed::later)?;
        show::progress(&format!(
            "the answers' shapes are in {}; look at it before you show it",
            path.display()
        ));
    }
    Ok(checks)
}

fn of_answer(subject: &str, answer: &Answered) -> Vec<Check> {
    let call = answer.call;
    let survey = match &answer.outcome {
        Ok(survey) => survey,
        Err(refusal) => {
            let what = format!("{call}: {}", refusal.what);
            return vec![Check::bad(Outcome::Warn, subject, "answer", what, refusal.follows.clone())];
        }
    };
    let (matter, new): (Vec<_>, Vec<_>) = survey.surprises.iter().partition(|surprise| surprise.matters);
    let mut checks = vec![Check::pass(
        subject,
        "answer",
        match new.as_slice() {
            [] => format!("{call}: {} fields, all known", survey.fields),
            new => {
                let names: Vec<&str> = new.iter().take(8).map(|new| new.path.as_str()).collect();
                let more = new.len().saturating_sub(names.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!(
                    "{call}: {} fields, not read for being new: {}{more}",
                    survey.fields,
                    names.join(", ")
                )
            }
        },
    )];
    checks.extend(matter.into_iter().map(|Surprise { path, what, follows, .. }| {
        let what = format!("{call}: {path}: {what}");
        Check::bad(
            Outcome::Warn,
            subject,
            "answer",
            what,
            format!("{follows}; tell the project, with --report"),
        )
    }));
    checks
}

/// Whether the account's domains may be read, which a key for orders alone may not.
async fn of_domains(name: &str, account: &Account) -> Check {
    let subject = format!("account {name}");
    match account.client.domains(&DomainFilter::default()).await {
        Ok(domains) => {
            Check::pass(&subject, "domains", format!("may be read, {} in the account", domains.len()))
        }
        Err(error) => refused(&subject, "domains", &error, account).await,
    }
}

/// A value that no state knows.
fn of_orphan(Orphan { site, record }: &Orphan) -> Check {
    Check::bad(
        Outcome::Warn,
        &format!("zone {}", site.zone()),
        "unknown-value",
        format!("{} {record} looks like DigiCert's and is in no state of this agent", site.owner()),
        "if its order is still open the agent takes it over; else remove it where you edit the zone, once you know that no other tool uses it",
    )
}

/// Whether files for http-token can be shown: the document roots, and the responder's port.
async fn of_files(context: &Context) -> Vec<Check> {
    let mut checks = Vec::new();
    for webroot in context.publisher.file_store().webroots() {
        let subject = format!("document root {}", webroot.root().display());
        checks.push(match webroot.ready().await {
            Ok(()) => Check::pass(&subject, "write", "a file can be made there"),
            Err(error) => Check::bad(Outcome::Fail, &subject, "write", chain(&error), error.hint()),
        });
    }
    if let Some(address) = context.config.http.listen {
        let subject = format!("responder {address}");
        checks.push(match tokio::net::TcpListener::bind(address).await {
            Ok(_) => Check::pass(&subject, "port", "can be listened on"),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Check::bad(
                Outcome::Warn,
                &subject,
                "port",
                "somebody listens there already",
                "fine if it is the agent; else let that program pass the path on to another port",
            ),
            Err(error) => Check::bad(
                Outcome::Setup,
                &subject,
                "port",
                error.to_string(),
                "give the agent CAP_NET_BIND_SERVICE, or another port that the web server passes the path on to",
            ),
        });
    }
    checks
}

async fn refused(
    subject: &str,
    check: &'static str,
    error: &digicert_api::Error,
    account: &Account,
) -> Check {
    let detail = chain(error);
    if error.class() == Class::KeyTrouble
        && let Some(other) = other_platform(account).await
    {
        return Check::bad(
            Outcome::Setup,
            subject,
            check,
            detail,
            format!("the key belongs to the other platform: set platform = \"{other}\""),
        );
    }
    let result = match error.class() {
        Class::KeyTrouble | Class::MissingPermission | Class::Setup => Outcome::Setup,
        _ => Outcome::Fail,
    };
    let fix = error
        .hint()
        .map_or_else(|| "check base_url, proxy and the way to the Internet".to_owned(), str::to_owned);
    Check::bad(result, subject, check, detail, fix)
}

/// Whether DigiCert's other platform accepts the key. Asked of DigiCert's two fixed addresses only.
async fn other_platform(account: &Account) -> Option<&'static str> {
    let (name, url) = match account.connection().base_url.as_str().trim_end_matches('/') {
        digicert_api::US => ("eu", digicert_api::EU),
        digicert_api::EU => ("us", digicert_api::US),
        _ => return None,
    };
    let client = ca::client_at(account, url.parse().ok()?).ok()?;
    client.me().await.is_ok().then_some(name)
}

fn clock_check(subject: &str, client: &Client) -> Option<Check> {
    let skew = client.clock_skew(clock::now())?;
    let apart = format!("this host and DigiCert differ by {} s", skew.as_secs().abs());
    let fix = "set the clock (NTP): TSIG and signed API requests fail beyond 300 s";
    Some(match skew.abs() {
        skew if skew >= SKEW_FAIL => Check::bad(Outcome::Fail, subject, "clock", apart, fix),
        skew if skew >= SKEW_WARN => Check::bad(Outcome::Warn, subject, "clock", apart, fix),
        _ => Check::pass(subject, "clock", apart),
    })
}

async fn of_resolvers(context: &Context) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, answer) in context.observer.try_resolvers().await {
        let subject = format!("resolver {name}");
        checks.push(match answer {
            Ok(took) => Check::pass(&subject, "answers", format!("in {} ms", took.as_millis())),
            Err(error) => Check::bad(
                Outcome::Fail,
                &subject,
                "answers",
                error.describe(),
                "set verify.resolvers to one that this host reaches; one over HTTPS works through a proxy",
            ),
        });
    }
    checks
}

/// Whether the provider could edit the zone, and what a person should know of the zone's name servers.
async fn of_zone(context: &Context, managed: &ManagedZone) -> Vec<Check> {
    let mut checks = Vec::new();
    let provider = format!("provider {}", managed.name);
    let mut expected = Expectation::default();
    match managed.provider.probe(&managed.zone).await {
        Ok(probe) => {
            let detail = format!("{}: {}", managed.zone.name, probe.detail);
            checks.push(Check::pass(&provider, "zone found", detail));
            expected.name_servers = probe.name_servers;
        }
        Err(error) => {
            let result =
                if error.class() == dns_providers::Class::Setup { Outcome::Setup } else { Outcome::Fail };
            let fix = error.next_action().unwrap_or("check the provider's settings").to_owned();
            let detail = format!("{}: {}", managed.zone.name, chain(&error));
            checks.push(Check::bad(result, &provider, "zone found", detail, fix));
        }
    }
    let subject = format!("zone {}", managed.zone.name);
    for (transport, answer) in context.observer.try_transports(&managed.zone.name).await {
        checks.push(match answer {
            Ok(took) => Check::pass(&subject, transport, format!("answers in {} ms", took.as_millis())),
            Err(error) if transport == "tcp" => Check::bad(
                Outcome::Warn,
                &subject,
                transport,
                error.describe(),
                "open TCP port 53 outwards: long answers, and many at a time, need it",
            ),
            Err(error) => Check::bad(
                Outcome::Fail,
                &subject,
                transport,
                error.describe(),
                "open UDP port 53 outwards, or set verify.resolvers to one over HTTPS",
            ),
        });
    }
    let survey =
        context.observer.survey(&Lookup::dnsauth(managed.zone.name.clone()), &[], &MethodSpec::txt()).await;
    let found = findings(&survey, &expected, context.verdict(), clock::now());
    let worth: Vec<_> = found.into_iter().filter(|finding| finding.severity > Severity::Note).collect();
    if worth.is_empty() {
        let servers = survey.zone.map_or(0, |zone| zone.servers.len());
        checks.push(Check::pass(
            &subject,
            "name servers",
            format!("nothing wrong seen at {}", counted(servers, "address")),
        ));
    }
    for finding in worth {
        let result = if finding.severity == Severity::Fail { Outcome::Fail } else { Outcome::Warn };
        checks.push(Check::bad(result, &subject, finding.code, finding.what, finding.fix));
    }
    checks
}

/// Scopes of the configuration whose validation names lie in no configured zone: one CNAME record each leads into one.
async fn of_delegations(context: &Context) -> Vec<Check> {
    let into = delegation::into_zone(context, None).ok();
    let delegations = delegation::of_scopes(context, &delegation::configured(context), into.as_ref()).await;
    let checks = delegations.into_iter().map(|delegation| {
        let subject = delegation.owner.to_string();
        let fix = delegation.record().map_or_else(
            || {
                "create the record that `dcv-agent plan --cnames` prints, or add the zone to a provider"
                    .to_owned()
            },
            |record| format!("create {record} or add the zone to a provider"),
        );
        match delegation.state {
            Standing::Stands => Check::pass(&subject, "delegation", delegation.detail),
            Standing::Missing | Standing::Blocked => {
                Check::bad(Outcome::Fail, &subject, "delegation", delegation.detail, fix)
            }
        }
    });
    checks.collect()
}
