//! A real BIND for tests, and an administrator who edits its zone by BIND's own tools.

use std::{
    net::{TcpListener, UdpSocket},
    process::{Child, Command, Stdio},
    time::Duration,
};

use async_trait::async_trait;
use dcv_core::DomainName;
use dns_providers::contract::Neighbour;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, time::Instant};

/// The secret of `dcv-key` and `narrow-key`.
pub(crate) const SECRET: &str = "c2VjcmV0LW9mLXRoZS10ZXN0LWtleS0zMi1ieXRlcyE=";
/// That of `other-key`, which may do everything.
pub(crate) const OTHER: &str = "YW5vdGhlci1zZWNyZXQtb2YtMzItYnl0ZXMtbGVuZ3Q=";

/// A `named` of the test's own; ends with it.
pub(crate) struct Bind {
    child: Child,
    pub(crate) port: u16,
    dir: TempDir,
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bind {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, path) = (free_port(), dir.path().display());
        let config = format!(
            r#"key "dcv-key" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
key "narrow-key" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
key "other-key" {{ algorithm hmac-sha256; secret "{OTHER}"; }};
key "strong-key" {{ algorithm hmac-sha512; secret "{OTHER}"; }};
options {{ directory "{path}"; pid-file "{path}/named.pid"; session-keyfile "{path}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 port {port} {{ ::1; }};
  recursion no; dnssec-validation no; minimal-responses yes; notify no; }};
controls {{ }};
zone "dcv.test" {{ type primary; file "{path}/dcv.test.zone";
  update-policy {{ grant narrow-key name _dnsauth.only.dcv.test. TXT; grant dcv-key name dcv.test. TXT;
    grant dcv-key wildcard *.dcv.test. TXT CNAME; grant other-key zonesub ANY; grant strong-key zonesub TXT; }}; }};
"#
        );
        let zone = "$TTL 60\n@ IN SOA ns.dcv.test. host.dcv.test. 1 60 60 3600 5\n@ IN NS ns.dcv.test.\n\
                    ns IN A 127.0.0.1\n_dnsauth.alias IN CNAME elsewhere.example.\n\
                    *.cdn 300 IN CNAME elsewhere.example.\n*.stars 7200 IN TXT star\n";
        std::fs::write(dir.path().join("named.conf"), config).unwrap();
        std::fs::write(dir.path().join("dcv.test.zone"), zone).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("named")
            .args(["-g", "-n", "2", "-c"])
            .arg(dir.path().join("named.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("`named` is needed for this test: install the Debian package bind9");
        let bind = Self { child, port, dir };
        let neighbour = bind.neighbour();
        let deadline = Instant::now() + Duration::from_secs(20);
        while neighbour.everything(&"dcv.test".parse().unwrap()).await.is_empty() {
            let log = || std::fs::read_to_string(bind.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "named did not answer\n{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bind
    }

    pub(crate) fn neighbour(&self) -> Administrator {
        Administrator { port: self.port }
    }
}

/// Whoever edits the zone with BIND's own tools.
#[derive(Debug)]
pub(crate) struct Administrator {
    pub(crate) port: u16,
}

#[async_trait]
impl Neighbour for Administrator {
    async fn put(&self, owner: &DomainName, kind: &str, ttl: u32, values: &[&str]) {
        let adds: String =
            values.iter().map(|value| format!("add {owner}. {ttl} {kind} {value}\n")).collect();
        let script = format!("server 127.0.0.1 {}\nzone dcv.test.\n{adds}send\n", self.port);
        let mut nsupdate = tokio::process::Command::new("nsupdate")
            .arg("-y")
            .arg(format!("hmac-sha256:other-key:{OTHER}"))
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("`nsupdate` is needed for this test: install the Debian package bind9-dnsutils");
        nsupdate.stdin.take().unwrap().write_all(script.as_bytes()).await.unwrap();
        assert!(nsupdate.wait().await.unwrap().success(), "nsupdate failed: {script}");
    }

    async fn everything(&self, owner: &DomainName) -> Vec<String> {
        let dig = tokio::process::Command::new("dig")
            .args(["@127.0.0.1", "-p", &self.port.to_string(), "dcv.test", "AXFR"])
            .args(["+noall", "+answer", "+onesoa"])
            .output()
            .await
            .expect("`dig` is needed for this test: install the Debian package bind9-dnsutils");
        let mut lines: Vec<_> = String::from_utf8(dig.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| {
                let (head, rest) = line.split_once("IN\t")?;
                let (name, ttl) = head.trim_end().split_once([' ', '\t'])?;
                let (kind, data) = rest.split_once('\t')?;
                let here = name.trim_end_matches('.') == owner.as_str();
                // A SOA is kept without its third number, the serial, which every update raises.
                let data = match kind {
                    "SOA" => {
                        let mut words: Vec<_> = data.split(' ').collect();
                        words.remove(2);
                        words.join(" ")
                    }
                    _ => data.to_owned(),
                };
                here.then(|| format!("{} {kind} {data}", ttl.trim_start()))
            })
            .collect();
        lines.sort();
        lines
    }
}

/// A port that is free for both transports at this moment.
pub(crate) fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
