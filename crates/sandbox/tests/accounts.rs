//! Several accounts: a key sees its own and nothing else.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use dcv_sandbox::ca::{ApiKey, CaConfig, CaSimulator, DomainSpec, OrderSpec};
use serde_json::json;
use support::{Client, code};

#[tokio::test]
async fn a_key_sees_its_own_account_only() {
    let keys = vec![ApiKey::full("first"), ApiKey::view_only("viewer"), ApiKey::full("second").account(2)];
    let ca = CaSimulator::start(CaConfig { keys, rate: Vec::new(), ..CaConfig::default() }).await.unwrap();
    let [first, viewer, second] = ["first", "viewer", "second"].map(|key| Client::with_key(&ca, key));
    let ours = ca.place(OrderSpec::dv(["a.example.com"]));
    let theirs = ca.place(OrderSpec::dv(["b.example.com"]).account(2));
    let our_domain = ca.place_domain(DomainSpec::new("example.com"));
    let their_domain = ca.place_domain(DomainSpec::new("example.com").account(2));
    assert_ne!(our_domain, their_domain, "the name may be in both accounts");

    for (client, account, orders, domains) in [
        (&first, ApiKey::ACCOUNT, [ours], [our_domain]),
        (&viewer, ApiKey::ACCOUNT, [ours], [our_domain]),
        (&second, 2, [theirs], [their_domain]),
    ] {
        assert_eq!(client.get("/user/me").await.1["account"]["id"], account);
        let ids = async |path: &str, list: &str, id: &str| {
            let rows = client.get(path).await.1[list].as_array().unwrap().clone();
            rows.iter().map(|row| row[id].as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(ids("/order/certificate", "orders", "id").await, orders);
        assert_eq!(ids("/domain", "domains", "id").await, domains);
        assert_eq!(ids("/order/certificate/status-changes?minutes=5", "orders", "order_id").await, orders);
    }

    for path in ["", "/validation"] {
        assert_eq!(code(&second.get(&format!("/order/certificate/{ours}{path}")).await.1), "not_found|order");
    }
    assert_eq!(code(&second.check(ours).await.1), "not_found|order");
    assert_eq!(code(&second.get(&format!("/domain/{our_domain}")).await.1), "not_found|domain");
    let token = format!("/domain/{our_domain}/dcv/token");
    assert_eq!(code(&second.post(&token, json!({})).await.1), "not_found|domain");
    assert_eq!(first.post(&token, json!({})).await.0, 200);

    let body = json!({ "certificate": { "common_name": "c.example.com" } });
    let placed = second.post("/order/certificate/ssl_dv_geotrust", body).await.1["id"].as_u64().unwrap();
    assert_eq!(first.get(&format!("/order/certificate/{placed}")).await.0, 404);
    assert_eq!(second.get(&format!("/order/certificate/{placed}")).await.0, 200);
    ca.shutdown().await;
}
