//! One domain: reading it, adding it, its value, its method, its check.

use axum::http::Uri;
use jiff::{Timestamp, tz::Offset};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{
    body::parse,
    dcv::{Method, expiration, miss, not_applicable},
    pairs::Pairs,
};
use crate::{
    ca::{
        check,
        domains::{Domain, DomainSpec, has_token},
        profile::Profile,
        reply::{Answer, Refusal, Reply},
        scope,
        switches::SuccessBodies,
        world::{MAX_ORDERS, World},
    },
    clock,
};

pub(super) fn info(world: &World, id: u64, uri: &Uri) -> Answer {
    let pairs = Pairs::of(uri)?;
    let state = world.lock();
    let domain = state.domains.get(&id).ok_or_else(Refusal::no_such_domain)?;
    let mut info = common(domain, pairs.is_on("include_validation"));
    info["is_pending_validation"] = json!(domain.pending);
    if let Some(expires) = domain.expires {
        info["dcv_expiration_datetime"] = json!(clock::offset_form(expires));
        info["dcv_expiration"] =
            domain.kinds.iter().map(|kind| (kind.clone(), json!(clock::offset_form(expires)))).collect();
    }
    if pairs.is_on("include_dcv")
        && let Some(token) = token(domain, &state.profile)
    {
        info["dcv_token"] = token;
    }
    Ok(Reply::ok(info))
}

/// A domain as a row of the list; without `exact`, its expiry has the legacy form.
pub(super) fn row(domain: &Domain, profile: &Profile, exact: bool) -> Json {
    let mut row = common(domain, true);
    if let Some(expires) = domain.expires {
        let mut dates = Map::new();
        for kind in &domain.kinds {
            let date =
                if exact { expiration(expires, &profile.expiration_date) } else { Some(legacy(expires)) };
            dates.extend(date.map(|date| (kind.clone(), json!(date))));
            dates.insert(format!("{kind}_status"), json!(domain.status(clock::now())));
        }
        dates.insert("dcv_approval_date".to_owned(), json!(domain.approved.map(clock::offset_form)));
        row["dcv_expiration"] = dates.into();
    }
    row
}

/// The fields that *domain info* and *list domains* share.
fn common(domain: &Domain, with_validations: bool) -> Json {
    let now = clock::now();
    let mut common = json!({
        "id": domain.id,
        "name": domain.name,
        "is_active": domain.active,
        "date_created": clock::offset_form(domain.created),
        "last_submitted_datetime": clock::offset_form(domain.submitted),
        "dcv_method": domain.method,
        "organization": { "id": 7788, "name": "Example Org", "is_active": "1" },
        "container": { "id": 10, "name": "Main" },
    });
    if let Some(approved) = domain.approved {
        common["dcv_approval_datetime"] = json!(clock::offset_form(approved));
    }
    if with_validations {
        let validations = domain.kinds.iter().map(|kind| {
            let mut validation = json!({
                "type": kind,
                "name": kind.to_ascii_uppercase(),
                "status": domain.status(now),
                "dcv_status": if domain.pending { "pending" } else { "complete" },
                "date_created": clock::offset_form(domain.created),
            });
            if let Some(expires) = domain.expires {
                validation["validated_until"] = json!(clock::offset_form(expires));
            }
            validation
        });
        common["validations"] = validations.collect();
    }
    common
}

