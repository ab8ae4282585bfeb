//! Https to a vendor's API.

use std::time::Duration;

use reqwest::{
    Client, Response, Url,
    header::{HeaderMap, RETRY_AFTER},
    redirect, tls,
};
#[cfg(feature = "oauth")]
use reqwest::{RequestBuilder, StatusCode};

use super::endpoint;
use crate::{Class, Error};

/// No answer about single records is longer.
pub(crate) const MAX_BODY: usize = 4 * 1024 * 1024;

/// A client for the API at an address, and the address with a slash at its end. Redirects are not followed: they would
/// carry credentials elsewhere.
///
/// # Errors
/// When the setting is no address, or one to which credentials would travel in the clear.
pub(crate) fn client(setting: &str, address: String) -> Result<(Client, String), Error> {
    endpoint::check(setting, &address)?;
    client_at(setting, address)
}

/// The same for a service that gives credentials to the machine it runs on, and is reached without TLS by its nature.
///
/// # Errors
/// When the setting is no address, or not one of this machine or its cloud's own.
#[cfg(feature = "oauth")]
pub(crate) fn client_of_machine(setting: &str, address: String) -> Result<(Client, String), Error> {
    endpoint::check_of_machine(setting, &address)?;
    client_at(setting, address)
}

fn client_at(setting: &str, address: String) -> Result<(Client, String), Error> {
    let base = if address.ends_with('/') { address } else { format!("{address}/") };
    let bad = |text: String| Error::new(Class::Setup, "bad-setting", text);
    Url::parse(&base).map_err(|error| bad(format!("{setting} is not an address")).caused_by(error))?;
    let mut http = Client::builder()
        .user_agent(concat!("dcv-agent/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(30));
    if base.starts_with("http://") {
        http = http.no_proxy();
    } else {
        http = http.https_only(true).tls_version_min(tls::Version::TLS_1_2);
    }
    let http = http.build().map_err(|error| {
        bad("no https client can be made".to_owned())
            .hint("is the system's list of certificate authorities installed?")
            .caused_by(error)
    })?;
    Ok((http, base))
}

/// What came of a request.
#[cfg(feature = "oauth")]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// When the vendor wants to be asked again.
    pub(crate) wait: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// Sends a request about `what`; its answer is read to its end, of at most `limit` octets. `lost` explains a connection that
/// does not come about, or ends too early.
///
/// # Errors
/// When there is no answer, no end to it, or it is too long.
#[cfg(feature = "oauth")]
pub(crate) async fn exchange(
    request: RequestBuilder,
    what: &str,
    limit: usize,
    lost: impl Fn(reqwest::Error) -> Error,
) -> Result<Answer, Error> {
    let answer = request.send().await.map_err(&lost)?;
    let (status, wait) = (answer.status(), retry_after(answer.headers()));
    let body = body(answer, what, limit, lost).await?;
    Ok(Answer { status, wait, body })
}

/// The body of an answer about `what`, of at most `limit` octets. `lost` explains a connection that ends before it does.
///
/// # Errors
/// When there is no end to it, or it is too long.
pub(crate) async fn body(
    mut answer: Response,
    what: &str,
    limit: usize,
    lost: impl Fn(reqwest::Error) -> Error,
) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(&lost)? {
        body.extend_from_slice(&part);
        if body.len() > limit {
            let text = format!("the answer about {what} exceeds {limit} octets");
            return Err(Error::new(Class::Bug, "oversized", text));
        }
    }
    Ok(body)
}

/// When the vendor wants to be asked again, where it says so in seconds.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
