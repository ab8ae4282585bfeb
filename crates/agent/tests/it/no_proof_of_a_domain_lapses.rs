//! Prevalidated domains are kept valid for good, without an order and without a person.

use std::time::Duration;

use dcv_sandbox::ca::{ApiKey, CaSimulator, DomainSpec, DomainState, Endpoint, OrderSpec, SuccessBodies};

use super::support::{Bind, eventually, scene::Scene};

/// The list is read every five seconds, so that a test need not wait an hour.
const KEEP: &str = "domains = { only = [\"*.dcv.test\"], except = [\"left.dcv.test\"], every_seconds = 5 }";

fn host(n: usize) -> String {
    format!("h{n}.dcv.test")
}

fn hosts(count: usize) -> Vec<String> {
    (0..count).map(host).collect()
}

fn state(ca: &CaSimulator, domain: u64) -> DomainState {
    ca.domain(domain).unwrap()
}

fn proven(ca: &CaSimulator, domain: u64) -> bool {
    ca.domain_status(domain).as_deref() == Some("active") && !state(ca, domain).pending
}

fn calls(ca: &CaSimulator, domain: u64, endpoint: Endpoint) -> u64 {
    ca.stats().domain(domain).calls.get(&endpoint).copied().unwrap_or(0)
}

/// One run: domains without a proof, lapsed ones and one that somebody else has submitted are proven; one whose proof is
/// fresh, an excepted, a deactivated and one of another zone are left as they are, with the reason.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_proven_and_nothing_else_is_touched() {
    let scene = Scene::new(Bind::start(&hosts(4), "_dnsauth.h0 TXT \"somebody-elses-value\"", false)).await;
    let fresh = scene.ca.place_domain(DomainSpec::new(host(3)).validated());
    let lapsed = scene.ca.place_domain(DomainSpec::new(host(0)).validated());
    scene.ca.expire_domain(lapsed);
    let submitted = scene.ca.place_domain(DomainSpec::new(host(1)).method("dns-cname-token"));
    let renewed = scene.ca.place_domain(DomainSpec::new(host(2)).kinds(["ov"]).validated());
    scene.ca.expire_domain(renewed);
    let excepted = scene.ca.place_domain(DomainSpec::new("left.dcv.test"));
    let elsewhere = scene.ca.place_domain(DomainSpec::new("www.other.example"));
    let inactive = scene.ca.place_domain(DomainSpec::new("off.dcv.test"));
    scene.ca.set_domain_active(inactive, false);
    let email = scene.ca.place_domain(DomainSpec::new("mail.dcv.test").method("email"));
    scene.configure(&[], KEEP);

    let run = scene.agent.run(&["--once", "--timeout", "60s", "--output", "json"]);
    assert_eq!(run.code, 0, "{run:?}");
    for domain in [lapsed, submitted, renewed] {
        assert!(proven(&scene.ca, domain), "{run:?}");
        let report = run.domain(domain);
        assert_eq!(report["reason"], "validated", "{report}");
        assert!(report["deadline"].is_string(), "{report}");
        assert_eq!(
            calls(&scene.ca, domain, Endpoint::NewDomainValue),
            0,
            "a value is not replaced without need"
        );
    }
    assert_eq!(scene.bind.txt(&host(0)), ["somebody-elses-value"]);
    assert_eq!(
        (scene.bind.txt(&host(2)).len(), scene.bind.alias(&host(1))),
        (0, None),
        "something of ours was left"
    );
    assert_eq!(scene.ca.stats().domain(fresh).calls.values().sum::<u64>(), 0, "a fresh proof is left alone");
    for (domain, why) in
        [(excepted, "excepted"), (elsewhere, "no pattern"), (inactive, "deactivated"), (email, "email")]
    {
        let report = run.domain(domain);
        assert_eq!(report["reason"], "not-taken-up", "{report}");
        assert!(report["detail"].as_str().unwrap().contains(why), "{report}");
        assert_eq!(calls(&scene.ca, domain, Endpoint::SubmitDomain), 0);
    }
    // Read, submit, check, read again for the new dates.
    assert_eq!(scene.ca.stats().domain(renewed).calls.values().sum::<u64>(), 4);

    let status = scene.agent.run(&["status"]);
    assert!(status.out.contains(&format!("main/domain/{renewed}")), "{status:?}");
}

