//! The simulated API, call by call, through an HTTP client that shares nothing with it.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use std::time::Duration;

use dcv_sandbox::ca::{
    ApiKey, Approval, BadKey, CaConfig, CaSimulator, Endpoint, ExpirationDate, IdTypes, OrderSpec, Profile,
    RateWindow, StatusFilter, SuccessBodies, ValueAfterReissue, ValueWhenClosed,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Client, ca, code, until};

#[tokio::test]
async fn a_value_stays_the_same_until_it_expires() {
    let ca = ca(Profile { value_life: Duration::from_millis(1500), ..Profile::default() }).await;
    let client = Client::new(&ca);
    let order = ca.place(OrderSpec::dv(["www.example.com"]));
    let (first, expiration) = client.value(order).await;
    assert!(first.len() == 32 && first.bytes().all(|b| b.is_ascii_alphanumeric()), "{first}");
    assert_eq!(client.value(order).await, (first.clone(), expiration.clone()));
    let expiration = expiration.as_str().unwrap().to_owned();
    assert!(expiration.ends_with("+00:00") && expiration.len() == 25, "{expiration}");

    until("a new value", async || client.value(order).await.0 != first).await;
    let (second, next_expiration) = client.value(order).await;
    assert!(next_expiration.as_str().unwrap() > expiration.as_str());
    assert_eq!(ca.stats().order(order).values, [first, second.clone()]);

    ca.expire_value(order);
    let (third, _) = client.value(order).await;
    assert_ne!(third, second);
    assert_eq!(ca.value(order), Some(third));
    ca.shutdown().await;
}

#[tokio::test]
async fn the_value_has_awkward_forms() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let mut dates = Vec::new();
    for form in [
        ExpirationDate::Z,
        ExpirationDate::Fractions,
        ExpirationDate::Absent,
        ExpirationDate::Literal("9999-12-31T23:59:59Z".to_owned()),
    ] {
        ca.alter_profile(|profile| profile.expiration_date = form);
        dates.push(client.value(ca.place(OrderSpec::dv(["example.com"]))).await.1);
    }
    assert!(dates[0].as_str().unwrap().ends_with('Z'));
    assert_eq!(dates[1].as_str().unwrap().len(), "2026-12-23T16:25:52.123+00:00".len());
    assert_eq!(dates[2], Value::Null);
    assert_eq!(dates[3], "9999-12-31T23:59:59Z");

    let hostile = "two words\r\n\"quoted\"";
    ca.alter_profile(|profile| profile.value_literal = Some(hostile.to_owned()));
    assert_eq!(client.value(ca.place(OrderSpec::dv(["example.com"]))).await.0, hostile);
    ca.shutdown().await;
}

#[tokio::test]
async fn closed_and_email_orders_have_no_value_unless_told() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let orders = [
        ca.place(OrderSpec::dv(["a.example.com"]).status("issued")),
        ca.place(OrderSpec::dv(["a.example.com"]).status("canceled")),
        ca.place(OrderSpec::dv(["a.example.com"]).method("email")),
    ];
    for order in orders {
        let path = format!("/order/certificate/{order}/dcv-random-value");
        ca.alter_profile(|profile| profile.value_when_closed = ValueWhenClosed::Error);
        assert_eq!(client.put(&path).await.0, 400);
        ca.alter_profile(|profile| profile.value_when_closed = ValueWhenClosed::WithoutValue);
        assert_eq!(client.put(&path).await, (StatusCode::OK, json!({})));
        ca.alter_profile(|profile| profile.value_when_closed = ValueWhenClosed::WithValue);
        assert!(client.put(&path).await.1["dcv_random_value"].is_string());
    }
    assert_eq!(code(&client.check(orders[1]).await.1), "bad_request");
    assert_eq!(code(&client.check(orders[2]).await.1), "invalid_dns_method");
    ca.shutdown().await;
}

