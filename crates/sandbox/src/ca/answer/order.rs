//! One order: reading it, placing it, reissuing it, canceling it.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    body::parse,
    dcv::{expiration, fits, not_applicable},
};
use crate::{
    ca::{
        order_spec::{OrderSpec, Product},
        orders::Order,
        profile::Profile,
        reply::{Answer, Refusal, Reply},
        switches::{Approval, CommonName, Scope},
        world::{MAX_ORDERS, World},
    },
    clock,
};

pub(super) fn info(world: &World, id: u64) -> Answer {
    let mut state = world.lock();
    let order = state.order(id).ok_or_else(Refusal::no_such_order)?.clone();
    let mut info = summary(&order, &state.profile);
    if order.status == "reissue_pending" && state.profile.approval == Approval::Needed {
        info["requests"] = json!([{ "id": id + 900_000, "type": "reissue", "status": "pending" }]);
    }
    info["is_renewal"] = json!(false);
    info["dcv_method"] = json!(order.method);
    info["product"]["validation_type"] = json!(order.product.as_str());
    info["certificate"]["date_created"] = json!(clock::offset_form(order.created));
    info["certificate"]["key_size"] = json!(2048);
    if let Some(issued) = order.issued {
        info["certificate"]["date_issued"] = json!(clock::offset_form(issued));
        info["certificate"]["valid_from"] = json!(issued.strftime("%Y-%m-%d").to_string());
    }
    Ok(Reply::ok(info))
}

/// The fields that *order info* and *list orders* share.
pub(super) fn summary(order: &Order, profile: &Profile) -> Json {
    let additional = match profile.common_name {
        CommonName::Repeated => order.names.as_slice(),
        CommonName::Apart => order.names.get(1..).unwrap_or_default(),
    };
    let mut summary = json!({
        "id": order.id,
        "status": order.status,
        "is_renewed": false,
        "date_created": clock::offset_form(order.created),
        "certificate": {
            "id": order.certificate_id,
            "common_name": order.names.first(),
            "dns_names": additional,
            "signature_hash": "sha256",
        },
        "container": { "id": 10, "name": "Main" },
        "product": { "name_id": order.product_name, "name": order.product_name, "type": order.product_type },
        "validity_years": 1,
    });
    if order.product != Product::Dv {
        summary["organization"] = json!({ "id": 7788, "name": "Example Org", "is_active": "1" });
    }
    if let Some(issued) = order.issued {
        let end = clock::after(issued, std::time::Duration::from_secs(199 * 24 * 3600));
        summary["certificate"]["valid_till"] = json!(end.strftime("%Y-%m-%d").to_string());
        summary["certificate"]["days_remaining"] = json!(199);
    }
    summary
}

pub(super) fn validation(world: &World, id: u64) -> Answer {
    let mut state = world.lock();
    let order = state.order(id).ok_or_else(Refusal::no_such_order)?.clone();
    let is_dv = order.product == Product::Dv;
    let domains = (!is_dv).then_some(&*state);
    let names = order.proofs.iter().map(|proof| {
        let mut entry = json!({
            "name_scope": proof.scope,
            "approval_scope": "subdomains",
            "status": if proof.approved { "approved" } else { "pending" },
            "method": order.method,
            "dns_names": proof.names,
        });
        // Domain objects belong to OV and EV, and may have a method of their own.
        if let Some(domain) =
            domains.and_then(|state| state.domains.get(&state.domain_for(order.account, &proof.scope)?))
        {
            entry["domain_id"] = json!(domain.id.to_string());
            entry["method"] = json!(domain.method);
        }
        entry
    });
    let mut reply = json!({
        "order_id": order.id.to_string(),
        "order_status": order.status,
        "order_name_scope": match order.scope { Scope::BaseDomain => "base_domain", Scope::Fqdn => "fqdn" },
        "order_dcv_method": order.method,
        "dns_name_validations": names.collect::<Vec<_>>(),
    });
    if !is_dv {
        reply["organization_id"] = json!("7788");
        reply["organization_name"] = json!("Example Org");
        reply["organization_validations"] = json!([{
            "type": order.product.as_str(),
            "name": order.product.as_str().to_ascii_uppercase(),
            "status": if order.organisation_validated { "complete" } else { "pending" },
            "date_created": clock::offset_form(order.created),
        }]);
    }
    Ok(Reply::ok(reply))
}

