//! The check: does every perspective see a valid value where it should be?

use futures_util::{StreamExt as _, stream};
use hickory_proto::rr::{RData, RecordType};
use jiff::Timestamp;

use super::{
    lookup::Look,
    order_spec::Product,
    orders::Order,
    profile::Profile,
    switches::{CnameMatch, Dname, TxtMatch, TxtNames},
    web,
    world::{State, World},
};
use crate::clock;

/// Scopes looked at side by side.
const PARALLEL: usize = 16;

/// What a scope's proof looks like, settled before looking.
struct Search {
    scope: String,
    method: String,
    values: Vec<String>,
}

/// How the CA looks.
struct Gaze {
    profile: Profile,
    cname_suffix: String,
    look: Look,
}

impl Gaze {
    fn of(profile: &Profile) -> Self {
        Self {
            profile: profile.clone(),
            cname_suffix: profile.cname_suffix.trim_end_matches('.').to_ascii_lowercase(),
            look: Look {
                timeout: profile.dns_timeout,
                blind: profile.blind.clone(),
                tolerated_misses: profile.tolerated_misses,
                refuses_dname: profile.dname == Dname::Refused,
            },
        }
    }

    /// Whether control of the scope is proven now.
    async fn finds(&self, world: &World, search: &Search) -> bool {
        let scope = search.scope.as_str();
        let dnsauth = format!("_dnsauth.{scope}");
        match search.method.as_str() {
            "dns-txt-token" => {
                let wanted = |data: &RData| self.is_value(data, &search.values);
                let txt = |owner| world.eyes.see(owner, RecordType::TXT, wanted, &self.look);
                match self.profile.txt_names {
                    TxtNames::Both => txt(&dnsauth).await || txt(scope).await,
                    TxtNames::Dnsauth => txt(&dnsauth).await,
                    TxtNames::Bare => txt(scope).await,
                }
            }
            "dns-cname-token" => {
                let wanted = |data: &RData| self.is_target(data, &search.values);
                let cname = |owner| world.eyes.see(owner, RecordType::CNAME, wanted, &self.look);
                let bare = self.profile.cname_match == CnameMatch::Contains;
                cname(&dnsauth).await || bare && cname(scope).await
            }
            "http-token" => {
                let file = web::fetch(scope, &self.profile).await.unwrap_or_default();
                search.values.iter().any(|value| !value.is_empty() && file.contains(value.as_str()))
            }
            // The file of `http-token-dynamic` has a name that the sandbox does not choose.
            _ => false,
        }
    }

    fn is_value(&self, data: &RData, values: &[String]) -> bool {
        let RData::TXT(txt) = data else { return false };
        // In presentation form each string stands in quotes, so that a value in two of them is none.
        let is_in = |text: &[u8], value: &[u8]| match self.profile.txt_match {
            TxtMatch::Contains => text.windows(value.len()).any(|part| part == value),
            TxtMatch::Equals => text == value,
        };
        let mut values = values.iter().map(String::as_bytes).filter(|value| !value.is_empty());
        values.any(|value| txt.txt_data.iter().any(|text| is_in(text, value)))
    }

    fn is_target(&self, data: &RData, values: &[String]) -> bool {
        let RData::CNAME(target) = data else { return false };
        let target = target.0.to_ascii();
        // Letter for letter, as the CA's library compares; what follows the value is a name as DNS has them.
        let is_target = |value: &String| {
            if self.profile.cname_match == CnameMatch::Contains {
                return target.contains(value.as_str());
            }
            let Some(rest) = target.strip_prefix(value.as_str()) else { return false };
            rest.trim_end_matches('.').eq_ignore_ascii_case(&format!(".{}", self.cname_suffix))
        };
        values.iter().filter(|value| !value.is_empty()).any(is_target)
    }
}

/// Looks at the open scopes of an order and books what was found. `names` limits it to scopes that cover one of them.
///
/// Returns the order as it is afterwards, or `None` if there is no such order.
pub(super) async fn order(world: &World, id: u64, names: Option<&[String]>) -> Option<Order> {
    let (gaze, searches) = {
        let mut state = world.lock();
        state.order(id)?;
        (Gaze::of(&state.profile), state.order_searches(id, names, clock::now()))
    };
    let found = stream::iter(searches)
        .map(|search| {
            let gaze = &gaze;
            async move { gaze.finds(world, &search).await.then_some(search.scope) }
        })
        .buffer_unordered(PARALLEL)
        .filter_map(std::future::ready)
        .collect::<Vec<_>>()
        .await;
    let mut state = world.lock();
    state.approve_scopes(id, &found);
    state.order(id).cloned()
}

/// Looks for a domain's proof and books it. Returns whether it was found, or `None` if there is no such domain.
pub(super) async fn domain(world: &World, id: u64) -> Option<bool> {
    let (gaze, search) = {
        let state = world.lock();
        (Gaze::of(&state.profile), state.domain_search(id, clock::now())?)
    };
    let found = gaze.finds(world, &search).await;
    let mut state = world.lock();
    // The method may have been changed, or the domain put aside, while the CA was looking.
    let is_same = |domain: &super::domains::Domain| domain.active && domain.method == search.method;
    let found = found && state.domains.get(&id).is_some_and(is_same);
    if found {
        state.approve_domain(id, clock::now());
    }
    Some(found)
}

impl State {
    /// What to look for, scope by scope: the values of the order and of its domains both count.
    fn order_searches(&self, id: u64, names: Option<&[String]>, now: Timestamp) -> Vec<Search> {
        let Some(order) = self.orders.get(&id) else { return Vec::new() };
        let open = order.awaits_proof() || matches!(order.status.as_str(), "processing" | "needs_approval");
        let asked =
            |covered: &[String]| names.is_none_or(|names| covered.iter().any(|name| names.contains(name)));
        let scopes = order.proofs.iter().filter(|proof| open && !proof.approved && asked(&proof.names));
        let search = |scope: &str| {
            let domain = self.domain_named(order.account, scope).filter(|_| order.product != Product::Dv);
            let domain = domain.and_then(|id| self.domains.get(&id));
            let mut values = order.values.accepted(&self.profile, now);
            values.extend(domain.into_iter().flat_map(|domain| domain.values.accepted(&self.profile, now)));
            // The domains of OV and EV orders may have a method each.
            let method = domain.map_or(&order.method, |domain| &domain.method).clone();
            Search { scope: scope.to_owned(), method, values }
        };
        scopes.map(|proof| search(&proof.scope)).collect()
    }

    fn domain_search(&self, id: u64, now: Timestamp) -> Option<Search> {
        let domain = self.domains.get(&id)?;
        let mut values = domain.values.accepted(&self.profile, now);
        for order in self.orders.values().filter(|order| {
            let takes_part = order.product != Product::Dv && order.account == domain.account;
            takes_part && order.proofs.iter().any(|proof| proof.scope == domain.name)
        }) {
            values.extend(order.values.accepted(&self.profile, now));
        }
        Some(Search { scope: domain.name.clone(), method: domain.method.clone(), values })
    }
}
