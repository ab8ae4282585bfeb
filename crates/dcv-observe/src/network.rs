//! The way to DNS servers. Everything else in this crate is the same whoever stands at the other end.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use hickory_net::{
    NetError, runtime::TokioRuntimeProvider, tcp::TcpClientStream, udp::UdpClientStream, xfer::DnsExchange,
};
use hickory_resolver::{
    ConnectionProvider, PoolContext,
    config::{ConnectionConfig, ProtocolConfig},
};

use crate::authority::{shared::SharedSockets, system::Scopes};

/// Takes questions to one server and brings its answers back.
pub type Connection = DnsExchange<TokioRuntimeProvider>;

/// Reaches DNS servers. Tests bring a network of their own.
pub trait Network: fmt::Debug + Send + Sync {
    /// Questions go as datagrams; one that is not answered in time has failed.
    fn datagrams(&self, server: SocketAddr, timeout: Duration) -> Connection;

    /// Sockets that many questions to this server share, where there is such a thing.
    fn shared(&self, server: SocketAddr) -> Option<Arc<SharedSockets>> {
        let _ = server;
        None
    }

    /// Questions go over one stream; the time is that for connecting, and for each answer.
    fn stream(
        &self,
        server: SocketAddr,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Connection, NetError>>;
}

/// The sockets of this host.
#[derive(Clone, Default)]
pub struct Sockets {
    /// Drives the connections; dropping it would end them.
    runtime: TokioRuntimeProvider,
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sockets")
    }
}

impl Network for Sockets {
    fn datagrams(&self, server: SocketAddr, timeout: Duration) -> Connection {
        // A socket of its own gives each question a random port; hickory compares source, id and question.
        UdpClientStream::builder(server, self.runtime.clone()).with_timeout(Some(timeout)).exchange()
    }

    fn shared(&self, server: SocketAddr) -> Option<Arc<SharedSockets>> {
        Some(Arc::new(SharedSockets::new(server)))
    }

    fn stream(
        &self,
        server: SocketAddr,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Connection, NetError>> {
        Box::pin(TcpClientStream::exchange(server, None, timeout, None, self.runtime.clone()))
    }
}

/// Lets hickory's resolver use a [`Network`]. TLS has no other network than the host's.
#[derive(Clone)]
pub(crate) struct Wire {
    network: Arc<dyn Network>,
    /// Over which interface a link-local server is asked.
    scopes: Arc<Scopes>,
    runtime: TokioRuntimeProvider,
}

impl Wire {
    pub(crate) fn new(network: Arc<dyn Network>, scopes: Scopes) -> Self {
        Self { network, scopes: Arc::new(scopes), runtime: TokioRuntimeProvider::default() }
    }
}

impl ConnectionProvider for Wire {
    type Conn = Connection;
    type FutureConn = BoxFuture<'static, Result<Connection, NetError>>;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(
        &self,
        ip: IpAddr,
        config: &ConnectionConfig,
        context: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        let timeout = context.options.timeout;
        let server = match ip {
            IpAddr::V4(_) => SocketAddr::new(ip, config.port),
            IpAddr::V6(v6) => {
                let scope = self.scopes.get(&v6).copied().unwrap_or(0);
                SocketAddrV6::new(v6, config.port, 0, scope).into()
            }
        };
        let network = Arc::clone(&self.network);
        match config.protocol {
            ProtocolConfig::Udp => Ok(Box::pin(async move { Ok(network.datagrams(server, timeout)) })),
            ProtocolConfig::Tcp => Ok(network.stream(server, timeout)),
            _ => self.runtime.new_connection(ip, config, context),
        }
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.runtime
    }
}
