//! Orders whose zones are at Azure DNS and Google Cloud DNS: each vendor is played by its fake, whose zone is answered over real
//! DNS.

#[path = "../../../dns-providers/tests/support/azure.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod azure;
#[path = "../../../dns-providers/tests/support/google.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod google;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dcv_core::DomainName;
use dcv_sandbox::{
    ca::OrderSpec,
    dns::{DnsConfig, DnsServer, ZoneSpec},
};
use dns_providers::contract::Neighbour;

use super::support::{Agent, list, simulator};

/// What stands at these names at a vendor is answered by the name server, a moment later; ours alone, which have letters and
/// digits. Counts how many values there were at the most.
async fn mirrored(
    vendor: Arc<dyn Neighbour>,
    owners: Vec<DomainName>,
    dns: Arc<DnsServer>,
    most: Arc<AtomicUsize>,
) {
    loop {
        let mut shown = 0;
        for owner in &owners {
            let lines = vendor.everything(owner).await;
            let values = lines
                .iter()
                .filter_map(|line| line.split_once(" TXT "))
                .map(|(_, text)| text.trim_matches('"'));
            let plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let wanted: BTreeSet<String> = values.filter(plain).map(str::to_owned).collect();
            let held: BTreeSet<String> = dns.txt(owner.as_str()).await.into_iter().collect();
            for value in wanted.difference(&held) {
                dns.add_txt(owner.as_str(), value).await.unwrap();
            }
            for value in held.difference(&wanted) {
                dns.remove_txt(owner.as_str(), value).await.unwrap();
            }
            shown += wanted.len();
        }
        most.fetch_max(shown, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Both validate in one run, everything is tidied up, and what others have at the same names comes through letter for letter,
/// time to live and all.
#[tokio::test(flavor = "multi_thread")]
async fn orders_at_two_clouds_are_validated_in_one_run() {
    const FOREIGN: [&str; 2] = [r#""v=spf1 include:a.example" " -all""#, r#""say \"x\"""#];
    let (at_azure, azure) = azure::Fake::serve().await;
    let (at_google, google) = google::Fake::serve().await;
    google.world().zones.clear();
    google.world().add_zone("app-test", "app.test", false);
    let owner = |name: &str| format!("_dnsauth.{name}").parse::<DomainName>().unwrap();
    let (ours, theirs) =
        ([owner("one.dcv.test"), owner("two.dcv.test")], [owner("one.app.test"), owner("two.app.test")]);
    azure.put(&ours[0], "TXT", 900, &FOREIGN).await;
    google.put(&theirs[0], "TXT", 900, &FOREIGN).await;
    let before = (azure.everything(&ours[0]).await, google.everything(&theirs[0]).await);

    let zones = ["dcv.test", "app.test"].map(ZoneSpec::new).to_vec();
    let dns = Arc::new(DnsServer::start(DnsConfig { zones, ..DnsConfig::default() }).await.unwrap());
    let (server, most) = (dns.primary(), Arc::new(AtomicUsize::new(0)));
    let vendors: [(Arc<dyn Neighbour>, _); 2] =
        [(Arc::new(azure.clone()), ours.to_vec()), (Arc::new(google.clone()), theirs.to_vec())];
    for (vendor, owners) in vendors {
        tokio::spawn(mirrored(vendor, owners, Arc::clone(&dns), Arc::clone(&most)));
    }

    let ca = simulator(&[server], |config| {
        config.authorities.insert("app.test".to_owned(), vec![server]);
    })
    .await;
    let names = ["one.dcv.test", "two.dcv.test", "one.app.test", "two.app.test"];
    let orders: Vec<u64> = names.map(|name| ca.place(OrderSpec::dv([name]))).to_vec();
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &[server], &list(&orders), "");
    std::fs::write(agent.path("azure.secret"), azure::SECRET).unwrap();
    let dir = agent.folder().display();
    agent.edit(
        &format!("[providers.bind]\nkind = \"rfc2136\"\nzones = [\"dcv.test\"]\nserver = \"{server}\"\ntsig = {{ name = \"dcv-key.\", secret = {{ file = \"{dir}/tsig.key\" }} }}\n"),
        &format!(
            "[providers.azure]\nkind = \"azure\"\nzones = [\"dcv.test\"]\nsubscription = \"{}\"\nresource_group = \"rg-dns\"\n\
             tenant = \"{}\"\nclient_id = \"{}\"\nclient_secret = {{ file = \"{dir}/azure.secret\" }}\nendpoint = \"{azure}\"\nlogin_endpoint = \"{azure}\"\n\
             [providers.google]\nkind = \"google\"\nzones = [{{ name = \"app.test\", id = \"app-test\" }}]\nproject = \"{}\"\n\
             endpoint = \"{google}\"\nmetadata_endpoint = \"{google}\"\n",
            azure::SUBSCRIPTION, azure::TENANT, azure::CLIENT, google::PROJECT, azure = at_azure.uri(), google = at_google.uri(),
        ),
    );
    agent.append(&format!("\"app.test\" = [\"{server}\"]\n"));
    let run = {
        let mut command = agent.command(&["--once", "--timeout", "60s"]);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(orders.iter().all(|order| ca.order_status(*order).as_deref() == Some("issued")));
    assert!(most.load(Ordering::Relaxed) >= 1, "DNS never showed a value");
    assert_eq!(
        (azure.everything(&ours[0]).await, google.everything(&theirs[0]).await),
        before,
        "others did not come through"
    );
    assert_eq!(
        (azure.everything(&ours[1]).await.len(), google.everything(&theirs[1]).await.len()),
        (0, 0),
        "something was left"
    );
}
