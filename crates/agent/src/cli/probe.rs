//! The probe of `doctor --write`: a record that is written, seen at every name server, and removed again.

use std::time::Duration;

use dcv_core::{
    Answer, Artifact, Cadence, DomainName, Guarded, Lookup, RandomValue, RecordData, Sighting, Site,
    VantageKind,
};
use dcv_observe::random_label;
use jiff::SignedDuration;
use tokio::time::Instant;

use super::{
    checks::{Check, Outcome},
    show, zone_cut,
};
use crate::{
    config::Config,
    context::Context,
    error::chain,
    publish::{self, ManagedZone},
    state::Entry,
    subject::Subject,
};

/// How long a probe record is waited for at every name server.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at servers that may be anybody's.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// What becomes of a probe that could not be removed.
const KEPT: &str = "it is in the state: the agent removes it when it runs";

/// `_dnsauth.<random>.<zone>` for each zone, or the names that were asked for.
pub(super) fn sites(
    config: &Config,
    managed: &[&ManagedZone],
    at: &[DomainName],
) -> Vec<Result<Site, Box<Check>>> {
    let site = |scope: &DomainName, zone: &DomainName| {
        Guarded::direct(&Lookup::dnsauth(scope.clone()), zone.clone()).map_err(|error| {
            let what = error.to_string();
            Box::new(Check::bad(
                Outcome::Setup,
                &format!("zone {zone}"),
                "probe",
                what,
                "name a domain within the zone",
            ))
        })
    };
    if at.is_empty() {
        let random = |zone: &DomainName| zone.child(&format!("dcv-agent-{}", random_label())).ok();
        let zones = managed.iter().map(|managed| &managed.zone.name);
        return zones.filter_map(|zone| Some(site(&random(zone)?, zone))).collect();
    }
    let each = at.iter().map(|scope| match config.route(scope) {
        Some((_, zone)) => site(scope, &zone.name),
        None => Err(Box::new(Check::bad(
            Outcome::Setup,
            &format!("domain {scope}"),
            "probe",
            "no configured provider serves it",
            "add its zone to a provider",
        ))),
    });
    each.collect()
}

/// Writes a probe, waits until every name server shows it, and removes it.
pub(super) async fn probe(context: &Context, site: &Site) -> Vec<Check> {
    // A probe there would be waited for in vain.
    if let Some(because) = zone_cut::hides(context, site.owner()).await {
        return vec![zone_cut::failed(because)];
    }
    let subject = format!("zone {}", site.zone());
    // Should the process die, the next run removes the record as a retired order's.
    let holder = Subject::probe();
    let Ok(value) = RandomValue::new(format!("dcv-agent-probe-{}", random_label())) else {
        return Vec::new();
    };
    let data = RecordData::Txt(value);
    let artifact = Artifact::Record { site: site.clone(), data: data.clone() };
    show::progress(&format!("writing a probe at {} …", site.owner()));
    let start = Instant::now();
    let mut checks = Vec::new();
    let published = context.publisher.publish(&holder, std::slice::from_ref(&artifact), &[], None).await;
    match &published {
        Ok(()) => {
            checks.push(Check::pass(&subject, "write", format!("a probe at {} was accepted", site.owner())));
            checks.push(seen_everywhere(context, site, &data, &subject, start).await);
        }
        Err(error) => checks.push(Check::bad(
            Outcome::Setup,
            &subject,
            "write",
            format!("a probe at {}: {}", site.owner(), chain(error)),
            "let the credential write TXT there; if it is limited to certain names on purpose, name one: doctor --write --at DOMAIN",
        )),
    }
    let retracted = context.publisher.retract(&holder, std::slice::from_ref(&artifact)).await;
    checks.push(match retracted {
        Ok(()) => Check::pass(&subject, "remove", "the probe was removed"),
        Err(_) if is_refusal(&published) && is_nowhere(context, site, &data).await => {
            // Else the state would list for ever what never was.
            let entry = Entry { subject: holder, artifact };
            match context.state.gone(&[entry]).await {
                Ok(()) => Check::pass(&subject, "remove", "nothing was written, so nothing is left"),
                Err(error) => Check::bad(Outcome::Fail, &subject, "remove", chain(&error), KEPT),
            }
        }
        Err(error) => Check::bad(Outcome::Fail, &subject, "remove", chain(&error), KEPT),
    });
    checks
}

/// The provider refused to write, as opposed to giving no answer.
fn is_refusal(published: &Result<(), publish::Error>) -> bool {
    use dns_providers::Class::{Blocked, Setup};
    matches!(published, Err(publish::Error::Provider { cause, .. }) if matches!(cause.class(), Setup | Blocked))
}

/// Every name server answers, and none of them shows it.
async fn is_nowhere(context: &Context, site: &Site, data: &RecordData) -> bool {
    let seen = context.observer.authorities(site.owner()).await;
    let lacks =
        |sighting: &Sighting| !matches!(sighting.answer, Answer::Failed(_)) && !sighting.answer.shows(data);
    !seen.is_empty() && seen.iter().all(lacks)
}

async fn seen_everywhere(
    context: &Context,
    site: &Site,
    data: &RecordData,
    subject: &str,
    start: Instant,
) -> Check {
    let cadence = Cadence::default();
    loop {
        let seen = context.observer.authorities(site.owner()).await;
        let asked = seen.iter().filter(|sighting| sighting.vantage.kind == VantageKind::Authority).count();
        let lacking: Vec<String> = seen
            .iter()
            .filter(|sighting| !sighting.answer.shows(data))
            .map(|sighting| sighting.vantage.to_string())
            .collect();
        let passed = start.elapsed();
        if lacking.is_empty() && asked > 0 {
            let everywhere = match asked {
                1 => "at the one name server address".to_owned(),
                asked => format!("at all {asked} name server addresses"),
            };
            let detail = format!("{everywhere} after {:.1} s", passed.as_secs_f64());
            return Check::pass(subject, "propagation", detail);
        }
        if passed > LIMIT {
            let detail = format!("after {} s not at {}", passed.as_secs(), lacking.join(", "));
            let fix = "check that the provider's zone is the one that is delegated, and zone transfers to these servers";
            return Check::bad(Outcome::Fail, subject, "propagation", detail, fix);
        }
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::ZERO);
        tokio::time::sleep(cadence.after(passed, 0).unsigned_abs().max(BETWEEN_LOOKS)).await;
    }
}
