//! The observer over a network of a test's own: nothing else is asked.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    future::ready,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use dcv_core::{
    Answer, DomainName, LocateRequest, Location, Lookup, MethodSpec, Routing, Security, Target, VantageKind,
};
use dcv_observe::{Connection, Network, Observer, Settings, View};
use futures_util::{Stream, future::BoxFuture};
use hickory_net::{
    NetError,
    xfer::{DnsRequestSender, DnsResponseStream},
};
use hickory_proto::{
    op::{DnsRequest, DnsResponse, Message, OpCode},
    rr::{RData, Record, rdata::TXT},
};
use jiff::Timestamp;

/// Datagrams that were sent on the island where their number counts.
static DATAGRAMS: AtomicUsize = AtomicUsize::new(0);
const COUNTED: &str = "counted";

/// Every server answers with this text, or nobody answers.
#[derive(Clone, Copy, Debug)]
struct Island(Option<&'static str>);

impl Network for Island {
    fn datagrams(&self, _: SocketAddr, _: Duration) -> Connection {
        if self.0 == Some(COUNTED) {
            DATAGRAMS.fetch_add(1, Ordering::Relaxed);
        }
        let (connection, background) = Connection::from_stream(Line { island: *self, shut: false });
        tokio::spawn(background);
        connection
    }

    fn stream(
        &self,
        server: SocketAddr,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Connection, NetError>> {
        let silent = Self(self.0.filter(|text| *text != COUNTED).or(Some("by stream")));
        let connection = self.0.map(|_| silent.datagrams(server, timeout)).ok_or(NetError::Timeout);
        Box::pin(ready(connection))
    }
}

/// A connection to one of the servers.
struct Line {
    island: Island,
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
        let answer = self.island.0.ok_or(NetError::Timeout).and_then(|text| {
            let mut message = Message::response(request.id, OpCode::Query);
            message.metadata.authoritative = true;
            for query in &request.queries {
                message.add_query(query.clone());
                let text = RData::TXT(TXT::new(vec![text.to_owned()]));
                message.add_answer(Record::from_rdata(query.name().clone(), 60, text));
            }
            DnsResponse::from_message(message).map_err(NetError::from)
        });
        Box::pin(ready(answer)).into()
    }

    fn shutdown(&mut self) {
        self.shut = true;
    }

    fn is_shutdown(&self) -> bool {
        self.shut
    }
}

/// The operator serves one zone.
struct Zone(DomainName);

impl Routing for Zone {
    fn zone(&self, name: &DomainName) -> Option<&DomainName> {
        name.is_within(&self.0).then_some(&self.0)
    }

    fn shows_files(&self, _: &DomainName) -> bool {
        false
    }

    fn over_wildcards(&self) -> bool {
        false
    }
}

fn noon() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

/// Two configured servers, and no resolver at all.
fn observer(network: Island) -> Observer {
    let servers = ["192.0.2.1:53", "192.0.2.2:53"].map(|server| server.parse().unwrap());
    let settings = Settings {
        view: View { resolvers: Vec::new(), discovery: Vec::new() },
        authorities: [("example.com".parse().unwrap(), servers.to_vec())].into(),
        validate: false,
        ..Settings::default()
    };
    Observer::with_network(&settings, noon, Arc::new(network)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_server_is_asked_over_the_network_that_was_given() {
    let observer = observer(Island(Some("value")));
    let seen = observer.authorities(&"_dnsauth.example.com".parse().unwrap()).await;
    assert_eq!((seen.len(), observer.questions(), observer.blocked()), (2, 2, false));
    for sighting in seen {
        assert_eq!(sighting.answer, Answer::Txt(vec!["value".to_owned()]));
        assert_eq!((sighting.vantage.kind, sighting.at), (VantageKind::Authority, noon()));
        assert_eq!(sighting.security, Security::Unchecked);
    }
}

/// Servers of which no more is known than that they are there see at most five datagrams a second each, however much there is to
/// ask; the rest goes over a connection.
#[tokio::test(start_paused = true)]
async fn strangers_see_five_datagrams_a_second() {
    let observer = observer(Island(Some(COUNTED)));
    let start = tokio::time::Instant::now();
    for n in 0..200 {
        let seen = observer.authorities(&format!("_dnsauth.h{n}.example.com").parse().unwrap()).await;
        assert!(seen.iter().all(|sighting| matches!(sighting.answer, Answer::Txt(_))), "{seen:?}");
        tokio::time::advance(Duration::from_millis(20)).await;
    }
    let (seconds, sent) = (start.elapsed().as_secs_f64(), DATAGRAMS.load(Ordering::Relaxed));
    let most = 2.0 * (5.0 + 5.0 * seconds);
    assert!(sent >= 10 && sent as f64 <= most, "{sent} datagrams to two servers in {seconds} s");
}

/// Where nobody can be asked the configuration is believed, and a name that it does not serve has no answer.
#[tokio::test(start_paused = true)]
async fn where_nobody_answers_the_configuration_is_believed() {
    let observer = observer(Island(None));
    let lookup = Lookup::dnsauth("www.example.com".parse().unwrap());
    let failed = observer.authorities(&lookup.name().unwrap()).await;
    assert!(observer.blocked(), "{failed:?}");
    let spec = MethodSpec::txt();
    let request = LocateRequest { lookup: &lookup, spec: &spec, held: &[], cname_suffixes: &[] };
    let zone = Zone("example.com".parse().unwrap());
    let located = observer.locate(&[request], &zone).await.unwrap();
    let Some(Location::At(Target::Record(site))) = located.get(&lookup) else { panic!("{located:?}") };
    assert_eq!((site.owner().as_str(), site.zone().as_str()), ("_dnsauth.www.example.com", "example.com"));
    let error = observer.locate(&[request], &Zone("example.org".parse().unwrap())).await.unwrap_err();
    assert!(
        error.describe().ends_with("a name server of example.com.: no answer over UDP and TCP"),
        "{error:?}"
    );
}
