use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use super::*;
use crate::listener::ACCEPT_PAUSE;

/// How long any of these tests waits for something that has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn value(text: &str) -> RandomValue {
    RandomValue::new(text).unwrap()
}

fn two_hosts() -> Responder {
    let responder = Responder::default();
    responder.put(&name("example.com"), &value("for-the-apex"));
    responder.put(&name("www.example.com"), &value("for-www"));
    responder
}

async fn start(responder: &Responder, limits: Limits) -> SocketAddr {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    responder.serve_within(any, CancellationToken::new(), limits).await.unwrap()
}

/// Sends a text as it is, and reads until the server closes. A reset counts as an end.
async fn say(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(text.as_bytes()).await;
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server has to close");
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, host: &str) -> String {
    say(address, &format!("GET {FILE_PATH} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await
}

#[track_caller]
fn assert_shows(answer: &str, value: &str) {
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") || answer.starts_with("HTTP/1.0 200 OK\r\n"),
        "{answer}"
    );
    assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, value);
}

#[track_caller]
fn assert_refused(answer: &str, status: &str) {
    assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    assert!(!answer.contains("for-"), "a refusal shows a value: {answer}");
}

#[tokio::test]
async fn each_host_shows_its_own_value_and_nothing_else() {
    let address = start(&two_hosts(), LIMITS).await;
    let answer = get(address, "example.com").await;
    assert_shows(&answer, "for-the-apex");
    let head = answer.to_ascii_lowercase();
    for line in ["content-type: text/plain\r\n", "content-length: 12\r\n", "cache-control: no-store\r\n"] {
        assert!(head.contains(line), "{line:?} is missing: {answer}");
    }
    assert!(!head.contains("server:") && !head.contains("hyper"), "the software is named: {answer}");
    assert_shows(&get(address, "www.example.com").await, "for-www");
    let refused = get(address, "other.example.com").await;
    assert_refused(&refused, "404");
    assert!(refused.to_ascii_lowercase().contains("cache-control: no-store\r\n"), "{refused}");
}

#[tokio::test]
async fn a_host_is_known_in_every_spelling_that_http_allows() {
    let address = start(&two_hosts(), LIMITS).await;
    for host in ["EXAMPLE.com", "example.com:80", "example.com.", "Example.Com.:8080", "example.com:"] {
        assert_shows(&get(address, host).await, "for-the-apex");
    }
    for host in
        ["", "example.com:80:80", "example.com:eighty", "user@example.com", "[::1]:80", "example.com.."]
    {
        let answer = get(address, host).await;
        assert!(!answer.contains("for-"), "{host:?}: {answer}");
    }
    let many = format!("GET {FILE_PATH} HTTP/1.1\r\nHost: example.com\r\nHost: www.example.com\r\n\r\n");
    assert_refused(&say(address, &many).await, "404");
}

#[tokio::test]
async fn the_absolute_form_goes_before_the_header() {
    let address = start(&two_hosts(), LIMITS).await;
    let asked = format!("GET http://www.example.com{FILE_PATH} HTTP/1.1\r\nHost: example.com\r\n\r\n");
    assert_shows(&say(address, &asked).await, "for-www");
    let asked = format!("GET http://other.example{FILE_PATH} HTTP/1.1\r\nHost: example.com\r\n\r\n");
    assert_refused(&say(address, &asked).await, "404");
}

#[tokio::test]
async fn http_1_0_is_answered_when_it_names_the_host() {
    let address = start(&two_hosts(), LIMITS).await;
    assert_shows(
        &say(address, &format!("GET {FILE_PATH} HTTP/1.0\r\nHost: example.com\r\n\r\n")).await,
        "for-the-apex",
    );
    assert_refused(&say(address, &format!("GET {FILE_PATH} HTTP/1.0\r\n\r\n")).await, "404");
}

