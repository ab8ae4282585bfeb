//! A host that lives by a wildcard does not lose its address to a validation record.

use dcv_sandbox::ca::OrderSpec;

use super::support::{Bind, scene::Scene};

const HOST: &str = "h1.dcv.test";

/// By RFC 4592 a record at `_dnsauth.h1` ends `*.dcv.test` for `h1`: nothing is written, and the sentence says what to do.
/// With a record of its own, or where the operator allows it, the host is validated.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_lives_by_a_wildcard_keeps_its_address() {
    for (records, allowed, validated) in [
        ("* A 192.0.2.7", false, false),
        ("* CNAME www.example.net.", false, false),
        ("* MX 10 mail", false, false),
        ("* A 192.0.2.7", true, true),
        ("* A 192.0.2.7\nh1 A 192.0.2.8", false, true),
        ("* A 192.0.2.7\nbelow.h1 A 192.0.2.8", false, true),
        ("*.h1 A 192.0.2.7", false, true),
        ("* TXT \"not a host\"", false, true),
    ] {
        let scene = Scene::new(Bind::start(&[HOST.to_owned()], records, false)).await;
        let order = scene.ca.place(OrderSpec::dv([HOST]));
        scene.configure(&[order], "");
        if allowed {
            scene.agent.append("[records]\nover_wildcards = true\n");
        }
        let serial = scene.bind.serial();
        let run = scene.agent.run(&["--once", "--timeout", "20s"]);
        let done = scene.issued(order);
        assert_eq!((done, run.code), (validated, i32::from(!validated)), "{records:?}: {run:?}");
        if !validated {
            assert_eq!(scene.bind.serial(), serial, "the zone was changed");
            assert!(run.out.contains("wildcard-host") && run.out.contains("over_wildcards"), "{run:?}");
        }
    }
}
