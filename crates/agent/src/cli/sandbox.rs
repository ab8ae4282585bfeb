//! `sandbox`: the simulator and name servers alone, for trying configurations and for tests from outside.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use dcv_sandbox::{
    AgentFiles, Sandbox, SandboxConfig,
    ca::{CaConfig, CaSimulator, DomainSpec, OrderSpec, Profile, RateWindow},
    dns::{DnsConfig, ZoneSpec},
};

use super::show::{self, Answer, Page};
use crate::exit::{Exit, Failed};

/// What the sandbox is like.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// A zone of the embedded name servers; may be given several times
    #[arg(long = "zone", value_name = "NAME", default_values = ["example.com", "example.org"])]
    zones: Vec<String>,
    /// An order to place: its names, separated by commas, behind another method than dns-txt-token where one is wanted, as in
    /// http-token:www.example.com; may be given several times
    #[arg(long = "order", value_name = "[METHOD:]NAMES", default_values = ["www.example.com"])]
    orders: Vec<String>,
    /// A domain to prevalidate, without a proof yet; may be given several times
    #[arg(long = "domain", value_name = "NAME")]
    domains: Vec<String>,
    /// A secondary name server that lags this many milliseconds
    #[arg(long, value_name = "MS")]
    lag: Option<u64>,
    /// Look at these servers for a zone instead of starting some: ZONE=ADDRESS,ADDRESS; may be given several times
    #[arg(long = "authority", value_name = "ZONE=ADDRESSES", value_parser = authority)]
    authorities: Vec<(String, Vec<SocketAddr>)>,
    /// A rate limit, such as 100/5; may be given several times
    #[arg(long = "rate", value_name = "CALLS/SECONDS", value_parser = rate)]
    rate: Vec<RateWindow>,
    /// Where the API listens; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9880")]
    listen: SocketAddr,
    /// Where the name server listens, with --lag the secondary at the next port; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9853")]
    dns_listen: SocketAddr,
    /// Behaviour switches of the simulator, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = profile, default_value = "{}")]
    profile: Profile,
    /// Where to write the secrets and config.toml, made if it is missing; a config.toml that is there already stays as it is
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub(super) async fn run(options: Options) -> Result<Answer, Failed> {
    serve(options).await.map_err(|error| Failed::later(format!("sandbox: {error}")))?;
    Ok(Answer::new(Page::default(), Exit::Success))
}

async fn serve(options: Options) -> std::io::Result<()> {
    let rate = if options.rate.is_empty() { RateWindow::documented() } else { options.rate };
    let authorities: BTreeMap<_, _> = options.authorities.into_iter().collect();
    let ca = CaConfig {
        listen: options.listen,
        rate,
        profile: options.profile,
        authorities,
        ..CaConfig::default()
    };
    let specs = options.orders.iter().filter(|order| !order.is_empty()).map(|order| spec(order));
    if !ca.authorities.is_empty() {
        // The name servers are somebody else's, and so is the configuration; only the CA is ours.
        let simulator = CaSimulator::start(ca).await.map_err(taken)?;
        let orders: Vec<u64> = specs.map(|spec| simulator.place(spec)).collect();
        for name in &options.domains {
            simulator.place_domain(DomainSpec::new(name));
        }
        show::line(&format!(
            "# base_url = \"{}\", key \"sandbox-key\", orders = {orders:?}",
            simulator.base_url()
        ));
        show::line(&format!("# control: {}", simulator.control_url()));
        wait().await;
        simulator.shutdown().await;
        return Ok(());
    }
    let zones = options.zones.iter().map(ZoneSpec::new).collect();
    let dns = DnsConfig {
        zones,
        lag: options.lag.map(Duration::from_millis),
        listen: options.dns_listen,
        ..SandboxConfig::default().dns
    };
    let sandbox = Sandbox::start(SandboxConfig { ca, dns }).await.map_err(taken)?;
    let orders: Vec<u64> = specs.map(|spec| sandbox.ca.place(spec)).collect();
    for name in &options.domains {
        sandbox.ca.place_domain(DomainSpec::new(name));
    }
    let folder = tempfile::tempdir()?;
    let files = AgentFiles::in_dir(&in_folder(options.folder.as_deref(), folder.path())?);
    sandbox.write_secrets(&files)?;
    let mut config = sandbox.agent_config(&files, &orders);
    if !options.domains.is_empty() {
        config = config.replace("insecure_http = true", "insecure_http = true\ndomains = {}");
    }
    show::line(&config);
    show::line(&format!("# control: {}", sandbox.ca.control_url()));
    match &options.folder {
        Some(folder) => offer(&folder.join("config.toml"), &config)?,
        None => show::note("running; Ctrl-C ends it"),
    }
    wait().await;
    sandbox.shutdown().await;
    Ok(())
}

/// An absolute path, so that the configuration can be used from everywhere.
fn in_folder(wanted: Option<&Path>, temporary: &Path) -> std::io::Result<PathBuf> {
    let folder = wanted.unwrap_or(temporary);
    std::fs::create_dir_all(folder)?;
    folder.canonicalize()
}

/// Writes the configuration where none is, and says how to go on.
fn offer(path: &Path, config: &str) -> std::io::Result<()> {
    if path.exists() {
        show::note(&format!(
            "{} is there already and stays as it is; what is above may differ",
            path.display()
        ));
    } else {
        std::fs::write(path, config)?;
    }
    show::note("running; Ctrl-C ends it. In another terminal, as often as you like:");
    show::note(&format!("  dcv-agent --config {} --once", path.display()));
    Ok(())
}

/// The ports are the same each time, so that a configuration stays right; another sandbox may have them.
fn taken(error: std::io::Error) -> std::io::Error {
    let kind = error.kind();
    let hint = match kind {
        std::io::ErrorKind::AddrInUse => {
            " (does another sandbox run? choose others with --listen and --dns-listen)"
        }
        _ => "",
    };
    std::io::Error::new(kind, format!("{error}{hint}"))
}

/// `http-token:www.example.com,example.com`, or names alone.
fn spec(order: &str) -> OrderSpec {
    match order.split_once(':') {
        Some((method, names)) => OrderSpec::dv(names.split(',')).method(method),
        None => OrderSpec::dv(order.split(',')),
    }
}

async fn wait() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

fn authority(text: &str) -> Result<(String, Vec<SocketAddr>), String> {
    let (zone, addresses) = text.split_once('=').ok_or("write ZONE=ADDRESS:PORT,…")?;
    let addresses: Result<_, _> = addresses.split(',').map(str::parse).collect();
    Ok((zone.to_owned(), addresses.map_err(|_| "an address has the form 127.0.0.1:5301")?))
}

fn rate(text: &str) -> Result<RateWindow, String> {
    let window = text.trim_end_matches('s').split_once('/').and_then(|(calls, per)| {
        Some(RateWindow {
            calls: calls.parse().ok()?,
            per: Duration::from_secs_f64(per.parse().ok().filter(|&s: &f64| s > 0.0 && s < 1e6)?),
        })
    });
    window.ok_or_else(|| "write CALLS/SECONDS, such as 100/5".to_owned())
}

fn profile(text: &str) -> Result<Profile, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