#[tokio::test]
async fn no_other_path_leads_to_the_value() {
    let address = start(&two_hosts(), LIMITS).await;
    let tricks = [
        "/",
        "*",
        "/.well-known/pki-validation/",
        "/.well-known/pki-validation/fileauth.txt/",
        "//.well-known/pki-validation/fileauth.txt",
        "/.well-known//pki-validation/fileauth.txt",
        "/x/../.well-known/pki-validation/fileauth.txt",
        "/./.well-known/pki-validation/fileauth.txt",
        "/%2ewell-known/pki-validation/fileauth.txt",
        "/.well-known/pki-validation%2ffileauth.txt",
        "/.WELL-KNOWN/pki-validation/fileauth.txt",
        "/.well-known/pki-validation/fileauth.txt%00",
        "/.well-known/pki-validation/fileauth.txt;x",
        "/.well-known/pki-validation/../../../../etc/passwd",
    ];
    for path in tricks {
        let answer = say(address, &format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 4") && !answer.contains("for-"), "{path}: {answer}");
    }
    let with_query = format!("GET {FILE_PATH}?cache=no HTTP/1.1\r\nHost: example.com\r\n\r\n");
    assert_shows(&say(address, &with_query).await, "for-the-apex");
}

#[tokio::test]
async fn only_get_and_head_are_answered_and_no_body_is_waited_for() {
    let address = start(&two_hosts(), LIMITS).await;
    let head = say(address, &format!("HEAD {FILE_PATH} HTTP/1.1\r\nHost: example.com\r\n\r\n")).await;
    assert_shows(&head, "");
    assert!(head.to_ascii_lowercase().contains("content-length: 12\r\n"), "{head}");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        // The promised body never comes; the answer must not depend on it.
        let asked =
            format!("{method} {FILE_PATH} HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000000\r\n\r\n");
        let answer = say(address, &asked).await;
        assert_refused(&answer, "405");
        assert!(answer.to_ascii_lowercase().contains("allow: get, head\r\n"), "{answer}");
    }
    assert_refused(&say(address, "POST / HTTP/1.1\r\nHost: example.com\r\n\r\n").await, "404");
}

