//! Whoever reaches the pages can neither fill them nor have a browser read them.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use dcv_sandbox::ca::OrderSpec;

use super::support::{Agent, Bind, Daemon, eventually, scene::Scene, web};

/// The status and the body of an answer; nothing where there is none in time.
pub(crate) fn ask(address: SocketAddr, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn get(address: SocketAddr, path: &str) -> Option<u16> {
    Some(ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"))?.0)
}

/// A daemon with its pages at this address, once it is ready.
pub(crate) fn listening(agent: &Agent, address: SocketAddr, more: &str) -> Daemon {
    agent.edit("listen = \"\"", &format!("listen = \"{address}\"\n{more}"));
    let daemon = agent.daemon();
    eventually("the agent is ready", Duration::from_secs(20), || get(address, "/readyz") == Some(200));
    daemon
}

/// As many file descriptors as were the usual limit are asked for by connections that never finish their request.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_slow_connections_keep_nothing_from_being_done() {
    let scene =
        Scene::new(Bind::start(&["h1.dcv.test".to_owned(), "h2.dcv.test".to_owned()], "", false)).await;
    let first = scene.ca.place(OrderSpec::dv(["h1.dcv.test"]));
    scene.configure(&[first], "discover = { every_seconds = 5 }");
    let address = web::address();
    let daemon = listening(&scene.agent, address, "");
    let mut slow = Vec::new();
    for _ in 0..1000 {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(b"GET /status HTTP/1.1\r\nHost: ");
        slow.push(stream);
        // One's own limit of descriptors may be as low; those of the server are the point, and the last ones are open there.
        if slow.len() > 500 {
            drop(slow.remove(0));
        }
    }
    assert_eq!(get(address, "/healthz"), Some(200));
    assert!(daemon.descriptors() < 200, "{} descriptors", daemon.descriptors());
    let second = scene.ca.place(OrderSpec::dv(["h2.dcv.test"]));
    eventually("both orders are issued", Duration::from_secs(60), || {
        assert_eq!(get(address, "/healthz"), Some(200));
        scene.issued(first) && scene.issued(second)
    });
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_foreign_host_is_refused() {
    let agent = Agent::new();
    agent.configure("http://127.0.0.1:1/services/v2", &["127.0.0.1:1".parse().unwrap()], "1", "");
    let address = web::address();
    let _daemon = listening(&agent, address, "hosts = [\"status.example.com\"]");
    let port = address.port();
    let host = |host: &str| ask(address, &format!("GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
    for own in [address.to_string(), format!("localhost:{port}"), "status.example.com".to_owned()] {
        assert_eq!(host(&own).0, 200, "{own}");
    }
    for foreign in ["evil.example".to_owned(), format!("evil.example:{port}"), format!("192.0.2.1:{port}")] {
        let (status, body) = host(&foreign);
        assert_eq!(status, 403, "{foreign}");
        assert!(body.contains("agent.hosts"), "{body}");
    }
    assert_eq!(ask(address, "GET /healthz HTTP/1.0\r\n\r\n").unwrap().0, 200);
}
