//! The life of orders: every status, and reissues for other names.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use dcv_sandbox::{
    Sandbox, SandboxConfig,
    ca::{CaSimulator, OrderSpec, Profile, Scope},
};
use serde_json::json;
use support::{Client, ca, code};

const STATUSES: [&str; 14] = [
    "needs_approval",
    "pending",
    "processing",
    "needs_csr",
    "waiting_pickup",
    "approved",
    "submitted",
    "reissue_pending",
    "issued",
    "rejected",
    "canceled",
    "revoked",
    "expired",
    "on_the_moon",
];

#[tokio::test]
async fn an_order_can_be_in_every_status_also_in_unknown_ones() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let order = ca.place(OrderSpec::dv(["example.com"]));
    for status in STATUSES {
        ca.set_status(order, status);
        assert_eq!(ca.order_status(order).as_deref(), Some(status));
        assert_eq!(client.get(&format!("/order/certificate/{order}")).await.1["status"], status);
        let validation = client.get(&format!("/order/certificate/{order}/validation")).await.1;
        assert_eq!(validation["order_status"], status);
        let listed = client.get(&format!("/order/certificate?filters[status]={status}")).await.1;
        assert_eq!(listed["orders"][0]["id"], order, "{status}");
        let changes = client.get("/order/certificate/status-changes?minutes=5").await.1;
        assert_eq!(changes["orders"][0]["status"], status);
        let placed = ca.place(OrderSpec::dv(["example.com"]).status(status).account(2));
        assert_eq!(ca.order_status(placed).as_deref(), Some(status), "an order may begin so");
    }
    ca.shutdown().await;
}

#[tokio::test]
async fn an_approved_request_becomes_work() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let (ca, client) = (&sandbox.ca, Client::new(&sandbox.ca));
    for spec in [OrderSpec::dv(["example.com"]), OrderSpec::ov(["example.com"])] {
        let order = ca.place(spec.status("needs_approval"));
        ca.validate_organisation(order);
        assert_eq!(
            ca.order_status(order).as_deref(),
            Some("needs_approval"),
            "nothing moves it but a person"
        );
        ca.set_status(order, "pending");
        assert_eq!(ca.scopes(order), [("example.com".to_owned(), false)]);
        let (value, _) = client.value(order).await;
        sandbox.dns.add_txt("_dnsauth.example.com", &value).await.unwrap();
        assert_eq!(client.check(order).await.1["dcv_status"], "valid");
        assert_eq!(ca.order_status(order).as_deref(), Some("issued"));
    }
    sandbox.shutdown().await;
}

async fn names(client: &Client, order: u64) -> serde_json::Value {
    client.get(&format!("/order/certificate/{order}")).await.1["certificate"]["dns_names"].clone()
}

fn open(ca: &CaSimulator, order: u64) -> Vec<String> {
    ca.scopes(order).into_iter().filter(|(_, approved)| !approved).map(|(scope, _)| scope).collect()
}

#[tokio::test]
async fn a_reissue_may_have_other_names() {
    let ca = ca(Profile { scope: Scope::Fqdn, ..Profile::default() }).await;
    let client = Client::new(&ca);
    let dv = ca.place(OrderSpec::dv(["a.example.com", "b.example.com"]));
    assert!(!ca.reissue_with(dv, ["c.example.com"]), "it is not issued yet");
    let ov = ca.place(OrderSpec::ov(["a.example.com", "b.example.com"]));
    for order in [dv, ov] {
        ca.set_status(order, "issued");
        assert!(ca.reissue_with(order, ["B.example.com", "c.example.com."]));
        assert_eq!(ca.order_status(order).as_deref(), Some("reissue_pending"));
        assert_eq!(names(&client, order).await, json!(["b.example.com", "c.example.com"]));
    }
    assert_eq!(open(&ca, dv), ["b.example.com", "c.example.com"], "DV proves all names anew");
    assert_eq!(open(&ca, ov), ["c.example.com"], "OV proves the new one");

    // Whoever cancels the reissue has the former certificate and its names.
    assert!(ca.cancel(dv));
    assert_eq!(names(&client, dv).await, json!(["a.example.com", "b.example.com"]));
    assert!(open(&ca, dv).is_empty());
    assert!(ca.reissue(dv));
    assert_eq!(open(&ca, dv), ["a.example.com", "b.example.com"], "the same names where none are given");
    assert!(!ca.reissue_with(ov, ["d.example.com"]), "one at a time");
    ca.set_status(ov, "issued");
    assert!(!ca.cancel(ov) && open(&ca, ov).is_empty());
    assert_eq!(
        names(&client, ov).await,
        json!(["b.example.com", "c.example.com"]),
        "issued for the new names"
    );
    ca.shutdown().await;
}

#[tokio::test]
async fn a_reissue_for_other_names_comes_over_the_api_and_the_control_routes() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let order = ca.place(OrderSpec::dv(["example.com"]).status("issued"));
    let path = format!("/order/certificate/{order}/reissue");
    let body = json!({ "certificate": { "common_name": "example.net", "dns_names": ["example.net", "example.org"] } });
    let (status, reissued) = client.post(&path, body).await;
    assert_eq!(status, 201);
    assert_eq!(open(&ca, order), ["example.net", "example.org"]);
    assert_eq!(reissued["dcv_random_value"].as_str(), ca.value(order).as_deref());

    let files = ca.place(OrderSpec::dv(["example.com"]).method("http-token").status("issued"));
    let path = format!("/order/certificate/{files}/reissue");
    let refused = client.post(&path, json!({ "certificate": { "common_name": "*.example.com" } })).await.1;
    assert_eq!(code(&refused), "invalid_wildcard_dcv_method");

    ca.set_status(order, "issued");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let control = format!("{}/orders/{order}/reissue", ca.control_url());
    let bad = http.post(&control).json(&json!({ "nonsense": 1 })).send().await.unwrap();
    assert_eq!(bad.status(), 422);
    http.post(&control).json(&json!({ "names": ["www.example.com"] })).send().await.unwrap();
    assert_eq!(open(&ca, order), ["example.com"]);
    ca.set_status(order, "issued");
    assert_eq!(http.post(&control).send().await.unwrap().status(), 200, "a body is not needed");
    assert_eq!(names(&client, order).await, json!(["www.example.com"]));
    ca.shutdown().await;
}
