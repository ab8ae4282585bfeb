//! Name servers that know no EDNS (RFC 6891 section 7): real sockets, each refusing in another way.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;

use dcv_core::{Answer, DomainName, Lookup, MethodSpec};
use dcv_observe::{Observer, Settings, View};
use hickory_proto::{
    op::{Edns, Message, OpCode, ResponseCode},
    rr::{RData, Record, rdata::TXT},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};

/// How a server refuses EDNS.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    code: ResponseCode,
    /// It repeats the question.
    with_question: bool,
    /// It takes connections.
    tcp: bool,
}

/// Answers what carries no EDNS.
fn answer(bytes: &[u8], refusal: Refusal) -> Vec<u8> {
    let request = Message::from_vec(bytes).unwrap();
    let mut message = Message::response(request.id, OpCode::Query);
    if request.edns.is_some() {
        message.metadata.response_code = refusal.code;
        if refusal.code == ResponseCode::BADVERS {
            message.set_edns(Edns::new());
        }
        if refusal.with_question {
            message.add_query(request.queries[0].clone());
        }
        return message.to_vec().unwrap();
    }
    message.metadata.authoritative = true;
    message.add_query(request.queries[0].clone());
    let text = RData::TXT(TXT::new(vec!["value".to_owned()]));
    message.add_answer(Record::from_rdata(request.queries[0].name().clone(), 60, text));
    message.to_vec().unwrap()
}

/// Starts one; it ends with the test's runtime.
async fn start(refusal: Refusal) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&answer(&buffer[..length], refusal), from).await;
        }
    });
    if refusal.tcp {
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut question = vec![0; length.into()];
                        stream.read_exact(&mut question).await.unwrap();
                        let reply = answer(&question, refusal);
                        stream.write_u16(reply.len().try_into().unwrap()).await.unwrap();
                        stream.write_all(&reply).await.unwrap();
                    }
                });
            }
        });
    }
    address
}

/// Such a server is asked once more without EDNS, and from then on without: what it holds counts, and it is told.
#[tokio::test]
async fn a_server_that_knows_no_edns_is_asked_without() {
    let owner: DomainName = "_dnsauth.example.com".parse().unwrap();
    for (code, with_question, tcp) in [
        (ResponseCode::FormErr, true, true),
        (ResponseCode::FormErr, true, false),
        (ResponseCode::FormErr, false, true),
        (ResponseCode::FormErr, false, false),
        (ResponseCode::NotImp, true, false),
        (ResponseCode::BADVERS, true, false),
    ] {
        let refusal = Refusal { code, with_question, tcp };
        let server = start(refusal).await;
        let settings = Settings {
            view: View { resolvers: Vec::new(), discovery: Vec::new() },
            authorities: [("example.com".parse().unwrap(), vec![server])].into(),
            validate: false,
            ..Settings::default()
        };
        let observer = Observer::new(&settings, || jiff::Timestamp::UNIX_EPOCH).unwrap();
        for _ in 0..2 {
            let seen = observer.authorities(&owner).await;
            assert_eq!(seen[0].answer, Answer::Txt(vec!["value".to_owned()]), "{refusal:?}: {seen:?}");
        }
        let lookup = Lookup::dnsauth("example.com".parse().unwrap());
        let survey = observer.survey(&lookup, &[], &MethodSpec::txt()).await;
        let zone = survey.zone.unwrap();
        assert!(zone.servers[0].without_edns, "{refusal:?}");
    }
}
