//! What the end-to-end tests stand on: a real BIND, the simulator, and the real binary as a process of its own.

#[cfg(feature = "vendors")]
#[path = "../../../../dns-providers/tests/support/fakes.rs"]
pub(crate) mod fakes;
pub(crate) mod fleet;
pub(crate) mod front;
pub(crate) mod hostile;
pub(crate) mod lab;
pub(crate) mod lab_scene;
pub(crate) mod pair;
#[path = "../../support/postgres.rs"]
pub(crate) mod postgres;
pub(crate) mod powerdns;
pub(crate) mod scene;
pub(crate) mod way;
pub(crate) mod web;

use std::{
    fs::Permissions,
    io::Read as _,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use dcv_sandbox::ca::{CaConfig, CaSimulator};
use serde_json::Value as Json;
use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_dcv-agent");
/// A made-up secret; it protects servers on loopback for the length of a test.
pub(crate) const TSIG: &str = "ZW5kLXRvLWVuZC10c2lnLXNlY3JldC0wMTIzNDU2Nzg=";
pub(crate) const FOREIGN: &str = "somebody-elses-value";

/// Waits for a state, never for a time.
pub(crate) fn eventually(what: &str, limit: Duration, mut state: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !state() {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(25));
    }
    start.elapsed()
}

/// A port that was free for UDP and TCP a moment ago. BIND listens on addresses of interfaces only, so that an address of
/// its own, as [`web::address`] gives, is not for it.
pub(crate) fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A BIND primary for `dcv.test`, which takes TXT updates at the given `_dnsauth` names only, and optionally a
/// secondary that follows it up to five seconds late.
pub(crate) struct Bind {
    folder: TempDir,
    servers: Vec<(Child, SocketAddr)>,
}

impl Bind {
    pub(crate) fn start(names: &[String], extra_records: &str, lagging_secondary: bool) -> Self {
        let names: Vec<_> = names.iter().map(|name| format!("_dnsauth.{name}")).collect();
        Self::granting(&names, extra_records, lagging_secondary)
    }

