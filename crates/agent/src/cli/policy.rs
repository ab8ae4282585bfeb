//! `policy`: the least that a provider's credential has to be allowed, or what keeps other tools from our values, as text to
//! copy; calls nobody.

use std::path::Path;

use dcv_core::{DomainName, Label, Lookup, Owner};
use dns_providers::{policy::Grant, truce::Tool};
use serde::Serialize;

use super::{
    manner::Output,
    show::{Answer, HEAD, Page, paint},
};
use crate::{
    config::{Config, Provider},
    exit::{Exit, Failed},
    start::load,
};

#[derive(Serialize)]
struct Text {
    title: String,
    text: String,
}

pub(super) fn run(
    path: &Path,
    name: Option<&str>,
    aliases: bool,
    ignore: Option<Tool>,
    output: Output,
) -> Result<Answer, Failed> {
    let config = load(path)?;
    let providers = chosen(&config, name)?;
    let grants: Vec<Grant> =
        providers.iter().flat_map(|provider| grants(&config, provider, aliases)).collect();
    let policies = match (ignore, providers.as_slice()) {
        (Some(tool), _) => tool.truce(&grants),
        (None, [provider]) => provider.settings.policies(&grants),
        (None, _) => Vec::new(),
    };
    let texts: Vec<Text> =
        policies.into_iter().map(|policy| Text { title: policy.title, text: policy.text }).collect();
    let page = match output {
        Output::Json => Page::json(&texts)?,
        Output::Text => table(&texts, grants.iter().any(|grant| grant.further.is_none())),
    };
    Ok(Answer::new(page, Exit::Success))
}

/// The provider of that name; all of them, where none is named.
fn chosen<'a>(config: &'a Config, name: Option<&str>) -> Result<Vec<&'a Provider>, Failed> {
    let Some(name) = name else { return Ok(config.providers.values().collect()) };
    let known = || config.providers.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let absent = || Failed::setup(format!("no provider {name:?} is configured; there are: {}", known()));
    config.providers.get(name).map(|provider| vec![provider]).ok_or_else(absent)
}

/// What is written in each zone: at the names of orders whose scopes the configuration gives, and at names that only
/// DigiCert knows where it finds orders or domains, or an order has no scopes.
fn grants(config: &Config, provider: &Provider, aliases: bool) -> Vec<Grant> {
    let accounts = || config.accounts.values();
    let finds = accounts().any(|account| account.discover.is_some() || account.domains.is_some());
    let unnamed = accounts().any(|account| account.orders.values().any(Vec::is_empty));
    let scopes = || accounts().flat_map(|account| account.orders.values().flatten());
    let each = provider.zones.iter().map(|zone| {
        let owner = provider.owners.get(&zone.name).copied().unwrap_or_default();
        let served = |name: &DomainName| config.route(name).is_some_and(|(_, other)| other == zone);
        let mut names: Vec<DomainName> =
            scopes().flat_map(|scope| owners(scope, owner)).filter(|name| served(name)).collect();
        names.sort();
        names.dedup();
        // A zone without a name of its own is there for names that are delegated into it.
        let further = (finds || unnamed || names.is_empty()).then_some(owner);
        Grant { zone: zone.clone(), names, further, aliases }
    });
    each.collect()
}

/// Where a scope's records go, nothing being delegated.
fn owners(scope: &DomainName, owner: Owner) -> Vec<DomainName> {
    let below = || Lookup::dnsauth(scope.clone()).name().ok();
    let bare = || Lookup { domain: scope.clone(), label: Label::Bare }.name().ok();
    let names = match owner {
        Owner::Dnsauth => [below(), None],
        Owner::Bare => [bare(), None],
        Owner::Both => [below(), bare()],
    };
    names.into_iter().flatten().collect()
}

fn table(texts: &[Text], exact: bool) -> Page {
    let mut page = Page::default();
    for Text { title, text } in texts {
        page.line(&paint(HEAD, &format!("# {title}")));
        page.line(text);
    }
    if exact {
        page.line("# Names that are delegated by CNAME into these zones are not known here: add them.");
    }
    page
}
