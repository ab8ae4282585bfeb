//! The method *http-token*: the file, its redirects, its names.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod support;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use dcv_sandbox::ca::{DomainSpec, OrderSpec, Profile, Redirects};
use reqwest::Method;
use serde_json::json;
use support::{Client, ca, code};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PATH: &str = "/.well-known/pki-validation/fileauth.txt";

/// What is at an address: a body, or the address of something else.
type Files = Arc<Mutex<BTreeMap<String, (u16, String)>>>;

async fn serve(State(files): State<Files>, request: Request) -> Response {
    let host = request.headers()[header::HOST].to_str().unwrap();
    let found = files.lock().unwrap().get(&format!("{host}{}", request.uri().path())).cloned();
    match found {
        None => StatusCode::NOT_FOUND.into_response(),
        Some((status @ 300..=399, to)) => {
            (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, to)]).into_response()
        }
        Some((status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
    }
}

/// A web server for any name.
async fn web() -> (Files, SocketAddr) {
    let files = Files::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(serve).with_state(Arc::clone(&files));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (files, address)
}

#[tokio::test]
async fn each_name_needs_its_own_file() {
    let (files, address) = web().await;
    let put = |at: String, status: u16, text: &str| {
        files.lock().unwrap().insert(at, (status, text.to_owned()));
    };
    let profile =
        Profile { web: BTreeMap::from([("example.com".to_owned(), address)]), ..Profile::default() };
    let ca = ca(profile).await;
    let client = Client::new(&ca);
    let order = ca.place(OrderSpec::dv(["www.example.com", "example.com"]).method("http-token"));
    let value = client.value(order).await.0;
    let missed = async || {
        let (status, body) = client.check(order).await;
        (status.as_u16(), code(&body).to_owned())
    };
    let miss = (400, "file_random_value_not_found".to_owned());
    assert_eq!(missed().await, miss);
    put(format!("www.example.com{PATH}"), 200, &format!("{value}\n"));
    assert_eq!(missed().await, miss, "the whole request fails");
    assert_eq!(ca.scopes(order), [("www.example.com".to_owned(), true), ("example.com".to_owned(), false)]);
    put(format!("example.com{PATH}"), 404, &value);
    assert_eq!(missed().await, miss, "only 2xx counts");
    put(format!("example.com{PATH}"), 200, &format!("{}{value}", "x".repeat(5000)));
    assert_eq!(missed().await, miss, "the file is too long");
    put(format!("example.com{PATH}"), 200, &value);
    assert_eq!(client.check(order).await.1["order_status"], "issued");

    let domain = ca.place_domain(DomainSpec::new("shop.example.com").method("http-token"));
    put(format!("shop.example.com{PATH}"), 200, &ca.domain_value(domain).unwrap());
    assert_eq!(client.put(&format!("/domain/{domain}/dcv/validate-token")).await.0, 200);
    let below = ca.place(OrderSpec::ov(["a.shop.example.com"]));
    assert!(!ca.scopes(below)[0].1, "a file proves its own name only");
    ca.shutdown().await;
}

#[tokio::test]
async fn redirects_are_followed_within_the_base_domain() {
    let (files, address) = web().await;
    let web = ["example.com", "example.org"].map(|name| (name.to_owned(), address)).into();
    let ca = ca(Profile { web, ..Profile::default() }).await;
    let client = Client::new(&ca);
    for (name, hops, found) in [
        ("a.example.com", vec!["http://www.example.com/x"], true),
        ("b.example.com", vec!["/1", "/2", "/3", "/4", "/5"], true),
        ("c.example.com", vec!["/1", "/2", "/3", "/4", "/5", "/6"], false),
        ("d.example.com", vec!["http://www.example.org/x"], false),
        ("e.example.com", vec!["http://www.example.com:8080/x"], false),
    ] {
        let order = ca.place(OrderSpec::dv([name]).method("http-token"));
        let value = client.value(order).await.0;
        let mut at = format!("{name}{PATH}");
        for hop in hops {
            let to = hop.strip_prefix("http://").map_or_else(|| format!("{name}{hop}"), str::to_owned);
            files.lock().unwrap().insert(at, (302, hop.to_owned()));
            at = to;
        }
        files.lock().unwrap().insert(at, (200, value));
        assert_eq!(client.check(order).await.0 == 200, found, "{name}");
    }
    ca.shutdown().await;
}

