//! One question to one server: over UDP within a budget, over TCP when the answer is cut off, does not come, or the
//! budget is spent.
//!
//! Response rate limiting counts UDP answers for a client's network and never TCP ones, so a server sees at most
//! [`UDP_PER_SECOND`] datagrams a second of ours, and everything above that on one connection that is kept. Servers of our
//! own may be asked faster, over sockets that are kept.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use dcv_core::Transport;
use futures_util::future::{Either, select};
use hickory_net::{
    NetError,
    xfer::{DnsHandle as _, FirstAnswer as _},
};
use hickory_proto::{
    op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode},
    rr::{Name, RecordType},
};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    budget::{Budget, UDP_PER_SECOND},
    shared::SharedSockets,
};
use crate::{
    Error,
    error::cause,
    network::{Connection, Network},
    settings::Own,
};

/// With the resends every 333 ms that hickory makes inside it.
const UDP_TIMEOUT: Duration = Duration::from_millis(1500);
/// When a datagram was not answered for this long, TCP is tried beside it.
const HEDGE: Duration = Duration::from_millis(600);
const TCP_TIMEOUT: Duration = Duration::from_secs(2);
/// A server that was silent is taken to be silent for this long, so that it does not hold up every look.
const SILENCE: Duration = Duration::from_secs(10);
/// Questions under way at once, over all servers; and on one connection, where hickory allows 32.
const QUESTIONS: usize = 256;
const PIPELINED: usize = 24;
/// Servers that are remembered.
const MAX_SERVERS: usize = 10_000;

/// An answer and how it came.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) response: DnsResponse,
    pub(crate) took: Duration,
    pub(crate) transport: Transport,
    /// The server knows no EDNS, and was asked without: it tells no signatures.
    pub(crate) without_edns: bool,
}

/// Asks servers, without recursion.
pub(crate) struct Exchange {
    network: Arc<dyn Network>,
    servers: Mutex<HashMap<SocketAddr, Arc<Server>>>,
    questions: Semaphore,
    /// Whether signatures are asked for (the DO bit).
    signatures: bool,
    own: Own,
    asked: AtomicU64,
    answered: AtomicBool,
}

struct Server {
    budget: Mutex<Budget>,
    /// Of a server of our own.
    shared: Option<Arc<SharedSockets>>,
    connection: tokio::sync::Mutex<Option<Connection>>,
    pipeline: Semaphore,
    silent_since: Mutex<Option<Instant>>,
    /// When a datagram was not answered, and a connection may be.
    mute_since: Mutex<Option<Instant>>,
    /// Whether the last question brought nothing, unreachable or silent.
    unanswered: AtomicBool,
    /// It does not answer what carries EDNS, and answers without.
    without_edns: AtomicBool,
}

impl Exchange {
    pub(crate) fn new(network: Arc<dyn Network>, signatures: bool, own: Own) -> Self {
        Self {
            network,
            servers: Mutex::default(),
            questions: Semaphore::new(QUESTIONS),
            signatures,
            own,
            asked: AtomicU64::new(0),
            answered: AtomicBool::new(false),
        }
    }

    /// Questions asked so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether it looks as if nobody could be asked from here: several servers gave nothing and none ever answered.
    pub(crate) fn blocked(&self) -> bool {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let unanswered = servers.values().filter(|server| server.unanswered.load(Ordering::Relaxed)).count();
        unanswered >= 2 && !self.answered.load(Ordering::Relaxed)
    }

    /// Whether the server is one of ours, which may be asked fast.
    pub(crate) fn is_own(&self, address: SocketAddr) -> bool {
        self.own.includes(address)
    }

