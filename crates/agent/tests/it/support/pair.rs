//! Two real name servers of one zone: a primary that takes updates and tells its secondary of each at once.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use tempfile::TempDir;

use super::{TSIG, dig, eventually, free_port};

/// A BIND primary for `dcv.test` that takes updates of TXT everywhere, and a secondary that hears of each by NOTIFY.
pub(crate) struct Pair {
    folder: TempDir,
    servers: Vec<Child>,
    pub(crate) primary: SocketAddr,
    pub(crate) secondary: SocketAddr,
}

impl Pair {
    pub(crate) fn start() -> Self {
        let [primary, secondary] = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let mut pair = Self { folder: tempfile::tempdir().unwrap(), servers: Vec::new(), primary, secondary };
        let followers = secondary.port();
        // Where nothing else is said BIND gathers the news of five seconds in one NOTIFY, and paces them and what follows.
        let zone = format!(
            "type primary; notify explicit; notify-delay 0; also-notify {{ 127.0.0.1 port {followers}; }}; \
             update-policy {{ grant dcv-key zonesub TXT; }};"
        );
        let records = "$TTL 300\n@ SOA ns1 hostmaster 1 3600 60 86400 5\n@ NS ns1\n@ NS ns2\n\
                       ns1 A 127.0.0.1\nns2 A 127.0.0.1\n";
        pair.serve("primary", primary, &zone, Some(records));
        let port = primary.port();
        let zone = format!("type secondary; primaries {{ 127.0.0.1 port {port} key \"dcv-key\"; }};");
        pair.serve("secondary", secondary, &zone, None);
        pair
    }

    pub(crate) fn addresses(&self) -> [SocketAddr; 2] {
        [self.primary, self.secondary]
    }

    fn serve(&mut self, role: &str, address: SocketAddr, zone: &str, records: Option<&str>) {
        let folder = self.folder.path().join(role);
        std::fs::create_dir(&folder).unwrap();
        if let Some(records) = records {
            std::fs::write(folder.join("dcv.test.zone"), records).unwrap();
        }
        let config = format!(
            "key \"dcv-key\" {{ algorithm hmac-sha256; secret \"{TSIG}\"; }};
             options {{ directory \"{}\"; pid-file none; session-keyfile none; listen-on port {} {{ 127.0.0.1; }};
             listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; allow-transfer {{ key \"dcv-key\"; }};
             allow-notify {{ 127.0.0.1; }}; notify-rate 1000; serial-query-rate 1000; }};
             controls {{ }}; zone \"dcv.test\" {{ file \"dcv.test.zone\"; {zone} }};",
            folder.display(),
            address.port(),
        );
        let path = folder.join("named.conf");
        std::fs::write(&path, config).unwrap();
        self.servers.push(named(&path, &folder.join("log")));
        eventually("named serves dcv.test", Duration::from_secs(30), || {
            !dig(address, "dcv.test", "SOA").is_empty()
        });
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn named(config: &Path, log: &Path) -> Child {
    Command::new("named")
        .args(["-g", "-n", "1", "-c"])
        .arg(config)
        .stderr(std::fs::File::create(log).unwrap())
        .spawn()
        .expect("named is missing; install the package bind9")
}
