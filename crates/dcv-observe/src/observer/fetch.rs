//! Fetching the validation file as DigiCert does: its limits, its rules about redirects, from every address of the host.
//!
//! Its documentation and its published library differ, so there are two looks: the one begins at port 80 and follows
//! redirects within the base domain; the other begins at port 443 and follows no absolute redirect. Both name themselves as
//! DigiCert does, since a site may let its bot through and nobody else.
//!
//! Whatever a server sends, an outcome of bounded size comes back in bounded time. Nothing that it says is trusted: the
//! body is only ever compared with the value that we hold.

use std::{error::Error as _, net::SocketAddr, time::Duration};

use dcv_core::{DomainName, FILE_PATH, error::chain};
use futures_util::future::{BoxFuture, join_all};
use reqwest::{Client, Response, StatusCode, Url, header::LOCATION, redirect, retry};

use super::host_name::checking_host_names;
use crate::{Error, USER_AGENT, error::cause};

/// How DigiCert names itself (digicert/domain-control-validation, `FileClient`).
const DIGICERT: &str = "DigiCert DCV Bot/1.1";
/// Characters of a body that DigiCert reads.
const MAX_BODY: usize = 5000;
/// A character has at most so many octets in UTF-8.
const OCTETS: usize = 4;
const MAX_REDIRECTS: usize = 5;
/// Those that TLS BR 3.2.2.4.18 allows.
const REDIRECTS: [StatusCode; 4] = [
    StatusCode::MOVED_PERMANENTLY,
    StatusCode::FOUND,
    StatusCode::TEMPORARY_REDIRECT,
    StatusCode::PERMANENT_REDIRECT,
];
const HTTP: u16 = 80;
/// The server's word that it has no such file, which is no failure to answer.
const ABSENT: [StatusCode; 2] = [StatusCode::NOT_FOUND, StatusCode::GONE];
const PORTS: [u16; 2] = [HTTP, 443];
/// Addresses that are tried of a host to which a redirect leads.
const MAX_ADDRESSES: usize = 4;
/// Characters that are repeated of what others said.
const QUOTED: usize = 200;

/// How long it takes at most.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connect: Duration,
    /// Between two pieces of an answer.
    read: Duration,
    /// With all its redirects.
    whole: Duration,
}

/// The first two are DigiCert's own; the last keeps a drip of single octets from going on for ever.
const LIMITS: Limits =
    Limits { connect: Duration::from_secs(2), read: Duration::from_secs(5), whole: Duration::from_secs(15) };

/// What one address of the host showed.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    /// The address that was asked first; redirects may have led on from it.
    pub(crate) address: SocketAddr,
    /// The body, empty where the server says that there is no such file; or why nothing is known.
    pub(crate) outcome: Result<String, Error>,
    /// What DigiCert's library makes of the same address, where that is something else.
    pub(crate) library: Option<(SocketAddr, Result<String, Error>)>,
}

/// Finds what answers on port 80 of a host to which a redirect leads.
pub(crate) type Resolve<'a> = dyn Fn(DomainName) -> BoxFuture<'a, Result<Vec<SocketAddr>, Error>> + Sync + 'a;

/// An address of a host, and what answers there for HTTPS if anything is known to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) http: SocketAddr,
    pub(crate) https: Option<SocketAddr>,
}

/// Fetches the host's validation file from each address, from all at the same time; outcomes come in that order.
pub(crate) async fn fetch(host: &DomainName, places: &[Place], resolve: &Resolve<'_>) -> Vec<Fetched> {
    fetch_within(host, places, resolve, LIMITS).await
}

async fn fetch_within(
    host: &DomainName,
    places: &[Place],
    resolve: &Resolve<'_>,
    limits: Limits,
) -> Vec<Fetched> {
    let each = places.iter().map(|place| async move {
        let fetch = |address, is_library| Fetch { host, address, resolve, limits, is_library };
        let plain = fetch(place.http, false);
        // DigiCert's library asks no IPv6.
        let secure = place.https.filter(|_| place.http.is_ipv4()).map(|address| fetch(address, true));
        let secure = async {
            let Some(secure) = &secure else { return None };
            Some((secure.address, secure.bounded("https").await))
        };
        let (outcome, secure) = tokio::join!(plain.bounded("http"), secure);
        let library = as_library(place.http, &outcome, secure);
        Fetched { address: place.http, outcome: outcome.and_then(Shown::followed), library }
    });
    join_all(each).await
}

