//! Name servers of our own are asked fast, over a few sockets; what is not an answer to what was asked there is none.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use dcv_core::{Answer, Artifact, DomainName, Guarded, Lookup, RandomValue, RecordData, Sighting, Wanted};
use dcv_observe::{Observer, Settings, View};
use hickory_proto::{
    op::{Message, OpCode, Query, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{SOA, TXT},
    },
};
use tokio::net::UdpSocket;

const VALUE: &str = "value";

/// A name server over UDP alone.
struct Server {
    address: SocketAddr,
    /// It has the value at every name.
    has_value: AtomicBool,
    serial: AtomicU32,
    /// From which addresses it was asked.
    from: Mutex<BTreeSet<SocketAddr>>,
    /// How often it was asked for each type.
    asked: Mutex<BTreeMap<RecordType, usize>>,
}

impl Server {
    /// Starts one, which sends all that `reply` makes of an answer; it ends with the test's runtime.
    async fn start(has_value: bool, reply: fn(Message) -> Vec<Vec<u8>>) -> Arc<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            address: socket.local_addr().unwrap(),
            has_value: AtomicBool::new(has_value),
            serial: AtomicU32::new(1),
            from: Mutex::default(),
            asked: Mutex::default(),
        });
        let serving = Arc::clone(&server);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                serving.from.lock().unwrap().insert(from);
                for datagram in reply(serving.answer(&buffer[..length])) {
                    let _ = socket.send_to(&datagram, from).await;
                }
            }
        });
        server
    }

    fn answer(&self, question: &[u8]) -> Message {
        let request = Message::from_vec(question).unwrap();
        let query = request.queries[0].clone();
        *self.asked.lock().unwrap().entry(query.query_type()).or_default() += 1;
        let mut message = Message::response(request.id, OpCode::Query);
        message.metadata.authoritative = true;
        let apex = Name::from_ascii("example.com.").unwrap();
        let serial = self.serial.load(Ordering::Relaxed);
        let soa = SOA::new(apex.clone(), apex.clone(), serial, 60, 60, 60, 60);
        let soa = Record::from_rdata(apex.clone(), 60, RData::SOA(soa));
        match query.query_type() {
            RecordType::SOA if *query.name() == apex => drop(message.add_answer(soa)),
            RecordType::TXT if self.has_value.load(Ordering::Relaxed) => {
                let text = RData::TXT(TXT::new(vec![VALUE.to_owned()]));
                message.add_answer(Record::from_rdata(query.name().clone(), 60, text));
            }
            _ => {
                message.metadata.response_code = ResponseCode::NXDomain;
                message.add_authority(soa);
            }
        }
        message.add_query(query);
        message
    }

    fn asked(&self, kind: RecordType) -> usize {
        self.asked.lock().unwrap().get(&kind).copied().unwrap_or_default()
    }
}

fn plainly(message: Message) -> Vec<Vec<u8>> {
    vec![message.to_vec().unwrap()]
}

fn observer(servers: &[SocketAddr]) -> Observer {
    let settings = Settings {
        view: View { resolvers: Vec::new(), discovery: Vec::new() },
        authorities: [("example.com".parse().unwrap(), servers.to_vec())].into(),
        validate: false,
        ..Settings::default()
    };
    Observer::new(&settings, noon).unwrap()
}

/// It is always noon: what was seen was seen a moment ago.
fn noon() -> jiff::Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn wanted(count: usize) -> Vec<Wanted> {
    let one = |n| {
        let lookup = Lookup::dnsauth(format!("h{n}.example.com").parse().unwrap());
        let site = Guarded::direct(&lookup, "example.com".parse().unwrap()).unwrap();
        let data = RecordData::Txt(RandomValue::new(VALUE).unwrap());
        Wanted { lookup, artifact: Artifact::Record { site, data } }
    };
    (0..count).map(one).collect()
}

fn shows(sighting: &Sighting) -> bool {
    sighting.answer == Answer::Txt(vec![VALUE.to_owned()])
}

/// Three hundred names, far more than the datagrams that a stranger would be sent: all over UDP, from four sockets.
#[tokio::test]
async fn many_names_are_asked_for_over_few_sockets() {
    let server = Server::start(true, plainly).await;
    let seen = observer(&[server.address]).look(&wanted(300), &BTreeMap::new()).await;
    assert_eq!(seen.len(), 300);
    assert!(seen.values().flatten().all(shows), "{seen:?}");
    assert!(server.from.lock().unwrap().len() <= 4, "{:?}", server.from);
}

