//! Domains of an account: their values, their proof, and what it does for orders.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use std::time::Duration;

use dcv_sandbox::{
    Sandbox, SandboxConfig,
    ca::{
        ApiKey, DomainSpec, Endpoint, ExpirationDate, FormerDomainValue, OrderSpec, OwnPolling, Profile,
        SuccessBodies,
    },
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Client, ca, code, until};

async fn sandbox(profile: Profile) -> (Sandbox, Client) {
    let mut config = SandboxConfig::default();
    config.ca.profile = profile;
    config.ca.rate = Vec::new();
    let sandbox = Sandbox::start(config).await.unwrap();
    let client = Client::new(&sandbox.ca);
    (sandbox, client)
}

impl Client {
    async fn domain(&self, id: u64) -> Value {
        let (status, body) =
            self.get(&format!("/domain/{id}?include_dcv=true&include_validation=true")).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn submit(&self, id: u64, method: &str) -> (StatusCode, Value) {
        let body = json!({ "validations": [{ "type": "ov" }], "dcv_method": method });
        self.post(&format!("/domain/{id}/validation"), body).await
    }

    async fn new_token(&self, id: u64) -> (StatusCode, Value) {
        self.post(&format!("/domain/{id}/dcv/token"), json!({})).await
    }

    async fn check_domain(&self, id: u64) -> (StatusCode, Value) {
        self.put(&format!("/domain/{id}/dcv/validate-token")).await
    }

    async fn domain_method(&self, id: u64, method: &str) -> (StatusCode, Value) {
        let body = json!({ "dcv_method": method });
        self.call(Method::PUT, &format!("/domain/{id}/dcv/method"), Some(body)).await
    }
}

#[tokio::test]
async fn a_domain_is_proven_renewed_and_expires() {
    let (sandbox, client) = sandbox(Profile::default()).await;
    let ca = &sandbox.ca;
    let id = ca.place_domain(DomainSpec::new("example.com"));
    let info = client.domain(id).await;
    assert_eq!(
        (&info["is_pending_validation"], &info["dcv_method"]),
        (&json!(true), &json!("dns-txt-token"))
    );
    assert_eq!(info["validations"][0]["dcv_status"], "pending");
    assert_eq!(info.get("dcv_expiration_datetime"), None);
    let value = info["dcv_token"]["token"].as_str().unwrap().to_owned();
    assert_eq!(ca.domain_value(id), Some(value.clone()));
    assert_eq!(client.domain(id).await["dcv_token"], info["dcv_token"], "reading changes nothing");
    assert_eq!(client.get(&format!("/domain/{id}")).await.1.get("dcv_token"), None, "only if asked for");

    let (status, body) = client.check_domain(id).await;
    assert_eq!((status.as_u16(), code(&body)), (400, "invalid_dns_txt"));
    sandbox.dns.add_txt("_dnsauth.example.com", &value).await.unwrap();
    assert_eq!(
        client.check_domain(id).await,
        (StatusCode::OK, json!({ "token": value, "status": "active" }))
    );
    let info = client.domain(id).await;
    assert_eq!(
        (&info["is_pending_validation"], &info["dcv_token"]["status"]),
        (&json!(false), &json!("active"))
    );
    assert_eq!(info["validations"][0]["status"], "active");
    let end = ca.domain_expiry(id).unwrap();
    assert_eq!(info["dcv_expiration_datetime"], end.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string());

    // A renewal asks for a new value; the proof stays in force until it is found.
    let (status, submitted) = client.submit(id, "dns-txt-token").await;
    assert_eq!(status, 200);
    let next = submitted["dcv_token"]["token"].as_str().unwrap().to_owned();
    assert_ne!(next, value);
    assert_eq!((ca.domain_status(id).as_deref(), ca.domain_is_pending(id)), (Some("active"), Some(true)));
    assert_eq!(ca.domain_expiry(id), Some(end));
    assert_eq!(client.check_domain(id).await.0, 400);
    ca.alter_profile(|profile| profile.domain_reuse *= 2);
    sandbox.dns.add_txt("example.com", &next).await.unwrap();
    assert_eq!(client.check_domain(id).await.0, 200);
    assert!(ca.domain_expiry(id).unwrap() > end, "success begins the time anew");

    ca.expire_domain(id);
    assert_eq!(ca.domain_status(id).as_deref(), Some("expired"));
    assert_eq!(client.domain(id).await["validations"][0]["status"], "expired");
    assert_eq!(client.check_domain(id).await.0, 400, "it must be submitted first");
    client.submit(id, "dns-txt-token").await;
    assert_eq!(ca.domain_status(id).as_deref(), Some("pending"));
    assert!(ca.stats().domain(id).calls_of(Endpoint::CheckDomain) == 5, "{:?}", ca.stats().domain(id));
    assert!(ca.stats().orders.is_empty(), "a domain's number is no order's");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_new_value_ends_the_former_one() {
    let (sandbox, client) = sandbox(Profile::default()).await;
    let ca = &sandbox.ca;
    let id = ca.place_domain(DomainSpec::new("example.com"));
    let first = ca.domain_value(id).unwrap();
    sandbox.dns.add_txt("_dnsauth.example.com", &first).await.unwrap();
    let (status, body) = client.new_token(id).await;
    assert_eq!(status, 200);
    let second = body["token"].as_str().unwrap().to_owned();
    assert!(second != first && body["expiration_date"].is_string() && body.get("status").is_none());
    assert_eq!(client.check_domain(id).await.0, 400, "the former value is worthless");
    assert_eq!(ca.stats().domain(id).values, [second]);

    ca.alter_profile(|profile| profile.former_domain_value = FormerDomainValue::Valid);
    let id = ca.place_domain(DomainSpec::new("example.org"));
    sandbox.dns.add_txt("_dnsauth.example.org", &ca.domain_value(id).unwrap()).await.unwrap();
    client.new_token(id).await;
    assert_eq!(client.check_domain(id).await.0, 200);

    let expired = ca.place_domain(DomainSpec::new("a.example.org"));
    sandbox.dns.add_txt("a.example.org", &ca.domain_value(expired).unwrap()).await.unwrap();
    ca.expire_domain_value(expired);
    assert_eq!(client.check_domain(expired).await.0, 400);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_proof_of_seconds_is_renewed_while_it_holds_and_after_it_has_ended() {
    let (sandbox, client) =
        sandbox(Profile { domain_reuse: Duration::from_secs(3), ..Profile::default() }).await;
    let ca = &sandbox.ca;
    let id = ca.place_domain(DomainSpec::new("example.com"));
    let first = ca.domain(id).unwrap();
    assert_eq!(
        (first.name.as_str(), first.method.as_str(), first.active),
        ("example.com", "dns-txt-token", true)
    );
    assert_eq!((first.pending, first.approved, first.expires), (true, None, None));
    assert!(first.value.is_some() && first.value_expires.is_some());
    let publish = async |value: Option<String>| {
        sandbox.dns.add_txt("_dnsauth.example.com", &value.unwrap()).await.unwrap();
        client.check_domain(id).await.0.as_u16()
    };
    assert_eq!(publish(first.value.clone()).await, 200);
    let proven = ca.domain(id).unwrap();
    assert!(!proven.pending && proven.approved.is_some() && proven.expires > proven.approved);

    // A new value, and the proof still holds.
    client.submit(id, "dns-txt-token").await;
    let renewing = ca.domain(id).unwrap();
    assert!(renewing.pending && renewing.value != proven.value, "{renewing:?}");
    assert_eq!((renewing.approved, renewing.expires), (proven.approved, proven.expires));
    assert_eq!(ca.domain_status(id).as_deref(), Some("active"));
    let order = ca.place(OrderSpec::ov(["example.com"]));
    assert!(ca.scopes(order)[0].1, "it serves orders still");

    until("expired", async || ca.domain_status(id).as_deref() == Some("pending")).await;
    let order = ca.place(OrderSpec::ov(["www.example.com"]));
    assert!(!ca.scopes(order)[0].1, "it serves no orders any more");
    assert_eq!(ca.domain(id).unwrap().value, renewing.value, "the value stays");
    assert_eq!(publish(renewing.value).await, 200);
    let renewed = ca.domain(id).unwrap();
    assert!(renewed.approved > proven.approved && renewed.expires > proven.expires && ca.scopes(order)[0].1);

    // Nobody renews: it ends, and begins anew with another value.
    until("ended", async || ca.domain_status(id).as_deref() == Some("expired")).await;
    client.submit(id, "dns-txt-token").await;
    let again = ca.domain(id).unwrap();
    assert!(again.pending && again.value != renewed.value);
    assert_eq!(publish(again.value).await, 200);

    let stats = ca.stats().domain(id);
    assert_eq!((stats.calls_of(Endpoint::SubmitDomain), stats.calls_of(Endpoint::CheckDomain)), (2, 3));
    ca.set_domain_active(id, false);
    assert!(!ca.domain(id).unwrap().active && ca.domain(id + 1).is_none());
    assert_eq!(client.submit(id, "dns-txt-token").await.0, 400, "it is put aside");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_submission_may_be_answered_without_the_value() {
    let ca = ca(Profile { success_bodies: SuccessBodies::Empty, ..Profile::default() }).await;
    let client = Client::new(&ca);
    let id = ca.place_domain(DomainSpec::new("example.com").validated());
    assert_eq!(client.submit(id, "dns-txt-token").await, (StatusCode::OK, Value::Null));
    let value = ca.domain(id).unwrap().value;
    assert_eq!(client.domain(id).await["dcv_token"]["token"].as_str(), value.as_deref(), "it has to be read");
    assert!(client.new_token(id).await.1["token"].is_string());
    ca.shutdown().await;
}

#[tokio::test]
async fn methods_without_a_value_have_none() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let id = ca.place_domain(DomainSpec::new("example.com").method("email").kinds(["ov"]));
    assert_eq!((ca.domain_value(id), client.domain(id).await.get("dcv_token")), (None, None));
    for (status, body) in [client.new_token(id).await, client.check_domain(id).await] {
        assert_eq!((status.as_u16(), code(&body)), (400, "invalid_dcv_method"));
    }
    let (_, body) = client.domain_method(id, "dns-cname-token").await;
    assert_eq!(body["dcv_token"]["verification_value"], "dcv.digicert.com");
    let (status, body) = client.check_domain(id).await;
    assert_eq!(status, 400);
    assert_ne!(code(&body), "invalid_dns_txt");
    let (_, body) = client.domain_method(id, "http-token").await;
    assert_eq!(
        body["dcv_token"]["http_token_url"],
        "http://example.com/.well-known/pki-validation/fileauth.txt"
    );
    assert_eq!(code(&client.check_domain(id).await.1), "file_random_value_not_found");
    assert_eq!(client.domain_method(id, "email").await, (StatusCode::OK, json!({})));
    assert_eq!(code(&client.domain_method(id, "semaphore").await.1), "invalid_dcv_method");
    ca.alter_profile(|profile| profile.success_bodies = SuccessBodies::Empty);
    assert_eq!(client.domain_method(id, "dns-txt-token").await, (StatusCode::OK, Value::Null));
    ca.validate_domain(id);
    assert_eq!(client.check_domain(id).await, (StatusCode::OK, Value::Null));
    for path in ["/domain/7", "/domain/x"] {
        assert_eq!(code(&client.get(path).await.1), "not_found|domain");
    }
    ca.shutdown().await;
}

#[tokio::test]
async fn domains_are_added_and_listed() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let new = json!({ "name": "Example.com", "organization": { "id": 7788 },
        "validations": [{ "type": "ov" }], "dcv_method": "dns-txt-token" });
    let (status, added) = client.post("/domain", new.clone()).await;
    assert_eq!(status, 201);
    assert!(added["dcv_token"]["token"].is_string());
    assert_eq!(client.post("/domain", new).await.0, 400, "it exists");
    let id = added["id"].as_u64().unwrap();
    assert_eq!(ca.domain_named(ApiKey::ACCOUNT, "example.com"), Some(id));
    let other = ca.place_domain(DomainSpec::new("example.org").validated().method("email"));
    for n in 0..3 {
        ca.place_domain(DomainSpec::new(format!("x{n}.example.net")).account(2));
    }

    let list = async |query: &str| client.get(&format!("/domain{query}")).await.1;
    let all = list("?include_dcv_expiration_time=true&limit=1&offset=1").await;
    assert_eq!(all["page"], json!({ "total": 2, "limit": 1, "offset": 1 }));
    let row = &all["domains"][0];
    assert_eq!((&row["id"], &row["dcv_expiration"]["ov_status"]), (&json!(other), &json!("active")));
    assert!(row["dcv_expiration"]["ov"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(row.get("dcv_token"), None);
    let legacy = &list("").await["domains"][1]["dcv_expiration"]["ov"];
    assert_eq!(legacy.as_str().unwrap().len(), "2026-12-05 01:01:00".len());
    assert_eq!(list("?filters[dcv_method]=dns-txt-token").await["domains"][0]["id"], id);
    assert_eq!(list("?filters[search]=%25EXAMPLE.org").await["domains"][0]["id"], other);
    ca.alter_profile(|profile| profile.expiration_date = ExpirationDate::Z);
    let z = &list("?include_dcv_expiration_time=true").await["domains"][1]["dcv_expiration"]["ev"];
    assert!(z.as_str().unwrap().ends_with('Z'));

    assert_eq!(client.put(&format!("/domain/{other}/deactivate")).await.0, 204);
    assert_eq!(client.domain(other).await["is_active"], false);
    assert_eq!(client.submit(other, "dns-txt-token").await.0, 400);
    assert_eq!(client.put(&format!("/domain/{other}/activate")).await.0, 204);
    assert_eq!(client.submit(other, "dns-txt-token").await.0, 200);
    ca.shutdown().await;
}

#[tokio::test]
async fn a_proven_domain_serves_orders_but_no_dv_orders() {
    let (sandbox, client) = sandbox(Profile::default()).await;
    let ca = &sandbox.ca;
    let domain = ca.place_domain(DomainSpec::new("example.com").validated());
    let approved = |order| ca.scopes(order).iter().all(|(_, approved)| *approved);
    let ov = ca.place(OrderSpec::ov(["www.example.com"]));
    let below = ca.place(OrderSpec::ov(["a.example.com"]).scope(dcv_sandbox::ca::Scope::Fqdn));
    let dv = ca.place(OrderSpec::dv(["www.example.com"]));
    assert!(approved(ov) && approved(below) && !approved(dv));
    assert_eq!(ca.order_status(ov).as_deref(), Some("pending"), "its organisation is open");
    let body = json!({ "certificate": { "common_name": "b.example.com" }, "dcv_method": "dns-txt-token" });
    let (_, placed) = client.post("/order/certificate/ssl_basic", body).await;
    assert_eq!((placed.get("dcv_random_value"), placed.get("domains")), (None, None), "nothing to prove");

    ca.validate_organisation(ov);
    assert_eq!(ca.order_status(ov).as_deref(), Some("issued"));
    assert!(ca.reissue(ov) && ca.order_status(ov).as_deref() == Some("issued"), "proven still");
    ca.expire_domain(domain);
    assert!(ca.reissue(ov) && !ca.reissue(ov));
    assert_eq!((ca.order_status(ov).as_deref(), approved(ov)), (Some("reissue_pending"), false));
    assert_eq!(ca.domain_is_pending(domain), Some(true), "the order has submitted it");
    assert!(ca.cancel(ov) && ca.order_status(ov).as_deref() == Some("issued"));
    assert!(ca.cancel(dv) && !ca.cancel(dv));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_value_of_the_order_or_of_the_domain_counts() {
    let (sandbox, client) = sandbox(Profile::default()).await;
    let ca = &sandbox.ca;
    let scope = |order| ca.scopes(order)[0].1;
    let order = ca.place(OrderSpec::ov(["example.com"]));
    let (_, validation) = client.get(&format!("/order/certificate/{order}/validation")).await;
    let domain: u64 = validation["dns_name_validations"][0]["domain_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(ca.domain_named(ApiKey::ACCOUNT, "example.com"), Some(domain));

    // The domain's value proves the order, and with it the domain and every other order of the account.
    let twin = ca.place(OrderSpec::ov(["www.example.com"]));
    sandbox.dns.add_txt("_dnsauth.example.com", &ca.domain_value(domain).unwrap()).await.unwrap();
    assert_eq!(client.check(order).await.1["dcv_status"], "valid");
    assert_eq!((ca.domain_status(domain).as_deref(), scope(twin)), (Some("active"), true));

    // The order's value proves the domain. Another account's order for the same name has nothing of it.
    let stranger = ca.place(OrderSpec::ov(["example.org"]).account(2));
    let order = ca.place(OrderSpec::ev(["example.org"]));
    let domain = ca.domain_named(ApiKey::ACCOUNT, "example.org").unwrap();
    let value = client.value(order).await.0;
    sandbox.dns.add_txt("_dnsauth.example.org", &value).await.unwrap();
    client.new_token(domain).await;
    assert_eq!(client.check_domain(domain).await.0, 200);
    assert!(scope(order));
    assert!(!scope(stranger) && !scope(ca.place(OrderSpec::ov(["example.org"]).account(2))));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn domains_are_polled_too() {
    let profile = Profile { own_polling: OwnPolling::On { speed: 1000.0 }, ..Profile::default() };
    let (sandbox, client) = sandbox(profile).await;
    let id = sandbox.ca.place_domain(DomainSpec::new("example.com"));
    sandbox.dns.add_txt("_dnsauth.example.com", &sandbox.ca.domain_value(id).unwrap()).await.unwrap();
    until("active", async || sandbox.ca.domain_status(id).as_deref() == Some("active")).await;
    let (_, submitted) = client.submit(id, "dns-txt-token").await;
    let value = submitted["dcv_token"]["token"].as_str().unwrap();
    sandbox.dns.add_txt("_dnsauth.example.com", value).await.unwrap();
    until("renewed", async || sandbox.ca.domain_is_pending(id) == Some(false)).await;
    assert_eq!(sandbox.ca.stats().calls_of(Endpoint::CheckDomain), 0);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn domains_are_steered_over_http() {
    let ca = ca(Profile { domain_reuse: Duration::from_secs(3600), ..Profile::default() }).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, body: Value| {
        let response = http.post(format!("{}{path}", ca.control_url())).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap_or_default())
    };
    let placed = post("/domains", json!({ "name": "example.com", "id": 77, "kinds": ["ov"] })).await;
    assert_eq!(placed, (200, json!({ "ids": [77] })));
    assert_eq!(post("/domains", json!({ "nonsense": 1 })).await.0, 422);
    assert_eq!(post("/domains/78", json!({})).await.0, 404);
    let (_, proven) = post("/domains/77", json!({ "validate": true })).await;
    assert_eq!((&proven["status"], &proven["pending"]), (&json!("active"), &json!(false)));
    assert_eq!(post("/domains/77", json!({ "expire": true, "active": false })).await.1["status"], "expired");
    let shown = http.get(format!("{}/domains/77", ca.control_url())).send().await.unwrap();
    assert_eq!(shown.json::<Value>().await.unwrap()["active"], false);

    let order = ca.place(OrderSpec::dv(["example.com"]).status("issued"));
    assert_eq!(post(&format!("/orders/{order}/reissue"), json!({})).await.1["status"], "reissue_pending");
    assert_eq!(post(&format!("/orders/{order}/reissue"), json!({})).await.0, 409);
    assert_eq!(post(&format!("/orders/{order}/cancel"), json!({})).await.1["status"], "issued");
    assert_eq!(post("/orders/5/cancel", json!({})).await.0, 404);
    ca.shutdown().await;
}
