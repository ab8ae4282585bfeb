//! UDP and TCP on one port.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, UdpSocket};

/// How often another port is tried when the UDP twin of a free TCP port is taken.
const TRIES: usize = 32;

/// Binds both protocols to the same port; port 0 is one that the system chooses.
pub(super) async fn same_port(wanted: SocketAddr) -> io::Result<(UdpSocket, TcpListener, SocketAddr)> {
    let mut last = None;
    for _ in 0..TRIES {
        let tcp = TcpListener::bind(wanted).await?;
        let address = tcp.local_addr()?;
        match UdpSocket::bind(address).await {
            Ok(udp) => return Ok((udp, tcp, address)),
            Err(error) if wanted.port() == 0 && error.kind() == io::ErrorKind::AddrInUse => {
                last = Some(error)
            }
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}
