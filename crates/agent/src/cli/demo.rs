//! `demo`: the real agent, over the network, against the embedded simulator and name servers.

use std::{net::SocketAddr, time::Duration};

use dcv_sandbox::{
    AgentFiles, Sandbox, SandboxConfig,
    ca::{CaConfig, DomainSpec, OrderSpec, Profile, Scope},
    dns::{DnsConfig, ZoneSpec},
};

use super::{
    live,
    manner::{Manner, Output},
    show::{self, Answer, Page},
};
use crate::{
    config,
    exit::{Exit, Failed},
    once,
};

/// How far the secondary server lags, so that there is something to wait for.
const LAG: Duration = Duration::from_millis(1500);
const TIMEOUT: Duration = Duration::from_secs(60);
/// Somebody else's value, which has to survive.
const FOREIGN: &str = "somebody-elses-validation-value";

/// A prevalidated domain without a proof.
const DOMAIN: &str = "corp.example.com";
/// Orders of every method, each with its names.
const WORK: [(&str, &[&str]); 5] = [
    ("dns-txt-token", &["www.example.com"]),
    ("dns-txt-token", &["shop.example.org", "*.api.example.org", "*.example.com"]),
    ("dns-txt-token", &["login.example.net"]),
    ("dns-cname-token", &["pay.example.com"]),
    ("http-token", &["files.example.org"]),
];

pub(super) async fn run(manner: Manner) -> Result<Answer, Failed> {
    let cannot = |what: &str, error: &dyn std::error::Error| Failed::later(format!("demo: {what}: {error}"));
    let folder = tempfile::tempdir().map_err(|error| cannot("no temporary folder", &error))?;
    let sandbox =
        Sandbox::start(setting()).await.map_err(|error| cannot("the sandbox cannot be started", &error))?;
    let orders =
        WORK.map(|(method, names)| sandbox.ca.place(OrderSpec::dv(names.iter().copied()).method(method)));
    let domain = sandbox.ca.place_domain(DomainSpec::new(DOMAIN));
    let web = free_port().map_err(|error| cannot("no port for the responder", &error))?;
    sandbox.ca.alter_profile(|profile| {
        profile.web.insert("example.org".to_owned(), web);
    });
    sandbox
        .dns
        .add_txt("_dnsauth.www.example.com", FOREIGN)
        .await
        .map_err(|error| cannot("no foreign value", &error))?;

    introduce(&sandbox, &orders, domain);
    let path = folder.path().join("config.toml");
    let files = AgentFiles::in_dir(folder.path());
    // Nobody names an order: the agent finds them.
    let config = sandbox.agent_config(&files, &[]).replace("orders = []", "discover = {}\ndomains = {}");
    let config =
        format!("{config}\n[verify.web]\n\"example.org\" = [\"{web}\"]\n[http]\nlisten = \"{web}\"\n");
    sandbox
        .write_secrets(&files)
        .and_then(|()| std::fs::write(&path, config))
        .map_err(|error| cannot("no configuration", &error))?;
    let config = config::load(&path).map_err(|problems| cannot("the configuration", &problems))?;
    let once::Summary { statuses, .. } = live::watched(config, TIMEOUT, manner).await?;

    let mut exit = Exit::of(statuses.iter().map(|status| status.outcome));
    let page = match manner.output {
        Output::Json => Page::json(&statuses)?,
        Output::Text => {
            let mut page = Page::default();
            show::table(&mut page, &statuses);
            exit = exit.max(conclude(&mut page, &sandbox, &orders, domain).await);
            page
        }
    };
    sandbox.shutdown().await;
    Ok(Answer::new(page, exit))
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

fn introduce(sandbox: &Sandbox, orders: &[u64], domain: u64) {
    let servers: Vec<SocketAddr> = sandbox.dns.addresses();
    show::note("A simulated DigiCert account, and a name server with a secondary that lags 1.5 s:");
    show::note(&format!("  CertCentral API  {}", sandbox.ca.base_url()));
    for (server, role) in servers.iter().zip(["primary", "secondary"]) {
        show::note(&format!("  name server      {server} ({role})"));
    }
    for (order, (method, names)) in orders.iter().zip(WORK) {
        show::note(&format!("  order {order}  {method:15}  {}", names.join(", ")));
    }
    show::note(&format!("  domain {domain}   to prevalidate   {DOMAIN}"));
    show::note("_dnsauth.www.example.com already holds somebody else's value, and");
    show::note("_dnsauth.login.example.net is delegated by CNAME to login.dcv.example.com.");
    show::note("The agent is told none of this; `dcv-agent --once`:\n");
}

/// A port for the responder, which was free a moment ago.
fn free_port() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// What the world looks like afterwards, as told by the servers themselves.
async fn conclude(page: &mut Page, sandbox: &Sandbox, orders: &[u64], domain: u64) -> Exit {
    let foreign = sandbox.dns.txt("_dnsauth.www.example.com").await;
    let kept = foreign == [FOREIGN];
    let mut left = 0;
    for owner in [
        "login.dcv.example.com",
        "_dnsauth.example.com",
        "_dnsauth.shop.example.org",
        "_dnsauth.api.example.org",
        "_dnsauth.corp.example.com",
    ] {
        left += sandbox.dns.txt(owner).await.len();
    }
    page.line("");
    for &order in orders {
        let status = sandbox.ca.order_status(order).unwrap_or_default();
        let calls: u64 = sandbox.ca.stats().order(order).calls.values().sum();
        page.line(&format!("DigiCert says: order {order} is {status}, after {calls} API calls"));
    }
    let status = sandbox.ca.domain_status(domain).unwrap_or_default();
    let calls: u64 = sandbox.ca.stats().domain(domain).calls.values().sum();
    page.line(&format!("DigiCert says: domain {domain} is {status}, after {calls} API calls"));
    page.line(&format!(
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
        let manner = Manner { output: Output::Text, level: None, is_live: false, ansi: false };
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        assert_eq!(run(manner).await.unwrap().print(), Exit::Success);
    }
}