    pub(crate) async fn ask(
        &self,
        address: SocketAddr,
        name: &Name,
        kind: RecordType,
    ) -> Result<Reply, Error> {
        let server = self.server(address);
        if lock(&server.silent_since).is_some_and(|since| since.elapsed() < SILENCE) {
            return Err(Error::Silent);
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let query = Query::query(name.clone(), kind);
        let start = Instant::now();
        let outcome = match self.quickly(address, &server, &query).await {
            Some(outcome) => outcome,
            // Boxed: all the ways that there are would lie in the frame of every question.
            None => Box::pin(self.with_or_without_edns(address, &server, &query)).await,
        };
        *lock(&server.silent_since) = matches!(outcome, Err(Error::Silent)).then(Instant::now);
        let unanswered = matches!(outcome, Err(Error::Silent | Error::Unreachable { .. } | Error::Closed));
        server.unanswered.store(unanswered, Ordering::Relaxed);
        let (response, transport) = outcome?;
        self.answered.store(true, Ordering::Relaxed);
        let without_edns = server.without_edns.load(Ordering::Relaxed);
        Ok(Reply { response, took: start.elapsed(), transport, without_edns })
    }

    /// What a server of our own says to a datagram; over a connection while it answers none. Nothing where it takes another
    /// way to find out.
    async fn quickly(
        &self,
        address: SocketAddr,
        server: &Server,
        query: &Query,
    ) -> Option<Result<(DnsResponse, Transport), Error>> {
        let shared = server.shared.as_ref()?;
        let is_mute = || lock(&server.mute_since).is_some_and(|since| since.elapsed() < SILENCE);
        if !is_mute() {
            lock(&server.budget).take().ok()?;
            let _permit = self.questions.acquire().await;
            let request = DnsRequest::from_query(query.clone(), self.options(server));
            match shared.ask(request, HEDGE).await.map_err(failure) {
                Ok(response) if response.truncation || is_edns_refusal(&response) => return None,
                Ok(response) => return Some(Ok((response, Transport::Udp))),
                Err(Error::Silent) => *lock(&server.mute_since) = Some(Instant::now()),
                Err(_) => return None,
            }
        }
        match self.tcp(address, server, query).await {
            Ok(response) if is_edns_refusal(&response) => None,
            Ok(response) => Some(Ok((response, Transport::Tcp))),
            Err(Error::Silent) => Some(Err(Error::Silent)),
            Err(_) => None,
        }
    }

    /// A server that knows no EDNS says so with an error (RFC 6891 section 7), and is asked once more without. What it answers
    /// then is remembered of it.
    async fn with_or_without_edns(
        &self,
        address: SocketAddr,
        server: &Server,
        query: &Query,
    ) -> Result<(DnsResponse, Transport), Error> {
        if server.without_edns.load(Ordering::Relaxed) {
            return self.by_any_way(address, server, query).await;
        }
        let (first, spare) = (self.by_any_way(address, server, query), self.spare(address, server, query));
        let (outcome, spare) = match select(std::pin::pin!(first), std::pin::pin!(spare)).await {
            // An answer that cannot be used came; only a refusal that hickory does not take looks like silence.
            Either::Left((Err(Error::Silent), spare)) => (Err(Error::Silent), spare.await),
            Either::Left((outcome, _)) => (outcome, None),
            Either::Right((spare, first)) => (first.await, spare),
        };
        match (outcome, spare) {
            (Ok((response, _)), _) if is_edns_refusal(&response) => {
                server.without_edns.store(true, Ordering::Relaxed);
                let again = self.by_any_way(address, server, query).await;
                let helped = again.as_ref().is_ok_and(|(response, _)| !is_edns_refusal(response));
                server.without_edns.store(helped, Ordering::Relaxed);
                again
            }
            (Err(_), Some(response)) => {
                server.without_edns.store(true, Ordering::Relaxed);
                Ok((response, Transport::Udp))
            }
            (outcome, _) => outcome,
        }
    }

    /// A refusal that does not repeat the question is not taken from a datagram, so that it looks like silence. Where nothing
    /// has come for a while a datagram without EDNS goes out; its answer counts only if nothing else comes.
    async fn spare(&self, address: SocketAddr, server: &Server, query: &Query) -> Option<DnsResponse> {
        tokio::time::sleep(HEDGE).await;
        lock(&server.budget).take().ok()?;
        let exchange = self.network.datagrams(address, UDP_TIMEOUT);
        let mut options = self.options(server);
        (options.use_edns, options.edns_set_dnssec_ok) = (false, false);
        let response = exchange.lookup(query.clone(), options).first_answer().await.ok()?;
        (!response.truncation && !is_edns_refusal(&response)).then_some(response)
    }

    /// Asks for the root's name servers by one transport alone; whatever it answers, it is reached.
    pub(crate) async fn only(&self, address: SocketAddr, transport: Transport) -> Result<Duration, Error> {
        let query = Query::query(Name::root(), RecordType::NS);
        let start = Instant::now();
        match transport {
            Transport::Udp => self.udp(address, &self.server(address), &query).await?,
            Transport::Tcp => self.tcp(address, &self.server(address), &query).await?,
        };
        Ok(start.elapsed())
    }

    fn server(&self, address: SocketAddr) -> Arc<Server> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if servers.len() >= MAX_SERVERS {
            servers.clear();
        }
        Arc::clone(servers.entry(address).or_insert_with(|| {
            let shared = if self.own.includes(address) { self.network.shared(address) } else { None };
            let per_second = if shared.is_some() { self.own.per_second.into() } else { UDP_PER_SECOND };
            Arc::new(Server {
                budget: Mutex::new(Budget::of(per_second)),
                shared,
                connection: tokio::sync::Mutex::default(),
                pipeline: Semaphore::new(PIPELINED),
                silent_since: Mutex::default(),
                mute_since: Mutex::default(),
                unanswered: AtomicBool::new(false),
                without_edns: AtomicBool::new(false),
            })
        }))
    }

