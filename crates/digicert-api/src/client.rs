//! The transport: one call, from taking its turn to a bounded body.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_LENGTH, DATE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use reqwest::Response;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use crate::answer::{Answer, excerpt};
use crate::builder::ClientBuilder;
use crate::call::{Call, Reply};
use crate::error::{Class, Error};
use crate::gate::{Gate, Outcome, Pass};
use crate::governor::{Due, Governor, GovernorLoad, Turn};
use crate::key::{Key, KeySource};
use crate::memory::CallMemory;
use crate::proxy;

/// The longest wait that we take from a server seriously.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

const KEY_HEADER: HeaderName = HeaderName::from_static("x-dc-devkey");

/// A client of one account. Clones are cheap and share connections, key source and rate governor.
///
/// Dropping a call's future cancels it. Nothing is repeated by the client itself, with one exception: a call
/// whose key was refused is made once more if the key source has a different key by then.
///
/// What one call can find out for all, one call asks: until a key has worked the others wait, and fail unsent if it is
/// refused, as they do after several failures in a row ([`Error::Held`]). Calls that are not sent cost nothing of the
/// rate.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    due: Due,
}

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) key: Box<dyn KeySource>,
    pub(crate) governor: Governor,
    pub(crate) gate: Gate,
    pub(crate) memory: Option<Box<dyn CallMemory>>,
    /// Calls that may be under way at once.
    pub(crate) exchanges: Semaphore,
    /// The proxy that was set; it may contain a password.
    pub(crate) proxy: Option<Url>,
    pub(crate) max_body: usize,
    pub(crate) server_date: Mutex<Option<ServerDate>>,
}

/// A `Date` header and when we got it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerDate {
    date: Timestamp,
    received: Instant,
}

impl Client {
    /// Begins a client for the service at this address, usually [`US`](crate::US) or [`EU`](crate::EU).
    pub fn builder(base_url: Url) -> ClientBuilder {
        ClientBuilder::new(base_url)
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner), due: Due::Whenever }
    }

    /// The same client, whose calls are wanted by `deadline`. While calls have to wait for the rate governor,
    /// the earliest deadline goes first; a deadline that has passed is served all the same.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        Self { inner: Arc::clone(&self.inner), due: Due::By(deadline) }
    }

    /// What the rate governor is doing.
    pub fn load(&self) -> GovernorLoad {
        self.inner.governor.load()
    }

    /// The CA's clock as of its last answer, to the second.
    pub fn server_date(&self) -> Option<Timestamp> {
        self.last_date().map(|last| last.date)
    }

    /// How far the CA's clock is ahead of ours, which shows `now`; good to a second or two.
    pub fn clock_skew(&self, now: Timestamp) -> Option<SignedDuration> {
        let last = self.last_date()?;
        let since = SignedDuration::try_from(last.received.elapsed()).ok()?;
        Some(last.date.checked_add(since).ok()?.duration_since(now))
    }

    fn last_date(&self) -> Option<ServerDate> {
        *self.inner.server_date.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn call(&self, call: Call) -> Result<Reply, Error> {
        let key = Key::from_source(&*self.inner.key)?;
        let error = match self.call_with(&call, key).await {
            Err((error, used)) if error.class() == Class::KeyTrouble => {
                self.inner.key.refused();
                let key = Key::from_source(&*self.inner.key)?;
                if key.expose() != used.expose() {
                    tracing::info!("the API key was refused; trying the new one");
                    return self.call_with(&call, key).await.map_err(|(error, _)| error);
                }
                error
            }
            other => return other.map_err(|(error, _)| error),
        };
        Err(error)
    }

    /// One call with this key. A failure hands the key back, to be compared with the next one.
    async fn call_with(&self, call: &Call, key: Key) -> Result<Reply, (Error, Key)> {
        match self.send(call, &key).await {
            Ok(response) => {
                let (http::response::Parts { status, headers, .. }, body) = response.into_parts();
                Ok(Reply { status, headers, body, key })
            }
            Err(error) => {
                tracing::debug!(method = %call.method, path = %call.path, label = error.label(), "call failed");
                Err((error, key))
            }
        }
    }

    async fn send(&self, call: &Call, key: &Key) -> Result<http::Response<Vec<u8>>, Error> {
        #[cfg(feature = "fuzzing")]
        if let Some(told) = crate::fuzzing::answer(key) {
            return told.map(|(status, body)| success(status, HeaderMap::new(), body));
        }
        let inner = &*self.inner;
        let mut request = inner.http.request(call.method.clone(), call.url(&inner.base));
        if let Some(body) = &call.body {
            request = request.json(body);
        } else if call.method != Method::GET {
            // Left to itself the transport sends no length with an empty body; some gateways answer 411 then.
            request = request.header(CONTENT_LENGTH, "0");
        }
        let request = request.header(ACCEPT, "application/json").header(KEY_HEADER, key.header.clone());

        let (turn, pass) = self.admitted(key).await?;
        let result = self.sent(call, key, request, turn).await;
        pass.end(&outcome(result.as_ref().err()));
        result
    }

    /// The call's turn, and its way through the gate. It hears that the gate is shut while it waits for its turn.
    async fn admitted(&self, key: &Key) -> Result<(Turn, Pass<'_>), Error> {
        let inner = &*self.inner;
        let turn = tokio::select! {
            biased;
            error = inner.gate.shut(key) => return Err(error),
            turn = inner.governor.turn(self.due) => turn,
        };
        // Dropped, a turn counts as sent; this one is not, whatever ends the wait.
        let mut turn = Unsent(Some(turn));
        let pass = inner.gate.enter(key).await?;
        match turn.0.take() {
            Some(turn) => Ok((turn, pass)),
            None => Err(Error::setup("a turn is taken twice")),
        }
    }

    async fn sent(
        &self,
        call: &Call,
        key: &Key,
        request: reqwest::RequestBuilder,
        mut turn: Turn,
    ) -> Result<http::Response<Vec<u8>>, Error> {
        let inner = &*self.inner;
        if let Some(memory) = &inner.memory {
            memory.sending().await;
        }
        // Behind the memory, which notes many calls at once. Never closed.
        let _exchange = inner.exchanges.acquire().await;
        while turn.is_stale() {
            turn.unsent();
            turn = inner.governor.turn(self.due).await;
        }
        let started = Instant::now();
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(self.unsent(error).await),
        };
        turn.answered();
        self.note_date(response.headers());
        let status = response.status();
        let retry_after = retry_after(response.headers());
        if status == StatusCode::TOO_MANY_REQUESTS {
            turn.throttled(retry_after); // At once: its body may dawdle while others run into the same wall.
        }
        if status.is_redirection() {
            return Err(redirected(&response, &inner.base));
        }
        let headers = response.headers().clone();
        let body = body(response, inner.max_body).await;
        let elapsed = started.elapsed();
        tracing::debug!(method = %call.method, path = %call.path, status = status.as_u16(), ?elapsed, "answered");
        if status.is_success() {
            return body.map(|body| success(status, headers, body));
        }
        // A refusal whose body is lost is still that refusal.
        let answer = Answer::read(status.as_u16(), &body.unwrap_or_default(), key.expose());
        let error = Error::declined(answer, retry_after);
        if error.class() == Class::Throttled && status != StatusCode::TOO_MANY_REQUESTS {
            turn.throttled(retry_after);
        }
        Err(error)
    }

    /// Why nothing came back; where a proxy is in the way it is asked once more for its reason.
    async fn unsent(&self, error: reqwest::Error) -> Error {
        let inner = &*self.inner;
        let error = Error::transport(error);
        let Some(proxy) = inner.proxy.as_ref().filter(|_| matches!(error, Error::Connect { .. })) else {
            return error;
        };
        match proxy::refusal(proxy, &inner.base).await {
            Some(said) => Error::ProxyRefused { said },
            None => error,
        }
    }

    fn note_date(&self, headers: &HeaderMap) {
        let Some(date) = headers.get(DATE).and_then(|value| http_date(value.to_str().ok()?)) else { return };
        let mut last = self.inner.server_date.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(ServerDate { date, received: Instant::now() });
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.inner.base.as_str();
        f.debug_struct("Client").field("base", &base).field("due", &self.due).finish_non_exhaustive()
    }
}

