//! A name server that misbehaves in one chosen way. It is written in raw bytes, so that no library's idea of a valid
//! message stands between the fault and the client under test. The file is long because each fault is a few lines of its
//! own, and they are best read side by side.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// What is wrong with the server. A fault of the transport or of the message strikes every question; a fault of the
/// records strikes questions for TXT only, and the others are answered as `Honest` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Misbehaviour {
    /// None: a correct authoritative answer.
    Honest,
    /// Truncated and empty over UDP, correct over TCP.
    TruncatedUdp,
    /// Truncated and empty over both.
    TruncatedEverywhere,
    /// The value, under another id.
    WrongId,
    /// The value, for a name that was not asked.
    WrongQuestion,
    /// First `Hostile::FORGED` under another id, then the value: a client must wait for the right one.
    WrongThenRight,
    /// The value, sent from another port; TCP is closed without an answer.
    WrongSource,
    /// 65,535 bytes over TCP, the value last; truncated over UDP.
    Huge,
    /// The owner of the record is a pointer to itself.
    CompressionLoop,
    /// The owner of the record is a pointer past the end of the message.
    ForwardPointer,
    /// 1000 TXT records over TCP, the value last; truncated over UDP.
    ThousandRecords,
    /// The owner is an alias of itself.
    CnameLoop,
    /// The owner is an alias of another name, which is an alias of the owner.
    CnameRing,
    /// 40 aliases in one answer, the value at the end.
    LongChain,
    /// SERVFAIL.
    Servfail,
    /// REFUSED.
    Refused,
    /// Nothing over UDP; TCP is accepted and never answered.
    Silent,
    /// Nothing over UDP, correct over TCP.
    UdpSilent,
    /// Truncated over UDP; a TCP connection is reset once it carries a question.
    TcpReset,
    /// Truncated over UDP; over TCP 500 bytes are announced, 20 come, then the end.
    ShortLength,
    /// Truncated over UDP; over TCP a correct answer, one byte every 100 ms.
    DripFeed,
    /// A header that announces one record, then noise.
    Garbage,
    /// A datagram of no bytes; over TCP a message of length 0.
    EmptyDatagram,
    /// A header that announces 60,000 records, and none.
    CountsLie,
    /// The value as two character-strings of one record, which is the same value.
    SplitValue,
    /// The value with quotation marks as part of it.
    QuotedValue,
    /// The value in a record of class CH.
    ForeignClass,
    /// NOERROR, not authoritative, empty, with a referral upwards to the root.
    Lame,
}

impl Misbehaviour {
    /// Every one of them, `Honest` first.
    pub(crate) const ALL: [Self; 28] = [
        Self::Honest,
        Self::TruncatedUdp,
        Self::TruncatedEverywhere,
        Self::WrongId,
        Self::WrongQuestion,
        Self::WrongThenRight,
        Self::WrongSource,
        Self::Huge,
        Self::CompressionLoop,
        Self::ForwardPointer,
        Self::ThousandRecords,
        Self::CnameLoop,
        Self::CnameRing,
        Self::LongChain,
        Self::Servfail,
        Self::Refused,
        Self::Silent,
        Self::UdpSilent,
        Self::TcpReset,
        Self::ShortLength,
        Self::DripFeed,
        Self::Garbage,
        Self::EmptyDatagram,
        Self::CountsLie,
        Self::SplitValue,
        Self::QuotedValue,
        Self::ForeignClass,
        Self::Lame,
    ];
}

/// A running server on one loopback port, UDP and TCP; it ends when dropped.
pub(crate) struct Hostile {
    address: SocketAddr,
    script: Arc<Script>,
    threads: Vec<JoinHandle<()>>,
}

impl Hostile {
    /// The value of a packet that no client may believe.
    pub(crate) const FORGED: &str = "forged-value-that-nobody-may-believe";