/// With a reuse period of seconds, the daemon renews again and again: the proof never lapses, the value is never made
/// anew by force, and nothing of ours stays in DNS.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_never_lapses() {
    const REUSE: Duration = Duration::from_secs(30);
    let scene =
        Scene::with_ca(Bind::start(&hosts(3), "", false), |config| config.profile.domain_reuse = REUSE).await;
    let domains: Vec<u64> =
        (0..3).map(|n| scene.ca.place_domain(DomainSpec::new(host(n)).validated())).collect();
    // A third of thirty seconds, and at most a quarter of that earlier.
    scene.configure(&[], &KEEP.replace("every", "window_percent = 33, every"));
    let first: Vec<_> = domains.iter().map(|&domain| state(&scene.ca, domain).expires.unwrap()).collect();
    let daemon = scene.agent.daemon();
    let mut lapses = 0;
    eventually("each proof is renewed twice", REUSE * 3, || {
        lapses += domains.iter().filter(|&&d| scene.ca.domain_status(d).as_deref() != Some("active")).count();
        domains.iter().zip(&first).all(|(&domain, first)| {
            state(&scene.ca, domain).expires.unwrap().duration_since(*first).as_secs() > 25
        })
    });
    assert_eq!(lapses, 0, "a domain had no valid proof for a while");
    for &domain in &domains {
        assert_eq!(calls(&scene.ca, domain, Endpoint::NewDomainValue), 0);
    }
    eventually("the values are gone", Duration::from_secs(10), || {
        (0..3).all(|n| scene.bind.txt(&host(n)).is_empty())
    });
    assert_eq!(daemon.stop().0, 0);
}

/// A submission whose answer has no value is followed by a look at the domain; a value that has expired is replaced
/// once; an order value and a domain value stand side by side at one name.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_value_comes_from() {
    let scene = Scene::with_ca(Bind::start(&hosts(2), "", false), |config| {
        config.profile.success_bodies = SuccessBodies::Empty
    })
    .await;
    let silent = scene.ca.place_domain(DomainSpec::new(host(0)).validated());
    scene.ca.expire_domain(silent);
    let stale = scene.ca.place_domain(DomainSpec::new(host(1)).validated());
    scene.ca.expire_domain(stale);
    scene.configure(&[], KEEP);
    let run = scene.agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(proven(&scene.ca, silent) && proven(&scene.ca, stale), "{run:?}");

    // Pending, with a value that has expired meanwhile; and an OV order for the same name, both open at once.
    scene.ca.alter_profile(|profile| {
        profile.success_bodies = SuccessBodies::Documented;
        profile.blind = scene.bind.addresses();
    });
    scene.ca.expire_domain(stale);
    let order = scene.ca.place(OrderSpec::ov([host(1)]));
    scene.ca.expire_domain_value(stale);
    scene.configure(&[order], KEEP);
    let daemon = scene.agent.daemon();
    eventually("both values are published", Duration::from_secs(20), || scene.bind.txt(&host(1)).len() == 2);
    assert_eq!(
        calls(&scene.ca, stale, Endpoint::NewDomainValue),
        1,
        "one new value for the one that expired"
    );
    scene.let_the_ca_see();
    assert_eq!(daemon.stop().0, 0);
    let last = scene.agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(last.code, 0, "{last:?}");
    assert!(proven(&scene.ca, stale));
    assert!(scene.bind.txt(&host(1)).is_empty(), "a value was left: {last:?}");
}

