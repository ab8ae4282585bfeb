//! The agent's binary in the lab, with a simulated CA beside it.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Stdio},
};

use super::{
    Agent, BINARY, Finished,
    lab::{Lab, PRIMARY},
};

/// A lab, a simulated CA inside it, and an agent that is configured for both.
pub(crate) struct LabScene {
    pub(crate) lab: Lab,
    agent: Agent,
    ca: Option<Child>,
}

impl LabScene {
    pub(crate) fn new() -> Self {
        let scene = Self { lab: Lab::start(), agent: Agent::new(), ca: None };
        scene.configure("");
        scene
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.agent.path(file)
    }

    /// Looks by these settings of `[verify]`, written as TOML, and updates DNS at this server.
    pub(crate) fn look_by(&mut self, verify: &str, server: SocketAddr) {
        let text = std::fs::read_to_string(self.path("config.toml")).unwrap();
        let (rest, _) = text.split_once("[verify]").unwrap();
        let rest = rest.replace(&format!("server = \"{PRIMARY}\""), &format!("server = \"{server}\""));
        let anchor = self.lab.trust_anchor();
        let text = format!("{rest}[verify]\ntrust_anchor = \"{}\"\n{verify}\n", anchor.display());
        std::fs::write(self.path("config.toml"), text).unwrap();
    }

    fn configure(&self, account: &str) {
        let dir = self.agent.folder().display();
        let account = match account {
            "" => "base_url = \"http://127.0.0.1:9/services/v2\"\norders = []",
            account => account,
        };
        let text = format!(
            "[agent]\nstate = \"sqlite://{dir}/state.db\"\nlisten = \"\"\nlog = {{ level = \"info,dcv_agent=debug\", format = \"json\" }}\n\
             [accounts.main]\ninsecure_http = true\napi_key = {{ file = \"{dir}/api.key\" }}\n{account}\n\
             [providers.bind]\nkind = \"rfc2136\"\nzones = [\"dcv.test\", \"signed.test\"]\nserver = \"{PRIMARY}\"\n\
             tsig = {{ name = \"dcv-key.\", secret = {{ file = \"{dir}/tsig.key\" }} }}\n\
             [verify]\nresolvers = [\"{}\"]\ntrust_anchor = \"{}\"\n",
            self.lab.resolver(),
            self.lab.trust_anchor().display()
        );
        std::fs::write(self.path("config.toml"), text).unwrap();
    }

    /// Starts the simulated CA, which looks at the given servers, with one order; returns the order's number.
    pub(crate) fn order(&mut self, zone: &str, servers: &[SocketAddr], names: &str) -> u64 {
        let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
        let lines = self.start_ca("{\"scope\":\"fqdn\"}", names, &format!("{zone}={}", servers.join(",")));
        let order = lines[0].split('[').nth(1).and_then(|rest| rest.split(']').next()).unwrap();
        self.configure(&format!("base_url = \"{}\"\norders = [{order}]", url(&lines[0])));
        order.parse().unwrap()
    }

    /// Starts the simulated CA, which fetches files of `dcv.test` from port 80 of 127.0.0.1, with one order by file;
    /// returns the order's number.
    pub(crate) fn order_by_file(&mut self, names: &[&str]) -> u64 {
        let lines =
            self.start_ca("{\"web\":{\"dcv.test\":\"127.0.0.1:80\"}}", "", &format!("dcv.test={PRIMARY}"));
        let control = lines[1].rsplit(' ').next().unwrap().trim();
        let order = serde_json::json!({ "names": names, "method": "http-token" }).to_string();
        let placed = self
            .lab
            .command("curl")
            .args(["--silent", "--fail", "--header", "Content-Type: application/json", "--data", &order])
            .arg(format!("{control}/orders"))
            .output()
            .expect("curl is missing; install the package curl");
        let placed: serde_json::Value = serde_json::from_slice(&placed.stdout).unwrap();
        let order = placed["ids"][0].as_u64().unwrap();
        self.configure(&format!("base_url = \"{}\"\norders = [{order}]", url(&lines[0])));
        order
    }

    /// Starts the simulated CA; returns the two lines with which it tells where it is.
    fn start_ca(&mut self, profile: &str, names: &str, authority: &str) -> [String; 2] {
        self.end_ca();
        let mut ca = self
            .lab
            .command(BINARY)
            .args([
                "sandbox",
                "--listen",
                "127.0.0.1:0",
                "--profile",
                profile,
                "--order",
                names,
                "--authority",
                authority,
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(ca.stdout.take().unwrap()).lines();
        self.ca = Some(ca);
        [told.next().unwrap().unwrap(), told.next().unwrap().unwrap()]
    }

    /// Adds to the configuration.
    pub(crate) fn append(&self, text: &str) {
        self.agent.append(text);
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        let config = self.path("config.toml");
        let mut command = self.lab.command(BINARY);
        command.arg("--config").arg(config).args(arguments).stdin(Stdio::null());
        Finished::from(command.output().unwrap())
    }

    fn end_ca(&mut self) {
        if let Some(mut ca) = self.ca.take() {
            let _ = ca.kill();
            let _ = ca.wait();
        }
    }
}

/// What stands in the line's first quotes.
fn url(line: &str) -> &str {
    line.split('"').nth(1).unwrap_or_else(|| panic!("{line}"))
}

impl Drop for LabScene {
    fn drop(&mut self) {
        self.end_ca();
    }
}
