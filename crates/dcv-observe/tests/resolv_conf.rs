//! The host's own resolvers, while the file that names them changes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    future::ready,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use dcv_observe::{Connection, Endpoint, Network, Observer, Resolver, Settings, View};
use futures_util::{Stream, future::BoxFuture};
use hickory_net::{
    NetError,
    xfer::{DnsRequestSender, DnsResponseStream},
};
use hickory_proto::{
    op::{DnsRequest, DnsResponse, Message, OpCode},
    rr::{Name, RData, Record, rdata::NS},
};

/// Everybody answers, and it is written down who was asked.
#[derive(Clone, Debug, Default)]
struct Everybody(Arc<Mutex<Vec<SocketAddr>>>);

impl Network for Everybody {
    fn datagrams(&self, server: SocketAddr, _: Duration) -> Connection {
        self.0.lock().unwrap().push(server);
        let (connection, background) = Connection::from_stream(Line { shut: false });
        tokio::spawn(background);
        connection
    }

    fn stream(
        &self,
        server: SocketAddr,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Connection, NetError>> {
        Box::pin(ready(Ok(self.datagrams(server, timeout))))
    }
}

struct Line {
    shut: bool,
}

impl Stream for Line {
    type Item = Result<(), NetError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready((!self.shut).then_some(Ok(())))
    }
}

impl DnsRequestSender for Line {
    fn send_message(&mut self, request: DnsRequest) -> DnsResponseStream {
        let mut message = Message::response(request.id, OpCode::Query);
        message.add_query(request.queries[0].clone());
        let server = RData::NS(NS(Name::from_ascii("ns.example.").unwrap()));
        message.add_answer(Record::from_rdata(request.queries[0].name().clone(), 60, server));
        Box::pin(ready(DnsResponse::from_message(message).map_err(NetError::from))).into()
    }

    fn shutdown(&mut self) {
        self.shut = true;
    }

    fn is_shutdown(&self) -> bool {
        self.shut
    }
}

/// A file that names nobody yet is no reason not to start; one that has changed is read anew, and the interface of a
/// link-local server is kept.
#[tokio::test]
async fn the_hosts_resolvers_are_those_of_the_moment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    let host = || vec![Resolver { endpoints: vec![Endpoint::System] }];
    let settings = Settings {
        view: View { resolvers: host(), discovery: host() },
        resolv_conf: file.clone(),
        ..Settings::default()
    };
    let network = Everybody::default();
    let asked = Arc::clone(&network.0);
    let now = || jiff::Timestamp::UNIX_EPOCH;
    let observer = Observer::with_network(&settings, now, Arc::new(network)).unwrap();
    let ask = async || observer.try_resolvers().await.remove(0).1;
    let why = ask().await.unwrap_err().describe();
    assert!(why.starts_with("verify.resolvers: \"system\" cannot be used: "), "{why}");
    for (text, server) in [
        ("# from DHCP\n", None),
        ("nameserver 192.0.2.7\n", Some("192.0.2.7:53")),
        ("nameserver 192.0.2.8\n", Some("192.0.2.8:53")),
        ("", None),
        ("nameserver fe80::1%lo\n", Some("[fe80::1%1]:53")),
    ] {
        std::fs::write(&file, text).unwrap();
        asked.lock().unwrap().clear();
        assert_eq!(ask().await.is_ok(), server.is_some(), "{text:?}");
        let asked: Vec<_> = asked.lock().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(asked.first().map(String::as_str), server, "{text:?}");
    }
}
