//! Fetching the validation file as DigiCert does: its limits, its rules about redirects, from every address of the host.
//!
//! Whatever a server sends, an outcome of bounded size comes back in bounded time. Nothing that it says is trusted: the
//! body is only ever compared with the value that we hold.

use std::{error::Error as _, net::SocketAddr, time::Duration};

use dcv_core::{DomainName, FILE_PATH, error::chain};
use futures_util::future::{BoxFuture, join_all};
use reqwest::{Client, Response, StatusCode, Url, header::LOCATION, redirect, retry};

use crate::{Error, USER_AGENT, error::cause};

/// What DigiCert reads of a body at most.
const MAX_BODY: usize = 5000;
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
}

/// Finds what answers on port 80 of a host to which a redirect leads.
pub(crate) type Resolve<'a> = dyn Fn(DomainName) -> BoxFuture<'a, Result<Vec<SocketAddr>, Error>> + Sync + 'a;

/// Fetches the host's validation file from each address, from all at the same time; outcomes come in that order.
pub(crate) async fn fetch(
    host: &DomainName,
    addresses: &[SocketAddr],
    resolve: &Resolve<'_>,
) -> Vec<Fetched> {
    fetch_within(host, addresses, resolve, LIMITS).await
}

async fn fetch_within(
    host: &DomainName,
    addresses: &[SocketAddr],
    resolve: &Resolve<'_>,
    limits: Limits,
) -> Vec<Fetched> {
    let each = addresses.iter().map(|&address| async move {
        let fetching = Fetch { host, address, resolve, limits };
        let outcome = tokio::time::timeout(limits.whole, fetching.follow()).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Error::Unfinished(limits.whole)));
        Fetched { address, outcome }
    });
    join_all(each).await
}

struct Fetch<'a, 'r> {
    host: &'a DomainName,
    address: SocketAddr,
    resolve: &'a Resolve<'r>,
    limits: Limits,
}

impl Fetch<'_, '_> {
    async fn follow(&self) -> Result<String, Error> {
        let start = format!("http://{}:{}{FILE_PATH}", self.host, self.address.port());
        let mut url = Url::parse(&start).map_err(|error| Error::Url { url: start, source: cause(error) })?;
        let mut name = self.host.clone();
        for step in 0..=MAX_REDIRECTS {
            let at = url.clone();
            let there = |error| match step {
                0 => error,
                _ => Error::Redirected { url: quote(at.as_str()), source: Box::new(error) },
            };
            let answer = self.ask(&url, &name).await.map_err(there)?;
            if answer.status().is_success() {
                return body(answer).await.map_err(there);
            }
            if ABSENT.contains(&answer.status()) {
                return Ok(String::new());
            }
            if !REDIRECTS.contains(&answer.status()) {
                return Err(there(Error::Status(answer.status())));
            }
            (url, name) = self.next(&url, &answer).map_err(there)?;
        }
        Err(Error::TooManyRedirects(MAX_REDIRECTS))
    }

    /// Sends one request. The client is made for it, so that nothing is carried from one host to the next.
    async fn ask(&self, url: &Url, name: &DomainName) -> Result<Response, Error> {
        let mut addresses = self.addresses(name).await?;
        // What stands for port 80 of a name may listen on another; without a port in the URL it is reached there.
        if let Some(port) = url.port_or_known_default().filter(|&port| port != HTTP) {
            addresses.iter_mut().for_each(|address| address.set_port(port));
        }
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(self.limits.connect)
            .read_timeout(self.limits.read)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .http1_only()
            .pool_max_idle_per_host(0)
            // Only a redirect leads to TLS, and DigiCert does not verify certificates there either: a site that has no
            // valid one yet is what this method is for. Nothing is trusted, the body is compared.
            .tls_danger_accept_invalid_certs(true)
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

async fn body(mut answer: Response) -> Result<String, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(Error::LongBody(MAX_BODY));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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
