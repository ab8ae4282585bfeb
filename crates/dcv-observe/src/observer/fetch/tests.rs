use std::{
    io::{self, Read as _, Write as _},
    net::TcpListener as StdListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::FutureExt as _;
use rustls::{ServerConfig, ServerConnection, Stream, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

/// Short, where a server is meant to be cut off.
const SHORT: Duration = Duration::from_millis(100);

/// What a server does once it has read a request's head.
enum Act {
    /// Sends that and closes.
    Send(Vec<u8>),
    /// Sends the first, and then the second without end, as fast as it is taken.
    Flood(&'static str, &'static str),
    /// The same, one piece in a while.
    Drip(&'static str, &'static str),
    /// Says nothing and keeps the connection.
    Silence,
}

impl Act {
    fn ok(body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        Self::Send([head.as_bytes(), body].concat())
    }

    fn redirect(status: u16, location: impl AsRef<[u8]>) -> Self {
        let head = format!("HTTP/1.1 {status} Elsewhere\r\nContent-Length: 0\r\nLocation: ");
        Self::Send([head.as_bytes(), location.as_ref(), b"\r\n\r\n"].concat())
    }

    async fn execute(self, stream: &mut TcpStream) -> io::Result<()> {
        match self {
            Self::Send(bytes) => stream.write_all(&bytes).await,
            Self::Flood(first, then) => {
                stream.write_all(first.as_bytes()).await?;
                loop {
                    stream.write_all(then.as_bytes()).await?;
                }
            }
            Self::Drip(first, then) => {
                stream.write_all(first.as_bytes()).await?;
                loop {
                    tokio::time::sleep(SHORT / 10).await;
                    stream.write_all(then.as_bytes()).await?;
                }
            }
            Self::Silence => std::future::pending().await,
        }
    }
}

/// A server that is told how to behave, by the head of the request and its own port.
async fn serve(on: &str, act: impl Fn(&str, u16) -> Act + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((on, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let act = Arc::new(act);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let act = Arc::clone(&act);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(octet) => head.push(octet),
                        Err(_) => return,
                    }
                }
                let _ = act(&String::from_utf8_lossy(&head), address.port()).execute(&mut stream).await;
            });
        }
    });
    address
}

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

/// Nothing answers for HTTPS there.
fn plain(http: SocketAddr) -> Place {
    Place { http, https: None }
}

fn host() -> DomainName {
    "shop.example.com".parse().unwrap()
}

/// Asks one server; other hosts live on the loopback of both families.
async fn ask(address: SocketAddr) -> Result<String, String> {
    ask_within(address, LIMITS).await
}

