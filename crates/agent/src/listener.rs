//! The front of a web server that strangers may speak to: every resource that they can hold is bounded by [`Limits`].
//!
//! One request is answered per connection. Where there is no place left, the connection that has taken the longest to send
//! its request gives way, so that whoever says nothing keeps nobody out.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    error::Error,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// After a failed accept: long enough not to spin while file descriptors are short, short enough for a fetch's
/// connection to be taken up before its time-out of two seconds.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What strangers can hold at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections of all.
    pub(crate) connections: usize,
    /// Connections of one address; a network of IPv6 that one host may have to itself (/64) counts as one.
    pub(crate) of_address: usize,
    /// Octets of a request's head.
    pub(crate) head: usize,
    /// Header lines of a request's head.
    pub(crate) headers: usize,
    /// How long a request's head may take to arrive.
    pub(crate) head_time: Duration,
    /// How long a connection may last.
    pub(crate) life: Duration,
}

/// Where connections come from; in tests also one that fails.
pub(crate) trait Door: Send + Sync + 'static {
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Door for TcpListener {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }
}

/// Answers requests until `stop`. `what` is what is asked for here, for the log.
pub(crate) async fn serve<A, F, B>(
    door: impl Door,
    limits: Limits,
    stop: CancellationToken,
    what: &'static str,
    answer: A,
) where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    let places = Places::default();
    let mut failing = false;
    while let Some(accepted) = stop.run_until_cancelled(door.accept()).await {
        let failed_before = std::mem::replace(&mut failing, accepted.is_err());
        match accepted {
            Ok((stream, peer)) => match places.take(peer.ip(), &limits) {
                Some(place) => {
                    let conversation = converse(stream, peer, place, limits, stop.clone(), answer.clone());
                    tokio::spawn(conversation);
                }
                // Closed rather than queued: a queue without bound is what a flood is after.
                None => debug!(%peer, "refused: as many connections as may be are open"),
            },
            // These took their connection off the queue, so that the next accept is another's.
            Err(error) if of_one_connection(&error) => debug!(%error, "a connection was not accepted"),
            Err(error) => {
                if !failed_before {
                    warn!(%error, "no connection can be accepted for {what}; trying on");
                }
                stop.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
            }
        }
    }
}

async fn converse<A, F, B>(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    limits: Limits,
    stop: CancellationToken,
    answer: A,
) where
    A: Fn(Request<Incoming>, SocketAddr) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        place.keep();
        let answered = answer(request, peer);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head)
        .max_headers(limits.headers)
        // A connection that ends with its answer needs no rule for how long it may idle.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let conversation = async {
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    let bounded = tokio::time::timeout(limits.life, conversation);
    match place.lost.run_until_cancelled(bounded).await {
        Some(Ok(Ok(()))) => {}
        Some(Ok(Err(error))) => debug!(%peer, %error, "a connection broke off"),
        Some(Err(_)) => debug!(%peer, "a connection was cut: it took too long"),
        None => debug!(%peer, "a connection gave way to a newer one: its request had not come yet"),
    }
}

fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The connections that are open, the oldest first.
#[derive(Clone, Debug, Default)]
struct Places(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    address: IpAddr,
    /// Its request has come; it keeps its place until it is answered.
    keeps: bool,
    lost: CancellationToken,
}

impl Places {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, or none where all are of those whose request has come.
    fn take(&self, peer: IpAddr, limits: &Limits) -> Option<Place> {
        let address = network(peer);
        let mut open = self.open();
        let of_address = open.connections.values().filter(|other| other.address == address).count();
        if of_address >= limits.of_address {
            open.oust(|other| other.address == address)?;
        }
        if open.connections.len() >= limits.connections {
            open.oust(|_| true)?;
        }
        let (id, lost) = (open.next, CancellationToken::new());
        open.next += 1;
        open.connections.insert(id, Connection { address, keeps: false, lost: lost.clone() });
        drop(open);
        Some(Place { id, lost, places: self.clone() })
    }
}

impl Open {
    /// Has the oldest of these give way, whose request has not come.
    fn oust(&mut self, of: impl Fn(&Connection) -> bool) -> Option<()> {
        let mut oldest = self.connections.iter().filter(|(_, other)| !other.keeps && of(other));
        let id = *oldest.next()?.0;
        self.connections.remove(&id)?.lost.cancel();
        Some(())
    }
}

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
struct Place {
    id: u64,
    lost: CancellationToken,
    places: Places,
}

impl Place {
    fn keep(&self) {
        if let Some(connection) = self.places.open().connections.get_mut(&self.id) {
            connection.keeps = true;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.open().connections.remove(&self.id);
    }
}

/// Who counts as one: an address of IPv4, or the network of IPv6 that one host may choose its addresses from.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        connections: 4,
        of_address: 2,
        head: 1024,
        headers: 8,
        head_time: Duration::from_secs(5),
        life: Duration::from_secs(10),
    };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_displaces_only_its_own() {
        let places = Places::default();
        let [one, other] = [ip("192.0.2.1"), ip("192.0.2.2")];
        let first = places.take(one, &LIMITS).unwrap();
        let theirs = places.take(other, &LIMITS).unwrap();
        let second = places.take(one, &LIMITS).unwrap();
        let third = places.take(one, &LIMITS).unwrap();
        assert!(first.lost.is_cancelled() && !theirs.lost.is_cancelled() && !second.lost.is_cancelled());
        // Those whose request has come keep their places, and nobody is left to give way.
        second.keep();
        third.keep();
        assert!(places.take(one, &LIMITS).is_none());
        drop(second);
        assert!(places.take(one, &LIMITS).is_some());
    }

    #[test]
    fn the_oldest_gives_way_when_all_places_are_taken() {
        let places = Places::default();
        let held: Vec<_> =
            (1..=4).map(|n| places.take(ip(&format!("192.0.2.{n}")), &LIMITS).unwrap()).collect();
        held[0].keep();
        let new = places.take(ip("192.0.2.5"), &LIMITS).unwrap();
        let lost: Vec<_> = held.iter().map(|place| place.lost.is_cancelled()).collect();
        assert_eq!(lost, [false, true, false, false]);
        drop((held, new));
        assert_eq!(places.open().connections.len(), 0);
    }

    #[test]
    fn a_network_of_one_host_counts_as_one() {
        assert_eq!(network(ip("2001:db8::1")), network(ip("2001:db8::ffff:1")));
        assert_ne!(network(ip("2001:db8::1")), network(ip("2001:db8:0:1::1")));
        assert_eq!(network(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }
}
