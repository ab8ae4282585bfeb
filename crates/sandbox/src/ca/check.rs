//! The check: does every perspective see one of the order's values where it should be?

use futures_util::{StreamExt as _, stream};
use hickory_proto::rr::{RData, RecordType};

use super::{
    lookup::Look,
    orders::Order,
    profile::{Profile, TxtMatch, TxtNames},
    world::World,
};
use crate::clock;

/// Scopes looked at side by side.
const PARALLEL: usize = 16;

/// What a scope's proof looks like, taken from the order and the profile before looking.
struct Search {
    method: String,
    values: Vec<String>,
    txt_names: TxtNames,
    txt_match: TxtMatch,
    cname_suffix: String,
    look: Look,
}

impl Search {
    fn of(order: &Order, profile: &Profile) -> Self {
        Self {
            method: order.method.clone(),
            values: order.accepted(profile, clock::now()),
            txt_names: profile.txt_names,
            txt_match: profile.txt_match,
            cname_suffix: profile.cname_suffix.trim_end_matches('.').to_ascii_lowercase(),
            look: Look {
                timeout: profile.dns_timeout,
                blind: profile.blind.clone(),
                tolerated_misses: profile.tolerated_misses,
            },
        }
    }

    /// Whether control of `scope` is proven now.
    async fn finds(&self, world: &World, scope: &str) -> bool {
        let dnsauth = format!("_dnsauth.{scope}");
        match self.method.as_str() {
            "dns-txt-token" => {
                let txt =
                    |owner| world.eyes.see(owner, RecordType::TXT, |data| self.is_value(data), &self.look);
                match self.txt_names {
                    TxtNames::Both => txt(&dnsauth).await || txt(scope).await,
                    TxtNames::Dnsauth => txt(&dnsauth).await,
                    TxtNames::Bare => txt(scope).await,
                }
            }
            "dns-cname-token" => {
                let wanted = |data: &RData| self.is_target(data);
                world.eyes.see(&dnsauth, RecordType::CNAME, wanted, &self.look).await
            }
            // Files are not fetched here: an HTTP order of the sandbox is never proven by a check.
            _ => false,
        }
    }

    fn is_value(&self, data: &RData) -> bool {
        let RData::TXT(txt) = data else { return false };
        let text = txt.txt_data.concat();
        self.values.iter().map(String::as_bytes).filter(|value| !value.is_empty()).any(|value| {
            match self.txt_match {
                TxtMatch::Contains => text.windows(value.len()).any(|part| part == value),
                TxtMatch::Equals => text == value,
            }
        })
    }

    fn is_target(&self, data: &RData) -> bool {
        let RData::CNAME(target) = data else { return false };
        let target = target.0.to_ascii().trim_end_matches('.').to_ascii_lowercase();
        self.values
            .iter()
            .any(|value| target == format!("{}.{}", value.to_ascii_lowercase(), self.cname_suffix))
    }
}

/// Looks at the open scopes of an order and books what was found. `names` limits it to scopes that cover one of them.
///
/// Returns the order as it is afterwards, or `None` if there is no such order.
pub(super) async fn run(world: &World, id: u64, names: Option<&[String]>) -> Option<Order> {
    let (search, scopes) = {
        let mut state = world.lock();
        let profile = state.profile.clone();
        let order = state.order(id)?;
        let open = order.awaits_proof() || order.status == "processing" || order.status == "needs_approval";
        let asked =
            |covered: &[String]| names.is_none_or(|names| covered.iter().any(|name| names.contains(name)));
        let scopes = order.proofs.iter().filter(|proof| open && !proof.approved && asked(&proof.names));
        (Search::of(order, &profile), scopes.map(|proof| proof.scope.clone()).collect::<Vec<_>>())
    };

    let found = stream::iter(scopes)
        .map(|scope| {
            let search = &search;
            async move { search.finds(world, &scope).await.then_some(scope) }
        })
        .buffer_unordered(PARALLEL)
        .filter_map(std::future::ready)
        .collect::<Vec<_>>()
        .await;

    let mut state = world.lock();
    let order = state.order(id)?;
    // The order may have been canceled or reissued while the CA was looking.
    if !order.is_closed() {
        for proof in order.proofs.iter_mut().filter(|proof| found.contains(&proof.scope)) {
            proof.approved = true;
        }
    }
    state.order(id).cloned()
}
