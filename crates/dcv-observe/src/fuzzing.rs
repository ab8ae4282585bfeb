//! Entries for fuzzing: whatever bytes come where an answer of DNS is expected, nothing panics.
//!
//! The input stands in for the [`Network`], so what runs between an answer and a finding is the crate's own, with its
//! own order of questions. The public functions take bytes and return nothing; only a panic counts.

use std::{
    fmt,
    future::ready,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use dcv_core::{
    Caa, CaaRecord, CertName, Dnssec, DomainName, Expectation, Lookup, MethodSpec, RandomValue, RecordData,
    Sighting, VerdictPolicy, findings, verdict,
};
use futures_util::{Stream, future::BoxFuture};
use hickory_net::{
    NetError,
    xfer::{DnsRequestSender, DnsResponseStream},
};
use hickory_proto::{
    dnssec::TrustAnchors,
    op::{DnsRequest, DnsResponse, Message, Query},
    rr::{Name, RecordType},
};
use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};

use crate::{
    authority::{https, zone_cut::wire_name},
    network::{Connection, Network},
    observer::{Observer, answer},
    settings::{Endpoint, Resolver, Settings, View},
};

/// Questions that one input may answer; after them everybody is silent, so that an input has an end.
const QUESTIONS: usize = 200;
/// The owner name where the input does not name one.
const OWNER: &str = "_dnsauth.www.dcv.test";
/// The value that is looked for.
const VALUE: &str = "q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls";
/// The root key of the recorded conversations, as in a zone file.
const ANCHOR: &str = ". 3600 IN DNSKEY 257 3 13 07zpXOHMnTCiv8lSf5s2LTDYTKWgb8gN5DvWrmsl0/KFCsxHoQTvPHg0EEKQ7f4vud2TOrcd8VAMIO8KmeJYOQ==";

thread_local! {
    static STAGE: Stage = Stage::new();
}

/// The answers that the input holds.
struct Script {
    answers: Vec<Scripted>,
    next: usize,
    left: usize,
}

struct Scripted {
    question: Option<Query>,
    bytes: Vec<u8>,
    given: bool,
}

impl Script {
    fn new(answers: Vec<Vec<u8>>) -> Self {
        let question = |bytes: &Vec<u8>| Message::from_vec(bytes).ok()?.queries.into_iter().next();
        let scripted = |bytes| Scripted { question: question(&bytes), bytes, given: false };
        Self { answers: answers.into_iter().map(scripted).collect(), next: 0, left: QUESTIONS }
    }

    /// The next answer to this question, the last one again and again; where there is none whichever comes next, as
    /// servers lie.
    fn answer(&mut self, query: &Query) -> Option<Vec<u8>> {
        self.left = self.left.checked_sub(1)?;
        let fits = |scripted: &Scripted| scripted.question.as_ref() == Some(query);
        // A parent refers where its child answers, to the same question.
        let fresh = self.answers.iter().position(|scripted| fits(scripted) && !scripted.given);
        let at = fresh.or_else(|| self.answers.iter().rposition(fits)).unwrap_or_else(|| {
            self.next += 1;
            (self.next - 1) % self.answers.len().max(1)
        });
        let scripted = self.answers.get_mut(at)?;
        // A lie takes nothing from those who ask for it.
        scripted.given |= scripted.question.as_ref() == Some(query);
        Some(scripted.bytes.clone())
    }
}

/// A network on which the input answers every question.
#[derive(Clone)]
struct InputNetwork(Arc<Mutex<Script>>);

impl fmt::Debug for InputNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InputNetwork")
    }
}

impl Network for InputNetwork {
    fn datagrams(&self, _: SocketAddr, _: Duration) -> Connection {
        let (connection, background) = Connection::from_stream(Line { script: self.clone(), shut: false });
        tokio::spawn(background);
        connection
    }

