//! An entry for fuzzing: whatever bytes come as an answer of the CA, nothing panics.
//!
//! The input stands in for the network: the client's one way to it looks here first, so what runs after that is each
//! call's own reading.

use std::cell::RefCell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::StatusCode;
use secrecy::SecretString;
use url::Url;

use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{DomainId, OrderId};
use crate::key::Key;
use crate::method::DcvMethod;
use crate::{DomainFilter, OrderFilter};

/// The number that orders and domains have in the documentation's examples.
const ORDER: OrderId = OrderId::new(112_233);
const DOMAIN: DomainId = DomainId::new(9911);

type Scripted = (StatusCode, Vec<u8>);

thread_local! {
    /// The answers to come; `None` while nothing is fuzzed.
    static ANSWERS: RefCell<Option<Vec<Scripted>>> = const { RefCell::new(None) };
    static CLIENT: Option<Client> = client();
}

fn client() -> Option<Client> {
    // Plain HTTP on this host: no proxy of the environment takes part.
    let base = Url::parse("http://localhost/").ok()?;
    let builder = Client::builder(base).allow_http_on_loopback(true);
    builder.key(SecretString::from("CANARY0123456789")).build().ok()
}

/// The input in place of the CA's answer, sorted as [`Client`] sorts it; none while nothing is fuzzed.
pub(crate) fn answer(key: &Key) -> Option<Result<Scripted, Error>> {
    ANSWERS.with_borrow_mut(|answers| {
        // A list that goes on ends with its second page, so that an input has an end.
        let (status, body) = answers.as_mut()?.pop().unwrap_or_else(|| (StatusCode::OK, b"{}".to_vec()));
        Some(if status.is_success() {
            Ok((status, body))
        } else {
            Err(Error::declined(Answer::read(status.as_u16(), &body, key.expose()), None))
        })
    })
}

/// One answer, as the answer to every call there is: a line with the status, then the body.
///
/// # Panics
/// When a call of the client panics, when a message for people repeats the key or has no bound, and where no client
/// can be built at all.
pub fn api_answer(bytes: &[u8]) {
    let line = bytes.iter().take(4).position(|&byte| byte == b'\n');
    let (status, body) = match line {
        Some(end) => (StatusCode::from_bytes(&bytes[..end]).unwrap_or_default(), &bytes[end + 1..]),
        None => (StatusCode::OK, bytes),
    };
    CLIENT.with(|client| {
        let client = client.as_ref().expect("a client is built");
        let told = |call: &mut dyn FnMut(&Client) -> Option<Error>| {
            ANSWERS.set(Some(vec![(status, body.to_vec())]));
            let error = call(client);
            ANSWERS.set(None);
            if let Some(error) = error {
                read(&error);
            }
        };
        let orders = OrderFilter::default();
        let domains = DomainFilter::default();
        let method = DcvMethod::DnsTxt;
        told(&mut |client| now(client.random_value(ORDER)).err());
        told(&mut |client| now(client.change_dcv_method(ORDER, &method)).err());
        told(&mut |client| now(client.check_dcv(ORDER)).err());
        told(&mut |client| now(client.order_validation(ORDER)).err());
        told(&mut |client| now(client.order(ORDER)).err());
        told(&mut |client| now(client.orders(&orders)).err());
        told(&mut |client| now(client.orders_page(&orders, 0)).err());
        told(&mut |client| now(client.status_changes(Duration::from_secs(60))).err());
        told(&mut |client| now(client.me()).err());
        told(&mut |client| {
            let domain = now(client.domain(DOMAIN));
            domain.map(|domain| drop(format!("{domain:?}"))).err()
        });
        told(&mut |client| now(client.domains(&domains)).err());
        told(&mut |client| now(client.submit_domain(DOMAIN, &["ov"], &method)).err());
        told(&mut |client| now(client.new_domain_value(DOMAIN)).err());
        told(&mut |client| now(client.change_domain_method(DOMAIN, &method)).err());
        told(&mut |client| now(client.check_domain(DOMAIN)).err());
    });
}

/// The outcome of a call that waits for nothing, as the input is there already.
fn now<T>(call: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(call).poll(&mut context) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => unreachable!("a call waits although its answer is there"),
    }
}

fn read(error: &Error) {
    let shown = format!("{error} {error:?} {:?} {:?} {:?}", error.hint(), error.class(), error.label());
    assert!(!shown.contains("CANARY0123456789"), "a message repeats the key");
    assert!(shown.len() < 16_384, "a message has no bound");
}
