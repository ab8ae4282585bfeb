//! A scripted CA and a client for it.

use std::fmt::Debug;

use digicert_api::{Client, ClientBuilder, OrderId};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// The key of all tests; it must never show up in anything that can be printed.
pub(crate) const CANARY: &str = "CANARY0KEY0CANARY0KEY";
/// The order of all tests.
pub(crate) const ORDER: OrderId = OrderId::new(112_233);

pub(crate) fn builder(base: &str) -> ClientBuilder {
    Client::builder(base.parse().expect("url")).key(SecretString::from(CANARY)).allow_http_on_loopback(true)
}

pub(crate) fn client(server: &MockServer) -> Client {
    builder(&format!("{}/services/v2", server.uri())).build().expect("client")
}

pub(crate) fn json(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json")
}

/// A CA that answers everything in the same way, and a client for it.
pub(crate) async fn always(answer: ResponseTemplate) -> (MockServer, Client) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let client = client(&server);
    (server, client)
}

/// Asserts that something which may end in a log does not contain the key.
pub(crate) fn assert_no_key(shown: &(impl Debug + ?Sized)) {
    assert!(!format!("{shown:?} {shown:#?}").contains("CANARY"), "the key leaks: {shown:?}");
}

/// The text of an error and of all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// A server of bare bytes: for every connection it reads a request head, then does as told.
pub(crate) async fn bare<F, Fut>(answer: F) -> String
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            tokio::spawn(answer(stream));
        }
    });
    format!("http://{address}/services/v2")
}

/// Writes and closes.
pub(crate) async fn write(mut stream: TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.ok();
    stream.shutdown().await.ok();
}
