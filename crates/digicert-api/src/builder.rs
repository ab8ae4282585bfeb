//! Building a client: what is checked before anything is sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::tls::Version;
use reqwest::{Certificate, Proxy};
use tokio::sync::Semaphore;
use url::{Host, Url};

use crate::client::{Client, Inner};
use crate::error::Error;
use crate::gate::Gate;
use crate::governor::Governor;
use crate::key::KeySource;
use crate::memory::CallMemory;
use crate::rolling::Window;
use crate::shared::SharedRate;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longer windows than any API has; keeps sums of times from overflowing.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// Calls under way at once, each of which has a connection of its own where the service speaks HTTP/1. Sixteen at a tenth of
/// a second each are eight times what DigiCert allows.
const EXCHANGES: usize = 16;
const MAX_BODY: usize = 8 * 1024 * 1024;
const USER_AGENT: &str = concat!("digicert-api/", env!("CARGO_PKG_VERSION"));

/// Settings of a [`Client`]. Only the key source has no default.
#[derive(Debug)]
pub struct ClientBuilder {
    base: Url,
    key: Option<Box<dyn KeySource>>,
    windows: Vec<Window>,
    memory: Option<Box<dyn CallMemory>>,
    history: Vec<Duration>,
    shared: Option<Arc<dyn SharedRate>>,
    user_agent: String,
    http_on_loopback: bool,
    ca_pem: Option<Vec<u8>>,
    proxy: Option<ProxyUrl>,
    connect_timeout: Duration,
    timeout: Duration,
    max_body: usize,
}

/// A proxy's address; it may contain a password.
struct ProxyUrl(Url);

impl std::fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.host_str().unwrap_or_default())
    }
}

impl ClientBuilder {
    pub(crate) fn new(base: Url) -> Self {
        Self {
            base,
            key: None,
            windows: Window::DIGICERT.to_vec(),
            memory: None,
            history: Vec::new(),
            shared: None,
            user_agent: USER_AGENT.to_owned(),
            http_on_loopback: false,
            ca_pem: None,
            proxy: None,
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
            max_body: MAX_BODY,
        }
    }

    /// Where the API key comes from. Required.
    #[must_use]
    pub fn key(mut self, source: impl KeySource + 'static) -> Self {
        self.key = Some(Box::new(source));
        self
    }

    /// The CA's limits, all of which hold at once; [`Window::DIGICERT`] if not set.
    #[must_use]
    pub fn rate(mut self, windows: Vec<Window>) -> Self {
        self.windows = windows;
        self
    }

    /// Who we are, for the CA's logs.
    #[must_use]
    pub fn user_agent(mut self, name: &str) -> Self {
        name.clone_into(&mut self.user_agent);
        self
    }

    /// Accepts a plain `http://` address on this very host, for tests and simulators.
    #[must_use]
    pub fn allow_http_on_loopback(mut self, allow: bool) -> Self {
        self.http_on_loopback = allow;
        self
    }

    /// Certificates in PEM to trust besides the system's, for a TLS-inspecting proxy or a simulator.
    #[must_use]
    pub fn ca_file_pem(mut self, pem: Vec<u8>) -> Self {
        self.ca_pem = Some(pem);
        self
    }