#[tokio::test]
async fn a_connection_ends_with_its_first_answer() {
    let address = start(&two_hosts(), LIMITS).await;
    let one = format!("GET {FILE_PATH} HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\n\r\n");
    let answer = say(address, &one.repeat(3)).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_head_without_end_is_refused_early() {
    let address = start(&two_hosts(), LIMITS).await;
    let long = "x".repeat(2 * LIMITS.head);
    let lines = "X: y\r\n".repeat(LIMITS.headers + 1);
    for more in [format!("X: {long}\r\n"), lines] {
        let answer =
            say(address, &format!("GET {FILE_PATH} HTTP/1.1\r\nHost: example.com\r\n{more}\r\n")).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let answer = say(address, &format!("GET /{long} HTTP/1.1\r\nHost: example.com\r\n\r\n")).await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn garbage_is_answered_by_an_error_or_not_at_all() {
    let address = start(&two_hosts(), LIMITS).await;
    for text in
        ["\x16\x03\x01\x02\x00\x01", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET\r\n\r\n", "\0\0\0\0\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{text:?}: {answer}");
    }
    assert_shows(&get(address, "example.com").await, "for-the-apex");
}

#[tokio::test]
async fn a_slow_client_is_cut() {
    let short = Duration::from_millis(50);
    for limits in [Limits { head_time: short, ..LIMITS }, Limits { life: short, ..LIMITS }] {
        let address = start(&two_hosts(), limits).await;
        let begun = Instant::now();
        // The second one sends nothing at all.
        for text in [&format!("GET {FILE_PATH} HTTP/1.1\r\nHost: exam"), ""] {
            assert!(!say(address, text).await.contains("200 OK"));
        }
        assert!(begun.elapsed() < LIMITS.head_time, "cut after {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn many_are_served_at_the_same_time() {
    // All of them are one address's, as behind a proxy.
    let address = start(&two_hosts(), Limits { of_address: 256, ..LIMITS }).await;
    let mut open = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {FILE_PATH} HTTP/1.1\r\nHost: ").as_bytes()).await.unwrap();
        open.push(stream);
    }
    // The last comes first: nobody waits for those before.
    while let Some(mut stream) = open.pop() {
        stream.write_all(b"www.example.com\r\n\r\n").await.unwrap();
        assert_shows(&rest(&mut stream).await, "for-www");
    }
    let answers = join_all((0..200).map(|_| get(address, "example.com"))).await;
    answers.iter().for_each(|answer| assert_shows(answer, "for-the-apex"));
}

/// Connects from an address of its own.
async fn from(source: [u8; 4], address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

#[tokio::test]
async fn one_address_cannot_keep_the_others_out() {
    let address = start(&two_hosts(), LIMITS).await;
    let mut silent = Vec::new();
    for _ in 0..LIMITS.connections + 10 {
        silent.push(from([127, 0, 0, 9], address).await);
    }
    let asked = format!("GET {FILE_PATH} HTTP/1.1\r\nHost: example.com\r\n\r\n");
    for source in [[127, 0, 0, 1], [127, 0, 0, 9]] {
        let mut stream = from(source, address).await;
        stream.write_all(asked.as_bytes()).await.unwrap();
        assert_shows(&rest(&mut stream).await, "for-the-apex");
    }
    // Of those that say nothing the first ones gave way, each at once, and the last ones still may ask.
    let begun = Instant::now();
    for stream in &mut silent[..200] {
        assert_eq!(rest(stream).await, "");
    }
    assert!(begun.elapsed() < LIMITS.head_time);
    let mut last = silent.pop().unwrap();
    last.write_all(asked.as_bytes()).await.unwrap();
    assert_shows(&rest(&mut last).await, "for-the-apex");
}

#[tokio::test]
async fn beyond_the_maximum_who_has_not_asked_gives_way() {
    let address = start(&two_hosts(), Limits { connections: 2, ..LIMITS }).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    for _ in 0..5 {
        assert_shows(&get(address, "example.com").await, "for-the-apex");
    }
    for stream in [&mut first, &mut second] {
        let _ =
            timeout(PATIENCE, rest(stream)).await.expect("a place is given up or the head's time is over");
    }
    assert_shows(&get(address, "example.com").await, "for-the-apex");
}

/// A listener that is short of file descriptors at first.
struct Short {
    listener: TcpListener,
    asked: Arc<AtomicUsize>,
}

impl Door for Short {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self.asked.fetch_add(1, Ordering::Relaxed) {
            // EMFILE
            0..3 => Err(io::Error::from_raw_os_error(24)),
            _ => Door::accept(&self.listener).await,
        }
    }
}

#[tokio::test]
async fn a_failed_accept_neither_ends_nor_spins_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let door = Short { listener, asked: Arc::clone(&asked) };
    tokio::spawn(two_hosts().run(door, LIMITS, CancellationToken::new()));
    assert_shows(&get(address, "example.com").await, "for-the-apex");
    assert!(begun.elapsed() >= 3 * ACCEPT_PAUSE, "it paused after each failure");
    assert!(asked.load(Ordering::Relaxed) <= 5);
}

#[tokio::test]
async fn it_ends_when_told_to() {
    let stop = CancellationToken::new();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let responder = two_hosts();
    let address = responder.serve(any, stop.clone()).await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    stop.cancel();
    assert_eq!(rest(&mut idle).await, "", "who has not asked yet is let go");
    let freed = async {
        while TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, freed).await.expect("the port is free again");
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let address = start(&two_hosts(), LIMITS).await;
    assert!(Responder::default().serve(address, CancellationToken::new()).await.is_err());
}

#[tokio::test]
async fn a_value_is_replaced_at_once_and_removed_only_by_its_own_name() {
    let responder = two_hosts();
    let address = start(&responder, LIMITS).await;
    let host = name("example.com");
    responder.put(&host, &value("for-later"));
    assert_shows(&get(address, "example.com").await, "for-later");
    responder.remove(&host, &value("for-the-apex"));
    assert!(responder.shows(&host, &value("for-later")), "somebody else's value went");
    assert!(!responder.shows(&host, &value("for-the-apex")));
    responder.remove(&host, &value("for-later"));
    responder.remove(&host, &value("for-later"));
    assert!(!responder.shows(&host, &value("for-later")));
    assert_refused(&get(address, "example.com").await, "404");
    assert_shows(&get(address, "www.example.com").await, "for-www");
}