async fn ask_within(address: SocketAddr, limits: Limits) -> Result<String, String> {
    let resolve =
        |_| async { Ok(vec!["[::1]:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap()]) }.boxed();
    let (host, places) = (host(), [plain(address)]);
    // A pass over an order moves between threads, and a look with it.
    let fetched = movable(fetch_within(&host, &places, &resolve, limits)).await;
    assert_eq!((fetched.len(), fetched[0].address), (1, address));
    shown(&fetched[0])
}

/// The outcome as a person reads it.
fn shown(fetched: &Fetched) -> Result<String, String> {
    fetched.outcome.clone().map_err(|error| error.describe())
}

fn movable<F: Future + Send>(future: F) -> F {
    future
}

#[track_caller]
fn assert_why(outcome: &Result<String, String>, part: &str) {
    let why = outcome.as_ref().expect_err("it has to fail");
    assert!(why.contains(part), "{part:?} is not in {why:?}");
    assert!(why.chars().count() < 1000, "the sentence is long: {why}");
}

#[tokio::test]
async fn the_request_is_digicerts() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let address = serve("127.0.0.1", move |head, _| {
        seen.lock().unwrap().push(head.to_ascii_lowercase());
        match path(head) {
            FILE_PATH => Act::Send(
                b"HTTP/1.1 302 Found\r\nSet-Cookie: a=b\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"
                    .into(),
            ),
            _ => Act::ok("abc"),
        }
    })
    .await;
    assert_eq!(ask(address).await.unwrap(), "abc");
    let heads = heads.lock().unwrap();
    assert!(heads[0].starts_with(&format!("get {FILE_PATH} http/1.1\r\n")), "{}", heads[0]);
    for head in heads.iter() {
        assert!(head.contains(&format!("\r\nhost: shop.example.com:{}\r\n", address.port())), "{head}");
        assert!(head.contains("\r\nuser-agent: digicert dcv bot/1.1\r\n"), "{head}");
        assert!(head.contains("\r\naccept-encoding: gzip,deflate\r\n"), "{head}");
        for absent in ["cookie", "referer", "authorization"] {
            assert!(!head.contains(absent), "{absent}: {head}");
        }
    }
}

/// A body counts below 400, as it does for DigiCert; a server that says that it has no such file has answered, the others
/// have not.
#[tokio::test]
async fn a_refusal_shows_no_body() {
    for (status, shown) in [
        (200, Some("value")),
        (203, Some("value")),
        (206, Some("value")),
        (300, Some("value")),
        (303, Some("value")),
        (304, Some("")),
        (401, None),
        (404, Some("")),
        (410, Some("")),
        (500, None),
    ] {
        let address = serve("127.0.0.1", move |_, _| {
            Act::Send(format!("HTTP/1.1 {status} So\r\nContent-Length: 5\r\n\r\nvalue").into())
        })
        .await;
        let outcome = ask(address).await;
        match shown {
            Some(body) => assert_eq!(outcome.unwrap(), body, "{status}"),
            None => assert_why(&outcome, &format!("HTTP status {status}")),
        }
    }
}

/// DigiCert reads 5000 characters, and is content with the value among them.
#[tokio::test]
async fn the_first_5000_characters_of_a_body_are_read() {
    for (character, length, read) in
        [("x", 0, 0), ("x", 5000, 5000), ("x", 5001, 5000), ("x", 1_000_000, 5000), ("ü", 6000, 5000)]
    {
        let address = serve("127.0.0.1", move |_, _| Act::ok(character.repeat(length))).await;
        assert_eq!(ask(address).await.unwrap().chars().count(), read, "{length}");
    }
    let address = serve("127.0.0.1", |_, _| Act::ok(b"a\xffb")).await;
    assert_eq!(ask(address).await.unwrap(), "a\u{fffd}b");
}

#[tokio::test]
async fn five_redirects_are_followed_and_a_sixth_is_not() {
    for (last, good) in [(1, true), (5, true), (6, false)] {
        let address = serve("127.0.0.1", move |head, _| {
            let step: u32 = path(head).trim_start_matches('/').parse().unwrap_or(0);
            if step == last { Act::ok("value") } else { Act::redirect(301, format!("/{}", step + 1)) }
        })
        .await;
        match ask(address).await {
            Ok(body) => assert!(good && body == "value", "{last}"),
            Err(why) => assert!(!good && why.contains("more than 5 redirects"), "{last}: {why}"),
        }
    }
    let address = serve("127.0.0.1", |head, _| Act::redirect(302, path(head))).await;
    assert_why(&ask(address).await, "more than 5 redirects");
}

#[tokio::test]
async fn only_four_kinds_of_redirect_are_followed() {
    for (status, good) in
        [(301, true), (302, true), (307, true), (308, true), (300, false), (303, false), (305, false)]
    {
        let address = serve("127.0.0.1", move |head, _| match path(head) {
            FILE_PATH => Act::redirect(status, "/next"),
            _ => Act::ok("value"),
        })
        .await;
        let outcome = ask(address).await.unwrap();
        assert_eq!(outcome == "value", good, "{status}: {outcome:?}");
    }
}

#[tokio::test]
async fn redirects_stay_within_the_base_domain() {
    let followed = [
        "http://shop.example.com:PORT/x",
        "http://SHOP.Example.com.:PORT/x",
        "http://www.example.com:PORT/x",
        "http://example.com:PORT/x",
        "//deep.below.example.com:PORT/x",
        "x",
        "?x",
    ];
    for location in followed {
        let address = serve("127.0.0.1", move |head, port| match path(head) {
            FILE_PATH => Act::redirect(302, location.replace("PORT", &port.to_string())),
            _ => Act::ok("value"),
        })
        .await;
        assert_eq!(ask(address).await.as_deref(), Ok("value"), "{location}");
    }
    let refused = [
        ("http://example.net:PORT/", "outside the base domain"),
        ("http://shop.example.com.example.net/", "outside the base domain"),
        ("http://notexample.com/", "outside the base domain"),
        ("http://com/", "outside the base domain"),
        ("//example.net/", "outside the base domain"),
        ("http:///example.net/", "outside the base domain"),
        ("http://127.0.0.1:PORT/", "not a domain name"),
        ("http://2130706433/", "not a domain name"),
        ("http://[::1]:PORT/", "not a domain name"),
        ("http://shop.example.com:22/", "port"),
        ("https://shop.example.com:8443/", "port"),
        ("http://me:secret@shop.example.com/", "user name"),
        ("http://me@shop.example.com/", "user name"),
        ("file:///etc/passwd", "neither http nor https"),
        ("ftp://shop.example.com/", "neither http nor https"),
        ("javascript:alert(1)", "neither http nor https"),
        ("http://", "not a URL"),
        ("http://shop.example.com:99999/", "not a URL"),
        ("http://a b/", "not a URL"),
    ];
    for (location, why) in refused {
        let address = serve("127.0.0.1", move |_, port| {
            Act::redirect(302, location.replace("PORT", &port.to_string()))
        })
        .await;
        let resolved = AtomicUsize::new(0);
        let resolve = |_| {
            resolved.fetch_add(1, Ordering::Relaxed);
            async { Ok(Vec::new()) }.boxed()
        };
        let fetched = fetch(&host(), &[plain(address)], &resolve).await;
        assert_why(&shown(&fetched[0]), why);
        assert_eq!(resolved.load(Ordering::Relaxed), 0, "{location} was looked up");
    }
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_a_sentence() {
    let without = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n";
    let address = serve("127.0.0.1", move |_, _| Act::Send(without.into())).await;
    assert_why(&ask(address).await, "without a location");
    let address = serve("127.0.0.1", |_, _| Act::redirect(302, b"/\xff\xfe")).await;
    assert_why(&ask(address).await, "unreadable location");
    let address = serve("127.0.0.1", |_, _| Act::redirect(302, format!("ftp://{}/", "a".repeat(5000)))).await;
    assert!(ask(address).await.is_err_and(|why| why.len() < 1000));

    let address = serve("127.0.0.1", |_, _| Act::redirect(302, "http://www.example.com/")).await;
    let answers: [Result<Vec<SocketAddr>, Error>; 3] = [
        Err(Error::Lookup("no such name".to_owned())),
        Ok(Vec::new()),
        Ok(vec!["[::1]:80".parse().unwrap()]),
    ];
    for (answer, why) in answers.into_iter().zip(["no such name", "no IPv4 address", "no IPv4 address"]) {
        let resolve = |name: DomainName| {
            assert_eq!(name.as_str(), "www.example.com");
            let answer = answer.clone();
            async { answer }.boxed()
        };
        assert_why(&shown(&fetch(&host(), &[plain(address)], &resolve).await[0]), why);
    }
}

/// A web server whose one port speaks both HTTP and HTTPS, told apart by the first octet of a TLS record, with a
/// certificate for this name that nobody vouches for. Each is answered in its own way.
fn serve_both(
    certified: &str,
    http: impl Fn(u16) -> String + Send + 'static,
    https: &'static str,
) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed([certified.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut first, mut head) = (stream.unwrap(), [0], [0; 4096]);
            let _ = stream.peek(&mut first);
            if first == [0x16] {
                let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = Stream::new(&mut connection, &mut stream);
                let _ = stream.read(&mut head);
                let _ = stream.write_all(https.as_bytes());
            } else {
                let _ = stream.read(&mut head);
                let _ = stream.write_all(http(address.port()).as_bytes());
            }
        }
    });
    address
}