    fn stream(
        &self,
        server: SocketAddr,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Connection, NetError>> {
        let network = self.clone();
        Box::pin(async move { Ok(network.datagrams(server, timeout)) })
    }
}

/// One connection: always ready to take a question.
struct Line {
    script: InputNetwork,
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
        let queries = request.queries.clone();
        let script = &mut *self.script.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = queries.first().and_then(|query| script.answer(query));
        let answer = bytes.ok_or(NetError::Timeout).and_then(|bytes| {
            let mut response = DnsResponse::from_buffer(bytes)?;
            // Whoever answers this far has repeated the question.
            response.queries = queries;
            Ok(response)
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

/// What is the same for every input.
struct Stage {
    runtime: Runtime,
    settings: Settings,
    owner: DomainName,
    value: RandomValue,
}

impl Stage {
    fn new() -> Self {
        // The clock is nobody's: it leaps over every wait.
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        // Neither the host's resolvers nor its certificates are needed.
        let resolver = Resolver { endpoints: vec![Endpoint::Udp(SocketAddr::from(([192, 0, 2, 1], 53)))] };
        let view = View { resolvers: vec![resolver.clone()], discovery: vec![resolver] };
        Self {
            runtime: runtime.expect("a runtime without I/O"),
            settings: Settings { view, ..Settings::default() },
            owner: OWNER.parse().expect("a name"),
            value: RandomValue::new(VALUE).expect("a value"),
        }
    }

    /// One who has seen nothing yet.
    fn observer(&self, script: Script) -> Observer {
        let network = InputNetwork(Arc::new(Mutex::new(script)));
        let anchors: TrustAnchors = ANCHOR.parse().expect("a root key");
        Observer::trusting(anchors, &self.settings, now, Arc::new(network)).expect("plain settings")
    }
}

/// The same at every run, so that an input means the same.
fn now() -> Timestamp {
    Timestamp::constant(1_795_000_000, 0)
}

/// One message that everybody sends, whatever the question.
pub fn dns_answer(bytes: &[u8]) {
    read(bytes);
    observe(vec![bytes.to_vec()]);
}

/// Messages as over TCP, each behind its length (RFC 1035 section 4.2.2), of which everybody sends the one that fits
/// the question.
pub fn dns_conversation(bytes: &[u8]) {
    let mut answers = Vec::new();
    let mut rest = bytes;
    while let [high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (answer, after) = after.split_at(length);
        answers.push(answer.to_vec());
        rest = after;
        if answers.len() >= QUESTIONS {
            break;
        }
    }
    observe(answers);
}

/// The parts of a message without a walk around them: what a resolver over UDP or TLS hands over.
fn read(bytes: &[u8]) {
    let Ok(response) = DnsResponse::from_buffer(bytes.to_vec()) else { return };
    let mut names: Vec<&Name> = response.queries.iter().map(Query::name).collect();
    names.extend(response.answers.iter().take(4).map(|record| &record.name));
    for name in names {
        let _ = answer::of_authority(&response, name);
        let _ = answer::of_resolver(&response.answers, name);
    }
    if let Some(query) = response.queries.first() {
        let _ = https::read(query, bytes.to_vec());
    }
}

fn observe(answers: Vec<Vec<u8>>) {
    let script = Script::new(answers);
    STAGE.with(|stage| {
        let asked = script.answers.first().and_then(|scripted| scripted.question.as_ref());
        let asked: Option<DomainName> = asked.and_then(|query| query.name().to_ascii().parse().ok());
        let owner = asked.unwrap_or_else(|| stage.owner.clone());
        let scope = match owner.as_str().strip_prefix("_dnsauth.") {
            Some(_) => owner.parent().unwrap_or_else(|| owner.clone()),
            None => owner.clone(),
        };
        stage.runtime.block_on(look(stage, stage.observer(script), &owner, &scope));
    });
}

async fn look(stage: &Stage, observer: Observer, owner: &DomainName, scope: &DomainName) {
    let policy = VerdictPolicy { dnssec: Dnssec::Enforce, ..VerdictPolicy::default() };
    let now = now();
    let mut seen: Vec<Sighting> = observer.authorities(owner).await;
    seen.extend(observer.look_at_resolvers(owner, RecordType::TXT).await);
    let record = RecordData::Txt(stage.value.clone());
    let _ = verdict(&seen, |answer| answer.shows(&record), policy);
    let names = [false, true].map(|wildcard| CertName { name: scope.clone(), wildcard });
    let survey = observer.survey(&Lookup::dnsauth(scope.clone()), &names, &MethodSpec::txt()).await;
    let expected = Expectation {
        record: Some(RecordData::Txt(stage.value.clone())),
        former: Vec::new(),
        published: true,
        at_provider: Some(true),
        name_servers: Vec::new(),
    };
    for finding in findings(&survey, &expected, policy, now) {
        let _ = format!("{} {}", finding.what, finding.fix);
    }
}

/// CAA records in the form of their data on the wire (RFC 8659 section 4.1.1), each behind its length in one octet.
pub fn caa(bytes: &[u8]) {
    let Ok(at) = OWNER.parse::<DomainName>() else { return };
    let mut records = Vec::new();
    let mut rest = bytes;
    while let [length, after @ ..] = rest {
        let (record, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let [flags, tag_length, data @ ..] = record else { continue };
        let (tag, value) = data.split_at(usize::from(*tag_length).min(data.len()));
        records.push(CaaRecord {
            critical: flags & 0x80 != 0,
            tag: String::from_utf8_lossy(tag).into_owned(),
            value: String::from_utf8_lossy(value).into_owned(),
        });
    }
    for wildcard in [false, true] {
        let _ = Caa::judge(&at, &records, wildcard);
    }
}

/// A text where the CA or a server names a domain or gives a value.
///
/// # Panics
/// When a name that was accepted is not read back as the same name.
pub fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(name) = text.parse::<DomainName>() {
        assert_eq!(name.as_str().parse::<DomainName>().as_ref(), Ok(&name), "a name is read back as itself");
        let _ = (name.parent(), name.child("_dnsauth"), name.is_within(&name), wire_name(&name));
    }
    if let Ok(scope) = DomainName::scope(&text) {
        let _ = dcv_core::dnsauth_owner(&scope);
    }
    if let Ok(value) = RandomValue::new(text) {
        let _ = value.fingerprint();
    }
}
