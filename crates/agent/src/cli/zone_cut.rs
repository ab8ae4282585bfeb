//! Whether DNS has names in the zones that are configured for them.

use dcv_core::{Because, DomainName, dnsauth_owner};
use futures_util::future::join_all;

use super::checks::{Check, Outcome};
use crate::context::Context;

/// Why a record at a name would never be seen: its configured zone is not the one that holds it.
pub(super) async fn hides(context: &Context, name: &DomainName) -> Option<Because> {
    let (_, zone) = context.config.route(name)?;
    let holder = context.observer.holder(name).await.ok()??;
    holder.contradicts(name, &zone.name)
}

/// The same of the validation names of every zone, and of every scope that the configuration names.
pub(super) async fn hidden(context: &Context) -> Vec<Because> {
    let zones = context.publisher.managed_zones().map(|managed| &managed.zone.name);
    let scopes = context.config.accounts.values().flat_map(|account| account.orders.values().flatten());
    let mut owners: Vec<_> = zones.chain(scopes).filter_map(|scope| dnsauth_owner(scope).ok()).collect();
    owners.sort();
    owners.dedup();
    join_all(owners.iter().map(|owner| hides(context, owner))).await.into_iter().flatten().collect()
}

/// A name that DNS has in another zone than the configuration.
pub(super) fn failed(because: Because) -> Check {
    let fix = "add the zone that DNS names to a provider, or delegate the validation name by CNAME";
    Check::bad(Outcome::Fail, "zones", "zone cut", because.detail, fix)
}