    /// Goes through this proxy, instead of those that the environment names. Plain HTTP on this host never
    /// goes through a proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: Url) -> Self {
        self.proxy = Some(ProxyUrl(proxy));
        self
    }

    /// The longest time for a connection, TLS included; 10 s if not set.
    #[must_use]
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// The longest time from sending to the last byte of the answer; 30 s if not set.
    ///
    /// Waiting for the rate governor comes before it and is not limited.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// The most bytes of an answer, after decompression; 8 MiB if not set.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Is told of each call before it is sent; none if not set.
    #[must_use]
    pub fn memory(mut self, memory: impl CallMemory + 'static) -> Self {
        self.memory = Some(Box::new(memory));
        self
    }

    /// How long ago an earlier process sent calls with this key; they count against the rate.
    #[must_use]
    pub fn history(mut self, ages: Vec<Duration>) -> Self {
        self.history = ages;
        self
    }

    /// Shares the rate with other processes: each call takes a place there before it is sent. Calls are then made within tokio.
    #[must_use]
    pub fn shared_rate(mut self, rate: impl SharedRate + 'static) -> Self {
        self.shared = Some(Arc::new(rate));
        self
    }

    /// Checks the settings and builds the client. Nothing is sent, and the key is not read yet.
    ///
    /// # Errors
    /// [`Error::Setup`] for an address that is not `https://` (but see
    /// [`allow_http_on_loopback`](Self::allow_http_on_loopback)), that contains a password or a query, for a
    /// missing key source, an empty rate, unreadable certificates, or a system without any trusted ones.
    pub fn build(self) -> Result<Client, Error> {
        check_base(&self.base, self.http_on_loopback)?;
        check_rate(&self.windows)?;
        let http = self.transport()?;
        let Some(key) = self.key else { return Err(Error::setup("no source for the API key is set")) };
        Ok(Client::new(Inner {
            http,
            base: self.base,
            key,
            governor: match self.shared {
                Some(rate) => Governor::shared(&self.windows, rate),
                None => Governor::new(&self.windows, &self.history),
            },
            gate: Gate::new(),
            memory: self.memory,
            exchanges: Semaphore::new(EXCHANGES),
            proxy: self.proxy.map(|ProxyUrl(url)| url),
            max_body: self.max_body,
            server_date: Mutex::new(None),
        }))
    }

    fn transport(&self) -> Result<reqwest::Client, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(&self.user_agent)
            .redirect(Policy::none())
            // The caller's next pass is the retry, and the governor must see every call.
            .retry(reqwest::retry::never())
            .tls_version_min(Version::TLS_1_2)
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout)
            .pool_max_idle_per_host(EXCHANGES);
        if let Some(pem) = &self.ca_pem {
            builder = builder.tls_certs_merge(certificates(pem)?);
        }
        if self.base.scheme() == "https" {
            builder = builder.https_only(true);
            if let Some(ProxyUrl(url)) = &self.proxy {
                let proxy =
                    Proxy::all(url.clone()).map_err(|source| because("the proxy is unusable", source))?;
                builder = builder.proxy(proxy);
            }
        } else {
            // Through a proxy, or with a name that resolves elsewhere, the key would leave this host in clear.
            builder = builder.no_proxy();
            if let Some(Host::Domain(name)) = self.base.host() {
                let here: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                builder = builder.resolve_to_addrs(name, &here.map(|ip| SocketAddr::new(ip, 0)));
            }
        }
        builder.build().map_err(|source| {
            because("the HTTP client cannot be built (does the system have CA certificates?)", source)
        })
    }
}

fn because(problem: &str, source: reqwest::Error) -> Error {
    Error::Setup { problem: problem.to_owned(), source: Some(source.without_url().into()) }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, Error> {
    let problem = "the additional CA certificates cannot be read";
    let certificates = Certificate::from_pem_bundle(pem).map_err(|source| because(problem, source))?;
    if certificates.is_empty() {
        return Err(Error::setup("the file of additional CA certificates contains none"));
    }
    Ok(certificates)
}

fn check_base(base: &Url, http_on_loopback: bool) -> Result<(), Error> {
    if !base.username().is_empty() || base.password().is_some() {
        return Err(Error::setup("the base URL must not contain a user name or password"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(Error::setup("the base URL must not contain a query or fragment"));
    }
    match base.scheme() {
        "https" => Ok(()),
        "http" if !is_loopback(base) => {
            Err(Error::setup("the base URL must begin with https://: the API key would travel in clear"))
        }
        "http" if http_on_loopback => Ok(()),
        "http" => Err(Error::setup("a base URL with http:// must be allowed explicitly, even on this host")),
        other => Err(Error::setup(format!("the base URL must begin with https://, not {other}:"))),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn check_rate(windows: &[Window]) -> Result<(), Error> {
    let absurd = |window: &Window| window.calls == 0 || window.per.is_zero() || window.per > LONGEST_WINDOW;
    if windows.is_empty() || windows.iter().any(absurd) {
        return Err(Error::setup(
            "the rate needs at least one window, each with a call or more in a day or less",
        ));
    }
    Ok(())
}