/// What the library makes of it: HTTPS where that shows anything, else HTTP without an absolute redirect.
fn as_library(
    http: SocketAddr,
    plain: &Result<Shown, Error>,
    secure: Option<(SocketAddr, Result<Shown, Error>)>,
) -> Option<(SocketAddr, Result<String, Error>)> {
    let why = match secure {
        Some((address, Ok(Shown { body: Some(body), .. }))) => return Some((address, Ok(body))),
        // Nobody has to offer HTTPS; a certificate of another name is worth a word where nothing else helps.
        Some((_, Err(error @ Error::OtherName))) => Some(error),
        Some(_) | None => None,
    };
    let location = plain.as_ref().ok().filter(|_| http.is_ipv4())?.absolute.clone()?;
    let redirect = Error::AbsoluteRedirect { location };
    Some((
        http,
        Err(match why {
            Some(why) => Error::Several(vec![("https".to_owned(), why), ("http".to_owned(), redirect)]),
            None => redirect,
        }),
    ))
}

/// What a look came to.
#[derive(Clone, Debug)]
struct Shown {
    /// None where the server says that there is no such file.
    body: Option<String>,
    /// The first absolute redirect on the way.
    absolute: Option<String>,
}

impl Shown {
    /// As one who follows every redirect has it.
    fn followed(self) -> Result<String, Error> {
        Ok(self.body.unwrap_or_default())
    }
}

struct Fetch<'a, 'r> {
    host: &'a DomainName,
    address: SocketAddr,
    resolve: &'a Resolve<'r>,
    limits: Limits,
    /// No absolute redirect is followed.
    is_library: bool,
}

impl Fetch<'_, '_> {
    async fn bounded(&self, scheme: &str) -> Result<Shown, Error> {
        let outcome = tokio::time::timeout(self.limits.whole, self.follow(scheme)).await;
        outcome.unwrap_or_else(|_| Err(Error::Unfinished(self.limits.whole)))
    }

    async fn follow(&self, scheme: &str) -> Result<Shown, Error> {
        let start = format!("{scheme}://{}:{}{FILE_PATH}", self.host, self.address.port());
        let mut url = Url::parse(&start).map_err(|error| Error::Url { url: start, source: cause(error) })?;
        let mut name = self.host.clone();
        let mut absolute = None;
        for step in 0..=MAX_REDIRECTS {
            let at = url.clone();
            let there = |error| match step {
                0 => error,
                _ => Error::Redirected { url: quote(at.as_str()), source: Box::new(error) },
            };
            let answer = self.ask(&url, &name, DIGICERT).await.map_err(there)?;
            let status = answer.status();
            if ABSENT.contains(&status) {
                return Ok(Shown { body: None, absolute });
            }
            if status.is_client_error() || status.is_server_error() {
                return Err(there(self.refused(&url, &name, status).await));
            }
            // DigiCert takes any status below 400 for a success.
            if !REDIRECTS.contains(&status) {
                return Ok(Shown { body: Some(body(answer).await.map_err(there)?), absolute });
            }
            let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            if let Some(location) = location.filter(|location| Url::parse(location).is_ok()) {
                let location = quote(location);
                if self.is_library {
                    return Err(there(Error::AbsoluteRedirect { location }));
                }
                absolute.get_or_insert(location);
            }
            (url, name) = self.next(&url, &answer).map_err(there)?;
        }
        Err(Error::TooManyRedirects(MAX_REDIRECTS))
    }

    /// Why there is no file: asked once more as somebody else, to know whether DigiCert's bot alone is kept out.
    async fn refused(&self, url: &Url, name: &DomainName, status: StatusCode) -> Error {
        match self.ask(url, name, USER_AGENT).await {
            Ok(answer) if answer.status().is_success() => Error::KeepsOut { status, agent: DIGICERT },
            Ok(_) | Err(_) => Error::Status(status),
        }
    }

    /// Sends one request. The client is made for it, so that nothing is carried from one host to the next.
    async fn ask(&self, url: &Url, name: &DomainName, agent: &str) -> Result<Response, Error> {
        let mut addresses = self.addresses(name).await?;
        // What stands for port 80 of a name may listen on another; without a port in the URL it is reached there.
        if let Some(port) = url.port_or_known_default().filter(|&port| port != HTTP) {
            addresses.iter_mut().for_each(|address| address.set_port(port));
        }
        let tls = checking_host_names().map_err(|error| Error::Web(quote(&chain(&error))))?;
        let client = Client::builder()
            .user_agent(agent)
            .connect_timeout(self.limits.connect)
            .read_timeout(self.limits.read)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            // As DigiCert's client, which unpacks both; what comes out is bounded like every body.
            .gzip(true)
            .deflate(true)
            .no_brotli()
            .no_zstd()
            .http1_only()
            .pool_max_idle_per_host(0)
            .tls_backend_preconfigured(tls)
            .resolve_to_addrs(name.as_str(), &addresses)
            .build()
            .map_err(|error| Error::Web(quote(&chain(&error))))?;
        client.get(url.clone()).send().await.map_err(|error| self.failure(error))
    }

