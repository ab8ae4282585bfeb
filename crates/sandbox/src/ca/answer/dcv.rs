//! Domain control: the random value, the check, the method.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{Answer, parse};
use crate::{
    ca::{
        check,
        orders::{Order, Value},
        profile::{CheckMiss, ExpirationDate, Profile, SubsetParameter, SuccessBodies, ValueWhenClosed},
        reply::{Refusal, Reply},
        scope,
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

/// The text of an expiration date in the profile's form.
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
    let order = check::run(world, id, names.as_deref()).await.ok_or_else(Refusal::no_such_order)?;
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
    let (code, message) = match (order.method.as_str(), profile.check_miss) {
        ("http-token" | "http-token-dynamic", _) => (
            "file_random_value_not_found",
            "Could not find the random value at the expected file location for one or more domains.",
        ),
        (_, CheckMiss::Unapproved | CheckMiss::Pending) => return Ok(()),
        // The code of the CNAME twin is not known (open question 4).
        ("dns-cname-token", CheckMiss::InvalidDnsTxt) => {
            ("dcv_check_failed", "Could not find a valid CNAME record for one or more domains.")
        }
        (_, CheckMiss::InvalidDnsTxt) => {
            ("invalid_dns_txt", "Could not find a valid TXT record for one or more domains.")
        }
    };
    Err(Refusal::bad_request(code, message))
}

#[derive(Deserialize)]
struct Method {
    dcv_method: String,
}

pub(super) fn change_method(world: &World, id: u64, body: &[u8]) -> Answer {
    let Method { dcv_method } = parse(body)?;
    let mut state = world.lock();
    let order = state.order(id).ok_or_else(Refusal::no_such_order)?;
    if order.is_closed() {
        return Err(not_applicable());
    }
    order.method = dcv_method;
    order.restart_polling();
    if !order.has_token() || state.profile.success_bodies == SuccessBodies::Empty {
        return Ok(Reply::empty());
    }
    let value = state.value(id).ok_or_else(Refusal::no_such_order)?;
    world.polling.notify_one();
    Ok(Reply::ok(Json::Object(value_fields(&value, &state.profile))))
}

/// The real code for "not in this state" is not known (open question 7).
pub(super) fn not_applicable() -> Refusal {
    Refusal::bad_request("bad_request", "The order is not in a state for this action.")
}
