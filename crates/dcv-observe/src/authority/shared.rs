//! Many questions to one server over a few sockets that are kept.
//!
//! A socket for each question has a random port for each, which keeps answers of strangers out; it also costs four system
//! calls and a buffer. Servers of our own are asked over sockets that are shared: an answer counts only when it comes from the
//! server's address and port, to the socket that asked, with the id and the question of what was asked there.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hickory_net::NetError;
use hickory_proto::op::{DnsRequest, DnsResponse, Message, MessageType, Query};
use tokio::{net::UdpSocket, sync::oneshot, task::AbortHandle};

/// Sockets to one server.
const SOCKETS: usize = 4;
/// A datagram may get lost, and the question goes out again after this long.
const RESEND: Duration = Duration::from_millis(333);
/// More than any answer that we ask for (RFC 6891 section 6.2.5).
const LONGEST_ANSWER: usize = 4096;

/// The sockets to one server, opened as they are needed and closed with it.
#[derive(Debug)]
pub struct SharedSockets {
    server: SocketAddr,
    sockets: [Mutex<Option<Arc<Socket>>>; SOCKETS],
    turn: AtomicUsize,
}

/// Questions that wait for their answers, by id.
type Waiting = Arc<Mutex<HashMap<u16, (Query, oneshot::Sender<Result<DnsResponse, NetError>>)>>>;

#[derive(Debug)]
struct Socket {
    socket: Arc<UdpSocket>,
    waiting: Waiting,
    listening: AbortHandle,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl SharedSockets {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(server: SocketAddr) -> Self {
        Self { server, sockets: Default::default(), turn: AtomicUsize::new(0) }
    }

    /// Asks, again where nothing comes, until an answer comes or the time is over.
    ///
    /// # Errors
    /// When there is no answer in time, or the host says that there will be none.
    pub(super) async fn ask(&self, request: DnsRequest, timeout: Duration) -> Result<DnsResponse, NetError> {
        let socket = self.socket().await?;
        let (mut message, _) = request.into_parts();
        let query = message.queries.first().cloned().ok_or(NetError::Busy)?;
        let (answer, mut answered) = oneshot::channel();
        let asked = Asked::new(&socket.waiting, query, answer)?;
        message.metadata.id = asked.id;
        let octets = message.to_vec()?;
        let resending = async {
            loop {
                socket.socket.send(&octets).await?;
                if let Ok(answer) = tokio::time::timeout(RESEND, &mut answered).await {
                    return answer.unwrap_or(Err(NetError::Timeout));
                }
            }
        };
        tokio::time::timeout(timeout, resending).await.unwrap_or(Err(NetError::Timeout))
    }

    async fn socket(&self) -> Result<Arc<Socket>, NetError> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % SOCKETS;
        let Some(place) = self.sockets.get(turn) else { return Err(NetError::Busy) };
        let kept = || {
            let place = place.lock().unwrap_or_else(PoisonError::into_inner);
            place.as_ref().filter(|socket| !socket.listening.is_finished()).map(Arc::clone)
        };
        if let Some(socket) = kept() {
            return Ok(socket);
        }
        let opened = Arc::new(Socket::open(self.server).await?);
        // Another one may have opened one meanwhile; either will do.
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

impl Socket {
    async fn open(server: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        // The host takes a port at random. Connected, the socket hears that server alone.
        let socket = Arc::new(UdpSocket::bind(any).await?);
        socket.connect(server).await?;
        let waiting = Waiting::default();
        let listening = tokio::spawn(listen(Arc::clone(&socket), Arc::clone(&waiting))).abort_handle();
        Ok(Self { socket, waiting, listening })
    }
}

/// Brings answers to those who wait for them.
async fn listen(socket: Arc<UdpSocket>, waiting: Waiting) {
    let mut octets = vec![0; LONGEST_ANSWER];
    loop {
        match socket.recv(&mut octets).await {
            Ok(length) => {
                let octets = octets.get(..length).unwrap_or_default().to_vec();
                // What cannot be read answers nothing that was asked; neither does what answers another question.
                let Ok(response) = DnsResponse::from_buffer(octets) else { continue };
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let id = response.metadata.id;
                let answers = |(query, _): &(Query, _)| response.queries == std::slice::from_ref(query);
                if response.metadata.message_type == MessageType::Response
                    && waiting.get(&id).is_some_and(answers)
                    && let Some((_, answer)) = waiting.remove(&id)
                {
                    let _ = answer.send(Ok(response));
                }
            }
            // The host says that nobody listens there: that is so for all.
            Err(error) => {
                let all = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
                for (_, answer) in all.into_values() {
                    let _ = answer.send(Err(io::Error::from(error.kind()).into()));
                }
                // Told of one datagram, and then forgotten; of anything else nobody knows when it ends.
                let of_one =
                    [ErrorKind::ConnectionRefused, ErrorKind::HostUnreachable, ErrorKind::NetworkUnreachable];
                if !of_one.contains(&error.kind()) {
                    return;
                }
            }
        }
    }
}

/// A place among those that wait; gone with whoever has it.
struct Asked<'a> {
    waiting: &'a Waiting,
    id: u16,
}

impl<'a> Asked<'a> {
    fn new(
        waiting: &'a Waiting,
        query: Query,
        answer: oneshot::Sender<Result<DnsResponse, NetError>>,
    ) -> Result<Self, NetError> {
        let mut places = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Random ones, as hickory makes them; far fewer wait than there are.
        let mut ids = (0..16).map(|_| Message::query().metadata.id);
        let id = ids.find(|id| !places.contains_key(id)).ok_or(NetError::Busy)?;
        places.insert(id, (query, answer));
        Ok(Self { waiting, id })
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
