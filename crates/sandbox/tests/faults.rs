//! Every fault, as a client meets it.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use std::time::{Duration, Instant};

use dcv_sandbox::ca::{Endpoint, Fault, FaultKind, OrderSpec, Profile};
use reqwest::Method;
use support::{Client, ca};

#[tokio::test]
async fn replies_are_spoiled() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    for (kind, status, content, start) in [
        (FaultKind::Http500, 500, "application/json", "{\"errors\""),
        (FaultKind::Http502, 502, "text/html", "<html>"),
        (FaultKind::Http503, 503, "", ""),
        (FaultKind::Http504, 504, "", ""),
        (FaultKind::Http406, 406, "application/json", "{\"errors\""),
        (FaultKind::GarbageJson, 200, "application/json", "{\"dcv"),
        (FaultKind::Html, 200, "text/html", "<html>"),
    ] {
        ca.fault(Fault::once(kind.clone()));
        let response = client.request(Method::GET, "/user/me").send().await.unwrap();
        assert_eq!(response.status(), status, "{kind:?}");
        let kind_of =
            response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
        assert_eq!(kind_of, content, "{kind:?}");
        let body = response.text().await.unwrap();
        assert!(body.starts_with(start) && (body.is_empty() == start.is_empty()), "{kind:?}: {body}");
        assert!(status != 200 || serde_json::from_str::<serde_json::Value>(&body).is_err());
    }
    assert_eq!(client.get("/user/me").await.0, 200);
    assert_eq!(ca.stats().faults, 7);
    ca.shutdown().await;
}

#[tokio::test]
async fn a_cut_connection_gives_no_response() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    ca.fault(Fault::always(FaultKind::CutConnection).at(Endpoint::UserMe));
    let error = client.request(Method::GET, "/user/me").send().await.unwrap_err();
    assert!(error.is_request() && !error.is_timeout(), "{error:?}");
    assert_eq!(client.get("/order/certificate").await.0, 200, "other calls are not struck");
    ca.clear_faults();
    assert_eq!(client.get("/user/me").await.0, 200);
    ca.shutdown().await;
}

#[tokio::test]
async fn a_silence_outlasts_an_impatient_client_and_not_the_shutdown() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    ca.fault(Fault::once(FaultKind::silence(Duration::from_millis(300))));
    let start = Instant::now();
    assert_eq!(client.get("/user/me").await.0, 200);
    assert!(start.elapsed() >= Duration::from_millis(300));

    ca.fault(Fault::always(FaultKind::silence(Duration::from_secs(3600))));
    let call = client.request(Method::GET, "/user/me").timeout(Duration::from_millis(200));
    assert!(call.send().await.unwrap_err().is_timeout());
    let pending = tokio::spawn(client.request(Method::GET, "/user/me").send());
    support::until("the call has arrived", async || ca.stats().total == 3).await;
    tokio::time::timeout(Duration::from_secs(10), ca.shutdown())
        .await
        .expect("shutdown does not wait it out");
    let _ = pending.await.unwrap();
}

#[tokio::test]
async fn a_huge_body_is_streamed_and_can_be_given_up() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    ca.fault(Fault::once(FaultKind::HugeBody { bytes: 3_000_001 }));
    assert_eq!(
        client.request(Method::GET, "/user/me").send().await.unwrap().bytes().await.unwrap().len(),
        3_000_001
    );

    ca.fault(Fault::once(FaultKind::HugeBody { bytes: u64::MAX }));
    let mut response = client.request(Method::GET, "/user/me").send().await.unwrap();
    assert!(response.chunk().await.unwrap().unwrap().starts_with(b"{\"dcv_random_value\":\""));
    // The client neither reads on nor hangs up.
    tokio::time::timeout(Duration::from_secs(10), ca.shutdown()).await.expect("shutdown cuts it off");
}

#[tokio::test]
async fn a_lost_reply_can_have_had_its_effect() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let order = ca.place(OrderSpec::dv(["example.com"]));
    let path = format!("/order/certificate/{order}/dcv-random-value");
    ca.fault(Fault::once(FaultKind::Http503).at(Endpoint::DcvRandomValue));
    assert_eq!(client.put(&path).await.0, 503);
    assert_eq!(ca.value(order), None, "struck before the call was carried out");
    ca.fault(Fault::once(FaultKind::CutConnection).at(Endpoint::DcvRandomValue).after_effect());
    client.request(Method::PUT, &path).send().await.unwrap_err();
    let made = ca.value(order).expect("the call was carried out");
    assert_eq!(client.value(order).await.0, made);
    ca.shutdown().await;
}