/// A turn that is given back unless it is taken.
struct Unsent(Option<Turn>);

impl Drop for Unsent {
    fn drop(&mut self) {
        if let Some(turn) = self.0.take() {
            turn.unsent();
        }
    }
}

/// What the end of a call says of others.
fn outcome(error: Option<&Error>) -> Outcome<'_> {
    match error {
        None => Outcome::Well,
        Some(Error::KeyRefused { answer }) => Outcome::KeyRefused(answer),
        Some(error) => match error.class() {
            Class::Transient | Class::Gateway => Outcome::Failed(error),
            // A redirect: a portal stands in between, and would answer everybody so.
            Class::Setup if error.status().is_some() => Outcome::Failed(error),
            // Too many requests are the governor's business, and may be counted before the key is looked at.
            Class::KeyTrouble | Class::Setup | Class::Throttled => Outcome::Nothing,
            Class::MissingPermission
            | Class::NotFound
            | Class::NotYet
            | Class::Misconfigured
            | Class::Undecodable => Outcome::Well,
        },
    }
}

/// A success with its body read.
fn success(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> http::Response<Vec<u8>> {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Reads the body bit by bit, after decompression, and gives up as soon as it is too long.
async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, Error> {
    let too_large = Error::TooLarge { status: response.status().as_u16(), limit };
    // Absent for a compressed body, whose announced length says nothing.
    if response.content_length().is_some_and(|length| usize::try_from(length).is_ok_and(|l| l > limit)) {
        return Err(too_large);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Error::transport)? {
        if body.len() + chunk.len() > limit {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn redirected(response: &Response, base: &Url) -> Error {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| base.join(location).ok());
    let host = match target.as_ref().and_then(Url::host_str) {
        Some(host) => excerpt(host, None),
        None => "nowhere".to_owned(),
    };
    Error::Redirected { status: response.status().as_u16(), host }
}

/// `Retry-After`, bounded, so that a caller may add it to a time without care.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    Some(asked_wait(headers)?.min(LONGEST_RETRY_AFTER))
}

/// In seconds, or as a date, which counts from the answer's own `Date`.
fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let sent = http_date(headers.get(DATE)?.to_str().ok()?)?;
    let wait = http_date(text)?.duration_since(sent);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("value"))).collect()
    }

    /// Protects the pause after a 429: both forms of the header are understood, nonsense is none.
    #[test]
    fn retry_after_is_read_in_both_forms() {
        let date = (DATE, "Mon, 23 Nov 2026 10:00:00 GMT");
        let cases = [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("18446744073709551615", Some(86_400)),
            ("Mon, 23 Nov 2026 10:01:30 GMT", Some(90)),
            ("Mon, 23 Nov 2026 09:00:00 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
            ("1.5", None),
        ];
        for (text, seconds) in cases {
            let read = retry_after(&headers(&[date.clone(), (RETRY_AFTER, text)]));
            assert_eq!(read, seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&headers(&[(RETRY_AFTER, "Mon, 23 Nov 2026 10:01:30 GMT")])), None);
    }
}
