//! The vendors' stand-ins (`tests/fakes`), and a process that meets them instead of the vendors.
#![allow(dead_code, reason = "each test uses a part")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// Where a process finds the control port; set in the process that meets the stand-ins.
const CONTROL: &str = "DCV_TEST_FAKES";

/// The running stand-ins.
pub(crate) struct Fakes {
    process: Child,
    folder: TempDir,
    proxy: u64,
    pub(crate) control: Control,
}

impl Drop for Fakes {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Fakes {
    /// Starts them, with further arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../dns-providers/tests/fakes");
        let mut process = Command::new("python3")
            .args(["-B", program, "--dir"])
            .arg(folder.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is missing");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the stand-ins start");
        let ports: Json = serde_json::from_str(&line).expect("the stand-ins tell their ports");
        let port = |name: &str| ports[name].as_u64().expect("a port");
        Self { process, folder, proxy: port("proxy"), control: Control(port("control")) }
    }

    /// What a process needs to meet them.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let ca = self.folder.path().join("ca.pem").display().to_string();
        vec![
            ("HTTPS_PROXY".to_owned(), format!("http://127.0.0.1:{}", self.proxy)),
            ("SSL_CERT_FILE".to_owned(), ca.clone()),
            ("REQUESTS_CA_BUNDLE".to_owned(), ca),
            (CONTROL.to_owned(), self.control.0.to_string()),
        ]
    }
}

/// In the process that meets the stand-ins: their control port. In any other: `None`, after the test of that name has been run in
/// such a process and has passed there. A client reads proxy and certificates from its environment when it is made.
pub(crate) fn met_by(test: &str) -> Option<Control> {
    met_with(test, &[])
}

/// The same, the stand-ins started with further arguments.
pub(crate) fn met_with(test: &str, arguments: &[&str]) -> Option<Control> {
    if let Some(port) = std::env::var_os(CONTROL) {
        return Some(Control(port.to_str()?.parse().ok()?));
    }
    let fakes = Fakes::start(arguments);
    let program = std::env::current_exe().expect("this program has a path");
    let run = Command::new(program)
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .envs(fakes.environment())
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("this program runs");
    let text = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && text.contains("1 passed"), "{text}");
    None
}

/// The control port (`tests/fakes/control.py`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control(u64);

impl Control {
    pub(crate) const fn port(self) -> u64 {
        self.0
    }

    pub(crate) fn zone(self, vendor: &str, zone: &str) {
        self.post("/zone", &json!({ "vendor": vendor, "zone": zone }));
    }

    /// A zone in a view that the client is not told of; `put_in` and `everything_in` are there, too.
    pub(crate) fn zone_in(self, vendor: &str, view: &str, zone: &str) {
        self.post("/zone", &json!({ "vendor": vendor, "zone": zone, "view": view }));
    }

    /// So many other zones.
    pub(crate) fn other_zones(self, vendor: &str, count: u32) {
        self.post("/zones", &json!({ "vendor": vendor, "count": count }));
    }

    pub(crate) fn put_in(self, vendor: &str, view: &str, owner: &str, value: &str) {
        let record = json!({ "vendor": vendor, "view": view, "owner": owner, "type": "TXT", "ttl": 3600, "values": [value] });
        self.post("/record", &record);
    }

    pub(crate) fn everything_in(self, vendor: &str, view: &str, owner: &str) -> Vec<String> {
        let path = format!("/records?vendor={vendor}&owner={owner}&view={view}");
        serde_json::from_value(self.ask(&format!("GET {path} HTTP/1.0\r\n\r\n"))).expect("a list")
    }

    /// Of vendors that take everything: what they were sent since this was asked last.
    pub(crate) fn written(self, vendor: &str) -> Vec<Json> {
        let answer = self.ask(&format!("GET /written?vendor={vendor} HTTP/1.0\r\n\r\n"));
        serde_json::from_value(answer).expect("a list")
    }

    /// Of answers that are replayed: what was asked beside them, and which writes never came.
    pub(crate) fn strange_and_missing(self, vendor: &str) -> (Json, Json) {
        let ask = |what: &str| self.ask(&format!("GET /{what}?vendor={vendor} HTTP/1.0\r\n\r\n"));
        (ask("strange"), ask("missing"))
    }

    /// Requests so far.
    pub(crate) fn count(self, vendor: &str) -> u64 {
        self.ask(&format!("GET /count?vendor={vendor} HTTP/1.0\r\n\r\n")).as_u64().expect("a number")
    }

    pub(crate) fn put(self, vendor: &str, owner: &str, kind: &str, ttl: u32, values: &[&str]) {
        let record = json!({ "vendor": vendor, "owner": owner, "type": kind, "ttl": ttl, "values": values });
        self.post("/record", &record);
    }

    pub(crate) fn everything(self, vendor: &str, owner: &str) -> Vec<String> {
        let answer = self.ask(&format!("GET /records?vendor={vendor}&owner={owner} HTTP/1.0\r\n\r\n"));
        serde_json::from_value(answer).expect("a list")
    }

    /// The requests after the next `after` fail so many times.
    pub(crate) fn fault(self, vendor: &str, fault: &Json, times: u32, after: u32) {
        self.post("/fault", &json!({ "vendor": vendor, "fault": fault, "times": times, "after": after }));
    }

    pub(crate) fn expire(self, vendor: &str) {
        self.post("/expire", &json!({ "vendor": vendor }));
    }

    fn post(self, path: &str, given: &Json) {
        let body = given.to_string();
        self.ask(&format!("POST {path} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    }

    fn ask(self, request: &str) -> Json {
        let port = u16::try_from(self.0).expect("a port");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the stand-ins listen");
        stream.write_all(request.as_bytes()).expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer is read");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        assert!(answer.contains(" 200 "), "{request} {answer}");
        serde_json::from_str(body).expect("an answer in JSON")
    }
}