#[tokio::test]
async fn keys_are_checked() {
    let keys = vec![ApiKey::full("full"), ApiKey::view_only("viewer")];
    let ca = CaSimulator::start(CaConfig { keys, ..CaConfig::default() }).await.unwrap();
    let order = ca.place(OrderSpec::dv(["example.com"]));
    let value = format!("/order/certificate/{order}/dcv-random-value");

    let stranger = Client::with_key(&ca, "stranger");
    let (status, body) = stranger.get("/user/me").await;
    assert_eq!((status.as_u16(), code(&body)), (401, "access_denied|invalid_key"));
    ca.alter_profile(|profile| profile.bad_key = BadKey::Forbidden);
    assert_eq!(stranger.get("/user/me").await.0, 403);

    let viewer = Client::with_key(&ca, "viewer");
    assert_eq!(viewer.get("/user/me").await.0, 200);
    let (status, body) = viewer.put(&value).await;
    assert_eq!((status.as_u16(), code(&body)), (403, "access_denied|missing_permission"));

    let full = Client::with_key(&ca, "full");
    assert_eq!(full.put(&value).await.0, 200);
    ca.set_keys(Vec::new());
    assert_eq!(full.put(&value).await.0, 403, "revoked");
    assert_eq!(ca.stats().bad_key, 3);
    ca.shutdown().await;
}

#[tokio::test]
async fn the_rate_limit_is_exact_and_per_key() {
    let keys = vec![ApiKey::full("a"), ApiKey::full("b")];
    let rate = vec![RateWindow { calls: 10, per: Duration::from_millis(1500) }];
    let profile = Profile { retry_after: Some(5), ..Profile::default() };
    let ca = CaSimulator::start(CaConfig { keys, rate, profile, ..CaConfig::default() }).await.unwrap();
    let (a, b) = (Client::with_key(&ca, "a"), Client::with_key(&ca, "b"));

    let calls: Vec<_> = (0..15)
        .map(|_| {
            let a = a.clone();
            tokio::spawn(async move { a.get("/user/me").await })
        })
        .collect();
    let mut refused = 0;
    for call in calls {
        let (status, body) = call.await.unwrap();
        if status == 429 {
            assert_eq!(code(&body), "request_limit_exceeded");
            refused += 1;
        }
    }
    assert_eq!((refused, ca.stats().throttled), (5, 5));
    assert_eq!(b.get("/user/me").await.0, 200);
    let response = a.request(Method::GET, "/user/me").send().await.unwrap();
    assert_eq!(response.headers()["Retry-After"], "5");

    until("the window clears", async || a.get("/user/me").await.0 == 200).await;
    let stats = ca.stats();
    assert_eq!(stats.times.len() as u64, stats.total);
    assert!(stats.max_in_window(Duration::from_secs(60)) as u64 == stats.total);
    ca.shutdown().await;
}

#[tokio::test]
async fn documented_limits_are_the_default() {
    let ca = CaSimulator::start(CaConfig::default()).await.unwrap();
    let client = Client::new(&ca);
    let calls = (0..101).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.get("/user/me").await.0 })
    });
    let mut refused = 0;
    for call in calls.collect::<Vec<_>>() {
        refused += usize::from(call.await.unwrap() == 429);
    }
    assert_eq!(refused, 1);
    ca.shutdown().await;
}

#[tokio::test]
async fn an_order_is_described_in_the_documented_shape() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let order = ca.place(OrderSpec::ov(["www.example.com", "*.example.com", "example.net"]).id(112_233));
    let (_, info) = client.get("/order/certificate/112233").await;
    assert_eq!(info["id"], 112_233);
    assert_eq!(info["status"], "pending");
    assert_eq!(info["dcv_method"], "dns-txt-token");
    assert_eq!(info["certificate"]["common_name"], "www.example.com");
    assert_eq!(info["certificate"]["dns_names"], json!(["www.example.com", "*.example.com", "example.net"]));
    assert_eq!(info["product"]["validation_type"], "ov");
    assert!(info.get("dcv_random_value").is_none(), "the value is not in the order");

    let (_, validation) = client.get("/order/certificate/112233/validation").await;
    assert_eq!(validation["order_id"], "112233");
    assert_eq!(validation["order_name_scope"], "base_domain");
    let scopes = validation["dns_name_validations"].as_array().unwrap();
    assert_eq!(scopes.len(), 2);
    assert_eq!(scopes[0]["name_scope"], "example.com");
    assert_eq!(scopes[0]["dns_names"], json!(["www.example.com", "*.example.com"]));
    assert!(scopes[0]["domain_id"].is_string());

    ca.alter_profile(|profile| profile.id_types = IdTypes::Strings);
    assert_eq!(client.get("/order/certificate/112233").await.1["id"], "112233");
    ca.alter_profile(|profile| profile.id_types = IdTypes::Numbers);
    assert_eq!(client.get("/order/certificate/112233/validation").await.1["order_id"], 112_233);

    for path in ["/order/certificate/7", "/order/certificate/7/validation", "/order/certificate/x"] {
        let (status, body) = client.get(path).await;
        assert_eq!((status.as_u16(), code(&body)), (404, "not_found|order"), "{path}");
    }
    assert_eq!(code(&client.get("/nothing/here").await.1), "not_found|route");
    assert_eq!(ca.stats().order(order).calls_of(Endpoint::OrderInfo), 2);
    ca.shutdown().await;
}