/// What comes with another id, for another question, or is no answer at all, is passed over; the answer behind it counts.
#[tokio::test]
async fn what_answers_another_question_is_no_answer() {
    fn after_lies(message: Message) -> Vec<Vec<u8>> {
        let lie = |change: fn(&mut Message)| {
            let mut lie = message.clone();
            lie.answers.clear();
            change(&mut lie);
            lie.to_vec().unwrap()
        };
        vec![
            Vec::new(),
            vec![0xff; 3],
            lie(|lie| lie.metadata.id = lie.metadata.id.wrapping_add(1)),
            lie(|lie| {
                let other = Name::from_ascii("other.example.com.").unwrap();
                lie.queries = vec![Query::query(other, RecordType::TXT)];
            }),
            lie(|lie| lie.queries.clear()),
            lie(|lie| lie.metadata.message_type = hickory_proto::op::MessageType::Query),
            message.to_vec().unwrap(),
        ]
    }
    let server = Server::start(true, after_lies).await;
    let seen = observer(&[server.address]).look(&wanted(20), &BTreeMap::new()).await;
    assert!(seen.values().flatten().all(shows), "{seen:?}");
}

/// Where nobody listens that is said, not waited out.
#[tokio::test]
async fn a_port_where_nobody_listens_is_told() {
    let server = Server::start(true, plainly).await;
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let owner: DomainName = "_dnsauth.example.com".parse().unwrap();
    let seen = observer(&[server.address, closed]).authorities(&owner).await;
    let (good, bad): (Vec<_>, Vec<_>) = seen.iter().partition(|sighting| shows(sighting));
    assert_eq!((good.len(), bad.len()), (1, 1), "{seen:?}");
    let Answer::Failed(why) = &bad[0].answer else { panic!("{bad:?}") };
    assert!(why.detail.contains("refused"), "{why:?}");
}

/// While a secondary has the zone in which the names had nothing, one question for its serial stands for all of them; when it
/// has another one, the names are asked for again.
#[tokio::test]
async fn a_lagging_server_is_asked_for_its_serial_until_it_moves() {
    let (primary, secondary) = (Server::start(true, plainly).await, Server::start(false, plainly).await);
    primary.serial.store(2, Ordering::Relaxed);
    let observer = observer(&[primary.address, secondary.address]);
    let wanted = wanted(100);
    let mut seen = observer.look(&wanted, &BTreeMap::new()).await;
    let texts = secondary.asked(RecordType::TXT);
    assert_eq!(texts, 100);
    for _ in 0..3 {
        seen = observer.look(&wanted, &seen).await;
    }
    // The last four of a look are asked for themselves, since a serial would cost as much.
    let again = secondary.asked(RecordType::TXT) - texts;
    assert!(again <= 3 * 4, "{again} names are asked for while the zone is the same");
    let serials = secondary.asked(RecordType::SOA);
    assert!((1..=60).contains(&serials), "{serials} questions for the serial");
    assert_eq!(primary.asked(RecordType::TXT), 100, "what was shown is not asked for again");

    secondary.has_value.store(true, Ordering::Relaxed);
    secondary.serial.store(2, Ordering::Relaxed);
    // A serial is believed for some milliseconds.
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    while !seen.values().flatten().all(shows) {
        assert!(tokio::time::Instant::now() < end, "{seen:?}");
        seen = observer.look(&wanted, &seen).await;
    }
    assert!(secondary.asked(RecordType::TXT) >= 200);
}

/// Zones whose serials say nothing, the same everywhere: names are asked for at each look.
#[tokio::test]
async fn a_serial_that_does_not_move_is_no_reason_to_wait() {
    let (primary, secondary) = (Server::start(true, plainly).await, Server::start(false, plainly).await);
    let observer = observer(&[primary.address, secondary.address]);
    let wanted = wanted(100);
    let mut seen = observer.look(&wanted, &BTreeMap::new()).await;
    secondary.has_value.store(true, Ordering::Relaxed);
    seen = observer.look(&wanted, &seen).await;
    assert!(seen.values().flatten().all(shows), "{seen:?}");
}