    /// UDP while the budget lasts, TCP beside or instead of it; the first whole answer counts.
    async fn by_any_way(
        &self,
        address: SocketAddr,
        server: &Server,
        query: &Query,
    ) -> Result<(DnsResponse, Transport), Error> {
        loop {
            let spent = lock(&server.budget).take();
            let Err(wait) = spent else { break };
            match self.tcp(address, server, query).await {
                Ok(response) => return Ok((response, Transport::Tcp)),
                // Without TCP the budget is all there is.
                Err(_) => tokio::time::sleep(wait).await,
            }
        }
        let hedged = async {
            tokio::time::sleep(HEDGE).await;
            self.tcp(address, server, query).await
        };
        // Not held while waiting for one server's budget: others could not be asked meanwhile.
        let _permit = self.questions.acquire().await;
        let (udp, hedged) = (std::pin::pin!(self.udp(address, server, query)), std::pin::pin!(hedged));
        match select(udp, hedged).await {
            Either::Left((Ok(response), _)) if !response.truncation => Ok((response, Transport::Udp)),
            // Cut off, refused or garbled: no reason to wait for the hedge. Silence: the hedge is under way.
            Either::Left((Err(Error::Silent), hedged)) => Ok((hedged.await?, Transport::Tcp)),
            Either::Left((udp, _)) => match self.tcp(address, server, query).await {
                Ok(response) => Ok((response, Transport::Tcp)),
                Err(error) => Err(udp.err().unwrap_or(error)),
            },
            Either::Right((Ok(response), _)) => Ok((response, Transport::Tcp)),
            Either::Right((Err(_), udp)) => match udp.await? {
                response if response.truncation => {
                    Err(Error::Garbled("it is cut off over UDP, and TCP does not work".into()))
                }
                response => Ok((response, Transport::Udp)),
            },
        }
    }

    async fn udp(&self, address: SocketAddr, server: &Server, query: &Query) -> Result<DnsResponse, Error> {
        let options = self.options(server);
        let answer = match &server.shared {
            Some(shared) => shared.ask(DnsRequest::from_query(query.clone(), options), UDP_TIMEOUT).await,
            None => {
                let exchange = self.network.datagrams(address, UDP_TIMEOUT);
                exchange.lookup(query.clone(), options).first_answer().await
            }
        };
        answer.map_err(failure)
    }

    /// Over the connection that is kept, or a new one where the server has closed it.
    async fn tcp(&self, address: SocketAddr, server: &Server, query: &Query) -> Result<DnsResponse, Error> {
        let _slot = server.pipeline.acquire().await;
        let (exchange, kept) = self.connection(address, server).await?;
        let mut outcome = exchange.lookup(query.clone(), self.options(server)).first_answer().await;
        if kept && !matches!(outcome, Ok(_) | Err(NetError::Timeout)) {
            *server.connection.lock().await = None;
            let (exchange, _) = self.connection(address, server).await?;
            outcome = exchange.lookup(query.clone(), self.options(server)).first_answer().await;
        }
        if outcome.is_err() {
            *server.connection.lock().await = None;
        }
        let response = outcome.map_err(failure)?;
        // What a server cannot read it need not repeat (RFC 1035 section 4.1.1).
        if is_edns_refusal(&response) && response.queries.is_empty() {
            return Ok(response);
        }
        // On a connection hickory goes by the id alone.
        if response.queries != [query.clone()] {
            return Err(Error::Garbled("it answers another question".into()));
        }
        if response.truncation {
            return Err(Error::Garbled("it is cut off even over TCP".into()));
        }
        Ok(response)
    }

    async fn connection(&self, address: SocketAddr, server: &Server) -> Result<(Connection, bool), Error> {
        let mut connection = server.connection.lock().await;
        if let Some(kept) = connection.as_ref() {
            return Ok((kept.clone(), true));
        }
        let fresh = tokio::time::timeout(TCP_TIMEOUT, self.network.stream(address, TCP_TIMEOUT))
            .await
            .map_err(|_| Error::Silent)?
            .map_err(failure)?;
        *connection = Some(fresh.clone());
        Ok((fresh, false))
    }

    fn options(&self, server: &Server) -> DnsRequestOptions {
        let mut options = DnsRequestOptions::default();
        options.recursion_desired = false;
        options.use_edns = !server.without_edns.load(Ordering::Relaxed);
        options.edns_set_dnssec_ok = self.signatures && options.use_edns;
        options
    }
}

/// What servers say to a question with EDNS that they cannot read.
fn is_edns_refusal(response: &DnsResponse) -> bool {
    // hickory reads BADVERS as the error of TSIG that has the same number.
    let bad_version = u16::from(response.response_code) == u16::from(ResponseCode::BADVERS);
    bad_version || matches!(response.response_code, ResponseCode::FormErr | ResponseCode::NotImp)
}

fn failure(error: NetError) -> Error {
    match error {
        NetError::Timeout => Error::Silent,
        NetError::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Error::Silent,
        NetError::Io(error) => Error::Unreachable { source: cause(error) },
        NetError::NoConnections | NetError::Busy => Error::Closed,
        // Bounded: the text may repeat what a hostile server sent.
        other => Error::Garbled(other.to_string().chars().take(200).collect()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
