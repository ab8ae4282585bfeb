//! A small Internet of real name servers, from a signed root down, in a network namespace of its own where port 53 is
//! free. It needs root, or `sudo` without a password, and the packages bind9, bind9-utils, bind9-dnsutils, knot, nsd,
//! unbound and iproute2.

mod zones;

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use self::zones::{apex, delegation, sign, signed_body};
use super::{TSIG, eventually, read};

/// The value that the zones hold.
pub(crate) const VALUE: &str = "q7m3xk2v9p0tz4n8c1wfy6hd5bj3r0ls";

/// BIND with the root, signed; at a second address as well.
pub(crate) const ROOT: SocketAddr = at(2);
/// BIND with `test`, signed.
pub(crate) const TLD: SocketAddr = at(3);
/// BIND with most zones below `test`; it takes updates of `dcv.test` and `signed.test` under the key `dcv-key.`.
pub(crate) const PRIMARY: SocketAddr = at(4);
/// The same server on another port than 53.
pub(crate) const PRIMARY_ASIDE: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 4), 5300));
/// BIND, a secondary of `dcv.test` that is notified. It refuses every other zone, `lame.test` among them.
pub(crate) const SECONDARY: SocketAddr = at(5);
/// Knot, a secondary of `dcv.test` that is never notified and polls every 2 to 5 s. It also has the old copy of
/// `stale.test`, and `lame.test`.
pub(crate) const LAGGING: SocketAddr = at(6);
/// NSD with `nokey.test`, `nonsec.test` and `oldalgo.test`.
pub(crate) const BROKEN: SocketAddr = at(7);
/// An address where nothing listens; `dead.test` is delegated to it.
pub(crate) const DEAD: SocketAddr = at(99);
/// Unbound, recursive and validating; over TLS on port 853 and over HTTPS on port 443 too.
pub(crate) const RESOLVER: SocketAddr = at(53);

const fn at(host: u8) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host), 53))
}

/// The lab; all of it ends when it is dropped, or when the test's process dies.
pub(crate) struct Lab {
    folder: TempDir,
    /// Process 1 of the namespace. It starts what it reads, and ends at the end of its input; then the kernel ends
    /// every server with it.
    holder: Child,
    pid: String,
    questions_at_start: usize,
}