#[tokio::test]
async fn orders_are_listed_filtered_sorted_and_paged() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let pending = ca.place_many(&OrderSpec::dv(["a{n}.example.com"]), 3);
    let reissue = ca.place(OrderSpec::dv(["b.example.com"]).status("reissue_pending"));
    let issued = ca.place(OrderSpec::dv(["c.example.com"]).status("issued"));
    let ids = async |query: &str| {
        let (status, body) = client.get(&format!("/order/certificate{query}")).await;
        assert_eq!(status, 200);
        let ids = body["orders"].as_array().unwrap().iter().map(|order| order["id"].as_u64().unwrap());
        (ids.collect::<Vec<_>>(), body["page"].clone())
    };
    let work = "filters[status][0]=pending&filters[status][1]=reissue_pending";
    let (found, page) = ids(&format!("?{work}&sort=-date_created&limit=1000&offset=0")).await;
    assert_eq!(found, [reissue, pending[2], pending[1], pending[0]]);
    assert_eq!(page, json!({ "total": 4, "limit": 1000, "offset": 0 }));
    assert_eq!(ids(&format!("?{work}&sort=%2Bdate_created&limit=2&offset=1")).await.0, pending[1..]);
    assert_eq!(ids("?filters%5Bstatus%5D=issued").await.0, [issued]);
    assert_eq!(ids("").await.0.len(), 5);
    ca.alter_profile(|profile| profile.status_filter = StatusFilter::Ignored);
    assert_eq!(ids("?filters[status]=issued").await.0.len(), 5);
    ca.shutdown().await;
}

#[tokio::test]
async fn status_changes_are_reported_for_a_week_at_most() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let changes = async |query: &str| client.get(&format!("/order/certificate/status-changes?{query}")).await;
    assert_eq!(changes("minutes=5").await, (StatusCode::OK, json!({})));
    let order = ca.place(OrderSpec::dv(["example.com"]));
    ca.set_status(order, "issued");
    let (_, body) = changes("minutes=10080").await;
    assert_eq!(body["orders"][0]["order_id"], order);
    assert_eq!(body["orders"][0]["status"], "issued");
    for query in ["minutes=10081", "minutes=10080&seconds=1", "seconds=18446744073709551615"] {
        let (status, body) = changes(query).await;
        assert_eq!((status.as_u16(), code(&body)), (400, "time_frame_too_long"), "{query}");
    }
    ca.shutdown().await;
}

