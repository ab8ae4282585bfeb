//! A small web server that knows one path, and for each host one value.
//!
//! It stands on the open Internet and speaks to anybody, so it does as little as can be done: no request body is read,
//! one request is answered per connection, and every resource that a stranger can hold is bounded by [`Limits`].

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use dcv_core::{DomainName, FILE_PATH, RandomValue};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::listener::{self, Door, Limits};

/// The longest `Host` that can name a domain (253 octets, a trailing dot, `:65535`).
const MAX_HOST: usize = 260;
/// How much of a stranger's text a log line repeats.
const LOGGED: usize = 80;

/// Each with its reason, since every number here is a choice.
const LIMITS: Limits = Limits {
    // A quarter of the usual limit of 1024 file descriptors, the rest is the agent's own; the CA needs a dozen.
    connections: 256,
    // Twice what the CA needs, and a proxy in front passes on that one file only.
    of_address: 32,
    // Twenty times what a validation request has, and what most web servers allow.
    head: 8 * 1024,
    headers: 64,
    // DigiCert waits five seconds for an answer, so a request that takes longer to arrive is nobody's who matters.
    head_time: Duration::from_secs(5),
    // The head, and as long again to take the answer; whoever reads it more slowly has gone.
    life: Duration::from_secs(10),
};

/// Shows values to whoever asks for the file on a host that has one. Clones share one table.
///
/// A host shows one value at a time; whoever puts decides which.
#[derive(Clone, Debug, Default)]
pub struct Responder {
    table: Arc<RwLock<HashMap<DomainName, RandomValue>>>,
}

impl Responder {
    /// Shows a value on a host from now on, in place of the one before.
    pub fn put(&self, host: &DomainName, value: &RandomValue) {
        self.table.write().unwrap_or_else(PoisonError::into_inner).insert(host.clone(), value.clone());
    }

    /// Shows these values, and no others.
    pub fn show_only(&self, values: HashMap<DomainName, RandomValue>) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = values;
    }

    /// Shows the value no more; another value on that host stays.
    pub fn remove(&self, host: &DomainName, value: &RandomValue) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.get(host) == Some(value) {
            table.remove(host);
        }
    }

    /// Whether that very value is shown on the host.
    #[must_use]
    pub fn shows(&self, host: &DomainName, value: &RandomValue) -> bool {
        self.value(host.as_str()).as_ref() == Some(value)
    }

    /// Binds and answers in the background until `stop`; returns the address, with the port that was chosen for port 0.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn serve(&self, address: SocketAddr, stop: CancellationToken) -> io::Result<SocketAddr> {
        self.serve_within(address, stop, LIMITS).await
    }

    async fn serve_within(
        &self,
        address: SocketAddr,
        stop: CancellationToken,
        limits: Limits,
    ) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        tokio::spawn(self.clone().run(listener, limits, stop));
        Ok(bound)
    }

    async fn run(self, door: impl Door, limits: Limits, stop: CancellationToken) {
        let answer = move |request: Request<Incoming>, peer| std::future::ready(self.answer(&request, peer));
        listener::serve(door, limits, stop, "the validation file", answer).await;
    }

    fn value(&self, host: &str) -> Option<RandomValue> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    fn answer<B>(&self, request: &Request<B>, peer: SocketAddr) -> Response<Full<Bytes>> {
        let host = host(request);
        let response = if request.uri().path() != FILE_PATH {
            refusal(StatusCode::NOT_FOUND)
        } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        } else {
            match host.as_deref().and_then(|host| self.value(host)) {
                Some(value) => reply(StatusCode::OK, Bytes::from(String::from(value))),
                None => refusal(StatusCode::NOT_FOUND),
            }
        };
        let host: String = host.unwrap_or_default().chars().take(LOGGED).collect();
        debug!(%peer, ?host, status = response.status().as_u16(), "asked for the validation file");
        response
    }
}

/// The host that is asked, as the table has it. The request target's goes before the header's (RFC 9112 section 3.2.2);
/// with several headers nobody can say which one is meant.
fn host<B>(request: &Request<B>) -> Option<String> {
    if let Some(authority) = request.uri().authority() {
        return canonical(authority.as_str());
    }
    let mut named = request.headers().get_all(HOST).iter();
    match (named.next(), named.next()) {
        (Some(only), None) => canonical(only.to_str().ok()?),
        _ => None,
    }
}

fn canonical(text: &str) -> Option<String> {
    if text.len() > MAX_HOST {
        return None;
    }
    let name = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        Some(_) => return None,
        None => text,
    };
    Some(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
}

fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    reply(status, Bytes::from_static(b"not here\n"))
}

/// Refusals, too, must not be kept by a cache on the way: the file may appear a moment later.
fn reply(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let length = body.len();
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