impl Lab {
    /// Starts every server and waits until each answers.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("resolv.conf"), format!("nameserver {}\n", RESOLVER.ip())).unwrap();
        let (holder, pid) = hold(&folder);
        let mut lab = Self { folder, holder, pid, questions_at_start: 0 };
        lab.write_zones();
        lab.start_bind("leaf", PRIMARY, &leaf_zones());
        lab.wait_for(PRIMARY, "dcv.test", "SOA");
        lab.start_bind("root", ROOT, &static_zone(".", "root.zone"));
        lab.start_bind("tld", TLD, &static_zone("test", "test.zone"));
        lab.start_bind("secondary", SECONDARY, &format!(
            "zone \"dcv.test\" {{ type secondary; primaries {{ {} key dcv-key; }}; allow-notify {{ {}; }}; min-retry-time 1; }};",
            PRIMARY.ip(), PRIMARY.ip()
        ));
        lab.start_knot();
        lab.start_nsd();
        for (server, zone) in [
            (ROOT, "."),
            (TLD, "test"),
            (SECONDARY, "dcv.test"),
            (LAGGING, "dcv.test"),
            (LAGGING, "stale.test"),
            (BROKEN, "nonsec.test"),
        ] {
            lab.wait_for(server, zone, "SOA");
        }
        lab.wait_for(PRIMARY, "_dnsauth.www.signed.test", "RRSIG");
        // Last, or it would remember servers that did not answer yet.
        lab.start_unbound();
        lab.wait_for(RESOLVER, ".", "SOA");
        lab.questions_at_start = lab.log_of_resolver().len();
        lab
    }

    /// A command that will run inside the lab, from the folder `/`.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = privileged("nsenter");
        command.args(["--target", &self.pid, "--net", "--mount", "--", program]);
        command
    }

    /// Asks a server with an independent client and returns the data of the records it answers.
    pub(crate) fn dig(&self, server: SocketAddr, name: &str, kind: &str) -> Vec<String> {
        let text = self.run_dig(server, name, kind, "+short");
        text.lines().filter(|line| !line.starts_with(';')).map(str::to_owned).collect()
    }

    /// Has the lab's hosts find their resolvers elsewhere; returns what the file said before.
    pub(crate) fn resolv_conf(&self, text: &str) -> String {
        let file = self.path("resolv.conf");
        let before = read(&file);
        std::fs::write(file, text).unwrap();
        before
    }

    /// The address of the recursive resolver.
    pub(crate) fn resolver(&self) -> SocketAddr {
        RESOLVER
    }

    /// The certificate of the resolver's TLS and HTTPS sides, to be trusted.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.path("tls.pem")
    }

    /// Closes port 53 for everybody but the resolver, as a firewall that lets only it out: what is sent there is lost.
    pub(crate) fn close_port_53(&self) {
        let rules = "table inet closed {\n chain into {\n type filter hook input priority 0;\n \
            ip saddr != 127.0.0.53 ip daddr != 127.0.0.53 udp dport 53 drop\n \
            ip saddr != 127.0.0.53 ip daddr != 127.0.0.53 tcp dport 53 drop\n \
            ip saddr != 127.0.0.53 ip daddr 127.0.0.53 meta l4proto { tcp, udp } th dport 53 drop\n }\n}\n";
        let file = self.path("closed.nft");
        std::fs::write(&file, rules).unwrap();
        let status =
            self.command("nft").arg("-f").arg(&file).status().expect("nft is missing; install nftables");
        assert!(status.success());
    }

    /// Every question that reached the resolver since the start: the name in lower case with its final dot, and the
    /// type.
    pub(crate) fn resolver_queries(&self) -> Vec<(String, String)> {
        self.log_of_resolver().split_off(self.questions_at_start)
    }

    /// A file with the DNSKEY record of the root.
    pub(crate) fn trust_anchor(&self) -> PathBuf {
        self.path("root.anchor")
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn run_dig(&self, server: SocketAddr, name: &str, kind: &str, option: &str) -> String {
        let output = self
            .command("dig")
            .args([option, "+time=2", "+tries=3", &format!("@{}", server.ip()), name, kind])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn wait_for(&self, server: SocketAddr, name: &str, kind: &str) {
        let what = format!("{server} answers {name} {kind}; logs are in {}", self.folder.path().display());
        eventually(&what, Duration::from_secs(20), || !self.dig(server, name, kind).is_empty());
    }

    fn log_of_resolver(&self) -> Vec<(String, String)> {
        // A line ends in `info: 127.0.0.1 www.dcv.test. A IN`; other lines have other shapes.
        let log = read(&self.path("unbound.log"));
        let questions = log.lines().filter_map(|line| {
            let words: Vec<_> = line.split_once("info: ")?.1.split(' ').collect();
            let [client, name, kind, "IN"] = words[..] else { return None };
            client.parse::<IpAddr>().ok()?;
            Some((name.to_lowercase(), kind.to_owned()))
        });
        questions.collect()
    }

    fn write_zones(&self) {
        let folder = self.folder.path();
        let keys = self.path("keys");
        std::fs::create_dir(&keys).unwrap();
        let write = |file: &str, text: &str| std::fs::write(self.path(file), text).unwrap();

        let mut tld = apex(1, 300, &[3]);
        for (zone, servers) in [
            ("dcv.test", &[4, 5, 6][..]),
            ("stale.test", &[4, 6]),
            ("caa.test", &[4]),
            ("deleg.test", &[4]),
            ("mistakes.test", &[4]),
            ("dead.test", &[99]),
        ] {
            tld += &delegation(zone, servers);
        }
        // The address of the second name server cannot be found.
        tld += &delegation("halfdead.test", &[4]);
        tld += "halfdead.test. NS ns.dead.test.\n";
        for (name, server) in [("good", 4), ("lame", 5), ("dead", 99)] {
            writeln!(tld, "lame.test. NS ns-{name}.lame.test.\nns-{name}.lame.test. A 127.0.0.{server}")
                .unwrap();
        }

        write("dcv.test.zone", zones::DCV);
        write("lame.test.zone", &format!("{}_dnsauth.www TXT \"{VALUE}\"\n", zones::LAME));
        let stale =
            |serial, value: &str| format!("{}_dnsauth.www TXT \"{value}\"\n", apex(serial, 60, &[4, 6]));
        // The alias is at the primary only.
        write("stale.test.zone", &format!("{}_dnsauth.alias CNAME alias.dcv.test.\n", stale(20, VALUE)));
        write("stale.test.old", &stale(10, "an-older-value"));
        write("halfdead.test.zone", &format!("{}_dnsauth.www TXT \"{VALUE}\"\n", apex(1, 60, &[4])));
        // Unsigned, below a signed zone and on its server.
        write(
            "plain.signed.test.zone",
            &format!("{}_dnsauth.x CNAME good.dcv.test.\n_dnsauth.y TXT \"{VALUE}\"\n", apex(1, 60, &[4])),
        );
        write("caa.test.zone", &format!("{}{}", apex(1, 60, &[4]), zones::CAA));
        write("deleg.test.zone", &format!("{}{}", apex(1, 60, &[4]), zones::DELEG));
        write("mistakes.test.zone", &format!("{}{}", apex(1, 60, &[4]), zones::mistakes()));

        // BIND signs this one itself, with the key it finds, so that the parent can have the DS beforehand.
        write("signed.test.zone", &format!("{}plain NS ns1\n", signed_body(4)));
        tld += &delegation("signed.test", &[4]);
        tld += &zones::ds(&zones::key(&keys, "signed.test", &zones::BY_POLICY));

        for (zone, server, options) in [
            ("expired.test", 4, &["-s", "now-2592000", "-e", "now-864000"][..]),
            ("soon.test", 4, &["-e", "now+21600"]),
            ("nsec3.test", 4, &["-3", "-", "-H", "0"]),
            ("wrongds.test", 4, &[]),
            ("nokey.test", 7, &[]),
            ("nonsec.test", 7, &[]),
            ("oldalgo.test", 7, &[]),
        ] {
            let mut signed = sign(folder, zone, &signed_body(server), options);
            match zone {
                "wrongds.test" => signed.ds = zones::foreign_ds(&keys, zone),
                "nokey.test" => signed.text = zones::without(&signed.text, &["DNSKEY"]),
                "nonsec.test" => signed.text = zones::without(&signed.text, &["NSEC"]),
                "oldalgo.test" => {
                    signed.ds = zones::with_unknown_algorithm(&signed.ds);
                    signed.text = zones::with_unknown_algorithm(&signed.text);
                }
                _ => {}
            }
            write(&format!("{zone}.zone"), &signed.text);
            tld += &delegation(zone, &[server]);
            tld += &signed.ds;
        }

        let tld = sign(folder, "test", &tld, &[]);
        write("test.zone", &tld.text);
        let root = format!("{}{}{}", apex(1, 300, &[2, 8]), delegation("test", &[3]), tld.ds);
        let root = sign(folder, ".", &root, &[]);
        write("root.zone", &root.text);
        let anchor = root.text.lines().filter(|line| line.split_whitespace().nth(3) == Some("DNSKEY"));
        write("root.anchor", &anchor.map(|line| format!("{line}\n")).collect::<String>());
        write(
            "root.hints",
            ". 3600 IN NS ns1.\n. 3600 IN NS ns2.\nns1. 3600 IN A 127.0.0.2\nns2. 3600 IN A 127.0.0.8\n",
        );
    }

    /// Runs a server inside the lab; what it says goes to a file.
    fn run(&mut self, line: &str, log: &str) {
        let log = self.path(log);
        writeln!(self.holder.stdin.as_mut().unwrap(), "exec {line} >>'{}' 2>&1", log.display()).unwrap();
    }

    fn start_bind(&mut self, role: &str, address: SocketAddr, zones: &str) {
        let folder = self.folder.path().display().to_string();
        let mut listen = format!("listen-on port 53 {{ {}; }};", address.ip());
        match address {
            PRIMARY => {
                listen += &format!(" listen-on port {} {{ {}; }};", PRIMARY_ASIDE.port(), address.ip())
            }
            ROOT => listen = format!("listen-on port 53 {{ {}; 127.0.0.8; }};", address.ip()),
            _ => {}
        }
        let config = format!(
            "key \"dcv-key\" {{ algorithm hmac-sha256; secret \"{TSIG}\"; }};
             options {{ directory \"{folder}\"; key-directory \"{folder}/keys\"; pid-file none; session-keyfile none;
             {} listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; minimal-responses yes;
             allow-transfer {{ key \"dcv-key\"; }}; notify no; notify-delay 0; serial-query-rate 1000;
             transfer-source {}; notify-source {}; lock-file none; }};
             controls {{ }}; {zones}",
            listen, address.ip(), address.ip()
        );
        let file = self.path(&format!("{role}.conf"));
        std::fs::write(&file, config).unwrap();
        self.run(&format!("named -g -n 1 -c '{}'", file.display()), &format!("{role}.log"));
    }

    fn start_knot(&mut self) {
        let folder = self.path("knot");
        std::fs::create_dir(&folder).unwrap();
        let (knot, zones) = (folder.display(), self.folder.path().display());
        let config = format!(
            "server:
  rundir: \"{knot}\"
  listen: {}@53
database:
  storage: \"{knot}\"
log:
  - target: stderr
    any: info
key:
  - id: dcv-key
    algorithm: hmac-sha256
    secret: \"{TSIG}\"
remote:
  - id: primary
    address: {}@53
    key: dcv-key
zone:
  - domain: dcv.test
    storage: \"{knot}\"
    file: dcv.test.zone
    master: primary
    refresh-max-interval: 5
  - domain: stale.test
    storage: \"{zones}\"
    file: stale.test.old
    zonefile-sync: -1
  - domain: lame.test
    storage: \"{zones}\"
    file: lame.test.zone
    zonefile-sync: -1
",
            LAGGING.ip(),
            PRIMARY.ip()
        );
        std::fs::write(folder.join("knot.conf"), config).unwrap();
        self.run(&format!("knotd -c '{}/knot.conf'", folder.display()), "knot.log");
    }

    fn start_nsd(&mut self) {
        let folder = self.folder.path().display().to_string();
        let mut config = format!(
            "server:\n ip-address: {}\n port: 53\n username: \"\"\n chroot: \"\"\n server-count: 1\n database: \"\"\n zonesdir: \"{folder}\"\n \
             pidfile: \"{folder}/nsd.pid\"\n zonelistfile: \"{folder}/nsd.list\"\n xfrdfile: \"{folder}/nsd.xfrd\"\n \
             xfrdir: \"{folder}\"\nremote-control:\n control-enable: no\n",
            BROKEN.ip()
        );
        for zone in ["nokey.test", "nonsec.test", "oldalgo.test"] {
            writeln!(config, "zone:\n name: {zone}\n zonefile: {zone}.zone").unwrap();
        }
        let file = self.path("nsd.conf");
        std::fs::write(&file, config).unwrap();
        self.run(&format!("nsd -d -c '{}'", file.display()), "nsd.log");
    }

    fn start_unbound(&mut self) {
        let folder = self.folder.path().display().to_string();
        let certified =
            rcgen::generate_simple_self_signed(["127.0.0.53".to_owned(), "dns.lab.test".to_owned()]).unwrap();
        std::fs::write(self.certificate(), certified.cert.pem()).unwrap();
        std::fs::write(self.path("tls.key"), certified.signing_key.serialize_pem()).unwrap();
        let config = format!(
            "server:\n interface: {0}@53\n interface: {0}@853\n interface: {0}@443\n outgoing-interface: {0}\n \
             tls-port: 853\n https-port: 443\n tls-service-key: \"{folder}/tls.key\"\n tls-service-pem: \"{folder}/tls.pem\"\n \
             access-control: 127.0.0.0/8 allow\n username: \"\"\n chroot: \"\"\n directory: \"{folder}\"\n \
             pidfile: \"\"\n use-syslog: no\n logfile: \"{folder}/unbound.log\"\n log-queries: yes\n num-threads: 1\n \
             do-ip6: no\n do-not-query-localhost: no\n local-zone: \"test.\" nodefault\n module-config: \"validator iterator\"\n \
             root-hints: \"{folder}/root.hints\"\n trust-anchor-file: \"{folder}/root.anchor\"\n aggressive-nsec: yes\n\
             remote-control:\n control-enable: no\n",
            RESOLVER.ip()
        );
        let file = self.path("unbound.conf");
        std::fs::write(&file, config).unwrap();
        self.run(&format!("unbound -d -c '{}'", file.display()), "unbound.err");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// Makes the namespace, and returns the process that holds it with the pid by which others can enter.
fn hold(folder: &TempDir) -> (Child, String) {
    let script = format!(
        "set -e; ip link set lo up
         for i in 2 3 4 5 6 7 8 53; do ip addr add 127.0.0.$i/8 dev lo; done
         mount --bind '{}/resolv.conf' /etc/resolv.conf
         read -r pid _ </proc/self/stat; echo \"$pid\"
         while IFS= read -r line; do eval \"$line\" & done",
        folder.path().display()
    );
    let mut holder = privileged("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--propagation",
            "private",
            "bash",
            "-c",
        ])
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pid = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut pid).unwrap();
    assert!(!pid.is_empty(), "no network namespace: this needs root, or sudo without a password");
    (holder, pid.trim().to_owned())
}

/// A command that runs as root.
pub(crate) fn privileged(program: &str) -> Command {
    // The folder of a process belongs to the user it runs as.
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

fn static_zone(name: &str, file: &str) -> String {
    format!("zone \"{name}\" {{ type primary; file \"{file}\"; }};\n")
}

fn leaf_zones() -> String {
    let mut text = format!(
        "zone \"dcv.test\" {{ type primary; file \"dcv.test.zone\"; notify explicit; also-notify {{ {}; }};
           update-policy {{ grant dcv-key zonesub TXT; }}; }};
         zone \"signed.test\" {{ type primary; file \"signed.test.zone\"; dnssec-policy default;
           update-policy {{ grant dcv-key zonesub TXT; }}; }};\n",
        SECONDARY.ip()
    );
    for zone in [
        "lame",
        "stale",
        "halfdead",
        "plain.signed",
        "caa",
        "deleg",
        "mistakes",
        "expired",
        "soon",
        "nsec3",
        "wrongds",
    ] {
        text += &static_zone(&format!("{zone}.test"), &format!("{zone}.test.zone"));
    }
    text
}
