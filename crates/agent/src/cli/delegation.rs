//! The CNAME records that lead validation names out of zones which the agent cannot write to: which there have to be, and which
//! there are.

use std::collections::BTreeSet;

use dcv_core::{DomainName, LocateRequest, Location, Lookup, MethodSpec, Reason, Target};
use serde::Serialize;

use super::show::{GOOD, Page, WARN, paint};
use crate::{context::Context, exit::Failed};

/// Time to live of the records that are shown: they stay for good.
const TTL: u32 = 3600;

/// One scope whose validation name lies outside every configured zone.
#[derive(Debug, Serialize)]
pub(super) struct Delegation {
    /// The validation name.
    pub(super) owner: DomainName,
    /// What it is, or has to be, an alias of; null where no zone was chosen.
    pub(super) target: Option<DomainName>,
    pub(super) state: Standing,
    /// What DNS shows, or what is in the way.
    pub(super) detail: String,
}

/// How far a delegation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Standing {
    /// The record is there and leads into a configured zone.
    Stands,
    /// It has to be created.
    Missing,
    /// Something else stands there.
    Blocked,
}

impl Delegation {
    /// The record to create, as a zone file has it.
    pub(super) fn record(&self) -> Option<String> {
        let target = self.target.as_ref().filter(|_| self.state == Standing::Missing)?;
        Some(format!("{}. {TTL} IN CNAME {target}.", self.owner))
    }
}

/// The zone into which names are delegated: the one that is asked for, or the only one there is.
pub(super) fn into_zone(context: &Context, asked: Option<&DomainName>) -> Result<DomainName, Failed> {
    let mut zones: Vec<&DomainName> =
        context.publisher.managed_zones().map(|managed| &managed.zone.name).collect();
    zones.sort();
    let known = || zones.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (asked, zones.as_slice()) {
        (Some(zone), _) if zones.contains(&zone) => Ok(zone.clone()),
        (Some(zone), _) => {
            Err(Failed::setup(format!("{zone} is no configured zone; there are: {}", known())))
        }
        (None, [zone]) => Ok((*zone).clone()),
        (None, []) => Err(Failed::setup("no zone is configured that names could be delegated into")),
        (None, _) => Err(Failed::setup(format!("say into which zone with --into; there are: {}", known()))),
    }
}

/// The scopes of the configuration.
pub(super) fn configured(context: &Context) -> BTreeSet<DomainName> {
    context.config.accounts.values().flat_map(|account| account.orders.values().flatten()).cloned().collect()
}

/// What there is to say of each scope whose validation name lies in no configured zone.
pub(super) async fn of_scopes(
    context: &Context,
    scopes: &BTreeSet<DomainName>,
    into: Option<&DomainName>,
) -> Vec<Delegation> {
    let spec = MethodSpec::txt();
    let mut delegations = Vec::new();
    for scope in scopes {
        let lookup = Lookup::dnsauth(scope.clone());
        let Ok(owner) = lookup.name() else { continue };
        if context.config.route(&owner).is_some() {
            continue;
        }
        let request = LocateRequest { lookup: &lookup, spec: &spec, held: &[], cname_suffixes: &[] };
        let located = context.observer.locate(&[request], &context.config).await;
        let wanted = into.and_then(|zone| format!("{scope}.{zone}").parse::<DomainName>().ok());
        delegations.push(match located.map(|mut located| located.remove(&lookup)) {
            Ok(Some(Location::At(Target::Record(site)))) => Delegation {
                detail: format!("leads to {} in the zone {}", site.owner(), site.zone()),
                target: Some(site.owner().clone()),
                owner,
                state: Standing::Stands,
            },
            Ok(Some(Location::Blocked(because))) if because.reason == Reason::NoProvider => {
                Delegation { owner, target: wanted, state: Standing::Missing, detail: because.detail }
            }
            Ok(Some(Location::Blocked(because))) => {
                Delegation { owner, target: wanted, state: Standing::Blocked, detail: because.detail }
            }
            Ok(Some(Location::At(Target::File(_))) | None) => continue,
            Err(error) => {
                let detail = format!("what stands there cannot be told: {}", error.describe());
                Delegation { owner, target: wanted, state: Standing::Blocked, detail }
            }
        });
    }
    delegations
}

/// The records to create, to be copied into a zone file or a form; what stands and what is in the way as comments.
pub(super) fn page(delegations: &[Delegation]) -> Page {
    let mut page = Page::default();
    for delegation in delegations {
        match (delegation.record(), delegation.state) {
            (Some(record), _) => page.line(&record),
            (None, Standing::Stands) => {
                page.line(&format!(
                    "{} {}: {}",
                    paint(GOOD, "; stands"),
                    delegation.owner,
                    delegation.detail
                ));
            }
            (None, _) => {
                page.line(&format!(
                    "{} {}: {}",
                    paint(WARN, "; cannot"),
                    delegation.owner,
                    delegation.detail
                ));
            }
        }
    }
    if delegations.is_empty() {
        page.line("; every validation name that is known lies in a configured zone: nothing to delegate");
    }
    page
}