    /// Serves `value` as the TXT record of every name, in the way of the misbehaviour.
    pub(crate) fn start(misbehaviour: Misbehaviour, value: &str) -> Self {
        let (udp, tcp) = sockets();
        let address = udp.local_addr().unwrap();
        let script = Arc::new(Script {
            misbehaviour,
            value: value.to_owned(),
            queries: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let (datagrams, connections) = (Arc::clone(&script), Arc::clone(&script));
        let threads = vec![
            std::thread::spawn(move || datagrams.serve_udp(&udp)),
            std::thread::spawn(move || connections.serve_tcp(&tcp)),
        ];
        Self { address, script, threads }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many questions have come in, over both transports.
    pub(crate) fn queries(&self) -> usize {
        self.script.queries.load(Ordering::SeqCst)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.script.ended.store(true, Ordering::SeqCst);
        // Both threads sit in a blocking call; a visitor each makes them look at the flag.
        let _ = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[], self.address));
        let _ = TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A UDP and a TCP socket on one port.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
}

/// What the threads share.
struct Script {
    misbehaviour: Misbehaviour,
    value: String,
    queries: AtomicUsize,
    ended: AtomicBool,
}

/// One thing to do on a TCP connection.
enum Act {
    Send(Vec<u8>),
    Drip(Vec<u8>),
    /// Bytes with no length of ours before them, and then the end of the connection.
    Raw(Vec<u8>),
    Close,
    Hold,
}

impl Script {
    fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn serve_udp(&self, socket: &UdpSocket) {
        let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            if self.ended() {
                return;
            }
            let Some(question) = Question::parse(&buffer[..length]) else { continue };
            self.queries.fetch_add(1, Ordering::SeqCst);
            let source = if self.misbehaviour == Misbehaviour::WrongSource { &elsewhere } else { socket };
            for packet in self.over_udp(&question) {
                let _ = source.send_to(&packet, client);
            }
        }
    }

    fn serve_tcp(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming().map_while(Result::ok) {
            if self.ended() {
                return;
            }
            // Detached: a connection ends with its client, or within a moment of the server.
            let script = Arc::clone(&self);
            std::thread::spawn(move || {
                let _ = script.converse(stream);
            });
        }
    }

    fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        if self.misbehaviour == Misbehaviour::TcpReset {
            // Linux answers with a reset when a socket is closed over bytes that nobody has read.
            stream.peek(&mut [0])?;
            self.queries.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut packet)?;
            let Some(question) = Question::parse(&packet) else { return Ok(()) };
            self.queries.fetch_add(1, Ordering::SeqCst);
            for act in self.over_tcp(&question) {
                match act {
                    Act::Send(message) => stream.write_all(&framed(&message))?,
                    Act::Drip(message) => self.drip(&mut stream, &framed(&message))?,
                    Act::Raw(bytes) => return stream.write_all(&bytes),
                    Act::Close => return Ok(()),
                    Act::Hold => return self.hold(&mut stream),
                }
            }
        }
    }

    fn drip(&self, stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        for byte in bytes.iter().take_while(|_| !self.ended()) {
            stream.write_all(&[*byte])?;
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Reads on and says nothing, until the client leaves or the server ends.
    fn hold(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        while !self.ended() {
            match stream.read(&mut [0; 512]) {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn over_udp(&self, question: &Question) -> Vec<Vec<u8>> {
        match self.misbehaviour {
            Misbehaviour::Silent | Misbehaviour::UdpSilent => vec![],
            Misbehaviour::EmptyDatagram => vec![vec![]],
            Misbehaviour::TruncatedUdp
            | Misbehaviour::Huge
            | Misbehaviour::ThousandRecords
            | Misbehaviour::TcpReset
            | Misbehaviour::ShortLength
            | Misbehaviour::DripFeed => vec![truncated(question)],
            _ => {
                let messages = self.messages(question).into_iter();
                messages
                    .map(|each| if each.len() > question.room { truncated(question) } else { each })
                    .collect()
            }
        }
    }

    fn over_tcp(&self, question: &Question) -> Vec<Act> {
        match self.misbehaviour {
            Misbehaviour::Silent => vec![Act::Hold],
            Misbehaviour::WrongSource => vec![Act::Close],
            Misbehaviour::ShortLength => vec![Act::Raw([&500_u16.to_be_bytes()[..], &[0; 20]].concat())],
            Misbehaviour::DripFeed => vec![Act::Drip(honest(question, &self.value))],
            Misbehaviour::EmptyDatagram => vec![Act::Send(vec![])],
            _ => self.messages(question).into_iter().map(Act::Send).collect(),
        }
    }

    /// The messages that answer a question, where the fault is in the messages.
    fn messages(&self, question: &Question) -> Vec<Vec<u8>> {
        let value = &self.value;
        let whole = match self.misbehaviour {
            Misbehaviour::TruncatedEverywhere => truncated(question),
            Misbehaviour::WrongId => honest(&question.under_another_id(), value),
            Misbehaviour::WrongQuestion => honest(&question.for_another_name(), value),
            Misbehaviour::WrongThenRight => {
                let forged = honest(&question.under_another_id(), Hostile::FORGED);
                return vec![forged, honest(question, value)];
            }
            Misbehaviour::CompressionLoop => owned_by(question, 0xC000 | question.end(), value),
            Misbehaviour::ForwardPointer => owned_by(question, 0xFFFF, value),
            Misbehaviour::Servfail => Message::new(question, AUTHORITATIVE | 2).0,
            Misbehaviour::Refused => Message::new(question, 5).0,
            Misbehaviour::Garbage => garbage(question),
            Misbehaviour::CountsLie => counts_lie(question),
            Misbehaviour::Lame => lame(question),
            _ if question.kind != TXT => honest(question, value),
            Misbehaviour::Huge => huge(question, value),
            Misbehaviour::ThousandRecords => thousand_records(question, value),
            Misbehaviour::CnameLoop => cname_loop(question),
            Misbehaviour::CnameRing => cname_ring(question),
            Misbehaviour::LongChain => long_chain(question, value),
            Misbehaviour::SplitValue => split_value(question, value),
            Misbehaviour::QuotedValue => honest(question, &format!("\"{value}\"")),
            Misbehaviour::ForeignClass => foreign_class(question, value),
            // What is left is honest here; its fault, if it has one, is in the transport.
            _ => honest(question, value),
        };
        vec![whole]
    }
}

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const TXT: u16 = 16;
const OPT: u16 = 41;

const INTERNET: u16 = 1;
const CHAOS: u16 = 3;

const RESPONSE: u16 = 0x8000;
const AUTHORITATIVE: u16 = 0x0400;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;

/// Where the question's name stands in every message: a pointer to it is the shortest way to write it again.
const ASKED_NAME: u16 = 0xC00C;
const HEADER: usize = 12;

/// A correct authoritative answer. There is no OPT record in it: a server may be older than EDNS.
fn honest(question: &Question, value: &str) -> Vec<u8> {
    let mut message = Message::new(question, AUTHORITATIVE);
    let asked = ASKED_NAME.to_be_bytes();
    match question.kind {
        TXT => message.answer(&asked, TXT, &text(value)),
        SOA => message.answer(&asked, SOA, &soa()),
        NS => message.answer(&asked, NS, &below_asked("ns")),
        A => message.answer(&asked, A, &[127, 0, 0, 1]),
        _ => {
            message.record(&asked, SOA, INTERNET, &soa());
            message.count(AUTHORITY, 1);
        }
    }
    message.0
}

fn truncated(question: &Question) -> Vec<u8> {
    Message::new(question, AUTHORITATIVE | TRUNCATED).0
}

fn owned_by(question: &Question, pointer: u16, value: &str) -> Vec<u8> {
    let mut message = Message::new(question, AUTHORITATIVE);
    message.answer(&pointer.to_be_bytes(), TXT, &text(value));
    message.0
}

fn garbage(question: &Question) -> Vec<u8> {
    let mut message = Message::new(question, AUTHORITATIVE);
    message.count(ANSWERS, 1);
    message.0.truncate(HEADER);
    // The generator of Numerical Recipes: noise that is the same in every run.
    let noise = std::iter::successors(Some(0x00C0_FFEE_u32), |seed| {
        Some(seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
    });
    message.0.extend(noise.take(200).map(|seed| seed.to_be_bytes()[0]));
    message.0
}

fn counts_lie(question: &Question) -> Vec<u8> {
    let mut message = Message::new(question, AUTHORITATIVE);
    message.count(ANSWERS, 60_000);
    message.0
}

fn lame(question: &Question) -> Vec<u8> {
    let mut message = Message::new(question, 0);
    message.record(
        &[0],
        NS,
        INTERNET,
        &[&label("a")[..], &label("root-servers"), &label("net"), &[0]].concat(),
    );
    message.count(AUTHORITY, 1);
    message.0
}

fn huge(question: &Question, value: &str) -> Vec<u8> {
    const FIXED_PART_OF_A_RECORD: usize = 12;
    let value = text(value);
    let mut message = Message::new(question, AUTHORITATIVE);
    let padding = 65_535 - message.0.len() - value.len() - 2 * FIXED_PART_OF_A_RECORD;
    let filler: Vec<u8> = vec![b'x'; padding];
    let strings = filler.chunks(256).flat_map(|chunk| {
        let length = u8::try_from(chunk.len() - 1).unwrap();
        std::iter::once(length).chain(chunk[1..].iter().copied())
    });
    message.answer(&ASKED_NAME.to_be_bytes(), TXT, &strings.collect::<Vec<u8>>());
    message.answer(&ASKED_NAME.to_be_bytes(), TXT, &value);
    message.count(ANSWERS, 2);
    message.0
}

fn thousand_records(question: &Question, value: &str) -> Vec<u8> {
    let mut message = Message::new(question, AUTHORITATIVE);
    for number in 1..1000 {
        message.answer(&ASKED_NAME.to_be_bytes(), TXT, &text(&format!("decoy-{number}")));
    }
    message.answer(&ASKED_NAME.to_be_bytes(), TXT, &text(value));
    message.count(ANSWERS, 1000);
    message.0
}

fn cname_loop(question: &Question) -> Vec<u8> {
    let mut message = Message::new(question, AUTHORITATIVE);
    message.answer(&ASKED_NAME.to_be_bytes(), CNAME, &ASKED_NAME.to_be_bytes());
    message.0
}

fn cname_ring(question: &Question) -> Vec<u8> {
    let mut message = Message::new(question, AUTHORITATIVE);
    let there = label("ring");
    // Asked for the far side of the ring, it leads back to the near one, so that the ring has two names for ever.
    let partner = match question.name.strip_prefix(&there[..]) {
        Some(near) => near.to_vec(),
        None => below_asked("ring"),
    };
    message.answer(&ASKED_NAME.to_be_bytes(), CNAME, &partner);
    message.answer(&partner, CNAME, &ASKED_NAME.to_be_bytes());
    message.count(ANSWERS, 2);
    message.0
}

fn long_chain(question: &Question, value: &str) -> Vec<u8> {
    let mut message = Message::new(question, AUTHORITATIVE);
    let mut owner = ASKED_NAME.to_be_bytes().to_vec();
    for number in 1..=40 {
        let target = below_asked(&format!("c{number}"));
        message.answer(&owner, CNAME, &target);
        owner = target;
    }
    message.answer(&owner, TXT, &text(value));
    message.count(ANSWERS, 41);
    message.0
}

fn split_value(question: &Question, value: &str) -> Vec<u8> {
    let (head, tail) = value.split_at(value.len() / 2);
    let mut message = Message::new(question, AUTHORITATIVE);
    message.answer(&ASKED_NAME.to_be_bytes(), TXT, &[text(head), text(tail)].concat());
    message.0
}

fn foreign_class(question: &Question, value: &str) -> Vec<u8> {
    let mut message = Message::new(question, AUTHORITATIVE);
    message.record(&ASKED_NAME.to_be_bytes(), TXT, CHAOS, &text(value));
    message.count(ANSWERS, 1);
    message.0
}

/// What a client asked.
#[derive(Clone)]
struct Question {
    id: u16,
    recursion_desired: u16,
    name: Vec<u8>,
    kind: u16,
    class: u16,
    /// The largest datagram the client takes.
    room: usize,
}

impl Question {
    fn parse(packet: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
        let mut end = HEADER;
        while let length @ 1.. = *packet.get(end)? {
            end += 1 + usize::from(length);
        }
        let name = packet.get(HEADER..=end)?.to_vec();
        // An OPT record stands right behind the question: its owner is the root and its class is the room.
        let room = if word(end + 6) == Some(OPT) { word(end + 8) } else { None };
        Some(Self {
            id: word(0)?,
            recursion_desired: word(2)? & RECURSION_DESIRED,
            name,
            kind: word(end + 1)?,
            class: word(end + 3)?,
            room: usize::from(room.unwrap_or(512).max(512)),
        })
    }

    /// Where the bytes after the question begin.
    fn end(&self) -> u16 {
        u16::try_from(HEADER + self.name.len() + 4).unwrap()
    }

    fn under_another_id(&self) -> Self {
        Self { id: !self.id, ..self.clone() }
    }

    fn for_another_name(&self) -> Self {
        Self { name: [&label("elsewhere")[..], &label("invalid"), &[0]].concat(), ..self.clone() }
    }
}

/// Where the number of records of a section stands in the header.
const ANSWERS: usize = 6;
const AUTHORITY: usize = 8;

/// A message in the making.
struct Message(Vec<u8>);

impl Message {
    fn new(question: &Question, flags: u16) -> Self {
        let flags = RESPONSE | question.recursion_desired | flags;
        let mut message = Self(Vec::new());
        for word in [question.id, flags, 1, 0, 0, 0] {
            message.word(word);
        }
        message.0.extend(&question.name);
        message.word(question.kind);
        message.word(question.class);
        message
    }

    fn word(&mut self, word: u16) {
        self.0.extend(word.to_be_bytes());
    }

    /// Appends a record of the answer section and says that it is the only one.
    fn answer(&mut self, owner: &[u8], kind: u16, data: &[u8]) {
        self.record(owner, kind, INTERNET, data);
        self.count(ANSWERS, 1);
    }

    fn record(&mut self, owner: &[u8], kind: u16, class: u16, data: &[u8]) {
        self.0.extend(owner);
        self.word(kind);
        self.word(class);
        self.0.extend(5_u32.to_be_bytes());
        self.word(u16::try_from(data.len()).unwrap());
        self.0.extend(data);
    }

    fn count(&mut self, section: usize, records: u16) {
        self.0[section..section + 2].copy_from_slice(&records.to_be_bytes());
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

/// A label, which has the same form as a character-string.
fn label(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
}

/// The data of a TXT record of one character-string.
fn text(value: &str) -> Vec<u8> {
    label(value)
}

/// The name asked with a label before it.
fn below_asked(first: &str) -> Vec<u8> {
    [&label(first)[..], &ASKED_NAME.to_be_bytes()].concat()
}

fn soa() -> Vec<u8> {
    let mut data = [below_asked("ns"), below_asked("hostmaster")].concat();
    for number in [1_u32, 5, 1, 86_400, 5] {
        data.extend(number.to_be_bytes());
    }
    data
}
