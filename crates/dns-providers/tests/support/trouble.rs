//! Answers that no vendor's API gives, and what a kind has to make of each: one line, the right class, no harm.

use std::{sync::Arc, time::Duration};

use dcv_core::{Change, Site};
use dns_providers::{Class, DnsProvider, Zone};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

/// Grants a token to whoever asks, and answers everything else in the same way.
struct Odd(ResponseTemplate);

impl Respond for Odd {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        if request.url.path().ends_with("/token") {
            return ResponseTemplate::new(200).set_body_json(
                serde_json::json!({ "access_token": "good", "expires_in": 3600, "token_type": "Bearer" }),
            );
        }
        self.0.clone()
    }
}

/// Each answer, its class, and its label.
fn odd_answers() -> Vec<(ResponseTemplate, Class, &'static str)> {
    let plain = |status, body: &str| ResponseTemplate::new(status).set_body_string(body);
    vec![
        (plain(500, "oops"), Class::Later, "server-error"),
        (plain(503, "<html>"), Class::Later, "server-error"),
        (plain(200, "<html>hello</html>"), Class::Bug, "unexpected-answer"),
        (plain(200, ""), Class::Bug, "unexpected-answer"),
        (plain(200, "[]"), Class::Bug, "unexpected-answer"),
        (plain(200, &" ".repeat(10 << 20)), Class::Bug, "oversized"),
        (plain(403, "<html>blocked</html>"), Class::Later, "gateway"),
        (plain(404, "not here"), Class::Later, "gateway"),
        (
            ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:9/"),
            Class::Setup,
            "redirected",
        ),
    ]
}

/// What a kind makes of a server that is no vendor's. `provider` builds one for an address.
pub(crate) async fn is_told_apart(
    provider: impl Fn(&str) -> Arc<dyn DnsProvider>,
    zone: &Zone,
    site: &Site,
    change: &Change,
) {
    for (answer, class, label) in odd_answers() {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(Odd(answer)).mount(&server).await;
        let provider = provider(&server.uri());
        for error in [
            provider.read(zone, site).await.unwrap_err(),
            provider.apply(zone, std::slice::from_ref(change)).await.unwrap_err(),
            provider.probe(zone).await.unwrap_err(),
        ] {
            assert_eq!((error.class(), error.label()), (class, label), "{error}");
            assert!(error.to_string().lines().count() == 1 && error.to_string().len() < 600, "{error}");
        }
    }
    throttling(&provider, zone, site).await;
    // A connection that ends in the middle of an answer, and one that is never made.
    let cut = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", cut.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = cut.accept().await {
            let mut read = [0; 4096];
            let _ = stream.read(&mut read).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"rrse").await;
        }
    });
    for address in [address.as_str(), "http://127.0.0.1:9"] {
        let error = provider(address).read(zone, site).await.unwrap_err();
        assert_eq!((error.class(), error.label()), (Class::Later, "unreachable"), "{error}");
    }
}

/// Whoever is told to wait asks nobody meanwhile, and says for how long.
async fn throttling(provider: &impl Fn(&str) -> Arc<dyn DnsProvider>, zone: &Zone, site: &Site) {
    for wait in [Some(30), None] {
        let server = MockServer::start().await;
        let mut answer = ResponseTemplate::new(429).set_body_string("{}");
        if let Some(wait) = wait {
            answer = answer.insert_header("retry-after", wait.to_string());
        }
        Mock::given(any()).respond_with(Odd(answer)).mount(&server).await;
        let provider = provider(&server.uri());
        let error = provider.read(zone, site).await.unwrap_err();
        assert_eq!((error.class(), error.label()), (Class::Later, "throttled"), "{error}");
        assert_eq!(error.retry_after(), wait.map(Duration::from_secs));
        let asked = server.received_requests().await.unwrap().len();
        let error = provider.read(zone, site).await.unwrap_err();
        assert_eq!(error.label(), "throttled", "{error}");
        let asked_again = server.received_requests().await.unwrap().len() - asked;
        assert_eq!(
            asked_again,
            usize::from(wait.is_none()),
            "the vendor was asked although it said when to come back"
        );
    }
}