/// A form without an offset, seven hours behind UTC. Only that it is not UTC is known of the real one.
fn legacy(at: Timestamp) -> String {
    Offset::constant(-7).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `dcv_token`, if the domain has a value.
fn token(domain: &Domain, profile: &Profile) -> Option<Json> {
    let value = domain.value()?;
    let mut token =
        json!({ "token": value.text, "status": if domain.pending { "pending" } else { "active" } });
    if let Some(expiration) = expiration(value.expires, &profile.expiration_date) {
        token["expiration_date"] = json!(expiration);
    }
    match domain.method.as_str() {
        // What it holds since 2025 is not known (open question 10).
        "dns-cname-token" => token["verification_value"] = json!(profile.cname_suffix),
        "http-token" => {
            let url = format!("http://{}/.well-known/pki-validation/fileauth.txt", domain.name);
            token["http_token_url"] = json!(url);
        }
        _ => {}
    }
    Some(token)
}

#[derive(Deserialize)]
struct NewDomain {
    name: String,
    #[serde(default)]
    validations: Vec<Kind>,
    dcv_method: Option<String>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

fn kinds(of: Vec<Kind>) -> Vec<String> {
    of.into_iter().map(|kind| kind.kind).collect()
}

pub(super) fn add(world: &World, account: u64, body: &[u8]) -> Answer {
    let new: NewDomain = parse(body)?;
    let name = scope::canonical(&new.name);
    let mut state = world.lock();
    if state.domain_named(account, &name).is_some() {
        return Err(Refusal::bad_request("bad_request", "The domain already exists."));
    }
    if state.domains.len() >= MAX_ORDERS {
        return Err(Refusal::bad_request("bad_request", "The sandbox holds no more domains."));
    }
    let method = new.dcv_method.unwrap_or_else(|| "email".to_owned());
    let spec = DomainSpec::new(name).method(method).account(account);
    let spec = if new.validations.is_empty() { spec } else { spec.kinds(kinds(new.validations)) };
    let id = state.place_domain(spec);
    world.polling.notify_one();
    let domain = state.domains.get(&id).ok_or_else(Refusal::no_such_domain)?;
    Ok(Reply::created(with_token(json!({ "id": id }), domain, &state.profile)))
}

#[derive(Deserialize)]
struct Submission {
    #[serde(default)]
    validations: Vec<Kind>,
    dcv_method: Option<String>,
}

pub(super) fn submit(world: &World, id: u64, body: &[u8]) -> Answer {
    let Submission { validations, dcv_method } = parse(body)?;
    let mut state = world.lock();
    let state = &mut *state;
    let domain = state.domains.get_mut(&id).ok_or_else(Refusal::no_such_domain)?;
    if !domain.active {
        return Err(not_applicable());
    }
    for kind in kinds(validations) {
        if !domain.kinds.contains(&kind) {
            domain.kinds.push(kind);
        }
    }
    let method = dcv_method.unwrap_or_else(|| domain.method.clone());
    domain.submit(&method, &state.profile, &mut state.random, clock::now());
    if let Some(value) = domain.value() {
        state.ledger.domain_value(id, &value.text);
    }
    world.polling.notify_one();
    if state.profile.success_bodies == SuccessBodies::Empty {
        return Ok(Reply::empty());
    }
    Ok(Reply::ok(with_token(json!({ "id": id }), domain, &state.profile)))
}

pub(super) fn new_value(world: &World, id: u64) -> Answer {
    let mut state = world.lock();
    let state = &mut *state;
    let domain = state.domains.get_mut(&id).ok_or_else(Refusal::no_such_domain)?;
    if !has_token(&domain.method) {
        return Err(no_token());
    }
    let value = domain.values.renew(&state.profile, &mut state.random, clock::now());
    state.ledger.domain_value(id, &value.text);
    let mut reply = token(domain, &state.profile).unwrap_or_default();
    // Documented are the value, its date and its address.
    if let Json::Object(fields) = &mut reply {
        fields.remove("status");
        fields.remove("verification_value");
    }
    Ok(Reply::ok(reply))
}

pub(super) fn change_method(world: &World, id: u64, body: &[u8]) -> Answer {
    let method = Method::read(body)?;
    let mut state = world.lock();
    let state = &mut *state;
    let domain = state.domains.get_mut(&id).ok_or_else(Refusal::no_such_domain)?;
    if !domain.active {
        return Err(not_applicable());
    }
    domain.submit(&method, &state.profile, &mut state.random, clock::now());
    if let Some(value) = domain.value() {
        state.ledger.domain_value(id, &value.text);
    }
    world.polling.notify_one();
    if state.profile.success_bodies == SuccessBodies::Empty {
        return Ok(Reply::empty());
    }
    Ok(Reply::ok(with_token(json!({}), domain, &state.profile)))
}

pub(super) async fn check(world: &World, id: u64) -> Answer {
    let method = {
        let state = world.lock();
        let domain = state.domains.get(&id).ok_or_else(Refusal::no_such_domain)?;
        if !has_token(&domain.method) {
            return Err(no_token());
        }
        if !domain.active || domain.status(clock::now()) == "expired" {
            return Err(not_applicable());
        }
        domain.pending.then(|| domain.method.clone())
    };
    // Nothing is looked for where nothing is outstanding.
    if let Some(method) = method
        && !check::domain(world, id).await.ok_or_else(Refusal::no_such_domain)?
    {
        return Err(miss(&method));
    }
    let state = world.lock();
    if state.profile.success_bodies == SuccessBodies::Empty {
        return Ok(Reply::empty());
    }
    let domain = state.domains.get(&id).ok_or_else(Refusal::no_such_domain)?;
    Ok(Reply::ok(json!({ "token": domain.value().map(|value| &value.text), "status": "active" })))
}

pub(super) fn activate(world: &World, id: u64, active: bool) -> Answer {
    world.lock().domains.get_mut(&id).ok_or_else(Refusal::no_such_domain)?.active = active;
    Ok(Reply::no_content())
}

fn with_token(mut reply: Json, domain: &Domain, profile: &Profile) -> Json {
    if let Some(token) = token(domain, profile) {
        reply["dcv_token"] = token;
    }
    reply
}

fn no_token() -> Refusal {
    Refusal::bad_request("invalid_dcv_method", "The domain's DCV method has no token.")
}