/// The published library asks HTTPS first and looks no further once that shows anything; it wants a certificate of the right
/// name, and follows no absolute redirect.
#[tokio::test]
async fn files_are_fetched_as_the_library_fetches_them() {
    let (files, address) = web().await;
    let (right, wrong) = (tls("www.example.com").await, tls("other.example.com").await);
    let ca = ca(Profile { web: [("example.com".to_owned(), address)].into(), ..Profile::default() }).await;
    let client = Client::new(&ca);
    let order = ca.place(OrderSpec::dv(["www.example.com"]).method("http-token"));
    let value = client.value(order).await.0;
    let reach = |secure: Option<SocketAddr>, redirects: Redirects| {
        ca.alter_profile(|profile| {
            profile.web_tls = secure.map(|address| ("example.com".to_owned(), address)).into_iter().collect();
            profile.redirects = redirects;
        });
    };
    let put = |status: u16, text: &str| {
        files.lock().unwrap().insert(format!("www.example.com{PATH}"), (status, text.to_owned()));
    };
    put(200, &value);
    reach(Some(right), Redirects::WithinDomain);
    assert_eq!(client.check(order).await.0, 400, "https shows a page without the value");
    put(302, "http://www.example.com/x");
    files.lock().unwrap().insert("www.example.com/x".to_owned(), (200, value.clone()));
    reach(Some(wrong), Redirects::PathsOnly);
    assert_eq!(client.check(order).await.0, 400, "an absolute redirect");
    put(302, "/x");
    assert_eq!(client.check(order).await.0, 200, "a certificate of another name leads on to http");
    ca.shutdown().await;
}

/// A web server over TLS that shows a page to whoever comes, with a certificate of this name that nobody vouches for.
async fn tls(name: &str) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nwelcome").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    address
}

#[tokio::test]
async fn servers_that_are_silent_or_unknown_are_a_miss() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web = BTreeMap::from([("example.com".to_owned(), silent.local_addr().unwrap())]);
    let ca = ca(Profile { web, http_timeout: Duration::from_millis(200), ..Profile::default() }).await;
    let client = Client::new(&ca);
    for name in ["www.example.com", "www.example.net"] {
        let order = ca.place(OrderSpec::dv([name]).method("http-token"));
        client.value(order).await;
        assert_eq!(client.check(order).await.0, 400, "{name}");
    }
    ca.shutdown().await;
}

#[tokio::test]
async fn methods_fit_the_order_or_are_refused() {
    let ca = ca(Profile::default()).await;
    let client = Client::new(&ca);
    let change = async |order: u64, method: &str| {
        let path = format!("/order/certificate/{order}/dcv-method");
        client.call(Method::PUT, &path, Some(json!({ "dcv_method": method }))).await
    };
    let wild = ca.place(OrderSpec::dv(["*.example.com"]));
    assert_eq!(code(&change(wild, "http-token").await.1), "invalid_wildcard_dcv_method");
    assert_eq!(code(&change(wild, "semaphore").await.1), "invalid_dcv_method");

    let order = ca.place(OrderSpec::dv(["www.example.com", "*.example.com"]));
    let value = client.value(order).await.0;
    assert_eq!(ca.scopes(order).len(), 1);
    assert_eq!(change(order, "http-token").await.1["dcv_random_value"], value);
    let (_, validation) = client.get(&format!("/order/certificate/{order}/validation")).await;
    assert_eq!(validation["order_dcv_method"], "http-token");
    assert_eq!(ca.scopes(order).len(), 2, "files prove name by name");
    change(order, "dns-txt-token").await;
    assert_eq!(ca.scopes(order), [("example.com".to_owned(), false)]);
    assert_eq!(client.value(order).await.0, value);
    ca.set_status(order, "levitating");
    assert_eq!(client.get(&format!("/order/certificate/{order}")).await.1["status"], "levitating");
    ca.set_status(order, "canceled");
    assert_eq!(change(order, "email").await.0, 400);
    ca.shutdown().await;
}
