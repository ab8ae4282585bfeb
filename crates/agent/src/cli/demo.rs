//! `demo`: the real agent, over the network, against the embedded simulator and name servers.

use std::{net::SocketAddr, time::Duration};

use dcv_sandbox::{
    AgentFiles, Sandbox, SandboxConfig,
    ca::{CaConfig, OrderSpec, Profile, Scope},
    dns::{DnsConfig, ZoneSpec},
};

use super::{args::Output, fail, run, show};
use crate::{config, exit::Exit};

/// How far the secondary server lags, so that there is something to wait for.
const LAG: Duration = Duration::from_millis(1500);
const TIMEOUT: Duration = Duration::from_secs(60);
/// Somebody else's value, which has to survive.
const FOREIGN: &str = "somebody-elses-validation-value";

pub(super) async fn run(output: Output) -> Exit {
    match demo(output).await {
        Ok(exit) | Err(exit) => exit,
    }
}

async fn demo(output: Output) -> Result<Exit, Exit> {
    let cannot =
        |what: &str, error: &dyn std::error::Error| fail(Exit::Later, &format!("demo: {what}: {error}"));
    let folder = tempfile::tempdir().map_err(|error| cannot("no temporary folder", &error))?;
    let sandbox =
        Sandbox::start(setting()).await.map_err(|error| cannot("the sandbox cannot be started", &error))?;
    let names = [
        vec!["www.example.com"],
        vec!["shop.example.org", "*.apps.example.org", "*.example.com"],
        vec!["login.example.net"],
    ];
    let orders: Vec<u64> =
        names.iter().map(|names| sandbox.ca.place(OrderSpec::dv(names.iter().copied()))).collect();
    sandbox
        .dns
        .add_txt("_dnsauth.www.example.com", FOREIGN)
        .await
        .map_err(|error| cannot("no foreign value", &error))?;

    introduce(&sandbox, &orders, &names);
    let path = folder.path().join("config.toml");
    let files = AgentFiles::in_dir(folder.path());
    let config = sandbox.agent_config(&files, &orders);
    sandbox
        .write_secrets(&files)
        .and_then(|()| std::fs::write(&path, config))
        .map_err(|error| cannot("no configuration", &error))?;
    let config = config::load(&path).map_err(|problems| cannot("the configuration", &problems))?;
    let run::Ran { reports, .. } = run::run_once(config, TIMEOUT, true).await?;

    let mut exit = Exit::of(reports.iter().map(|report| report.outcome));
    match output {
        Output::Json => show::json(&reports),
        Output::Text => {
            show::progress("");
            show::table(&reports);
            exit = exit.max(conclude(&sandbox, &orders).await);
        }
    }
    sandbox.shutdown().await;
    Ok(exit)
}

fn setting() -> SandboxConfig {
    let default = SandboxConfig::default();
    let zones = vec![
        ZoneSpec::new("example.com"),
        ZoneSpec::new("example.org"),
        // Somebody else's zone, where only the validation name is delegated to ours.
        ZoneSpec::new("example.net").record(
            "_dnsauth.login.example.net",
            "CNAME",
            300,
            "login.dcv.example.com.",
        ),
    ];
    let dns = DnsConfig { zones, lag: Some(LAG), policy: dcv_sandbox::dns::UpdatePolicy::Any, ..default.dns };
    let ca = CaConfig { profile: Profile { scope: Scope::Fqdn, ..Profile::default() }, ..default.ca };
    SandboxConfig { ca, dns }
}

fn introduce(sandbox: &Sandbox, orders: &[u64], names: &[Vec<&str>]) {
    let servers: Vec<SocketAddr> = sandbox.dns.addresses();
    show::progress(
        "A simulated DigiCert account and a name server with a secondary that lags 1.5 s, all on loopback:",
    );
    show::progress(&format!("  CertCentral API  {}", sandbox.ca.base_url()));
    for (server, role) in servers.iter().zip(["primary", "secondary"]) {
        show::progress(&format!("  name server      {server} ({role})"));
    }
    for (order, names) in orders.iter().zip(names) {
        show::progress(&format!("  order {order}     {}", names.join(", ")));
    }
    show::progress(
        "_dnsauth.www.example.com already holds somebody else's value; _dnsauth.login.example.net is",
    );
    show::progress("delegated by CNAME to login.dcv.example.com. Now `dcv-agent --once`:\n");
}

/// What the world looks like afterwards, as told by the servers themselves.
async fn conclude(sandbox: &Sandbox, orders: &[u64]) -> Exit {
    let foreign = sandbox.dns.txt("_dnsauth.www.example.com").await;
    let kept = foreign == [FOREIGN];
    let mut left = 0;
    for owner in [
        "login.dcv.example.com",
        "_dnsauth.example.com",
        "_dnsauth.shop.example.org",
        "_dnsauth.apps.example.org",
    ] {
        left += sandbox.dns.txt(owner).await.len();
    }
    show::line("");
    for &order in orders {
        let status = sandbox.ca.order_status(order).unwrap_or_default();
        let calls: u64 = sandbox.ca.stats().order(order).calls.values().sum();
        show::line(&format!("DigiCert says: order {order} is {status}, after {calls} API calls"));
    }
    show::line(&format!(
        "values of ours left in DNS: {}; somebody else's value: {}",
        left,
        if kept { "untouched" } else { "HARMED" }
    ));
    if kept && left == 0 { Exit::Success } else { Exit::Bug }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_demo_ends_well_and_leaves_nothing() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        assert_eq!(run(Output::Text).await, Exit::Success);
    }
}