#[derive(Deserialize)]
struct NewStatus {
    status: String,
}

pub(super) fn update_status(world: &World, id: u64, body: &[u8]) -> Answer {
    let NewStatus { status } = parse(body)?;
    if !status.eq_ignore_ascii_case("canceled") || !world.lock().cancel(id) {
        return Err(not_applicable());
    }
    Ok(Reply::no_content())
}

#[derive(Deserialize)]
struct NewOrder {
    certificate: NewCertificate,
    dcv_method: Option<String>,
    certificate_dcv_scope: Option<Scope>,
    #[serde(default)]
    skip_approval: bool,
}

#[derive(Deserialize)]
struct NewCertificate {
    common_name: String,
    #[serde(default)]
    dns_names: Vec<String>,
}

impl NewCertificate {
    /// All names, the common name first.
    fn names(self) -> Vec<String> {
        let mut names = vec![self.common_name];
        for name in self.dns_names {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

pub(super) fn place(world: &World, account: u64, product_name: &str, body: &[u8]) -> Answer {
    let product = Product::named(product_name).ok_or_else(|| {
        Refusal::new(axum::http::StatusCode::NOT_FOUND, "not_found|product", "There is no such product.")
    })?;
    let new: NewOrder = parse(body)?;
    let mut state = world.lock();
    if state.orders.len() >= MAX_ORDERS {
        return Err(Refusal::bad_request("bad_request", "The sandbox holds no more orders."));
    }
    let waits = state.profile.approval == Approval::Needed && !new.skip_approval;
    let names = new.certificate.names();
    let method = new.dcv_method.unwrap_or_else(|| "email".to_owned());
    fits(&method, &names)?;
    let spec = OrderSpec {
        names,
        method,
        status: if waits { "needs_approval" } else { "pending" }.to_owned(),
        product,
        id: None,
        scope: new.certificate_dcv_scope,
        account,
        product_type: OrderSpec::default_product_type(),
    };
    let id = state.place(spec, &world.eyes);
    let order = state.order(id).ok_or_else(Refusal::no_such_order)?;
    product_name.clone_into(&mut order.product_name);
    let order = order.clone();
    let mut reply = json!({
        "id": id,
        "certificate_id": order.certificate_id,
        "requests": [{ "id": id + 900_000, "status": if waits { "pending" } else { "approved" } }],
    });
    // Where all domains are valid already, there is nothing to prove and no value.
    if order.has_token() && !order.is_proven() {
        let value = state.value(id).ok_or_else(Refusal::no_such_order)?;
        let mut token = json!({ "token": value.text, "status": "pending" });
        if let Some(expiration) = expiration(value.expires, &state.profile.expiration_date) {
            token["expiration_date"] = expiration.into();
        }
        let domains = order.proofs.iter().map(|proof| {
            let id = state.domain_for(account, &proof.scope).filter(|_| product != Product::Dv);
            json!({ "id": id, "name": proof.scope, "dcv_token": token })
        });
        reply["domains"] = domains.collect();
        reply["dcv_random_value"] = value.text.into();
    }
    world.polling.notify_one();
    Ok(Reply::created(reply))
}

#[derive(Deserialize)]
struct NewReissue {
    certificate: Option<NewCertificate>,
}

pub(super) fn reissue(world: &World, id: u64, body: &[u8]) -> Answer {
    let NewReissue { certificate } = parse(body)?;
    let names = certificate.map(NewCertificate::names).unwrap_or_default();
    let mut state = world.lock();
    fits(&state.order(id).ok_or_else(Refusal::no_such_order)?.method, &names)?;
    if !state.reissue(id, &names, world.eyes.zones()) {
        return Err(not_applicable());
    }
    let order = state.order(id).ok_or_else(Refusal::no_such_order)?;
    let mut reply =
        json!({ "id": id, "certificate_id": order.certificate_id, "requests": [{ "id": id + 900_000 }] });
    if !order.is_proven() && order.has_token() {
        let value = state.value(id).ok_or_else(Refusal::no_such_order)?;
        reply["dcv_random_value"] = value.text.into();
    }
    world.polling.notify_one();
    Ok(Reply::created(reply))
}
