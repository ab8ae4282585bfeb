//! The key: sent where it belongs, read again when refused, shown nowhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use digicert_api::{Class, KeyError, KeySource};
use secrecy::SecretString;
use wiremock::matchers::{any, header};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{CANARY, ORDER, always, assert_no_key, builder, chain, client, json};

/// Gives these keys, one after the other, then the last one for ever.
#[derive(Debug)]
struct Keys(Mutex<Vec<&'static str>>);

impl Keys {
    fn new(keys: &[&'static str]) -> Self {
        Self(Mutex::new(keys.iter().rev().copied().collect()))
    }
}

impl KeySource for Keys {
    fn key(&self) -> Result<SecretString, KeyError> {
        let mut keys = self.0.lock().expect("keys");
        let next = if keys.len() > 1 { keys.pop() } else { keys.last().copied() };
        next.map(SecretString::from).ok_or_else(|| "no such file".into())
    }
}

/// A CA that accepts one key and answers the others with this status.
async fn ca(good: &str, refusal: u16, calls: u64) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(header("x-dc-devkey", good))
        .respond_with(json(200, r#"{"status":"pending"}"#))
        .mount(&server)
        .await;
    let refused = json(refusal, r#"{"errors":[{"code":"access_denied|access_denied_invalid_key"}]}"#);
    Mock::given(any()).respond_with(refused).expect(calls).mount(&server).await;
    server
}

/// Protects rotation: after a refusal the key is read again, and a new one gets one more try.
#[tokio::test]
async fn a_changed_key_is_tried_after_a_refusal() {
    for refusal in [401, 403, 400] {
        let server = ca("new", refusal, 1).await;
        let client = builder(&server.uri()).key(Keys::new(&["old", "new\n"])).build().expect("client");
        client.order(ORDER).await.expect("order");
        assert_eq!(client.load().calls, 2, "the second try takes a turn of its own");
    }
}

/// Keeps its key until it is told that the key was refused.
#[derive(Debug)]
struct Cached(AtomicBool);

impl KeySource for Cached {
    fn key(&self) -> Result<SecretString, KeyError> {
        Ok(SecretString::from(if self.0.load(Ordering::Relaxed) { "new" } else { "old" }))
    }

    fn refused(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Protects key sources that cache: they hear of the refusal before they are asked again.
#[tokio::test]
async fn a_source_is_told_of_the_refusal() {
    let server = ca("new", 401, 1).await;
    let client = builder(&server.uri()).key(Cached(AtomicBool::new(false))).build().expect("client");
    client.order(ORDER).await.expect("order");
}

/// Protects the account from hammering: an unchanged key is not tried again, a changed one once.
#[tokio::test]
async fn a_refused_key_is_not_hammered() {
    for (keys, calls) in [(&["old"][..], 1), (&["old", "older", "new"][..], 2)] {
        let server = ca("new", 401, calls).await;
        let client = builder(&server.uri()).key(Keys::new(keys)).build().expect("client");
        assert_eq!(client.order(ORDER).await.expect_err("refused").class(), Class::KeyTrouble);
    }
}

/// Protects the rate: a key that cannot be read or sent costs no call, and says why.
#[tokio::test]
async fn an_unusable_key_sends_nothing() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).expect(0).mount(&server).await;
    for (keys, said) in
        [(&[][..], "no such file"), (&["two words"][..], "white space"), (&["\n"][..], "empty")]
    {
        let client = builder(&server.uri()).key(Keys::new(keys)).build().expect("client");
        let error = client.order(ORDER).await.expect_err(said);
        assert_eq!(error.class(), Class::KeyTrouble);
        assert!(chain(&error).contains(said), "{}", chain(&error));
        assert!(error.hint().is_some());
    }
}

/// Protects the key: a CA that echoes it cannot make us print it, nor does anything print it of its own.
#[tokio::test]
async fn the_key_is_printed_nowhere() {
    let shown = builder("https://ca.example/services/v2");
    assert_no_key(&shown);
    assert_no_key(&shown.build().expect("client"));

    let echo = format!("{} key {CANARY} {}", "x".repeat(180), CANARY.repeat(3));
    let envelope = format!(r#"{{"errors":[{{"code":"bad {CANARY}","message":"{echo}"}}]}}"#);
    for status in [200, 400, 401, 403, 404, 429, 500, 502] {
        for body in [echo.clone(), envelope.clone()] {
            let (_server, client) =
                always(ResponseTemplate::new(status).set_body_raw(body, "text/html")).await;
            let error = client.order(ORDER).await.expect_err("echo");
            assert_no_key(&error);
            assert!(!chain(&error).contains("CANARY"), "{}", chain(&error));
            assert!(!error.code().unwrap_or_default().contains("CANARY"));
        }
    }
}

/// Protects the contract: the key goes out bare, without a scheme word.
#[tokio::test]
async fn the_key_header_is_sent_bare() {
    let server = MockServer::start().await;
    Mock::given(header("x-dc-devkey", CANARY))
        .respond_with(json(200, r#"{"status":"pending"}"#))
        .mount(&server)
        .await;
    client(&server).order(ORDER).await.expect("order");
}
