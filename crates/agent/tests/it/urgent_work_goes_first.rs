//! More work than the CA's rate allows at once: the least slack goes first, and everybody is told when all is done.

use std::{net::SocketAddr, time::Duration};

use dcv_sandbox::ca::{CaSimulator, DomainSpec, RateWindow};
use jiff::Timestamp;

use super::support::{Agent, Bind, eventually, scene::Scene};

const DOMAINS: usize = 80;
/// The daemon's pages are asked for on a port that the system chose.
const KEEP: &str = "domains = { every_seconds = 3600 }\nrate = { short = \"20/2s\", long = \"60/6s\" }";

fn host(n: usize) -> String {
    format!("h{n}.dcv.test")
}

fn proven(ca: &CaSimulator, domains: &[u64]) -> usize {
    domains.iter().filter(|&&domain| ca.domain_status(domain).as_deref() == Some("active")).count()
}

/// Where the daemon serves its pages, as its log says.
fn pages(agent: &Agent) -> Option<SocketAddr> {
    let log = agent.log();
    let line = log.lines().find(|line| line.contains("health and metrics at"))?;
    line.split("http://").nth(1)?.split('/').next()?.parse().ok()
}

async fn page(address: SocketAddr, path: &str) -> String {
    reqwest::get(format!("http://{address}{path}")).await.unwrap().text().await.unwrap()
}

fn gauge(metrics: &str, name: &str) -> i64 {
    let line =
        metrics.lines().find(|line| line.starts_with(&format!("dcv_agent_{name}{{account=\"main\"}}")));
    line.unwrap_or_else(|| panic!("{name} is not in {metrics}")).rsplit(' ').next().unwrap().parse().unwrap()
}

/// Eighty domains without a proof, of which five have lapsed: 320 calls at ten a second. The five are proven before half of
/// the others are; the plan, the metrics and the log tell of the burst and of its end; the rate is kept.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_urgent_goes_first_and_the_end_is_foretold() {
    let names: Vec<String> = (0..DOMAINS).map(host).collect();
    let window = |calls, seconds| RateWindow { calls, per: Duration::from_secs(seconds) };
    let scene = Scene::with_ca(Bind::start(&names, "", false), |config| {
        config.rate = vec![window(20, 2), window(60, 6)]
    })
    .await;
    // Those that lapsed are the last of the list.
    let new: Vec<u64> = (5..DOMAINS).map(|n| scene.ca.place_domain(DomainSpec::new(host(n)))).collect();
    let lapsed: Vec<u64> =
        (0..5).map(|n| scene.ca.place_domain(DomainSpec::new(host(n)).validated())).collect();
    lapsed.iter().for_each(|&domain| scene.ca.expire_domain(domain));
    scene.configure(&[], KEEP);
    scene.agent.edit("listen = \"\"", "listen = \"127.0.0.1:0\"");
    let daemon = scene.agent.daemon();
    eventually("the daemon listens", Duration::from_secs(10), || pages(&scene.agent).is_some());
    let pages = pages(&scene.agent).unwrap();
    eventually("the burst is told of", Duration::from_secs(15), || {
        scene.agent.log().contains("burst: account main")
    });

    let plan: serde_json::Value = serde_json::from_str(&page(pages, "/plan").await).unwrap();
    let main = &plan[0];
    assert_eq!((main["account"].as_str(), main["is_burst"].as_bool()), (Some("main"), Some(true)), "{plan}");
    let (calls, finish) = (main["calls"].as_i64().unwrap(), main["finish"].as_str().unwrap());
    let left = finish.parse::<Timestamp>().unwrap().duration_since(dcv_agent::clock::now()).as_secs();
    // Ten a second, and at most one long window of six seconds more or less.
    assert!((calls / 10 - 8..=calls / 10 + 8).contains(&left), "{calls} calls in {left} s");
    assert!(main["late"].as_u64().unwrap() >= 1, "what has lapsed is late: {plan}");
    let metrics = page(pages, "/metrics").await;
    assert_eq!(gauge(&metrics, "burst"), 1);
    assert!(gauge(&metrics, "slack_seconds") < 0, "{metrics}");
    assert!(gauge(&metrics, "calls_needed") > 100 && gauge(&metrics, "finish_seconds") > 5, "{metrics}");
    let status: serde_json::Value = serde_json::from_str(&page(pages, "/status").await).unwrap();
    assert_eq!(status.as_array().unwrap().len(), DOMAINS);

    let mut others = 0;
    eventually("those that lapsed are proven", Duration::from_secs(60), || {
        others = proven(&scene.ca, &new);
        proven(&scene.ca, &lapsed) == lapsed.len()
    });
    assert!(others < new.len() / 2, "{others} that had time were proven before those that had none");
    eventually("all are proven", Duration::from_secs(120), || proven(&scene.ca, &new) == new.len());
    eventually("the end is told of", Duration::from_secs(15), || {
        scene.agent.log().contains("the burst is over")
    });
    let metrics = page(pages, "/metrics").await;
    assert_eq!(
        (gauge(&metrics, "burst"), gauge(&metrics, "calls_needed"), gauge(&metrics, "late")),
        (0, 0, 0)
    );
    assert!(gauge(&metrics, "domain_valid_seconds") > 100 * 86_400, "{metrics}");
    let validated = format!("dcv_agent_domains{{account=\"main\",reason=\"validated\"}} {DOMAINS}");
    assert!(metrics.contains(&validated), "{metrics}");
    assert_eq!(scene.ca.stats().throttled, 0);
    assert_eq!(daemon.stop().0, 0);
}
