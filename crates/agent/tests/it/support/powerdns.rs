//! A real PowerDNS with one zone, changed by its HTTP API.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{dig, eventually, free_port, read};

/// The server's `api-key`.
pub(crate) const KEY: &str = "pdns-hush-hush";

/// The server; ends with the test.
pub(crate) struct PowerDns {
    child: Child,
    folder: TempDir,
    /// Where it answers DNS.
    pub(crate) address: SocketAddr,
    /// Where its API is.
    pub(crate) api: u16,
}

impl PowerDns {
    /// Starts it with this zone.
    pub(crate) fn serving(zone: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, api, path) = (free_port(), free_port(), folder.path().display());
        let config = format!(
            "launch=gsqlite3\ngsqlite3-database={path}/pdns.db\nlocal-address=127.0.0.1\nlocal-port={port}\nsocket-dir={path}\n\
             guardian=no\ndaemon=no\napi=yes\napi-key={KEY}\nwebserver=yes\nwebserver-address=127.0.0.1\nwebserver-port={api}\n\
             webserver-allow-from=127.0.0.0/8\nzone-cache-refresh-interval=0\n"
        );
        std::fs::write(folder.path().join("pdns.conf"), config).unwrap();
        let schema = std::fs::File::open("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
            .expect("PowerDNS's schema is missing; install the package pdns-backend-sqlite3");
        done(Command::new("sqlite3").arg(folder.path().join("pdns.db")).stdin(schema));
        let config = format!("--config-dir={path}");
        done(Command::new("pdnsutil").args([&config, "create-zone", zone, &format!("ns1.{zone}")]));
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("pdns_server")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("pdns_server is missing; install the package pdns-server");
        let server = Self { child, folder, address: SocketAddr::from(([127, 0, 0, 1], port)), api };
        let what = format!("PowerDNS serves {zone}: {}", read(&server.folder.path().join("log")));
        eventually(&what, Duration::from_secs(30), || {
            !dig(server.address, zone, "SOA").is_empty()
                && std::net::TcpStream::connect(("127.0.0.1", server.api)).is_ok()
        });
        server
    }
}

fn done(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
}

impl Drop for PowerDns {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
