//! The CA and its DNS, wired together.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    ca::{CaConfig, CaSimulator},
    dns::{DnsConfig, DnsServer, TsigAlgorithm, TsigKey, ZoneSpec},
};

/// Settings of a [`Sandbox`].
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// The CA. The addresses of the sandbox's zones are added to its authorities.
    pub ca: CaConfig,
    /// The DNS servers.
    pub dns: DnsConfig,
}

impl Default for SandboxConfig {
    /// The zones `example.com` and `example.org`, one key for updates, no lag.
    fn default() -> Self {
        let tsig = TsigKey {
            name: "dcv-agent.".to_owned(),
            algorithm: TsigAlgorithm::HmacSha256,
            // 32 octets that protect nothing: the servers live on loopback and hold made-up zones.
            secret_base64: "c2FuZGJveC1zZWNyZXQtc2FuZGJveC1zZWNyZXQtMDE=".to_owned(),
        };
        let zones = ["example.com", "example.org"].map(ZoneSpec::new).into();
        Self { ca: CaConfig::default(), dns: DnsConfig { zones, tsig: Some(tsig), ..DnsConfig::default() } }
    }
}

/// Files that an agent's configuration refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFiles {
    /// The state database.
    pub state: PathBuf,
    /// The API key.
    pub api_key: PathBuf,
    /// The secret for updates, in base64.
    pub tsig_secret: PathBuf,
}

impl AgentFiles {
    /// `state.db`, `api.key` and `tsig.key` in one directory.
    pub fn in_dir(dir: &Path) -> Self {
        Self { state: dir.join("state.db"), api_key: dir.join("api.key"), tsig_secret: dir.join("tsig.key") }
    }
}

/// A simulated CA that looks at in-process DNS servers.
#[derive(Debug)]
pub struct Sandbox {
    /// The CA.
    pub ca: CaSimulator,
    /// The DNS servers.
    pub dns: DnsServer,
    api_key: String,
    tsig: Option<TsigKey>,
}

impl Sandbox {
    /// Starts the DNS servers, then the CA with their addresses.
    ///
    /// # Errors
    /// As [`DnsServer::start`] and [`CaSimulator::start`].
    pub async fn start(config: SandboxConfig) -> io::Result<Self> {
        let SandboxConfig { mut ca, dns } = config;
        let tsig = dns.tsig.clone();
        let api_key = ca.keys.first().map(|key| key.key.clone()).unwrap_or_default();
        let dns = DnsServer::start(dns).await?;
        for zone in dns.zones() {
            ca.authorities.entry(zone).or_insert_with(|| dns.addresses());
        }
        let ca = CaSimulator::start(ca).await?;
        Ok(Self { ca, dns, api_key, tsig })
    }

    /// Writes the API key and the secret for updates to their files, readable by the owner only.
    ///
    /// # Errors
    /// What the system says about the files.
    pub fn write_secrets(&self, files: &AgentFiles) -> io::Result<()> {
        write_secret(&files.api_key, &self.api_key)?;
        let secret = self.tsig.as_ref().map_or("", |key| key.secret_base64.as_str());
        write_secret(&files.tsig_secret, secret)
    }

    /// A configuration with which dcv-agent serves `orders` here; the secrets are expected in their files.
    pub fn agent_config(&self, files: &AgentFiles, orders: &[u64]) -> String {
        let zones = self.dns.zones();
        let zone_list = quoted_list(zones.iter().map(String::as_str));
        let addresses = quoted_list(self.dns.addresses().iter().map(ToString::to_string));
        let orders = orders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");

        let mut text = String::new();
        let mut line = |line: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        };
        line(format_args!("[agent]"));
        line(format_args!("state = {}", quoted(&format!("sqlite://{}", files.state.display()))));
        line(format_args!("listen = \"127.0.0.1:0\"\n"));
        line(format_args!("[accounts.sandbox]"));
        line(format_args!("base_url = {}", quoted(&self.ca.base_url())));
        line(format_args!("insecure_http = true"));
        line(format_args!("api_key = {{ file = {} }}", quoted(&files.api_key.display().to_string())));
        line(format_args!("orders = [{orders}]\n"));
        if let Some(key) = &self.tsig {
            let secret = quoted(&files.tsig_secret.display().to_string());
            line(format_args!("[providers.sandbox-dns]"));
            line(format_args!("kind = \"rfc2136\""));
            line(format_args!("zones = {zone_list}"));
            line(format_args!("server = {}", quoted(&self.dns.primary().to_string())));
            line(format_args!(
                "tsig = {{ name = {}, algorithm = {}, secret = {{ file = {secret} }} }}\n",
                quoted(&key.name),
                quoted(key.algorithm.as_str()),
            ));
        }
        line(format_args!("[verify]"));
        line(format_args!("resolvers = []"));
        line(format_args!(""));
        line(format_args!("[verify.authorities]"));
        for zone in &zones {
            line(format_args!("{} = {addresses}", quoted(zone)));
        }
        text
    }

    /// Stops the CA, then its DNS servers, and waits until every task has ended.
    pub async fn shutdown(self) {
        self.ca.shutdown().await;
        self.dns.shutdown().await;
    }
}

fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(path)?, secret.as_bytes())
}

/// A TOML basic string. The escapes of JSON are a subset of TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn quoted_list(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}
