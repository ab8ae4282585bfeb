//! Requests to the server and what its refusals mean.

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header::CONTENT_TYPE};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    Class, Error, Extent, Secret,
    api::{
        http,
        throttle::{THROTTLED, Throttle},
    },
};

pub(super) struct Api {
    http: Client,
    base: Url,
    login: Option<(String, Secret)>,
    throttle: Throttle,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Api {
    pub(super) fn new(
        url: String,
        login: Option<(String, Secret)>,
        throttle: Throttle,
    ) -> Result<Self, Error> {
        let (http, base) = http::client("url", url)?;
        let base = Url::parse(&base).map_err(|error| {
            Error::new(Class::Setup, "bad-setting", "url is not an address").caused_by(error)
        })?;
        Ok(Self { http, base, login, throttle })
    }

    pub(super) fn password(&self) -> Result<Option<SecretString>, Error> {
        let read = |(_, password): &(String, Secret)| {
            password.secret().map_err(|why| Error::new(Class::Setup, "password", why).of(Extent::Provider))
        };
        self.login.as_ref().map(read).transpose()
    }

    /// A request to a path below the address; "" is the address itself.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Error> {
        let mut url = self.base.clone();
        if !path.is_empty() {
            url.path_segments_mut()
                .map_err(|()| Error::new(Class::Setup, "bad-setting", "url is not an address"))?
                .pop_if_empty()
                .push(path);
        }
        let request = self.http.request(method, url);
        Ok(match (self.password()?, &self.login) {
            (Some(password), Some((name, _))) => {
                request.basic_auth(name, Some(password.expose_secret().trim()))
            }
            _ => request,
        })
    }

    /// Sends it; anything but a success is an error.
    pub(super) async fn send(&self, request: RequestBuilder, what: &str) -> Result<Response, Error> {
        self.throttle.run(self.send_now(request, what)).await
    }

    async fn send_now(&self, request: RequestBuilder, what: &str) -> Result<Response, Error> {
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        let (status, wait) = (answer.status(), http::retry_after(answer.headers()));
        if status.is_success() {
            return Ok(answer);
        }
        let is_text = content_type(&answer).is_none_or(|kind| !kind.contains("html"));
        let body = self.body(answer, what, http::MAX_BODY).await?;
        let said = if is_text { excerpt(&body) } else { String::new() };
        Err(explain(status, &said, what).after(wait))
    }

    pub(super) async fn body(&self, answer: Response, what: &str, limit: usize) -> Result<Vec<u8>, Error> {
        http::body(answer, what, limit, |error| self.unreachable(error)).await
    }

    fn unreachable(&self, error: reqwest::Error) -> Error {
        let host = self.base.host_str().unwrap_or_default();
        Error::new(Class::Later, "unreachable", format!("the webhook at {host} does not answer"))
            .of(Extent::Provider)
            .hint("check url, and that the server runs")
            .caused_by(error)
    }
}

/// The type of an answer's body, without white space and in lower case.
pub(super) fn content_type(answer: &Response) -> Option<String> {
    let text = answer.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>().to_ascii_lowercase())
}

/// The server's words: one line, short.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..body.len().min(2048)).unwrap_or_default()).into_owned();
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

fn explain(status: StatusCode, said: &str, what: &str) -> Error {
    let text = format!("the webhook refuses {what}: {status}{said}");
    let class = |class, label| Error::new(class, label, text.clone());
    let all = |kind, label| class(kind, label).of(Extent::Provider);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            all(Class::Setup, "denied").hint("check username and password, and what the server allows this host")
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_ACCEPTABLE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE => all(Class::Setup, "wrong-protocol")
            .hint("check url, and that the server speaks the protocol of the settings"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => all(Class::Later, THROTTLED),
        _ if status.is_redirection() => all(Class::Setup, "redirected")
            .hint("redirects are not followed, since they would carry password and values elsewhere; give the final address"),
        _ if status.is_client_error() => {
            class(Class::Blocked, "refused").hint("the server does not accept this name or value; its log tells more")
        }
        _ => class(Class::Later, "server-error").hint("the server's log tells more"),
    }
}