const VALUE_SHOWN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvalue";
const WELCOME: &str = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome";
const NOT_THERE: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

fn to_https(port: u16) -> String {
    let location = format!("https://shop.example.com:{port}/x");
    format!("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n")
}

/// Any issuer will do, as for DigiCert's library, but not any name.
#[tokio::test]
async fn a_certificate_has_to_be_for_the_host_and_nothing_else() {
    let address = serve_both("shop.example.com", to_https, VALUE_SHOWN);
    assert_eq!(ask(address).await.unwrap(), "value");
    let address = serve_both("somebody.else.test", to_https, VALUE_SHOWN);
    assert_why(&ask(address).await, "the certificate is for another name");
}

/// DigiCert's library asks HTTPS first and stops where that shows anything; what it makes of an address is told where that is
/// something else than what port 80 shows.
#[tokio::test]
async fn the_librarys_look_is_told_where_it_differs() {
    let redirects_here =
        |_: u16| "HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nLocation: /x\r\n\r\n".to_owned();
    let absolute: Option<Result<&str, &str>> =
        Some(Err("redirects absolutely, to https://shop.example.com:"));
    type Http = fn(u16) -> String;
    type Seen<'a> = Result<&'a str, &'a str>;
    type Case<'a> = (&'a str, &'a str, Http, &'static str, Seen<'a>, Option<Seen<'a>>);
    let cases: [Case<'_>; 6] = [
        ("the same", "shop.example.com", |_| VALUE_SHOWN.into(), VALUE_SHOWN, Ok("value"), Some(Ok("value"))),
        ("a page", "shop.example.com", |_| VALUE_SHOWN.into(), WELCOME, Ok("value"), Some(Ok("welcome"))),
        ("no file", "shop.example.com", |_| VALUE_SHOWN.into(), NOT_THERE, Ok("value"), None),
        ("another's", "other.test", |_| VALUE_SHOWN.into(), WELCOME, Ok("value"), None),
        ("https alone", "shop.example.com", |_| NOT_THERE.into(), VALUE_SHOWN, Ok(""), Some(Ok("value"))),
        ("onward", "shop.example.com", to_https, NOT_THERE, Ok(""), absolute),
    ];
    let resolve = |_| async { Ok(Vec::new()) }.boxed();
    for (what, certified, http, https, plain, library) in cases {
        let address = serve_both(certified, http, https);
        let fetched = fetch(&host(), &[Place { http: address, https: Some(address) }], &resolve).await;
        assert_eq!(shown(&fetched[0]).as_deref(), plain.map_err(|_| unreachable!()), "{what}");
        let seen = fetched[0].library.clone().map(|(_, outcome)| outcome.map_err(|error| error.describe()));
        match (seen, library) {
            (None, None) => {}
            (Some(Ok(body)), Some(Ok(expected))) => assert_eq!(body, expected, "{what}"),
            (Some(Err(why)), Some(Err(part))) => assert!(why.contains(part), "{what}: {why}"),
            (seen, _) => panic!("{what}: {seen:?}"),
        }
    }
    // A relative redirect is followed by everybody.
    let address = serve_both("shop.example.com", redirects_here, NOT_THERE);
    let fetched = fetch(&host(), &[plain(address)], &resolve).await;
    assert!(fetched[0].library.is_none(), "{fetched:?}");
}

