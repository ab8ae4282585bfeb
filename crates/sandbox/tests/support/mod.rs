//! What the tests share: an HTTP client that knows only URLs, and patience with a deadline.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::time::{Duration, Instant};

use dcv_sandbox::ca::{CaConfig, CaSimulator, Profile};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// How long a state may take to come about.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Polls until `reached` says so, and panics after the deadline.
pub(crate) async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !reached().await {
        assert!(start.elapsed() < DEADLINE, "not reached: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A client with one key.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Client {
    pub(crate) fn new(ca: &CaSimulator) -> Self {
        Self::with_key(ca, "sandbox-key")
    }

    pub(crate) fn with_key(ca: &CaSimulator, key: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, base: ca.base_url(), key: key.to_owned() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).header("X-DC-DEVKEY", &self.key)
    }

    /// Status and JSON body; an empty body is null.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        (status, body)
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn put(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::PUT, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    /// The random value of an order and its `expiration_date`.
    pub(crate) async fn value(&self, order: u64) -> (String, Value) {
        let (status, body) = self.put(&format!("/order/certificate/{order}/dcv-random-value")).await;
        assert_eq!(status, 200, "{body}");
        (body["dcv_random_value"].as_str().unwrap().to_owned(), body["expiration_date"].clone())
    }

    pub(crate) async fn check(&self, order: u64) -> (StatusCode, Value) {
        self.put(&format!("/order/certificate/{order}/check-dcv")).await
    }
}

/// The code of an error envelope.
pub(crate) fn code(body: &Value) -> &str {
    body["errors"][0]["code"].as_str().unwrap_or_default()
}

/// A CA without DNS and without limits, since tests poll.
pub(crate) async fn ca(profile: Profile) -> CaSimulator {
    CaSimulator::start(CaConfig { profile, rate: Vec::new(), ..CaConfig::default() }).await.unwrap()
}
