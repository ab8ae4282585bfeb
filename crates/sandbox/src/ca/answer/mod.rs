//! What each call answers.

mod body;
mod dcv;
mod domain;
mod list;
mod order;
mod pairs;

use axum::http::Uri;
use serde_json::json;

use super::{
    endpoint::Endpoint,
    reply::{Answer, Refusal, Reply},
    world::World,
};

/// Carries out a call that got through.
pub(super) async fn answer(
    world: &World,
    account: u64,
    endpoint: Endpoint,
    target: &str,
    uri: &Uri,
    body: &[u8],
) -> Answer {
    // Of another account's orders and domains, a key learns no more than of those that do not exist.
    let id = || -> Result<u64, Refusal> {
        let id = target.parse().map_err(|_| Refusal::no_such_order())?;
        let owner = world.lock().orders.get(&id).map(|order| order.account);
        if owner == Some(account) { Ok(id) } else { Err(Refusal::no_such_order()) }
    };
    let domain_id = || -> Result<u64, Refusal> {
        let id = target.parse().map_err(|_| Refusal::no_such_domain())?;
        let owner = world.lock().domains.get(&id).map(|domain| domain.account);
        if owner == Some(account) { Ok(id) } else { Err(Refusal::no_such_domain()) }
    };
    match endpoint {
        Endpoint::DcvRandomValue => dcv::random_value(world, id()?),
        Endpoint::CheckDcv => dcv::check(world, id()?, body).await,
        Endpoint::DcvMethod => dcv::change_method(world, id()?, body),
        Endpoint::OrderInfo => order::info(world, id()?),
        Endpoint::OrderValidation => order::validation(world, id()?),
        Endpoint::UpdateStatus => order::update_status(world, id()?, body),
        Endpoint::PlaceOrder => order::place(world, account, target, body),
        Endpoint::Reissue => order::reissue(world, id()?, body),
        Endpoint::ListOrders => list::orders(world, account, uri),
        Endpoint::StatusChanges => list::status_changes(world, account, uri),
        Endpoint::ListDomains => list::domains(world, account, uri),
        Endpoint::AddDomain => domain::add(world, account, body),
        Endpoint::DomainInfo => domain::info(world, domain_id()?, uri),
        Endpoint::SubmitDomain => domain::submit(world, domain_id()?, body),
        Endpoint::NewDomainValue => domain::new_value(world, domain_id()?),
        Endpoint::DomainMethod => domain::change_method(world, domain_id()?, body),
        Endpoint::CheckDomain => domain::check(world, domain_id()?).await,
        Endpoint::ActivateDomain => domain::activate(world, domain_id()?, true),
        Endpoint::DeactivateDomain => domain::activate(world, domain_id()?, false),
        Endpoint::UserMe => Ok(Reply::ok(json!({
            "id": 4001,
            "username": "sandbox",
            "account": { "id": account },
            "status": "active",
            "access_roles": [{ "id": 5, "name": world.lock().profile.role }],
        }))),
        Endpoint::Unknown => Err(Refusal::no_such_route()),
    }
}