/// Killed at any instant while domains are renewed, the next run finishes, makes no value by force, and leaves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_no_domain() {
    let scene = Scene::new(Bind::start(&hosts(6), "", false)).await;
    let domains: Vec<u64> =
        (0..6).map(|n| scene.ca.place_domain(DomainSpec::new(host(n)).validated())).collect();
    scene.configure(&[], KEEP);
    for round in 0..12u64 {
        domains.iter().for_each(|&domain| scene.ca.expire_domain(domain));
        let mut child = scene.agent.command(&["--once", "--timeout", "30s"]).spawn().unwrap();
        let start = std::time::Instant::now();
        let instant = Duration::from_millis(60 * round);
        eventually("the instant of the kill", Duration::from_secs(5), || start.elapsed() >= instant);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let run = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(run.code, 0, "{run:?}");
    for (n, &domain) in domains.iter().enumerate() {
        assert!(proven(&scene.ca, domain), "{run:?}");
        assert!(scene.bind.txt(&host(n)).is_empty());
        assert_eq!(
            calls(&scene.ca, domain, Endpoint::NewDomainValue),
            0,
            "a value was replaced for no reason"
        );
    }
    assert_eq!(scene.ca.stats().throttled, 0);
}

/// A domain that is deactivated while its value is published is let go and tidied up; one by e-mail is changed where the
/// operator allows that.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_a_domain_is_noticed() {
    let scene = Scene::with_blind_ca(Bind::start(&hosts(2), "", false)).await;
    let off = scene.ca.place_domain(DomainSpec::new(host(0)));
    let changing = format!("{KEEP}\nswitch_method = \"dns-txt-token\"");
    scene.configure(&[], &changing);
    let daemon = scene.agent.daemon();
    eventually("the value is published", Duration::from_secs(15), || !scene.bind.txt(&host(0)).is_empty());
    scene.ca.set_domain_active(off, false);
    eventually("the value is gone", Duration::from_secs(15), || scene.bind.txt(&host(0)).is_empty());

    scene.let_the_ca_see();
    let email = scene.ca.place_domain(DomainSpec::new(host(1)).method("email"));
    eventually("the domain by e-mail is proven by DNS", Duration::from_secs(20), || proven(&scene.ca, email));
    assert_eq!(state(&scene.ca, email).method, "dns-txt-token");
    assert!(scene.agent.log().contains("read the list of domains"));
    assert_eq!(daemon.stop().0, 0);
}

/// A key for orders alone: the account's orders are validated, and its domains are told of with what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_domains_serves_orders() {
    let keys = vec![ApiKey::orders_only("sandbox-key")];
    let scene = Scene::with_ca(Bind::start(&hosts(2), "", false), |config| config.keys = keys).await;
    let order = scene.ca.place(OrderSpec::dv([host(0)]));
    let domain = scene.ca.place_domain(DomainSpec::new(host(1)));
    scene.configure(&[order], KEEP);
    let run = scene.agent.run(&["--once", "--timeout", "20s"]);
    assert_eq!(run.code, 78, "{run:?}");
    assert!(scene.issued(order), "{run:?}");
    assert!(!proven(&scene.ca, domain));
    assert!(run.err.contains("domains cannot be listed"), "{run:?}");
}

/// A domain below one that is proven needs no proof of its own, until that one's is about to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_domain_below_a_proven_one_is_left_alone() {
    let scene = Scene::new(Bind::start(&["a.h0.dcv.test".to_owned(), host(1)], "", false)).await;
    scene.ca.place_domain(DomainSpec::new(host(0)).validated());
    let below = scene.ca.place_domain(DomainSpec::new("a.h0.dcv.test"));
    let lapsed = scene.ca.place_domain(DomainSpec::new(host(1)).validated());
    scene.ca.expire_domain(lapsed);
    let below_lapsed = scene.ca.place_domain(DomainSpec::new("a.h1.dcv.test").method("email"));
    scene.configure(&[], KEEP);
    let run = scene.agent.run(&["--once", "--timeout", "60s", "--output", "json"]);
    let report = run.domain(below);
    assert_eq!(report["reason"], "not-taken-up", "{report}");
    assert!(report["detail"].as_str().unwrap().contains("h0.dcv.test above it is proven until"), "{report}");
    assert_eq!(calls(&scene.ca, below, Endpoint::SubmitDomain), 0);
    let report = run.domain(below_lapsed);
    assert!(report["detail"].as_str().unwrap().contains("email"), "{report}");
    assert!(proven(&scene.ca, lapsed), "{run:?}");
}
