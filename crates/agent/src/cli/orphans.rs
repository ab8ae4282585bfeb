//! Values that look like DigiCert's and that no state knows: left by hand, by another tool, or by an agent whose state was
//! lost. They are named, never removed: whose they are only a person can tell.

use std::collections::{BTreeMap, BTreeSet};

use dcv_core::{Artifact, DomainName, Guarded, Lookup, RecordData, Site};
use digicert_api::OrderFilter;
use dns_providers::RecordSet;
use futures_util::{StreamExt as _, stream};

use crate::{
    ca::cert_name,
    context::Context,
    publish::ManagedZone,
    state::{Error, State},
};

/// Names that are looked at, of the newest orders first.
const NAMES: usize = 300;
/// Names that are read at the same time.
const TOGETHER: usize = 4;
/// How long DigiCert's values are, and what they are made of: its validation library draws 32 letters and digits.
const LENGTH: usize = 32;

/// A value that nobody here has put up.
#[derive(Debug)]
pub(super) struct Orphan {
    /// Where it stands.
    pub(super) site: Site,
    /// What it is: `TXT "k2v9…"`, `CNAME x.dcv.digicert.com.`
    pub(super) record: String,
}

/// What stands at the validation names of the accounts' newest orders, in the configured zones, and is in no state.
pub(super) async fn find(context: &Context) -> Vec<Orphan> {
    let Some(known) = known(context).await else { return Vec::new() };
    let sites = sites(context).await;
    let each = sites.into_iter().map(|(site, managed)| async move {
        let set = managed.provider.read(&managed.zone, &site).await.ok()?;
        Some((site, set))
    });
    let read: Vec<_> = stream::iter(each).buffered(TOGETHER).collect().await;
    let suffixes: Vec<&DomainName> =
        context.config.accounts.values().map(|account| &account.cname_suffix).collect();
    let mut orphans = Vec::new();
    for (site, set) in read.into_iter().flatten() {
        let is_known = |record: &str| {
            known.get(site.owner()).is_some_and(|known| known.iter().any(|known| known == record))
        };
        let strange = records(&set, &suffixes).into_iter().filter(|(content, _)| !is_known(content));
        orphans.extend(strange.map(|(_, record)| Orphan { site: site.clone(), record }));
    }
    orphans
}

/// Values and targets that are, or may be, up for an order of ours, by owner name. None where a state is there and cannot be
/// read: every value of ours would look like nobody's.
async fn known(context: &Context) -> Option<BTreeMap<DomainName, Vec<String>>> {
    let mut known: BTreeMap<DomainName, Vec<String>> = BTreeMap::new();
    let state = match State::open_existing(&context.config.state.location()).await {
        Ok(state) => state,
        Err(Error::Missing { .. }) => return Some(known),
        Err(_) => return None,
    };
    for (_, held) in state.held().await.ok()? {
        if let Artifact::Record { site, data } = held.artifact {
            let content = match data {
                RecordData::Txt(value) => value.as_str().to_owned(),
                RecordData::Cname(target) => target.name().to_string(),
            };
            known.entry(site.owner().clone()).or_default().push(content);
        }
    }
    state.close().await;
    Some(known)
}

/// The names at which control over the names of the newest orders may have been proven, each with its zone.
async fn sites(context: &Context) -> Vec<(Site, &ManagedZone)> {
    let mut seen = BTreeSet::new();
    let mut sites = Vec::new();
    for account in context.accounts.values() {
        // What cannot be listed was told by another check.
        let Ok(page) = account.client.orders_page(&OrderFilter::default(), 0).await else { continue };
        let names = page.orders.iter().flat_map(|order| &order.names).filter_map(|text| cert_name(text));
        for name in names.map(|name| name.name) {
            for scope in std::iter::successors(Some(name), DomainName::parent) {
                if sites.len() >= NAMES || !seen.insert(scope.clone()) {
                    break;
                }
                let Some(managed) = zone_of(context, &scope) else { break };
                sites.extend(
                    Guarded::direct(&Lookup::dnsauth(scope), managed.zone.name.clone())
                        .ok()
                        .map(|site| (site, managed)),
                );
            }
        }
    }
    sites
}

fn zone_of<'c>(context: &'c Context, scope: &DomainName) -> Option<&'c ManagedZone> {
    scope.closest(context.publisher.managed_zones().map(|managed| (&managed.zone.name, managed)))
}

/// What of a set looks like DigiCert's: the content, and the record as it is shown.
fn records(set: &RecordSet, suffixes: &[&DomainName]) -> Vec<(String, String)> {
    let is_value = |text: &&String| text.len() == LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let values = set.txt.iter().filter(is_value).map(|text| {
        let beginning: String = text.chars().take(6).collect();
        (text.clone(), format!("TXT \"{beginning}…\""))
    });
    let alias =
        set.cname.iter().filter(|target| suffixes.iter().any(|suffix| target.name().is_within(suffix)));
    values.chain(alias.map(|target| (target.name().to_string(), format!("CNAME {target}.")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is of DigiCert's length and alphabet, and aliases into its zone; not what other tools leave at such names.
    #[test]
    fn only_what_looks_like_digicerts_is_named() {
        let value = "k2v9p0tz4n8c1wfy6hd5bj3r0lsq7m3x".to_owned();
        let txt = vec!["v=spf1 -all".to_owned(), value.clone(), "_dcv-agent".to_owned(), "x".repeat(43)];
        let suffix: DomainName = "dcv.digicert.com".parse().unwrap();
        let set = RecordSet { txt, cname: Some("abc.dcv.digicert.com".parse().unwrap()), ttl: None };
        let found = records(&set, &[&suffix]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], (value, "TXT \"k2v9p0…\"".to_owned()));
        let other = RecordSet { cname: Some("www.example.com".parse().unwrap()), ..RecordSet::default() };
        assert!(records(&other, &[&suffix]).is_empty());
    }
}
