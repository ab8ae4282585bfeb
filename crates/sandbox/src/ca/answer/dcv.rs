//! Domain control: the random value, the check, the method.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::body::parse;
use crate::{
    ca::{
        check,
        domains::has_token,
        orders::Order,
        profile::Profile,
        reply::{Answer, Refusal, Reply},
        scope,
        switches::{CheckMiss, ExpirationDate, SubsetParameter, SuccessBodies, ValueWhenClosed},
        values::Value,
        world::World,
    },
    clock,
};

pub(super) fn random_value(world: &World, id: u64) -> Answer {
    let mut state = world.lock();
    let when_closed = state.profile.value_when_closed;
    let order = state.order(id).ok_or_else(Refusal::no_such_order)?;
    if order.is_closed() || !order.has_token() {
        match when_closed {
            ValueWhenClosed::Error => return Err(not_applicable()),
            ValueWhenClosed::WithoutValue => return Ok(Reply::ok(json!({}))),
            ValueWhenClosed::WithValue => {}
        }
    }
    let value = state.value(id).ok_or_else(Refusal::no_such_order)?;
    Ok(Reply::ok(Json::Object(value_fields(&value, &state.profile))))
}

/// `dcv_random_value` and, where the profile has it, `expiration_date`.
fn value_fields(value: &Value, profile: &Profile) -> Map<String, Json> {
    let mut fields = Map::new();
    fields.insert("dcv_random_value".to_owned(), value.text.clone().into());
    if let Some(expiration) = expiration(value.expires, &profile.expiration_date) {
        fields.insert("expiration_date".to_owned(), expiration.into());
    }
    fields
}

/// The text of a date in the profile's form.
pub(super) fn expiration(at: Timestamp, form: &ExpirationDate) -> Option<String> {
    match form {
        ExpirationDate::Offset => Some(clock::offset_form(at)),
        ExpirationDate::Z => Some(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        ExpirationDate::Fractions => Some(at.strftime("%Y-%m-%dT%H:%M:%S.%3f+00:00").to_string()),
        ExpirationDate::Absent => None,
        ExpirationDate::Literal(text) => Some(text.clone()),
    }
}

#[derive(Deserialize)]
struct Subset {
    dns_names_validations: Option<Vec<String>>,
    dns_name_validations: Option<Vec<String>>,
}

impl Subset {
    /// The names to check, `None` for all.
    fn names(self, read: SubsetParameter) -> Option<Vec<String>> {
        let names = match read {
            SubsetParameter::Both => self.dns_names_validations.or(self.dns_name_validations),
            SubsetParameter::DnsNamesValidations => self.dns_names_validations,
            SubsetParameter::DnsNameValidations => self.dns_name_validations,
        };
        names.map(|names| names.iter().map(|name| scope::canonical(name)).collect())
    }
}

pub(super) async fn check(world: &World, id: u64, body: &[u8]) -> Answer {
    let profile = world.lock().profile.clone();
    let names = parse::<Subset>(body)?.names(profile.subset_parameter);
    {
        let mut state = world.lock();
        let order = state.order(id).ok_or_else(Refusal::no_such_order)?;
        if order.method == "email" {
            return Err(Refusal::bad_request("invalid_dns_method", "The order's DCV method has no check."));
        }
        if order.is_closed() && order.status != "issued" {
            return Err(not_applicable());
        }
    }
    let order = check::order(world, id, names.as_deref()).await.ok_or_else(Refusal::no_such_order)?;
    let checked = |name: &String| names.as_ref().is_none_or(|names| names.contains(name));
    let missed = order.proofs.iter().any(|proof| !proof.approved && proof.names.iter().any(checked));
    if missed {
        refuse_miss(&order, &profile)?;
    }
    if profile.success_bodies == SuccessBodies::Empty {
        return Ok(Reply::empty());
    }
    let open = if profile.check_miss == CheckMiss::Pending { "pending" } else { "unapproved" };
    let statuses = order.proofs.iter().flat_map(|proof| {
        let status = if proof.approved { "approved" } else { open };
        let names = proof.names.iter().filter(|name| checked(name));
        names.map(move |name| json!({ "dns_name": name, "status": status }))
    });
    Ok(Reply::ok(json!({
        "order_status": order.status,
        "certificate_id": order.certificate_id,
        "dcv_status": if order.is_proven() { "valid" } else { "pending" },
        "dns_name_validations": statuses.collect::<Vec<_>>(),
    })))
}

/// The methods and profiles that answer a miss with 400.
fn refuse_miss(order: &Order, profile: &Profile) -> Result<(), Refusal> {
    let is_file = order.method.starts_with("http");
    if is_file || profile.check_miss == CheckMiss::InvalidDnsTxt { Err(miss(&order.method)) } else { Ok(()) }
}

/// A check that did not find the value, as a refusal.
pub(super) fn miss(method: &str) -> Refusal {
    let (code, message) = match method {
        "http-token" | "http-token-dynamic" => (
            "file_random_value_not_found",
            "Could not find the random value at the expected file location for one or more domains.",
        ),
        // The code of the CNAME twin is not known (open question 4).
        "dns-cname-token" => {
            ("dcv_check_failed", "Could not find a valid CNAME record for one or more domains.")
        }
        _ => ("invalid_dns_txt", "Could not find a valid TXT record for one or more domains."),
    };
    Refusal::bad_request(code, message)
}

#[derive(Deserialize)]
pub(super) struct Method {
    pub(super) dcv_method: String,
}

impl Method {
    /// Reads the method wanted, if the CA knows it.
    pub(super) fn read(body: &[u8]) -> Result<String, Refusal> {
        let Self { dcv_method } = parse(body)?;
        if has_token(&dcv_method) || dcv_method == "email" {
            Ok(dcv_method)
        } else {
            Err(Refusal::bad_request("invalid_dcv_method", "There is no such DCV method."))
        }
    }
}

/// Files cannot prove wildcards.
pub(super) fn fits(method: &str, names: &[String]) -> Result<(), Refusal> {
    if method.starts_with("http") && !names.is_empty() && names.iter().all(|name| name.starts_with("*.")) {
        let message = "The DCV method cannot be used for wildcard domains.";
        return Err(Refusal::bad_request("invalid_wildcard_dcv_method", message));
    }
    Ok(())
}

pub(super) fn change_method(world: &World, id: u64, body: &[u8]) -> Answer {
    let method = Method::read(body)?;
    let mut state = world.lock();
    let order = state.order(id).ok_or_else(Refusal::no_such_order)?;
    if order.is_closed() {
        return Err(not_applicable());
    }
    fits(&method, &order.names)?;
    order.change_method(method, world.eyes.zones());
    let has_token = order.has_token();
    state.use_domains(id);
    world.polling.notify_one();
    if !has_token || state.profile.success_bodies == SuccessBodies::Empty {
        return Ok(Reply::empty());
    }
    let value = state.value(id).ok_or_else(Refusal::no_such_order)?;
    Ok(Reply::ok(Json::Object(value_fields(&value, &state.profile))))
}

/// The real code for "not in this state" is not known (open question 7).
pub(super) fn not_applicable() -> Refusal {
    Refusal::bad_request("bad_request", "It is not in a state for this action.")
}