#[tokio::test]
async fn orders_are_placed_canceled_and_reissued_over_the_api() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let body = json!({
        "certificate": { "common_name": "www.example.com", "dns_names": ["www.example.com", "example.net"] },
        "dcv_method": "dns-txt-token", "certificate_dcv_scope": "fqdn",
    });
    let (status, placed) = client.post("/order/certificate/ssl_dv_geotrust", body.clone()).await;
    assert_eq!(status, 201);
    let id = placed["id"].as_u64().unwrap();
    let value = placed["dcv_random_value"].as_str().unwrap();
    assert_eq!(client.value(id).await.0, value);
    assert_eq!(placed["domains"][0]["dcv_token"]["token"], value);
    assert!(placed["domains"][0]["dcv_token"]["expiration_date"].is_string());
    assert_eq!(ca.scopes(id), [("www.example.com".to_owned(), false), ("example.net".to_owned(), false)]);
    assert_eq!(code(&client.post("/order/certificate/nonsense", body.clone()).await.1), "not_found|product");
    assert_eq!(code(&client.post("/order/certificate/ssl_basic", json!([])).await.1), "bad_request_format");

    let status = async |id: u64, status: &str| {
        let path = format!("/order/certificate/{id}/status");
        client.call(Method::PUT, &path, Some(json!({ "status": status, "note": "no" }))).await.0.as_u16()
    };
    assert_eq!(status(id, "canceled").await, 204);
    assert_eq!(ca.order_status(id).as_deref(), Some("canceled"));
    assert_eq!(status(id, "canceled").await, 400);

    ca.alter_profile(|profile| {
        profile.approval = Approval::Needed;
        profile.value_after_reissue = ValueAfterReissue::New;
    });
    let id = client.post("/order/certificate/ssl_dv_geotrust", body).await.1["id"].as_u64().unwrap();
    assert_eq!(ca.order_status(id).as_deref(), Some("needs_approval"));
    let reissue = format!("/order/certificate/{id}/reissue");
    assert_eq!(client.post(&reissue, json!({})).await.0, 400, "not issued yet");
    let first = client.value(id).await.0;
    ca.set_status(id, "issued");
    let (created, body) = client.post(&reissue, json!({})).await;
    assert_eq!(created, 201);
    assert_ne!(body["dcv_random_value"], first.as_str());
    assert_eq!(ca.order_status(id).as_deref(), Some("reissue_pending"));
    assert_eq!(status(id, "canceled").await, 204);
    assert_eq!(ca.order_status(id).as_deref(), Some("issued"), "the former certificate is still there");
    ca.shutdown().await;
}

#[tokio::test]
async fn the_method_can_be_changed() {
    let ca = ca(Profile { success_bodies: SuccessBodies::Documented, ..Profile::default() }).await;
    let client = Client::new(&ca);
    let order = ca.place(OrderSpec::dv(["example.com"]).method("email"));
    let path = format!("/order/certificate/{order}/dcv-method");
    let change =
        async |method: &str| client.call(Method::PUT, &path, Some(json!({ "dcv_method": method }))).await;
    assert!(change("dns-cname-token").await.1["dcv_random_value"].is_string());
    assert_eq!(change("email").await, (StatusCode::OK, Value::Null));
    ca.shutdown().await;
}

#[tokio::test]
async fn it_is_steered_over_http_too() {
    let ca = ca(Profile::default()).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, body: Value| {
        let response = http.post(format!("{}{path}", ca.control_url())).json(&body).send().await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap_or_default())
    };
    let (_, placed) =
        post("/orders", json!({ "dns_names": ["h{n}.example.com"], "type": "ov", "id": 50, "count": 2 }))
            .await;
    assert_eq!(placed, json!({ "ids": [50, 51] }));
    let client = Client::new(&ca);
    let first = client.value(50).await.0;
    let (_, order) = post("/orders/50", json!({ "expire_value": true, "status": "reissue_pending" })).await;
    assert_eq!((&order["status"], &order["value"]), (&json!("reissue_pending"), &json!(first)));
    assert_ne!(client.value(50).await.0, first);
    assert_eq!(post("/orders", json!({ "nonsense": 1 })).await.0, 422);
    assert_eq!(post("/orders/9", json!({})).await.0, 404);

    assert_eq!(post("/faults", json!({ "kind": "http_503", "endpoint": "user_me" })).await.0, 204);
    assert_eq!(client.get("/user/me").await.0, 503);
    http.delete(format!("{}/faults", ca.control_url())).send().await.unwrap();
    assert_eq!(client.get("/user/me").await.0, 200);

    assert_eq!(post("/profile", json!({ "check_miss": "pending" })).await.1["check_miss"], "pending");
    assert_eq!(post("/profile", json!({ "nonsense": 1 })).await.0, 422);
    let stats: Value =
        http.get(format!("{}/stats", ca.control_url())).send().await.unwrap().json().await.unwrap();
    assert_eq!(stats["total"], 4);
    assert_eq!(stats["orders"]["50"]["calls"]["dcv_random_value"], 2);
    assert_eq!(stats["orders"]["50"]["values"].as_array().unwrap().len(), 2);
    assert_eq!(stats["times_us"].as_array().unwrap().len(), 4);
    ca.shutdown().await;
}
