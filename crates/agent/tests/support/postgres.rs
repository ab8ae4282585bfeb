//! A PostgreSQL of a test's own.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A server on loopback, with a user and a database `dcv` whose password is `wonder`. It ends with the test.
pub(crate) struct Postgres {
    child: Option<Child>,
    folder: TempDir,
    pub(crate) port: u16,
    settings: Vec<String>,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With further settings, each as `name=value`.
    pub(crate) fn with(settings: &[&str]) -> Self {
        let mut server = Self::at_rest(settings);
        let password = server.folder.path().join("password");
        std::fs::write(&password, "wonder").unwrap();
        own(&password);
        let made = as_postgres("initdb")
            .args(["--no-sync", "--no-instructions", "--username=dcv", "--auth=scram-sha-256"])
            .args(["--encoding=UTF8", "--locale=C"])
            .arg(format!("--pwfile={}", password.display()))
            .arg("--pgdata")
            .arg(server.data())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb fails");
        server.run();
        server.sql("postgres", "CREATE DATABASE dcv");
        server
    }

    /// A folder and a port for a server that is filled otherwise.
    pub(crate) fn at_rest(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        own(folder.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        Self { child: None, folder, port, settings }
    }

    /// A copy that follows this server, and can only be read until it is promoted.
    pub(crate) fn standby(&self) -> Self {
        let mut standby = Self::at_rest(&["hot_standby=on"]);
        let copied = as_postgres("pg_basebackup")
            .env("PGPASSWORD", "wonder")
            .args(["-h", "127.0.0.1", "-U", "dcv", "-R", "-c", "fast", "-p", &self.port.to_string(), "-D"])
            .arg(standby.data())
            .status()
            .unwrap();
        assert!(copied.success(), "pg_basebackup fails");
        standby.run();
        standby
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) {
        let data = self.data();
        let done =
            as_postgres("pg_ctl").args(["promote", "-w", "-D"]).arg(data).stdout(Stdio::null()).status();
        assert!(done.unwrap().success(), "pg_ctl promote fails");
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs, and answers, from now on.
    pub(crate) fn run(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = as_postgres("postgres");
        command.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
        command.arg("-k").arg(self.folder.path());
        let usual = ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=60"];
        for setting in usual.into_iter().chain(self.settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let end = Instant::now() + Duration::from_secs(30);
        while !self.answers() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "PostgreSQL does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let asked =
            as_postgres("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status();
        asked.unwrap().success()
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGQUIT ends the server's other processes as well, without a word to its clients.
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://dcv@127.0.0.1:{}/dcv", self.port)
    }

    /// What a statement answers, by `psql`: unaligned, without headings.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        let asked = as_postgres("psql")
            .env("PGPASSWORD", "wonder")
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "dcv"])
            .args(["-p", &self.port.to_string(), "-d", database, "-c", statement])
            .output()
            .unwrap();
        assert!(asked.status.success(), "{statement}: {}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8(asked.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A command of PostgreSQL's, as a user that it accepts: it refuses to run as root.
fn as_postgres(name: &str) -> Command {
    let mut command = Command::new(program(name));
    // Root's folder is not for others to stand in.
    command.current_dir("/");
    if let Some((user, group)) = user() {
        command.uid(user).gid(group);
    }
    command
}

/// Debian keeps these in a folder for each version.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists());
    found.max().unwrap_or_else(|| name.into())
}

/// The user of the server, where we may choose.
fn user() -> Option<(u32, u32)> {
    let id = |flag: &str, name: Option<&str>| -> Option<u32> {
        let asked = Command::new("id").arg(flag).args(name).output().ok()?;
        String::from_utf8(asked.stdout).ok()?.trim().parse().ok()
    };
    (id("-u", None)? == 0).then(|| Some((id("-u", Some("postgres"))?, id("-g", Some("postgres"))?)))?
}

fn own(path: &Path) {
    if let Some((user, group)) = user() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}
