//! What DigiCert's answers say of an order.

use std::collections::BTreeMap;

use dcv_core::{CertName, DomainName, Learned, Method, OrderFacts, OrderStatus, Patterns, ScopeFacts, Stage};
use digicert_api::{CheckOutcome, Class, Client, Error, Order, OrderId, OrderValidation, ScopeValidation};
use tracing::warn;

/// The validation status tells scopes, status and methods in one call; where it fails the order itself is read. Of an order
/// that was found, the names are matched against the operator's patterns once more: they are the CA's latest word.
pub(super) async fn read(
    client: &Client,
    id: OrderId,
    patterns: Option<&Patterns>,
) -> Result<OrderFacts, Error> {
    let validation = match client.order_validation(id).await {
        Ok(validation) => validation,
        Err(error) if matches!(error.class(), Class::NotYet | Class::Misconfigured | Class::Undecodable) => {
            return read_status(client, id, patterns).await;
        }
        Err(error) => return Err(error),
    };
    let Some(status) = validation.status.clone() else { return read_status(client, id, patterns).await };
    let not_admitted = patterns.and_then(|patterns| admit_scopes(patterns, &validation.names).err());
    let mut order = of_validation(id, OrderStatus::from(status.as_str()), validation);
    order.not_admitted = not_admitted;
    let is_open = order.scopes.iter().any(|scope| !scope.approved) || !order.unreadable.is_empty();
    if order.status == OrderStatus::ReissuePending && !is_open {
        // Nothing is left to prove: DigiCert is waited for, or an administrator. Where that cannot be told the order is
        // read again in time.
        order.approval = client.order(id).await.ok().and_then(|order| approval(&order));
    }
    Ok(order)
}

/// What an administrator of the account has to do, in a sentence.
fn approval(order: &Order) -> Option<String> {
    let request = order.open_requests.first()?;
    let what = request.kind.as_deref().unwrap_or("request").replace('_', " ");
    let number = request.id.map_or_else(String::new, |id| format!(" {id}"));
    Some(format!(
        "an administrator of the account has to approve request{number} ({what}) in CertCentral; DigiCert does nothing before"
    ))
}

/// Whether names as they are written on certificates are admitted. What cannot be read may be what `except` is about.
///
/// # Errors
/// Why they are not, in one sentence.
pub fn admit(patterns: &Patterns, written: &[String]) -> Result<(), String> {
    let names: Vec<CertName> = written.iter().filter_map(|text| cert_name(text)).collect();
    if !patterns.is_open() && (names.is_empty() || names.len() < written.len()) {
        return Err("its names cannot be read, so no pattern can admit them".to_owned());
    }
    patterns.admit(&names)
}

/// A scope whose names were not told may cover any, so that only what is excepted as a whole counts against it.
fn admit_scopes(patterns: &Patterns, scopes: &[ScopeValidation]) -> Result<(), String> {
    let excepted = Patterns { only: Vec::new(), except: patterns.except.clone() };
    scopes.iter().try_for_each(|scope| match scope.dns_names.as_slice() {
        [] => excepted.admit(&cert_name(&scope.scope).into_iter().collect::<Vec<_>>()),
        names => admit(patterns, names),
    })
}

fn of_validation(id: OrderId, status: OrderStatus, validation: OrderValidation) -> OrderFacts {
    let (mut scopes, mut unreadable) = (Vec::new(), Vec::new());
    for scope in validation.names {
        match DomainName::scope(&scope.scope) {
            Ok(name) => scopes.push(scope_facts(name, scope)),
            Err(error) => {
                let why = match scope.scope.as_str() {
                    "" => "DigiCert does not say which domain it is".to_owned(),
                    _ => error.to_string(),
                };
                warn!(order = %id, "DigiCert names a scope that cannot be read: {why}");
                if !scope.approved {
                    unreadable.push(why);
                }
            }
        }
    }
    OrderFacts {
        method: validation.method.map(Method::from),
        scopes,
        unreadable,
        missing: validation.organization_missing,
        ..OrderFacts::of_status(None, status)
    }
}

fn scope_facts(name: DomainName, scope: ScopeValidation) -> ScopeFacts {
    ScopeFacts {
        name,
        approved: scope.approved,
        method: scope.method.map(Method::from),
        names: scope.dns_names.iter().filter_map(|text| cert_name(text)).collect(),
    }
}

async fn read_status(client: &Client, id: OrderId, patterns: Option<&Patterns>) -> Result<OrderFacts, Error> {
    let order = client.order(id).await?;
    let approval = approval(&order);
    let status = OrderStatus::from(order.status.as_str());
    let method = order.dcv_method.map(Method::from);
    // Without the CA's word the base domains are the best guess: a proof there covers every name below it
    // (TLS BR 3.2.2.4.7), and accounts prove there unless they choose otherwise. A file proves its own name only.
    let scopes = match status.stage() {
        Stage::Work if method == Some(Method::Http) => each_by_itself(&order.names),
        Stage::Work => base_domains(&order.names),
        Stage::Watch | Stage::Ended | Stage::Unknown => Vec::new(),
    };
    let not_admitted = patterns.and_then(|patterns| admit(patterns, &order.names).err());
    Ok(OrderFacts { method, scopes, approval, not_admitted, ..OrderFacts::of_status(None, status) })
}

fn each_by_itself(names: &[String]) -> Vec<ScopeFacts> {
    let names = names.iter().filter_map(|text| cert_name(text));
    names.map(|name| ScopeFacts::open(name.name.clone(), vec![name])).collect()
}

/// The domains under public suffixes to which names belong, each with its names.
fn base_domains(names: &[String]) -> Vec<ScopeFacts> {
    let mut bases: BTreeMap<DomainName, Vec<CertName>> = BTreeMap::new();
    for name in names.iter().filter_map(|text| cert_name(text)) {
        let base = psl::domain_str(name.name.as_str()).and_then(|base| base.parse().ok());
        bases.entry(base.unwrap_or_else(|| name.name.clone())).or_default().push(name);
    }
    bases.into_iter().map(|(name, names)| ScopeFacts::open(name, names)).collect()
}

/// A name as it stands on the certificate; old orders hold blanks, which are left out.
#[must_use]
pub fn cert_name(text: &str) -> Option<CertName> {
    Some(CertName { name: DomainName::scope(text).ok()?, wildcard: text.trim_start().starts_with("*.") })
}

/// Has the order checked.
pub(super) async fn check(client: &Client, id: OrderId) -> Result<Learned, Error> {
    let check = client.check_dcv(id).await?;
    let said = match check.outcome {
        CheckOutcome::Validated => "validated".to_owned(),
        CheckOutcome::NotYet { reason } => reason,
    };
    let all_approved = check.names.iter().all(|name| name.approved);
    // A refusal, an empty answer, or a name that is not approved: some part of the answer says "open".
    let silent = check.names.is_empty() && check.dcv_status.is_none() && check.order_status.is_none();
    let complete = match check.dcv_status.as_deref() {
        _ if silent || !all_approved => Some(false),
        Some(word) => Some(word.eq_ignore_ascii_case("valid")),
        None => None,
    };
    let approved = check.names.iter().filter(|name| name.approved);
    Ok(Learned::Checked {
        complete,
        status: check.order_status.map(|status| OrderStatus::from(status.as_str())),
        approved: approved.filter_map(|name| DomainName::scope(&name.name).ok()).collect(),
        said,
    })
}
