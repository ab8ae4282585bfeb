//! Which addresses lead anywhere from here.

use std::net::IpAddr;

/// The address families that lead anywhere from here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Families {
    ipv4: bool,
    ipv6: bool,
}

impl Families {
    /// Connecting a UDP socket sends nothing; it fails without a route. The addresses are for documentation.
    pub(super) fn of_this_host() -> Self {
        let reaches = |bind: &str, to: &str| {
            std::net::UdpSocket::bind(bind).is_ok_and(|socket| socket.connect(to).is_ok())
        };
        Self { ipv4: reaches("0.0.0.0:0", "192.0.2.1:53"), ipv6: reaches("[::]:0", "[2001:db8::1]:53") }
    }

    pub(super) fn reach(self, ip: IpAddr) -> bool {
        ip.is_loopback() || if ip.is_ipv6() { self.ipv6 } else { self.ipv4 }
    }
}
