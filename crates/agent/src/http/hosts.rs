//! Which hosts the pages may be asked for by. A page in a browser can have any name lead to this machine and then read what
//! is answered (DNS rebinding); but the name is in its requests.

use std::net::{IpAddr, SocketAddr};

use axum::http::{Request, header::HOST, uri::Authority};

/// The hosts that are meant.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    address: SocketAddr,
    named: Vec<String>,
}

impl Hosts {
    /// Those of a listener at this address, and others by name.
    pub(super) fn new(address: SocketAddr, named: &[String]) -> Self {
        Self { address, named: named.to_vec() }
    }

    /// Whether a request is for one of them. One without a host is: no browser sends it.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> bool {
        if let Some(authority) = request.uri().authority() {
            return self.admit_authority(authority);
        }
        let mut hosts = request.headers().get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (None, _) => true,
            (Some(host), None) => {
                Authority::try_from(host.as_bytes()).is_ok_and(|host| self.admit_authority(&host))
            }
            (Some(_), Some(_)) => false,
        }
    }

    fn admit_authority(&self, authority: &Authority) -> bool {
        let host = authority.host();
        if self
            .named
            .iter()
            .any(|name| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(authority.as_str()))
        {
            return true;
        }
        let everywhere = self.address.ip().is_unspecified();
        // Behind a port that a container's host passes on, the other port is asked for.
        let port_is_ours = everywhere || authority.port_u16().unwrap_or(80) == self.address.port();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let host_is_ours = match literal {
            // Addresses cannot be made to lead elsewhere, and which ones a machine has is not ours to know.
            Ok(ip) => everywhere || ip.to_canonical() == self.address.ip().to_canonical(),
            Err(_) => {
                host.eq_ignore_ascii_case("localhost") && (everywhere || self.address.ip().is_loopback())
            }
        };
        port_is_ours && host_is_ours
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn admits(address: &str, named: &[&str], hosts: &[&str]) -> bool {
        let named: Vec<_> = named.iter().map(|&name| name.to_owned()).collect();
        let mut request = Request::get("/status");
        for host in hosts {
            request = request.header(HOST, *host);
        }
        Hosts::new(address.parse().unwrap(), &named).admit(&request.body(()).unwrap())
    }

    #[test]
    fn only_the_configured_address_and_names_are_admitted() {
        let local = "127.0.0.1:9780";
        for host in ["127.0.0.1:9780", "localhost:9780", "LocalHost:9780"] {
            assert!(admits(local, &[], &[host]), "{host}");
        }
        for host in [
            "evil.example:9780",
            "evil.example",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost:81",
            "192.0.2.1:9780",
            "localhost.evil.example:9780",
            "127.0.0.1.evil.example:9780",
            "",
            "a b",
        ] {
            assert!(!admits(local, &[], &[host]), "{host}");
        }
        assert!(admits(local, &[], &[]), "HTTP/1.0 without a host");
        assert!(!admits(local, &[], &["localhost:9780", "evil.example"]), "nobody can say which is meant");
        let named = ["status.example.com", "agent:8080"];
        for host in ["status.example.com", "Status.Example.com:443", "agent:8080"] {
            assert!(admits(local, &named, &[host]), "{host}");
        }
        assert!(!admits(local, &named, &["agent:8081"]));
        assert!(admits("[::1]:9780", &[], &["[::1]:9780"]));
        assert!(!admits("192.0.2.1:9780", &[], &["localhost:9780"]));
    }

    /// As a kubelet and a container's host ask: by whatever address leads there.
    #[test]
    fn a_listener_at_every_address_is_asked_for_by_address_not_by_name() {
        for host in ["10.1.2.3:9780", "localhost:32768", "[2001:db8::1]:9780"] {
            assert!(admits("0.0.0.0:9780", &[], &[host]), "{host}");
        }
        assert!(!admits("0.0.0.0:9780", &[], &["evil.example:9780"]));
    }
}
