//! Connections that can be cut.
//!
//! An HTTP handler can only answer; it cannot hang up. So each accepted stream carries a token that its handlers
//! can reach, and reading or writing fails once the token is cancelled: the server then drops the connection
//! without having sent a byte. The same mechanism ends stubborn connections at shutdown.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Connections served at once; the rest wait in the system's queue.
const MAX_CONNECTIONS: usize = 1024;

/// Accepts connections until the server stops.
pub(super) struct Door {
    listener: TcpListener,
    cut_all: CancellationToken,
    room: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(listener: TcpListener, cut_all: CancellationToken) -> Self {
        Self { listener, cut_all, room: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
    }
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        /// Pause after a failed accept, which is mostly a lack of file descriptors.
        const PAUSE: Duration = Duration::from_millis(100);

        // The semaphore is never closed, so there is a permit sooner or later.
        let permit = Arc::clone(&self.room).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    return (Connection::new(stream, self.cut_all.child_token(), permit), peer);
                }
                Err(error) => {
                    tracing::debug!(%error, "accepting a connection failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A TCP stream that fails once it is cut.
pub(super) struct Connection {
    stream: TcpStream,
    cut: CancellationToken,
    is_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(stream: TcpStream, cut: CancellationToken, permit: Option<OwnedSemaphorePermit>) -> Self {
        let is_cut = Box::pin(cut.clone().cancelled_owned());
        Self { stream, cut, is_cut, _permit: permit }
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // Polled before every read and write, so that a waiting connection is woken by the cut.
        if self.cut.is_cancelled() || self.is_cut.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A handler's means to end the connection it answers on.
#[derive(Clone, Debug)]
pub(super) struct Cut(pub(super) CancellationToken);

impl Connected<IncomingStream<'_, Door>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(stream.io().cut.clone())
    }
}