    /// Where to connect to. DigiCert's redirected fetch would begin anew with an address of its own choice; we keep to
    /// one family, so that each family's way is seen by itself.
    async fn addresses(&self, name: &DomainName) -> Result<Vec<SocketAddr>, Error> {
        if name == self.host {
            return Ok(vec![self.address]);
        }
        let mut found = (self.resolve)(name.clone()).await.map_err(|error| {
            let why = quote(&error.describe());
            Error::AddressUnknown { name: name.to_string(), why }
        })?;
        found.retain(|address| address.is_ipv6() == self.address.is_ipv6());
        found.truncate(MAX_ADDRESSES);
        if found.is_empty() {
            let family = if self.address.is_ipv6() { "IPv6" } else { "IPv4" };
            return Err(Error::NoFamily { name: name.to_string(), family });
        }
        Ok(found)
    }

    /// Where a redirect leads, if it is one that DigiCert follows.
    fn next(&self, from: &Url, answer: &Response) -> Result<(Url, DomainName), Error> {
        let status = answer.status().as_u16();
        let location = answer.headers().get(LOCATION).ok_or(Error::NoLocation(status))?;
        let location = location.to_str().map_err(|_| Error::UnreadableLocation(status))?;
        let refuse = |why| Err(Error::ForbiddenRedirect { location: quote(location), why });
        let Ok(mut url) = from.join(location) else { return refuse("which is not a URL") };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("which is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("which holds a user name or a password");
        }
        if !url
            .port_or_known_default()
            .is_some_and(|port| PORTS.contains(&port) || port == self.address.port())
        {
            return refuse("whose port is neither 80 nor 443");
        }
        let Some(name) = url.host_str().and_then(|host| host.parse::<DomainName>().ok()) else {
            return refuse("whose host is not a domain name");
        };
        if name != *self.host && !same_base(&name, self.host) {
            return refuse("which is outside the base domain");
        }
        // One spelling, so that the addresses are found under it.
        if url.set_host(Some(name.as_str())).is_err() {
            return refuse("whose host is not a domain name");
        }
        Ok((url, name))
    }

    fn failure(&self, error: reqwest::Error) -> Error {
        if is_other_name(&error) {
            return Error::OtherName;
        }
        match (error.is_connect(), error.is_timeout()) {
            (true, true) => Error::SlowConnection(self.limits.connect),
            // What the system said; the layers above it only repeat that there is no connection.
            (true, false) => match std::iter::successors(error.source(), |&cause| cause.source()).last() {
                Some(cause) => Error::NoConnection(quote(&cause.to_string())),
                None => failure(error),
            },
            (false, _) => failure(error),
        }
    }
}

/// The beginning of a body, as much as DigiCert reads.
async fn body(mut answer: Response) -> Result<String, Error> {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_BODY * OCTETS
        && let Some(chunk) = answer.chunk().await.map_err(failure)?
    {
        let room = MAX_BODY * OCTETS - bytes.len();
        bytes.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
    }
    Ok(String::from_utf8_lossy(&bytes).chars().take(MAX_BODY).collect())
}

/// Whether the certificate is for another name.
fn is_other_name(error: &reqwest::Error) -> bool {
    use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.any(|cause| {
        matches!(
            tls_error(cause),
            Some(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
        )
    })
}

/// What TLS said: errors of the system carry it without naming it as their cause.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let inner = || error.downcast_ref::<std::io::Error>()?.get_ref();
    error.downcast_ref().or_else(|| tls_error(inner()?))
}

fn failure(error: reqwest::Error) -> Error {
    if error.is_timeout() {
        return Error::SlowAnswer;
    }
    Error::Web(quote(&chain(&error.without_url())))
}

fn same_base(one: &DomainName, other: &DomainName) -> bool {
    let base = psl::domain_str(one.as_str());
    base.is_some() && base == psl::domain_str(other.as_str())
}

fn quote(text: &str) -> String {
    text.chars().take(QUOTED).collect()
}

#[cfg(test)]
mod tests;