/// A site that lets DigiCert's bot through and nobody else is seen; one that keeps it out and nobody else is told.
#[tokio::test]
async fn a_site_may_look_at_who_asks() {
    let refused = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    for lets_digicert in [true, false] {
        let address =
            serve("127.0.0.1", move |head, _| match head.contains("DigiCert DCV Bot/1.1") == lets_digicert {
                true => Act::ok("value"),
                false => Act::Send(refused.into()),
            })
            .await;
        let outcome = ask(address).await;
        match lets_digicert {
            true => assert_eq!(outcome.unwrap(), "value"),
            false => {
                assert_why(&outcome, "403 Forbidden for \"DigiCert DCV Bot/1.1\", which another user agent")
            }
        }
    }
    let address = serve("127.0.0.1", move |_, _| Act::Send(refused.into())).await;
    assert_eq!(ask(address).await.unwrap_err(), "HTTP status 403 Forbidden", "nobody is let through");
}

const GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x2b\x4b\xcc\x29\x4d\x05\x00\x34\x58\x77\x1d\x05\x00\x00\x00";
const ZLIB: &[u8] = b"\x78\x9c\x2b\x4b\xcc\x29\x4d\x05\x00\x06\x6a\x02\x1e";
/// 400 000 times the same letter.
const BOMB: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xed\xc1\x31\x01\x00\x00\x00\xc2\xa0\xda\x8b\x6f\x0a\x3f\xa0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xe0\x6f\x0c\x35\xc4\x71\x80\x1a\x06\x00";

/// What comes packed is unpacked, asked for or not, and stays bounded however much comes out.
#[tokio::test]
async fn a_packed_body_is_unpacked_and_bounded() {
    let packed = |encoding: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    for (encoding, body) in [("gzip", GZIP), ("deflate", ZLIB)] {
        let bytes = packed(encoding, body);
        let address = serve("127.0.0.1", move |_, _| Act::Send(bytes.clone())).await;
        assert_eq!(ask(address).await.unwrap(), "value", "{encoding}");
    }
    let bytes = packed("gzip", BOMB);
    let address = serve("127.0.0.1", move |_, _| Act::Send(bytes.clone())).await;
    assert_eq!(ask(address).await.unwrap().len(), MAX_BODY);
    let bytes = packed("gzip", b"value");
    let address = serve("127.0.0.1", move |_, _| Act::Send(bytes.clone())).await;
    assert!(ask(address).await.is_err(), "what claims to be packed and is not");
}

