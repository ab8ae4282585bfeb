//! Where an order is proven: as many names as a certificate can have, in any script, and without the CA's word too.

use dcv_sandbox::ca::{Endpoint, Fault, FaultKind, OrderSpec, Scope};

use super::support::{Agent, Bind, list, simulator};

/// An order with 250 names, wildcards and internationalised names among them: three calls, one change of the zone to
/// publish and one to tidy up.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_certificate_is_two_changes_of_its_zone() {
    let mut hosts: Vec<String> = (0..246).map(|n| format!("h{n}.dcv.test")).collect();
    hosts.extend(["xn--bcher-kva.dcv.test", "xn--mnchen-3ya.dcv.test"].map(str::to_owned));
    let bind = Bind::start(&hosts, "", false);
    let ca = simulator(&bind.addresses(), |_| {}).await;
    let mut names = hosts.clone();
    // The wildcard of a name that is on the certificate as well is proven with it.
    names.extend(["*.h0.dcv.test", "*.h1.dcv.test"].map(str::to_owned));
    assert_eq!(names.len(), 250);
    let order = ca.place(OrderSpec::dv(names));
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), &list(&[order]), "");
    let before: u64 = bind.serial().parse().unwrap_or_default();
    let run = agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(ca.order_status(order).as_deref(), Some("issued"));
    assert_eq!(ca.stats().order(order).calls.values().sum::<u64>(), 3);
    let after: u64 = bind.serial().parse().unwrap_or_default();
    assert_eq!(after - before, 2, "changes of the zone");
    assert!(bind.txt("xn--bcher-kva.dcv.test").is_empty());
}

/// Where DigiCert does not tell the scopes, they are the base domains of the names, by the public suffix list; a scope that
/// is approved already is left out where it does.
#[tokio::test(flavor = "multi_thread")]
async fn scopes_are_guessed_only_where_nobody_tells_them() {
    let bind = Bind::start(&["dcv.test".to_owned()], "", false);
    let ca = simulator(&bind.addresses(), |config| config.profile.scope = Scope::BaseDomain).await;
    ca.fault(Fault::always(FaultKind::GarbageJson).at(Endpoint::OrderValidation));
    let order = ca.place(OrderSpec::dv(["www.dcv.test", "a.b.dcv.test", "*.dcv.test"]));
    let agent = Agent::new();
    agent.configure(&ca.base_url(), &bind.addresses(), &list(&[order]), "");
    let run = agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(ca.order_status(order).as_deref(), Some("issued"));
    assert!(bind.txt("dcv.test").is_empty());
}