    /// The same, taking updates at these very names.
    pub(crate) fn granting(names: &[String], extra_records: &str, lagging_secondary: bool) -> Self {
        let mut bind = Self { folder: tempfile::tempdir().unwrap(), servers: Vec::new() };
        let grants: String =
            names.iter().map(|name| format!("grant dcv-key name {name}. TXT CNAME; ")).collect();
        let zone = format!(
            "$TTL 300\n@ SOA ns1 hostmaster 1 5 1 86400 5\n@ NS ns1\n@ NS ns2\nns1 A 127.0.0.1\nns2 A 127.0.0.1\n{extra_records}\n"
        );
        let primary = bind.launch("primary", &format!(
            "zone \"dcv.test\" {{ type primary; file \"dcv.test.zone\"; notify no; update-policy {{ {grants} }}; }};"
        ), Some(&zone));
        if lagging_secondary {
            bind.launch("secondary", &format!(
                "zone \"dcv.test\" {{ type secondary; file \"dcv.test.zone\"; primaries {{ 127.0.0.1 port {} key \"dcv-key\"; }};
                 min-refresh-time 1; max-refresh-time 5; min-retry-time 1; max-retry-time 5; }};",
                primary.port()
            ), None);
        }
        bind
    }

    /// A BIND primary for `dcv.test`, which takes updates of TXT and CNAME at every name, and for `example.test`, which
    /// takes none.
    pub(crate) fn open(extra_records: &str) -> Self {
        let mut bind = Self { folder: tempfile::tempdir().unwrap(), servers: Vec::new() };
        let zone = "$TTL 300\n@ SOA ns1 hostmaster 1 5 1 86400 5\n@ NS ns1\nns1 A 127.0.0.1\n";
        let beside = bind.folder.path().join("example.test.zone");
        std::fs::write(&beside, zone).unwrap();
        let zones = format!(
            "zone \"dcv.test\" {{ type primary; file \"dcv.test.zone\"; notify no; update-policy {{ grant dcv-key zonesub TXT CNAME; }}; }};
             zone \"example.test\" {{ type primary; file \"{}\"; notify no; }};",
            beside.display()
        );
        bind.launch("primary", &zones, Some(&format!("{zone}{extra_records}\n")));
        bind
    }

    /// A BIND primary for `dcv.test` with this statement `update-policy { … };`.
    pub(crate) fn with_policy(policy: &str) -> Self {
        let mut bind = Self { folder: tempfile::tempdir().unwrap(), servers: Vec::new() };
        let zone = "$TTL 300\n@ SOA ns1 hostmaster 1 5 1 86400 5\n@ NS ns1\nns1 A 127.0.0.1\n";
        let zones =
            format!("zone \"dcv.test\" {{ type primary; file \"dcv.test.zone\"; notify no; {policy} }};");
        bind.launch("primary", &zones, Some(zone));
        bind
    }

    /// A BIND primary for `dcv.test` and for these zones, which takes updates of TXT and CNAME at every name.
    pub(crate) fn serving(others: &[&str]) -> Self {
        let mut bind = Self { folder: tempfile::tempdir().unwrap(), servers: Vec::new() };
        let zone_file = "$TTL 300\n@ SOA ns1 hostmaster 1 5 1 86400 5\n@ NS ns1\nns1 A 127.0.0.1\n";
        let mut zones = String::new();
        for zone in others.iter().chain(&["dcv.test"]) {
            let file = bind.folder.path().join(format!("{zone}.zone"));
            std::fs::write(&file, zone_file).unwrap();
            zones += &format!(
                "zone \"{zone}\" {{ type primary; file \"{}\"; notify no; update-policy {{ grant dcv-key zonesub TXT CNAME; }}; }};",
                file.display()
            );
        }
        bind.launch("primary", &zones, None);
        bind
    }

    fn launch(&mut self, role: &str, zones: &str, zone_file: Option<&str>) -> SocketAddr {
        let folder = self.folder.path().join(role);
        std::fs::create_dir(&folder).unwrap();
        if let Some(text) = zone_file {
            std::fs::write(folder.join("dcv.test.zone"), text).unwrap();
        }
        // Between our finding a port free and named's taking it, another process may have it; then another one is tried.
        for _ in 0..10 {
            if let Some(address) = self.serve(&folder, zones) {
                return address;
            }
        }
        panic!("named does not start: {}", read(&folder.join("log")));
    }

    fn serve(&mut self, folder: &Path, zones: &str) -> Option<SocketAddr> {
        let port = free_port();
        let config = format!(
            "key \"dcv-key\" {{ algorithm hmac-sha256; secret \"{TSIG}\"; }};
             options {{ directory \"{folder}\"; pid-file none; session-keyfile none; listen-on port {port} {{ 127.0.0.1; }};
             listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; allow-transfer {{ key \"dcv-key\"; }}; }};
             controls {{ }}; {zones}",
            folder = folder.display()
        );
        let path = folder.join("named.conf");
        std::fs::write(&path, config).unwrap();
        let mut child = Command::new("named")
            .args(["-g", "-n", "1", "-c"])
            .arg(&path)
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .expect("named is missing; install the package bind9");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut taken = false;
        eventually("named serves dcv.test", Duration::from_secs(30), || {
            taken = read(&folder.join("log")).contains("address in use");
            taken || !dig(address, "dcv.test", "SOA").is_empty()
        });
        if taken {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        self.servers.push((child, address));
        Some(address)
    }

    /// What the primary has logged.
    pub(crate) fn log(&self) -> String {
        read(&self.folder.path().join("primary/log"))
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|(_, address)| *address).collect()
    }

    pub(crate) fn primary(&self) -> SocketAddr {
        self.servers[0].1
    }

    /// The zone's serial: it rises with every change.
    pub(crate) fn serial(&self) -> String {
        dig(self.primary(), "dcv.test", "SOA")[0].split(' ').nth(2).unwrap().to_owned()
    }

    /// What the primary holds at this very name, as it is written in a zone file.
    pub(crate) fn at(&self, name: &str, kind: &str) -> Vec<String> {
        let mut records = dig(self.primary(), name, kind);
        records.sort();
        records
    }

    /// All records of the zone but its SOA, by a zone transfer.
    pub(crate) fn transfer(&self) -> Vec<String> {
        transfer(self.primary()).expect("no zone transfer")
    }

    /// To all its servers.
    pub(crate) fn signal(&self, name: &str) {
        for (child, _) in &self.servers {
            let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
            assert!(status.unwrap().success());
        }
    }

    /// The alias at `_dnsauth.<name>` of the primary.
    pub(crate) fn alias(&self, name: &str) -> Option<String> {
        dig(self.primary(), &format!("_dnsauth.{name}"), "CNAME").into_iter().next()
    }

    /// The TXT values at `_dnsauth.<name>` of the primary.
    pub(crate) fn txt(&self, name: &str) -> Vec<String> {
        let mut texts = dig(self.primary(), &format!("_dnsauth.{name}"), "TXT");
        texts.iter_mut().for_each(|text| *text = text.trim_matches('"').to_owned());
        texts.sort();
        texts
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        for (child, _) in &mut self.servers {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// All records of `dcv.test` but its SOA, by a zone transfer; none where the server does not answer.
pub(crate) fn transfer(server: SocketAddr) -> Option<Vec<String>> {
    let output = Command::new("dig")
        .args(["+noall", "+answer", "+time=5", "+tries=1", "-y", &format!("hmac-sha256:dcv-key:{TSIG}")])
        .args(["-p", &server.port().to_string(), "@127.0.0.1", "dcv.test", "AXFR"])
        .output()
        .expect("dig is missing; install the package bind9-dnsutils");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_whole = text.lines().filter(|line| words(line).contains(" IN SOA ")).count() == 2;
    let mut records: Vec<_> = text.lines().map(words).filter(|line| !line.contains(" IN SOA ")).collect();
    records.sort();
    is_whole.then_some(records)
}

/// Asks with an independent client.
pub(crate) fn dig(server: SocketAddr, name: &str, kind: &str) -> Vec<String> {
    let output = Command::new("dig")
        .args([
            "+short",
            "+norecurse",
            "+time=2",
            "+tries=5",
            "-p",
            &server.port().to_string(),
            "@127.0.0.1",
            name,
            kind,
        ])
        .output()
        .expect("dig is missing; install the package bind9-dnsutils");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|line| !line.starts_with(';')).map(str::to_owned).collect()
}

/// A folder with a configuration and its secrets, and the binary to run on it.
pub(crate) struct Agent {
    folder: TempDir,
}

impl Agent {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (file, secret) in [("api.key", "sandbox-key\n"), ("tsig.key", TSIG)] {
            let path = folder.path().join(file);
            std::fs::write(&path, secret).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes the configuration for one account and the zone `dcv.test`.
    pub(crate) fn configure(
        &self,
        base_url: &str,
        servers: &[SocketAddr],
        orders: &str,
        account_extra: &str,
    ) {
        let dir = self.folder.path().display();
        let authorities: Vec<_> = servers.iter().map(|server| format!("\"{server}\"")).collect();
        let text = format!(
            "[agent]\nstate = \"sqlite://{dir}/state.db\"\nlisten = \"\"\n\
             [accounts.main]\nbase_url = \"{base_url}\"\ninsecure_http = true\napi_key = {{ file = \"{dir}/api.key\" }}\norders = [{orders}]\n{account_extra}\n\
             [providers.bind]\nkind = \"rfc2136\"\nzones = [\"dcv.test\"]\nserver = \"{}\"\ntsig = {{ name = \"dcv-key.\", secret = {{ file = \"{dir}/tsig.key\" }} }}\n\
             [verify]\nresolvers = []\n[verify.authorities]\n\"dcv.test\" = [{}]\n",
            servers[0],
            authorities.join(", ")
        );
        std::fs::write(self.path("config.toml"), text).unwrap();
    }

    /// Changes the configuration's text, which has to be there.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.path("config.toml");
        let text = read(&path);
        assert!(text.contains(from), "{from:?} is not in {text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Adds to the configuration.
    pub(crate) fn append(&self, text: &str) {
        let path = self.path("config.toml");
        std::fs::write(&path, read(&path) + text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("--config").arg(self.path("config.toml")).args(arguments);
        command.stdin(Stdio::null()).env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        Finished::from(self.command(arguments).output().unwrap())
    }

    /// What the daemon has logged.
    pub(crate) fn log(&self) -> String {
        read(&self.path("log"))
    }

    /// Starts the daemon; its log goes to a file beside the configuration.
    pub(crate) fn daemon(&self) -> Daemon {
        let log = std::fs::File::create(self.path("log")).unwrap();
        Daemon { child: self.command(&[]).stderr(log).spawn().unwrap(), leads_group: false }
    }

    /// The daemon in a time that runs thirty times as fast, from four minutes ago: signed updates bear a time that may be off
    /// by five minutes, either way.
    pub(crate) fn daemon_in_fast_motion(&self) -> Daemon {
        let command = self.command(&[]);
        let mut fast = Command::new("faketime");
        fast.args(["-f", "-4m x30"]).arg(command.get_program()).args(command.get_args());
        let log = std::fs::File::create(self.path("log")).unwrap();
        // faketime waits for what it runs, and does not take it along when it is killed.
        let child = fast.stdin(Stdio::null()).stderr(log).process_group(0).spawn();
        Daemon { child: child.expect("faketime is missing; install the package faketime"), leads_group: true }
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Finished {
    /// What it printed, which is JSON.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The entry of an order in the summary of a run.
    pub(crate) fn order(&self, order: u64) -> Json {
        self.entry("order", order)
    }

    /// The entry of a domain in the summary of a run.
    pub(crate) fn domain(&self, domain: u64) -> Json {
        self.entry("domain", domain)
    }

    fn entry(&self, what: &str, id: u64) -> Json {
        let summary = self.json();
        let mut entries = summary["orders"].as_array().unwrap().iter();
        entries
            .find(|entry| entry[what] == id)
            .unwrap_or_else(|| panic!("{what} {id} is not in {summary}"))
            .clone()
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A running daemon; killed when the test fails.
pub(crate) struct Daemon {
    child: Child,
    /// It has started others, which end with it.
    leads_group: bool,
}

impl Daemon {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self { child: command.spawn().unwrap(), leads_group: false }
    }

    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// The most memory that it has had at once, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.child.id())));
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Whether SIGHUP would not end it by itself.
    pub(crate) fn catches_hangup(&self) -> bool {
        let status = read(Path::new(&format!("/proc/{}/status", self.child.id())));
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
        u64::from_str_radix(caught.trim(), 16).unwrap_or_default() & 1 == 1
    }

    /// How many files and connections it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Ends it politely and returns its exit code and how long that took.
    pub(crate) fn stop(mut self) -> (i32, Duration) {
        let start = Instant::now();
        self.signal("TERM");
        let mut code = None;
        eventually("the daemon ends", Duration::from_secs(10), || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        (code.and_then(|status| status.code()).unwrap_or(-1), start.elapsed())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.leads_group {
            let group = format!("-{}", self.child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One more account at a CA, with its key in this file, to be written behind the settings of another one.
pub(crate) fn account(name: &str, ca: &CaSimulator, key: &Path, settings: &str) -> String {
    format!(
        "\n[accounts.{name}]\nbase_url = \"{}\"\ninsecure_http = true\napi_key = {{ file = \"{}\" }}\n{settings}",
        ca.base_url(),
        key.display()
    )
}

/// A simulator that looks at these servers.
pub(crate) async fn simulator(servers: &[SocketAddr], change: impl FnOnce(&mut CaConfig)) -> CaSimulator {
    let mut config =
        CaConfig { authorities: [("dcv.test".to_owned(), servers.to_vec())].into(), ..CaConfig::default() };
    config.profile.scope = dcv_sandbox::ca::Scope::Fqdn;
    change(&mut config);
    CaSimulator::start(config).await.unwrap()
}

pub(crate) fn list(ids: &[u64]) -> String {
    ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

pub(crate) fn read(path: &Path) -> String {
    let mut text = String::new();
    let _ = std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    text
}

/// The same command under a clock that is this much off; what measures spans is not.
pub(crate) fn faketime(offset: &str, command: &Command) -> Command {
    let present = Command::new("faketime").arg("--version").output();
    present.expect("faketime is missing; install the package faketime");
    let mut shifted = Command::new("faketime");
    shifted.args(["--exclude-monotonic", "-f", offset]).arg(command.get_program()).args(command.get_args());
    shifted.stdin(Stdio::null()).env("AWS_EC2_METADATA_DISABLED", "true");
    shifted
}