#[tokio::test]
async fn who_is_slow_is_cut_off() {
    let drips = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", "x"),
        ("HTTP/1.1 200 OK\r\n", "X: y\r\n"),
        ("", "H"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
    ];
    for (first, then) in drips {
        let address = serve("127.0.0.1", move |_, _| Act::Drip(first, then)).await;
        let outcome = ask_within(address, Limits { whole: SHORT * 5, ..LIMITS }).await;
        assert!(outcome.is_err(), "{first:?} {then:?}: {outcome:?}");
    }
    let address = serve("127.0.0.1", |_, _| Act::Silence).await;
    assert_why(&ask_within(address, Limits { read: SHORT, ..LIMITS }).await, "no answer in time");
    assert_why(&ask_within(address, Limits { whole: SHORT, ..LIMITS }).await, "not finished within");
}

#[tokio::test]
async fn floods_and_garbage_end_in_a_sentence() {
    let floods = [
        ("HTTP/1.1 200 OK\r\n", "X-Header: of some length, again and again\r\n"),
        ("HTTP/1.1 200 OK\r\nX: ", "never a line's end"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "extension without end"),
        ("", "garbage"),
        ("", "\0"),
        ("", "HTTP/1.1 103 Early Hints\r\n\r\n"),
    ];
    for (first, then) in floods {
        let address = serve("127.0.0.1", move |_, _| Act::Flood(first, then)).await;
        let outcome = ask_within(address, Limits { whole: Duration::from_secs(2), ..LIMITS }).await;
        assert!(outcome.as_ref().is_err_and(|why| why.len() < 1000), "{first:?} {then:?}: {outcome:?}");
    }
    for (first, then) in [
        ("HTTP/1.1 200 OK\r\n\r\n", "a body without end "),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nchunk\r\n"),
    ] {
        let address = serve("127.0.0.1", move |_, _| Act::Flood(first, then)).await;
        assert_eq!(ask(address).await.unwrap().chars().count(), MAX_BODY, "{first:?}");
    }
    for text in [
        "",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "\x15\x03\x01\x00\x02\x02\x28",
    ] {
        let address = serve("127.0.0.1", move |_, _| Act::Send(text.into())).await;
        let outcome = ask(address).await;
        assert!(outcome.as_ref().is_err_and(|why| why.len() < 1000), "{text:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn each_address_is_seen_by_itself() {
    let good = serve("127.0.0.1", |_, _| Act::ok("value")).await;
    let other = serve("127.0.0.2", |_, _| Act::ok("another")).await;
    let silent = serve("127.0.0.1", |_, _| Act::Silence).await;
    // Nobody listens there any more. Where the host has no IPv6 that fails as well, which is as good.
    let closed = SocketAddr::new(
        "::1".parse().unwrap(),
        StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(),
    );
    let resolve = |_| async { Ok(Vec::new()) }.boxed();
    let limits = Limits { read: SHORT, ..LIMITS };
    let places = [silent, good, closed, other].map(plain);
    let fetched = fetch_within(&host(), &places, &resolve, limits).await;
    let addresses: Vec<_> = fetched.iter().map(|fetched| fetched.address).collect();
    assert_eq!(addresses, [silent, good, closed, other]);
    assert!(fetched[0].outcome.is_err() && fetched[2].outcome.is_err(), "{fetched:?}");
    assert_eq!(shown(&fetched[1]).as_deref(), Ok("value"));
    assert_eq!(shown(&fetched[3]).as_deref(), Ok("another"));
}

/// What stands for port 80 of a name, as the configuration may say, is asked also where a redirect leads there.
#[tokio::test]
async fn a_redirect_to_port_80_leads_to_what_stands_for_it() {
    let other = serve("127.0.0.1", |head, _| {
        assert!(head.to_ascii_lowercase().contains("\r\nhost: files.example.com\r\n"), "{head}");
        Act::ok("elsewhere")
    })
    .await;
    let address = serve("127.0.0.1", |head, _| match path(head) {
        FILE_PATH => Act::redirect(301, "http://shop.example.com/again"),
        "/again" => Act::redirect(302, "http://files.example.com:80/x"),
        path => Act::ok(path),
    })
    .await;
    let resolve = |name: DomainName| {
        assert_eq!(name.as_str(), "files.example.com");
        async move { Ok(vec![other]) }.boxed()
    };
    let fetched = fetch(&host(), &[plain(address)], &resolve).await;
    assert_eq!(shown(&fetched[0]).as_deref(), Ok("elsewhere"));
}
