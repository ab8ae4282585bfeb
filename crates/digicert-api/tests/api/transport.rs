//! The road to the CA: headers, redirects, TLS, broken and endless answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use digicert_api::{Class, Client, Error, Window};
use tokio::io::AsyncWriteExt;
use wiremock::matchers::{any, header};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{ORDER, always, bare, builder, chain, client, json, write};

/// Protects the documented form of a request: a user agent always, a zero length on PUT, none on GET.
#[tokio::test]
async fn requests_are_well_formed() {
    let (server, client) = always(json(200, r#"{"status":"pending"}"#)).await;
    client.order(ORDER).await.expect("order");
    client.check_dcv(ORDER).await.expect("check");
    let requests = server.received_requests().await.expect("requests");
    let text = |n: usize, name: &str| {
        requests[n].headers.get(name).map(|value| value.to_str().expect(name).to_owned())
    };
    assert!(text(0, "user-agent").is_some_and(|name| name.starts_with("digicert-api/")));
    assert_eq!((text(0, "content-length"), text(1, "content-length")), (None, Some("0".to_owned())));
    assert!(requests.iter().all(|request| request.body.is_empty()));

    let server = MockServer::start().await;
    Mock::given(header("user-agent", "dcv-agent/7"))
        .respond_with(json(200, r#"{"status":"x"}"#))
        .mount(&server)
        .await;
    let named = builder(&server.uri()).user_agent("dcv-agent/7").build().expect("client");
    named.order(ORDER).await.expect("order");
}

/// Protects the key: no redirect is followed, to the same host, another, or plain HTTP; the error names the host.
#[tokio::test]
async fn redirects_are_never_followed() {
    let thief = MockServer::start().await;
    Mock::given(any()).respond_with(json(200, r#"{"status":"issued"}"#)).expect(0).mount(&thief).await;
    for status in [301, 302, 303, 307, 308] {
        for (target, host) in [
            (thief.uri(), "127.0.0.1"),
            (thief.uri().replace("127.0.0.1", "localhost"), "localhost"),
            ("http://www.digicert.com/services/v2/x?secret=1".to_owned(), "www.digicert.com"),
            ("/login".to_owned(), "127.0.0.1"),
            ("http://[broken".to_owned(), "nowhere"),
        ] {
            let server = MockServer::start().await;
            let answer = ResponseTemplate::new(status).insert_header("Location", target.as_str());
            Mock::given(any()).respond_with(answer).expect(1).mount(&server).await;
            let error = client(&server).order(ORDER).await.expect_err("redirect");
            assert_eq!((error.class(), error.status()), (Class::Setup, Some(status)));
            assert!(error.to_string().contains(host) && !error.to_string().contains("secret"), "{error}");
        }
    }
}

/// Protects the key on the wire: plain HTTP needs both this host and a permission; odd addresses are refused.
#[tokio::test]
async fn only_tls_or_this_very_host() {
    for base in [
        "http://127.0.0.1:1/v2",
        "http://localhost:1",
        "http://[::1]:1",
        "https://www.digicert.com/services/v2",
    ] {
        builder(base).build().expect(base);
    }
    for base in [
        "http://www.digicert.com/services/v2",
        "http://localhost.evil.example",
        "http://192.0.2.1",
        "ftp://127.0.0.1",
        "https://user:secret@ca.example",
        "https://ca.example/?a=b",
        "https://ca.example/#x",
    ] {
        let error = builder(base).build().expect_err(base);
        assert_eq!(error.class(), Class::Setup);
        assert!(!error.to_string().contains("secret"));
    }
    let error = builder("http://127.0.0.1:1").allow_http_on_loopback(false).build().expect_err("not allowed");
    assert_eq!(error.class(), Class::Setup);
}

/// Protects against settings that cannot work: they are refused when the client is built.
#[tokio::test]
async fn useless_settings_are_refused() {
    let base = "https://ca.example";
    let none = Window { calls: 0, per: Duration::from_secs(1) };
    let timeless = Window { calls: 1, per: Duration::ZERO };
    for broken in [
        Client::builder(base.parse().expect("url")).build(),
        builder(base).rate(vec![]).build(),
        builder(base).rate(vec![none]).build(),
        builder(base).rate(vec![timeless]).build(),
        builder(base).rate(vec![Window { calls: 1, per: Duration::MAX }]).build(),
        builder(base).ca_file_pem(b"no certificate".to_vec()).build(),
        builder(base).user_agent("a\nb").build(),
        builder(base).proxy("nonsense:proxy".parse().expect("url")).build(),
    ] {
        assert_eq!(broken.expect_err("setup").class(), Class::Setup);
    }
}

/// Protects the daemon: a CA that says nothing costs the timeout, no more; one that is not there, nothing.
#[tokio::test]
async fn silence_and_absence_are_transient() {
    let base = bare(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let client = builder(&base).timeout(Duration::from_millis(200)).build().expect("client");
    let error = client.order(ORDER).await.expect_err("silence");
    assert_eq!((error.class(), error.label(), error.status()), (Class::Transient, "timeout", None));

    let slow_body = bare(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").await.ok();
        tokio::time::sleep(Duration::from_secs(60)).await;
    })
    .await;
    let client = builder(&slow_body).timeout(Duration::from_millis(200)).build().expect("client");
    assert_eq!(client.order(ORDER).await.expect_err("slow body").label(), "timeout");

    let gone = builder("http://127.0.0.1:1").build().expect("client");
    let error = gone.order(ORDER).await.expect_err("absence");
    assert_eq!((error.class(), error.label()), (Class::Transient, "connect"));
    assert!(chain(&error).to_lowercase().contains("refused"), "the cause is kept: {}", chain(&error));
}

/// Protects against half answers: a cut connection is "later", not "no names to prove".
#[tokio::test]
async fn a_cut_connection_is_transient() {
    for text in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"status\":\"pending\"}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sta\r\n",
        "no HTTP at all\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    ] {
        let base = bare(move |stream| write(stream, text)).await;
        let error = builder(&base).build().expect("client").order(ORDER).await.expect_err(text);
        assert_eq!((error.class(), error.label()), (Class::Transient, "broken"), "{text}: {}", chain(&error));
    }
}

/// Protects classification: a refusal whose body is cut is still that refusal.
#[tokio::test]
async fn a_refusal_with_a_cut_body_keeps_its_class() {
    let base = bare(|stream| write(stream, "HTTP/1.1 401 No\r\nContent-Length: 500\r\n\r\n{\"err")).await;
    let error = builder(&base).build().expect("client").order(ORDER).await.expect_err("cut");
    assert_eq!(error.class(), Class::KeyTrouble);
}

/// Protects memory: an endless answer is dropped as soon as it is too long, an announced one at once.
#[tokio::test]
async fn endless_answers_are_refused_early() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let base = bare(move |mut stream| {
        let counter = Arc::clone(&counter);
        async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok();
            while stream.write_all(&[b' '; 65_536]).await.is_ok() {
                counter.fetch_add(65_536, Ordering::Relaxed);
            }
        }
    })
    .await;
    let client = builder(&base).max_body(1_000_000).build().expect("client");
    let error = client.order(ORDER).await.expect_err("endless");
    assert!(matches!(error, Error::TooLarge { limit: 1_000_000, status: 200 }), "{error:?}");
    assert_eq!(error.class(), Class::Undecodable);
    assert!(sent.load(Ordering::Relaxed) < 20_000_000, "{sent:?} bytes were taken");

    let announced =
        bare(|stream| write(stream, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{")).await;
    let error = builder(&announced).build().expect("client").order(ORDER).await.expect_err("announced");
    assert_eq!(error.label(), "too_large");
}

/// A million blanks, by `gzip -9`: a kilobyte.
const BOMB: &[u8] = include_bytes!("blanks.gz");

/// Protects memory against compression: the limit counts bytes after decompression.
#[tokio::test]
async fn the_limit_counts_decompressed_bytes() {
    let answer = ResponseTemplate::new(200)
        .insert_header("Content-Encoding", "gzip")
        .set_body_raw(BOMB, "application/json");
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let client = builder(&server.uri()).max_body(100_000).build().expect("client");
    assert_eq!(client.order(ORDER).await.expect_err("bomb").label(), "too_large");
    let roomy = builder(&server.uri()).max_body(2_000_000).build().expect("client");
    assert_eq!(roomy.order(ORDER).await.expect_err("blanks").label(), "undecodable");
}

/// Protects expiry timers: the CA's clock is known from its answers, and how far ours is off.
#[tokio::test]
async fn the_clock_of_the_ca_is_known() {
    let answer = json(200, r#"{"status":"pending"}"#).insert_header("Date", "Mon, 23 Nov 2026 10:00:00 GMT");
    let (_server, client) = always(answer).await;
    assert_eq!(client.server_date(), None);
    client.order(ORDER).await.expect("order");
    assert_eq!(client.server_date(), "2026-11-23T10:00:00Z".parse().ok());
    let skew = client.clock_skew("2026-11-23T09:59:00Z".parse().expect("now")).expect("skew");
    assert!((60..63).contains(&skew.as_secs()), "{skew:?}");
}

/// Protects callers: the futures may be spawned, and a handle is cheap to pass around.
#[test]
fn calls_can_be_spawned() {
    fn is_send<T: Send>(_: T) {}
    let client = builder("https://ca.example").build().expect("client");
    is_send(client.order(ORDER));
    is_send(client.check_dcv(ORDER));
    is_send(client.status_changes(Duration::ZERO));
    is_send(client.clone());
}

/// Protects whoever stands behind a proxy: its own status is in the sentence, its password is not.
#[tokio::test]
async fn what_a_proxy_says_is_told() {
    for (status, told) in [
        ("407 Proxy Authentication Required", "407 Proxy Authentication Required"),
        ("403 Forbidden by policy", "403 Forbidden by policy"),
        ("502 Bad Gateway", "502 Bad Gateway"),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let proxy = bare(move |mut stream| {
            let answer = answer.clone();
            async move {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })
        .await;
        let proxy = proxy.replace("http://", "http://user:hunter2@");
        let client =
            builder("https://ca.example").proxy(proxy.parse().expect("url")).build().expect("client");
        let error = client.order(ORDER).await.expect_err("refused");
        assert_eq!((error.class(), error.label()), (Class::Gateway, "proxy_refused"), "{error:?}");
        assert!(error.to_string().contains(told), "{error}");
        assert!(!format!("{error} {error:?} {client:?}").contains("hunter2"));
    }
}
