//! What `http-token` needs: addresses that no other test has, a client, and a real nginx.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tempfile::TempDir;

use super::{eventually, read};

/// Where DigiCert fetches the file.
pub(crate) const FILE: &str = "/.well-known/pki-validation/fileauth.txt";

/// An address for a server that has yet to start. The port is one that the system chose, and the address of the loopback
/// network belongs to this process alone, so that nobody takes the port meanwhile.
pub(crate) fn address() -> SocketAddr {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let own = (std::process::id() & 0x7fff) << 8 | COUNT.fetch_add(1, Ordering::Relaxed) & 0xff;
    let ip = Ipv4Addr::from_bits(0x7f80_0000 | own);
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap()
}

/// Fetches the file of a host with an independent client: the status and the body, or nothing where nobody answers.
pub(crate) fn fetch(server: SocketAddr, host: &str) -> Option<(u16, String)> {
    let limit = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&server, limit).ok()?;
    stream.set_read_timeout(Some(limit)).unwrap();
    stream.write_all(format!("GET {FILE} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The value that a host shows.
pub(crate) fn shown(server: SocketAddr, host: &str) -> Option<String> {
    fetch(server, host).filter(|(status, _)| *status == 200).map(|(_, body)| body)
}

/// A real nginx. Its workers are another user where the test is root, as on a server.
pub(crate) struct Nginx {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// Starts it with `server` blocks, in which `LISTEN` stands for its address and `ROOT` for the folder below which
    /// document roots are; those that are named are made, with a page.
    pub(crate) fn start(roots: &[&str], servers: &str) -> Self {
        Self::with_files(roots, &[], servers)
    }

    /// The same with these files below the roots.
    pub(crate) fn with_files(roots: &[&str], files: &[(&str, &str)], servers: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path());
        for root in roots {
            let root = folder.path().join(root);
            std::fs::create_dir(&root).unwrap();
            open_to_all(&root);
            std::fs::write(root.join("index.html"), "a page").unwrap();
        }
        for (file, text) in files {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let address = address();
        write_configuration(folder.path(), address, servers);
        let child = Command::new("nginx")
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is missing; install the package nginx-light");
        let nginx = Self { folder, child, address };
        let what = format!("nginx listens: {}", read(&nginx.folder.path().join("error.log")));
        eventually(&what, Duration::from_secs(10), || TcpStream::connect(address).is_ok());
        nginx
    }

    /// Goes on with other `server` blocks.
    pub(crate) fn reconfigure(&self, servers: &str) {
        write_configuration(self.folder.path(), self.address, servers);
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A document root.
    pub(crate) fn root(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whether nothing but the page stands in a document root.
    pub(crate) fn is_as_before(&self, root: &str) -> bool {
        let entries = std::fs::read_dir(self.root(root)).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).eq(["index.html"])
    }
}

fn write_configuration(folder: &Path, address: SocketAddr, servers: &str) {
    let dir = folder.display().to_string();
    let servers = servers.replace("LISTEN", &address.to_string()).replace("ROOT", &dir);
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("{what}_temp_path {dir}/{what};\n"))
        .collect();
    let user = if is_root() { "user www-data;" } else { "" };
    let text = format!(
        "{user}\ndaemon off;\nworker_processes 1;\npid {dir}/pid;\nerror_log {dir}/error.log;\nevents {{}}\n\
         http {{\naccess_log {dir}/access.log;\ndefault_type text/plain;\n{temporary}{servers}\n}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), text).unwrap();
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed it would leave its worker behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}
