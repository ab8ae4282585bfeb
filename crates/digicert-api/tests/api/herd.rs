//! Many calls at once, of which one settles the question of all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use digicert_api::{Class, Client, Error, Window};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{ORDER, assert_no_key, builder, json};

/// A CA that answers so until it is mended.
struct Ca {
    server: MockServer,
    calls: Arc<AtomicU64>,
    mended: Arc<AtomicBool>,
}

impl Ca {
    async fn refusing(refusal: ResponseTemplate) -> Self {
        let (calls, mended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, well) = (Arc::clone(&calls), Arc::clone(&mended));
        let respond = move |_: &Request| {
            count.fetch_add(1, Ordering::Relaxed);
            if well.load(Ordering::Relaxed) { json(200, r#"{"status":"pending"}"#) } else { refusal.clone() }
        };
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(respond).mount(&server).await;
        Self { server, calls, mended }
    }

    fn client(&self) -> Client {
        let wide = Window { calls: 5000, per: Duration::from_secs(5) };
        builder(&self.server.uri()).rate(vec![wide]).build().expect("client")
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn herd(client: &Client, size: usize) -> Vec<Result<(), Error>> {
    let call = || {
        let client = client.clone();
        tokio::spawn(async move { client.order(ORDER).await.map(drop) })
    };
    let tasks: Vec<_> = std::iter::repeat_with(call).take(size).collect();
    let mut ends = Vec::new();
    for task in tasks {
        ends.push(task.await.expect("task"));
    }
    ends
}

/// Protects the account: however many orders want a call with a bad key, one is made, and the rate is not spent.
#[tokio::test]
async fn a_refused_key_costs_one_call() {
    for size in [50, 1000] {
        for (status, body) in [
            (401, ""),
            (403, r#"{"errors":[{"code":"access_denied|access_denied_invalid_key","message":"m"}]}"#),
        ] {
            let ca = Ca::refusing(json(status, body)).await;
            // DigiCert's own rate, which a thousand calls would take a minute of.
            let client = builder(&ca.server.uri()).build().expect("client");
            let ends = herd(&client, size).await;
            for end in &ends {
                let error = end.as_ref().expect_err("refused");
                assert_eq!((error.class(), error.label()), (Class::KeyTrouble, "key_refused"));
                assert_no_key(error);
            }
            assert_eq!((ca.calls(), client.load().calls, client.load().windows[0].used), (1, 1, 1), "{size}");
        }
    }
}

/// Protects the service and the rate: while it fails, a few calls are made for two thousand; then all succeed.
#[tokio::test]
async fn a_service_that_fails_is_asked_by_few() {
    let ca = Ca::refusing(ResponseTemplate::new(503)).await;
    let client = ca.client();
    for _ in 0..5 {
        for end in herd(&client, 2000).await {
            assert_eq!(end.expect_err("503").class(), Class::Transient);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!((3..=6).contains(&ca.calls()), "{}", ca.calls());
    assert_eq!(client.load().calls, ca.calls());
    let held = client.order(ORDER).await.expect_err("held");
    assert_eq!(held.label(), "held");
    assert!(held.to_string().contains("503"), "{held}");

    ca.mended.store(true, Ordering::Relaxed);
    tokio::time::sleep(held.retry_after().expect("a time")).await;
    assert!(herd(&client, 2000).await.iter().all(Result::is_ok));
}

/// Protects against proxies: a filter's page for everything is not asked for by everybody.
#[tokio::test]
async fn a_filter_that_refuses_everything_is_asked_by_few() {
    let page = ResponseTemplate::new(403).set_body_raw("<html>Incapsula incident</html>", "text/html");
    let ca = Ca::refusing(page).await;
    let ends = herd(&ca.client(), 100).await;
    assert_eq!(ca.calls(), 3);
    assert!(ends.iter().all(|end| matches!(end, Err(error) if error.class() != Class::KeyTrouble)));
}

/// Protects other orders: what the CA refuses for one call lets the others in.
#[tokio::test]
async fn a_refusal_of_one_call_lets_the_others_in() {
    for (status, code) in [(403, "access_denied|missing_permission"), (404, "not_found|order"), (400, "odd")]
    {
        let ca = Ca::refusing(json(status, &format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#))).await;
        herd(&ca.client(), 20).await;
        assert_eq!(ca.calls(), 20, "{code}");
    }
}
