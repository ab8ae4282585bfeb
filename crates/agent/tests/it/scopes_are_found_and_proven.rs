//! Where an order is proven: as many names as a certificate can have, in any script, and without the CA's word too.

use dcv_sandbox::ca::{Endpoint, Fault, FaultKind, OrderSpec, Scope};

use super::support::{Bind, scene::Scene};

/// An order with 250 names, wildcards and internationalised names among them: three calls, one change of the zone to
/// publish and one to tidy up.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_certificate_is_two_changes_of_its_zone() {
    let mut hosts: Vec<String> = (0..246).map(|n| format!("h{n}.dcv.test")).collect();
    hosts.extend(["xn--bcher-kva.dcv.test", "xn--mnchen-3ya.dcv.test"].map(str::to_owned));
    let scene = Scene::new(Bind::start(&hosts, "", false)).await;
    let mut names = hosts.clone();
    // The wildcard of a name that is on the certificate as well is proven with it.
    names.extend(["*.h0.dcv.test", "*.h1.dcv.test"].map(str::to_owned));
    assert_eq!(names.len(), 250);
    let order = scene.ca.place(OrderSpec::dv(names));
    scene.configure(&[order], "");
    let before: u64 = scene.bind.serial().parse().unwrap_or_default();
    let run = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(scene.issued(order));
    assert_eq!(scene.calls(order), 3);
    let after: u64 = scene.bind.serial().parse().unwrap_or_default();
    assert_eq!(after - before, 2, "changes of the zone");
    assert!(scene.bind.txt("xn--bcher-kva.dcv.test").is_empty());
}

/// Where DigiCert does not tell the scopes, they are the base domains of the names, by the public suffix list; a scope that
/// is approved already is left out where it does.
#[tokio::test(flavor = "multi_thread")]
async fn scopes_are_guessed_only_where_nobody_tells_them() {
    let scene = Scene::with_ca(Bind::start(&["dcv.test".to_owned()], "", false), |config| {
        config.profile.scope = Scope::BaseDomain
    })
    .await;
    scene.ca.fault(Fault::always(FaultKind::GarbageJson).at(Endpoint::OrderValidation));
    let order = scene.ca.place(OrderSpec::dv(["www.dcv.test", "a.b.dcv.test", "*.dcv.test"]));
    scene.configure(&[order], "");
    let run = scene.agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(scene.issued(order));
    assert!(scene.bind.txt("dcv.test").is_empty());
}
