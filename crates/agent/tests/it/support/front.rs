//! What stands between the agent and a server of the tests: a way whose end may come later, and one that can be held.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hickory_proto::{
    op::{Message, OpCode},
    rr::DNSClass,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::watch,
    task::JoinSet,
};

/// An address that leads to another one, which may be told later: the system chooses both ports.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    to: watch::Sender<Option<SocketAddr>>,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (to, end) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(end) = *end.borrow() else { continue };
                tokio::spawn(async move {
                    if let Ok(mut onward) = TcpStream::connect(end).await {
                        let _ = copy_bidirectional(&mut stream, &mut onward).await;
                    }
                });
            }
        });
        Self { address, to, _tasks: tasks }
    }

    /// Where connections lead from now on.
    pub(crate) fn lead_to(&self, end: SocketAddr) {
        self.to.send_replace(Some(end));
    }
}

/// Stands before a name server and passes everything on, but removals only while they are not held.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    held: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Front {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let (udp, tcp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (Arc::new(udp), tcp);
            }
        };
        let address = tcp.local_addr().unwrap();
        let (held, gate) = watch::channel(false);
        let way = Way { server, gate, waiting: Arc::default() };
        let waiting = Arc::clone(&way.waiting);
        let mut tasks = JoinSet::new();
        tasks.spawn(way.clone().datagrams(udp));
        tasks.spawn(way.connections(tcp));
        Self { address, held, waiting, _tasks: tasks }
    }

    /// Removals wait from now on.
    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    /// What waits goes on, and what comes.
    pub(crate) fn let_go(&self) {
        self.held.send_replace(false);
    }

    /// How many removals have had to wait.
    pub(crate) fn waited(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Way {
    server: SocketAddr,
    gate: watch::Receiver<bool>,
    waiting: Arc<AtomicUsize>,
}

impl Way {
    async fn datagrams(self, socket: Arc<UdpSocket>) {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let (mut way, socket, message) = (self.clone(), Arc::clone(&socket), buffer[..length].to_vec());
            tokio::spawn(async move {
                way.pass(&message).await;
                let onward = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                onward.connect(way.server).await.unwrap();
                onward.send(&message).await.unwrap();
                let mut answer = vec![0; 65_535];
                let answered = tokio::time::timeout(Duration::from_secs(5), onward.recv(&mut answer)).await;
                if let Ok(Ok(length)) = answered {
                    let _ = socket.send_to(&answer[..length], from).await;
                }
            });
        }
    }

    async fn connections(self, listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut way = self.clone();
            tokio::spawn(async move {
                while let Some(message) = read(&mut stream).await {
                    way.pass(&message).await;
                    let Ok(mut onward) = TcpStream::connect(way.server).await else { return };
                    write(&mut onward, &message).await;
                    let Some(answer) = read(&mut onward).await else { return };
                    write(&mut stream, &answer).await;
                }
            });
        }
    }

    async fn pass(&mut self, message: &[u8]) {
        if *self.gate.borrow() && removes(message) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let _ = self.gate.wait_for(|held| !held).await;
        }
    }
}

/// Whether it is an update that takes records away one by one (RFC 2136 section 2.5.4).
fn removes(message: &[u8]) -> bool {
    Message::from_vec(message).is_ok_and(|message| {
        let gone = message.authorities.iter().any(|record| record.dns_class == DNSClass::NONE);
        message.metadata.op_code == OpCode::Update && gone
    })
}

/// A message over TCP has its length before it (RFC 1035 section 4.2.2).
async fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

async fn write(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    let _ = stream.write_all(&[&length, message].concat()).await;
}
